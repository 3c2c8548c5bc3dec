from pathlib import Path

import pytest

import reports.write
from evalkit.cli.main import main
from evalkit.errors import StoreError
from reports.write import write_report
from tests.reports.run_folders import task, utterance, write_run


def run_of(folder: Path, name: str, *tasks: str) -> Path:
    rows = [utterance("u1", "good morning", "good evening", (1, 0, 0, 2))]
    return write_run(folder, name, {each: task(f"Demo {each}", 0.1) for each in tasks}, utterances=rows)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".files"}


def test_a_report_of_other_runs_leaves_nothing_of_the_earlier_one_and_all_else(tmp_path: Path) -> None:
    output = tmp_path / "report"
    write_report([run_of(tmp_path, "first", "a", "b", "c")], output_folder=output)
    (output / "notes.md").write_text("mine")
    assert {"radar.png", "utterances/first/b.txt"} <= files(output)
    report = write_report([run_of(tmp_path, "second", "a")], output_folder=output)
    assert files(output) == {path.relative_to(output).as_posix() for path in report.files} | {"notes.md"}
    assert not (output / "utterances" / "first").exists()
    assert not list(output.glob(".unfinished*"))


def test_a_report_that_is_cut_short_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "report"
    write_report([run_of(tmp_path, "first", "a", "b", "c")], output_folder=output)
    before = {name: (output / name).read_bytes() for name in files(output)}

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reports.write, "render_overview", full)
    with pytest.raises(StoreError, match="the report cannot be written"):
        write_report([run_of(tmp_path, "second", "a")], output_folder=output)
    assert {name: (output / name).read_bytes() for name in files(output)} == before


def test_links_in_a_folder_of_somebody_else_have_nothing_written_or_removed_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "index.html").write_text("kept")
    run = run_of(tmp_path, "run", "a")
    output = run / "report"
    output.mkdir()
    (output / "index.html").symlink_to(elsewhere / "index.html")
    (output / ".files").write_text(f"../../elsewhere/index.html\n{elsewhere}/index.html\nutterances/../x.txt\n\0\n")
    assert main(["report", str(run)]) == 0
    assert not (output / "index.html").is_symlink()
    (output / "utterances" / "run").rename(tmp_path / "moved")
    (output / "utterances" / "run").symlink_to(elsewhere)
    assert main(["report", str(run)]) == 2
    assert "a link leads out of the report's folder" in capsys.readouterr().err
    output.rename(tmp_path / "report")
    output.symlink_to(elsewhere)
    assert main(["report", str(run)]) == 2
    assert "report: is a link; say where to write with --output" in capsys.readouterr().err
    assert files(elsewhere) == {"index.html"}
    assert (elsewhere / "index.html").read_text() == "kept"
