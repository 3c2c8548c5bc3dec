"""English: the Whisper normaliser (openai-whisper 20250625), over ten times as fast as the original.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022, appendix C. The package
``whisper-normalizer`` is not used: from one patch release to the next it began to rewrite "cause", "kinda",
"sorta" and "dunno", which Whisper does not, and a named scheme must not change under its users.

The result is exact. Rules that the original applies one by one are joined where no rule's output can feed or
cut another; searches begin with the rare character; and two short cuts skip what provably changes nothing:

1. A text of letters and white space holds no contraction, symbol or digit, so that its words can be looked up
   whole instead of searched for. Closing punctuation is turned into spaces first, as the symbol rule would.
2. The rules for numbers and left-over symbols change nothing in words of letters that cannot be part of a number,
   and do not look past such a word. So they are applied to the runs of other words, and, as the same phrases
   keep coming back, the result for a run is remembered.
"""

import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from itertools import groupby

from evalkit.text.basic import SymbolTable, remove_bracketed, whisper_basic
from evalkit.text.english_numbers import NUMBER_WORDS, write_numbers_as_digits
from evalkit.text.scheme import Scheme
from evalkit.text.special_tokens import remove_special_tokens
from evalkit.text.units import without_punctuation
from evalkit.text.units import words as split_words

_FILLERS = dict.fromkeys(("hmm", "mm", "mhm", "mmm", "uh", "um"), "")
_TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "st": "saint",
    "dr": "doctor",
    "prof": "professor",
    "capt": "captain",
    "gov": "governor",
    "ald": "alderman",
    "gen": "general",
    "sen": "senator",
    "rep": "representative",
    "pres": "president",
    "rev": "reverend",
    "hon": "honorable",
    "asst": "assistant",
    "assoc": "associate",
    "lt": "lieutenant",
    "col": "colonel",
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
}
_CONTRACTED_WORDS = {
    "won't": "will not",
    "can't": "can not",
    "let's": "let us",
    "ain't": "aint",
    "y'all": "you all",
    "wanna": "want to",
    "gotta": "got to",
    "gonna": "going to",
    "i'ma": "i am going to",
    "imma": "i am going to",
    "woulda": "would have",
    "coulda": "could have",
    "shoulda": "should have",
    "ma'am": "madam",
}
_REWRITTEN_WORDS = _FILLERS | _CONTRACTED_WORDS | {word: f"{title} " for word, title in _TITLES.items()}
_PERFECTS = {
    "'d been": " had been",
    "'s been": " has been",
    "'d gone": " had gone",
    "'s gone": " has gone",
    "'d done": " had done",
    "'s got": " has got",
}
_ENDINGS = {
    "'re": " are",
    "'s": " is",
    "'d": " would",
    "'ll": " will",
    "'t": " not",
    "'ve": " have",
    "'m": " am",
}

_FILLER = re.compile(rf"\b(?:{'|'.join(_FILLERS)})\b")
_SPACE_BEFORE_APOSTROPHE = re.compile(r"\s+'")
# Where the place of a filler matters, all of which begin with h, m or u and end in h or m: before an apostrophe,
# that then loses the white space before it, and after a full stop, that then meets what follows the filler.
_FILLER_FIRST = re.compile(r"['.](?:(?<=[\smh]')|(?<=\.)[hmu])")
_CLOSING_PUNCTUATION = re.compile(r"[,.?!;:](?<=[a-z].)(?!\S)")
_LETTERS = re.compile(r"[a-z\s]*")
_REWRITTEN_WORD = re.compile(rf"\b(?:{'|'.join(_REWRITTEN_WORDS)})\b")
_PERFECT = re.compile(rf"(?:{'|'.join(_PERFECTS)})\b")
_NOT = re.compile(r"n't\b")
_ENDING = re.compile(rf"(?:{'|'.join(_ENDINGS)})\b")
_COMMA_IN_NUMBER = re.compile(r"(\d),(\d)")
_FULL_STOP = re.compile(r"\.([^0-9]|$)")
_SYMBOL_BEFORE_NO_DIGIT = re.compile(r"[.$¢€£]([^0-9])")
_PERCENT_AFTER_NO_DIGIT = re.compile(r"([^0-9])%")
_SPACES = re.compile(r"  +")

_SYMBOLS = SymbolTable(keep=".%$¢€£", remove_diacritics=True)
# What can be part of a number, as in "hundred and five", "and a half" and "1960 s"; the rest is never changed.
_NEVER_ALONE = frozenset({"and", "a", "s", "st", "nd", "rd", "th"})
_WORDS_NEAR_NUMBERS = NUMBER_WORDS | _NEVER_ALONE | {"half"}


def whisper_english(text: str) -> str:
    """Normalise English as Whisper does: contractions opened, numbers in digits, American spelling.

    A space may remain at either end, as in the original.
    """
    text = remove_bracketed(text.lower())
    if _FILLER_FIRST.search(text):
        text = _SPACE_BEFORE_APOSTROPHE.sub("'", _FILLER.sub("", text))
    text = _CLOSING_PUNCTUATION.sub(" ", text)
    if _LETTERS.fullmatch(text):
        words = text.split()
        if _special_words().isdisjoint(words):
            return " ".join(words)
        text = " ".join([_REWRITTEN_WORDS.get(word, word) for word in words])
    else:
        text = _remove_symbols(_open_contractions(text))
    return _normalise_numbers_and_spelling(text.split())


def qwen2_audio_english(text: str) -> str:
    """Normalise English as the Qwen2-Audio and lmms-eval scorers do: Whisper's rules, then the basic ones.

    The second pass turns what is left of ``. % $ ¢ € £`` into spaces, so that "$20.50" becomes "20 50".
    """
    text = whisper_basic(whisper_english(remove_special_tokens(text)))
    return " ".join(without_punctuation(text.split())).lower()


def _open_contractions(text: str) -> str:
    """Drop fillers and write abbreviated and contracted words in full."""
    text = _REWRITTEN_WORD.sub(lambda match: _REWRITTEN_WORDS[match[0]], text)
    if "'" in text:
        text = _PERFECT.sub(lambda match: _PERFECTS[match[0]], text)
        text = _NOT.sub(" not", text)
        text = _ENDING.sub(lambda match: _ENDINGS[match[0]], text)
    return text


def _remove_symbols(text: str) -> str:
    """Turn symbols that belong to no number into spaces and delete diacritics."""
    if "," in text:
        text = _COMMA_IN_NUMBER.sub(r"\1\2", text)
    if "." in text:
        text = _FULL_STOP.sub(r" \1", text)
    return unicodedata.normalize("NFKD", text).translate(_SYMBOLS)


def _normalise_numbers_and_spelling(words: list[str]) -> str:
    parts = []
    position = 0
    for near_numbers, group in groupby(words, _is_near_numbers):
        run = list(group)
        preceded, position = position > 0, position + len(run)
        if near_numbers:
            parts.append(_normalise_numbers(" ".join(run), preceded, position < len(words)))
        else:
            parts.append(" ".join(_american_spelling(run)))
    return "".join(parts)


def _is_near_numbers(word: str) -> bool:
    return word in _WORDS_NEAR_NUMBERS or not word.isalpha()


@lru_cache(maxsize=2**14)
def _normalise_numbers(run: str, preceded: bool, followed: bool) -> str:
    """Write numbers in digits and drop the symbols that belong to none; in between, unify the spelling.

    What other words come before or after does not matter, only whether there are any: "x" stands in for them.
    The result includes the spaces that part it from them.
    """
    text = f"{'x ' if preceded else ''}{run}{' x' if followed else ''}"
    text = " ".join(_american_spelling(write_numbers_as_digits(text).split()))
    text = _SYMBOL_BEFORE_NO_DIGIT.sub(r" \1", text)
    text = _PERCENT_AFTER_NO_DIGIT.sub(r"\1 ", text)
    text = _SPACES.sub(" ", text)
    return text[preceded : len(text) - followed]


def _american_spelling(words: list[str]) -> list[str]:
    spellings = _spellings()
    return [spellings.get(word, word) for word in words]


@lru_cache(maxsize=1)
def _special_words() -> frozenset[str]:
    """Return every plain word that some rule may change."""
    return frozenset((_WORDS_NEAR_NUMBERS - _NEVER_ALONE) | _REWRITTEN_WORDS.keys() | _spellings().keys())


@lru_cache(maxsize=1)
def _spellings() -> dict[str, str]:
    table = files("evalkit.text").joinpath("english_spellings.tsv").read_text(encoding="ascii")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    return dict(rows)


_WHISPER = Scheme("whisper", "en", 1, "word", whisper_english, split_words)
SCHEMES = {
    "default": _WHISPER,
    "whisper": _WHISPER,
    "qwen2_audio": Scheme("qwen2_audio", "en", 1, "word", qwen2_audio_english, split_words),
    "raw": Scheme("raw", "en", 1, "word", str, split_words),
}
