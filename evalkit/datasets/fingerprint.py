"""A data set's identity, for provenance: are these the same samples as last week's?"""

import hashlib
import json

from evalkit.types import Sample


class Fingerprint:
    """Digest of ids, references and audio locators, gathered sample by sample in constant memory.

    It does not depend on the order of the samples, on where the data lies, or on the sound itself: each
    sample is hashed by itself with BLAKE2b, and the hashes are added modulo 2^128.

    Attributes:
        samples: how many have been added.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._sum = 0

    def add(self, sample: Sample) -> None:
        """Take in one more sample."""
        content = json.dumps([sample.id, sample.references, [audio.locator for audio in sample.audio]])
        self._sum += int.from_bytes(hashlib.blake2b(content.encode(), digest_size=16).digest(), "big")
        self.samples += 1

    def hexdigest(self) -> str:
        """The fingerprint of all samples so far, 32 hexadecimal digits."""
        return f"{self._sum % (1 << 128):032x}"
