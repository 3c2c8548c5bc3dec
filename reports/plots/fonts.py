"""Fonts for every script that titles are written in, or the package that has the font that is missing."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from matplotlib import font_manager

# Tried in order for every character; those that are not installed are passed over.
_PREFERRED = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Noto Sans Arabic",
    "Arial Unicode MS",
)
_OF_EAST_ASIA = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH")
_EAST_ASIAN_PACKAGE, _OTHER_PACKAGE = "fonts-noto-cjk", "fonts-noto-core"
_DRAWS_BOXES = "Last Resort"
_USUAL_WEIGHT = 400


def installed_fonts() -> list[str]:
    """Return the names of the fonts that plots prefer, of those that are installed."""
    installed = set(font_manager.fontManager.get_font_names())
    return [font for font in _PREFERRED if font in installed]


def missing_characters(text: str, fonts: Sequence[str]) -> str:
    """Return the characters of a text that none of the fonts has, each once."""
    faces = [font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[font]))) for font in fonts]
    return "".join(
        character
        for character in dict.fromkeys(text)
        if not character.isspace() and not any(face.get_char_index(ord(character)) for face in faces)
    )


def further_fonts(characters: str) -> list[str]:
    """Return the names of other installed fonts that have the characters, as few as do.

    Fonts that were installed after matplotlib last looked for them are found too.
    """
    _learn_new_fonts()
    chosen: list[str] = []
    for entry in sorted(font_manager.fontManager.ttflist, key=_preference):
        usable = entry.style == "normal" and not entry.name.startswith(_DRAWS_BOXES)
        left = _without(entry.fname, characters) if usable else characters
        if left != characters:
            chosen.append(entry.name)
            characters = left
        if not characters:
            break
    return chosen


def font_advice(characters: str) -> str:
    """Return one line that says which packages have a font with the characters that no installed one has."""
    packages = dict.fromkeys(
        _EAST_ASIAN_PACKAGE if _is_east_asian(character) else _OTHER_PACKAGE for character in characters
    )
    shown = characters if len(characters) <= 20 else f"{characters[:20]}…"
    return (
        f"No installed font has {shown}; Debian and Ubuntu have one in {' and '.join(packages)}. Until it is installed "
        "they are boxes in PNG and PDF, and left to the reader's fonts in SVG."
    )


def _is_east_asian(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_OF_EAST_ASIA)


def _preference(entry: Any) -> tuple[bool, float, str]:
    """Order fonts: those that plots prefer, then by how near they are to the usual weight."""
    weight = font_manager.weight_dict.get(entry.weight, entry.weight)
    return entry.name not in _PREFERRED, abs(float(weight) - _USUAL_WEIGHT), entry.name


def _without(path: str, characters: str) -> str:
    try:
        face = font_manager.get_font(path)
    except (OSError, RuntimeError):  # taken away, or no font at all
        return characters
    return "".join(character for character in characters if not face.get_char_index(ord(character)))


def _learn_new_fonts() -> None:
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted(set(map(str, font_manager.findSystemFonts())) - known):
        try:
            font_manager.fontManager.addfont(path)
        except (OSError, RuntimeError, ValueError):  # a file that only looks like a font
            continue
