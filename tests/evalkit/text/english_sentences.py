"""Seeded English sentences that lead a normaliser into every corner it has."""

import random
from collections.abc import Iterator
from pathlib import Path

# A line is a kind of text: how often it occurs, then examples separated by vertical bars.
_LINES = Path(__file__).with_name("english_pieces.txt").read_text(encoding="utf-8").splitlines()
_WEIGHTS = [int(line.partition(" ")[0]) for line in _LINES]
_KINDS = [line.partition(" ")[2].split("|") for line in _LINES]
_KINDS[-1] += ["\u200b", "e\u0301", "\u0301", "half\u200b"]  # what would not be seen in the file
_SEPARATORS = (*[" "] * 12, "  ", "\t", "\n", "", "-", ", ", ". ", " '", "\u00a0")
_CASES = (str, str, str, str, str.upper, str.capitalize)


def sentences(count: int, seed: int = 0) -> Iterator[str]:
    """Yield ``count`` sentences of 0 to 25 pieces, a third of them in upper case or capitalised."""
    generator = random.Random(seed)
    for _ in range(count):
        kinds = generator.choices(_KINDS, _WEIGHTS, k=generator.randrange(26))
        text = "".join(generator.choice(kind) + generator.choice(_SEPARATORS) for kind in kinds)
        yield generator.choice(_CASES)(text)
