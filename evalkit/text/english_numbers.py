"""Spoken English numbers to digits: "five million dollars" to "$5000000", "nineteen oh five" to "1905".

The rules are those of the Whisper normaliser (openai-whisper 20250625), peculiarities included, because
published error rates contain them: runs of number words are joined ("twenty one twenty two" is 2122), "point"
vanishes before a word that cannot be a decimal, "nineth" is an ordinal and "ninth" is not, 1 is written "one".
"""

import re
from collections.abc import Sequence
from fractions import Fraction

_ZEROS = frozenset({"o", "oh", "zero"})
_BELOW_TWENTY = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_ROUND = "twenty thirty forty fifty sixty seventy eighty ninety"
_POWERS_OF_THOUSAND = (
    "thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion decillion"
)
_ONES = {word: number for number, word in enumerate(_BELOW_TWENTY.split(), start=1)}
_TENS = {word: 10 * number for number, word in enumerate(_ROUND.split(), start=2)}
_MULTIPLIERS = {"hundred": 100} | {word: 1000**power for power, word in enumerate(_POWERS_OF_THOUSAND.split(), start=1)}
_DECIMALS = _ZEROS | _ONES.keys() | _TENS.keys()

_IRREGULAR = {
    "zeroth": (0, "th"),
    "first": (1, "st"),
    "second": (2, "nd"),
    "third": (3, "rd"),
    "fifth": (5, "th"),
    "eighth": (8, "th"),
    "twelfth": (12, "th"),
    "sixes": (6, "s"),
}
# Each word for a number below a hundred, and each multiplier, with the ending that its digits take.
_BELOW_HUNDRED: dict[str, tuple[int, str]] = (
    {word: (number, "") for word, number in (_ONES | _TENS).items()}
    | {f"{word}s": (number, "s") for word, number in _ONES.items() if word != "six"}
    | {f"{word}th": (number, "th") for word, number in _ONES.items() if number not in (1, 2, 3, 5, 8, 12)}
    | {f"{word[:-1]}ies": (number, "s") for word, number in _TENS.items()}
    | {f"{word[:-1]}ieth": (number, "th") for word, number in _TENS.items()}
    | _IRREGULAR
)
_MULTIPLYING: dict[str, tuple[int, str]] = {
    f"{word}{ending}": (number, ending) for word, number in _MULTIPLIERS.items() for ending in ("", "s", "th")
}
_SIGNS = {"minus": "-", "negative": "-", "plus": "+", "positive": "+"}
_CURRENCIES = {
    word: symbol
    for symbol, singular in {"£": "pound", "€": "euro", "$": "dollar", "¢": "cent"}.items()
    for word in (singular, f"{singular}s")
}
_REPEATS = {"double": 2, "triple": 3}

NUMBER_WORDS = frozenset(
    {"and", "point", "per", "percent", *_ZEROS, *_BELOW_HUNDRED, *_MULTIPLYING, *_SIGNS, *_CURRENCIES, *_REPEATS}
)
"""Every word that the rules may read as (part of) a number."""

# Python converts no more than 4,300 digits; a recogniser that loops can "say" more.
_MOST_DIGITS = 4000

_AND_A_HALF = re.compile(r"\band\s+a\s+half\b")
# These begin with what is rare, the digit, and look back from there: the search is several times as fast.
_DIGIT_AFTER_LETTER = re.compile(r"[0-9](?<=[a-z][0-9])")
_DIGIT_BEFORE_LETTER = re.compile(r"[0-9](?=[a-z])")
_LONE_ONE = re.compile(r"1(?<!\w1)(s?)\b")
_SPACE_BEFORE_ENDING = re.compile(r"([0-9])\s+(st|nd|rd|th|s)\b")
_FIGURES = re.compile(r"([¢$£€]?)((\d+)(?:\.(\d+))?)")
_PLAIN_FIGURES = re.compile(r"\d+(\.\d+)?")
_WHOLE_AND_CENTS = re.compile(r"([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})\b")
_ONLY_CENTS = re.compile(r"[€£$]0.([0-9]{1,2})\b")


def write_numbers_as_digits(text: str) -> str:
    """Rewrite the numbers in lower-case text that is free of all symbols but ``. % $ ¢ € £``."""
    if "half" in text:
        text = _halves_as_decimals(text)
    text = _DIGIT_AFTER_LETTER.sub(r" \g<0>", text)
    text = _DIGIT_BEFORE_LETTER.sub(r"\g<0> ", text)
    text = _SPACE_BEFORE_ENDING.sub(r"\1\2", text)
    text = " ".join(_read_numbers(text.split()))
    text = _WHOLE_AND_CENTS.sub(lambda match: f"{match[1]}{match[2]}.{int(match[3]):02d}", text)
    text = _ONLY_CENTS.sub(lambda match: f"¢{int(match[1])}", text)
    return _LONE_ONE.sub(r"one\1", text)


def _halves_as_decimals(text: str) -> str:
    """Write "three and a half" as "three point five"; nothing spoken before it deletes "and a half"."""
    *before_halves, rest = _AND_A_HALF.split(text)
    parts = []
    for before in before_halves:
        if words := before.split():
            is_number = words[-1] in _DECIMALS or words[-1] in _MULTIPLIERS
            parts += [before, "point five" if is_number else "and a half"]
    return " ".join([*parts, rest])


def _read_numbers(words: Sequence[str]) -> list[str]:
    """Read left to right, gathering the number being spoken until a word ends it."""
    output: list[str] = []
    value: int | str | None = None  # a string once it can no longer be added to: "007", "1.5", "2122"
    prefix = ""

    def emit(text: str) -> None:
        nonlocal value, prefix
        output.append(prefix + text)
        value, prefix = None, ""

    def end_number() -> None:
        if value is not None:
            emit(str(value))

    skip_word = False
    for previous, word, following in zip(("", *words), words, (*words[1:], ""), strict=False):
        if skip_word:
            skip_word = False
            continue
        if word not in NUMBER_WORDS:
            figures = _FIGURES.fullmatch(word) if word[-1].isdigit() else None
            if figures is None:
                end_number()
                output.append(prefix + word)
                prefix = ""
            elif isinstance(value, str) and value.endswith("."):
                value += word
            else:
                end_number()
                prefix = figures[1] or prefix
                value = _value_of_figures(*figures.group(2, 3, 4))
            continue
        before_number = following in NUMBER_WORDS or _PLAIN_FIGURES.fullmatch(following) is not None
        if word in _ZEROS:
            value = f"{value or ''}0"
        elif word in _BELOW_HUNDRED:
            number, ending = _BELOW_HUNDRED[word]
            value = _add(value, number, previous)
            if ending:
                emit(f"{value}{ending}")
        elif word in _MULTIPLYING:
            multiplier, ending = _MULTIPLYING[word]
            product = _multiply(value, multiplier)
            if product is None:
                end_number()
            value = multiplier if product is None else product
            if ending:
                emit(f"{value}{ending}")
        elif word in _SIGNS:
            end_number()
            if before_number:
                prefix = _SIGNS[word]
            else:
                emit(word)
        elif word in _CURRENCIES:
            if value is None:
                emit(word)
            else:
                prefix = _CURRENCIES[word]
                end_number()
        elif word == "percent" or word == "per":
            if value is None:
                emit(word)
            elif word == "percent" or following == "cent":
                emit(f"{value}%")
                skip_word = word == "per"
            else:
                end_number()
                emit(word)
        elif not before_number:  # "and", "point", "double" and "triple" are ordinary words here
            end_number()
            emit(word)
        elif word == "and":
            if previous not in _MULTIPLIERS:
                end_number()
                emit(word)
        elif word == "point":
            if following not in NUMBER_WORDS or following in _DECIMALS:
                value = f"{value or ''}."
        elif following in _ONES or following in _ZEROS:
            value = f"{value or ''}{str(_ONES.get(following, 0)) * _REPEATS[word]}"
            skip_word = True
        else:
            end_number()
            emit(word)
    end_number()
    return output


def _value_of_figures(figures: str, whole: str, decimals: str | None) -> int | str:
    is_whole = not decimals or not any(int(digit) for digit in decimals)
    return int(whole) if is_whole and len(whole) <= _MOST_DIGITS else figures


def _add(value: int | str | None, number: int, previous: str) -> int | str:
    """Append a spoken number below a hundred to the value so far: twenty, five → 25; nineteen, five → 195."""
    if value is None:
        return number
    if isinstance(value, str):
        replaces_zero = number < 10 and previous in _TENS
        return f"{value[:-1] if replaces_zero else value}{number}"
    follows_ones = number < 20 and previous in _ONES
    fits = value % (10 if number < 10 else 100) == 0
    return value + number if fits and not follows_ones else f"{value}{number}"


def _multiply(value: int | str | None, multiplier: int) -> int | None:
    """Multiply the value so far by a spoken multiplier; None where that leaves no whole number."""
    if value is None:
        return multiplier
    if isinstance(value, int):
        below_thousand = value % 1000
        return value - below_thousand + below_thousand * multiplier
    if len(value) > _MOST_DIGITS:
        return None
    try:
        product = Fraction(value) * multiplier
    except ValueError:  # such as "." or "1.2.3"
        return None
    return product.numerator if product.denominator == 1 else None
