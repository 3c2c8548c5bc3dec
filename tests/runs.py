"""Real runs of stored predictions, made in a moment: for whatever reads run folders."""

from collections.abc import Mapping
from pathlib import Path

from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from tests.conftest import write_jsonl


def make_run(
    folder: Path,
    name: str,
    references: Mapping[str, str],
    answers: Mapping[str, str],
    *overrides: str,
    task: str = "librispeech_other",
) -> Path:
    """Score answers against references in a run of their own, and return its folder."""
    folder.mkdir(exist_ok=True)
    manifest = write_jsonl(
        folder / f"{name}-manifest.jsonl",
        [{"id": id_, "audio": f"{id_}.wav", "text": text} for id_, text in references.items()],
    )
    predictions = write_jsonl(
        folder / f"{name}-answers.jsonl", [{"id": id_, "text": text} for id_, text in answers.items()]
    )
    words = [
        f"name={name}",
        f"runs={folder}",
        f"task={task}",
        f"tasks.{task}.dataset.path={manifest}",
        "model=predictions",
        f"model.path={predictions}",
        f"model.title={name}",
        *overrides,
    ]
    config = compose_configuration(words)
    evaluate(plan_from_config(config, {"model": "predictions", "task": task}))
    return folder / name
