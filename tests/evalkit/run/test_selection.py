"""Which samples a run takes of a data set."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from evalkit.chain import Chain, Score
from evalkit.errors import ConfigurationError
from evalkit.results.shards import Shard
from evalkit.run.selection import SelectedSamples, Selection
from evalkit.task import Task
from evalkit.types import Sample


class Grouped(Task):
    """Samples of three groups, of which one is rare."""

    name, title, metrics, expected_samples = "grouped", "Grouped", {}, None

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes

    def samples(self) -> Iterator[Sample]:
        for group, size in self._sizes.items():
            for number in range(size):
                yield Sample(f"{group}{number}", groups={"group": group})

    def chain(self, sample: Sample) -> Chain:
        yield from ()
        return Score({})

    def unanswered(self, sample: Sample) -> Score:
        return Score({})


SIZES = {"a": 500, "b": 400, "rare": 3}


def chosen(sizes: Mapping[str, int] = SIZES, **settings: object) -> list[str]:
    samples = SelectedSamples(Grouped(sizes), Selection(**settings))  # type: ignore[arg-type]
    names = [sample.id for sample in samples]
    assert names == [sample.id for sample in samples], "another selection the second time"
    return names


def groups(names: list[str]) -> Counter[str]:
    return Counter(name.rstrip("0123456789") for name in names)


def test_without_settings_all_are_taken_and_a_limit_takes_the_first() -> None:
    assert len(chosen()) == 903
    assert chosen(limit=3) == ["a0", "a1", "a2"]


def test_a_spread_limit_takes_from_every_group_alike() -> None:
    assert groups(chosen(limit=6, spread=True)) == {"a": 2, "b": 2, "rare": 2}
    assert groups(chosen(limit=15, spread=True)) == {"a": 6, "b": 6, "rare": 3}
    assert len(chosen(limit=2_000, spread=True)) == 903


def test_a_spread_choice_is_in_order_random_and_the_seed_s() -> None:
    first, second = chosen(limit=100, spread=True), chosen(limit=100, spread=True, seed=1)
    order = chosen()
    assert first == sorted(first, key=order.index)
    assert first != second
    assert first != chosen(limit=100)


@pytest.mark.parametrize("settings", [{}, {"limit": 15, "spread": True}, {"fraction": 0.3}, {"limit": 2}])
def test_shards_divide_what_is_chosen(settings: dict[str, Any]) -> None:
    shares = [chosen(shard=Shard(number, 4), **settings) for number in (1, 2, 3, 4)]
    assert [share[0] for share in shares if share] == chosen(**settings)[:4]
    assert sorted(name for share in shares for name in share) == sorted(chosen(**settings))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_choice_does_not_depend_on_what_else_is_in_the_data_set() -> None:
    kept = set(chosen(fraction=0.2))
    assert {name for name in chosen({**SIZES, "more": 50}, fraction=0.2) if not name.startswith("more")} == kept


def test_a_fraction_is_taken_at_random_from_everywhere() -> None:
    counts = groups(chosen({"a": 5_000, "b": 5_000}, fraction=0.1))
    assert 400 < counts["a"] < 600
    assert 400 < counts["b"] < 600
    assert chosen(fraction=1.0) == chosen()
    assert len(chosen(fraction=0.5, limit=7)) == 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"fraction": 0.0}, "fraction is 0"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"spread": True}, "give limit= too"),
    ],
)
def test_impossible_selections_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        chosen(**settings)
