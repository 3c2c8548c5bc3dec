"""How busy two served models are kept by ``suite=step_audio_2`` itself, all its tasks with small data of our own.

A server in a process of its own answers every request after 200 ms. The model under test and the judge are behind it;
what the model "says" is the recording that it heard, which a stand-in in this process writes down. Printed is, for each
of the two, the time that its requests took as a share of the time that so many at once could have taken between its
first and its last; a loop for each task would run dry at every one. The judge of a suite whose first tasks need none is
asked later than the model; its share is of the time from its own first request on.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import soundfile
from omegaconf import OmegaConf

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.run.composition import compose_run
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from evalkit.types import Request, Response
from model_adapters.openai.models import ChatModel
from tasks.uro_bench.subsets import load_subsets
from tests.conftest import write_jsonl
from tests.tasks.toolcall.replica import write_replica

LATENCY = 0.2
SAMPLES = 50
# At once: the judge is asked about half as often as the model, so that with as many it would wait for the model.
CONCURRENCY = {"model": 8, "judge": 4}
_URO = "URO-Bench-data"
_DIMENSIONS = ("gender", "age", "emotions", "pitch", "rhythm", "speed")


@dataclass
class Hours:
    """When a model was at work.

    Attributes:
        began, ended: of its first and last request, in seconds.
        requests: how many there were.
    """

    began: float = float("inf")
    ended: float = 0.0
    requests: int = 0

    def busy(self, concurrency: int) -> float:
        """Return the share of the time between first and last request in which so many places were taken."""
        return self.requests * LATENCY / concurrency / (self.ended - self.began)


class Clocked(ChatModel):
    """A served model that keeps its hours; of an answer that should be speech it says back what it heard."""

    hours: ClassVar[dict[str, Hours]] = {}

    async def answer(self, request: Request) -> Response:
        hours = self.hours.setdefault(self._model, Hours())
        hours.began = min(hours.began, time.perf_counter())
        response = await super().answer(replace(request, output="text", replies=1))
        hours.ended = time.perf_counter()
        hours.requests += 1
        if self._model == "judge":
            text = "5" if "score" in json.dumps(request.to_json()["messages"]).lower() else "yes"
            return replace(response, text=text, replies=(text,) * request.replies if request.replies > 1 else ())
        return replace(response, speech=request.audio[-1]) if request.output == "speech" else response


class Scribe(ModelAdapter):
    """Writes the same words down whatever it hears."""

    capabilities = Capabilities(sample_rate=None, batch_size=256)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [Response("a few words") for _ in requests]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"adapter": "scribe"}


def write_data(folder: Path) -> Path:
    """Write so many recordings, and what describes them in each layout that a task has of its own; return a manifest.

    Args:
        folder: the data root.
    """
    rng = np.random.default_rng(0)
    clips = []
    for number in range(SAMPLES):
        clips.append(folder / f"{number}.wav")
        soundfile.write(clips[-1], rng.uniform(-0.5, 0.5, 1_600), 16_000, subtype="PCM_16")
    for subset in load_subsets().values():
        place = folder / _URO / subset.track / subset.name
        place.mkdir(parents=True)
        rows = [_spoken_question(subset.mode, place, clip) for clip in clips]
        write_jsonl(place / "test.jsonl", [{"id": str(number), **row} for number, row in enumerate(rows)])
    write_replica(folder / "stepeval_audio_toolcall")
    questions = folder / "StepEval-Audio-Paralinguistic"
    for dimension in _DIMENSIONS:
        (questions / dimension / "audio").mkdir(parents=True)
        labels = []
        for clip in clips[: SAMPLES // len(_DIMENSIONS)]:
            shutil.copy(clip, questions / dimension / "audio")
            labels.append({"audio": f"audio/{clip.name}", "task": {"name": "q", "label": "x", "answer": "x"}})
        (questions / dimension / f"{dimension}.json").write_text(json.dumps(labels))
    usual = {"text": "a few words", "language": None, "task": "sound", "difficulty": "easy", "category": "navigate"}
    choices = {"question": "Which words?", "choices": ["a few words", "others"], "sub-category": "x", "sentence": "x"}
    return write_jsonl(
        folder / "manifest.jsonl", [{"id": clip.stem, "audio": clip.name, **usual, **choices} for clip in clips]
    )


def _spoken_question(mode: str, place: Path, clip: Path) -> dict[str, Any]:
    name = f"{place.name}-{clip.name}"
    shutil.copy(clip, place / name)
    turn = {"source_wav": name, "source_text": "What are they?", "target_text": "a few words", "emotion": "happy"}
    turn |= {"style": "as a poem", "requirement": "English"}
    if mode not in ("multi", "sa"):
        return turn
    rounds = 3 if mode == "sa" else 2
    return {"num_round": rounds, "dialogue": [{"round": number, **turn} for number in range(rounds)]}


def words_of_run(folder: Path, base_url: str) -> list[str]:
    """Return what follows ``evalkit run``."""
    words = ["suite=step_audio_2", f"runs={folder / 'runs'}", f"data_root={folder}", "missing_roles=skip"]
    for role, group in (("model", "model"), ("judge", "model@judge")):
        words += [f"{group}=openai_chat", f"{role}.model={role}", f"{role}.base_url={base_url}"]
        words += [f"{role}.speech_output=true", f"{role}.limits.concurrency={CONCURRENCY[role]}"]
        words += [f"{role}._target_={__name__}.Clocked"]
    words += ["model@transcriber=echo", f"transcriber._target_={__name__}.Scribe"]
    return [*words, "cache.folder=null", "statistics.resamples=1000"]


def measure(folder: Path, base_url: str) -> Mapping[str, Hours]:
    """Run the suite, and return the hours of each served model."""
    manifest = write_data(folder)
    composition = compose_run(words_of_run(folder, base_url))
    for task in composition.config.tasks.values():
        if task.dataset["_target_"] == "evalkit.datasets.open_dataset":
            kept = {key: task.dataset[key] for key in ("language", "groups", "metadata") if key in task.dataset}
            task.dataset = OmegaConf.create({"_target_": task.dataset["_target_"], "path": str(manifest), **kept})
    results = evaluate(plan_from_config(composition.config, composition.choices)).results
    print(f"{len(results.tasks)} tasks, {sum(task.samples.total for task in results.tasks.values()):,} samples")
    print(*(f"left out: {name}: {reason}" for name, reason in results.left_out.items()), sep="\n")
    return Clocked.hours


def main() -> None:
    """Measure once."""
    command = [sys.executable, "-m", "tests.servers.openai_server", "--fast", "--latency", str(LATENCY)]
    with tempfile.TemporaryDirectory() as name, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            base_url = server.stdout.readline().split()[-1]
            for role, hours in measure(Path(name), base_url).items():
                took = f"in {hours.ended - hours.began:.1f} s"
                places = CONCURRENCY[role]
                busy = f"{hours.busy(places):.1%} busy"
                print(f"{role}: {hours.requests:,} requests, {places} at once, {took}: {busy}")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
