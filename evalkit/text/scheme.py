"""What a text-normalisation scheme is: how one language's text is normalised and cut into countable units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["word", "character", "token"]


@dataclass(frozen=True, slots=True)
class Scheme:
    """One named, versioned way to normalise and count text in one language.

    Attributes:
        name: whose numbers it reproduces (``whisper``, ``qwen2_audio``, ``kimi_audio``, ``raw``) or ``default``.
        language: the language code it is for (``en``, ``zh``, ``yue``, ``ja``, ``ar``, …).
        version: raised whenever any output changes, so that two recipes never look alike by accident.
        unit: what is counted: words, characters, or mixed tokens (a Chinese character or a whole Latin word).
        normalize: raw text to normalised text.
        units: normalised text to the sequence whose edit distance is taken.
    """

    name: str
    language: str
    version: int
    unit: Unit
    normalize: Callable[[str], str]
    units: Callable[[str], Sequence[str]]
