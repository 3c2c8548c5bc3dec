"""How many pairs of texts are normalised and scored in a second, beside the usual two libraries.

The pairs have 20 words (Chinese: 22 characters) and 10 % errors, substitutions to deletions to insertions as
6:2:2. No sentence occurs twice. Times are CPU seconds of one thread, the best of several passes taken in turn,
so that other work on the machine disturbs the ratio little.

Run it as ``python -m tests.performance.scoring_speed``; it takes about a minute.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalkit import error_rate

Texts = Sequence[str]
Score = Callable[[Texts, Texts], float]

_SYLLABLES = "ba ce di fo gu ha le mi no pra que ro sta ter vin wol yon zer lan dish merk tol".split()
_COMMON = (
    "the of and to a in he was that his it with as for had you on not be at by her which have from this him but they"
    " all were are my when she there would so if what who more out into up we said its then some them like could time"
    " only now other has do me our after two man over upon little than before one must made should our great such"
)
_SPECIAL = {
    "contraction": ("don't", "it's", "he'd", "we'll", "can't", "I'm", "they've", "John's"),
    "British": ("colour", "centre", "organised", "travelling", "grey", "honour", "neighbour"),
    "title": ("Mr.", "Mrs.", "Dr.", "St."),
    "number": ("twenty five", "nineteen oh six", "three hundred and five", "first", "point", "a million"),
    "figure": ("{}", "${}", "{}%", "{}.5", "1,{}", "{}th"),
}
_HANZI = "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天"
_MANDARIN_PHRASES = (
    "2024年",
    "百分之五",
    "50%",
    "三点一四",
    "GPT",
    "App",
    "1000块",
    "呃",
    "一点儿",
    "８０",
    "愛國",
    "，",
    "。",
    "！",
)


@dataclass(frozen=True)
class Mix:
    """How often, of a hundred words, each kind of word occurs."""

    name: str
    per_hundred: dict[str, float]


MIXES = (
    Mix("English, everyday", {"contraction": 1.5, "British": 1.0, "title": 0.5, "number": 1.5, "figure": 0.5}),
    Mix("English, a number in most", {"contraction": 2.0, "British": 1.0, "title": 0.5, "number": 4.0, "figure": 4.0}),
)


def main() -> None:
    """Print a line for each kind of text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--passes", type=int, default=3)
    options = parser.parse_args()

    print(f"{options.pairs} pairs, pairs a CPU second, best of {options.passes} passes")
    for mix in MIXES:
        pairs = english_pairs(options.pairs, mix)
        ours, theirs = race([score_english, score_with_libraries], pairs, options.passes)
        print(
            f"{mix.name:27} evalkit {ours:7.0f}   whisper-normalizer + jiwer {theirs:6.0f}   {ours / theirs:.1f} times"
        )
    pairs = chinese_pairs(options.pairs)
    for scheme in ("default", "whisper"):

        def score_chinese(references: Sequence[str], hypotheses: Sequence[str], scheme: str = scheme) -> float:
            return error_rate(references, hypotheses, "zh", scheme).value

        (speed,) = race([score_chinese], pairs, options.passes)
        print(f"Chinese, {scheme:18} evalkit {speed:7.0f}")


def race(scorers: Sequence[Score], pairs: tuple[list[str], list[str]], passes: int) -> list[float]:
    """Pairs a CPU second of each scorer; they must agree on the score."""
    for scorer in scorers:
        scorer(pairs[0][:100], pairs[1][:100])  # loads libraries and tables
    best = [float("inf")] * len(scorers)
    for _ in range(passes):
        values = []
        for index, scorer in enumerate(scorers):
            started = time.process_time()
            values.append(scorer(*pairs))
            best[index] = min(best[index], time.process_time() - started)
        if len(set(values)) > 1:
            raise SystemExit(f"the scorers disagree: {values}")
    return [len(pairs[0]) / seconds for seconds in best]


def score_english(references: Texts, hypotheses: Texts) -> float:
    """The function under test."""
    value: float = error_rate(references, hypotheses, "en").value
    return value


def score_with_libraries(references: Texts, hypotheses: Texts) -> float:
    """The way most harnesses score English."""
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    normalize = EnglishTextNormalizer()
    output = jiwer.process_words([normalize(text) for text in references], [normalize(text) for text in hypotheses])
    return float(output.wer)


def english_pairs(count: int, mix: Mix) -> tuple[list[str], list[str]]:
    """Half the references in upper case without punctuation, as in LibriSpeech; all else written as usual."""
    generator = random.Random(0)
    references, hypotheses = [], []
    for index in range(count):
        words = [english_word(generator, mix) for _ in range(20)]
        hypotheses.append(written(with_errors(words, generator, lambda: english_word(generator, mix)), generator))
        upper = index % 2 == 0
        references.append(" ".join(words).upper().replace(".", "") if upper else written(words, generator))
    return references, hypotheses


def english_word(generator: random.Random, mix: Mix) -> str:
    """A word of one of the special kinds, a common word, or one that is seldom met twice."""
    drawn = generator.random() * 100
    for kind, share in mix.per_hundred.items():
        if drawn < share:
            return generator.choice(_SPECIAL[kind]).format(generator.randrange(100, 1000))
        drawn -= share
    if generator.random() < 0.5:
        return generator.choice(_COMMON.split())
    return "".join(generator.choices(_SYLLABLES, k=generator.randrange(2, 4)))


def written(words: Sequence[str], generator: random.Random) -> str:
    """A capital at the start, a full stop at the end, a comma here and there."""
    commas = (word + "," if word.isalpha() and generator.random() < 0.06 else word for word in words)
    text = " ".join(commas).removesuffix(",")
    return text[:1].upper() + text[1:] + "."


def chinese_pairs(count: int) -> tuple[list[str], list[str]]:
    """22 characters, some of them replaced by numerals, Latin words, punctuation and the like."""
    generator = random.Random(0)

    def character() -> str:
        return generator.choice(_MANDARIN_PHRASES if generator.random() < 0.05 else _HANZI)

    references = [[character() for _ in range(22)] for _ in range(count)]
    hypotheses = [with_errors(text, generator, character) for text in references]
    return ["".join(text) for text in references], ["".join(text) for text in hypotheses]


def with_errors(units: Sequence[str], generator: random.Random, new_unit: Callable[[], str]) -> list[str]:
    """Six in a hundred units replaced, two deleted, two added."""
    result = []
    for unit in units:
        drawn = generator.random()
        if drawn < 0.06:
            result.append(new_unit())
        elif drawn >= 0.08:
            result.append(unit)
        if drawn > 0.98:
            result.append(new_unit())
    return result


if __name__ == "__main__":
    main()
