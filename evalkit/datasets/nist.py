"""The files of NIST's scoring toolkit, SCTK: transcripts in ``.trn``, recognised words with their times in ``.ctm``.

The forms are those of its page doc/infmts.htm (github.com/usnistgov/SCTK). Lines that begin with ``;;`` are remarks.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evalkit.datasets.text_file import placed_lines
from evalkit.errors import DataError

_REMARK = ";;"
_TRN = re.compile(r"(?P<text>.*?)\s*\((?P<id>[^()\s]+)\)\s*")
_NO_TIME = "*"


def trn_rows(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Read ``words (id)`` a line, each with its place.

    Raises:
        DataError: a line is not of the form, or has alternatives, ``{ um / uh }``, of which sclite counts the best.
    """
    for place, line in _lines(path):
        found = _TRN.fullmatch(line)
        if found is None:
            raise DataError(f"{place}: not of the form `words (id)`, as a .trn file has them")
        if _has_alternatives(found["text"].split()):
            raise DataError(
                f"{place}: has alternatives in braces, as `{{ um / uh }}`, which are not counted here as sclite does; "
                "keep one of them"
            )
        yield place, {"id": found["id"], "text": found["text"].strip()}


def ctm_rows(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Read ``recording channel start duration word [confidence]`` a line; a row is a recording, words in time order.

    A row is known by its recording, or where that has several channels by both, ``7654-A``; its place is that of its
    first word.

    Raises:
        DataError: a line is not of the form, or has alternatives.
    """
    words: dict[tuple[str, str], list[tuple[float, str]]] = {}
    places: dict[tuple[str, str], str] = {}
    for place, line in _lines(path):
        recording, channel, start, word = _timed_word(line, place)
        places.setdefault((recording, channel), place)
        words.setdefault((recording, channel), []).append((start, word))
    channels = Counter(recording for recording, _ in words)
    for (recording, channel), timed in words.items():
        row_id = recording if channels[recording] == 1 else f"{recording}-{channel}"
        timed.sort(key=lambda each: each[0])  # words that begin together stay in their order
        yield places[recording, channel], {"id": row_id, "text": " ".join(word for _, word in timed)}


def _has_alternatives(words: Sequence[str]) -> bool:
    inside = words[words.index("{") :] if "{" in words else ()
    return "/" in inside and "}" in inside


def _timed_word(line: str, place: str) -> tuple[str, str, float, str]:
    fields = line.split()
    if len(fields) in (5, 6):
        recording, channel, start, duration, word = fields[:5]
        if start == _NO_TIME:
            raise DataError(f"{place}: has alternatives, which are not counted here as sclite does; keep one")
        if all(_is_time(time) for time in (start, duration)):
            return recording, channel, float(start), word
    raise DataError(f"{place}: not of the form `recording channel start duration word`, as a .ctm file has them")


def _is_time(text: str) -> bool:
    try:
        return 0 <= float(text) < math.inf
    except ValueError:
        return False


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    return ((place, line) for place, line in placed_lines(path) if line.strip() and not line.startswith(_REMARK))
