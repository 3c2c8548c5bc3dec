"""A set of hashes in little memory."""

import random
import tracemalloc

from evalkit.datasets.hashes import Hashes


def test_each_number_is_new_once() -> None:
    rng = random.Random(0)
    numbers = [rng.randrange(-(1 << 63), 1 << 63) for _ in range(150_000)] + [0, -1, (1 << 63) - 1, -(1 << 63)]
    hashes = Hashes()
    assert not hashes
    assert all(map(hashes.add, numbers))
    rng.shuffle(numbers)
    assert not any(map(hashes.add, numbers))
    assert len(hashes) == len(numbers)


def test_they_take_little_memory() -> None:
    count = 140_000
    tracemalloc.start()
    try:
        hashes = Hashes()
        for number in range(count):
            hashes.add(hash(str(number)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < count * 25, "a built-in set takes 80 bytes for each"
