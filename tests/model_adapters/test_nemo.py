"""Parakeet and Canary, on tiny checkpoints with random weights."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.errors import ConfigurationError, DataError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request
from model_adapters.transformers.nemo import Canary, Parakeet
from tests.model_adapters.conftest import asking
from tests.model_adapters.tiny_speech_models import save_canary, save_parakeet

pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.fixture(scope="module")
def parakeets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parakeet]:
    folder = tmp_path_factory.mktemp("parakeets")
    return {
        kind: Parakeet(str(save_parakeet(folder / kind, kind)), device="cpu", batch_size=4)
        for kind in ("ctc", "rnnt", "tdt")
    }


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Canary:
    return Canary(str(save_canary(tmp_path_factory.mktemp("canary"))), device="cpu", max_new_tokens=40)


def english(requests: list[Request]) -> list[Request]:
    return [dataclasses.replace(request, language="en") for request in requests]


def into(request: Request, *words: str) -> Request:
    """The same request with texts beside the recording."""
    (message,) = request.messages
    return dataclasses.replace(request, messages=(Message("user", (*message.content, *words)),))


@pytest.mark.parametrize("kind", ["ctc", "rnnt", "tdt"])
def test_a_parakeet_writes_the_same_in_a_batch_as_alone(
    parakeets: dict[str, Parakeet], noise_requests: list[Request], kind: str
) -> None:
    check_adapter(parakeets[kind], noise_requests)
    texts = [response.text for response in parakeets[kind].generate(noise_requests)]
    assert len(set(texts)) == len(texts)
    assert not any("<" in text for text in texts), "blanks and other special tokens are no text"


def test_the_library_has_nothing_to_say_about_how_they_are_called(
    parakeets: dict[str, Parakeet],
    canary: Canary,
    noise_requests: list[Request],
    library_warnings: Callable[[], list[str]],
) -> None:
    """Such as that no bound on the tokens was given, and that its own may be too low."""
    library_warnings()
    for adapter in (*parakeets.values(), canary):
        adapter.generate(english(noise_requests[:2]))
    assert library_warnings() == []


@pytest.mark.parametrize("kind", ["rnnt", "tdt"])
def test_the_batches_of_a_transducer_would_change_its_answers_as_the_library_makes_them(
    parakeets: dict[str, Parakeet], noise_requests: list[Request], kind: str
) -> None:
    """Guards the test before: the tiny models do go on beyond a recording's end, or take durations for tokens."""
    import torch

    adapter = parakeets[kind]
    waveforms = [request.audio[0].waveform(16_000) for request in noise_requests]
    inputs = adapter._processor(waveforms, sampling_rate=16_000)
    expected = [response.text for response in adapter.generate(noise_requests)]
    with torch.inference_mode():
        try:
            tokens = adapter._model.generate(**inputs).sequences
        except IndexError:  # the embedding of a token that is none
            assert kind == "tdt"
            return
    blank = adapter._model.config.blank_token_id
    kept = tokens.masked_fill(tokens == blank, adapter._model.config.pad_token_id)
    plain = [text.strip() for text in adapter._processor.batch_decode(kept, skip_special_tokens=True)]
    assert plain != expected
    assert [text[: len(own) - 1] for text, own in zip(plain, expected, strict=True)] == [own[:-1] for own in expected]


def test_double_letters_survive_ctc(parakeets: dict[str, Parakeet]) -> None:
    """What is repeated without a blank between is one letter, and what has one is two."""
    processor = parakeets["ctc"]._processor
    letter, pad = processor.tokenizer.convert_tokens_to_ids("l"), processor.tokenizer.pad_token_id
    assert processor.batch_decode([[letter, letter, pad, letter, pad]], skip_special_tokens=True) == ["ll"]


def test_a_recording_too_short_for_a_frame_is_answered(parakeets: dict[str, Parakeet], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "click.wav", np.full(40, 0.1), 16_000)
    for adapter in parakeets.values():
        (response,) = adapter.generate([asking(tmp_path / "click.wav")])
        assert not response.failed


def test_languages_are_declared_where_they_are_known(tmp_path: Path) -> None:
    adapter = Parakeet(str(save_parakeet(tmp_path, "ctc")), device="cpu", languages=["en"])
    assert adapter.capabilities.languages == frozenset({"en"})


def test_a_canary_writes_the_same_in_a_batch_as_alone(canary: Canary, noise_requests: list[Request]) -> None:
    requests = [*english(noise_requests), into(english(noise_requests)[0], "German")]
    check_adapter(canary, requests)
    texts = [response.text for response in canary.generate(requests)]
    assert not any("<|" in text for text in texts), "the prompt is cut off"


def test_a_canary_is_told_both_languages_by_name_or_code(canary: Canary, noise_requests: list[Request]) -> None:
    (request, *_) = english(noise_requests)
    german = dataclasses.replace(request, language="de-AT")
    transcript, translation, by_code = canary.generate([request, into(request, "German"), into(request, "de")])
    assert transcript.text != translation.text == by_code.text
    assert canary.generate([german])[0].text != canary.generate([into(german, "English")])[0].text


def test_an_answer_that_ends_is_told_from_one_that_is_cut(canary: Canary, noise_requests: list[Request]) -> None:
    responses = canary.generate(english(noise_requests))
    assert all(response.usage is not None and response.usage.output_tokens <= 40 for response in responses)
    for response in responses:
        assert response.usage is not None
        assert (response.finish_reason == "length") == (response.usage.output_tokens == 40)


def test_a_canary_never_writes_more_than_its_decoder_has_positions(
    tmp_path: Path, noise_requests: list[Request]
) -> None:
    adapter = Canary(str(save_canary(tmp_path)), device="cpu", max_new_tokens=10_000)
    assert not any(response.failed for response in adapter.generate(english(noise_requests)))


def test_a_canary_says_what_it_cannot_be_asked(canary: Canary, noise_requests: list[Request]) -> None:
    assert canary.capabilities.languages is not None
    assert len(canary.capabilities.languages) == 25
    assert canary.capabilities.refusal(noise_requests[0], "zh") == "does not take the language 'zh'"
    with pytest.raises(DataError, match="must be told the language that is spoken.*language_hint: true"):
        canary.generate(noise_requests[:1])
    (request, *_) = english(noise_requests)
    with pytest.raises(DataError, match="knows no language 'Chinese'; it knows bg, "):
        canary.generate([into(request, "Chinese")])
    with pytest.raises(DataError, match="one language beside the recording, not 2 texts"):
        canary.generate([into(request, "German", "please")])


def test_punctuation_is_a_setting_and_part_of_the_fingerprint(tmp_path: Path, noise_requests: list[Request]) -> None:
    folder = str(save_canary(tmp_path))
    with_signs, without = (Canary(folder, device="cpu", max_new_tokens=20, punctuation=on) for on in (True, False))
    assert with_signs.fingerprint() != without.fingerprint()
    requests = english(noise_requests)
    assert with_signs.generate(requests) != without.generate(requests)


def test_checkpoints_of_other_kinds_and_without_weights_are_refused(tmp_path: Path) -> None:
    folder = save_parakeet(tmp_path / "ctc", "ctc")
    with pytest.raises(ConfigurationError, match="of type 'parakeet_ctc' is not for this adapter, which takes canary"):
        Canary(str(folder), device="cpu")
    import safetensors.torch

    weights = safetensors.torch.load_file(folder / "model.safetensors")
    del weights["ctc_head.bias"]
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigurationError, match=r"no trained weights for ctc_head\.bias"):
        Parakeet(str(folder), device="cpu")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    with pytest.raises(ConfigurationError, match="of type 'whisper' is not for this adapter"):
        Parakeet(str(tmp_path), device="cpu")
