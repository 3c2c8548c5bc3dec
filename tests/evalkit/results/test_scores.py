"""scores.parquet: what every response was, and that it belongs to the figures beside it."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

import evalkit
from evalkit.audio import Audio
from evalkit.chain import Exchange, Outcome, Score
from evalkit.errors import StoreError
from evalkit.metrics.mean import mean_metric
from evalkit.results.folder import RunFolder
from evalkit.results.publication import publish, settled_run
from evalkit.results.scores import ScoresFile, ScoreWriter
from evalkit.run.rescore import rescore
from evalkit.types import Call, Failure, Message, Request, Response, Sample, ToolCall
from tests.conftest import CommandLine
from tests.runs import make_run

REFERENCES = {f"u{number}": "one two three four" for number in range(8)}
ANSWERS = {**REFERENCES, "u1": "One, two three for!"}
TASK = "librispeech_other"


def written(folder: Path, *outcomes: Outcome) -> tuple[str, list[dict[str, Any]]]:
    with ScoreWriter(folder, {"accuracy": mean_metric("Accuracy")}, ("verdict",)) as writer:
        for outcome in outcomes:
            writer.add(outcome)
        digest = writer.finish()
    return digest, list(ScoresFile(folder, digest).rows())


def test_every_response_of_a_chain_is_kept_with_its_role(tmp_path: Path) -> None:
    call = Call("model", Request((Message("user", ("half \ud83d",)),)))
    responses = (
        Response("said", speech=Audio("speech/ab.flac"), tool_calls=(ToolCall("search", "{}", "1"),)),
        Response("heard"),
        Response(failure=Failure("timeout", "no answer within 60 s")),
    )
    exchanges = tuple(
        Exchange(Call(role, call.request), response)
        for role, response in zip(("model", "transcriber", "judge"), responses, strict=True)
    )
    score = Score({"accuracy": (0, 1)}, {"verdict": "half \ud83d"})
    outcome = Outcome(Sample("a", groups={"half": "\ud83d"}), "failed", exchanges, score, responses[2].failure)
    _, [row] = written(tmp_path / "task", outcome)
    assert [(each["role"], each["text"]) for each in row["responses"]] == [
        ("model", "said"),
        ("transcriber", "heard"),
        ("judge", ""),
    ]
    assert row["responses"][0]["speech"] == "task/speech/ab.flac"
    assert row["responses"][0]["tool_calls"] == [{"name": "search", "arguments": "{}", "id": "1"}]
    assert row["responses"][2]["failure"] == {"kind": "timeout", "message": "no answer within 60 s"}
    assert (row["status"], row["reason_kind"], row["reason"]) == ("failed", "timeout", "no answer within 60 s")
    assert (row["verdict"], json.loads(row["groups"])) == ("half ?", {"half": "?"})


def test_the_digest_is_that_of_what_was_written(tmp_path: Path) -> None:
    outcome = Outcome(Sample("a"), "scored", (), Score({"accuracy": (1, 1)}))
    other = Outcome(Sample("a"), "scored", (), Score({"accuracy": (0, 1)}))
    digests = [written(tmp_path / name, each)[0] for name, each in (("a", outcome), ("b", outcome), ("c", other))]
    assert digests[0] == digests[1] != digests[2]


def test_a_writer_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        ScoreWriter(tmp_path / "task", {"accuracy": mean_metric("Accuracy")}, ()),
    ):
        raise ZeroDivisionError
    assert list((tmp_path / "task").iterdir()) == []


@pytest.mark.parametrize("killed_at", ["scores", "results"])
def test_a_killed_score_leaves_figures_and_scores_that_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    base = make_run(tmp_path, "base", REFERENCES, ANSWERS)
    run = Path(shutil.copytree(base, tmp_path / "copy"))

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    # Before metrics.json is replaced, or between that and the renaming of the scores.
    where = {"scores": "evalkit.run.rescore.publish", "results": "evalkit.results.publication.give_name"}[killed_at]
    with monkeypatch.context() as patched:
        patched.setattr(where, kill)
        with pytest.raises(KeyboardInterrupt):
            rescore(run, ["schemes=[raw]"])
    comparison = evalkit.compare_runs(base, run)
    assert not comparison.regressed
    [metric] = comparison.metrics
    assert (metric.verdict == "not comparable") == (killed_at == "results"), "the new scheme is known, or not used"
    assert evalkit.read_run(run).scores(TASK).num_rows == len(REFERENCES)
    rescore(run, ["schemes=[default]"])
    assert (run / "metrics.json").read_bytes() == (base / "metrics.json").read_bytes()
    assert not list(run.glob("*/scores.new*"))


def test_scores_of_other_results_are_refused(tmp_path: Path, evalkit_here: CommandLine) -> None:
    base = make_run(tmp_path, "base", REFERENCES, ANSWERS)
    raw = make_run(tmp_path, "raw", REFERENCES, ANSWERS, "schemes=[raw]")
    shutil.copy(raw / TASK / "scores.parquet", base / TASK / "scores.parquet")
    outcome = evalkit_here("compare", str(base), str(base))
    assert outcome.returncode == 2
    assert "does not belong to the metrics.json of this run" in outcome.stderr


@pytest.mark.parametrize("size", [0, 4, 100, 2_000])
@pytest.mark.parametrize("command", ["compare", "report", "score"])
def test_a_damaged_table_of_scores_is_one_line(
    tmp_path: Path, evalkit_here: CommandLine, command: str, size: int
) -> None:
    run = make_run(tmp_path, "run", REFERENCES, ANSWERS)
    scores = run / TASK / "scores.parquet"
    scores.write_bytes(scores.read_bytes()[:size])
    outcome = evalkit_here(command, str(run), *([str(run)] if command == "compare" else []))
    assert outcome.returncode == 2
    [line] = outcome.stderr.splitlines()
    assert "scores.parquet" in line


def test_a_table_with_columns_of_other_types_is_one_line(tmp_path: Path) -> None:
    run = make_run(tmp_path, "run", REFERENCES, ANSWERS)
    scores = run / TASK / "scores.parquet"
    table = pyarrow.parquet.read_table(scores)
    for name in table.schema.names:
        position = table.schema.get_field_index(name)
        wrong = table.set_column(position, name, pa.array([b"\xff"] * table.num_rows, pa.binary()))
        pyarrow.parquet.write_table(wrong.replace_schema_metadata(table.schema.metadata), scores)
        for use in (lambda: evalkit.compare_runs(run, run), lambda: rescore(run)):
            with suppress(StoreError):
                use()
        pyarrow.parquet.write_table(table, scores)


def test_what_was_published_before_is_settled_before_it_is_overwritten(tmp_path: Path) -> None:
    path = make_run(tmp_path, "run", REFERENCES, ANSWERS)
    (path / TASK / "scores.parquet").rename(path / TASK / "scores.new.parquet")
    folder = RunFolder(path)
    run = settled_run(folder)
    assert run is not None
    assert (path / TASK / "scores.parquet").is_file()
    publish(folder, run)
    folder.close()


def test_samples_come_in_chunks_of_one_size_whatever_was_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.results.scores.ROWS_AT_ONCE", 3)
    outcomes = [Outcome(Sample(str(number), ()), "skipped", ()) for number in range(10)]
    digest, _ = written(tmp_path / "task", *outcomes)
    for size in (2, 3, 4, 5, 20):
        monkeypatch.setattr("evalkit.results.scores.ROWS_AT_ONCE", size)
        chunks = [[each.id for each, *_ in chunk.samples()] for chunk in ScoresFile(tmp_path / "task", digest).chunks()]
        assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
        assert [each for chunk in chunks for each in chunk] == [outcome.sample.id for outcome in outcomes]
