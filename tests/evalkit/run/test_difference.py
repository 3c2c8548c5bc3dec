"""Why two runs differ, by stored runs in which one thing or several were changed."""

import json
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import fields
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_args

import pytest

from evalkit.audio import Audio
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError, StoreError
from evalkit.run.difference.causes import Cause, Change, Effect, Example, Figure, Harmless, Kind, RunDifference
from evalkit.run.difference.diff import diff_runs
from evalkit.types import Call, Failure, Response, Sample
from tests.conftest import ROOT
from tests.stored_runs import stored_run

STORED = ROOT / "tests" / "data" / "run_format_1"
TASK = "speech"
REFERENCES = {
    "a": "good day to you",
    "b": "seven great ships",
    "c": "the lighthouse keeper",
    "d": "some old men",
    "e": "so it is",
}
ANSWERS = {
    "a": "Good day to you.",
    "b": "seven grey ships",
    "c": "the lighthouse keeper",
    "d": "some old men",
    "e": "so is it",
}
CONFIG: dict[str, Any] = {
    "name": "base",
    "limit": None,
    "schemes": ["default"],
    "executor": {"_target_": "evalkit.inference.local.LocalExecutor", "batch_size": None},
    "statistics": {"level": 0.95, "resamples": 20, "seed": 0},
    "tasks": {
        TASK: {
            "_target_": "tasks.asr.Transcription",
            "title": "Speech",
            "language": "en",
            "schemes": ["default"],
            "place": {"table": "asr", "group": "English", "benchmark": "Speech"},
            "dataset": {"_target_": "evalkit.datasets.open_dataset", "path": "speech.jsonl"},
        }
    },
    "model": {
        "_target_": "mine.Model",
        "title": "Mine",
        "path": "weights",
        "prompts": {"asr": {"user": "{audio}Write it down."}},
        "generation": {"max_new_tokens": 64},
    },
}
PROVENANCE: dict[str, Any] = {
    "models": {"model": {"weights": "1234", "versions": {"torch": "2.6"}}},
    "sessions": [
        {
            "software": {"python": "3.11.7", "commit": "c0ffee", "packages": {"torch": "2.6", "ruff": "0.12"}},
            "hardware": {"processor": "one", "accelerators": []},
        }
    ],
}


def changed(content: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """A copy of nested mappings with some values set, by their ways with two underscores between the steps."""
    copy = deepcopy(dict(content))
    for way, value in values.items():
        *outer, last = way.split("__")
        inner = copy
        for key in outer:
            inner = inner[int(key)] if isinstance(inner, list) else inner[key]
        inner[last] = value
    return copy


def scored_by(scheme: str) -> dict[str, Any]:
    return changed(CONFIG, schemes=[scheme], tasks__speech__schemes=[scheme])


def make(
    folder: Path,
    *,
    references: Mapping[str, str] = REFERENCES,
    answers: Mapping[str, str | None] = ANSWERS,
    config: Mapping[str, Any] = CONFIG,
    provenance: Mapping[str, Any] | None = PROVENANCE,
    digests: Mapping[str, str] = {},
    speakers: str = "",
) -> Path:
    """A run of speech recognition; an answer of None is a failed one."""
    samples = [
        Sample(
            key,
            (Audio(f"{key}.wav", digest=digests.get(key, f"digest of {key}")),),
            (text,),
            "en",
            clusters={"speaker": speaker} if speaker else {},
        )
        for (key, text), speaker in zip_longest(references.items(), speakers)
    ]

    def answer(call: Call, sample: Sample) -> Response:
        text = answers[sample.id]
        return Response(failure=Failure("timeout", "too late")) if text is None else Response(text)

    return stored_run(folder, config, dict.fromkeys(config["tasks"], samples), answer, provenance)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("runs") / "base")


@pytest.fixture
def difference(tmp_path: Path, base: Path) -> Callable[..., RunDifference]:
    """Makes the other run and compares the two."""
    return lambda **what: diff_runs(base, make(tmp_path / "new", **what))


def first(found: RunDifference) -> Cause:
    assert found.likeliest is not None
    return found.likeliest


def named(cause: Cause) -> list[str]:
    return [change.what for change in cause.changes]


def explained(found: RunDifference, figure: str = TASK) -> float:
    """The sum of all effects on a figure, those that causes share counted once."""
    return sum(
        effect.size / (1 + len(effect.shared_with))
        for cause in found.causes
        for effect in cause.effects
        if effect.figure == figure
    )


def whole(found: RunDifference, figure: str = TASK) -> float:
    difference = next(each.difference for each in found.figures if each.name == figure)
    assert difference is not None
    return difference


def test_what_decides_nothing_is_no_difference(difference: Callable[..., RunDifference]) -> None:
    config = changed(CONFIG, name="new", executor__batch_size=8, model__title="Ours", tasks__speech__dataset__path="x")
    config["statistics"]["cluster"] = "none"
    provenance = changed(PROVENANCE, sessions__0__software__packages__ruff="0.13")
    found = difference(config=config, provenance=provenance)
    assert not found.causes
    assert {each.change.what for each in found.harmless} == {
        "name",
        "executor.batch_size",
        "model.title",
        "tasks.speech.dataset.path",
        "statistics.cluster",
        "ruff",
    }
    assert "Nothing differs that could move a figure." in found.to_markdown()


def test_a_run_in_another_order_that_is_read_in_many_pieces_differs_alike(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = changed(scored_by("raw"), name="new")
    of_new = {key: "so it was" if key == "e" else text for key, text in list(REFERENCES.items())[1:]}
    answers = {**ANSWERS, "c": None, "d": ""}
    expected = diff_runs(base, make(tmp_path / "whole" / "new", references=of_new, answers=answers, config=other))
    assert {each.kind for each in expected.causes} >= {"samples", "references", "scoring", "failures", "empty"}
    monkeypatch.setattr("evalkit.results.scores.ROWS_AT_ONCE", 2)
    monkeypatch.setattr("evalkit.run.difference.samples._READ_AT_ONCE", 3)
    turned = dict(reversed(of_new.items()))
    new = make(tmp_path / "pieces" / "new", references=turned, answers=answers, config=other)
    assert diff_runs(make(tmp_path / "pieces" / "base"), new).to_json() == expected.to_json()


def test_a_scheme_is_named_with_what_the_same_answers_are_worth_under_both(
    difference: Callable[..., RunDifference],
) -> None:
    found = difference(config=scored_by("raw"))
    cause = first(found)
    assert cause.kind == "scoring"
    assert [(change.what, change.base, change.new) for change in cause.changes] == [
        ("schemes", '["default"]', '["raw"]'),
        ("normaliser", "whisper-en.v1", "raw-en.v1"),
    ]
    (effect,) = cause.effects
    assert effect.size == pytest.approx(whole(found)) == pytest.approx(100 * 2 / 16)
    assert "31.25 % in place of 18.75 %; the new run's scored as the base run's: 18.75 %" in effect.detail


def test_an_alignment_is_named_once(difference: Callable[..., RunDifference]) -> None:
    config = changed(CONFIG, alignment="sclite", tasks__speech__alignment="sclite")
    found = difference(config=config)
    assert (first(found).kind, named(first(found))) == ("scoring", ["alignment"])
    levenshtein = difference(config=changed(CONFIG, alignment="levenshtein"))
    assert not levenshtein.causes


def test_several_causes_at_once_explain_the_whole_difference(difference: Callable[..., RunDifference]) -> None:
    references = {**REFERENCES, "b": "seven grey ships", "f": "farewell to you"}
    del references["e"]
    answers = {**ANSWERS, "c": "a lighthouse keeper", "f": "farewell"}
    found = difference(config=scored_by("raw"), references=references, answers=answers)
    # Errors of words: 3/16; 1/13 without "e"; 0/13 with the right "b"; 2/13 as "Good" and "you." stand; 3/13 with
    # the other answer to "c"; 5/16 with "f".
    sizes = {cause.kind: sum(effect.size for effect in cause.effects) for cause in found.causes}
    assert sizes == {
        "samples": pytest.approx(100 * (1 / 13 - 3 / 16 + 5 / 16 - 3 / 13)),
        "references": pytest.approx(-100 / 13),
        "scoring": pytest.approx(200 / 13),
        "unexplained": pytest.approx(100 / 13),
    }
    assert explained(found) == pytest.approx(whole(found)) == pytest.approx(100 * 2 / 16)
    assert first(found).kind == "scoring", "the largest first"
    (left,) = (cause for cause in found.causes if cause.kind == "unexplained")
    assert "the very same question was answered otherwise in 1 of 4 samples" in left.explanation
    assert (left.examples[0].base, left.examples[0].new) == ("the lighthouse keeper", "a lighthouse keeper")


OTHER = {**ANSWERS, "c": "a lighthouse keeper"}


@pytest.mark.parametrize(
    ("what", "kind", "names"),
    [
        (
            {"config": changed(CONFIG, model__prompts__asr__user="{audio}Write.")},
            "prompt",
            ["model.prompts.asr.user"],
        ),
        (
            {"config": changed(CONFIG, model__generation__temperature=0.5)},
            "decoding",
            ["model.generation.temperature", "model: do_sample", "model: temperature"],
        ),
        (
            {"config": changed(CONFIG, model__prompts__asr__language_hint=True)},
            "request",
            ["model.prompts.asr.language_hint", "model: language"],
        ),
        (
            {"provenance": changed(PROVENANCE, models__model__weights="5678")},
            "model",
            ["model: weights"],
        ),
        ({"config": changed(CONFIG, model__path="elsewhere")}, "model", ["model.path"]),
        (
            {"provenance": changed(PROVENANCE, sessions__0__software__packages__torch="2.7")},
            "software",
            ["torch"],
        ),
        ({"provenance": changed(PROVENANCE, sessions__0__hardware__processor="two")}, "hardware", ["processor"]),
        ({"config": changed(CONFIG, executor__batch_size=8)}, "execution", ["executor.batch_size"]),
        ({"digests": {"c": "another"}}, "recordings", []),
        ({}, "unexplained", []),
    ],
)
def test_other_answers_are_put_down_to_what_differs(
    difference: Callable[..., RunDifference], what: dict[str, Any], kind: str, names: list[str]
) -> None:
    found = difference(**what, answers=OTHER)
    cause = first(found)
    assert (cause.kind, named(cause)) == (kind, names)
    assert explained(found) == pytest.approx(whole(found)) == pytest.approx(100 / 16)
    assert [effect.samples for effect in cause.effects] == [1]


def test_answers_drawn_by_chance_are_no_other_model(tmp_path: Path) -> None:
    config = changed(CONFIG, model__generation__temperature=0.5)
    runs = [make(tmp_path / "one", config=config), make(tmp_path / "two", config=config, answers=OTHER)]
    assert first(diff_runs(*runs)).kind == "chance"


def test_causes_that_cannot_be_told_apart_share_their_effect(difference: Callable[..., RunDifference]) -> None:
    found = difference(
        config=changed(CONFIG, model__prompts__asr__user="{audio}Write."),
        provenance=changed(PROVENANCE, models__model__weights="5678"),
        answers=OTHER,
    )
    assert [(cause.kind, cause.effects[0].shared_with) for cause in found.causes] == [
        ("prompt", ("Model",)),
        ("model", ("Prompt",)),
    ]
    assert explained(found) == pytest.approx(whole(found))
    assert "together with Model" in found.to_markdown()


def test_a_prompt_that_changed_no_answer_moves_nothing(difference: Callable[..., RunDifference]) -> None:
    found = difference(config=changed(CONFIG, model__prompts__asr__user="{audio}Write."))
    (cause,) = found.causes
    assert cause.explanation == "Speech: the model was asked in other words in 5 of 5 samples."
    assert not cause.effects
    assert "It moves none of these figures." in found.to_markdown()


def test_failures_are_weighed(difference: Callable[..., RunDifference]) -> None:
    found = difference(answers={**ANSWERS, "c": None})
    cause = first(found)
    assert cause.kind == "failures"
    assert cause.explanation == "Speech: 1 sample failed in the new run alone (timeout 1)."
    assert explained(found) == pytest.approx(100 * 3 / 16)
    assert {each.kind for each in found.causes} == {"failures"}
    assert cause.effects[0].detail == "without these the base run has 23.08 % and the new run 23.08 %"


def test_answers_that_are_empty_in_one_run_are_counted(difference: Callable[..., RunDifference]) -> None:
    found = difference(answers={**ANSWERS, "c": " "})
    assert [cause.kind for cause in found.causes] == ["unexplained", "empty"]
    assert "1 sample answered with nothing in the new run alone (c)" in found.causes[1].explanation


def test_how_intervals_are_made_moves_no_value(difference: Callable[..., RunDifference]) -> None:
    found = difference(config=changed(CONFIG, statistics__level=0.9))
    assert [(cause.kind, named(cause)) for cause in found.causes] == [("intervals", ["statistics.level"])]
    assert found.to_markdown().splitlines()[2].startswith("The values are the same. What differs first of all")


def test_what_is_drawn_for_intervals_is_named(tmp_path: Path) -> None:
    config = changed(CONFIG, statistics__cluster="none")
    runs = [make(tmp_path / "base", speakers="xxyyy"), make(tmp_path / "new", config=config, speakers="xxyyy")]
    (cause,) = diff_runs(*runs).causes
    assert cause.kind == "intervals"
    assert [(change.what, change.base, change.new) for change in cause.changes] == [
        ("statistics.cluster", None, "none"),
        ("Speech: drawn by", "speaker", "sample"),
    ]


def test_fewer_samples_are_named_with_the_setting(difference: Callable[..., RunDifference]) -> None:
    config = changed(CONFIG, limit=2, tasks__speech__dataset__path="elsewhere.jsonl")
    found = difference(config=config, references={key: REFERENCES[key] for key in "ab"})
    assert (first(found).kind, named(first(found))) == ("samples", ["limit", "tasks.speech.dataset.path"])
    assert "3 samples in the base run alone (c, d, e)" in first(found).explanation
    assert explained(found) == pytest.approx(whole(found))


JUDGED: dict[str, Any] = {
    **CONFIG,
    "tasks": {TASK: {"_target_": "tasks.big_bench_audio.BigBenchAudio", "title": "Speech", "dataset": {}}},
    "judge": {"_target_": "mine.Judge", "title": "Judge"},
}


def judged(folder: Path, answers: Mapping[str, str], right: str, **provenance: Any) -> Path:
    """A run of judged answers, of which the judge finds some right."""
    samples = [Sample(key, (Audio(f"{key}.wav"),), ("42",), "en") for key in answers]

    def answer(call: Call, sample: Sample) -> Response:
        if call.role == "judge":
            return Response("CORRECT" if sample.id in right else "INCORRECT")
        return Response(answers[sample.id])

    return stored_run(folder, JUDGED, {TASK: samples}, answer, {"models": provenance})


def test_a_judge_is_weighed_by_the_answers_that_both_judged(tmp_path: Path) -> None:
    answers = {"a": "42", "b": "23", "c": "42"}
    base = judged(tmp_path / "base", answers, "ac", judge={"weights": 1}, model={"weights": 1})
    new = judged(tmp_path / "new", {**answers, "b": "42"}, "b", judge={"weights": 2}, model={"weights": 2})
    found = diff_runs(base, new)
    assert [cause.title for cause in found.causes] == ["Model (judge)", "Model"]
    effects = [cause.effects[0] for cause in found.causes]
    assert [effect.size for effect in effects] == pytest.approx([-200 / 3, 100 / 3])
    assert [effect.samples for effect in effects] == [2, 1]
    assert whole(found) == pytest.approx(-100 / 3)


def test_an_average_is_explained_by_its_members(tmp_path: Path) -> None:
    more = {**CONFIG["tasks"][TASK], "place": {"table": "asr", "group": "English", "benchmark": "More"}}
    place = {"table": "asr", "group": "English", "benchmark": "Average"}
    both = {"title": "Both", "place": place, "members": ["Speech", "More"]}
    config = {**CONFIG, "tasks": {**CONFIG["tasks"], "more": more}, "aggregates": {"both": both}}
    new = changed(config, tasks__more__schemes=["raw"])
    found = diff_runs(make(tmp_path / "base", config=config), make(tmp_path / "new", config=new))
    assert [figure.name for figure in found.figures] == ["speech", "more", "both"]
    assert whole(found, "both") == pytest.approx(whole(found, "more") / 2)
    assert explained(found, "both") == pytest.approx(whole(found, "both"))


def test_an_average_over_other_members_says_so(tmp_path: Path) -> None:
    tasks = {
        name: {**CONFIG["tasks"][TASK], "place": {"table": "asr", "group": "English", "benchmark": name}}
        for name in (TASK, "more", "most")
    }
    tasks["most"]["schemes"] = ["raw"]
    place = {"table": "asr", "group": "English", "benchmark": "Average"}
    average = {"title": "All", "place": place, "members": list(tasks), "when": "any"}
    config = {**CONFIG, "tasks": tasks, "aggregates": {"all": average}}
    fewer = {**config, "tasks": {name: tasks[name] for name in (TASK, "more")}}
    found = diff_runs(make(tmp_path / "base", config=config), make(tmp_path / "new", config=fewer))
    assert first(found).kind == "members"
    assert explained(found, "all") == pytest.approx(whole(found, "all"))
    assert found.remarks == ("only base has most, which is left aside",)


def test_a_task_of_unknown_code_is_explained_as_far_as_it_goes(tmp_path: Path, base: Path) -> None:
    other = make(tmp_path / "new", config=scored_by("raw"), answers=OTHER)
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("tasks.asr.Transcription", "mine.Task"))
    found = diff_runs(base, other)
    cause = first(found)
    assert cause.kind == "scoring"
    assert "cannot be told apart from the answers: config.yaml: tasks.speech is a mine.Task" in cause.explanation
    assert ("Unexplained",) in [effect.shared_with for effect in cause.effects]
    assert explained(found) == pytest.approx(whole(found))


def test_another_version_that_scores_alike_moves_nothing(difference: Callable[..., RunDifference]) -> None:
    found = difference(provenance=changed(PROVENANCE, sessions__0__software__commit="decaf"))
    assert not found.causes
    assert "scored now, the recorded answers of both runs are worth what they were" in found.to_markdown()


def test_another_version_that_scored_otherwise_is_weighed(tmp_path: Path, base: Path) -> None:
    other = make(tmp_path / "new", config=scored_by("raw"))
    # As an earlier version of the default scheme would have left them.
    shutil.copy(base / "config.yaml", other)
    metrics = (other / "metrics.json").read_text()
    (other / "metrics.json").write_text(
        metrics.replace("raw-en.v1", "whisper-en.v1").replace('"evalkit": "', '"evalkit": "0.')
    )
    found = diff_runs(base, other)
    assert first(found).kind == "evalkit"
    assert explained(found) == pytest.approx(whole(found))


def test_answers_alike_that_were_scored_otherwise_are_scored_again(tmp_path: Path, base: Path) -> None:
    other = make(tmp_path / "new", config=scored_by("raw"))
    shutil.copy(base / "config.yaml", other)
    metrics = (other / "metrics.json").read_text()
    (other / "metrics.json").write_text(metrics.replace("raw-en.v1", "whisper-en.v1"))
    found = diff_runs(base, other)
    assert [cause.kind for cause in found.causes] == ["evalkit"]
    assert explained(found) == pytest.approx(whole(found))
    base = shutil.copytree(base, tmp_path / "base")
    for run in (base, other):
        config = (run / "config.yaml").read_text()
        (run / "config.yaml").write_text(config.replace("tasks.asr.Transcription", "mine.Task"))
    found = diff_runs(base, other)
    assert "unexplained" in [cause.kind for cause in found.causes]
    assert "answers that are alike have other scores, and cannot be scored now" in found.to_markdown()


def test_a_run_of_an_older_version_is_explained(tmp_path: Path) -> None:
    other = shutil.copytree(STORED, tmp_path / "other")
    found = diff_runs(STORED, other)
    assert not found.causes
    assert found.remarks[0] == "stored has no record of its software and its machine"
    (other / "provenance.json").unlink()
    assert not diff_runs(STORED, other).causes


@pytest.mark.parametrize(
    "content",
    [
        '{"models": [], "sessions": {}, "usage": 3}',
        '{"models": {"model": 1}, "sessions": [1], "data": null}',
        '{"sessions": [{"software": {"packages": []}, "hardware": 7}], "usage": {"speech": []}}',
    ],
)
def test_provenance_of_any_shape_is_no_obstacle(tmp_path: Path, base: Path, content: str) -> None:
    other = make(tmp_path / "new", config=scored_by("raw"))
    (other / "provenance.json").write_text(content)
    assert first(diff_runs(base, other)).kind == "scoring"


def test_what_cannot_be_compared_is_said_in_a_line(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match="no task in common: the one has speech, the other librispeech_other"):
        diff_runs(base, STORED)
    assert main(["diff", str(base), str(STORED)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(StoreError, match="no such folder"):
        diff_runs(base, tmp_path / "nowhere")
    other = shutil.copytree(base, tmp_path / "other")
    (other / "metrics.json").unlink()
    with pytest.raises(StoreError, match="has no results yet"):
        diff_runs(base, other)


def test_answers_without_a_record_of_their_calls_are_explained_as_far_as_they_go(tmp_path: Path, base: Path) -> None:
    other = make(tmp_path / "new", config=scored_by("raw"), answers=OTHER)
    (other / TASK / "model.jsonl").unlink()
    found = diff_runs(base, other)
    assert {cause.kind for cause in found.causes} == {"scoring", "unexplained"}
    assert found.figures[0].differing == 1
    assert explained(found) == pytest.approx(whole(found))
    assert found.remarks == ("new has no whole record of what was asked about 5 samples of speech",)


def test_a_run_that_is_not_finished_is_said_to_be_so(tmp_path: Path, base: Path) -> None:
    other = make(tmp_path / "new")
    metrics = json.loads((other / "metrics.json").read_text())
    (other / "metrics.json").write_text(json.dumps({**metrics, "unfinished": ["fleurs_en"]}))
    assert diff_runs(base, other).remarks == ("new is not finished: without fleurs_en",)


def test_a_folder_is_data_and_its_texts_are_shown_as_such(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "s3cr3t-s3cr3t")
    config = changed(scored_by("raw"), model__title="\x1b[31mred | <b>", data_root="${oc.env:SECRET_OF_MINE}")
    config["tasks"][TASK]["dataset"] = {"_target_": "os.mkdir", "path": str(tmp_path / "SPRUNG")}
    other = make(tmp_path / "new", config=config)
    before = {path: path.read_bytes() for run in (base, other) for path in run.rglob("*") if path.is_file()}
    assert main(["diff", str(base), str(other)]) == 1
    said = capsys.readouterr().out
    assert "red" in said
    for dangerous in ("s3cr3t", "\x1b", "<b>"):
        assert dangerous not in said
    assert {path: path.read_bytes() for run in (base, other) for path in run.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "SPRUNG").exists()


def test_everything_can_be_had_as_files(tmp_path: Path, base: Path) -> None:
    files = tmp_path / "diff.json", tmp_path / "diff.md"
    words = ["diff", str(base), str(make(tmp_path / "new", config=scored_by("raw")))]
    assert main([*words, "--json", str(files[0]), "--markdown", str(files[1])]) == 1
    content = json.loads(files[0].read_text())
    assert content["differs"] is True
    assert content["causes"][0]["kind"] == "scoring"
    assert content["figures"][0]["difference"] == pytest.approx(content["causes"][0]["effects"][0]["size"])
    assert files[1].read_text().startswith("# Why new differs from base")
    assert main([*words, "--json", str(tmp_path)]) == 2
    assert main(["diff", str(base), str(base)]) == 0


def test_every_field_and_every_kind_is_documented() -> None:
    page = (ROOT / "docs" / "diff.md").read_text(encoding="utf-8")
    types = (RunDifference, Figure, Cause, Change, Effect, Example, Harmless)
    names = {field.name for each in types for field in fields(each)} | set(get_args(Kind))
    assert not [name for name in sorted(names) if f"`{name}`" not in page]
