"""The first page: what was run and measured, run beside run, tables as published, where figures are from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from evalkit.metrics.metric import rounded
from evalkit.results.compared import ComparedMetric, Comparison
from evalkit.results.folder import PROVENANCE, read_json
from evalkit.results.metrics_file import RunResult
from evalkit.results.task_result import Aggregate, TaskResult
from reports.render.html import render_html
from reports.render.markup import Markup, data_table, element, isolated, join
from reports.site.shell import page
from reports.tables.model import Table

_SIGNS = {"better": "▲", "worse": "▼", "equivalent": "≡", "no evidence": "≈", "not comparable": "∅"}


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first page shows.

    Attributes:
        runs: in order, the first being what others are compared with.
        titles: of their columns.
        comparison: of every run but the first with the first, or None where there is one run.
        pages: for each task the name of its page.
        tables: in order.
        chart: file name of the radar chart, or None if there is none.
        notes: what has to be said about the runs.
        chart_notes: about the chart.
        plots: names of the files of further plots.
        plot_notes: about these.
        listings: text files of samples by task and run: what they are called, and their names.
    """

    runs: Sequence[RunResult]
    titles: Sequence[str]
    comparison: Comparison | None
    pages: Mapping[str, str]
    tables: Sequence[Table]
    chart: str | None
    notes: Sequence[str]
    chart_notes: Sequence[str]
    plots: Sequence[str]
    plot_notes: Sequence[str]
    listings: Sequence[tuple[str, Sequence[str]]]


def render_overview(overview: Overview) -> str:
    """Return the page."""
    runs = overview.runs
    return page(
        "evalkit report",
        element("h1", "evalkit report"),
        element("p", ", ".join(overview.titles), class_="lead") if runs else "",
        *_notes(overview.notes),
        _tasks(overview) if runs else "",
        _chart(overview),
        *(_table(table) for table in overview.tables),
        _plots(overview),
        _runs(overview) if runs else "",
        _listings(overview),
        scripts=("site/overview.js",) if runs else (),
    )


def compared_with_first(comparison: Comparison | None, run: RunResult, name: str) -> list[ComparedMetric]:
    """Return what a comparison found for a run in the task or average of a name."""
    return [each for each in (comparison.metrics if comparison else ()) if (each.run, each.name) == (run.name, name)]


def verdict(compared: ComparedMetric | None) -> Markup:
    """Return a comparison's difference and verdict, which a sign and words tell as well as the colour."""
    if compared is None:
        return Markup("")
    text = ""
    if compared.difference is not None:
        text = f"{signed(compared.difference, compared.decimals)} {compared.unit}".rstrip() + " "
    kind = compared.verdict.replace(" ", "-")
    said = element("span", f"{_SIGNS.get(compared.verdict, '')} {compared.verdict}", class_=f"verdict {kind}")
    return join(text, said)


def signed(value: float, decimals: int) -> str:
    """Return a difference with its sign."""
    text = rounded(value, decimals)
    return text if text.startswith("-") else f"+{text}"


def _tasks(overview: Overview) -> Markup:
    names = dict.fromkeys(name for run in overview.runs for name in run.tasks)
    rows = [_task_row(name, overview) for name in names]
    new = [title for title in overview.titles[1:] for title in (title, "against the first")]
    table = data_table(
        "Every task: its headline figure with its interval",
        ("Task", "Metric", *overview.titles[:1], *new),
        rows,
        texts=2,
    )
    averages = _averages(overview)
    remarks = [
        element("p", remark, class_="note") for remark in (overview.comparison.remarks if overview.comparison else ())
    ]
    unfinished = [
        element("p", f"{run.name}: without {', '.join(run.unfinished)}, which it has not finished.", class_="note")
        for run in overview.runs
        if run.unfinished
    ]
    return element("section", element("h2", "Results"), table, averages, *remarks, *unfinished)


def _task_row(name: str, overview: Overview) -> tuple[str, ...]:
    results = [run.tasks.get(name) for run in overview.runs]
    first = next(result for result in results if result is not None)
    link = element("a", isolated(first.title), href=quote(overview.pages[name])) if name in overview.pages else ""
    cells = [_figure(results[0])]
    for result, run in zip(results[1:], overview.runs[1:], strict=True):
        found = compared_with_first(overview.comparison, run, name)
        compared = next((each for each in found if each.metric == first.metric.name), found[0] if found else None)
        # Where one of two figures is missing, their cells say why; that they do not compare goes without saying.
        cells += [_figure(result), verdict(compared if _has_value(results[0]) and _has_value(result) else None)]
    return (link or first.title, first.metric.name, *cells)


def _has_value(result: TaskResult | Aggregate | None) -> bool:
    return result is not None and result.metric.value is not None


def _figure(result: TaskResult | None) -> Markup:
    if result is None:
        return Markup("–")
    if result.not_applicable is not None:
        return join("N/A ", element("small", result.not_applicable))
    counts = f"n = {result.samples.counted:,}"
    for name in ("failed", "skipped"):
        if count := getattr(result.samples, name):
            counts += f", {count:,} {name}"
    return join(result.metric.text if result.metric.value is not None else "–", " ", element("small", counts))


def _averages(overview: Overview) -> Markup:
    names = dict.fromkeys(name for run in overview.runs for name in run.aggregates)
    rows: list[tuple[str, ...]] = []
    for name in names:
        results = [run.aggregates.get(name) for run in overview.runs]
        first = next(result for result in results if result is not None)
        cells: list[str] = ["–" if results[0] is None else results[0].metric.text]
        for result, run in zip(results[1:], overview.runs[1:], strict=True):
            compared = next(iter(compared_with_first(overview.comparison, run, name)), None)
            cells.append("–" if result is None else result.metric.text)
            cells.append(verdict(compared if _has_value(results[0]) and _has_value(result) else None))
        rows.append((first.title, first.metric.name, *cells))
    new = [title for title in overview.titles[1:] for title in (title, "against the first")]
    head = ("Average", "Metric", *overview.titles[:1], *new)
    return data_table("Averages that tables quote", head, rows, texts=2) if rows else Markup("")


def _chart(overview: Overview) -> Markup:
    notes = _notes(overview.chart_notes)
    if overview.chart is None:
        return join(*notes)
    image = element(
        "img", src=quote(overview.chart), alt="Radar chart of the models; the tables below hold its numbers"
    )
    return element("section", element("h2", "At a glance"), element("figure", image), *notes)


def _notes(texts: Sequence[str]) -> list[Markup]:
    return [element("p", text, class_="note") for text in texts]


def _plots(overview: Overview) -> Markup:
    figures = []
    for name in overview.plots:
        title = name.rpartition("/")[2].removesuffix(".svg").replace("-", ", ", 1).replace("_", " ")
        image = element("img", src=quote(name), alt=f"Plot: {title}")
        figures.append(element("figure", image, element("figcaption", title)))
    if not figures:
        return Markup("")
    notes = _notes(overview.plot_notes)
    return element("section", element("h2", "Plots"), element("div", *figures, class_="beside"), *notes)


def _table(table: Table) -> Markup:
    content = Markup(render_html(table, styles=False))
    return element(
        "section",
        element("h2", table.title),
        element("div", content, class_="wide published", tabindex=0, role="region", aria_label=table.title),
        id=f"table-{table.name}",
    )


def _runs(overview: Overview) -> Markup:
    parts = []
    for run, title in zip(overview.runs, overview.titles, strict=True):
        facts = [(name, text) for name, text in _facts(run) if text]
        terms = [join(element("dt", name), element("dd", isolated(text))) for name, text in facts]
        parts += [element("h3", title), element("dl", *terms)]
        if recipes := _recipes(run):
            parts.append(element("details", element("summary", "Recipes of all figures"), recipes))
        if reasons := [element("li", f"{name}: {reason}") for name, reason in run.left_out.items()]:
            parts.append(element("details", element("summary", f"Left out ({len(reasons)})"), element("ul", *reasons)))
    return element("section", element("h2", "What was run"), *parts)


def _recipes(run: RunResult) -> Markup:
    lines = [
        element("li", isolated(task.title), ": ", element("code", task.recipe_line(key)))
        for task in run.tasks.values()
        for key in task.metrics
    ]
    return element("ul", *lines) if lines else Markup("")


def _facts(run: RunResult) -> list[tuple[str, str]]:
    provenance = _provenance(run)
    sessions = [each for each in provenance.get("sessions") or () if isinstance(each, dict)]
    last = sessions[-1] if sessions else {}
    software, hardware = _mapping(last, "software"), _mapping(last, "hardware")
    return [
        ("Run", run.name),
        ("Model", f"{run.model} ({run.model_name})"),
        (
            "Scored with",
            f"evalkit {run.evalkit}" + (f", commit {software['commit']}" if software.get("commit") else ""),
        ),
        ("Begun", str(sessions[0].get("started", "")) if sessions else ""),
        (
            "Sessions",
            f"{len(sessions)}, the last {'finished' if last.get('finished') else 'not finished'}" if last else "",
        ),
        ("Machine", ", ".join(str(hardware.get(name)) for name in ("platform", "processor") if hardware.get(name))),
        ("Accelerators", ", ".join(map(str, hardware.get("accelerators") or ()))),
        ("Python", str(software.get("python", ""))),
        *((f"Model as {role}", _short(value)) for role, value in _mapping(provenance, "models").items()),
        *(
            (f"Data of {name}", f"{entry.get('samples')} samples, fingerprint {entry.get('fingerprint')}")
            for name, entry in _mapping(provenance, "data").items()
            if isinstance(entry, dict)
        ),
    ]


def _mapping(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _short(fingerprint: Any) -> str:
    if not isinstance(fingerprint, dict):
        return ""
    return ", ".join(f"{key} {value}" for key, value in fingerprint.items() if isinstance(value, str | int | float))


def _provenance(run: RunResult) -> dict[str, Any]:
    path = run.folder / PROVENANCE if run.folder is not None else None
    return read_json(path) if path is not None and path.is_file() else {}


def _listings(overview: Overview) -> Markup:
    if not overview.listings:
        return Markup("")
    items = []
    for title, files in overview.listings:
        links = [element("a", file.rpartition(".")[2], href=quote(file)) for file in files]
        items.append(element("li", title, " (", links[0], *(join(", ", link) for link in links[1:]), ")"))
    return element("section", element("h2", "Every utterance as text, worst first"), element("ul", *items))
