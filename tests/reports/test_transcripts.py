"""What is exported for sclite is read by it as it was meant, by the rules of its code, which stand here once more."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.cli.main import main
from evalkit.metrics.error_rate import STATISTICS
from evalkit.metrics.sclite import count_errors_like_sclite
from evalkit.run.rescore import rescore
from tests.conftest import ROOT, write_jsonl
from tests.reports.run_folders import metric, task, utterance, write_run
from tests.runs import make_run

GOLDEN = json.loads((ROOT / "tests" / "golden_scores" / "golden_sclite.json").read_text())["cases"]
ODD = "*a** ;; b;c d; x* {um / uh} @ \\ }/ (id) (b-2) a@b * -frag- 50%"


def read_by_sclite(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Speaker and words by id, as SCTK does: remove_id, extract_speaker, find_next_TEXT_token, new_WORD_parseText."""
    utterances = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        assert not line.startswith((";;", "**")), "a remark"
        start, end = line.rindex("("), line.rindex(")")
        utterance_id = line[start + 1 : end]
        speaker = utterance_id[: utterance_id.index("-" if "-" in utterance_id else "_")]
        words = []
        for token in line[:start].split():
            word = re.split(r"(?<!\\);(?!$)", token)[0].replace("\\", "")
            word = word[:-1] if len(word) > 1 and word.endswith("*") else word
            assert "{" not in word, "alternatives"
            assert word != "@", "no word"
            words.append(word)
        assert utterance_id not in utterances
        utterances[utterance_id] = speaker, words
    return utterances


def test_sclite_counts_in_the_files_what_the_run_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = GOLDEN[:60]
    names = [case["id"].replace("_", "-", 1) for case in cases]
    rows = [
        {"id": name, "audio": "a.wav", "text": case["ref"], "speaker": name.split("-")[0]}
        for name, case in zip(names, cases, strict=True)
    ]
    manifest = write_jsonl(tmp_path / "golden.jsonl", rows)
    words = [f"tasks.librispeech_other.dataset.path={manifest}", "schemes=[raw]", "alignment=sclite"]
    answers = {name: case["a"] for name, case in zip(names, cases, strict=True)}
    run = make_run(tmp_path, "run", answers, answers, *words, "statistics.resamples=10")
    result = evalkit.read_run(run).tasks["librispeech_other"]
    golden = [sum(case["a_csdi"][part] for case in cases) for part in (1, 2, 3)]
    assert [result.metric.statistics[name] for name in STATISTICS[:3]] == golden
    assert "|normaliser:raw-en.v1|averaging:corpus|alignment:sclite|" in result.recipe_line("wer")

    assert main(["export", str(run), "--output", str(tmp_path / "trn")]) == 0
    assert "sclite -s -i spu_id -r ref.trn trn -h hyp.trn trn -o all" in capsys.readouterr().out
    reference, hypothesis = (read_by_sclite(tmp_path / "trn" / result.name / f"{side}.trn") for side in ("ref", "hyp"))
    assert list(reference) == list(hypothesis) == names, "an id that begins with its speaker stays"
    assert {speaker for speaker, _ in reference.values()} == {name.split("-")[0] for name in names}
    counts = [count_errors_like_sclite(reference[name][1], hypothesis[name][1]) for name in names]
    assert [sum(column) for column in zip(*counts, strict=True)][:3] == golden

    plain = rescore(run, ["alignment=levenshtein"]).tasks["librispeech_other"]
    assert plain.metric.statistics["substitutions"] > golden[0]
    assert "alignment" not in plain.metric.recipe
    # And our own reader takes them.
    files = [str(tmp_path / "trn" / result.name / name) for name in ("ref.trn", "hyp.trn")]
    assert main(["wer", *files, "--scheme", "raw", "--alignment", "sclite"]) == 0
    assert f"{golden[0]:,} substitutions, {golden[1]:,} deletions, {golden[2]:,} insertions" in capsys.readouterr().out


def said(name: str, reference: str, hypothesis: str, **fields: Any) -> dict[str, Any]:
    return utterance(name, reference, hypothesis, (0, 0, 0, 1), groups="{}", **({"clusters": "{}"} | fields))


def transcription(normaliser: str = "raw-en.v1") -> dict[str, Any]:
    statistics = dict.fromkeys(STATISTICS, 1)
    return task("Set", 0.1, metrics={"wer": metric(0.1, normaliser=normaliser) | {"statistics": statistics}})


def exported(tmp_path: Path, rows: Sequence[dict[str, Any]], *options: str, **recipe: str) -> Path:
    run = write_run(tmp_path, "run", {"set": transcription(**recipe)}, utterances=rows)
    assert main(["export", str(run), "--output", str(tmp_path / "trn"), *options]) == 0
    return tmp_path / "trn" / "set"


def test_words_that_mean_something_to_sclite_are_written_so_that_they_are_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = exported(tmp_path, [said("a", ODD, "** none")], "--as-written")
    [(_, words)] = read_by_sclite(folder / "ref.trn").values()
    meant = ["\uff5bum", "/", "uh}", "\uff20", "\uff3c"]
    assert words == ["*a**", ";;", "b;c", "d;", "x*", *meant, *ODD.split()[10:]]
    [(_, words)] = read_by_sclite(folder / "hyp.trn").values()
    assert words == ["**", "none"]
    assert "3 words have a brace or a backslash, or are an @" in capsys.readouterr().out


def test_ids_begin_with_their_speakers_and_hold_no_parentheses(tmp_path: Path) -> None:
    rows = [
        said(name, "one", "two", clusters=json.dumps({"speaker": speaker} if speaker else {}))
        for name, speaker in (("u 1", "ann-marie"), ("ann-marie-2", "ann-marie"), ("(x)", ""))
    ]
    folder = exported(tmp_path, [*rows, said("left out", "one", "two", status="skipped")])
    found = read_by_sclite(folder / "hyp.trn")
    assert list(found) == ["ann%2Dmarie-u%201", "ann%2Dmarie-ann-marie-2", "unknown-%28x%29"]
    assert [speaker for speaker, _ in found.values()] == ["ann%2Dmarie", "ann%2Dmarie", "unknown"]


def test_characters_stand_where_characters_are_counted(tmp_path: Path) -> None:
    folder = exported(tmp_path, [said("a", "今天 好", "今天")], normaliser="raw-zh.v1")
    assert (folder / "ref.trn").read_text(encoding="utf-8") == "今 天 好 (unknown-a)\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "ctm"], "no answer of a run says when its words were spoken"),
        (["--task", "sett"], "has no transcription task 'sett', did you mean 'set'?"),
        (["--task", "other"], "has no transcription task 'other' (there are set)"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    run = write_run(tmp_path, "run", {"set": transcription(), "other": task("Other", 0.1)})
    assert main(["export", str(run), "--output", str(tmp_path / "trn"), *options]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
