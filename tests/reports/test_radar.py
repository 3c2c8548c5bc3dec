from decimal import Decimal
from pathlib import Path

import pytest

from reports.asr import asr_table
from reports.measured import read_run
from reports.published import select_published
from reports.radar import BEST, WORST, Axis, radar, radii, table_axes
from reports.radar_drawing import draw_radar
from tests.reports.run_folders import task, write_run


def axis(*values: str | None, label: str = "A", higher_is_better: bool = False) -> Axis:
    return Axis(label, tuple(None if value is None else Decimal(value) for value in values), higher_is_better)


def test_every_axis_has_its_own_scale_among_three_models() -> None:
    errors, accuracy = radii([axis("2", "6", "10"), axis("50", "90", "70", higher_is_better=True)])
    assert errors == pytest.approx([BEST, (BEST + WORST) / 2, WORST])
    assert accuracy == pytest.approx([WORST, BEST, (BEST + WORST) / 2])


def test_what_has_no_value_is_at_the_centre_and_the_worst_value_is_not() -> None:
    [spoke] = radii([axis("2", None, "90")])
    assert spoke == pytest.approx([BEST, 0.0, WORST])


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


def test_axes_are_the_measured_rows_or_all_published_ones(tmp_path: Path) -> None:
    published = select_published(["@2025-09-15"], "asr")
    axes = table_axes(asr_table([], published), higher_is_better=False)
    assert len(axes) == 19
    assert (axes[2].label, axes[2].values[4]) == ("LibriSpeech clean", Decimal("1.17"))
    tasks = {
        "a": task("AISHELL", 0.1, "Chinese", total=20, scored=20),
        "b": task("Demo clean", 0.2),
        "c": task("Demo noise", 0.3),
    }
    run = read_run(write_run(tmp_path, "run", tasks))
    axes = table_axes(asr_table([run], published), higher_is_better=False)
    assert [(each.label, each.partial) for each in axes] == [
        ("AISHELL", True),
        ("Demo clean", False),
        ("Demo noise", False),
    ]
    assert axes[0].values[:2] == (Decimal("10.0"), Decimal("0.98"))


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
