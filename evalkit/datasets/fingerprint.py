"""A data set's identity, for provenance: are these the same samples as last week's?"""

import hashlib
import json
from collections.abc import Iterable, Mapping
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
        self._texts: int | None = 0

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
        if self._texts is not None:
            self._texts += _number([sample.id, sample.references])
        self._sound += _number([sample.id, digests])
        self._recordings += sum(digest is not None for digest in digests)
        self.samples += 1

    def hexdigest(self) -> str:
        """Return the fingerprint of all samples so far, 32 hexadecimal digits."""
        return _text(self._sum)

    def to_json(self) -> dict[str, Any]:
        """Return fingerprints, also of ids, of references and of sound alone, and counts of samples and recordings.

        The recordings are those at hand. Of shares whose records lack the references, so does the whole's.
        """
        return {
            "samples": self.samples,
            "recordings": self._recordings,
            "fingerprint": self.hexdigest(),
            "ids": _text(self._ids),
            **({} if self._texts is None else {"texts": _text(self._texts)}),
            "sound": _text(self._sound),
        }

    @classmethod
    def joined(cls, records: Iterable[Mapping[str, Any]]) -> "Fingerprint":
        """Return the fingerprint of a data set of those of its shares, as ``to_json`` gave them."""
        joined = cls()
        for record in records:
            joined.samples += record["samples"]
            joined._recordings += record["recordings"]
            joined._sum += int(record["fingerprint"], 16)
            joined._ids += int(record["ids"], 16)
            joined._sound += int(record["sound"], 16)
            if joined._texts is not None:
                joined._texts = joined._texts + int(record["texts"], 16) if "texts" in record else None
        return joined

    def texts_differ_from(self, recorded: Mapping[str, Any]) -> bool:
        """Return whether the ids or references are others than when ``recorded`` was written, as far as that tells."""
        now = self.to_json()
        return any(key in recorded and recorded[key] != now[key] for key in ("ids", "texts"))

    def recordings_changed_since(self, recorded: Mapping[str, Any]) -> bool:
        """Return whether the same samples had other recordings when ``recorded`` was written.

        Args:
            recorded: what ``to_json`` gave. One of other samples, as of a larger selection, or with more or fewer
                recordings at hand, tells nothing.
        """
        now = self.to_json()
        alike = all(recorded.get(key) == now[key] for key in ("ids", "recordings"))
        return alike and recorded.get("sound") != now["sound"]


class OrderedFingerprint:
    """Digest of the samples of a data set in their order, with all that they say but the bytes of recordings.

    It is what the shards of a run must agree on: they take samples by their place, and each reads its own recordings.

    Attributes:
        samples: how many have been added.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def add(self, sample: Sample) -> None:
        """Take in the next sample."""
        said = [sample.id, sample.references, sample.language, sample.groups, sample.metadata, sample.clusters]
        self._digest.update(_json([*said, [audio.locator for audio in sample.audio]]).encode() + b"\n")
        self.samples += 1

    def hexdigest(self) -> str:
        """Return the fingerprint of the samples so far, 32 hexadecimal digits."""
        return self._digest.hexdigest()


def _number(content: Any) -> int:
    return int.from_bytes(hashlib.blake2b(_json(content).encode(), digest_size=16).digest(), "big")


def _text(number: int) -> str:
    return f"{number % (1 << 128):032x}"
