"""A calculator: expressions are parsed and walked, never run as code."""

import ast
import math
import operator
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from step_audio_2.live.tools import Tool, ToolError

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "round": round,
    "min": min,
    "max": max,
    **{name: getattr(math, name) for name in ("sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "factorial")},
}
_CONSTANTS = {"pi": math.pi, "e": math.e}
_SIGNS = str.maketrans({"×": "*", "÷": "/", "^": "**", "−": "-", "π": "pi"})
# Beyond this, whole numbers would grow for minutes.
_LONGEST, _MOST_DIGITS, _LARGEST_FACTORIAL = 500, 1_000, 500


def calculate(expression: str) -> int | float:
    """Evaluate an arithmetic expression.

    Args:
        expression: of numbers, ``+ - * / // % ** ( )``, ``pi``, ``e``, and functions such as ``sqrt``.

    Raises:
        ToolError: it is something else, too large, or not defined.

    >>> calculate("2 × (3 + 4)")
    14
    """
    text = unicodedata.normalize("NFKC", expression).translate(_SIGNS).strip()
    if len(text) > _LONGEST:
        raise ToolError("算式太长")
    try:
        value = _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ToolError(f"{expression}不是算式") from error
    except (ArithmeticError, ValueError) as error:
        raise ToolError(f"{expression}没有结果") from error
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        raise ToolError(f"{expression}没有结果")
    return value  # type: ignore[no-any-return]


def calculator() -> Tool:
    """Make the tool ``calculate``."""
    parameters = {
        "type": "object",
        "properties": {"expression": {"type": "string", "description": "算式，例如：(3+4)*sqrt(2)"}},
        "required": ["expression"],
    }
    return Tool("calculate", "计算器，计算一个算式的结果", _answer, parameters)


def _answer(expression: str) -> str:
    value = calculate(expression)
    return f"{expression} = {value if isinstance(value, int) else format(value, '.12g')}"


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            one, other = _value(left), _value(right)
            if isinstance(op, ast.Pow):
                _check_power(one, other)
            return _bounded(_BINARY[type(op)](one, other))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            values = [_value(argument) for argument in arguments]
            if name == "factorial" and values and values[0] > _LARGEST_FACTORIAL:
                raise ToolError("数字太大")
            return _bounded(_FUNCTIONS[name](*values))
    raise SyntaxError


def _check_power(base: Any, exponent: Any) -> None:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > _MOST_DIGITS * 4:
        raise ToolError("数字太大")


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > _MOST_DIGITS * 4:
        raise ToolError("数字太大")
    return value
