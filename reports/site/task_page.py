"""The page of a task: its figures, the verdict between runs, every sample to hear and read, and what all show."""

from collections.abc import Sequence
from typing import Any

from evalkit.results.compared import ComparedMetric
from evalkit.results.task_result import TaskResult
from reports.render.markup import Markup, data_table, element, isolated, join
from reports.samples.flags import FLAGS
from reports.site.overview import signed, verdict
from reports.site.shell import page

SCRIPTS = ("site/store.js", "site/sound.js", "site/sample.js", "site/browser.js", "site/words.js")


def render_task_page(
    name: str,
    results: Sequence[TaskResult],
    runs: Sequence[str],
    compared: Sequence[Sequence[ComparedMetric]],
    views: Sequence[Markup],
    data: str,
) -> str:
    """Return the page.

    Args:
        name: of the task.
        results: of each run that has it.
        runs: titles of these.
        compared: what the comparison of each but the first with the first found.
        views: what the samples show together.
        data: name of the script that says what there is to be loaded.
    """
    title = results[0].title
    return page(
        f"{title} – evalkit report",
        element("nav", element("a", "Overview", href="../index.html"), aria_label="Pages"),
        element("h1", isolated(title)),
        _figures(results, runs),
        _comparison(compared, runs),
        element(
            "section",
            element("h2", "Samples", id="samples"),
            element("noscript", element("p", "The samples are shown by scripts, which are switched off here.")),
            element("div", id="browser"),
        ),
        *views,
        root="../",
        scripts=(*SCRIPTS[:1], data, *SCRIPTS[1:]),
        name=name,
    )


def task_script(
    name: str, results: Sequence[TaskResult], runs: Sequence[dict[str, Any]], words: str | None
) -> dict[str, Any]:
    """Return what the page's scripts need to know before they load samples.

    Args:
        name: of the task.
        results: of each run.
        runs: of each its name, title, data folder, and how many samples and pieces there are.
        words: the script with the vocabulary, or None.
    """
    first = results[0]
    metrics = {
        key: {
            "name": metric.name,
            "unit": metric.unit,
            "decimals": metric.decimals,
            "higher": metric.higher_is_better,
        }
        for key, metric in first.metrics.items()
    }
    compared = list(first.compared) if len(first.compared) > 1 else [first.headline]
    return {
        "name": name,
        "title": first.title,
        "metrics": metrics,
        "headline": first.headline,
        "score": metrics[first.headline]
        if len(compared) == 1
        else {"name": "Score", "unit": "", "decimals": 1, "higher": True},
        "transcribed": first.metric.function == "corpus_error_rate",
        "runs": list(runs),
        "words": words,
        "flags": FLAGS,
    }


def _figures(results: Sequence[TaskResult], runs: Sequence[str]) -> Markup:
    rows: list[tuple[str, ...]] = []
    for key in dict.fromkeys(key for result in results for key in result.metrics):
        metrics = [result.metrics.get(key) for result in results]
        name = next(metric.name for metric in metrics if metric is not None)
        recipe = next((metric.recipe.get("normaliser", "") for metric in metrics if metric is not None), "")
        label = join(name, " ", element("small", recipe)) if recipe else name
        cells = ["–" if metric is None or metric.value is None else metric.text for metric in metrics]
        rows.append((label, *cells))
    counts = ("scored", "failed", "skipped", "empty", "audio_cut", "audio_split")
    rows += [
        (f"samples {count}".replace("_", " "), *(f"{getattr(result.samples, count):,}" for result in results))
        for count in counts
        if count == "scored" or any(getattr(result.samples, count) for result in results)
    ]
    recipes = [
        element("li", isolated(run), ": ", element("code", result.recipe_line(key)))
        for run, result in zip(runs, results, strict=True)
        for key in result.metrics
    ]
    refused = [
        element("p", f"{run}: {result.not_applicable}", class_="note")
        for run, result in zip(runs, results, strict=True)
        if result.not_applicable
    ]
    return join(
        data_table("Figures, each with its interval", ("", *runs), rows),
        *refused,
        element("details", element("summary", "Recipes"), element("ul", *recipes)),
    )


def _comparison(compared: Sequence[Sequence[ComparedMetric]], runs: Sequence[str]) -> Markup:
    rows: list[tuple[str, ...]] = []
    for metrics, run in zip(compared, runs[1:], strict=True):
        for each in metrics:
            interval = ""
            if each.interval is not None:
                interval = f"[{', '.join(signed(end, each.decimals) for end in each.interval)}]"
            p_value = "" if each.adjusted_p_value is None else f"{each.adjusted_p_value:.4f}"
            shared = f"{each.shared:,}" if each.compared else ""
            rows.append((run, each.metric, join(verdict(each)), interval, p_value, shared, each.reason))
    if not rows:
        return Markup("")
    head = ("Run", "Metric", "Difference", "Interval", "Adjusted p", "Shared samples", "Remark")
    return data_table(f"Against {runs[0]}, sample by sample", head, rows, texts=2)
