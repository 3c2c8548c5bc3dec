"""A table in LaTeX, for the packages booktabs and multirow."""

from collections.abc import Iterator

import regex

from reports.render.markdown import render_markdown
from reports.tables.model import Cell, RowGroup, Table, Title, column_spans, stub_titles

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        # A row that began with a bracket would be read as the argument of the line break before it.
        "[": "{[}",
        "]": "{]}",
    }
)
_OTHER_SCRIPTS = (
    (
        regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"),
        r"holds Chinese, Japanese or Korean: use XeLaTeX or LuaLaTeX with \usepackage{fontspec} and a font that has "
        r"it, such as \setmainfont{Noto Serif CJK SC}",
    ),
    (
        regex.compile(r"[\p{Arabic}\p{Hebrew}]"),
        r"holds Arabic or Hebrew: use LuaLaTeX with \usepackage[bidi=basic]{babel} and a font that has it, such as "
        r"\babelfont{rm}{DejaVu Sans}",
    ),
)
_MARKS = {
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "§": r"\S{}",
    "¶": r"\P{}",
    "‖": r"$\Vert$",
    "◊": r"$\diamond$",
    "※": r"$\ast$",
    "△": r"$\triangle$",
    "○": r"$\circ$",
}


def render_latex(table: Table) -> str:
    """Return a ``table*`` environment with its footnotes and recipes below the rules."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    yield r"% \usepackage{booktabs,multirow}"
    held = render_markdown(table)  # every text of the table
    yield from (f"% {needed}" for script, needed in _OTHER_SCRIPTS if script.search(held))
    yield r"\begin{table*}"
    yield r"\centering"
    yield rf"\caption{{{_escaped(table.title)}}}"
    yield rf"\label{{tab:{table.name}}}"
    yield rf"\begin{{tabular}}{{{'l' * len(table.stub)}{'c' * len(table.columns)}}}"
    yield r"\toprule"
    spans = column_spans(table)
    if spans:
        headings = [rf"\multicolumn{{{n}}}{{c}}{{{_escaped(title)}}}" for title, n in spans]
        yield " &" * len(table.stub) + " " + " & ".join(headings) + r" \\"
        yield "".join(_rules_under(spans, len(table.stub) + 1))
    headings = [_escaped(title) for title in table.stub]
    headings += [_escaped(column.title) + _marks(column.marks) for column in table.columns]
    yield " & ".join(headings) + r" \\"
    for group in table.groups:
        yield r"\midrule"
        yield from _rows(table, group)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield from _notes(table)
    yield r"\end{table*}"


def _rules_under(spans: list[tuple[str, int]], first: int) -> Iterator[str]:
    for _, columns in spans:
        yield rf"\cmidrule(lr){{{first}-{first + columns - 1}}}"
        first += columns


def _rows(table: Table, group: RowGroup) -> Iterator[str]:
    for position, row in enumerate(group.rows):
        yield " & ".join([*map(_title, stub_titles(table, group, position)), *map(_cell, row.cells)]) + r" \\"


def _title(title: Title) -> str:
    if title.covered:
        return ""
    text = rf"\textbf{{{_escaped(title.text)}}}" if title.strong else _escaped(title.text)
    text += _marks(title.marks)
    return text if title.spans is None else rf"\multirow{{{title.spans}}}{{*}}{{{text}}}"


def _cell(cell: Cell) -> str:
    return " / ".join(map(_content, cell.figures))


def _content(cell: Cell) -> str:
    text = rf"\textbf{{{_escaped(cell.text)}}}" if cell.bold else _escaped(cell.text)
    detail = rf" {{\scriptsize {_escaped(cell.detail)}}}" if cell.detail else ""
    return text + detail + _marks(cell.marks)


def _marks(marks: str) -> str:
    return rf"\textsuperscript{{{''.join(_MARKS[mark] for mark in marks)}}}" if marks else ""


def _notes(table: Table) -> Iterator[str]:
    if not (table.footnotes or table.recipes):
        return
    yield r"\par\medskip\raggedright\footnotesize"
    for note in table.footnotes:
        yield rf"{_marks(note.mark)}{_escaped(note.text)}\par"
    for recipe in table.recipes:
        # Signatures have no spaces; they may break after each bar.
        signature = _escaped(recipe.line).replace(r"\textbar{}", r"\textbar\allowbreak{}")
        yield rf"\texttt{{{signature}}} {_escaped(recipe.figures)}\par"


def _escaped(text: str) -> str:
    return " ".join(text.split()).translate(_ESCAPES)
