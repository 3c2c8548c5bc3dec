"""Real runs of stored predictions, made in a moment: for whatever reads run folders."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

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
    own = {
        "name": name,
        "runs": str(folder),
        f"tasks.{task}.dataset.path": str(manifest),
        "model.path": str(predictions),
        "model.title": name,
    }
    config = composed(f"task={task}", "model=predictions", "model.path=…", *overrides)
    for key, value in own.items():
        if not any(word.startswith(f"{key}=") for word in overrides):
            OmegaConf.update(config, key, value)
    evaluate(plan_from_config(config, {"model": "predictions", "task": task}))
    return folder / name


def composed(*words: str) -> DictConfig:
    """A configuration to change: many runs begin with the same words, and composing takes longer than evaluating."""
    return deepcopy(_composed(words))


@cache
def _composed(words: tuple[str, ...]) -> DictConfig:
    return compose_configuration(words)
