"""Comparison of real run folders; the numbers against plain resampling written out here."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from evalkit.errors import StoreError
from evalkit.metrics.error_rate import error_rate
from evalkit.results.comparison import compare_runs
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


def test_figures_agree_with_plain_resampling(tmp_path: Path, references: dict[str, str]) -> None:
    answers = noisy(references, 0.10, 3), noisy(references, 0.12, 4)
    base, new = (make_run(tmp_path, name, references, texts) for name, texts in zip(("a", "b"), answers, strict=True))
    [cell] = compare_runs(base, new).metrics
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
        exchanged.append(100 * abs(rate(one) - rate(other)) >= abs(cell.difference) - 1e-12)
    # With 4,000 against 10,000 draws, an end of the interval is known to about 3 % of the standard deviation.
    tolerance = 0.12 * float(np.std(differences))
    assert cell.interval == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])), abs=tolerance)
    assert cell.p_value == pytest.approx(np.mean(exchanged), abs=0.035)


def test_equal_runs_give_no_evidence(tmp_path: Path, references: dict[str, str]) -> None:
    answers = noisy(references, 0.1, 1)
    [cell] = compare_runs(*(make_run(tmp_path, name, references, answers) for name in ("a", "b"))).metrics
    assert (cell.verdict, cell.difference, cell.interval, cell.p_value) == ("no evidence", 0.0, (0.0, 0.0), 1.0)
    assert not cell.improved
    assert not cell.worsened


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


def test_hostile_answers_stay_inside_their_table_cell(tmp_path: Path, evalkit_command: CommandLine) -> None:
    base = make_run(tmp_path, "base", {"a": "x y"}, {"a": "x y"})
    new = make_run(tmp_path, "new", {"a": "x y"}, {"a": "<script>alert(1)</script> | **a**\n# heading"})
    output = evalkit_command("compare", str(base), str(new)).stdout
    assert "<script>" not in output
    assert "\n# heading" not in output
    assert "\\|" in output


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="metrics.json: cannot be read"):
        compare_runs(tmp_path, tmp_path)


def with_judge(run: Path, title: str, fingerprint: str) -> Path:
    """Let a run say that a judge took part in its figure."""
    content = json.loads((run / "metrics.json").read_text())
    task = content["tasks"]["librispeech_other"]
    task["models"] = {"judge": {"title": title, "fingerprint": fingerprint}}
    task["metrics"]["wer"]["recipe"]["judge"] = fingerprint
    (run / "metrics.json").write_text(json.dumps(content))
    return run


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
    base = make_run(tmp_path, "base", {"a": "x y"}, {"a": "x y"})
    links = "![t](http://host/x.png) [x](http://host) <http://host> http://host www.host.org me@host.org"
    answer = links + " a" * 10**6
    new = make_run(tmp_path, "new", {"a": "x y"}, {"a": answer})
    markdown = compare_runs(base, new).to_markdown()
    assert len(markdown) < 5_000
    html = MarkdownIt("gfm-like", {"linkify": False}).render(markdown)
    assert "<img" not in html
    assert "<a " not in html
    assert not re.search(r"(?<!\\):/{2}", markdown)


def test_a_metric_whose_function_is_not_known_is_not_compared(tmp_path: Path, references: dict[str, str]) -> None:
    run = make_run(tmp_path, "run", references, references)
    content = json.loads((run / "metrics.json").read_text())
    content["tasks"]["librispeech_other"]["metrics"]["wer"]["function"] = "corpus_error_rat"
    (run / "metrics.json").write_text(json.dumps(content))
    [metric] = compare_runs(run, run).metrics
    assert metric.verdict == "not comparable"
    assert "no metric function 'corpus_error_rat'" in metric.reason


def test_an_output_that_cannot_be_written_is_one_line(
    tmp_path: Path, references: dict[str, str], evalkit_command: CommandLine
) -> None:
    run = str(make_run(tmp_path, "run", references, references))
    outcome = evalkit_command("compare", run, run, "--json", str(tmp_path / "no" / "out.json"))
    assert (outcome.returncode, len(outcome.stderr.splitlines())) == (2, 1)
