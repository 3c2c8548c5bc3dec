"""Untrusted text on its way to a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.printable import display_width, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("\ud83d", "\\ud83d"),
        ("\U000e0041", "\\U000e0041"),
        ("中文，\u3000空", "中文，\u3000空"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_what_is_not_seen_is_spelled_out(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_line_breaks_can_be_kept() -> None:
    assert printable("a\n\x1bb\r\n", lines=True) == "a\n\\x1bb\\r\n"


@given(st.text(st.characters()))
def test_nothing_that_steers_a_terminal_is_left_and_nothing_changes_twice(text: str) -> None:
    shown = printable(text)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in shown)
    shown.encode("utf-8")
    assert printable(shown) == shown


def test_width() -> None:
    assert [display_width(text) for text in ("ab", "中文", "e\u0301", "")] == [2, 4, 1, 0]
