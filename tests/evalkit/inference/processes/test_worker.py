"""A model in a worker process: asked like any other, and nothing is lost when it dies."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.inference.batching import answer_batch
from evalkit.inference.endpoint import ModelSpec, ProcessSettings
from evalkit.inference.opening import is_served
from evalkit.inference.packing import Packing
from evalkit.inference.processes import worker as worker_module
from evalkit.inference.processes.worker import WorkerLostError, WorkerModel, WorkerSettings
from evalkit.inference.work_clock import WorkClock
from evalkit.testing import check_adapter
from evalkit.types import Message, Request, Response
from tests.conftest import DEMO_SPEECH, ROOT
from tests.processes import has_ended

MODELS = "tests.evalkit.inference.processes.models_elsewhere"
RECORDING = DEMO_SPEECH / "audio" / "clean-awb-01.flac"

MakeWorker = Callable[..., WorkerModel]


def asking(*parts: Any, **settings: Any) -> Request:
    return Request((Message("user", parts),), **settings)


@pytest.fixture
def make_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeWorker]:
    """Makes models in workers, and ends them all."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made: list[WorkerModel] = []

    def make(name: str, python: str = sys.executable, *, deadline: float = 60.0, **arguments: Any) -> WorkerModel:
        target = name if "." in name else f"{MODELS}.{name}"
        settings = WorkerSettings("model", python, target, arguments, {}, deadline, tmp_path / "worker.log")
        made.append(WorkerModel(settings))
        return made[-1]

    yield make
    for model in made:
        model.close()


def texts(model: WorkerModel, *words: str, batch_size: int = 8) -> list[str]:
    return [said(response) for response in answers(model, words, Packing(batch_size))]


def answers(model: WorkerModel, words: Iterable[str], packing: Packing) -> list[Response]:
    return answer_batch(model, [asking(word) for word in words], packing, WorkClock())


def in_a_batch(model: WorkerModel, packing: Packing) -> int:
    """How many requests of one character make a batch now."""
    return packing.count([model.cost(asking("a"))] * 100)


def said(response: Response) -> str:
    return response.text if response.failure is None else f"{response.failure.kind}: {response.failure.message}"


def process_ids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in sorted(folder.glob("*.pid"))]


def test_a_model_elsewhere_is_what_it_says_and_hears_what_is_there(make_worker: MakeWorker, tmp_path: Path) -> None:
    model = make_worker("Model", folder=str(tmp_path), size=3)
    assert model.fingerprint() == {"adapter": "Model", "size": 3, "generation": None}
    assert model.capabilities.languages == frozenset({"en"})
    assert (model.capabilities.sample_rate, model.capabilities.batch_size) == (16_000, 4)
    seconds = Audio("a", RECORDING).seconds()
    (response,) = model.generate([asking("hear", Audio("a", RECORDING))])
    assert response == Response(f"hear {round(seconds * 16_000)}@16000")
    assert model.generate([]) == []
    check_adapter(model, [asking(word, Audio(word, RECORDING)) for word in ("a", "b", "c")])
    (process_id,) = process_ids(tmp_path)
    assert process_id != os.getpid()
    model.close()
    assert (tmp_path / "closed").exists()
    assert has_ended(process_id)


def test_nothing_but_numpy_is_needed_there(make_worker: MakeWorker, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for name in ("numpy", "numpy.libs"):
        installed = Path(sysconfig.get_path("platlib")) / name
        if installed.exists():
            (packages / name).symlink_to(installed)
    model = make_worker("Speaker", str(tmp_path / "venv" / "bin" / "python"))
    (response,) = model.generate([asking(Audio("a", RECORDING))])
    assert response.speech is not None
    wanted = Audio("a", RECORDING).waveform(24_000) * np.float32(0.5)
    np.testing.assert_array_equal(response.speech.waveform(24_000), wanted)
    with pytest.raises(ConfigurationError, match="cannot be made by .*No module named"):
        make_worker("model_adapters.pocketsphinx.PocketSphinx", str(tmp_path / "venv" / "bin" / "python"))


def test_the_example_of_the_documentation_works(
    make_worker: MakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "other_python.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "my_loudness.py").write_text(example)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    model = make_worker("my_loudness.Loudness", decimals=2)
    assert model.capabilities.batch_size == 8
    peak = round(float(abs(Audio("a", RECORDING).waveform(16_000)).max()), 2)
    assert [response.text for response in model.generate([asking(Audio("a", RECORDING))])] == [str(peak)]


def test_whatever_libraries_print_goes_to_the_log_without_keys(
    make_worker: MakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_TOKEN", "hf_0123456789abcdef")
    model = make_worker("Talkative")
    assert texts(model, "one", "two") == ["one", "two"]
    assert texts(model, "three") == ["three"]
    model.close()
    lines = (tmp_path / "worker.log").read_text().splitlines()
    assert lines.count("loading: 100 %") == 2
    assert {"a warning with (key removed)", "a child", "its errors"} < set(lines)


@pytest.mark.slow
def test_an_adapter_of_evalkits_own_works_there_as_it_is(make_worker: MakeWorker) -> None:
    model = make_worker("model_adapters.stand_ins.echo.Echo")
    assert model.fingerprint() == {"adapter": "echo"}
    assert model.capabilities.speech_output
    (response,) = model.generate([asking(Audio("a", RECORDING))])
    assert response.speech is not None
    mono, rate = Audio("a", RECORDING).read_mono()
    np.testing.assert_array_equal(response.speech.read_mono()[0], mono)
    assert response.speech.read_mono()[1] == rate
    judge = make_worker("model_adapters.stand_ins.word_judge.WordJudge")
    (refused,) = judge.generate([asking("which?")])
    assert refused.failure is not None
    assert refused.failure.kind == "refused"
    with pytest.raises(ConfigurationError, match="ChatModel is not a ModelAdapter"):
        make_worker("model_adapters.openai.models.ChatModel", model="m", base_url="http://127.0.0.1:1/v1")


def test_a_worker_that_is_killed_once_is_started_again_and_nobody_notices(
    make_worker: MakeWorker, tmp_path: Path
) -> None:
    model = make_worker("Mortal", folder=str(tmp_path))
    packing = Packing(8)
    responses = answers(model, ("a", "die once", "b"), packing)
    assert [said(response) for response in responses] == ["a", "die once", "b"]
    assert in_a_batch(model, packing) == 8, "one death says nothing about the size of a batch"
    assert len(process_ids(tmp_path)) == 2


@pytest.mark.slow
def test_what_kills_it_every_time_costs_one_sample_its_answer(make_worker: MakeWorker, tmp_path: Path) -> None:
    model = make_worker("Mortal", folder=str(tmp_path))
    words = ["a", "b", "c", "segfault", "d", "e", "f", "g"]
    packing = Packing(8)
    responses = answers(model, words, packing)
    assert [said(response) for response in responses if not response.failed] == [*"abcdefg"]
    assert said(responses[3]).startswith("error: the model was ended by SIGSEGV; it said: ")
    assert in_a_batch(model, packing) == 8
    deaths = len(process_ids(tmp_path)) - 1
    assert deaths == 7, "8 twice, 4 once; then 2 and 1 twice each, as answers came in between"


@pytest.mark.slow
def test_what_is_killed_from_outside_is_taken_for_a_lack_of_memory(make_worker: MakeWorker) -> None:
    model = make_worker("Mortal")
    packing = Packing(4)
    responses = answers(model, ("a", "die", "b", "c"), packing)
    assert [said(response) for response in responses] == [
        "a",
        "out_of_memory: the model was ended by SIGKILL and said nothing",
        "b",
        "c",
    ]
    assert packing.count([model.cost(asking("die"))] * 100) == 1


def test_a_worker_that_answers_nonsense_is_started_again(make_worker: MakeWorker, tmp_path: Path) -> None:
    model = make_worker("Scribbler", folder=str(tmp_path))
    assert texts(model, "a", "b") == ["a", "b"]
    assert texts(model, "c") == ["c"]
    assert len(process_ids(tmp_path)) == 2


@pytest.mark.slow
def test_a_hang_ends_with_its_deadline(make_worker: MakeWorker, tmp_path: Path) -> None:
    model = make_worker("Mortal", folder=str(tmp_path), deadline=20)
    (response,) = answers(model, ["hang"], Packing(1))
    assert said(response) == "timeout: the model gave no answer within batch_deadline=20 s and was ended"
    assert texts(model, "a") == ["a"]
    assert all(map(has_ended, process_ids(tmp_path)[:-1]))


@pytest.mark.slow
def test_a_worker_that_only_dies_ends_the_run(make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_MOST_DEATHS", 3)
    model = make_worker("Mortal")
    answers(model, ["die"], Packing(1))
    answers(model, ["die"], Packing(1))
    with pytest.raises(WorkerLostError, match="model: its worker died 4 times .* was ended by SIGKILL"):
        answers(model, ["die"], Packing(1))


@pytest.mark.slow
def test_errors_travel(make_worker: MakeWorker) -> None:
    model = make_worker("Faulty")
    words = ["a", "value", "exit", "no file", "failure", "half a failure", "wrong"]
    assert texts(model, *words) == [
        "a",
        "error: WorkerError: ValueError: no such thing",
        "error: WorkerError: SystemExit: 3",
        "error: WorkerError: FileNotFoundError: weights.bin",
        "refused: I would rather not",
        f"invalid_response: {MODELS}.Faulty returned a response that is none: 'message'",
        "invalid_response: Faulty.generate must return a list of evalkit_worker.Response",
    ]
    with pytest.raises(ConfigurationError, match=r"^the weights are of another model$"):
        answers(model, ["stop"], Packing(1))
    greedy = make_worker("Greedy")
    packing = Packing(7)
    responses = answers(greedy, "abcdefg", packing)
    assert [response.text for response in responses] == [*"abcdefg"]
    assert in_a_batch(greedy, packing) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Unmade", "No module named 'a_library_of_another_world'"),
        ("DeadAtOnce", "its process was ended by SIGSEGV; it said: "),
        ("Fileless", r"python\S*: OSError: weights-of-nobody is no local folder$"),
        ("Absent", "has no attribute 'Absent'"),
        ("Boastful", "capabilities are not those of evalkit.adapter .*telepathy"),
    ],
)
def test_a_model_that_cannot_be_made_says_why(make_worker: MakeWorker, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_worker(name)


def test_a_setting_that_it_does_not_take_is_refused(make_worker: MakeWorker) -> None:
    with pytest.raises(ConfigurationError, match="unexpected keyword argument 'sizes'"):
        make_worker("Model", sizes=3)


def test_a_description_says_in_which_python_a_model_works(make_worker: MakeWorker, tmp_path: Path) -> None:
    target = {"_target_": f"{MODELS}.Model", "size": 2}
    spec = ModelSpec("model", "M", target, {"temperature": 0}, ProcessSettings(sys.executable))
    assert not is_served(spec)
    spec.check()
    model = spec.make()
    assert isinstance(model, WorkerModel)
    assert model.fingerprint() == {"adapter": "Model", "size": 2, "generation": {"temperature": 0}}
    model.close()
    with pytest.raises(ConfigurationError, match=r"judge.python: /no/python: no such program"):
        ModelSpec("judge", "M", target, {}, ProcessSettings("/no/python")).check()
