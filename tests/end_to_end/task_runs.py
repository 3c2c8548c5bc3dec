"""What tests of whole tasks share: models that hear, speak and judge behind one server, and what a run must prove."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet
import soundfile
import soxr

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.run.audit import audit_run
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import Plan, plan_from_config
from evalkit.run.rescore import rescore
from evalkit.types import Request, Response
from reports.write import Report, write_report
from tests.conftest import DEMO_SPEECH
from tests.servers.backends import Answer, Backend, Called, ServedRequest
from tests.servers.openai_server import OpenAIServer
from tests.servers.sound import SPEECH_RATE, Sound
from tests.tasks.toolcall.replica import judgement

_RATE = 16_000
_GARBLED = "I would rather not say."


def clip(name: str) -> Path:
    """A recording of the demo speech."""
    return DEMO_SPEECH / "audio" / f"{name}.flac"


# Models


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says to one recording: in writing, and as speech where it has a clip."""

    text: str = ""
    clip: Path | None = None
    calls: tuple[Called, ...] = ()


class Speaker:
    """A model that knows recordings by their sound, and answers to the last one that it hears.

    Attributes:
        heard: for each request the recordings in it, in the order of arrival.
    """

    def __init__(self, script: Mapping[Path, Said]) -> None:
        self._script = dict(script)
        self._known = {path: _waveform(*soundfile.read(path, always_2d=True)) for path in script}
        self.heard: list[tuple[Path, ...]] = []

    def __call__(self, request: ServedRequest) -> Answer:
        heard = tuple(self.recognised(sound) for sound in request.sounds)
        self.heard.append(heard)
        said = self._script[heard[-1]]
        return Answer((said.text,), tool_calls=said.calls, speech=spoken(said.clip) if said.clip else None)

    def recognised(self, sound: Sound) -> Path:
        """Which of the known recordings this is."""
        waveform = _waveform(sound.samples / 32_768, sound.sample_rate)
        return next(path for path, known in self._known.items() if _alike(waveform, known))


TEXTS = {
    "clean-slt-03": "We've travelled from Boston to Nairobi without a single delay.",  # PocketSphinx makes no mistake
    "clean-slt-04": "My neighbour's grey cat sleeps under the car every afternoon.",  # none but in "neighbour's"
    "clean-slt-06": "They'd rather walk along the river than wait for a taxi.",  # "then" for "than", 1 of 12 words
    "clean-awb-01": "Oliver won't lend his tandem bicycle to all 6 cousins.",  # none, but for "six"
    "clean-rms-01": "Ferguson's ceramics programme begins on the first Monday in October.",
}
"""What recordings of the demo speech say, and what PocketSphinx hears in them."""


def repeating(name: str) -> Said:
    """An answer in the words and the voice of a recording."""
    return Said(TEXTS[name], clip(name))


PARTNER = {
    clip("clean-slt-06"): repeating("clean-slt-06"),
    clip("clean-awb-01"): repeating("clean-awb-01"),
    clip("clean-slt-03"): repeating("clean-slt-04"),
    clip("clean-rms-01"): Said(),
}
"""A conversation partner: repeats two recordings, speaks of a cat at the third, and is silent at the fourth."""


def spoken(path: Path) -> bytes:
    """A recording as a server sends speech."""
    samples, rate = soundfile.read(path, always_2d=True)
    resampled = soxr.resample(samples.mean(axis=1), rate, SPEECH_RATE)
    return bytes(np.clip(np.rint(resampled * 32_767), -32_768, 32_767).astype("<i2").tobytes())


def _waveform(samples: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    resampled: npt.NDArray[np.float64] = soxr.resample(samples.mean(axis=1), rate, _RATE)
    return resampled


def _alike(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    if abs(len(one) - len(other)) > 16:
        return False
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1]) > 0.98


def judge(request: ServedRequest) -> Answer:
    """A judge that goes by the words that reference and answer share, in the form that each benchmark asks for."""
    question = request.texts[-1]
    if "OFFICIAL ANSWER" in question:
        official = question.partition("The OFFICIAL ANSWER: ")[2].partition("\n")[0]
        candidate = question.partition("TO ASSESS\n")[2].partition("\nEND CANDIDATE")[0]
        return Answer(("CORRECT" if _words(official) <= _words(candidate) else "INCORRECT",))
    if "文本1" in question:
        return Answer(("yes" if _agree(*re.findall(r"文本[12]: (.*)", question)) else "no",))
    if "<function>" in question:
        return Answer((judgement(question),))
    rounds = zip(_parts(question, "Reference|Instruction"), _parts(question, "Response"), strict=False)
    agreed = [_agree(expected, answer) for expected, answer in rounds]
    if "[Question]" in question:
        return Answer(("Yes" if all(agreed) else "No",))
    mark = 1 + 4 * sum(agreed) // len(agreed)
    return Answer((str(mark), str(mark), str(max(mark - 1, 1))))


def _parts(question: str, titles: str) -> list[str]:
    """What stands under these headings; of several headings, under the first that there is."""
    for title in titles.split("|"):
        if found := re.findall(rf"### \[{title}\]\s*\n(.*?)\n\s*(?=###|Please|After|Is )", question, re.DOTALL):
            return [part.strip() for part in found]
    return []


def _agree(expected: str, answer: str) -> bool:
    wanted = _words(expected)
    return 2 * len(wanted & _words(answer)) >= len(wanted)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9']+|[一-鿿]", text.lower()))


def garbling(request: ServedRequest) -> Answer:
    """A judge whose replies mean nothing, to any benchmark."""
    return Answer((_GARBLED,))


def behind(**backends: Backend) -> Backend:
    """Several models behind one server, by name."""
    return lambda request: backends[request.fields["model"]](request)


class PitchOfEmotion(ModelAdapter):
    """An emotion classifier that measures: to it a high voice is happy, and a low one sad."""

    capabilities = Capabilities(sample_rate=_RATE)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [Response(self._classified(request.audio[0].waveform(_RATE))) for request in requests]

    def _classified(self, waveform: npt.NDArray[np.float32]) -> str:
        loudest = int(np.abs(waveform).argmax())
        frame = waveform[max(loudest - 800, 0) : loudest + 800]
        correlation = np.correlate(frame, frame, "full")[len(frame) - 1 :]
        shortest, longest = _RATE // 350, _RATE // 70
        hertz = _RATE / (shortest + int(correlation[shortest:longest].argmax()))
        happy = 0.75 if hertz > 150 else 0.25
        return json.dumps({"开心/happy": happy, "难过/sad": 1 - happy})

    def fingerprint(self) -> Mapping[str, Any]:
        return {"adapter": "pitch of emotion"}


# Runs


@dataclass(frozen=True, slots=True)
class Proven:
    """A run that was carried out, continued, scored again and reported.

    Attributes:
        folder: of the run.
        tasks: the entries of its ``metrics.json``.
        report: what was written of it.
    """

    folder: Path
    tasks: Mapping[str, Any]
    report: Report

    def rows(self, task: str) -> dict[str, dict[str, Any]]:
        """The scored samples of a task, by id."""
        return {row["id"]: row for row in scored_rows(self.folder, task)}

    def counts(self, task: str) -> tuple[int, ...]:
        """How many samples were scored, failed, skipped, and scored though empty."""
        return tuple(self.tasks[task]["samples"][status] for status in ("scored", "failed", "skipped", "empty"))

    def cells(self, table: str) -> dict[tuple[str, ...], str]:
        """What is printed in a written table, by the titles of group and row, then of the columns' group and column."""
        (found,) = [each for each in self.report.tables if each.name == table]
        return {
            (group.title, row.title, column.group, column.title): " / ".join(figure.text for figure in cell.figures)
            for group in found.groups
            for row in group.rows
            for column, cell in zip(found.columns, row.cells, strict=True)
            if cell.text
        }


def assessors(result: dict[str, Any], metric: str) -> dict[str, str]:
    """The titles of the models that a figure names as those that it depends on, by role."""
    recipe = result["metrics"][metric]["recipe"]
    models: dict[str, dict[str, str]] = result["models"]
    return {role: model["title"] for role, model in models.items() if recipe.get(role) == model["fingerprint"]}


def words_of_run(folder: Path, base_url: str, tasks: Iterable[str], *overrides: str, name: str = "run") -> list[str]:
    """What follows ``evalkit run`` for a served model that hears, speaks and calls tools, and a served judge."""
    chosen = [f"task=[{','.join(tasks)}]", f"runs={folder}", f"data_root={folder / 'data'}", f"name={name}"]
    chosen += served("model", "speaker", base_url, "Served speaker")
    chosen += served("judge", "judge", base_url, "Judge by rule")
    chosen += ["model.speech_output=true", "cache.folder=null", "statistics.resamples=100"]
    return [*chosen, *overrides]


def served(role: str, model: str, base_url: str, title: str, kind: str = "openai_chat") -> list[str]:
    """What fills a role with a model of a server."""
    group = "model" if role == "model" else f"model@{role}"
    return [f"{group}={kind}", f"{role}.model={model}", f"{role}.base_url={base_url}", f"{role}.title={title}"]


def plan_of(words: Sequence[str]) -> Plan:
    """The plan of a run."""
    return plan_from_config(compose_configuration(list(words)), {"model": "openai_chat"})


def carried_out(plan: Plan) -> dict[str, Any]:
    """The tasks' entries of the metrics of a run."""
    tasks: dict[str, Any] = evaluate(plan).results.to_json()["tasks"]
    return tasks


def proven(words: Sequence[str], server: OpenAIServer) -> Proven:
    """Carry out a run and check all that holds for every run.

    No request breaks the schema; the same run once more asks nothing and writes the same; scored again from what is
    stored it has the same metrics, byte for byte; an audit finds it whole; and a report can be written of it.
    """
    plan = plan_of(words)
    tasks = carried_out(plan)
    assert not server.journal.violations
    assert set(server.journal.outcomes()) <= {"answered"}
    folder, asked = plan.folder, len(server.journal.hits)
    metrics, answers = (folder / "metrics.json").read_bytes(), stored_answers(folder)
    assert carried_out(plan) == tasks
    assert len(server.journal.hits) == asked, "the same run asked again"
    assert stored_answers(folder) == answers, "the same run put further calls to a model in this process"
    assert (folder / "metrics.json").read_bytes() == metrics
    rescore(folder)
    assert (folder / "metrics.json").read_bytes() == metrics, "scored again, the run has other metrics"
    assert not audit_run(folder).findings
    return Proven(folder, tasks, write_report([folder], output_folder=folder / "report"))


def stored_answers(run: Path) -> dict[str, bytes]:
    """The records of all calls of a run, by file."""
    return {str(file.relative_to(run)): file.read_bytes() for file in sorted(run.glob("*/*.jsonl"))}


def scored_rows(run: Path, task: str) -> list[dict[str, Any]]:
    """The scored samples of a task, in order, with the texts of their good responses."""
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(run / task / "scores.parquet").to_pylist()
    return [row | {"responses": [each["text"] for each in row["responses"] if each["failure"] is None]} for row in rows]
