"""Whisper's basic normaliser, against the golden file and the original on many scripts."""

import random
from typing import Any

import pytest

from evalkit.text import normalizer
from evalkit.text.basic import whisper_basic
from tests.evalkit.text import golden

_SCRIPTS = "a B é É œ Ł ß İ Σ が ガ ｶﾞ Ａ １ ½ ① 中 文 한 ไทย นี้ हिन्दी مَرْحَبًا ـ ٢ ٪ й <unk> [x] (y) < > [ ] ( )"
_SYMBOLS = "e\u0301 \u0301 👍🏽 🇩🇪 \u200d \u200b \u00a0 \u3000 . , ! ' - _ $ + ^ ~ 。 、 ー 〜 “ ” …"
PIECES = [*_SCRIPTS.split(" "), *_SYMBOLS.split(" "), " ", "\n"]


def texts(count: int) -> list[str]:
    generator = random.Random(0)
    return ["".join(generator.choices(PIECES, k=generator.randrange(20))) for _ in range(count)]


@pytest.mark.parametrize("case", golden.parameters("golden_wer_en"))
def test_golden(case: dict[str, Any]) -> None:
    expected = case["basic_normalizer"]
    assert (whisper_basic(case["ref"]), whisper_basic(case["hyp"])) == (expected["ref"], expected["hyp"])


@pytest.mark.parametrize(("remove_diacritics", "split_letters"), [(False, False), (True, False), (False, True)])
def test_same_as_the_original(remove_diacritics: bool, split_letters: bool) -> None:
    package = pytest.importorskip("whisper_normalizer.basic", reason="needs whisper-normalizer to compare with")
    original = package.BasicTextNormalizer(remove_diacritics=remove_diacritics, split_letters=split_letters)
    for text in texts(4_000):
        ours = whisper_basic(text, remove_diacritics=remove_diacritics, split_letters=split_letters)
        assert ours == original(text), repr(text)


def test_german_words_keep_their_umlauts() -> None:
    assert normalizer("de")("Größe, über  [lacht] 20 %!") == "größe über 20"
