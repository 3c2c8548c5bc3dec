"""Shards of a run: whose each sample is, where each shard lies, and what does not go into one folder."""

import random
from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError
from evalkit.results.shards import Shard, refuse_mixture, shards_of


def begun(folder: Path, *more: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.yaml", *more):
        (folder / name).touch()


@pytest.mark.parametrize(("samples", "count"), [(0, 1), (1, 3), (7, 7), (100, 16), (15, 16), (1_000, 1)])
def test_every_sample_is_of_one_shard_and_none_has_two_more_than_another(samples: int, count: int) -> None:
    shards = [Shard(number, count) for number in range(1, count + 1)]
    shares = [list(shard.share(range(samples))) for shard in shards]
    assert sorted(sample for share in shares for sample in share) == list(range(samples))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for shard, share in zip(shards, shares, strict=True):
        assert shard.size(samples) == len(share)
        assert [place for place in range(samples) if shard.takes(place)] == share


@pytest.mark.parametrize("text", ["", "3", "0/16", "17/16", "3/0", "03/16", "3/16/1", " 3/16", "-1/4", "3/9999999"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="shard|form"):
        Shard.parse(text)


def test_shards_are_found_in_their_order_and_what_is_none_is_left_aside(tmp_path: Path) -> None:
    shards = [Shard(number, 11) for number in range(1, 12)]
    for shard in random.Random(1).sample(shards, 11):
        begun(shard.folder(tmp_path))
        assert Shard.run_of(shard.folder(tmp_path)) == tmp_path
    (tmp_path / "shards" / "12-of-11").mkdir()  # nothing in it
    for name in ("13-of-11", "01-of-11", "1-of-11.bak"):
        begun(tmp_path / "shards" / name)
    (tmp_path / "shards" / ".lock").touch()
    assert list(shards_of(tmp_path)) == shards
    assert shards_of(tmp_path / "elsewhere") == {}
    begun(Shard(1, 4).folder(tmp_path))
    with pytest.raises(ConfigurationError, match="shards of 4 and of 11"):
        shards_of(tmp_path)


def test_a_whole_run_and_shards_do_not_mix_before_they_are_merged(tmp_path: Path) -> None:
    refuse_mixture(tmp_path, None)
    refuse_mixture(tmp_path, Shard(1, 4))
    begun(Shard(1, 4).folder(tmp_path))
    refuse_mixture(tmp_path, Shard(2, 4))
    with pytest.raises(ConfigurationError, match="divided into 4 shards, and shard=2/5"):
        refuse_mixture(tmp_path, Shard(2, 5))
    with pytest.raises(ConfigurationError, match="holds shards that are not merged; `evalkit merge"):
        refuse_mixture(tmp_path, None)
    begun(tmp_path, "metrics.json")
    refuse_mixture(tmp_path, None)
    refuse_mixture(tmp_path, Shard(2, 4))
    begun(tmp_path / "plain")
    with pytest.raises(ConfigurationError, match="holds a run without shards"):
        refuse_mixture(tmp_path / "plain", Shard(1, 4))
