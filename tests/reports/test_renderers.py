import csv
import io
import re
import shutil
import subprocess
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evalkit.results.task_result import SampleCounts
from reports.published import select_published
from reports.render.csv import render_csv
from reports.render.html import render_html
from reports.render.latex import render_latex
from reports.render.markdown import render_markdown
from reports.tables.layout import fill
from reports.tables.layouts.asr import ASR
from reports.tables.model import Cell, Column, Footnote, PrintedRecipe, Row, RowGroup, Table

NASTY = r"<script>alert('x')</script> a|b _c_ & 100% \d {e} #1 $f$ ~g^ [h](javascript:i) `j` *k* [l]"

MEASURED = Cell(
    text="4.13",
    detail="[2.10, 6.61] n=2,400",
    bold=True,
    marks="†‡",
    value=Decimal("4.1250"),
    interval=(Decimal("2.1"), Decimal("6.6125")),
    metric="WER",
    source="run-1",
    n=2400,
    samples=SampleCounts(expected=2620, total=2410, scored=2390, failed=10, skipped=10, empty=3),
    partial=True,
    recipe="metric:WER|unit:word",
)


def table(title: str = "Model A", group: str = "English", test_set: str = "Clean") -> Table:
    return Table(
        name="asr",
        title="Speech recognition",
        stub=("Category", "Test set"),
        columns=(
            Column(title, group="Measured"),
            Column("Model B", group="Published", marks="§"),
            Column("Model C", group="Published", marks="§"),
        ),
        groups=(
            RowGroup(group, (Row((test_set,), (MEASURED, Cell(text="N/A"), Cell())),)),
            RowGroup(
                "Demo", (Row(("X",), (Cell(), Cell(), Cell(text="7.10"))), Row(("Average",), (Cell(),) * 3, True))
            ),
        ),
        footnotes=(Footnote("", "Lower is better."), Footnote("†", "Partial.")),
        recipes=(PrintedRecipe("metric:WER|unit:word", "Model A: Clean"),),
    )


def test_markdown_reads_as_a_table_in_a_terminal() -> None:
    assert render_markdown(table()) == (
        "### Speech recognition\n"
        "\n"
        "| Category    | Test set    | Model A                          | Model B § | Model C § |\n"
        "| ----------- | ----------- | :------------------------------: | :-------: | :-------: |\n"
        "| **English** | Clean       | **4.13** [2.10, 6.61] n=2,400 †‡ | N/A       |           |\n"
        "| **Demo**    | X           |                                  |           | 7.10      |\n"
        "|             | **Average** |                                  |           |           |\n"
        "\n"
        "Lower is better.\n"
        "\n"
        "† Partial.\n"
        "\n"
        "Recipes:\n"
        "\n"
        "- `metric:WER|unit:word` Model A: Clean\n"
    )


def test_markdown_leaves_small_print_out_where_the_terminal_is_too_narrow() -> None:
    whole = render_markdown(table())
    width = len(whole.splitlines()[2])
    assert render_markdown(table(), width) == whole
    text = render_markdown(table(), width - 1)
    assert "| **English** | Clean       | **4.13** †‡ | N/A       |           |" in text
    assert "n=2,400" not in text
    assert "Without intervals and numbers of samples" in text


def test_markdown_aligns_wide_characters() -> None:
    lines = render_markdown(table(test_set="普通话")).splitlines()
    wide = next(line for line in lines if "普通话" in line)
    assert len(wide) == len(lines[2]) - 3


def test_markdown_escapes_titles() -> None:
    text = render_markdown(table(title=NASTY, group=NASTY, test_set=NASTY))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert r"\_c\_" in text
    assert r"&amp; 100% \\d" in text
    assert r"[h\](javascript:i)" in text
    assert r"\`j\` \*k\*" in text
    # An unescaped bar would add a column.
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_markdown_leaves_names_with_underscores_readable() -> None:
    assert "| whisper_tiny_en " in render_markdown(table(title="whisper_tiny_en"))


def test_markdown_line_breaks_in_titles_do_not_break_the_table() -> None:
    assert "| a b " in render_markdown(table(title="a\n\nb"))


def test_markdown_code_spans_hold_backticks() -> None:
    recipe = Table("t", "T", ("A", "B"), (), (), recipes=(PrintedRecipe("a`b``c", "x"),))
    assert "- ``` a`b``c ``` x" in render_markdown(recipe)


class Collected(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_escapes_titles_and_keeps_their_text() -> None:
    html = Collected(render_html(table(title=NASTY, group=NASTY, test_set=NASTY)))
    assert "script" not in html.tags
    assert html.text.count(NASTY) == 3


def test_html_spans_column_groups_and_row_groups() -> None:
    html = render_html(table())
    assert '<th style="text-align: center;" rowspan="2">Category</th>' in html
    assert '<th style="text-align: center;" colspan="2">Published</th>' in html
    assert '<td rowspan="2" style="text-align: center; vertical-align: middle;"><strong>Demo</strong></td>' in html
    assert "<strong>4.13</strong> <small>[2.10,&nbsp;6.61] n=2,400</small><sup>†‡</sup>" in html
    assert "<code>metric:WER|unit:word</code> Model A: Clean" in html


def test_html_has_no_second_heading_without_column_groups() -> None:
    html = render_html(fill(ASR, [], select_published(["Step-Audio 2"], "asr")).table)
    assert "colspan" not in html
    assert 'rowspan="2">Category' not in html


def test_latex_lays_out_groups() -> None:
    latex = render_latex(table())
    assert r" & & \multicolumn{1}{c}{Measured} & \multicolumn{2}{c}{Published} \\" in latex
    assert r"\cmidrule(lr){3-3}\cmidrule(lr){4-5}" in latex
    assert r"\begin{tabular}{llccc}" in latex
    assert r"\multirow{2}{*}{\textbf{Demo}} & X &  &  & 7.10 \\" in latex
    assert r" & \textbf{Average} &  &  &  \\" in latex
    assert r"\textbf{4.13} {\scriptsize {[}2.10, 6.61{]} n=2,400}\textsuperscript{\dag{}\ddag{}}" in latex


def test_latex_is_balanced_whatever_the_titles() -> None:
    latex = render_latex(table(title=NASTY, group=NASTY, test_set=NASTY))
    unescaped = re.sub(r"\\[\\{}$&#%_]", "", latex.partition("\n")[2])
    assert unescaped.count("{") == unescaped.count("}")
    assert unescaped.count("$") % 2 == 0
    assert re.findall(r"\\begin\{(.*?)\}", latex) == re.findall(r"\\end\{(.*?)\}", latex)[::-1]
    rows = [line for line in latex.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {4}
    # A comment sign in a title would swallow the rest of its line.
    assert not re.search(r"(?<!\\)%", latex.partition("\n")[2])


def typeset(engine: str, latex: str, folder: Path, preamble: str = "") -> str:
    """The log of a page with a table; the test is skipped where the engine or a package is not installed."""
    wanted = ["booktabs", "multirow", *re.findall(r"\\usepackage(?:\[.*?\])?\{(\w+)\}", preamble)]
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")
    if subprocess.run(["kpsewhich", *(f"{name}.sty" for name in wanted)], capture_output=True).returncode:
        pytest.skip(f"one of the LaTeX packages {', '.join(wanted)} is not installed")
    (folder / "table.tex").write_text(latex, encoding="utf-8")
    page = rf"\documentclass{{article}}\usepackage{{booktabs,multirow}}{preamble}\begin{{document}}\input{{table}}"
    (folder / "page.tex").write_text(page + r"\end{document}")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    return (folder / "page.log").read_text(encoding="utf-8", errors="replace")


def test_latex_compiles_with_hostile_titles(tmp_path: Path) -> None:
    typeset("pdflatex", render_latex(table(title=NASTY, group=NASTY, test_set=NASTY)), tmp_path)


def test_latex_says_what_other_scripts_need(tmp_path: Path) -> None:
    assert render_latex(table()).splitlines()[1] == r"\begin{table*}"
    assert "LuaLaTeX with \\usepackage[bidi=basic]{babel}" in render_latex(table(test_set="ذهب الولد"))
    latex = render_latex(table(title="中文识别", test_set="日本語"))
    [needed] = [line for line in latex.splitlines() if line.startswith("% holds")]
    preamble = "".join(re.findall(r"\\(?:usepackage|setmainfont)\{[^}]*\}", needed))
    assert preamble == r"\usepackage{fontspec}\setmainfont{Noto Serif CJK SC}"
    lister = shutil.which("fc-list")
    if lister is None or "Noto Serif CJK SC" not in subprocess.run([lister], capture_output=True, text=True).stdout:
        pytest.skip("the font Noto Serif CJK SC is not installed")
    assert "Missing character" not in typeset("xelatex", latex, tmp_path, preamble)


def test_csv_has_every_field_of_every_filled_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(table()))))
    assert [(row["category"], row["test_set"], row["model"], row["text"]) for row in rows] == [
        ("English", "Clean", "Model A", "4.13"),
        ("English", "Clean", "Model B", "N/A"),
        ("Demo", "X", "Model C", "7.10"),
    ]
    assert rows[0] == {
        "table": "asr",
        "category": "English",
        "test_set": "Clean",
        "model": "Model A",
        "source": "run-1",
        "published": "0",
        "metric": "WER",
        "text": "4.13",
        "value": "4.125",
        "low": "2.1",
        "high": "6.6125",
        "n": "2400",
        "expected": "2620",
        "partial": "1",
        "failed": "10",
        "skipped": "10",
        "empty": "3",
        "audio_cut": "0",
        "audio_split": "0",
        "recipe": "metric:WER|unit:word",
    }


def down_table() -> Table:
    """Models in rows: the title of a group in the second column, and two figures in one cell."""
    pair = Cell(text="86.8", metric="precision", beside=Cell(text="99.5", metric="recall", bold=True, marks="†"))
    return Table(
        name="t",
        title="T",
        stub=("Model", "Language"),
        columns=(Column("Avg.", "Basic"), Column("Avg.", "Pro")),
        groups=(RowGroup("Chinese", (Row(("A",), (pair, Cell()), True, "§"), Row(("B",), (Cell(), Cell()), True))),),
        group_stub=1,
        across=("Track", "Dimension"),
    )


def test_markdown_of_models_in_rows() -> None:
    assert render_markdown(down_table()).splitlines()[2:] == [
        "| Model   | Language    | Basic Avg.        | Pro Avg. |",
        "| ------- | ----------- | :---------------: | :------: |",
        "| **A** § | **Chinese** | 86.8 / **99.5** † |          |",
        "| **B**   |             |                   |          |",
    ]


def test_html_of_models_in_rows() -> None:
    html = render_html(down_table())
    assert html.count('<td rowspan="2"') == 1
    assert html.index("<strong>A</strong><sup>§</sup>") < html.index("<strong>Chinese</strong>")
    assert "86.8 / <strong>99.5</strong><sup>†</sup>" in html
    assert html.count('rowspan="2">') == 2  # the headings of the stub


def test_html_gives_two_figures_with_small_print_a_line_each() -> None:
    first = Cell(text="1.0", detail="n=5", beside=Cell(text="2.0", detail="n=5"))
    html = render_html(
        Table("t", "T", ("A",), (Column("B"),), (RowGroup("", (Row(("x",), (first,)),)),), group_stub=None)
    )
    assert "1.0 <small>n=5</small> /<br>2.0 <small>n=5</small></td>" in html


def test_latex_of_models_in_rows() -> None:
    latex = render_latex(down_table())
    assert r" & & \multicolumn{1}{c}{Basic} & \multicolumn{1}{c}{Pro} \\" in latex
    assert r"\cmidrule(lr){3-3}\cmidrule(lr){4-4}" in latex
    assert r"\textbf{A}\textsuperscript{\S{}} & \multirow{2}{*}{\textbf{Chinese}} & 86.8 / \textbf{99.5}" in latex
    assert "\n" + r"\textbf{B} &  &  &  \\" in latex


def test_csv_has_a_line_for_each_of_two_figures_in_a_cell() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(down_table()))))
    assert [
        (row["model"], row["language"], row["track"], row["dimension"], row["metric"], row["text"]) for row in rows
    ] == [
        ("A", "Chinese", "Basic", "Avg.", "precision", "86.8"),
        ("A", "Chinese", "Basic", "Avg.", "recall", "99.5"),
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_csv_starts_no_formula(start: str) -> None:
    title = f'{start}HYPERLINK("http://x"), "quoted"'
    rows = list(csv.DictReader(io.StringIO(render_csv(table(title=title)))))
    assert rows[0]["model"] == f"'{title}"
