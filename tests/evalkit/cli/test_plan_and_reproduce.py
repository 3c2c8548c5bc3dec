"""``evalkit plan`` and ``evalkit reproduce`` as a user types them, over the embedded demo."""

import csv
import json
from pathlib import Path

import pytest

from evalkit.cli.complete import candidates
from evalkit.cli.main import main
from evalkit.cli.output import replace_file
from evalkit.errors import ConfigurationError
from tests.conftest import DEMO_SPEECH, write_jsonl
from tests.reports.run_folders import task, write_run

TABLE = """\
table,group,benchmark,metric,model,value,note
asr,Demo,Demo clean,WER,My model,{same},got again to the digit
asr,Demo,Demo noise,WER,My model,99,something else
asr,Demo,Demo telephone,WER,My model,{near},a few words off
asr,English,LibriSpeech clean,WER,My model,2.0,not run
"""


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """What is said, but for every third recording, in which the first word was not heard."""
    rows = [json.loads(line) for line in (DEMO_SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    said = [
        {"id": row["id"], "text": row["text"] if number % 3 else row["text"].partition(" ")[2]}
        for number, row in enumerate(rows)
    ]
    return write_jsonl(tmp_path / "answers.jsonl", said)


def table(tmp_path: Path, same: str = "3.85", near: str = "2.0") -> Path:
    path = tmp_path / "published.csv"
    path.write_text(TABLE.format(same=same, near=near), encoding="utf-8")
    return path


@pytest.mark.slow
def test_each_of_the_four_verdicts(
    tmp_path: Path, answers: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reports.write._write_radar", lambda *_: ([], []))  # drawing takes longer than all else
    own = table(tmp_path)
    words = ["predictions", f"model.path={answers}", "task=[demo_clean,demo_noise,demo_telephone]"]
    assert main(["reproduce", *words, "--published-table", str(own), "statistics.resamples=200"]) == 1
    printed = capsys.readouterr().out
    assert "model  Predictions  40" in printed
    assert "| asr | Demo clean | WER | 3.85 | 3.85 [" in printed
    report = tmp_path / "runs/predictions-reproduce/report"
    with (report / "reproduction.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["benchmark"]: row for row in csv.DictReader(file)}
    assert {benchmark: row["verdict"] for benchmark, row in rows.items()} == {
        "Demo clean": "reproduced",
        "Demo noise": "differs",
        "Demo telephone": "cannot tell",
        "LibriSpeech clean": "not run",
    }
    assert rows["LibriSpeech clean"]["reason"] == "librispeech_clean: no part of the run"
    assert {"index.html", "asr.md", "reproduction.md", "reproduction.json"} <= {path.name for path in report.iterdir()}
    assert "My model" in (report / "asr.md").read_text(encoding="utf-8")


def test_the_status_follows_from_the_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("evalkit.cli.reproduce._write", lambda *_: 0)
    run = write_run(tmp_path, "run", {"demo_clean": task("Demo clean", 0.0385), "demo_telephone": task("T", 0.0225)})
    own = table(tmp_path)
    header, same, _, _, absent = own.read_text(encoding="utf-8").splitlines(keepends=True)
    near = "asr,Demo,T,WER,My model,2.0,a few words off\n"
    far = "asr,Demo,T,WER,My model,9.0,something else\n"
    for rows, status, counts in (
        (same + near + absent, 0, "3 published figures: 1 reproduced, 0 differ, 1 cannot tell, 1 not run."),
        (same + far + absent, 1, "3 published figures: 1 reproduced, 1 differ, 0 cannot tell, 1 not run."),
        (near + absent, 2, "2 published figures: 0 reproduced, 0 differ, 1 cannot tell, 1 not run."),
    ):
        own.write_text(header + rows, encoding="utf-8")
        assert main(["reproduce", "--from", str(run), "--published-table", str(own)]) == status
        printed = capsys.readouterr()
        assert counts in printed.out
        assert ("no published figure could be judged" in printed.err) is (status == 2)
    other = write_run(tmp_path, "other", {"demo_clean": task("Demo clean", 0.0385)}, title="Another model")
    assert main(["reproduce", "--from", str(run), str(other), "--published-table", str(own)]) == 2
    assert "runs of several models (Whisper tiny.en, Another model)" in capsys.readouterr().err


def test_a_link_in_a_report_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("as it was", encoding="utf-8")
    (tmp_path / "reproduction.md").symlink_to(precious)
    replace_file(tmp_path / "reproduction.md", "verdicts")
    assert (tmp_path / "reproduction.md").read_text(encoding="utf-8") == "verdicts"
    assert not (tmp_path / "reproduction.md").is_symlink()
    assert precious.read_text(encoding="utf-8") == "as it was"
    assert {path.name for path in tmp_path.iterdir()} == {"precious", "reproduction.md"}
    with pytest.raises(ConfigurationError, match="cannot be written"):
        replace_file(tmp_path / "none" / "reproduction.md", "")


@pytest.mark.slow
def test_published_models_are_known_by_their_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["gpt_4o_transcribe", "task=[librispeech_clean,kespeech_phase1]", "data_root=none", "--dry-run"]
    assert main(["reproduce", *words]) == 0
    printed = capsys.readouterr().out
    assert "librispeech_clean  not here  2,620" in printed
    assert "roughly, taking 1 token for 4 letters" in printed
    assert "librispeech_clean, kespeech_phase1: not on this machine; `evalkit data prepare task=NAME`" in printed
    assert "Published of GPT-4o Transcribe: 22 figures" in printed
    assert main(["reproduce", "gpt_4o_transcribe", "shard=1/2", "task=librispeech_clean", "--dry-run"]) == 2
    assert "a share has no figures to judge" in capsys.readouterr().err
    assert main(["reproduce", "pocketsphinx", "--dry-run"]) == 2
    assert "nothing says what published tables call 'PocketSphinx': give --published" in capsys.readouterr().err


def test_what_is_typed_wrongly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        ([], "name a model"),
        (["echo", "demo"], "name one model, not echo, demo"),
        (["echo", "--within=-1"], "--within: '-1' is no number above 0"),
        (["echo", "--within", "much"], "'much' is no number above 0"),
        (["echo", "--probe", "0"], "--probe: '0' is no whole number of at least 1"),
        (["--from", str(tmp_path)], "not a run folder"),
        (["echo", "--published-table", str(tmp_path / "none.csv")], "none.csv: cannot be read"),
        (["echo", "--published", "Step-Audio 3"], "did you mean 'Step-Audio 2'"),
    ):
        assert main(["reproduce", *words]) == 2, words
        assert message in capsys.readouterr().err, words


def test_a_plan_with_a_probe(
    tmp_path: Path, answers: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["model=predictions", f"model.path={answers}", "task=[demo_clean,demo_cvss_en_zh]", "--probe", "2"]
    assert main(["plan", *words, "model@transcriber=predictions", f"transcriber.path={answers}", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    clean, spoken = content["tasks"]
    assert (clean["samples"], clean["loads"]["model"]["calls"]) == (24, 24)
    # It was seen that the model does not speak.
    assert (spoken["state"], spoken["reason"], spoken["loads"]) == ("cannot run", "the model does not speak", {})
    assert content["probe"]["calls"] == 2
    assert content["seconds"]["value"] == content["roles"][0]["seconds"]["value"] >= 0
    assert content["cost"] is None
    assert not (tmp_path / "runs").exists()


def test_the_tab_key_knows_both() -> None:
    assert candidates("evalkit repro") == ["reproduce"]
    assert candidates("evalkit reproduce step_audio_2_mini_t") == []
    assert "--published-table" in candidates("evalkit reproduce --pu")
    assert candidates("evalkit plan model=step_audio_2_mini_base --pr") == ["--probe"]
    assert candidates("evalkit plan suite=demo_") == ["suite=demo_asr"]


@pytest.mark.slow
def test_real_recognisers_and_each_of_the_four_verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faster_whisper")
    pytest.importorskip("pocketsphinx")
    monkeypatch.chdir(tmp_path)
    words = ["task=[demo_noise,demo_reverberation,demo_telephone]", "--published-table", "published.csv"]
    rows = ["table,group,benchmark,metric,model,value"]
    rows += [f"asr,Demo,Demo {kind},WER,Whisper,99" for kind in ("noise", "reverberation", "telephone")]
    (tmp_path / "published.csv").write_text("\n".join([*rows, "asr,English,LibriSpeech clean,WER,Whisper,2.0"]))
    assert main(["reproduce", "whisper_tiny_en", *words]) == 1
    report = tmp_path / "runs/whisper_tiny_en-reproduce/report/reproduction.json"
    measured = {each["benchmark"]: each for each in json.loads(report.read_text())["figures"]}
    assert [measured[f"Demo {kind}"]["verdict"] for kind in ("noise", "telephone")] == ["differs"] * 2

    # Its own figures, printed, are reproduced; one that is a little off is within what 8 samples can tell.
    printed = f"{measured['Demo noise']['measured']:.2f}"
    near = f"{measured['Demo telephone']['measured'] + 0.5:.2f}"
    rows[1:] = [
        f"asr,Demo,Demo noise,WER,Whisper,{printed}",
        "asr,Demo,Demo reverberation,WER,Whisper,99",
        f"asr,Demo,Demo telephone,WER,Whisper,{near}",
        "asr,English,LibriSpeech clean,WER,Whisper,2.0",
    ]
    (tmp_path / "published.csv").write_text("\n".join(rows))
    assert main(["reproduce", "whisper_tiny_en", *words]) == 1
    verdicts = [each["verdict"] for each in json.loads(report.read_text())["figures"]]
    assert verdicts == ["reproduced", "differs", "cannot tell", "not run"]

    # What is printed of one model is not reproduced by another.
    assert main(["reproduce", "pocketsphinx", *words]) == 1
    other = json.loads((tmp_path / "runs/pocketsphinx-reproduce/report/reproduction.json").read_text())
    assert other["counts"]["reproduced"] == 0
