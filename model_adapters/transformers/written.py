"""Tokens that a model wrote, as responses."""

from collections.abc import Collection
from typing import Any

from evalkit.types import Response, Usage


def written(tokenizer: Any, answers: Any, *, stop: Collection[int], input_tokens: int = 0) -> list[Response]:
    """Return a response for each row of tokens.

    Args:
        tokenizer: of the model.
        answers: the tokens [answers, longest] that follow the prompt; a stop token ends each, unless it was cut short,
            and what comes after it does not count.
        stop: ids of the tokens that end an answer.
        input_tokens: that each prompt has.
    """
    responses = []
    for row in answers.tolist():
        length = next((place for place, token in enumerate(row) if token in stop), None)
        tokens = row[:length]
        responses.append(
            Response(
                text=tokenizer.decode(tokens, skip_special_tokens=True).strip(),
                finish_reason="length" if length is None else "stop",
                usage=Usage(input_tokens=input_tokens, output_tokens=len(tokens)),
            )
        )
    return responses
