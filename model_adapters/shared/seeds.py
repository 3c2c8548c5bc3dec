"""Seeds of sampled answers."""

import hashlib

from evalkit.types import Request


def seed_of(request: Request, seed: int, number: int) -> int:
    """Hash what is asked, in which run, and which of several answers it is, to 63 bits."""
    identity = f"{request.content_hash()} {seed} {number}"
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "little") >> 1
