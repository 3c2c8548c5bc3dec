"""A model that says back what it hears: what speaking without understanding is worth in every spoken task."""

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.types import Request, Response


class Echo(ModelAdapter):
    """Answers each request with the last recording in it, as speech, and writes nothing.

    It is the floor of the spoken benchmarks, made for demos and tests: it repeats perfectly, and whatever else it
    scores, a benchmark gives away. It can be given tools, and calls none.
    """

    capabilities = Capabilities(sample_rate=None, batch_size=256, text_output=False, speech_output=True, tools=True)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Return the last recording of each request; silence where there is none."""
        return [Response(speech=request.audio[-1] if request.audio else None) for request in requests]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the name alone: there is nothing else that answers depend on."""
        return {"adapter": "echo"}
