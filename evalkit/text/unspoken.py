"""The first step of every default scheme: remove what nobody said and nobody sees.

Recognisers and corpora write tags among the words (``<|zh|>``, ``<unk>``, ``<foreign language="English">``,
``[laughter]``, ``{COUGH}``), and texts hold characters without a shape (zero-width spaces, joiners, direction marks,
byte-order marks, soft hyphens, variation selectors, control characters). A tag becomes a space, an invisible character
nothing. What may have been said stays: words in brackets that are no known remark, ``a < b``, a title in ``<…>``.

Every pattern takes time in proportion to the text, whatever it holds: what may stand between two brackets excludes the
opening one, so that no stretch is read for two beginnings, and nothing that was taken is given back.
"""

import re
import unicodedata

_MODEL_TAG = re.compile(r"<\|[^<>]*+>(?<=\|>)")
_ATTRIBUTE = r"""[a-z][\w:.-]*+\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>]++)"""
_MARKUP_TAG = re.compile(rf"<[/!]?\s*+\d*+[a-z_][\w:.-]*+(?:\s++{_ATTRIBUTE})*+\s*+/?>", re.IGNORECASE | re.ASCII)
_REMARK = re.compile(r"[<\[({【（［｛＜〈]{1,2}+([^<>\[\](){}【】（）［］｛｝＜＞〈〉]{1,60})[>\])}】）］｝＞〉]{1,2}+")
# What is a tag in square brackets alone: tokens of models, speakers, marks of noise.
_SQUARE_TAG = re.compile(
    r"\[(?:PAD|CLS|SEP|MASK|BOS|EOS|START|END|LBS|PII|[LNPSTX+]|#|(?i:speaker)[ _]?[0-9A-Z]{1,3})\]:?"
)
_HESITATION = re.compile(r"%(?:hesitation|hes)(?![a-z])", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
# Sounds, and what annotators say of sound and speech. A remark is a bracket with nothing else in it.
_SOUNDS = frozenset(
    "applause applauding babble beep beeping bgm blank breath breathing breaths censored cheering chuckle"
    " chuckles chuckling clapping click clicks cough coughing coughs crosstalk crying ding dtmf exhale exhales"
    " exhaling gasp gasps groan hmm hum humming inaudible incomprehensible inhale inhales inhaling laugh"
    " laughing laughs laughter lipsmack music musical noise noises overlap pause pauses ring ringing ringtone"
    " sigh sighing sighs sil silence singing smack sneeze sneezes sneezing sniff sniffs snoring sobbing sonant"
    " static throat unclear unintelligible unk unknown whispering whistle whistles whistling yawn yawning"
    " 笑 笑声 笑聲 笑い 笑い声 大笑 轻笑 哭 哭声 哭聲 掌声 掌聲 拍手 鼓掌 音乐 音樂 音楽"
    " 噪音 噪声 杂音 雜音 雑音 咳 咳嗽 咳嗽声 静音 靜音 无声 無聲 無音 沉默 叹气 嘆氣"
    " 呼吸声 听不清 聽不清 聞き取れず 背景音 背景音乐 背景音樂 背景噪音".split()
)
# Remarks about speech that names no sound.
_REMARKS = frozenset(
    ("no speech", "non speech", "nonspeech", "foreign", "foreign language", "speaking foreign language", "end of audio")
)
_SAID_OF_SOUNDS = frozenset(
    "and audience audio background blows blank by clear clearing clears crowd dramatic end ends eng fades foreign"
    " gentle heavy human in indistinct intense language lip lips loud loudly mouth no non noise nose off on"
    " nonspeech phone playing plays sad soft softly sound sounds speaker speaking speech spoken start starts talking"
    " upbeat voice vocalized vocal with".split()
)


def remove_unspoken(text: str) -> str:
    r"""Replace the tags in a text by spaces, and delete its invisible characters and lone surrogates.

    White space stays as it is, and so do marks that are written over a letter.

    >>> remove_unspoken("<|en|>he[noise]llo \u200bworld (laughs)")
    ' he llo world  '
    """
    if not text.isascii() or not text.isprintable():
        text = text.translate(_INVISIBLE)
    if "<" in text:
        text = _MARKUP_TAG.sub(" ", _MODEL_TAG.sub(" ", text))
    if "%" in text:
        text = _HESITATION.sub(" ", text)
    return _REMARK.sub(_without_remark, _SQUARE_TAG.sub(" ", text))


def _without_remark(bracket: re.Match[str]) -> str:
    return " " if _is_remark(bracket[1]) else bracket[0]


def _is_remark(content: str) -> bool:
    words = _WORD.findall(content.replace("_", " ").lower())
    if not words:
        return content.strip() in {"*", "…", "..."}
    if " ".join(words) in _REMARKS:
        return True
    return not _SOUNDS.isdisjoint(words) and _SOUNDS.issuperset(set(words) - _SAID_OF_SOUNDS)


class _InvisibleCharacters(dict[int, str | int]):
    """A table for ``str.translate`` that deletes what has no shape, and fills itself as characters are met."""

    def __missing__(self, code_point: int) -> str | int:
        character = chr(code_point)
        category = unicodedata.category(character)
        deleted = (
            (category[0] == "C" and category not in ("Co", "Cn") and not character.isspace())
            or code_point & 0xFFFE == 0xFFFE  # what is no character and never will be one
            or 0xFDD0 <= code_point <= 0xFDEF
            or 0xFE00 <= code_point <= 0xFE0F  # variation selectors
            or 0xE0100 <= code_point <= 0xE01EF
            or code_point in _WITHOUT_A_SHAPE
        )
        self[code_point] = "" if deleted else code_point
        return self[code_point]


# Letters and marks by category, but never drawn: Hangul fillers, grapheme joiner, Khmer inherent vowels, Mongolian
# vowel and variation separators.
_WITHOUT_A_SHAPE = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0})
_INVISIBLE = _InvisibleCharacters()
