"""BLEU: sacreBLEU's own figures from per-sample statistics, its intervals, and the traps that other tools fall into."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from evalkit import bleu, bootstrap, paired_test
from evalkit.errors import ConfigurationError, DataError
from evalkit.metrics.bleu import STATISTICS, bleu_metric, count_ngrams
from evalkit.metrics.bleu_schemes import get_bleu_scheme
from evalkit.metrics.functions import corpus_bleu
from evalkit.metrics.metric import recipe_line

GOLDEN = json.loads((Path(__file__).parents[2] / "golden_scores" / "golden_bleu.json").read_text(encoding="utf-8"))
# The golden file's settings: tokenizer, and scheme.
SETTINGS = {
    "zh": ("zh", "raw"),
    "char": ("char", "raw"),
    "zh_after_whisper_basic_normalizer": ("zh", "whisper_basic"),
    "13a": ("13a", "raw"),
    "13a_lowercase": ("13a", "lowercase"),
    "13a_after_whisper_english_normalizer": ("13a", "whisper"),
    "13a_after_whisper_basic_normalizer": ("13a", "whisper_basic"),
}
ENTRIES = [
    pytest.param(case, setting, expected, id=f"{case['id']}-{setting}")
    for case in GOLDEN["cases"]
    for setting, expected in case["expected"].items()
]
# Letters of both scripts, digits, punctuation of both widths, and what makes tokenizers differ.
TEXTS = st.text("这座城市天气abcAB 12.,。，!？%&-'\n", max_size=24)


@pytest.mark.parametrize(("case", "setting", "expected"), ENTRIES)
def test_every_golden_corpus(case: dict[str, Any], setting: str, expected: dict[str, Any]) -> None:
    tokenizer, scheme = SETTINGS[setting]
    scored = bleu(case["refs"], case["hyps"], case["direction"].split("-")[1], scheme, tokenizer)
    assert scored.score == pytest.approx(expected["score"], abs=1e-9)
    totals = scored.statistics.sum(axis=0).tolist()
    assert totals == [*expected["counts"], *expected["totals"], expected["sys_len"], expected["ref_len"]]
    fields, golden_fields = scored.signature.split("|"), expected["signature"].split("|")
    assert fields[:-1] == golden_fields[:-1]
    assert fields[-1].startswith("version:")
    assert scored.statistics.shape == (len(case["refs"]), len(STATISTICS))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["id"])
def test_the_tokenizer_is_that_of_the_target_language(case: dict[str, Any]) -> None:
    language = case["direction"].split("-")[1]
    expected = case["expected"]["zh" if language == "zh" else "13a"]
    assert bleu(case["refs"], case["hyps"], language).score == pytest.approx(expected["score"], abs=1e-9)


@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8), st.sampled_from(["zh", "13a", "char", "intl", "none"])
)
@settings(max_examples=200, deadline=None)
def test_any_corpus_scores_as_sacrebleu_scores_it(pairs: list[tuple[str, str]], tokenizer: str) -> None:
    references, hypotheses = (list(side) for side in zip(*pairs, strict=True))
    expected = BLEU(tokenize=tokenizer).corpus_score(hypotheses, [references])
    scored = bleu(references, hypotheses, "zh", tokenizer=tokenizer)
    assert scored.score == pytest.approx(expected.score, abs=1e-9)
    assert corpus_bleu(scored.statistics.sum(axis=0)) == pytest.approx(expected.score, abs=1e-9)


def noisy_corpus(size: int, errors: float) -> tuple[list[str], list[str]]:
    generator = random.Random(0)
    words = [f"word{number}" for number in range(200)]
    references = [generator.choices(words, k=generator.randint(4, 20)) for _ in range(size)]
    hypotheses = [[word if generator.random() > errors else "other" for word in sentence] for sentence in references]
    return [" ".join(sentence) for sentence in references], [" ".join(sentence) for sentence in hypotheses]


def test_a_whole_corpus_and_its_interval_are_those_of_sacrebleu() -> None:
    references, hypotheses = noisy_corpus(300, 0.2)
    scored = bleu(references, hypotheses, "en")
    expected = BLEU().corpus_score(hypotheses, [references], n_bootstrap=1000)
    assert scored.score == pytest.approx(expected.score, abs=1e-9)
    low, high = scored.confidence_interval()
    assert low < scored.score < high
    assert (high - low) / 2 == pytest.approx(expected._ci, rel=0.15)
    assert scored.confidence_interval() == (low, high)
    narrow = scored.confidence_interval(level=0.5)
    assert low < narrow.low < narrow.high < high


def test_two_systems_can_be_compared() -> None:
    references, better = noisy_corpus(200, 0.1)
    _, worse = noisy_corpus(200, 0.3)
    of_better, of_worse = (bleu(references, hypotheses, "en").statistics for hypotheses in (better, worse))
    difference, interval, p_value = paired_test(of_better, of_worse, corpus_bleu, resamples=500)
    assert 0 < interval.low < difference < interval.high < 100
    assert p_value < 0.01


def test_the_recipe_is_the_signature_and_the_scheme() -> None:
    metric = bleu_metric(get_bleu_scheme("zh", "whisper"), "ASR-BLEU", {"transcriber": "Whisper large-v3"})
    assert recipe_line(metric) == (
        f"metric:ASR-BLEU|nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:{sacrebleu.__version__}"
        "|normaliser:whisper-zh.v1|transcriber:Whisper large-v3"
    )
    assert (metric.unit, metric.higher_is_better, metric.statistics) == ("", True, STATISTICS)
    assert "case:lc" in recipe_line(bleu_metric(get_bleu_scheme("en", "lowercase")))


def test_figures_of_different_schemes_or_tokenizers_are_not_comparable() -> None:
    made = [("en", "raw", None), ("en", "raw", "intl"), ("en", "lowercase", None), ("en", "lmms", None)]
    keys = {recipe_line(bleu_metric(get_bleu_scheme(*settings))) for settings in made}
    assert len(keys) == len(made)


@pytest.mark.parametrize("language", ["zh", "zh-CN", "cmn_hans_cn", "yue"])
def test_every_kind_of_chinese_is_cut_into_characters(language: str) -> None:
    assert get_bleu_scheme(language).tokenizer == "zh"
    assert bleu(["这座城市"], ["这座城市"], language).score == pytest.approx(100)


def test_a_language_without_spaces_is_not_cut_at_spaces() -> None:
    assert get_bleu_scheme("th").tokenizer == "char"
    assert get_bleu_scheme("de").tokenizer == "13a"


# The traps, each of which some tool falls into.


def test_raw_is_cased_and_keeps_punctuation() -> None:
    """lmms-eval normalises before it scores, which is another figure."""
    assert bleu(["The cat sat."], ["the cat sat."], "en").score < 60
    assert bleu(["The cat sat on it."], ["The cat sat on it!"], "en").score < 100
    assert bleu(["The cat sat on it."], ["the cat sat on it"], "en", "lmms").score == pytest.approx(100)


def test_lmms_normalises_each_language_in_its_own_way() -> None:
    normalize = {language: get_bleu_scheme(language, "lmms").normalize for language in ("en", "zh")}
    assert normalize["zh"]("<|zh|>公司有20人，用 Hip Hop 音乐。") == "公 司 有 二 十 人 用 hip hop 音 乐"
    assert normalize["en"]("<|en|>He won't pay twenty dollars — ever!") == "he will not pay $20 ever"
    with pytest.raises(ConfigurationError, match="no BLEU scheme 'lmms' for language 'de'"):
        get_bleu_scheme("de", "lmms")


@pytest.mark.parametrize("scheme", ["raw", "lowercase", "whisper", "whisper_basic", "lmms"])
def test_chinese_digits_never_become_english_words(scheme: str) -> None:
    """AU-Harness applies its English normaliser to Chinese, whatever the language."""
    text = get_bleu_scheme("zh", scheme).normalize("会议于2024年3点举行。")
    assert not any(letter.isascii() and letter.isalpha() for letter in text)
    assert bleu(["会议于2024年3点举行。"], ["会议于2024年3点举行。"], "zh", scheme).score == pytest.approx(100)


def test_a_pair_with_an_empty_reference_is_not_left_out() -> None:
    """UltraEval-Audio drops it, and what the model made up for it costs nothing."""
    references, hypotheses = ["这座城市夏天非常热。", ""], ["这座城市夏天非常热。", "请订阅我的频道。"]
    scored = bleu(references, hypotheses, "zh")
    assert scored.score == pytest.approx(BLEU(tokenize="zh").corpus_score(hypotheses, [references]).score, abs=1e-9)
    assert scored.score < bleu(references[:1], hypotheses[:1], "zh").score
    assert len(scored.statistics) == 2


def test_an_empty_hypothesis_costs_its_reference_s_length() -> None:
    scheme = get_bleu_scheme("en")
    assert count_ngrams("a b c", "", scheme) == (0,) * 9 + (3,)
    assert bleu(["a b c d", "e f g h"], ["a b c d", ""], "en").score == pytest.approx(100 * np.exp(-1))
    assert bleu(["a b c d"], [""], "en").score == 0


@pytest.mark.parametrize(
    "case", [case for case in GOLDEN["cases"] if len(case["refs"]) > 2], ids=lambda case: case["id"]
)
def test_it_is_not_the_mean_of_sentence_scores(case: dict[str, Any]) -> None:
    """UltraEval-Audio records such a column for each sample."""
    language = case["direction"].split("-")[1]
    alone = [bleu([pair[0]], [pair[1]], language).score for pair in zip(case["refs"], case["hyps"], strict=True)]
    assert np.mean(alone) == pytest.approx(case["mean_of_single_pair_corpus_bleu"], abs=1e-9)


def test_a_score_is_not_rounded() -> None:
    """AU-Harness rounds to two digits before it averages."""
    score = bleu(["The cat sat on the mat."], ["The cat sat on a mat."], "en").score
    assert score != round(score, 2)


def test_what_cannot_be_scored_is_refused_in_one_line() -> None:
    with pytest.raises(DataError, match="2 references and 1 hypotheses"):
        bleu(["a", "b"], ["a"], "en")
    with pytest.raises(DataError, match="put a single text in a list"):
        bleu("a", "a", "en")
    with pytest.raises(DataError, match="hypothesis 0 is None, not a text"):
        bleu(["a"], [None], "en")  # type: ignore[list-item]
    with pytest.raises(
        ConfigurationError, match=r"no BLEU scheme 'wisper' for language 'en', did you mean 'whisper'\?"
    ):
        bleu(["a"], ["a"], "en", "wisper")
    with pytest.raises(ConfigurationError, match=r"no tokenizer '13b', did you mean '13a'\?"):
        bleu(["a"], ["a"], "en", tokenizer="13b")
    with pytest.raises(ConfigurationError, match="no normalisation for language 'elvish'"):
        bleu(["a"], ["a"], "elvish")


def test_a_tokenizer_whose_library_is_missing_says_what_to_install() -> None:
    try:
        import MeCab  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigurationError, match=r"'ja-mecab' cannot be used: .*pip install sacrebleu\[ja\]"):
            bleu(["熱い"], ["熱い"], "ja")
    else:
        assert bleu(["街は夏とても熱い"], ["街は夏とても熱い"], "ja").score == pytest.approx(100)


def test_no_samples_score_nothing() -> None:
    scored = bleu([], [], "en")
    assert scored.score == 0
    assert scored.statistics.shape == (0, len(STATISTICS))
    assert repr(scored).startswith("Bleu(score=0.00, signature='nrefs:1|")


def test_sacrebleus_paired_bootstrap_agrees() -> None:
    references, a = noisy_corpus(120, 0.1)
    lighter, heavier = noisy_corpus(120, 0.06)[1], noisy_corpus(120, 0.25)[1]
    b = [(lighter, heavier)[number % 2][number] for number in range(120)]
    test = PairedTest([("a", a), ("b", b)], {"BLEU": BLEU()}, [references], test_type="bs", n_samples=600)
    of_a, of_b = test()[1]["BLEU"]
    ours = [bleu(references, hypotheses, "en") for hypotheses in (a, b)]
    for scored, theirs in zip(ours, (of_a, of_b), strict=True):
        low, high = bootstrap(scored.statistics, corpus_bleu, resamples=1_000)
        assert (high - low) / 2 == pytest.approx(theirs.ci, rel=0.2)
        assert (high + low) / 2 == pytest.approx(theirs.mean, abs=0.2 * theirs.ci)
    p_value = paired_test(ours[0].statistics, ours[1].statistics, corpus_bleu, resamples=600).p_value
    # Theirs is read off the bootstrap, ours off exchanges, and each has its own chance.
    assert p_value == pytest.approx(of_b.p_value, abs=0.08)
