"""A comparison as JUnit XML, which CI systems show: a test suite for each run, a test case for each figure."""

import re
from collections.abc import Collection
from xml.etree import ElementTree

from evalkit.printable import printable
from evalkit.results.compared import ComparedMetric, Comparison
from evalkit.results.comparison.gate import Condition, is_caught
from evalkit.results.comparison.wording import (
    CORRECTION_NAMES,
    drawn_text,
    name_text,
    p_text,
    reason_text,
    verdict_text,
)
from evalkit.results.wording import difference_text

# What XML 1.0 cannot hold even as a reference, beyond the controls and half characters that `printable` spells out.
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


def render_junit(comparison: Comparison, conditions: Collection[Condition]) -> str:
    """Return the XML.

    A figure that fails the gate is a failure. One that could not be compared is skipped; but where nothing of a run
    could be compared, each of its figures is an error.

    Args:
        comparison: what was found.
        conditions: what fails the gate (``evalkit.results.comparison.gate.is_caught``).
    """
    root = ElementTree.Element("testsuites", name="evalkit compare")
    for run in comparison.runs:
        suite = ElementTree.SubElement(root, "testsuite", name=_text(f"{run} against {comparison.base}"), time="0")
        rows = comparison.of(run)
        unmet = "skipped" if any(row.compared for row in rows) else "error"
        for row in rows:
            outcome = "failure" if is_caught(row, conditions) else "" if row.compared else unmet
            _add_case(suite, row, comparison, outcome)
        _count(suite, skipped=True)
    _count(root, skipped=False)  # the root's form has no such attribute
    ElementTree.indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _add_case(suite: ElementTree.Element, row: ComparedMetric, comparison: Comparison, outcome: str) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(f"{row.run}.{row.name}"),
        name=_text(f"{row.title}: {row.metric}"),
        time="0",
    )
    verdict = verdict_text(row, comparison.minimum)
    if outcome:
        reason = reason_text(row)
        message = f"{verdict}: {reason or _difference(row)}"
        element = ElementTree.SubElement(case, outcome, message=_text(message), type=_text(row.verdict))
        element.text = _details(row, comparison)
    else:
        ElementTree.SubElement(case, "system-out").text = _details(row, comparison)


def _details(row: ComparedMetric, comparison: Comparison) -> str:
    lines = [f"verdict: {verdict_text(row, comparison.minimum)}"]
    if row.difference is not None:
        corrected = CORRECTION_NAMES[comparison.correction]
        lines += [
            f"{name_text(row)}: {row.base} in {comparison.base}, {row.new} in {row.run}",
            f"difference: {_difference(row)} at {100 * comparison.level:g} %",
            f"p: {p_text(row.p_value)}, corrected ({corrected}): {p_text(row.adjusted_p_value)}",
            f"over: {drawn_text(row)}",
        ]
    if reason := reason_text(row):
        lines.append(f"reason: {reason}")
    return _text("\n".join(lines))


def _difference(row: ComparedMetric) -> str:
    return "" if row.difference is None else difference_text(row.difference, row.interval, row.decimals)


def _count(element: ElementTree.Element, *, skipped: bool) -> None:
    counts = {"tests": "testcase", "failures": "failure", "errors": "error"}
    if skipped:
        counts["skipped"] = "skipped"
    for attribute, name in counts.items():
        element.set(attribute, str(sum(1 for _ in element.iter(name))))


def _text(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", printable(text, lines=True))
