"""The suites: what each holds, and that they hold together."""

from collections.abc import Iterable
from functools import cache

import pytest

from evalkit.cli.catalogue import read_options
from evalkit.run.composition import compose_configuration

TABLES = ("asr", "mmau", "covost2", "cvss", "paralinguistic", "toolcall", "uro_bench", "big_bench_audio")


@cache
def tasks(suite: str) -> tuple[str, ...]:
    return tuple(compose_configuration([f"suite={suite}", "model=predictions", "model.path=none"]).tasks)


def together(suites: Iterable[str]) -> set[str]:
    return {task for suite in suites for task in tasks(suite)}


@pytest.mark.slow
def test_the_whole_readme_is_its_tables() -> None:
    assert set(tasks("step_audio_2")) == together(TABLES) == set(tasks("smoke"))


@pytest.mark.parametrize("table", TABLES)
def test_a_suite_holds_the_tasks_of_its_table(table: str) -> None:
    places = {option.name: option.content.get("place", {}).get("table") for option in read_options("task")}
    assert {places[task] for task in tasks(table)} == {table}


@pytest.mark.slow
def test_uro_bench_is_its_four_tracks() -> None:
    tracks = [f"uro_bench_{track}_{language}" for track in ("basic", "pro") for language in ("en", "zh")]
    assert set(tasks("uro_bench")) == together(tracks)
    assert len(tasks("uro_bench")) == 40


@pytest.mark.slow
def test_the_radar_suite_fills_every_axis_of_the_readme() -> None:
    assert set(tasks("radar")) == {
        "aishell_2",
        "librispeech_clean",
        "mmau_test_mini",
        "paralinguistic",
        *tasks("covost2"),
        *tasks("cvss"),
        *tasks("uro_bench_basic_en"),
        *tasks("uro_bench_basic_zh"),
    }


@pytest.mark.slow
def test_smoke_takes_a_few_samples_of_all_groups_unless_told_otherwise() -> None:
    config = compose_configuration(["suite=smoke", "model=predictions", "model.path=none"])
    assert (config.limit, config.spread, config.missing_data, config.missing_roles) == (4, True, "skip_remote", "skip")
    config = compose_configuration(["suite=smoke", "limit=1", "model=predictions", "model.path=none"])
    assert config.limit == 1
