"""Reads a string of digits aloud in Mandarin: digit by digit, or as a quantity."""

_DIGITS = "零一二三四五六七八九"
# The powers of ten that have a name; from 万 on, each is ten thousand times the one before.
_POWERS: tuple[int, ...] = (1, 2, 3, *range(4, 48, 4))
_UNITS = dict(zip(_POWERS, "十百千万亿兆京垓秭穰沟涧正载", strict=True))


def read_digits(digits: str) -> str:
    """Read one digit after another, as in years, telephone and room numbers: ``2024`` is 二零二四."""
    return "".join([_DIGITS[int(digit)] for digit in digits])


def read_quantity(number: str) -> str:
    """Read a number as a quantity: ``1001`` is 一千零一, ``12.5`` 十二点五. Two is always 二, never 两.

    Args:
        number: decimal digits of any script, at most one full stop among them. Zeros that lead a longer whole
            part are read as at most one 零, and a whole part of several zeros not at all, as ``cn_tn`` does.
    """
    whole, point, decimals = number.partition(".")
    reading = _read_whole(whole) if len(whole) > 1 else read_digits(whole)
    if reading.startswith("一十"):
        reading = reading[1:]
    if not point:
        return reading
    return f"{reading or '零'}点{read_digits(decimals)}"


def _read_whole(digits: str) -> str:
    significant = digits.lstrip("0")
    if not significant:
        return ""
    if len(significant) == 1:
        return read_digits(significant if significant == digits else "0" + significant)
    power = next(power for power in reversed(_POWERS) if power < len(significant))
    return _read_whole(digits[:-power]) + _UNITS[power] + _read_whole(significant[-power:])
