import re
from decimal import Decimal
from pathlib import Path

import pytest

from evalkit.results.metrics_file import read_run
from reports.chart.axes import BEST, WORST, Axis, Radar, radar, radii, scale_in_words, tables_radar
from reports.chart.drawing import draw_radar
from reports.tables.fill import fill_tables
from tests.reports.run_folders import task, write_run


def axis(*values: str | None, label: str = "A", higher_is_better: bool = False) -> Axis:
    return Axis(label, tuple(None if value is None else Decimal(value) for value in values), higher_is_better)


def test_every_axis_has_its_own_scale_among_three_models() -> None:
    errors, accuracy = radii([axis("2", "6", "10"), axis("50", "90", "70", higher_is_better=True)])
    assert errors == pytest.approx([BEST, (BEST + WORST) / 2, WORST])
    assert accuracy == pytest.approx([WORST, BEST, (BEST + WORST) / 2])


def test_what_has_no_value_has_no_corner_and_the_worst_value_has_one() -> None:
    [spoke] = radii([axis("2", None, "90")])
    assert spoke[1] is None
    assert (spoke[0], spoke[2]) == pytest.approx((BEST, WORST))


def test_a_small_difference_does_not_fill_the_axis() -> None:
    [spoke] = radii([axis("2.0", "2.5", "2.0")])
    assert spoke[1] == pytest.approx(BEST - (BEST - WORST) * 0.25)


def test_two_models_share_the_widest_scale() -> None:
    wide, narrow = radii([axis("10", "50"), axis("10", "20")])
    assert wide == pytest.approx([BEST, WORST])
    assert narrow == pytest.approx([BEST, BEST - (BEST - WORST) * 0.25])


def test_a_single_model_is_drawn_from_0_to_100() -> None:
    assert radii([axis("0"), axis("50"), axis("250")]) == [[BEST], [pytest.approx((BEST + WORST) / 2)], [WORST]]


def test_models_and_axes_that_make_no_polygon_are_left_out_and_named() -> None:
    axes = [
        axis("1", "1", label="a"),
        axis("2", "2", label="b"),
        axis("3", None, label="c"),
        axis(None, "4", label="d"),
    ]
    chart = radar(["first", "second"], axes)
    assert chart.models == ("first", "second")
    chart = radar(["first", "second"], [*axes[:3], axis(None, None, label="d")])
    assert chart.models == ("first",)
    assert [each.label for each in chart.axes] == ["a", "b", "c"]
    assert [each.values for each in chart.axes] == [(Decimal(1),), (Decimal(2),), (Decimal(3),)]
    assert "second" in chart.notes[0]
    assert radar(["first"], axes[:2]).axes == ()


README_AXES = [
    "AISHELL-2",
    "LibriSpeech test-clean",
    "MMAU speech",
    "MMAU sound",
    "MMAU music",
    "StepEval-Audio-Paralinguistic",
    "CoVoST 2",
    "CVSS",
    "URO-Bench Basic-zh",
    "URO-Bench Basic-en",
]


def chart_of(runs: list[Path], published: list[str]) -> Radar:
    return tables_radar(fill_tables([read_run(run) for run in runs], published))


def test_a_release_has_the_ten_axes_of_its_readme_and_the_models_with_half_of_them() -> None:
    chart = chart_of([], ["@2025-09-15"])
    assert [each.label for each in chart.axes] == README_AXES
    assert chart.models == (
        "Kimi-Audio",
        "Qwen-Omni",
        "Step-Audio 2",
        "Step-Audio 2 mini",
        "GPT-4o Audio",
        "Step-Audio-AQAA",
    )
    values = [[each.values[chart.models.index(name)] for each in chart.axes] for name in ("Step-Audio 2", "Kimi-Audio")]
    assert [str(value) for value in values[0]] == (
        ["2.10", "1.17", "76.9", "83.5", "73.7", "83.09", "39.26", "30.87", "83.32", "83.90"]
    )
    assert [value is None for value in values[1]] == [False] * 6 + [True] * 2 + [False] * 2
    assert [each.higher_is_better for each in chart.axes] == [False] * 2 + [True] * 8
    assert [each.decimals for each in chart.axes] == [2, 2, 1, 1, 1, 2, 2, 2, 2, 2]
    assert "Omni-R1" in chart.notes[0]


def test_a_run_is_drawn_on_the_readme_axes_that_it_has(tmp_path: Path) -> None:
    tasks = {
        "a": task("AISHELL-2", 0.1, "Chinese", total=20, scored=20),
        "l": task("LibriSpeech clean", 0.02, "English"),
        "d": task("Demo clean", 0.2),
        "c": task("English-to-Chinese", 0.3, "CoVoST 2 (S2TT)", table="covost2"),
        "e": task("Chinese-to-English", 0.2, "CoVoST 2 (S2TT)", table="covost2"),
    }
    run = write_run(tmp_path, "run", tasks, title="Step-Audio 2 mini")
    chart = chart_of([run], ["Step-Audio 2 mini"])
    assert chart.models == ("Step-Audio 2 mini", "Step-Audio 2 mini (published)")
    assert [(each.label, each.partial) for each in chart.axes] == [
        ("AISHELL-2", True),
        ("LibriSpeech test-clean", False),
        ("CoVoST 2", True),  # BLEU was published where this run has another metric
    ]
    assert chart.axes[2].values == (Decimal(25), Decimal("39.29"))


def test_without_enough_of_the_readme_s_axes_they_are_the_measured_rows_of_recognition(tmp_path: Path) -> None:
    tasks = {
        "a": task("AISHELL", 0.1, "Chinese", total=20, scored=20),
        "b": task("Demo clean", 0.2),
        "c": task("Demo noise", 0.3),
    }
    chart = chart_of([write_run(tmp_path, "run", tasks)], ["Step-Audio 2"])
    assert [(each.label, each.partial) for each in chart.axes] == [
        ("AISHELL", True),
        ("Demo clean", False),
        ("Demo noise", False),
    ]
    assert [each.values for each in chart.axes] == [(Decimal(10),), (Decimal(20),), (Decimal(30),)]
    assert "Step-Audio 2" in chart.notes[0]


def test_a_line_is_broken_where_there_is_no_value(tmp_path: Path) -> None:
    axes = [axis(str(n), "5" if n != 2 else None, "9", label=f"axis {n}") for n in range(1, 6)]
    draw_radar(radar(["a", "b", "c"], axes), tmp_path / "radar.png", tmp_path / "radar.svg")
    svg = (tmp_path / "radar.svg").read_text(encoding="utf-8")
    # Matplotlib writes a model's line as a path that is not filled, in the model's colour: here the second's,
    # after the one of the legend.
    *_, line = re.findall(r'<path d="([^"]+)"[^>]*stroke: #d55e00', svg)
    assert (line.count("M"), line.count("L")) == (2, 3)


def test_titles_are_neither_formulas_nor_markup(tmp_path: Path) -> None:
    # The private-use character is in no font, so that the SVG holds its texts as text.
    axes = [
        axis("1", "2", label="<script> $\\frac{$ \uf8d0"),
        axis("3", "4", label="x_y"),
        axis("5", "6", label="%"),
    ]
    png, svg = tmp_path / "radar.png", tmp_path / "radar.svg"
    notes = draw_radar(radar(["$\\undefined{$", "b"], axes), png, svg)
    assert "<script" not in svg.read_text(encoding="utf-8")
    assert "&lt;script&gt;" in svg.read_text(encoding="utf-8")
    assert "\uf8d0" in notes[0]
    header = png.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert int.from_bytes(header[16:20], "big") >= 1200  # its width: two pixels for each of a README's 600


def test_the_chart_says_what_its_rings_stand_for() -> None:
    assert scale_in_words([axis("2", "6", "10")]).startswith("Each axis has a scale of its own")
    wide = scale_in_words([axis("10", "50"), axis("10", "20")])
    assert wide == "On every axis it is 40 points from the best value, on the outer ring, to the inner ring"
    assert "error rate of 100" in scale_in_words([axis("0")])
    assert radii([axis("100"), axis("100", higher_is_better=True)]) == [[WORST], [BEST]]
