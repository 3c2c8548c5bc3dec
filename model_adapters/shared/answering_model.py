"""Whether the model that was asked is the one that answers.

Services send requests for a model that has ended to another one, without an error and at the other one's price.
"""

import re
from typing import Any

from evalkit.errors import ConfigurationError, RejectedError


class ExpectedModel:
    """Which model may answer.

    Args:
        asked: its name, for messages.
        pattern: a regular expression of the names by which it may call itself, whole, such as
            ``gpt-audio-1[.]5(-.*)?``; None where any may answer.

    Raises:
        ConfigurationError: the pattern is no regular expression.
    """

    def __init__(self, asked: str, pattern: str | None) -> None:
        self._asked = asked
        try:
            self._pattern = None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise ConfigurationError(f"answered_by: '{pattern}' is no regular expression ({error})") from None

    def check(self, name: Any) -> None:
        """Let a model's name pass, or the absence of one: servers need not say it.

        Raises:
            RejectedError: it is another model's; every further answer would be, so the run stops.
        """
        if self._pattern is None or not isinstance(name, str) or not name:
            return
        if not self._pattern.fullmatch(name.removeprefix("models/")):
            raise RejectedError(
                f"{self._asked} was asked, but {name[:100]} answers: the service may have ended the one and sends its "
                "requests to the other; choose a model that is there, or say by answered_by= that this one is right"
            )
