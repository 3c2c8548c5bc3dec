"""Several runs of one model with other seeds: made by one command, joined in tables, told apart from the samples."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

import evalkit
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError, StoreError
from evalkit.metrics.error_rate import STATISTICS
from evalkit.metrics.functions import corpus_error_rate
from evalkit.metrics.repeated_runs import repeated_difference
from evalkit.results.repeated import join_runs, read_results, repeated_folders
from reports.write import write_report
from tests.end_to_end.served_runs import KEY, TASK, recordings, words
from tests.runs import make_run
from tests.servers.backends import Answer, ServedRequest
from tests.servers.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

WORDS = "the cat sat on a mat while seventeen geese flew over colour television sets".split()


def sampled(request: ServedRequest) -> Answer:
    """A model that draws its answer by the seed and the question, and a judge that takes even answers for right."""
    if request.fields["model"] == "judge":
        candidate = request.texts[-1].partition("TO ASSESS\n")[2].partition("\nEND CANDIDATE")[0]
        return Answer(("CORRECT" if int(candidate) % 2 == 0 else "INCORRECT",))
    drawn = random.Random(f"{request.fields.get('seed')} {request.sounds[0].samples.tobytes()!r}")
    return Answer((str(drawn.randrange(10)),))


def test_one_command_makes_runs_with_other_seeds_and_a_report_has_them_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openai", reason="the openai extra is not installed")
    monkeypatch.setenv("SERVER_KEY", KEY)
    manifest = recordings(tmp_path / "data", 24)
    with OpenAIServer(sampled, key=KEY) as server:
        command = words(manifest, server.base_url, tmp_path, "x", "repeats=3", "+model.generation.temperature=1")
        assert main(["run", *command, "+model.generation.seed=40"]) == 0
        asked = len(server.journal.hits)
        assert main(["run", *command, "+model.generation.seed=40"]) == 0
        assert len(server.journal.hits) == asked, "the same command asks nothing twice"
    folders = repeated_folders(tmp_path / "x")
    assert [folder.name for folder in folders] == ["x-1", "x-2", "x-3"]
    seeds = [
        json.loads((folder / "provenance.json").read_text())["models"]["model"]["generation"] for folder in folders
    ]
    assert [seed["seed"] for seed in seeds] == [40, 41, 42]
    values = [evalkit.read_run(folder).tasks[TASK].metric.value or 0.0 for folder in folders]
    assert len(set(values)) > 1, "other seeds, other answers"
    joined = read_results(tmp_path / "x")
    assert [run.name for run in joined.repetitions] == ["x-1", "x-2", "x-3"]
    metric = joined.tasks[TASK].metric
    assert metric.spread is not None
    assert metric.spread.sampling_error is not None
    assert metric.standard_error is not None
    assert metric.interval is not None
    assert metric.spread.values == tuple(values)
    assert metric.value == pytest.approx(np.mean(values))
    assert metric.spread.deviation == pytest.approx(np.std(values, ddof=1))
    assert metric.standard_error >= metric.spread.sampling_error
    assert metric.interval[0] < np.mean(values) < metric.interval[1]
    assert "(3 runs, SD " in capsys.readouterr().out
    report = write_report([tmp_path / "x"], output_folder=tmp_path / "report")
    (cell,) = [
        cell
        for table in report.tables
        for group in table.groups
        for row in group.rows
        for cell in row.cells
        if cell.text
    ]
    assert "3 runs, SD" in cell.detail
    assert main(["repeats", str(tmp_path / "x"), f"--json={tmp_path / 'x.json'}"]) == 0
    (figure,) = json.loads((tmp_path / "x.json").read_text())["figures"]
    assert (figure["values"], figure["value"]) == (values, metric.value)
    capsys.readouterr()
    assert main(["list", "runs", str(tmp_path)]) == 0
    assert "x/x-2" in capsys.readouterr().out
    assert main(["run", *command, "repeats=1"]) == 2
    assert "holds 3 repeated runs" in capsys.readouterr().err
    assert main(["run", *command, f"runs={tmp_path / 'x'}", "name=x-1"]) == 2
    assert "holds a single run" in capsys.readouterr().err


def answers(seed: int, references: dict[str, str], wrong: float) -> dict[str, str]:
    """What a recogniser hears that mistakes so many words."""
    drawn = random.Random(seed)
    return {
        id_: " ".join("dog" if drawn.random() < wrong else word for word in text.split())
        for id_, text in references.items()
    }


def repeated(folder: Path, wrong: float, seeds: range) -> Path:
    """A folder with runs of one model, which have as many errors as chance has it."""
    drawn = random.Random(0)
    references = {f"u{number:02}": " ".join(drawn.choices(WORDS, k=10)) for number in range(30)}
    folder.mkdir()
    data = None
    for seed in seeds:
        made = make_run(
            folder, f"{folder.name}-{seed}", references, answers(seed, references, wrong), "statistics.resamples=50"
        )
        provenance = json.loads((made / "provenance.json").read_text())
        # Stored answers are known by their file; another file stands for another seed here.
        provenance["models"]["model"] = {"adapter": "sampled", "generation": {"seed": seed, "top_p": 0.9}}
        data = provenance["data"] = data or provenance["data"]  # each has a list of recordings of its own
        (made / "provenance.json").write_text(json.dumps(provenance))
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repeated(tmp_path_factory.mktemp("runs") / "m", 0.2, range(1, 4))


def test_what_is_no_repetition_is_refused_with_what_differs(runs: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(runs, tmp_path / "m")
    path = folder / "m-2" / "provenance.json"
    provenance = json.loads(path.read_text())

    def refusal(**model: object) -> str:
        path.write_text(json.dumps({**provenance, "models": {"model": {**provenance["models"]["model"], **model}}}))
        with pytest.raises(ConfigurationError) as caught:
            read_results(folder)
        return str(caught.value)

    assert "the model's adapter is other, there sampled" in refusal(adapter="other")
    assert "the model's generation is {'top_p': 0.5}, there {'top_p': 0.9}" in refusal(
        generation={"seed": 2, "top_p": 0.5}
    )
    path.write_text(json.dumps({**provenance, "data": {"librispeech_other": {"samples": 1}}}))
    with pytest.raises(ConfigurationError, match="the data of librispeech_other are others"):
        read_results(folder)
    path.write_text(json.dumps(provenance))
    assert main(["score", str(folder / "m-2"), "schemes=[raw]"]) == 0
    with pytest.raises(ConfigurationError, match="normaliser is raw-en.v1, there whisper-en"):
        read_results(folder)
    with pytest.raises(ConfigurationError, match="at least two"):
        join_runs([evalkit.read_run(folder / "m-1")], "m")
    with pytest.raises(StoreError, match="there is no such folder"):
        read_results(tmp_path / "nothing")


def test_groups_and_single_metrics_of_joined_runs_are_means(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joined = read_results(runs)
    assert joined.model == "m-1 (3 runs)"
    tasks = [run.tasks["librispeech_other"] for run in joined.repetitions]
    task = joined.tasks["librispeech_other"]
    for key, metric in task.metrics.items():
        assert metric.value == pytest.approx(np.mean([each.metrics[key].value or 0.0 for each in tasks]))
    assert main(["repeats", *(str(folder) for folder in repeated_folders(runs))]) == 0
    assert "| SD between runs | SE of samples | SE of both |" in capsys.readouterr().out


def test_groups_of_runs_are_compared_by_their_means_with_the_spread_of_both(runs: Path, tmp_path: Path) -> None:
    worse, alike = repeated(tmp_path / "w", 0.4, range(4, 8)), repeated(tmp_path / "a", 0.2, range(11, 14))
    comparison = evalkit.compare_runs(runs, worse, alike)
    first, second = comparison.metrics
    assert (first.verdict, second.verdict) == ("worse", "no evidence")
    statistics = [
        [
            np.array([[float(row[f"wer.{name}"]) for name in STATISTICS] for row in run.scores(first.name).to_pylist()])
            for run in read_results(folder).repetitions
        ]
        for folder in (worse, runs)
    ]
    expected = repeated_difference(np.stack(statistics[0]), np.stack(statistics[1]), corpus_error_rate)
    assert first.difference == pytest.approx(100 * expected.difference)
    assert first.interval == pytest.approx([100 * end for end in expected.interval], abs=0.05)
    assert first.p_value == pytest.approx(expected.p_value, abs=0.001)
    assert any("m is the mean of 3 runs" in remark for remark in comparison.remarks)
    assert any("w is the mean of 4 runs" in remark for remark in comparison.remarks)
    single = evalkit.compare_runs(repeated_folders(runs)[0], worse).metrics[0]
    assert single.verdict == "worse"
    assert main(["compare", str(runs), str(worse), "--fail-on=worse"]) == 1


def test_repeated_runs_are_scored_again_together(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(runs, tmp_path / "m")
    assert main(["score", str(folder), "schemes=[raw]"]) == 0
    joined = read_results(folder)
    (metric,) = next(iter(joined.tasks.values())).metrics.values()
    assert metric.recipe["normaliser"].startswith("raw")
    assert f"{metric.value:.2f}" in capsys.readouterr().out
    assert main(["score", str(folder), "name=other"]) == 2
    assert "holds repeated runs, each with a name of its own" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["diff", "{}", "{}"], ["sensitivity", "{}"], ["judge", "{}", "judge.path=x"]])
def test_a_command_that_takes_one_run_names_those_that_a_folder_holds(
    words: list[str], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(runs) for word in words]) == 2
    assert f"holds repeated runs (m-1, m-2, m-3); name one of them, such as {runs}/m-1" in capsys.readouterr().err
