"""Layouts of one's own: a YAML file that says which figures stand in which table, and on which axes of the chart."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from evalkit.errors import ConfigurationError
from evalkit.hints import check_choice, hint
from evalkit.results.metrics_file import RunResult
from reports.chart.axes import README_AXES, AxisSource, Radar, tables_radar
from reports.tables.fill import LAYOUTS
from reports.tables.layout import FilledTable, fill
from reports.tables.layouts.own import OwnFigure, OwnLayout

RADAR = "radar"
_TAKEN = (*(layout.name for layout in LAYOUTS), RADAR, "by_normaliser", "index", "metrics", "model_card")
_FILE_KEYS = ("tables", "radar", "standard_tables")
_TABLE_KEYS = ("name", "title", "figures", "models", "best", "decimals", "notes")
_FIGURE_KEYS = ("title", "heading", "task", "metric", "part", "average")
_BEST = {"lowest": min, "highest": max}
_USUAL_NOTE = "Values are in the unit of their metric."
_MOST_DECIMALS = 20


@dataclass(frozen=True, slots=True)
class OwnTables:
    """What a file asks for.

    Attributes:
        layouts: of its tables, in order.
        radar: the axes of the chart, in order: one's own figures, or labels of axes of the README's chart; empty for
            the usual chart.
        standard_tables: whether the tables of the README follow.
    """

    layouts: tuple[OwnLayout, ...] = ()
    radar: tuple[OwnFigure | str, ...] = ()
    standard_tables: bool = True

    def fill(self, runs: Sequence[RunResult]) -> list[FilledTable]:
        """Fill the tables.

        Raises:
            ConfigurationError: no run has anything of a table, or a task lacks a metric.
        """
        for layout in self.layouts:
            if not any(figure.source(run) for figure in layout.figures for run in runs):
                missing = layout.figures[0]
                known = dict.fromkeys(name for run in runs for name in (*run.tasks, *run.aggregates))
                name = missing.average or missing.task
                raise ConfigurationError(
                    f"{missing.where}: no run has '{name}'{hint(name, known)}, nor another figure of this table "
                    f"(there are {', '.join(known) or 'none'})"
                )
        return [fill(_with_missing(layout, runs), runs, ()) for layout in self.layouts]

    def chart(self, runs: Sequence[RunResult], tables: Sequence[FilledTable]) -> Radar:
        """Return the radar chart of the runs.

        Args:
            runs: that are drawn.
            tables: all tables, which hold the values of the README's axes.

        Raises:
            ConfigurationError: an axis is none of the README's, or a task lacks a metric.
        """
        if not self.radar:
            return tables_radar(tables)
        figures = tuple(each for each in self.radar if isinstance(each, OwnFigure))
        # A table that is not printed holds the values of one's own axes.
        values = fill(OwnLayout(name=RADAR, published="", title="", notes=("",), figures=figures), runs, ())
        return tables_radar([*tables, values], [_axis(each, runs) for each in self.radar])


def read_own_tables(path: Path) -> OwnTables:
    """Read a file of layouts.

    Raises:
        ConfigurationError: it cannot be read, or asks for what cannot be; says where.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: is not valid YAML ({' '.join(str(error).split())})") from error
    _check_keys(str(path), content, _FILE_KEYS)
    layouts = tuple(
        _layout(f"{path}: tables[{index}]", each) for index, each in enumerate(_listed(str(path), content, "tables"))
    )
    names = [layout.name for layout in layouts]
    for name in names:
        if name in _TAKEN:
            raise ConfigurationError(f"{path}: a file of every report is called '{name}'; give the table another name")
        if names.count(name) > 1:
            raise ConfigurationError(f"{path}: two tables are called '{name}'")
    radar = tuple(
        each if isinstance(each, str) else _figure(f"{path}: radar[{index}]", each)
        for index, each in enumerate(_listed(str(path), content, "radar"))
    )
    if not layouts and not radar:
        raise ConfigurationError(f"{path}: asks for no tables and no radar")
    standard = content.get("standard_tables", True)
    if not isinstance(standard, bool):
        raise ConfigurationError(f"{path}: standard_tables: {standard!r} must be true or false")
    return OwnTables(layouts, radar, standard)


def _layout(where: str, content: Any) -> OwnLayout:
    _check_keys(where, content, _TABLE_KEYS)
    name = _text(where, content, "name")
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigurationError(f"{where}.name: '{name}' must be of letters, digits, _ and -, as files are called so")
    figures = tuple(
        _figure(f"{where}.figures[{index}]", each) for index, each in enumerate(_listed(where, content, "figures"))
    )
    if not figures:
        raise ConfigurationError(f"{where}.figures: name at least one figure")
    places = [figure.place for figure in figures]
    for figure in figures:
        if places.count(figure.place) > 1:
            raise ConfigurationError(f"{figure.where}: another figure of the table has the title '{figure.title}'")
    models, best, decimals = content.get("models", "across"), content.get("best", "none"), content.get("decimals")
    check_choice(f"{where}.models", models, ("across", "down"))
    check_choice(f"{where}.best", best, (*_BEST, "none"))
    if decimals is not None and (type(decimals) is not int or not 0 <= decimals <= _MOST_DECIMALS):
        raise ConfigurationError(f"{where}.decimals: {decimals!r} must be a whole number from 0 to {_MOST_DECIMALS}")
    return OwnLayout(
        name=name,
        published="",
        title=_text(where, content, "title"),
        notes=tuple(str(note) for note in _listed(where, content, "notes")) or (_USUAL_NOTE,),
        best=_BEST.get(best),
        row_per_place=models == "across",
        with_runs_only=True,
        figures=figures,
        across=models == "across",
        decimals=decimals,
    )


def _figure(where: str, content: Any) -> OwnFigure:
    _check_keys(where, content, _FIGURE_KEYS)
    if ("task" in content) == ("average" in content):
        raise ConfigurationError(f"{where}: name either a task or an average")
    part = content.get("part")
    if part is not None:
        _check_keys(f"{where}.part", part, ("group", "label"))
        part = _text(f"{where}.part", part, "group"), _text(f"{where}.part", part, "label")
    if "average" in content and (part is not None or "metric" in content):
        raise ConfigurationError(f"{where}: an average has neither parts nor metrics")
    name = _text(where, content, "average" if "average" in content else "task")
    return OwnFigure(
        where=where,
        title=_text(where, content, "title", name),
        heading=_text(where, content, "heading", ""),
        task=name if "task" in content else "",
        metric=_text(where, content, "metric", ""),
        part=part,
        average=name if "average" in content else "",
    )


def _axis(wanted: OwnFigure | str, runs: Sequence[RunResult]) -> AxisSource:
    if isinstance(wanted, OwnFigure):
        metrics = [metric for run in runs if (metric := wanted.measured(run)) is not None]
        return AxisSource(wanted.title, RADAR, wanted.place, bool(metrics) and metrics[0].higher_is_better)
    known = {axis.label: axis for axis in README_AXES}
    if wanted not in known:
        raise ConfigurationError(f"radar: no axis '{wanted}'{hint(wanted, known)} (there are {', '.join(known)})")
    return known[wanted]


def _with_missing(layout: OwnLayout, runs: Sequence[RunResult]) -> OwnLayout:
    """Return the layout with a note on what no run has: a name may be misspelt, or not run yet."""
    known = dict.fromkeys(name for run in runs for name in (*run.tasks, *run.aggregates))
    missing = {each.average or each.task: each for each in layout.figures if not any(map(each.source, runs))}
    if not missing:
        return layout
    notes = [f"No run has '{name}'{hint(name, known)}" for name in missing]
    return replace(layout, notes=(*notes, *layout.notes))


def _check_keys(where: str, content: Any, known: Sequence[str]) -> None:
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where}: must be a mapping with the keys {', '.join(known)}")
    for key in content:
        if key not in known:
            raise ConfigurationError(
                f"{where}: unknown key '{key}'{hint(str(key), known)} (there are {', '.join(known)})"
            )


def _listed(where: str, content: Mapping[str, Any], key: str) -> Sequence[Any]:
    items = content.get(key) or []
    if not isinstance(items, list):
        raise ConfigurationError(f"{where}.{key}: must be a list")
    return items


def _text(where: str, content: Mapping[str, Any], key: str, otherwise: str | None = None) -> str:
    value = content.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or (value == "" and otherwise is None):
        raise ConfigurationError(f"{where}.{key}: must be a text")
    return str(value)
