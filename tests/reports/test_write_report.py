import json
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError, StoreError
from reports.write import write_report
from tests.reports.run_folders import metric, task, utterance, write_run

SITE = ("browser.js", "overview.js", "refresh.js", "report.css", "sample.js", "sound.js", "store.js", "words.js")
DEMO = ("Demo clean", "Demo noise", "Demo reverberation", "Demo telephone")


def demo_run(folder: Path, name: str, factor: float, title: str) -> Path:
    tasks = {}
    for position, benchmark in enumerate(DEMO):
        value = factor * (position + 1) / 50
        metrics = {"wer": metric(value), "wer_raw": metric(2 * value, normaliser="raw-en.v1")}
        tasks[benchmark.lower().replace(" ", "_")] = task(benchmark, value, metrics=metrics)
    return write_run(folder, name, tasks, title=title)


def everything(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".files")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_whole_report(tmp_path: Path) -> None:
    runs = [demo_run(tmp_path, "tiny-demo", 1, "Tiny"), demo_run(tmp_path, "sphinx-demo", 3, "Sphinx")]
    written = write_report(runs, published=["Step-Audio 2"], output_folder=tmp_path / "report").files
    files = everything(tmp_path / "report")
    assert {str(path.relative_to(tmp_path / "report")) for path in written} == set(files)
    assert set(files) == {
        "index.html",
        *(f"{table}.{kind}" for table in ("asr", "by_normaliser") for kind in ("md", "html", "tex", "csv", "json")),
        "radar.png",
        "radar.svg",
        *(f"site/{name}" for name in SITE),
        "data/pages.js",
        *(
            f"{folder}.{kind}"
            for benchmark in DEMO
            for folder, kind in (("tasks/{}", "html"), ("data/tasks/{}", "js"))
            for folder in [folder.format(benchmark.lower().replace(" ", "_"))]
        ),
        *(
            f"data/runs/{run}/{benchmark.lower().replace(' ', '_')}/{piece}.js"
            for run in ("tiny-demo", "sphinx-demo")
            for benchmark in DEMO
            for piece in ("00000", "index-000")
        ),
        "metrics.parquet",
        *(
            f"utterances/{run}/{benchmark.lower().replace(' ', '_')}.{kind}"
            for run in ("tiny-demo", "sphinx-demo")
            for benchmark in DEMO
            for kind in ("tsv", "txt")
        ),
    }
    page = files["index.html"].decode()
    assert '<img src="radar.svg"' in page
    assert 'href="utterances/sphinx-demo/demo_noise.tsv"' in page
    assert "Not in the chart, having values on fewer than 3 axes: Step-Audio 2." in page
    assert "WER, raw-en.v1" in page
    assert "<strong>2.00</strong>" in page
    assert "6.00" in files["asr.md"].decode()


@pytest.mark.slow
def test_published_models_need_no_run_and_the_same_input_gives_the_same_files(tmp_path: Path) -> None:
    for output in ("first", "second"):
        written = write_report([], published=["@2025-09-15"], output_folder=tmp_path / output).files
    names = ("asr", "paralinguistic", "mmau", "big_bench_audio", "covost2", "cvss", "toolcall", "uro_bench")
    tables = {f"{name}.{kind}" for name in names for kind in ("md", "html", "tex", "csv", "json")}
    assert {path.name for path in written} == {"index.html", "report.css", "radar.png", "radar.svg", *tables}
    assert everything(tmp_path / "first") == everything(tmp_path / "second")


def test_a_report_with_too_few_test_sets_has_no_chart_and_leaves_no_older_one(tmp_path: Path) -> None:
    write_report([demo_run(tmp_path, "tiny-demo", 1, "Tiny")], output_folder=tmp_path / "report")
    assert (tmp_path / "report" / "radar.png").is_file()
    single = write_run(tmp_path, "single", {"demo": task("Demo clean", 0.1)})
    written = write_report([single], output_folder=tmp_path / "report").files
    assert not list((tmp_path / "report").glob("radar.*"))
    assert not [path for path in written if path.name.startswith("radar")]
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "No radar chart" in page
    assert "<img" not in page


def test_names_from_a_run_folder_neither_leave_the_report_nor_become_markup(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path,
        "run",
        {"demo": task("<b>Demo</b>", 0.1)},
        title="<script>",
        utterances=[utterance("a", "b", "b", (0, 0, 0, 1))],
    )
    record = (folder / "metrics.json").read_text()
    (folder / "metrics.json").write_text(record.replace('"name": "run"', '"name": "../../escaped run"', 1))
    written = write_report([folder], output_folder=tmp_path / "out" / "report").files
    assert all((tmp_path / "out" / "report") in path.resolve().parents for path in written)
    assert all(path.is_file() for path in written)
    for name in ("index.html", "tasks/demo.html"):
        page = (tmp_path / "out" / "report" / name).read_text(encoding="utf-8")
        assert all(script.startswith(' src="') for script in page.split("<script")[1:])
        assert "<b>" not in page


def test_no_file_holds_a_character_that_steers_a_terminal(tmp_path: Path) -> None:
    unseen = "a\x1b[31m\x9b\u202eb"
    rows = [utterance(unseen, unseen, unseen, (0, 0, 0, 1))]
    folder = write_run(tmp_path, "run", {"demo": task(f"Demo {unseen}", 0.1)}, title=unseen, utterances=rows)
    for path in write_report([folder], output_folder=tmp_path / "report").files:
        if path.suffix not in (".png", ".svg", ".parquet"):
            assert not set("\x1b\x9b\u202e") & set(path.read_text(encoding="utf-8")), path.name


def test_copies_of_a_run_stand_side_by_side_under_the_names_of_their_folders(tmp_path: Path) -> None:
    utterances = [utterance("u1", "Good morning", "Good evening", (1, 0, 0, 2))]
    runs = [
        write_run(tmp_path / parent, "run", {"demo": task("Demo", 0.1)}, utterances=utterances) for parent in ("a", "b")
    ]
    copy = (tmp_path / "b" / "run").rename(tmp_path / "b" / "copy")
    report = write_report([runs[0], copy], output_folder=tmp_path / "report")
    assert {path.parent.name for path in report.files if path.suffix == ".txt"} == {"run", "copy"}


def test_runs_whose_names_become_one_file_name_keep_their_own_pages(tmp_path: Path) -> None:
    words = {"step 1": "alpha", "step/1": "beta", "STEP_1": "gamma"}
    runs = []
    for index, (name, word) in enumerate(words.items()):
        rows = [utterance("u1", word, word, (0, 0, 0, 1))]
        folder = write_run(tmp_path, f"run{index}", {"demo": task("Demo", 0.1)}, utterances=rows)
        content = json.loads((folder / "metrics.json").read_text()) | {"name": name}
        (folder / "metrics.json").write_text(json.dumps(content))
        runs.append(folder)
    report = write_report(runs, output_folder=tmp_path / "report")
    texts = [path.read_text() for path in report.files if path.suffix == ".txt"]
    assert [next(word for word in words.values() if word in text) for text in texts] == list(words.values())
    assert len({str(path).lower() for path in report.files if path.suffix == ".txt"}) == 3


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="the report cannot be written"):
        write_report([], published=["Step-Audio 2"], output_folder=tmp_path / "file" / "report")


def test_an_unknown_published_model_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean"):
        write_report([], published=["Step-Audio2"], output_folder=tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_importing_the_report_writer_loads_no_heavy_library() -> None:
    code = (
        "import sys, reports.write;"
        "print([name for name in ('matplotlib', 'pyarrow', 'pandas', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
