"""`evalkit diff` of real small runs that differ in one setting: it names that setting, and how much it explains."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import evalkit
from evalkit.cli.main import main
from evalkit.run.difference.causes import Cause, RunDifference
from tests.conftest import DEMO_SPEECH, write_jsonl
from tests.end_to_end.task_runs import Said, Speaker, behind, served
from tests.servers.backends import Answer, Backend, ServedRequest
from tests.servers.faults import Refusal
from tests.servers.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

TASK = "demo_clean"
BASE = ["statistics.resamples=100", "cache.folder=null"]
Run = Callable[..., Path]


def sentences() -> dict[Path, Said]:
    rows = [json.loads(line) for line in (DEMO_SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    return {DEMO_SPEECH / row["audio"]: Said(row["text"]) for row in rows if row["subset"] == "clean"}


class Scribe:
    """A served model that hears every word, and leaves some out as it is asked, decoded or changed."""

    def __init__(self) -> None:
        self._speaker = Speaker(sentences())
        self._answered = 0

    def __call__(self, request: ServedRequest) -> Answer:
        words = self._speaker(request).texts[0].split()
        self._answered += 1
        if not any("word for word" in text for text in request.texts):
            words = words[1:]
        if request.fields.get("temperature"):
            words = words[: -1 - self._answered % 2]
        if request.fields["model"] == "small":
            words = words[:3] + words[4:]
        return Answer((" ".join(words),))


def strict(_request: ServedRequest) -> Answer:
    """A judge that finds every answer wrong."""
    return Answer(("INCORRECT",))


@contextmanager
def serving(**options: object) -> Iterator[str]:
    backends: dict[str, Backend] = {"speaker": Scribe(), "small": Scribe(), "judge": strict, "text": strict}
    with OpenAIServer(behind(**backends), **options) as server:  # type: ignore[arg-type]
        yield server.base_url


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Carries out a run of the name by the command line, and returns its folder."""

    def carry_out(name: str, *words: str) -> Path:
        assert main(["run", f"runs={tmp_path}", f"name={name}", *BASE, *words]) in (0, 1)
        return tmp_path / name

    return carry_out


def model_at(url: str, task: str = TASK) -> list[str]:
    return [f"task={task}", *served("model", "speaker", url, "Speaker")]


def first(difference: RunDifference) -> Cause:
    print(difference.to_markdown())
    assert difference.likeliest is not None
    return difference.likeliest


def settings_of(cause: Cause) -> list[str]:
    return [change.what for change in cause.changes]


def explains_all(difference: RunDifference, cause: Cause) -> bool:
    figure = difference.figures[0]
    effects = [effect for effect in cause.effects if (effect.figure, effect.metric) == (figure.name, figure.metric)]
    return figure.difference == pytest.approx(sum(effect.size for effect in effects)) and bool(figure.difference)


def test_a_setting_of_a_served_model_is_named_first(run: Run) -> None:
    with serving() as url:
        base = run("base", *model_at(url))
        prompt = run("prompt", *model_at(url), "model.prompts.asr.user='{audio}Write down what you hear.'")
        decoding = run("decoding", *model_at(url), "model.generation.temperature=0.8")
        other = run("other", *model_at(url), "model.model=small")
        both = run("both", *model_at(url), "model.generation.temperature=0.8", "model.model=small")
        alike = run("alike", *model_at(url), "model.limits.concurrency=1", "executor.batch_size=1")

    found = evalkit.diff_runs(base, prompt)
    cause = first(found)
    assert (cause.kind, settings_of(cause)) == ("prompt", ["model.prompts.asr.user"])
    assert explains_all(found, cause)
    assert "Write down what you hear" in found.to_markdown()

    found = evalkit.diff_runs(base, decoding)
    cause = first(found)
    assert cause.kind == "decoding"
    assert "model.generation.temperature" in settings_of(cause)
    assert explains_all(found, cause)

    found = evalkit.diff_runs(base, other)
    cause = first(found)
    assert (cause.kind, cause.role) == ("model", "model")
    assert "model.model" in settings_of(cause)
    assert explains_all(found, cause)

    found = evalkit.diff_runs(base, both)
    cause = first(found)
    assert cause.kind == "decoding"
    assert {effect.shared_with for effect in cause.effects} == {("Model",)}

    assert main(["diff", str(base), str(alike)]) == 0
    assert {each.change.what for each in evalkit.diff_runs(base, alike).harmless} >= {
        "executor.batch_size",
        "model.limits.concurrency",
    }


def test_a_setting_of_the_run_is_named_first(run: Run) -> None:
    settings = {
        "scheme": (["schemes=[raw]"], "scoring", "schemes"),
        "limit": (["limit=10"], "samples", "limit"),
        "seed": (["fraction=0.5", "seed=2"], "samples", "fraction"),
        "level": (["statistics.level=0.9"], "intervals", "statistics.level"),
        "cluster": (["statistics.cluster=none"], "intervals", "statistics.cluster"),
    }
    with serving() as url:
        common = [*model_at(url), f"tasks.{TASK}.dataset.cluster=[speaker]", "model.prompts.asr.user='{audio}Write.'"]
        base = run("base", *common)
        runs = {name: run(name, *common, *words) for name, (words, _, _) in settings.items()}
    for name, (_, kind, named) in settings.items():
        found = evalkit.diff_runs(base, runs[name])
        cause = first(found)
        assert (cause.kind, named in settings_of(cause)) == (kind, True)
        assert kind == "intervals" or explains_all(found, cause)


def test_answers_drawn_by_chance_are_told_from_another_model(run: Run) -> None:
    with serving() as url:
        words = [*model_at(url), "model.generation.temperature=0.8", "limit=5"]
        runs = [run("one", *words), run("two", *words)]
    found = evalkit.diff_runs(*runs)
    cause = first(found)
    assert cause.kind == "chance"
    assert explains_all(found, cause)


def test_samples_that_failed_in_one_run_are_weighed(run: Run) -> None:
    with serving() as url:
        base = run("base", *model_at(url), "model.server=here", "limit=6")
    with serving(refuse=lambda request: Refusal.REFUSED if request.content[0] < "8" else None) as url:
        new = run("new", *model_at(url), "model.server=here", "limit=6")
    found = evalkit.diff_runs(base, new)
    cause = first(found)
    assert cause.kind == "failures"
    assert "failed in the new run alone (refused" in cause.explanation
    assert explains_all(found, cause)


def test_another_judge_is_weighed_by_the_answers_that_both_judged(run: Run) -> None:
    words = ["task=demo_big_bench_audio", "model=whisper_tiny_en"]
    with serving() as url:
        base = run("base", *words, "model@judge=word_judge")
        new = run("new", *words, *served("judge", "judge", url, "Strict judge"))
    found = evalkit.diff_runs(base, new)
    cause = first(found)
    assert (cause.kind, cause.role) == ("model", "judge")
    assert explains_all(found, cause)
    assert cause.explanation.startswith("To the very same question it answered otherwise in ")


def test_other_weights_of_a_local_model_are_named(run: Run) -> None:
    words = [f"task={TASK}", "model=whisper_tiny_en", "limit=3"]
    base, new = run("base", *words), run("new", *words, "model.compute_type=float32")
    found = evalkit.diff_runs(base, new)
    cause = first(found)
    assert cause.kind == "model"
    assert "model.compute_type" in settings_of(cause)


def test_data_that_was_changed_under_the_same_ids_is_found(tmp_path: Path, run: Run) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(DEMO_SPEECH, changed)
    rows = [json.loads(line) for line in (changed / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["subset"] == "clean"][:4]
    base_manifest = write_jsonl(changed / "base.jsonl", rows)
    corrected = write_jsonl(changed / "corrected.jsonl", [rows[0], {**rows[1], "text": "So it is not."}, *rows[2:]])
    words = [f"task={TASK}", "model=whisper_tiny_en"]
    where = f"tasks.{TASK}.dataset.path="
    base = run("base", *words, f"{where}{base_manifest}")
    references = run("references", *words, f"{where}{corrected}")
    shutil.copy(changed / rows[3]["audio"], changed / rows[0]["audio"])
    recordings = run("recordings", *words, f"{where}{base_manifest}")

    found = evalkit.diff_runs(base, references)
    cause = first(found)
    assert (cause.kind, settings_of(cause)) == ("references", [f"tasks.{TASK}.dataset.path"])
    assert explains_all(found, cause)
    found = evalkit.diff_runs(base, recordings)
    cause = first(found)
    assert cause.kind == "recordings"
    assert rows[0]["id"] in cause.explanation
    assert explains_all(found, cause)
