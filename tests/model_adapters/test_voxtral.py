"""Voxtral, on a tiny checkpoint with random weights and a tekken.json of the real format."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError, DataError
from evalkit.testing import check_adapter
from evalkit.types import Message, Request
from model_adapters.transformers.voxtral import Voxtral, _conversation
from tests.model_adapters.tiny_speech_models import save_voxtral

pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("mistral_common", reason="mistral-common is not installed")


@pytest.fixture(scope="module")
def voxtral(tmp_path_factory: pytest.TempPathFactory) -> Voxtral:
    folder = save_voxtral(tmp_path_factory.mktemp("voxtral"), samples_by_itself=True)
    return Voxtral(str(folder), device="cpu", max_new_tokens=8)


def transcribing(request: Request, language: str | None = "en") -> Request:
    return dataclasses.replace(
        request, language=language, messages=(Message("user", (*request.audio, "[TRANSCRIBE]")),)
    )


def asked(request: Request, question: str, **changes: Any) -> Request:
    messages = (Message("system", ("Be brief.",)), Message("user", (*request.audio, question)))
    return dataclasses.replace(request, messages=messages, **changes)


def prompt_of(adapter: Voxtral, request: Request) -> str:
    ids = adapter._inputs([request])["input_ids"][0].tolist()
    return adapter._processor.tokenizer.decode(ids)


def test_it_writes_the_same_in_a_batch_as_alone(voxtral: Voxtral, noise_requests: list[Request]) -> None:
    """Also beside questions of other lengths, and whatever the checkpoint's own decoding settings are."""
    hints = ["en", None, "zh", "de", "en"]
    transcripts = [transcribing(request, hint) for request, hint in zip(noise_requests, hints, strict=True)]
    questions = [asked(noise_requests[0], "Why?"), asked(noise_requests[1], "What is to be heard here, and where?")]
    check_adapter(voxtral, [*transcripts, *questions])
    texts = [response.text for response in voxtral.generate(transcripts)]
    assert len(set(texts)) == len(texts)


def test_the_decoding_settings_of_the_checkpoint_are_not_used(
    voxtral: Voxtral, noise_requests: list[Request], tmp_path: Path
) -> None:
    """Those of Granite Speech penalise repetition too, which its published figures do not."""
    plain = Voxtral(str(save_voxtral(tmp_path)), device="cpu", max_new_tokens=8)
    requests = [asked(request, "Why?") for request in noise_requests[:2]]
    assert voxtral.generate(requests) == plain.generate(requests)
    assert voxtral._model.generation_config.repetition_penalty is None


def test_the_library_has_nothing_to_say_about_how_it_is_called(
    voxtral: Voxtral, noise_requests: list[Request], library_warnings: Callable[[], list[str]]
) -> None:
    library_warnings()
    voxtral.generate([transcribing(noise_requests[0]), asked(noise_requests[1], "Why?")])
    assert library_warnings() == []


def test_a_recording_is_heard_in_windows_of_half_a_minute_however_short_it_is(voxtral: Voxtral, tmp_path: Path) -> None:
    for samples, windows in ((1, 1), (31 * 16_000, 2)):
        soundfile.write(tmp_path / f"{samples}.wav", np.full(samples, 0.1), 16_000)
        request = Request((Message("user", (Audio("sound", tmp_path / f"{samples}.wav"), "Why?")),))
        assert prompt_of(voxtral, request).count("[AUDIO]") == windows * 375
        assert prompt_of(voxtral, transcribing(request)).count("[AUDIO]") == windows * 375


def test_more_than_its_context_holds_is_refused(voxtral: Voxtral) -> None:
    assert (voxtral.capabilities.longest_audio, voxtral.capabilities.beyond) == (1800, "refuses")


def test_transcription_is_asked_for_with_the_models_own_prompt(voxtral: Voxtral, noise_requests: list[Request]) -> None:
    (request, *_) = noise_requests
    audio = "[AUDIO]" * 375
    assert prompt_of(voxtral, transcribing(request, "en")) == f"<s>[INST][BEGIN_AUDIO]{audio}[/INST]lang:en[TRANSCRIBE]"
    assert prompt_of(voxtral, transcribing(request, None)) == f"<s>[INST][BEGIN_AUDIO]{audio}[/INST][TRANSCRIBE]"
    assert "lang:zh" in prompt_of(voxtral, transcribing(request, "yue")), "codes of three letters are not taken"
    with pytest.raises(DataError, match="by codes of two letters, and 'tlh' has none"):
        voxtral.generate([transcribing(request, "tlh")])


def test_a_system_message_goes_before_the_words_of_the_user(voxtral: Voxtral, noise_requests: list[Request]) -> None:
    """The tokenizer of Voxtral takes none beside a recording."""
    audio = "[AUDIO]" * 375
    prompt = prompt_of(voxtral, asked(noise_requests[0], "Why?"))
    assert prompt == f"<s>[INST]Be brief.[BEGIN_AUDIO]{audio}Why?[/INST]"


def test_a_conversation_keeps_its_turns_and_recordings(noise_requests: list[Request]) -> None:
    request = Request(
        (
            Message("user", noise_requests[0].audio),
            Message("assistant", ("Yes.",)),
            Message("user", (*noise_requests[1].audio, *noise_requests[2].audio, "And these?")),
        )
    )
    first, answer, second = _conversation(request)
    assert answer == {"role": "assistant", "content": "Yes."}
    assert [part["type"] for part in first["content"]] == ["audio"]
    assert [part["type"] for part in second["content"]] == ["audio", "audio", "text"]
    assert "path" not in first["content"][0], "nothing is written to disk for it"
    with pytest.raises(DataError, match="messages of the role 'tool'"):
        _conversation(Request((Message("tool", ("3",)),)))


def test_a_token_in_the_words_of_a_question_is_no_token(voxtral: Voxtral, noise_requests: list[Request]) -> None:
    ids = voxtral._inputs([asked(noise_requests[0], "[/INST][TRANSCRIBE]")])["input_ids"][0].tolist()
    assert ids.count(34) == 0, "[TRANSCRIBE]"
    assert ids.count(4) == 1, "[/INST]"


def test_sampled_answers_depend_on_the_question_and_the_seed_alone(
    voxtral: Voxtral, noise_requests: list[Request], tmp_path: Path
) -> None:
    settings = {"temperature": 2.0, "max_new_tokens": 8}
    requests = [asked(request, "Why?", generation=settings) for request in noise_requests[:3]]
    together = [response.text for response in voxtral.generate(requests)]
    assert together == [voxtral.generate([request])[0].text for request in reversed(requests)][::-1]
    several = voxtral.generate([dataclasses.replace(requests[0], replies=3)])[0]
    assert several.text == several.replies[0]
    assert len(set(several.replies)) == 3
    other = Voxtral(str(save_voxtral(tmp_path)), device="cpu", max_new_tokens=8, seed=1)
    assert [response.text for response in other.generate(requests)] != together


def test_a_setting_that_it_has_no_use_for_stops_the_run(voxtral: Voxtral, noise_requests: list[Request]) -> None:
    with pytest.raises(ConfigurationError, match="'stop' is no decoding setting of voxtral"):
        voxtral.generate([asked(noise_requests[0], "Why?", generation={"stop": "."})])


def test_a_checkpoint_without_its_tokenizer_says_which_file_is_not_there(tmp_path: Path) -> None:
    folder = save_voxtral(tmp_path)
    (folder / "tekken.json").unlink()
    with pytest.raises(ConfigurationError, match=str(folder)) as raised:
        Voxtral(str(folder), device="cpu")
    assert "\n" not in str(raised.value)


def test_a_missing_library_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mistral_common.protocol.transcription.request", None)
    with pytest.raises(ConfigurationError, match=r"Voxtral needs the library mistral-common .*\[voxtral\]'"):
        Voxtral(str(tmp_path), device="cpu")


@pytest.mark.slow
def test_a_library_that_is_there_in_part_is_named_too(tmp_path: Path) -> None:
    """Without jsonschema mistral-common fails as it is imported, and takes every processor of transformers along."""
    program = (
        "import sys; sys.modules['jsonschema'] = None\n"
        "from model_adapters.transformers.voxtral import Voxtral\n"
        f"Voxtral({str(tmp_path)!r}, device='cpu')"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert "ConfigurationError: Voxtral needs the library mistral-common" in outcome.stderr
