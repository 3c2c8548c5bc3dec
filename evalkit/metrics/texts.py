"""What a metric asks of the texts that it compares."""

from collections.abc import Sequence

from evalkit.errors import DataError


def check_texts(function: str, references: Sequence[str], hypotheses: Sequence[str]) -> None:
    """Refuse anything but two equally long lists of texts.

    Args:
        function: what messages call the function that was given them.
        references: the expected texts.
        hypotheses: the texts to be scored.

    Raises:
        DataError: they are not that.
    """
    if isinstance(references, str) or isinstance(hypotheses, str):
        raise DataError(f"{function} takes lists of texts; put a single text in a list")
    if len(references) != len(hypotheses):
        raise DataError(
            f"{function} pairs each reference with one hypothesis, but got {len(references)} references"
            f" and {len(hypotheses)} hypotheses"
        )
    for name, texts in (("reference", references), ("hypothesis", hypotheses)):
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"{name} {index} is {text!r}, not a text; score a missing answer as an empty text")
