"""Run folders written in a moment, without a model: samples, what was answered, and what they have in common."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.audio import Audio
from evalkit.chain import Chain, Exchange, Outcome, Score
from evalkit.metrics.error_rate import count_errors, error_rate_metric
from evalkit.metrics.mean import mean_metric
from evalkit.metrics.metric import Metric
from evalkit.metrics.resampling import BootstrapSettings
from evalkit.results.folder import RunFolder
from evalkit.results.metrics_file import RunResult
from evalkit.results.publication import publish
from evalkit.run.scoring import score_task
from evalkit.task import Task
from evalkit.text import get_scheme
from evalkit.types import Call, Message, Request, Response, Sample


@dataclass(frozen=True)
class Answered:
    """A sample and the answer to it; labels as samples have them."""

    id: str
    reference: str
    answer: str
    seconds: float | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)


class Stored(Task):
    """A task that is scored, and asks nothing: error rates by some schemes, or the share of equal texts."""

    details = ("reference_normalised", "hypothesis_normalised")

    def __init__(self, name: str, schemes: Iterable[str], language: str = "en") -> None:
        self.name, self.title, self.expected_samples = name, name.capitalize(), None
        self._schemes = {scheme: get_scheme(language, scheme) for scheme in schemes}
        rates: dict[str, Metric] = {name: error_rate_metric(scheme) for name, scheme in self._schemes.items()}
        self.metrics = rates or {"accuracy": mean_metric("Accuracy")}
        self.compared = tuple(self.metrics)

    def samples(self) -> Iterable[Sample]:
        return ()

    def chain(self, sample: Sample) -> Chain:
        raise NotImplementedError

    def unanswered(self, sample: Sample) -> Score:
        raise NotImplementedError

    def outcome(self, answered: Answered) -> Outcome:
        """How a sample ended."""
        audio = Audio(f"{answered.id}.wav", duration=answered.seconds)
        sample = Sample(
            answered.id, (audio,), (answered.reference,), groups=answered.groups, clusters=answered.clusters
        )
        request = Request((Message("user", ("What is said?",)),))
        exchange = Exchange(Call("model", request), Response(answered.answer))
        return Outcome(sample, "scored", (exchange,), self._score(answered.reference, answered.answer))

    def _score(self, reference: str, answer: str) -> Score:
        statistics: dict[str, tuple[float, ...]] = {"accuracy": (float(reference == answer), 1.0)}
        details: dict[str, str] = {}
        for name, scheme in self._schemes.items():
            texts = scheme.normalize(reference), scheme.normalize(answer)
            statistics[name] = count_errors(*map(scheme.units, texts))
            details = details or dict(zip(self.details, texts, strict=True))
        return Score(statistics, details)


def store_run(
    folder: Path,
    answered: Iterable[Answered] | Mapping[str, Iterable[Answered]],
    schemes: Iterable[str] = ("default",),
    cluster: str = "auto",
    language: str = "en",
) -> Path:
    """Write a run, and return its folder.

    Args:
        folder: of the run; its name is the run's.
        answered: the samples of the task ``speech``, or of several tasks by name.
        schemes: of the error rates; none for an accuracy.
        cluster: what its own intervals are drawn of.
        language: of the texts.
    """
    tasks = answered if isinstance(answered, Mapping) else {"speech": answered}
    settings = BootstrapSettings(resamples=20, cluster=cluster)
    results = {}
    for name, samples in tasks.items():
        task = Stored(name, schemes, language)
        results[name] = score_task(task, map(task.outcome, samples), folder / name, settings)
    opened = RunFolder(folder)
    try:
        publish(opened, RunResult(folder.name, "model", folder.name, "0", results), results)
    finally:
        opened.close()
    return folder
