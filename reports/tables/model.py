"""The table that a layout fills and that every renderer prints."""

from dataclasses import dataclass, replace
from decimal import Decimal

from evalkit.results.task_result import SampleCounts

NOT_APPLICABLE = "N/A"
AVERAGES = ("Average", "Avg.")
"""How published tables head the columns and rows that sum up the others."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure. The default is the blank cell: this test set was not run.

    Attributes:
        text: the value as printed, ``N/A``, or empty.
        detail: what is printed small beside it: interval and number of samples.
        bold: whether it is the best of those it competes with.
        marks: footnote marks, one character each.
        value: the unrounded value, in the unit of the table.
        interval: its confidence interval, in the same unit.
        metric: what it measures.
        source: the run or release it is from.
        n: the samples that enter it; None for published figures.
        samples: the counts of its task, where it is a figure of whole tasks.
        partial: whether it rests on other data than the complete data set.
        recipe: the signature under which it may be compared.
        beside: a further figure, printed after a slash.
    """

    text: str = ""
    detail: str = ""
    bold: bool = False
    marks: str = ""
    value: Decimal | None = None
    interval: tuple[Decimal, Decimal] | None = None
    metric: str = ""
    source: str = ""
    n: int | None = None
    samples: SampleCounts | None = None
    partial: bool = False
    recipe: str = ""
    beside: "Cell | None" = None

    @property
    def figures(self) -> "tuple[Cell, ...]":
        """This figure and the one beside it."""
        return (self,) if self.beside is None else (self, *self.beside.figures)

    @property
    def filled(self) -> bool:
        """Whether there is anything to say here."""
        return any(figure.text or figure.marks for figure in self.figures)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of figures.

    Attributes:
        title: its own heading.
        group: the heading above, which it shares with its neighbours; empty for none.
        marks: footnote marks.
    """

    title: str
    group: str = ""
    marks: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        titles: one for each stub column that is not the group's.
        cells: one for each column.
        strong: whether its titles are in bold.
        marks: footnote marks.
    """

    titles: tuple[str, ...]
    cells: tuple[Cell, ...]
    strong: bool = False
    marks: str = ""

    @property
    def title(self) -> str:
        """The titles in one line."""
        return ", ".join(self.titles)


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Neighbouring rows under one title.

    Attributes:
        title: spans them all, if the table has a stub column for it.
        rows: in order.
        marks: footnote marks of the title.
    """

    title: str
    rows: tuple[Row, ...]
    marks: str = ""


@dataclass(frozen=True, slots=True)
class Footnote:
    """A line under the table.

    Attributes:
        mark: stands before it; empty if it speaks of the whole table.
        text: what it says.
    """

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class PrintedRecipe:
    """A signature and the figures that carry it, in words.

    Attributes:
        line: what the figures depend on.
        figures: which ones, in words.
    """

    line: str
    figures: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to be printed.

    Attributes:
        name: short name, also that of its files.
        title: heading.
        stub: headings of the leading columns, which hold the titles of row groups and rows.
        columns: from left to right.
        groups: of rows, from the top down.
        footnotes: under the table.
        recipes: under the footnotes.
        group_stub: which stub column holds the titles of row groups; None if they have no titles.
        across: what the headings above the columns name, and what the columns' own titles name; the first is empty
            if it names nothing of its own.
    """

    name: str
    title: str
    stub: tuple[str, ...]
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    footnotes: tuple[Footnote, ...] = ()
    recipes: tuple[PrintedRecipe, ...] = ()
    group_stub: int | None = 0
    across: tuple[str, str] = ("", "Model")


@dataclass(frozen=True, slots=True)
class Title:
    """What stands in one stub column of one row.

    Attributes:
        text: the title, repeated in every row of a group.
        strong: whether it is in bold.
        marks: footnote marks.
        spans: how many rows the title of a group spans from here on, 0 below its first row; None for a row's own.
    """

    text: str
    strong: bool
    marks: str = ""
    spans: int | None = None

    @property
    def covered(self) -> bool:
        """Whether the title of the group, further up, spans this place too."""
        return self.spans == 0


def stub_titles(table: Table, group: RowGroup, position: int) -> list[Title]:
    """Return what stands in the stub columns of a group's row at this position, from left to right."""
    row = group.rows[position]
    titles = [Title(text, row.strong) for text in row.titles]
    titles[0] = replace(titles[0], marks=row.marks)
    if table.group_stub is not None:
        spans = 0 if position else len(group.rows)
        titles.insert(table.group_stub, Title(group.title, True, group.marks, spans))
    return titles


def column_spans(table: Table) -> list[tuple[str, int]]:
    """Return the headings above the columns with the number of columns each spans; empty if no column has one."""
    spans: list[tuple[str, int]] = []
    for column in table.columns:
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans if any(heading for heading, _ in spans) else []
