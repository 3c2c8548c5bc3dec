"""Which schemes there are, and what a wrong name is answered with."""

import subprocess
import sys

import pytest

from evalkit.errors import ConfigurationError
from evalkit.text import LANGUAGES, get_scheme, normalizer, scheme_names

SCHEMES = {
    "en": {"default", "whisper", "qwen2_audio", "raw"},
    "zh": {"default", "whisper", "qwen2_audio", "kimi_audio", "raw"},
    "yue": {"default", "qwen2_audio", "kimi_audio", "raw"},
    "ja": {"default", "whisper", "raw"},
    "ar": {"default", "whisper", "kimi_audio", "raw"},
    "de": {"default", "whisper", "raw"},
    "th": {"default", "whisper", "raw"},
}
NAMES = {name for names in SCHEMES.values() for name in names}


@pytest.mark.parametrize("language", SCHEMES)
def test_schemes_of_a_language(language: str) -> None:
    for name in SCHEMES[language]:
        scheme = get_scheme(language, name)
        assert scheme.language == language
        assert scheme.name == name or name == "default"
    for name in NAMES - SCHEMES[language]:
        with pytest.raises(ConfigurationError, match=r"there are default, "):
            get_scheme(language, name)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_scheme_takes_any_text(language: str) -> None:
    for name in SCHEMES.get(language, {"default", "raw"}):
        scheme = get_scheme(language, name)
        assert list(scheme.units(scheme.normalize(""))) == []
        for text in (" ", "...", "<|en|>", "\u0301", "a\x00b", "𠮶👍", "[", "9" * 50):
            assert all(scheme.units(scheme.normalize(text)))


def test_unit_follows_the_script() -> None:
    units = {language: get_scheme(language).unit for language in SCHEMES}
    assert units == {
        "en": "word", "zh": "character", "yue": "character", "ja": "character", "ar": "word", "de": "word",
        "th": "character",
    }  # fmt: skip


def test_mistyped_scheme_gets_a_hint() -> None:
    with pytest.raises(ConfigurationError, match=r"'wisper' for language 'en', did you mean 'whisper'\?"):
        normalizer("en", "wisper")


def test_english_loads_no_chinese_library() -> None:
    program = (
        "import sys, evalkit; evalkit.normalizer('en')('x'); print(*{'opencc', 'sacrebleu', 'torch'} & {*sys.modules})"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == []


def test_versions() -> None:
    # Of our own defaults the second, but for languages that had none before; of Whisper's, which English has, and of
    # all that reproduce others the first.
    for language in LANGUAGES:
        for name in scheme_names(language):
            scheme = get_scheme(language, name)
            assert scheme.version == (2 if scheme.name == "default" and language not in {"nan", "wuu"} else 1)
    assert get_scheme("en").name == "whisper"
    assert get_scheme("en") == get_scheme("en", "whisper")
    assert {language for language in LANGUAGES if get_scheme(language).name != "default"} == {"en"}
