"""One line of what others raise."""

import pytest

from evalkit.errors import first_line, one_line
from step_audio_2.errors import first_line as first_line_alone


@pytest.mark.parametrize("first", [first_line, first_line_alone])
def test_the_first_line_that_says_something_stands_for_an_error(first: object) -> None:
    assert callable(first)
    assert first(ValueError("\n  cannot be had  \nbecause")) == "cannot be had"
    assert first(OSError()) == "OSError", "an error without a message is one, too"
    assert first(ValueError(" \n")) == "ValueError"


def test_one_line_is_the_whole_message_cut_where_it_is_endless() -> None:
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError("x" * 500)) == "x" * 200
    assert one_line(ValueError()) == "ValueError"
