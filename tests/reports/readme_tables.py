"""Tables as grids of texts, each with whether it is in bold: as a README has them in HTML, and as facts kept here."""

import re
from html.parser import HTMLParser
from pathlib import Path

Grid = list[list[tuple[str, bool]]]


class _Grids(HTMLParser):
    """The tables of a page, spans filled in; footnote marks and small print are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.grids: list[Grid] = []
        self._rows: list[dict[int, tuple[str, bool]]] = []
        self._first = 0  # of the head or the body, beyond which no span reaches
        self._cell: tuple[int, int] | None = None
        self._text, self._bold, self._ignored = "", False, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._rows = []
        elif tag in ("thead", "tbody"):
            self._first, self._row = len(self._rows), len(self._rows) - 1
        elif tag == "tr":
            self._row += 1
            while len(self._rows) <= self._row:
                self._rows.append({})
        elif tag in ("td", "th"):
            sizes = dict(attrs)
            self._cell = int(sizes.get("rowspan") or 1), int(sizes.get("colspan") or 1)
            self._text, self._bold = "", False
        elif tag in ("sup", "small"):
            self._ignored = True
        elif tag == "strong":
            self._bold = True

    def handle_data(self, data: str) -> None:
        if self._cell and not self._ignored:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("sup", "small"):
            self._ignored = False
        elif tag in ("td", "th") and self._cell:
            down, across = self._cell
            column = next(n for n in range(99) if n not in self._rows[self._row])
            for row in range(self._row, self._row + down):
                while len(self._rows) <= row:
                    self._rows.append({})
                self._rows[row] |= dict.fromkeys(range(column, column + across), (self._text.strip(), self._bold))
            self._cell = None
        elif tag in ("thead", "tbody"):
            del self._rows[self._row + 1 :]
        elif tag == "table":
            self.grids.append([[row[n] for n in sorted(row)] for row in self._rows])


def html_grids(html: str) -> list[Grid]:
    parser = _Grids()
    parser.feed(html)
    return parser.grids


def kept_grids(path: Path) -> dict[str, Grid]:
    """The facts by table: lines of cells between bars, bold ones between double asterisks."""
    grids: dict[str, Grid] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            grid = grids.setdefault(line[2:], [])
        elif line.strip():
            cells = [cell.strip() for cell in line.split("|")]
            grid.append([(re.sub(r"^\*\*(.*)\*\*$", r"\1", cell), cell.startswith("**")) for cell in cells])
    return grids


def as_text(name: str, grid: Grid) -> str:
    """One table in the format of the facts."""
    lines = [" | ".join(f"**{text}**" if bold else text for text, bold in row) for row in grid]
    return "\n".join([f"# {name}", *lines]) + "\n"
