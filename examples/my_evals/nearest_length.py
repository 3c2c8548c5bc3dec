"""An adapter of a model in this process: a recogniser that knows recordings by their length."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response

_RATE = 16_000


class NearestLength(ModelAdapter):
    """Answers with the text of the training recording whose length is nearest: a floor for recognisers.

    Args:
        manifest: the training data, JSON Lines with ``text`` and ``duration`` in seconds.

    Raises:
        ConfigurationError: the manifest cannot be read or is empty.
    """

    def __init__(self, manifest: str) -> None:
        # What takes long or much memory belongs here; heavy libraries are imported here, not at the top.
        self.capabilities = Capabilities(languages=frozenset({"en"}), sample_rate=_RATE, batch_size=16)
        try:
            rows = [json.loads(line) for line in Path(manifest).read_text(encoding="utf-8").splitlines()]
            self._known = [(float(row["duration"]), str(row["text"])) for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"nearest_length: {manifest} is no manifest with text and duration") from error
        if not self._known:
            raise ConfigurationError(f"nearest_length: {manifest} is empty")

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer the requests: one response for each, in their order."""
        # Audio is decoded already: mono float32 [samples] at the rate that the capabilities ask for.
        lengths = [len(request.audio[0].waveform(_RATE)) / _RATE for request in requests]
        return [Response(min(self._known, key=lambda known: abs(known[0] - length))[1]) for length in lengths]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what decides the answers: here, all that the model knows."""
        return {"adapter": "nearest_length", "known": self._known}
