"""A data set's identity, for provenance: are these the same samples as last week's?"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from evalkit.types import Sample

_json = json.JSONEncoder().encode


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
        self._recordings = 0
        self._sum = self._ids = self._sound = 0

    def add(self, sample: Sample) -> None:
        """Take in one more sample."""
        digests = []
        known_as: list[str | list[str]] = []
        for audio in sample.audio:
            digest = audio.digest()
            digests.append(digest)
            known_as.append(audio.locator if digest is None else [audio.locator, digest])
        self._sum += _number([sample.id, sample.references, known_as])
        self._ids += _number(sample.id)
        self._sound += _number([sample.id, digests])
        self._recordings += sum(digest is not None for digest in digests)
        self.samples += 1

    def hexdigest(self) -> str:
        """Return the fingerprint of all samples so far, 32 hexadecimal digits."""
        return _text(self._sum)

    def to_json(self) -> dict[str, Any]:
        """Return fingerprints, also of ids and of sound alone, and the counts of samples and of recordings at hand."""
        return {
            "samples": self.samples,
            "recordings": self._recordings,
            "fingerprint": self.hexdigest(),
            "ids": _text(self._ids),
            "sound": _text(self._sound),
        }

    def recordings_changed_since(self, recorded: Mapping[str, Any]) -> bool:
        """Return whether the same samples had other recordings when ``recorded`` was written.

        Args:
            recorded: what ``to_json`` gave. One of other samples, as of a larger selection, or with more or fewer
                recordings at hand, tells nothing.
        """
        now = self.to_json()
        alike = all(recorded.get(key) == now[key] for key in ("ids", "recordings"))
        return alike and recorded.get("sound") != now["sound"]


def _number(content: Any) -> int:
    return int.from_bytes(hashlib.blake2b(_json(content).encode(), digest_size=16).digest(), "big")


def _text(number: int) -> str:
    return f"{number % (1 << 128):032x}"
