"""What a voice is given of a text that a model wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.speakable import speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Plain words, 2 * 3 * 4 and snake_case_name.", "Plain words, 2 * 3 * 4 and snake_case_name."),
        ("It is **bold**, *slanted*, `code` and ~~wrong~~.", "It is bold, slanted, code and wrong."),
        ("# A title\n\nSome words.", "A title\nSome words."),
        ("- one\n- two\n  - three", "one\ntwo\nthree"),
        ("1. first\n2. second", "1. first\n2. second"),
        ("42.", "42."),  # which is the beginning of a list
        ("1984. A novel.", "1984. A novel."),
        ("[the page](https://a.example/b?c) ![a cat](cat.png)", "the page a cat"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a\nb\n1\n2"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("> quoted\n> twice", "quoted twice"),
        ("one  \ntwo\nthree", "one two three"),
        ("words\n\n---\n\nmore", "words\nmore"),
        ("Fine 😀👍🏽 🇩🇪 1️⃣ !", "Fine 1 !"),
        ("20 °C, a < b & c > d, <b>this</b>", "20 °C, a < b & c > d, this"),
        ("你好，**世界**！", "你好，世界！"),
        ("**是。**好", "是。好"),  # CommonMark takes this for no bold type
        ("# \n\n***\n", ""),
        ("", ""),
    ],
)
def test_words_are_said_and_marks_are_not(written: str, said: str) -> None:
    assert speakable(written) == said


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_whatever_is_written_can_be_said(written: str) -> None:
    said = speakable(written)
    assert said == said.strip()
    assert "\n\n" not in said
    said.encode()


@given(st.lists(st.text("abcdefgh", min_size=1), min_size=1))
def test_no_word_of_plain_text_is_lost(words: list[str]) -> None:
    assert speakable(" ".join(words)).split() == words
