"""Errors of the libraries that compose and build, in our words."""

import pytest
from hydra.utils import instantiate

from evalkit.errors import ConfigurationError
from evalkit.run.explanation import in_our_words


class Circular:
    """Cannot be made, for a reason that is its own."""

    def __init__(self) -> None:
        error = ValueError("no weights")
        raise error from error


def test_an_error_that_is_its_own_cause_is_told_like_any_other() -> None:
    with pytest.raises(ConfigurationError, match=r"Circular cannot be made: ValueError: no weights$"), in_our_words():
        instantiate({"_target_": f"{__name__}.Circular"})
