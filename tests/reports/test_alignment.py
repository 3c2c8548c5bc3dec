"""Alignments for the eye: where lines break, and that long ones are broken in one go."""

from collections.abc import Iterator, Sequence
from typing import overload

from evalkit.metrics.error_rate import AlignedUnit
from reports.samples.alignment import blocks


class ReadOnce(Sequence[AlignedUnit]):
    """Steps that count how often one is looked at."""

    def __init__(self, steps: list[AlignedUnit]) -> None:
        self.steps = steps
        self.looks = 0

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[AlignedUnit]:
        for step in self.steps:
            self.looks += 1
            yield step

    @overload
    def __getitem__(self, index: int) -> AlignedUnit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AlignedUnit]: ...
    def __getitem__(self, index: int | slice) -> AlignedUnit | Sequence[AlignedUnit]:
        self.looks += len(self.steps[index]) if isinstance(index, slice) else 1
        return self.steps[index]


def test_lines_hold_what_fits_and_every_unit_once() -> None:
    steps = [AlignedUnit("equal", "word", "word")] * 50
    lines = list(blocks(steps))
    assert [len(line.split()) - 1 for line in lines] == [22, 22, 22, 22, 6, 6]
    assert max(map(len, lines)) == len("  REF  ") + 22 * 5 - 1


def test_a_unit_wider_than_a_line_has_a_line_of_its_own() -> None:
    steps = [AlignedUnit("insertion", None, heard) for heard in ("a", "b" * 200, "c")]
    assert [line.split()[1] for line in blocks(steps) if line.startswith("  HYP")] == ["a", "b" * 200, "c"]


def test_a_long_answer_is_not_copied_for_each_line() -> None:
    steps = ReadOnce([AlignedUnit("insertion", None, "word")] * 5000)
    assert sum(1 for _ in blocks(steps)) == 3 * -(-5000 // 22)
    assert steps.looks == 5000
