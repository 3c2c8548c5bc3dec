"""Every decision of the default Chinese scheme: what it makes equal, and what it keeps apart."""

import string
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.text.chinese import SCHEMES

normalize = SCHEMES["default"].normalize

# relation (same or different), decision, and two spellings
PAIRS = [line.split("\t") for line in Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines()[1:]]


def pairs(relation: str) -> list[list[str]]:
    return [pair[2:] for pair in PAIRS if pair[0] == relation]


@pytest.mark.parametrize(("one", "other"), pairs("same"))
def test_read_alike(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


@pytest.mark.parametrize(("one", "other"), pairs("different"))
def test_kept_apart(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("他的女儿在那边儿玩儿", "他的女儿在那边玩"),
        ("《NBA》2023-24赛季，嗯，我看了2次！", "nba二零二三到二十四赛季我看了两次"),
        ("臺灣的電腦軟體", "台湾的电脑软体"),
        ("血压120，请拨打120", "血压一百二十请拨打一二零"),
        ("两百块两千万二百五", "二百块二千万二百五"),
        ("２０２４年１２月３１日 23:59", "二零二四年十二月三十一日二十三点五十九分"),
    ],
)
def test_exact_output(written: str, said: str) -> None:
    assert normalize(written) == said


def test_character_is_the_unit_and_letters_count_one_by_one() -> None:
    scheme = SCHEMES["default"]
    assert scheme.unit == "character"
    assert list(scheme.units(scheme.normalize("看 NBA 吧"))) == ["看", "n", "b", "a", "吧"]


# Whole spellings from the table, their characters, and white space: everything that the rules look at.
FRAGMENTS = sorted(
    {part for pair in PAIRS for text in pair[2:] for part in (text, *text)} | set(" \u3000\n\u200b\u0301")
)
mixed_text = st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join)


@settings(max_examples=300)
@given(mixed_text)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once


@settings(max_examples=300)
@given(mixed_text)
def test_output_holds_no_digit_capital_punctuation_or_space(text: str) -> None:
    output = normalize(text)
    assert not set(output) & set(string.digits + string.punctuation + string.whitespace + string.ascii_uppercase)
    assert not {unicodedata.category(character)[0] for character in output} & set("PSZC")


@given(mixed_text)
def test_plain_text_takes_a_short_cut_to_the_same_output(text: str) -> None:
    # A symbol that is not spoken makes any text take the long way.
    assert normalize(text + "☆") == normalize(text)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(text=st.text(st.characters()))
def test_any_unicode_is_normalised(scheme: str, text: str) -> None:
    output = SCHEMES[scheme].normalize(text)
    assert sum(map(len, SCHEMES[scheme].units(output))) <= len(output)


def test_a_lone_surrogate_is_dropped() -> None:
    assert normalize("後\ud800來") == "后来"


def test_a_long_run_of_digits_is_read() -> None:
    assert normalize("7" * 5000) == "七" * 5000
    # A quantity that no word names is read digit by digit too, not part by part without end.
    assert normalize("1" + "0" * 100_000) == "一" + "零" * 100_000
    assert normalize(f"{'9' * 50}个") == "九" * 50 + "个"
