"""What is odd about an answer beyond its score, such as the same over and over, or what a model was not given."""

from collections.abc import Sequence

from evalkit.metrics.error_rate import AlignedUnit

FLAGS = {
    "empty": "empty answer",
    "loop": "says the same over and over",
    "hallucination": "much that is not in the reference",
    "cut": "cut short",
    "audio_cut": "audio cut to what the model takes",
    "audio_split": "audio split into what the model takes",
}
"""For each flag what it says in words."""

_LONGEST_PERIOD = 12
_REPEATED = 4
_SHORTEST_LOOP = 8
_UNITS_READ = 1_000
_FEWEST_INSERTED = 5


def is_loop(units: Sequence[str]) -> bool:
    """Tell whether one to twelve units come four times or more in a row, at least eight units long."""
    units = units[:_UNITS_READ]
    for period in range(1, min(_LONGEST_PERIOD, len(units) // _REPEATED) + 1):
        wanted = max(period * _REPEATED, _SHORTEST_LOOP) - period
        alike = 0
        for before, unit in zip(units, units[period:], strict=False):
            alike = alike + 1 if before == unit else 0
            if alike >= wanted:
                return True
    return False


def is_hallucination(steps: Sequence[AlignedUnit]) -> bool:
    """Tell whether five units or more were inserted, at least half as many as the reference has."""
    inserted = sum(step.operation == "insertion" for step in steps)
    return inserted >= _FEWEST_INSERTED and 2 * inserted >= sum(step.reference is not None for step in steps)
