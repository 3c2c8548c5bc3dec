"""The calculator counts, and does nothing else."""

import pytest

from step_audio_2.live.calculator import calculate, calculator
from step_audio_2.live.tools import ToolError, ToolResult, call_tool
from step_audio_2.tool_calls import ToolCall
from tests.step_audio_2.live.steering import never


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1+2)×3", 9),
        ("７ ÷ ２", 3.5),
        ("2^10", 1024),
        ("-2 ** 2", -4),
        ("7 // 2 + 7 % 2", 4),
        ("sqrt(16) + abs(-3)", 7.0),
        ("max(1, 2.5, 2)", 2.5),
        ("factorial(5)", 120),
        ("2 ** 200", 2**200),
        ("1e3", 1000.0),
        ("3" * 499, int("3" * 499)),
    ],
)
def test_what_is_right(expression: str, value: float) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "one plus one",
        "1 +",
        "__import__('os').system('true')",
        "().__class__.__bases__[0]",
        "[x for x in (1,)]",
        "lambda: 1",
        "open('x')",
        "abs.__self__",
        "'a' * 10",
        "True + 1",
        "1 if 1 else 2",
        "1 / 0",
        "sqrt(-1)",
        "(-8) ** 0.5",
        "9 ** 9 ** 9 ** 9",
        "10.0 ** 1000",
        "factorial(100000)",
        "factorial(2.5)",
        "1" + "+1" * 400,
        "(" * 200 + ")" * 200,
        "2 ** 1900 * 2 ** 1900 * 2 ** 1900",
        "round(1, ndigits=2)",
    ],
)
def test_what_is_none_is_told_and_never_run(expression: str) -> None:
    with pytest.raises(ToolError):
        calculate(expression)


@pytest.mark.parametrize(
    ("expression", "text"), [("0.1 + 0.2", "0.1 + 0.2 = 0.3"), ("2 × 3", "2 × 3 = 6"), ("1/3", "1/3 = 0.333333333333")]
)
def test_the_model_reads_the_expression_and_its_value(expression: str, text: str) -> None:
    result = call_tool({"calculate": calculator()}, ToolCall("calculate", f'{{"expression": "{expression}"}}'), never())
    assert isinstance(result, ToolResult)
    assert (result.text, result.failed) == (text, False)
