"""Recordings longer than a model takes, for models in this process and behind servers."""

import asyncio
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.adapter import Beyond, Capabilities, ContinuousModelAdapter, ModelAdapter, ServedModelAdapter
from evalkit.audio import Audio
from evalkit.cli.summary import summary
from evalkit.errors import ConfigurationError, PermanentError
from evalkit.inference.local import LocalExecutor
from evalkit.inference.long_audio import Fitted, joined
from evalkit.inference.served.budget import Budget, BudgetCaps
from evalkit.inference.served.endpoint import ServedEndpoint
from evalkit.results.metrics_file import read_run
from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from evalkit.run.rescore import rescore
from evalkit.types import Call, Failure, Message, Request, Response, Usage
from tests.conftest import write_jsonl
from tests.evalkit.inference.test_local import run
from tests.live_models import specs_of

RATE = 1_000


class Listener(ModelAdapter):
    """Says in milliseconds how much it hears; refuses a recording that holds a loud sample."""

    def __init__(self, longest: float | None, beyond: Beyond, sample_rate: int = RATE) -> None:
        self.capabilities = Capabilities(sample_rate=sample_rate, batch_size=2, longest_audio=longest, beyond=beyond)
        self.rate = sample_rate
        self.batches: list[int] = []

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        self.batches.append(len(requests))
        heard = [request.audio[0].waveform(self.rate) for request in requests]
        if any(np.abs(wave).max() > 0.9 for wave in heard):
            raise ValueError("too loud")
        return [Response(str(round(1_000 * len(wave) / self.rate))) for wave in heard]

    def fingerprint(self) -> dict[str, Any]:
        return {"model": "listener"}


class ServedListener(ServedModelAdapter):
    """The same behind a server, to which files go as they are."""

    def __init__(self, longest: float | None, beyond: Beyond) -> None:
        self.capabilities = Capabilities(sample_rate=None, longest_audio=longest, beyond=beyond)

    async def answer(self, request: Request) -> Response:
        wave, rate = soundfile.read(io.BytesIO(request.audio[0].encoded()))
        if np.abs(wave).max() > 0.9:
            raise PermanentError("too loud")
        return Response(str(round(1_000 * len(wave) / rate)), usage=Usage(input_tokens=5))

    def fingerprint(self) -> dict[str, Any]:
        return {"model": "served listener"}


def call(folder: Path, name: str, seconds: float, *, loud_at: float | None = None, instruction: str = "") -> Call:
    wave = np.random.default_rng(0).normal(0, 0.01, round(seconds * RATE))
    if loud_at is not None:
        wave[round(loud_at * RATE)] = 1.0
    soundfile.write(folder / f"{name}.wav", wave, RATE)
    parts = (instruction, Audio(f"{name}.wav", folder / f"{name}.wav"))
    return Call("model", Request((Message("user", parts),), sample_id=name))


def asked(adapter: ModelAdapter | ServedModelAdapter, calls: Sequence[Call]) -> dict[str, Response]:
    if isinstance(adapter, ModelAdapter):
        return run(LocalExecutor(), adapter, calls)

    async def main() -> list[Response]:
        endpoint = ServedEndpoint("model", adapter, Budget(BudgetCaps()))
        answers = await asyncio.gather(*(endpoint.answer(each) for each in calls))
        await endpoint.close()
        return answers

    return dict(zip((each.request.sample_id for each in calls), asyncio.run(main()), strict=True))


MODELS = [Listener, ServedListener]


@pytest.mark.parametrize("model", MODELS)
def test_what_is_cut_is_cut_to_the_limit_and_says_so(tmp_path: Path, model: Any) -> None:
    answers = asked(model(3, "cuts"), [call(tmp_path, "fits", 3.0), call(tmp_path, "long", 3.01)])
    assert {name: answer.text for name, answer in answers.items()} == {"fits": "3000", "long": "3000"}
    assert (answers["fits"].overlong, answers["fits"].notes) == ("", ())
    assert answers["long"].overlong == "cut"
    assert answers["long"].notes == (
        f"cut to the 3 s of a recording that the model takes: {tmp_path}/long.wav has 3.01 s",
    )


@pytest.mark.parametrize("model", MODELS)
def test_what_is_refused_is_never_sent_and_fails_alone(tmp_path: Path, model: Any) -> None:
    # Loud: whoever sent it would be told so.
    answers = asked(model(3, "refuses"), [call(tmp_path, "fits", 2), call(tmp_path, "long", 4, loud_at=3.5)])
    assert answers["fits"].text == "2000"
    assert answers["long"].failure == Failure(
        "too_long", f"the model takes 3 s of a recording, {tmp_path}/long.wav has 4.00 s"
    )


@pytest.mark.parametrize("model", MODELS)
def test_what_is_split_is_heard_whole_in_pieces(tmp_path: Path, model: Any) -> None:
    adapter = model(3, "splits")
    answers = asked(adapter, [call(tmp_path, "fits", 2), call(tmp_path, "long", 10)])
    assert answers["fits"] == replace(answers["fits"], text="2000", overlong="", notes=())
    lengths = [int(text) for text in answers["long"].text.split()]
    assert sum(lengths) == pytest.approx(10_000, abs=3)
    assert max(lengths) <= 3_000
    assert answers["long"].overlong == "split"
    assert answers["long"].notes[0].startswith(f"split into {len(lengths)} pieces of at most 3 s")
    if isinstance(adapter, Listener):
        assert max(adapter.batches) == 2  # pieces fill batches, and no batch is larger for them
    else:
        assert answers["long"].usage == Usage(requests=len(lengths), input_tokens=5 * len(lengths))


def test_a_model_that_takes_none_of_what_it_is_asked_keeps_nobody_waiting(tmp_path: Path) -> None:
    answers = asked(ByItself(1, "refuses"), [call(tmp_path, name, 2) for name in ("one", "two")])
    assert [response.failure.kind for response in answers.values()] == ["too_long"] * 2  # type: ignore[union-attr]


@pytest.mark.parametrize("model", MODELS)
def test_a_piece_that_fails_fails_the_sample_and_is_named(tmp_path: Path, model: Any) -> None:
    answers = asked(model(3, "splits"), [call(tmp_path, "long", 8, loud_at=4), call(tmp_path, "fits", 1)])
    assert answers["fits"].text == "1000"
    assert answers["long"].failure is not None
    assert "piece 2 of" in answers["long"].failure.message
    assert "too loud" in answers["long"].failure.message


class ByItself(ContinuousModelAdapter):
    """A model of this process that reads recordings itself, and takes the next as soon as it has room."""

    def __init__(self, longest: float | None, beyond: Beyond) -> None:
        self.capabilities = Capabilities(sample_rate=None, longest_audio=longest, beyond=beyond)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        return [Response(str(round(1_000 * request.audio[0].seconds()))) for request in requests]

    def generate_each(self, requests: Iterator[Request]) -> Iterator[tuple[int, Response]]:
        for position, request in enumerate(requests):
            yield position, self.generate([request])[0]

    def fingerprint(self) -> dict[str, Any]:
        return {"model": "by itself"}


class InBatches(ByItself):
    is_continuous = False


@pytest.mark.parametrize("model", [ServedListener, ByItself, InBatches])
def test_a_recording_whose_length_cannot_be_told_costs_one_sample_its_answer(tmp_path: Path, model: Any) -> None:
    (tmp_path / "damaged.flac").write_bytes(b"fLaC" + bytes(100))

    def broken() -> bytes:
        raise KeyError("no such row")

    audios = {"damaged": Audio("d", tmp_path / "damaged.flac"), "broken": Audio("b", content=broken)}
    calls = [Call("model", Request((Message("user", (audio,)),), sample_id=name)) for name, audio in audios.items()]
    answers = asked(model(3, "splits"), [*calls, call(tmp_path, "fits", 2)])
    assert answers["fits"].text == "2000"
    assert [answers[name].failure.kind for name in audios] == ["unreadable_audio"] * 2  # type: ignore[union-attr]
    assert answers["broken"].error == "b: KeyError: 'no such row'"


@pytest.mark.parametrize("model", MODELS)
def test_what_was_done_is_kept_with_the_response(tmp_path: Path, model: Any) -> None:
    response = asked(model(3, "cuts"), [call(tmp_path, "long", 4)])["long"]
    assert Response.from_json(json.loads(json.dumps(response.to_json()))) == response


def test_questions_about_several_recordings_are_not_split(tmp_path: Path) -> None:
    first, second = (call(tmp_path, name, 4).request.audio[0] for name in "ab")
    both = Call("model", Request((Message("user", (first, second)),), sample_id="both"))
    answer = asked(Listener(3, "splits"), [both])["both"]
    assert answer.failure is not None
    assert answer.failure.kind == "too_long"


def test_a_cut_recording_keeps_its_place_in_the_conversation(tmp_path: Path) -> None:
    class Reader(Listener):
        def generate(self, requests: Sequence[Request]) -> list[Response]:
            return [Response(json.dumps([str(part) for part in request.messages[0].content])) for request in requests]

    answer = asked(Reader(3, "cuts"), [call(tmp_path, "long", 4, instruction="Listen: ")])["long"]
    assert json.loads(answer.text) == ["Listen: ", "Audio('long.wav#t=0,3')"]


def test_what_the_model_said_itself_is_not_measured(tmp_path: Path) -> None:
    question = call(tmp_path, "question", 2).request
    said = call(tmp_path, "said", 9).request.audio[0]
    again = Request((*question.messages, Message("assistant", ("So.", said)), *question.messages), sample_id="again")
    answer = asked(Listener(3, "cuts"), [Call("model", again)])["again"]
    assert (answer.text, answer.overlong) == ("2000", "")


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (("one two", " three "), "one two three"),
        (("今天", "天气"), "今天天气"),
        (("我说", "hello"), "我说 hello"),
        (("", "only", ""), "only"),
        (("สวัสดี", "ครับ"), "สวัสดีครับ"),
        (("안녕", "하세요"), "안녕 하세요"),
    ],
)
def test_texts_of_pieces_are_joined_as_their_script_is_written(texts: tuple[str, ...], text: str) -> None:
    request = Request(())
    fit = Fitted((request,) * len(texts), "split", "split")
    assert joined(fit, [Response(each) for each in texts]).text == text


def test_an_answer_cut_short_in_any_piece_is_cut_short() -> None:
    fit = Fitted((Request(()),) * 2, "split", "split")
    responses = [Response("a", finish_reason="length", seconds=1.0), Response("b", finish_reason="stop", seconds=2.0)]
    response = joined(fit, responses)
    assert (response.finish_reason, response.seconds) == ("length", 3.0)


@pytest.mark.parametrize(
    ("beyond", "words"), [("cuts", "2 with their audio cut"), ("splits", "2 with their audio split")]
)
def test_results_count_the_samples_that_were_too_long(tmp_path: Path, beyond: Beyond, words: str) -> None:
    lengths = {"short": 1, "long": 4, "longer": 9}
    rows = []
    for name, seconds in lengths.items():
        call(tmp_path, name, seconds)
        rows.append({"id": name, "audio": f"{name}.wav", "text": name})
    manifest = write_jsonl(tmp_path / "manifest.jsonl", rows)
    words_of_run = ["task=librispeech_other", f"tasks.librispeech_other.dataset.path={manifest}", f"runs={tmp_path}"]
    config = compose_configuration([*words_of_run, "name=run", "model=predictions", "model.path=unused"])
    plan = plan_from_config(config, {"model": "predictions", "task": "librispeech_other"})
    listener = Listener(3, beyond)
    evaluate(replace(plan, models=specs_of({"model": listener})))
    rescore(tmp_path / "run")  # from what is stored
    run = read_run(tmp_path / "run")
    samples = run.tasks["librispeech_other"].samples
    assert (samples.audio_cut, samples.audio_split) == ((2, 0) if beyond == "cuts" else (0, 2))
    assert words in summary(run)


@pytest.mark.parametrize("wrong", [{"longest_audio": 0}, {"longest_audio": 30, "beyond": "ignores"}])
def test_limits_that_cannot_be_are_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        Capabilities(**wrong)
