"""What plots show and say, and that their files are alike; how they look is for people to see."""

import json
import re
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager

from evalkit.cli.complete import candidates
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError
from evalkit.results.comparison import compare_runs
from evalkit.results.metrics_file import RunResult, read_run
from reports.plots.against import against, bin_edges
from reports.plots.error_types import error_types
from reports.plots.fonts import font_advice, further_fonts, missing_characters
from reports.plots.forest import forest
from reports.plots.kinds import KINDS, PlotOptions, every_drawing
from reports.plots.running import running
from reports.plots.samples import read_samples
from reports.plots.schemes import schemes
from reports.plots.style import Drawing, line_styles, write_drawing
from tests.reports.measured_runs import measured_run
from tests.reports.run_folders import task, write_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunResult]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        read_run(measured_run(folder, "base", error=0.05)),
        read_run(measured_run(folder, "new", error=0.15, seed=1, title="Another <b>")),
    ]


def texts(drawing: Drawing, folder: Path) -> list[str]:
    """The texts of a plot, which its SVG names beside their shapes."""
    file = folder / "plot.svg"
    write_drawing(drawing, [file])
    return [each.strip() for each in re.findall(r"<!-- (.*?) -->", file.read_text(encoding="utf-8"), re.DOTALL)]


@pytest.mark.slow
def test_the_forest_has_a_row_with_difference_interval_and_verdict(runs: list[RunResult], tmp_path: Path) -> None:
    comparison = compare_runs(*runs, resamples=200)
    [shown] = [each for each in comparison.metrics if each.name == "demo"]
    assert shown.interval is not None
    found = texts(forest(comparison), tmp_path)
    low, high = (f"{end:+.2f}" for end in shown.interval)
    assert f"{shown.difference:+.2f} [{low}, {high}]  worse" in found
    assert "new against base" in found
    assert any("← lower is better" in text and "95 % interval" in text for text in found)


def test_a_comparison_of_nothing_is_no_forest(runs: list[RunResult]) -> None:
    with pytest.raises(ConfigurationError, match="base and empty: nothing could be compared"):
        forest(compare_runs(runs[0], RunResult("empty", "", "", "", {}), resamples=10))


@pytest.mark.slow
def test_kinds_of_errors_are_those_of_the_counts(runs: list[RunResult], tmp_path: Path) -> None:
    found = texts(error_types(runs[:1], "demo", "speaker"), tmp_path)
    totals = runs[0].tasks["demo"].metric.statistics
    errors = totals["substitutions"] + totals["deletions"] + totals["insertions"]
    length = int(totals["reference_length"])
    assert f"All, Whisper tiny.en ({length:,})" in found
    assert f"{100 * errors / length:.1f}" in found
    assert {"substitutions", "deletions", "insertions"} <= set(found)
    assert sum(text.startswith(("slt,", "awb,", "rms,")) for text in found) == 3


@pytest.mark.slow
def test_the_largest_groups_are_drawn_and_the_rest_is_counted(tmp_path: Path) -> None:
    labels = tuple(f"speaker {number:02}" for number in range(34))
    run = read_run(measured_run(tmp_path, "many", samples=68, labels=labels))
    drawing = error_types([run], "demo", None)
    assert "4 more are not shown" in drawing.notes[0]
    assert sum(text.startswith("speaker") for text in texts(drawing, tmp_path)) == 30


def test_bins_hold_every_sample_once_and_alike_many() -> None:
    numbers = np.random.default_rng(0).exponential(size=1000)
    edges = bin_edges(numbers, 1000)
    counts = [int(((numbers > low) & (numbers <= high)).sum()) for low, high in pairwise(edges)]
    assert counts == [125] * 8
    assert bin_edges(np.array([0.0, 5.0, 5.0, 10.0]), 4).tolist() == [-np.inf, 0, 5, 10]
    assert len(bin_edges(np.arange(15.0), 15)) == 3


def test_a_value_of_some_samples_is_that_of_their_sums(runs: list[RunResult]) -> None:
    samples = read_samples(runs[0], "demo", by="snr")
    chosen = samples.numbers == 0
    point = samples.value(chosen)
    errors = samples.statistics[chosen][:, :3].sum()
    assert point is not None
    assert point.low is not None
    assert point.high is not None
    assert point.value == pytest.approx(100 * errors / samples.statistics[chosen][:, 3].sum())
    assert point.low < point.value < point.high


@pytest.mark.slow
def test_errors_fall_with_the_signal_to_noise_ratio(runs: list[RunResult], tmp_path: Path) -> None:
    found = texts(against(runs, "demo", by="snr"), tmp_path)
    assert "Signal-to-noise ratio in dB (Demo)" in found
    assert "WER in %, with 95 % interval" in found
    assert {"Whisper tiny.en", "Another &lt;b&gt;"} & set(found) or "Another <b>" in found


def test_what_samples_lack_is_said(runs: list[RunResult]) -> None:
    with pytest.raises(ConfigurationError, match="demo: no sample has the number loudness; --by names a number"):
        against(runs, "demo", by="loudness")


def test_the_running_estimate_ends_at_the_value_and_says_how_many_samples_it_wants(runs: list[RunResult]) -> None:
    drawing = running(runs[:1], "demo")
    assert re.fullmatch(
        r"Whisper tiny.en, Demo: the interval is ± \d+\.\d\d % over 60 samples; "
        r"half as wide an interval needs some 240\.",
        drawing.notes[0],
    )
    samples = read_samples(runs[0], "demo")
    everything = samples.value(np.arange(60))
    assert everything is not None
    assert everything.value == pytest.approx(runs[0].tasks["demo"].metric.value)


@pytest.mark.slow
def test_schemes_stand_below_their_task(runs: list[RunResult], tmp_path: Path) -> None:
    found = texts(schemes(runs, ["demo"]), tmp_path)
    assert [text for text in found if text in ("Demo", "whisper-en.v1", "raw-en.v1")] == [
        "Demo", "whisper-en.v1", "raw-en.v1",
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match="evalkit score RUN schemes=all"):
        schemes(runs, [])


@pytest.mark.slow
def test_files_are_alike_and_are_what_their_endings_say(runs: list[RunResult], tmp_path: Path) -> None:
    drawing = error_types(runs, "demo", None)
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files = [tmp_path / name / f"plot.{kind}" for kind in ("png", "svg", "pdf")]
        assert write_drawing(drawing, files) == []
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1]
    png, svg, pdf = contents[0]
    assert (png[:4], pdf[:5]) == (b"\x89PNG", b"%PDF-")
    assert b"<svg" in svg
    for word in (b"CreationDate", b"dc:date", b"Matplotlib v"):
        assert word not in png + svg + pdf


def test_series_differ_without_colour() -> None:
    styles = line_styles(7)
    assert len({style.marker for style in styles}) == 7
    assert len({(str(style.dashes), style.marker) for style in line_styles(42)}) == 42
    # In grey too: how bright the first three are differs by a tenth at least.
    shades = [np.dot(mpl.colors.to_rgb(style.colour), (0.2126, 0.7152, 0.0722)) for style in styles[:2]]
    assert abs(shades[0] - shades[1]) > 0.05


@pytest.mark.slow
def test_characters_without_a_font_are_said_with_the_package_that_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_dejavu = [each for each in font_manager.fontManager.ttflist if each.name.startswith(("DejaVu", "Last Resort"))]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", only_dejavu)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    run = read_run(measured_run(tmp_path, "run", title="会议 ไทย"))
    [note] = write_drawing(error_types([run], "demo", None), [tmp_path / "plot.png", tmp_path / "plot.svg"])
    assert note.startswith("No installed font has 会议ไทย; Debian and Ubuntu have one in fonts-noto-cjk and fonts-noto")
    # Left to the reader's fonts, as text.
    assert "All, 会议 ไทย (" in re.sub("<!--.*?-->", "", (tmp_path / "plot.svg").read_text(encoding="utf-8"))
    assert "fonts-noto-core." in font_advice("ไ")
    assert "fonts-noto-core" not in font_advice("会か한")


@pytest.mark.slow
def test_a_font_that_was_installed_since_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a font of an Arabic script: DejaVu's own, which every matplotlib has, taken for a new one."""
    path = font_manager.findfont("DejaVu Sans")
    others = [each for each in font_manager.fontManager.ttflist if each.name.startswith("cm")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", others)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [path, "/nowhere/broken.ttf"])
    assert further_fonts("تس") == ["DejaVu Sans"]
    assert further_fonts("\uf8d0") == []


@pytest.mark.slow
def test_every_script_that_an_installed_font_has_is_drawn(tmp_path: Path) -> None:
    chinese = further_fonts("会议")
    if not chinese:
        pytest.skip("no installed font has Chinese characters")
    run = read_run(measured_run(tmp_path, "run", title="会议 تسجيلات"))
    assert write_drawing(error_types([run], "demo", None), [tmp_path / "plot.png"]) == []
    assert missing_characters("会议", chinese) == ""


@pytest.mark.slow
def test_all_plots_of_a_report_and_what_shows_nothing_is_left_out(runs: list[RunResult]) -> None:
    names = ["schemes", "forest", "error_types-demo", "against_duration-demo", "running-demo"]
    assert [drawing.name for drawing in every_drawing(runs)] == names
    assert list(every_drawing([])) == []


def test_a_task_is_named_where_there_are_several(runs: list[RunResult]) -> None:
    assert KINDS["running"].draw(runs, PlotOptions()).title == "Running estimate of WER, Demo"
    for options, message in (
        (PlotOptions(task="dmo"), "base: has no task 'dmo', did you mean 'demo'"),
        (PlotOptions(metric="cer"), "demo: has no metric 'cer'.* there are wer, wer_raw"),
    ):
        with pytest.raises(ConfigurationError, match=message.replace(".* there", ".*there")):
            KINDS["running"].draw(runs, options)
    with pytest.raises(ConfigurationError, match="two runs or more, BASE and NEW, and not of 1"):
        KINDS["forest"].draw(runs[:1], PlotOptions())


@pytest.mark.slow
def test_the_command(runs: list[RunResult], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(runs[0].folder)
    output = tmp_path / "plot.pdf"
    assert main(["plot", "error_types", folder, "--by", "speaker", "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"Kinds of errors, Demo: {output}\n"
    streams = [zlib.decompress(each) for each in re.findall(rb"stream\n(.*?)\nendstream", output.read_bytes(), re.S)]
    assert any(b"BT" in stream for stream in streams)  # text that can be searched, and no outlines
    for arguments, message in (
        ([folder, "--output", "plot.gif"], "plot.gif: a plot is a file that ends in .png, .svg, .pdf"),
        ([folder, "--by", "speakr", "--output", str(output)], "did you mean 'speaker'? (there are speaker)"),
        ([str(tmp_path / "none"), "--output", str(output)], "there is no such folder"),
        ([folder, "--output", str(tmp_path / "no" / "plot.png")], "cannot be written"),
    ):
        assert main(["plot", "error_types", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_intervals_are_those_of_clusters_where_a_task_was_resampled_by_them(tmp_path: Path) -> None:
    """Speakers far apart: a few of them say less than as many samples drawn singly."""
    folder = measured_run(tmp_path, "run", labels=tuple("abcdefgh"))
    singly = read_samples(read_run(folder), "demo").value(np.arange(60))
    content = json.loads((folder / "metrics.json").read_text())
    content["tasks"]["demo"] |= {"resampled": "speaker", "clusters": 8}
    (folder / "metrics.json").write_text(json.dumps(content))
    samples = read_samples(read_run(folder), "demo")
    assert samples.clusters is not None
    assert sorted(set(samples.clusters)) == list("abcdefgh")
    clustered = samples.value(np.arange(60))
    assert singly is not None
    assert clustered is not None
    assert clustered.value == singly.value
    assert (clustered.low, clustered.high) != (singly.low, singly.high)
    # Of three speakers no interval is given.
    totals = samples.statistics[:3].sum(axis=0)
    few = samples.value(np.arange(3))
    assert few is not None
    assert (few.low, few.high) == (None, None)
    assert few.value == pytest.approx(100 * totals[:3].sum() / totals[3])


@pytest.mark.slow
def test_a_forest_of_several_runs_and_of_a_difference_that_matters(runs: list[RunResult], tmp_path: Path) -> None:
    options = PlotOptions(resamples=200, minimum=50)
    drawing = KINDS["forest"].draw([*runs, replace(runs[1], name="third")], options)
    found = texts(drawing, tmp_path)
    assert "new, third against base" in found
    assert {"WER, new", "WER, third"} <= {line for text in found for line in text.splitlines()}
    assert sum(text.endswith("  equivalent") for text in found) >= 2


def test_repeated_runs_that_were_joined_have_plots_without_samples(runs: list[RunResult]) -> None:
    joined = replace(runs[0], folder=None)
    assert [drawing.name for drawing in every_drawing([joined])] == ["schemes", "error_types-demo"]


def test_completion_knows_every_kind() -> None:
    assert candidates("evalkit plot ") == list(KINDS)


def test_figures_whose_statistics_nobody_stored_are_not_comparable(tmp_path: Path) -> None:
    tasks = {"a": task("A", 0.1, "Clinic", compared=["wer"]), "b": task("B", 0.2, "Clinic", compared=["wer"])}
    base, new = (read_run(write_run(tmp_path, name, tasks)) for name in ("base", "new"))
    reasons = {each.name: each.reason for each in compare_runs(base, new, resamples=10).metrics}
    assert reasons["a"] == reasons["b"] == "no statistics of single samples are stored"
    assert "a" in reasons["asr_clinic"]
