"""The table that a layout fills and that every renderer prints."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

NOT_APPLICABLE = "N/A"


@dataclass(frozen=True, slots=True)
class Samples:
    """How many samples a measured figure rests on.

    Attributes:
        expected: size of the complete data set, or None if unknown.
        total: samples in the run: ``scored + failed + skipped``.
        scored: samples with an answer.
        failed: samples without one; they count as an empty answer.
        skipped: samples that could not be asked or scored; they do not count.
        empty: scored samples whose answer was empty.
    """

    expected: int | None
    total: int
    scored: int
    failed: int
    skipped: int
    empty: int

    @property
    def counted(self) -> int:
        """The samples that enter the figure."""
        return self.scored + self.failed


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure. The default is the blank cell: this test set was not run.

    Attributes:
        text: the value as printed, ``N/A``, or empty.
        detail: what is printed small beside it: interval and number of samples.
        bold: whether it is the best of its row.
        marks: footnote marks, one character each.
        value: the unrounded value, in the unit of the table.
        interval: its confidence interval, in the same unit.
        samples: what it rests on; None for published figures.
        partial: whether it rests on other data than the complete data set.
        recipe: the signature under which it may be compared.
    """

    text: str = ""
    detail: str = ""
    bold: bool = False
    marks: str = ""
    value: Decimal | None = None
    interval: tuple[Decimal, Decimal] | None = None
    samples: Samples | None = None
    partial: bool = False
    recipe: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A model: its title, the run or release it is from, and the heading it shares with its neighbours."""

    title: str
    source: str
    published: bool
    group: str = ""
    marks: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: one cell per column."""

    title: str
    cells: tuple[Cell, ...]
    average: bool = False


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Neighbouring rows whose title spans them all."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Footnote:
    """A line under the table; without a mark it speaks of the whole table."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """A signature and the figures that carry it, in words."""

    line: str
    figures: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to be printed.

    Attributes:
        name: short name, also that of its files.
        title: heading.
        stub: headings of the two leading columns, which hold the titles of row groups and rows.
    """

    name: str
    title: str
    stub: tuple[str, str]
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    footnotes: tuple[Footnote, ...] = ()
    recipes: tuple[Recipe, ...] = ()


def column_spans(table: Table) -> list[tuple[str, int]]:
    """The headings above the columns with the number of columns each spans; empty if no column has one."""
    spans: list[tuple[str, int]] = []
    for column in table.columns:
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans if any(heading for heading, _ in spans) else []


def per_cent(fraction: float) -> Decimal:
    """A fraction as an exact number of per cent."""
    # The shortest decimal that names the float, not its binary expansion: 33/800 must round as 4.125 does.
    return Decimal(str(fraction)) * 100


def rounded(value: Decimal, decimals: int = 2) -> str:
    """Half-up rounding, as the published tables round."""
    return str(value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP))
