"""The tables of published figures alone against those of the READMEs that printed them."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from reports.averages import irreproducible, recomputed_averages
from reports.render.html import render_html
from reports.render.markdown import render_markdown
from reports.tables.fill import fill_tables
from tests.conftest import SHARED_DATA
from tests.reports.readme_tables import Grid, as_text, html_grids, kept_grids

DATA = Path(__file__).parent / "data"
FIRST_README = SHARED_DATA.parent / "reference" / "step_audio_2_readme.md"
TABLES = ["asr", "paralinguistic", "mmau", "big_bench_audio", "covost2", "cvss", "toolcall", "uro_bench"]
RELEASES = {"2025-07-23": [name for name in TABLES if name != "big_bench_audio"], "2025-09-15": TABLES}


def rendered(release: str) -> dict[str, Grid]:
    grids = {}
    for filled in fill_tables([], [f"@{release}"]):
        [grids[filled.table.name]] = html_grids(render_html(filled.table))
    return grids


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_alone_is_its_readme_cell_for_cell_and_bold_for_bold(release: str) -> None:
    facts = kept_grids(DATA / f"readme_{release.replace('-', '_')}.txt")
    grids = rendered(release)
    assert list(grids) == list(facts) == RELEASES[release]
    for name, grid in grids.items():
        assert as_text(name, grid) == as_text(name, facts[name])


def test_the_first_release_is_the_readme_itself() -> None:
    if not FIRST_README.is_file():
        pytest.skip(f"{FIRST_README} is not on this machine")
    printed = html_grids(FIRST_README.read_text(encoding="utf-8"))
    assert list(rendered("2025-07-23").values()) == printed
    assert sum(len(row) for grid in printed for row in grid) > 400


def test_markdown_has_the_same_cells_in_bold() -> None:
    for filled in fill_tables([], ["@2025-09-15"]):
        [grid] = html_grids(render_html(filled.table))
        lines = [line for line in render_markdown(filled.table).splitlines() if line.startswith("|")][2:]
        cells = [[cell.strip(" §◊") for cell in line.strip("|").split("|")] for line in lines]
        expected = [[f"**{text}**" if bold else text for text, bold in row] for row in grid[-len(lines) :]]
        group = filled.table.group_stub
        for row, above in zip(expected[:0:-1], expected[-2::-1], strict=True):
            if group is not None and row[group] == above[group]:
                row[group] = ""  # the title of a group stands in its first row only
        assert cells == expected


def test_every_printed_average_is_recomputed_and_five_do_not_reproduce() -> None:
    readmes = [each for each in recomputed_averages() if each.printed.release.startswith(tuple(RELEASES))]
    assert len(readmes) == 123
    assert sum(each.reproduces for each in readmes) == 118
    assert [
        (figure.release[:10], figure.table, figure.model, figure.value, each.value)
        for figure, each in irreproducible().items()
    ] == [
        ("2025-07-23", "mmau", "Audio Flamingo 3", Decimal("73.1"), Decimal("72.3")),
        ("2025-09-15", "mmau", "Audio Flamingo 3", Decimal("73.1"), Decimal("72.3")),
        ("2025-09-15", "covost2", "Step-Audio 2 mini", Decimal("39.29"), Decimal("39.30")),
        ("2025-09-15", "cvss", "Step-Audio 2", Decimal("30.87"), Decimal("30.88")),
        ("2025-09-15", "uro_bench", "Step-Audio-AQAA", Decimal("65.61"), Decimal("65.72")),
    ]


def test_what_does_not_reproduce_is_marked_and_said_under_the_table() -> None:
    tables = {filled.table.name: filled.table for filled in fill_tables([], ["@2025-09-15"])}
    marked = {
        (name, row.title, column.title): cell.text
        for name, table in tables.items()
        for group in table.groups
        for row in group.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if "◊" in cell.marks
    }
    assert marked == {
        ("mmau", "Audio Flamingo 3", "Avg."): "73.1",
        ("covost2", "Step-Audio 2 mini", "Avg."): "39.29",
        ("cvss", "Step-Audio 2", "Avg."): "30.87",
        ("uro_bench", "Step-Audio-AQAA", "Avg."): "65.61",
    }
    [note] = [note.text for note in tables["uro_bench"].footnotes if note.mark == "◊"]
    assert note.endswith("Step-Audio-AQAA: Chinese Pro Avg. printed 65.61, recomputed 65.72 (65.72125).")


def test_dimensions_of_the_first_release_are_the_means_of_their_subsets() -> None:
    """Of the technical report's table of subsets; ties were printed rounded down, hence the tolerance."""
    from reports.published import load_published

    subsets: dict[tuple[str, str, str], list[Decimal]] = {}
    for figure in load_published():
        if figure.table == "uro_bench_detail_table7" and figure.value is not None:
            [(track, dimension)] = re.findall(r"^(\w+ \w+) (\w)", figure.group)
            subsets.setdefault((figure.model, track, f"{dimension}."), []).append(figure.value)
            subsets.setdefault((figure.model, track, "Avg."), []).append(figure.value)
    checked = 0
    for figure in load_published():
        if figure.table == "uro_bench" and figure.release.startswith("2025-07-23"):
            values = subsets[figure.model, figure.group, figure.benchmark]
            assert figure.value is not None
            assert abs(sum(values, Decimal(0)) / len(values) - figure.value) < Decimal("0.011"), figure
            checked += 1
    assert checked == 80


def test_bold_that_is_not_on_the_best_value_is_said() -> None:
    said = [
        note.text
        for release in RELEASES
        for filled in fill_tables([], [f"@{release}"])
        for note in filled.table.footnotes
        if note.text.startswith("Bold as published")
    ]
    assert said == [
        "Bold as published, though not the lowest: Guangxi accent.",
        "Bold as published, though not the highest: Chinese Pro R.",
        "Bold as published, though not the lowest: FLEURS Japanese.",
    ]
