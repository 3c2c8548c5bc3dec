"""Comparison of real run folders; the numbers against plain resampling written out here."""

import json
import random
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from evalkit.errors import StoreError
from evalkit.metrics.error_rate import STATISTICS, error_rate
from evalkit.metrics.functions import get_metric_function
from evalkit.metrics.metric import difference_in_unit, mean_in_unit
from evalkit.metrics.multiple_comparisons import holm
from evalkit.results.comparison import compare_runs
from evalkit.results.comparison.changes import sample_effects
from evalkit.results.metrics_file import read_run
from evalkit.results.scores import ScoresFile
from tests.answered_runs import Answered, store_run
from tests.conftest import CommandLine
from tests.runs import make_run

WORDS = "the old lighthouse keeper counted seven grey ships before breakfast and wrote their names down".split()


def noisy(texts: dict[str, str], rate: float, seed: int) -> dict[str, str]:
    """Every word replaced with the given probability."""
    rng = random.Random(seed)
    return {
        id_: " ".join("wrong" if rng.random() < rate else word for word in text.split()) for id_, text in texts.items()
    }


@pytest.fixture(scope="module")
def references() -> dict[str, str]:
    rng = random.Random(0)
    return {f"u{number:03}": " ".join(rng.choices(WORDS, k=rng.randint(4, 16))) for number in range(120)}


@pytest.mark.slow
def test_a_clear_loss_is_worse_and_fails_a_pipeline(
    tmp_path: Path, references: dict[str, str], evalkit_command: CommandLine
) -> None:
    base = make_run(tmp_path, "base", references, noisy(references, 0.05, 1))
    new = make_run(tmp_path, "new", references, noisy(references, 0.15, 2))
    outcome = evalkit_command("compare", str(base), str(new), "--json", "out.json", "--markdown", "out.md")
    assert outcome.returncode == 1
    assert "**worse**" in outcome.stdout
    assert (tmp_path / "out.md").read_text().strip() == outcome.stdout.strip()
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["regressed"] is True
    assert content["metrics"][0]["p_value"] < 0.001
    assert len(content["metrics"][0]["worsened"]) == 10

    outcome = evalkit_command("compare", str(new), str(base))
    assert outcome.returncode == 0
    assert "**better**" in outcome.stdout


@pytest.mark.slow
def test_figures_agree_with_plain_resampling(tmp_path: Path, references: dict[str, str]) -> None:
    answers = noisy(references, 0.10, 3), noisy(references, 0.12, 4)
    base, new = (make_run(tmp_path, name, references, texts) for name, texts in zip(("a", "b"), answers, strict=True))
    [cell] = compare_runs(base, new).metrics
    assert cell.difference is not None
    observed = cell.difference
    rows = [
        error_rate(list(references.values()), [texts[id_] for id_ in references], "en").statistics for texts in answers
    ]

    def rate(statistics: np.ndarray) -> float:
        return float(statistics[:, :3].sum() / statistics[:, 3].sum())

    assert cell.difference is not None
    assert cell.difference == pytest.approx(100 * (rate(rows[1]) - rate(rows[0])))
    assert (cell.base, cell.new) == pytest.approx((100 * rate(rows[0]), 100 * rate(rows[1])))
    rng = np.random.default_rng(5)
    differences, exchanged = [], []
    for _ in range(4_000):
        drawn = rng.integers(0, len(references), len(references))
        differences.append(100 * (rate(rows[1][drawn]) - rate(rows[0][drawn])))
        swap = rng.random(len(references)) < 0.5
        one, other = np.where(swap[:, None], rows[1], rows[0]), np.where(swap[:, None], rows[0], rows[1])
        exchanged.append(100 * abs(rate(one) - rate(other)) >= abs(observed) - 1e-12)
    # With 4,000 against 10,000 draws, an end of the interval is known to about 3 % of the standard deviation.
    tolerance = 0.12 * float(np.std(differences))
    assert cell.interval == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), abs=tolerance)
    assert cell.p_value == pytest.approx(np.mean(exchanged), abs=0.035)


def test_equal_runs_give_no_evidence(tmp_path: Path, references: dict[str, str]) -> None:
    answers = noisy(references, 0.1, 1)
    [cell] = compare_runs(*(make_run(tmp_path, name, references, answers) for name in ("a", "b"))).metrics
    assert (cell.verdict, cell.difference, cell.p_value) == ("no evidence", 0.0, 1.0)
    # None of 120 samples differs, so that 3 % of all might, and a whole sample each.
    most = 100 * (1 - 0.025 ** (1 / 120))
    assert cell.interval == pytest.approx((-most, most), rel=0.01)
    assert not cell.improved
    assert not cell.worsened


@pytest.mark.slow
def test_runs_scored_differently_are_not_compared_until_scored_alike(
    tmp_path: Path, references: dict[str, str], evalkit_command: CommandLine
) -> None:
    base = make_run(tmp_path, "base", references, noisy(references, 0.05, 1))
    new = make_run(tmp_path, "new", references, noisy(references, 0.30, 2), "schemes=[raw]")
    comparison = compare_runs(base, new)
    assert comparison.metrics[0].verdict == "not comparable"
    assert "normaliser:whisper-en" in comparison.metrics[0].reason
    assert "normaliser:raw-en" in comparison.metrics[0].reason
    assert not comparison.regressed

    outcome = evalkit_command("score", str(new), "schemes=[default]")
    assert outcome.returncode == 0, outcome.stderr
    assert compare_runs(base, new).metrics[0].verdict == "worse"


def test_other_references_under_the_same_ids_are_not_compared(tmp_path: Path, references: dict[str, str]) -> None:
    changed = {**references, "u007": "something else was said"}
    base = make_run(tmp_path, "base", references, references)
    new = make_run(tmp_path, "new", changed, references)
    [cell] = compare_runs(base, new).metrics
    assert cell.verdict == "not comparable"
    assert "sample u007 has another reference" in cell.reason


def test_only_shared_samples_are_compared_and_that_is_said(tmp_path: Path, references: dict[str, str]) -> None:
    fewer = {id_: references[id_] for id_ in list(references)[:80]}
    base = make_run(tmp_path, "base", references, noisy(references, 0.1, 1))
    new = make_run(tmp_path, "new", fewer, noisy(fewer, 0.1, 2))
    [cell] = compare_runs(base, new).metrics
    assert (cell.shared, cell.base_samples, cell.new_samples) == (80, 120, 80)
    assert cell.reason == "over the shared samples alone"


def test_no_shared_sample_is_not_comparable(tmp_path: Path) -> None:
    base = make_run(tmp_path, "base", {"a": "one two"}, {"a": "one two"})
    new = make_run(tmp_path, "new", {"b": "one two"}, {"b": "one two"})
    [cell] = compare_runs(base, new).metrics
    assert (cell.verdict, cell.reason) == ("not comparable", "no sample counts towards both runs' values")


def test_a_task_of_one_run_only_is_named(tmp_path: Path, references: dict[str, str]) -> None:
    base = make_run(tmp_path, "base", references, references)
    new = make_run(tmp_path, "new", references, references, task="fleurs_en")
    cells = {cell.name: cell for cell in compare_runs(base, new).metrics}
    assert cells["librispeech_other"].reason == "only the base run has it"
    assert cells["fleurs_en"].reason == "only the new run has it"


def test_the_utterances_that_changed_most_come_first(tmp_path: Path) -> None:
    references = {"same": "a b c d", "little": "a b c d", "much": "a b c d", "won": "a b c d"}
    base = make_run(tmp_path, "base", references, {**references, "won": "x x x x"})
    new = make_run(tmp_path, "new", references, {**references, "little": "x b c d", "much": "x x x d"})
    [cell] = compare_runs(base, new).metrics
    assert [change.sample_id for change in cell.worsened] == ["much", "little"]
    assert [change.sample_id for change in cell.improved] == ["won"]
    assert [change.effect for change in (*cell.worsened, *cell.improved)] == pytest.approx(
        [300 / 16, 100 / 16, -400 / 16]
    )
    assert (cell.worsened[0].base_answer, cell.worsened[0].new_answer) == ("a b c d", "x x x d")


def test_hostile_answers_stay_inside_their_listing(tmp_path: Path) -> None:
    answer = "<script>alert(1)</script> | **a**\n```\n# heading\n\x1b[31m ```"
    base = make_run(tmp_path, "base", {"a": "x y"}, {"a": "x y"}, "schemes=[raw]")
    new = make_run(tmp_path, "new", {"a": "x y"}, {"a": answer}, "schemes=[raw]")
    markdown = compare_runs(base, new, resamples=10).to_markdown()
    html = MarkdownIt("gfm-like", {"linkify": False}).render(markdown)
    assert "\x1b" not in markdown
    assert "<script>" not in html
    assert "<h1>heading" not in html
    assert html.count("<pre>") == 1


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a run folder, it has no metrics.json"):
        compare_runs(tmp_path, tmp_path)


def with_judge(run: Path, title: str, fingerprint: str) -> Path:
    """Let a run say that a judge took part in its figure."""
    content = json.loads((run / "metrics.json").read_text())
    task = content["tasks"]["librispeech_other"]
    task["models"] = {"judge": {"title": title, "fingerprint": fingerprint}}
    task["metrics"]["wer"]["recipe"]["judge"] = fingerprint
    (run / "metrics.json").write_text(json.dumps(content))
    return run


@pytest.mark.slow
def test_judges_are_compared_by_what_they_are_and_not_by_their_titles(
    tmp_path: Path, references: dict[str, str], evalkit_command: CommandLine
) -> None:
    runs = {name: make_run(tmp_path, name, references, references) for name in ("base", "renamed", "other")}
    with_judge(runs["base"], "Judge", "aaaa")
    with_judge(runs["renamed"], "Judge | v2: new", "aaaa")
    with_judge(runs["other"], "Judge", "bbbb")
    assert compare_runs(runs["base"], runs["renamed"]).metrics[0].verdict == "no evidence"
    [metric] = compare_runs(runs["base"], runs["other"]).metrics
    assert metric.verdict == "not comparable"
    assert "judge:Judge@aaaa and judge:Judge@bbbb" in metric.reason
    assert evalkit_command("compare", str(runs["base"]), str(runs["other"])).returncode == 2


def test_links_images_and_endless_answers_stay_text(tmp_path: Path) -> None:
    links = "![t](http://host/x.png) [x](http://host) <http://host> http://host www.host.org me@host.org | **a**"
    samples = {"base": "x y", "new": links + " a" * 10**6}
    base, new = (
        store_run(tmp_path / name, [Answered("a", "x y", answer)], schemes=()) for name, answer in samples.items()
    )
    markdown = compare_runs(base, new, resamples=10).to_markdown()
    assert len(markdown) < 5_000
    assert "\\|" in markdown
    html = MarkdownIt("gfm-like", {"linkify": False}).render(markdown)
    assert "<img" not in html
    assert "<a " not in html
    assert not re.search(r"(?<!\\):/{2}", markdown)


def test_the_alignment_of_an_endless_answer_is_bounded_and_says_so(tmp_path: Path) -> None:
    base, new = (
        store_run(tmp_path / name, [Answered("a", "x y", answer)])
        for name, answer in (("base", "x y"), ("new", "x y" + " z" * 5_000))
    )
    markdown = compare_runs(base, new, resamples=10).to_markdown()
    assert "(the first 400 places of 5,002 units)" in markdown
    assert len(markdown) < 12_000


def test_a_metric_whose_function_is_not_known_is_not_compared(tmp_path: Path, references: dict[str, str]) -> None:
    run = make_run(tmp_path, "run", references, references)
    content = json.loads((run / "metrics.json").read_text())
    content["tasks"]["librispeech_other"]["metrics"]["wer"]["function"] = "corpus_error_rat"
    (run / "metrics.json").write_text(json.dumps(content))
    [metric] = compare_runs(run, run).metrics
    assert metric.verdict == "not comparable"
    assert "no metric function 'corpus_error_rat'" in metric.reason


@pytest.mark.parametrize(
    "other",
    [{"function": "ratio"}, {"scale": 1}, {"higher_is_better": True}, {"statistics": {"errors": 1, "words": 2}}],
)
def test_figures_that_are_computed_in_other_ways_are_not_compared(tmp_path: Path, other: dict[str, object]) -> None:
    base, new = (make_run(tmp_path, name, {"a": "one two"}, {"a": "one too"}) for name in ("base", "new"))
    content = json.loads((new / "metrics.json").read_text())
    content["tasks"]["librispeech_other"]["metrics"]["wer"] |= other
    (new / "metrics.json").write_text(json.dumps(content))
    for pair in ((base, new), (new, base)):
        [metric] = compare_runs(*pair).metrics
        assert (metric.verdict, metric.compared) == ("not comparable", False)
        assert "computed by another function, scale, direction or statistics" in metric.reason


def test_an_output_that_cannot_be_written_is_one_line(
    tmp_path: Path, references: dict[str, str], evalkit_here: CommandLine
) -> None:
    run = str(make_run(tmp_path, "run", references, references))
    outcome = evalkit_here("compare", run, run, "--json", str(tmp_path / "no" / "out.json"))
    assert (outcome.returncode, len(outcome.stderr.splitlines())) == (2, 1)


def two_task_run(folder: Path, name: str, references: Mapping[str, str], rates: tuple[float, float], seed: int) -> Path:
    """A run of two test sets in a group of their own, which are averaged."""
    said = {
        task: {f"{task}-{id_}": text for id_, text in list(references.items())[:size]}
        for task, size in (("librispeech_other", 120), ("librispeech_clean", 80))
    }
    heard = [noisy(texts, rate, seed) for texts, rate in zip(said.values(), rates, strict=True)]
    answers = heard[0] | heard[1]
    for task, texts in said.items():
        make_run(folder, name, texts, answers, f"tasks.{task}.place.group=Mine", task=task)
    return folder / name


@pytest.mark.slow
def test_averages_are_compared_as_plain_resampling_of_their_parts_says(
    tmp_path: Path, references: dict[str, str]
) -> None:
    runs = [
        two_task_run(tmp_path, name, references, rates, seed)
        for name, rates, seed in (("base", (0.1, 0.2), 1), ("new", (0.11, 0.215), 11))
    ]
    results = [read_run(run) for run in runs]
    other, clean, average = compare_runs(*results).metrics
    assert (average.title, average.shared) == ("Speech recognition Mine", 120 + 80)
    values = [result.aggregates["asr_mine"].metric.value for result in results]
    assert [average.base, average.new] == values

    statistics = [
        [
            ScoresFile(run / task, result.tasks[task].digest).statistics("wer", STATISTICS)
            for task in ("librispeech_other", "librispeech_clean")
        ]
        for run, result in zip(runs, results, strict=True)
    ]

    def mean_rate(parts: list[np.ndarray]) -> float:
        return 100 * float(np.mean([part[:, :3].sum() / part[:, 3].sum() for part in parts]))

    observed = mean_rate(statistics[1]) - mean_rate(statistics[0])
    assert average.difference == pytest.approx(observed)
    rng = np.random.default_rng(5)
    differences, exchanged = [], []
    for _ in range(1_500):
        drawn = [rng.integers(0, len(part), len(part)) for part in statistics[0]]
        resampled = [[part[rows] for part, rows in zip(each, drawn, strict=True)] for each in statistics]
        differences.append(mean_rate(resampled[1]) - mean_rate(resampled[0]))
        swaps = [rng.random(len(part))[:, None] < 0.5 for part in statistics[0]]
        pairs = list(zip(swaps, *statistics, strict=True))
        one = [np.where(swap, new, base) for swap, base, new in pairs]
        another = [np.where(swap, base, new) for swap, base, new in pairs]
        exchanged.append(abs(mean_rate(one) - mean_rate(another)) >= abs(observed) - 1e-12)
    tolerance = 0.2 * float(np.std(differences))
    assert average.interval == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), abs=tolerance)
    assert average.p_value == pytest.approx(np.mean(exchanged), abs=0.05)
    assert 0.1 < np.mean(exchanged) < 0.9, "neither end could be told from a mistake"
    p_values = [each.p_value for each in (other, clean, average) if each.p_value is not None]
    assert [each.adjusted_p_value for each in (other, clean, average)] == holm(p_values)
    assert average.drawn == 200
    assert average.detectable is not None
    [alone] = compare_runs(*results, only=["asr_mine"], resamples=200).metrics
    assert (alone.name, alone.adjusted_p_value) == ("asr_mine", alone.p_value)


@pytest.mark.slow
def test_an_average_of_a_part_that_is_not_comparable_is_not_compared(
    tmp_path: Path, references: dict[str, str]
) -> None:
    base = two_task_run(tmp_path, "base", references, (0.1, 0.2), 1)
    new = two_task_run(tmp_path, "new", references, (0.1, 0.2), 2)
    with_judge(base, "Judge", "aaaa")
    with_judge(new, "Judge", "bbbb")
    other, clean, average = compare_runs(base, new).metrics
    assert (other.compared, clean.compared, average.compared) == (False, True, False)
    assert average.reason == "its member librispeech_other is not comparable"


def test_a_judge_that_only_one_run_had_a_question_for_sets_nothing_apart(
    tmp_path: Path, references: dict[str, str]
) -> None:
    base, new = (make_run(tmp_path, name, references, references) for name in ("base", "new"))
    with_judge(new, "Judge", "aaaa")
    assert compare_runs(base, new).metrics[0].verdict == "no evidence"
    assert compare_runs(new, base).metrics[0].verdict == "no evidence"


def effects(function: str, base: list[list[float]], new: list[list[float]]) -> list[float]:
    """By how much each sample moves the value."""
    return sample_effects(np.array(base), np.array(new), get_metric_function(function)).tolist()


def test_a_sample_with_equal_statistics_is_none_that_changed() -> None:
    base = [[0.1, 1], [0.2, 1], [0.3, 1], [0.7, 1]]
    assert effects("ratio", base, [*base[:3], [0.9, 1]]) == [0, 0, 0, pytest.approx(0.05)]


def test_a_sample_whose_exchange_leaves_the_value_undefined_has_no_effect() -> None:
    base = [[1.0, 0.5, 1], [0.0, 0.0, 1], [0.0, 0.0, 1]]
    new = [[0.0, 0.0, 1], [1.0, 0.3, 1], [1.0, 0.9, 1]]
    undefined, lowered, raised = effects("repetition_error_rate", base, new)
    assert undefined == 0
    assert lowered < 0 < raised


def test_numbers_are_subtracted_as_they_are_printed() -> None:
    assert (difference_in_unit(6.125, 6.0), difference_in_unit(17.3, 17.1)) == (0.125, 0.2)
    assert mean_in_unit([0.1, 0.2, 0.3]) == 0.2
