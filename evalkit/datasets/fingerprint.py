"""A data set's identity, for provenance: are these the same samples as last week's?"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from evalkit.types import Sample


class Fingerprint:
    """Digest of ids, references and recordings, gathered sample by sample in constant memory.

    It does not depend on the order of the samples, or on where the data lies: each sample is hashed by itself with
    BLAKE2b, and the hashes are added modulo 2^128. A recording stands as its name and the digest of its bytes, or as
    its name alone where it is not at hand.

    Attributes:
        samples: how many have been added.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._sum = 0
        self._ids = 0

    def add(self, sample: Sample) -> None:
        """Take in one more sample."""
        recordings = [_known_as(audio.locator, audio.digest()) for audio in sample.audio]
        self._sum += _number([sample.id, sample.references, recordings])
        self._ids += _number(sample.id)
        self.samples += 1

    def hexdigest(self) -> str:
        """The fingerprint of all samples so far, 32 hexadecimal digits."""
        return _text(self._sum)

    def to_json(self) -> dict[str, Any]:
        """Return how many samples there are, the fingerprint, and ``ids``, that of their ids alone."""
        return {"samples": self.samples, "ids": _text(self._ids), "fingerprint": self.hexdigest()}

    def changed_since(self, recorded: Mapping[str, Any]) -> bool:
        """Return whether the same samples had other references or recordings when ``recorded`` was written.

        Args:
            recorded: what ``to_json`` gave. One of other samples, as of a larger selection, tells nothing.
        """
        return recorded.get("ids") == _text(self._ids) and recorded.get("fingerprint") != self.hexdigest()


def _known_as(locator: str, digest: str | None) -> Any:
    return locator if digest is None else [locator, digest]


def _number(content: Any) -> int:
    text = json.dumps(content)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def _text(number: int) -> str:
    return f"{number % (1 << 128):032x}"
