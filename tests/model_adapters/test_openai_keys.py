"""Where a key comes from, and that it goes nowhere but to the server."""

import logging
from pathlib import Path
from typing import Any

import pytest

from evalkit.audio import Audio
from evalkit.cli.main import main
from evalkit.errors import ConfigurationError, PermanentError, TransientError
from evalkit.types import Response
from model_adapters.openai.models import ChatModel, TranscriptionModel
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, ask_raw, asking, http, outcomes
from tests.servers.faults import Fault, scripted_faults
from tests.servers.openai_server import OpenAIServer

KEY = "sk-proj-0123456789abcdefghij"
COMPLETION = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("source", ["variable", "file", "none"])
def test_the_key_comes_from_the_environment_or_a_file(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings: dict[str, Any] = {}
    if source == "variable":
        monkeypatch.setenv("SOME_KEY", f" {KEY}\n")
        settings = {"api_key_variable": "SOME_KEY"}
    elif source == "file":
        (tmp_path / "key").write_text(f"{KEY}\n")
        settings = {"api_key_file": str(tmp_path / "key")}
    backend = Backend()
    with OpenAIServer(backend) as server:
        ask(ChatModel("m", server.base_url, **settings), asking())
    assert backend.request.headers["authorization"] == ("Bearer none" if source == "none" else f"Bearer {KEY}")


def test_a_key_in_the_environment_that_no_configuration_names_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.setenv(name, KEY)
    for version in (None, "2025-01-01-preview"):
        outcome, server = ask_raw(http(COMPLETION), lambda url: ChatModel("m", url, azure_api_version=version))  # noqa: B023
        assert isinstance(outcome, Response)
        assert KEY not in server.heads[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("model=gpt_audio",),
        ("model=gemini_2_5_flash",),
        ("model=step_audio_2",),
        ("model=deepgram_nova_3",),
        ("model=openai_realtime", "model.base_url=http://127.0.0.1:1/v1", "model.model=m"),
    ],
)
def test_a_decoding_setting_that_cannot_be_is_told_before_a_key_is_missed(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    run = ["run", *words, "model.api_key_variable=NO_KEY", "task=demo_clean", "limit=1", f"runs={tmp_path}"]
    assert main([*run, "model.generation.temprature=1"]) == 2
    assert "temprature" in (said := capsys.readouterr().err)
    assert "no API key" not in said
    assert main(run) == 2
    assert "no API key: set the environment variable NO_KEY" in capsys.readouterr().err


@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_a_key_that_is_not_there_is_missed_at_once(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(ConfigurationError, match="no API key: set the environment variable SOME_KEY, or name another"):
        ChatModel("m", "http://127.0.0.1/v1", api_key_variable="SOME_KEY")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"key: cannot be read \(No such file or directory\)"),
        (b"\n", "key: is empty"),
        (b"\xff\xfe\x00", "key: is not text"),
        (f"OPENAI_API_KEY={KEY}\nOTHER=1".encode(), "key: must hold the key and nothing else, on one line"),
        (f"Bearer {KEY}".encode(), "key: must hold the key and nothing else, on one line"),
        (f"{KEY}…".encode(), "key: must hold the key and nothing else, on one line"),
    ],
)
def test_a_file_that_holds_no_key_is_refused_and_not_quoted(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as refusal:
        ChatModel("m", "http://127.0.0.1/v1", api_key_file=str(path))
    assert KEY not in str(refusal.value)


def test_a_key_that_does_not_fit_into_a_header_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", f"{KEY}\nX-Other: 1")
    with pytest.raises(ConfigurationError, match="variable SOME_KEY: must hold the key and nothing else") as refusal:
        ChatModel("m", "http://127.0.0.1/v1", api_key_variable="SOME_KEY")
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize("setting", ["api_key_variable", "api_key_file"])
def test_a_key_in_the_place_of_its_name_is_not_quoted(setting: str) -> None:
    settings: dict[str, Any] = {setting: KEY}
    with pytest.raises(ConfigurationError, match=setting) as refusal:
        ChatModel("m", "http://127.0.0.1/v1", **settings)
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize("stream", [False, True])
def test_the_key_is_in_no_message_representation_or_log_even_if_the_server_repeats_it(
    stream: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "aiohttp.client", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    plan = [
        Fault.TOO_MANY,
        Fault.SERVER_ERROR,
        Fault.BAD_GATEWAY,
        Fault.RESET_BEFORE,
        Fault.RESET_MIDWAY,
        Fault.MALFORMED_JSON,
        Fault.HTML_PAGE,
        Fault.WRONG_SCHEMA,
    ]
    path = sorted((DEMO_SPEECH / "audio").iterdir())[0]
    messages = []
    for key in (KEY, "sk-another"):
        with OpenAIServer(Backend(), key=key, faults=scripted_faults(plan)) as server:
            chat = ChatModel("m", server.base_url, stream=stream, api_key_variable="SOME_KEY")
            recogniser = TranscriptionModel("m", server.base_url, api_key_variable="SOME_KEY")
            for model, request in ((chat, asking()), (recogniser, asking(Audio("a", path)))):
                for outcome in outcomes(model, *[request] * (len(plan) if model is chat and key == KEY else 2)):
                    messages += [str(outcome), repr(outcome)]
                    if isinstance(outcome, Exception):
                        messages += [str(outcome.args), str(vars(outcome))]
                assert KEY not in repr(model) + repr(model.fingerprint()) + str(model.limits)
    assert len(messages) > 40
    assert [text for text in messages if KEY in text] == []
    assert any("(key removed)" in text for text in messages)
    assert caplog.records
    for record in caplog.records:
        assert KEY not in record.getMessage() + repr(record.args) + str(record.exc_text), record.name


@pytest.mark.parametrize("make", [ChatModel, TranscriptionModel])
def test_no_part_of_a_repeated_key_is_left_where_a_message_is_cut(
    make: type[ChatModel] | type[TranscriptionModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    echo = KEY * 100  # wherever it is cut, it is within a key
    request = asking(Audio("a", sorted((DEMO_SPEECH / "audio").iterdir())[0]))
    for answer in (
        http({"status": echo}),
        http({"error": {"message": echo}}, 500),
        http({"detail": echo}, 400),
        http(echo.encode(), 200, "text/html"),
    ):
        failure, _ = ask_raw(answer, lambda url: make("m", url, api_key_variable="SOME_KEY"), request)
        assert isinstance(failure, TransientError | PermanentError)
        assert "(key removed)(key removed)" in str(failure)
        assert "sk-" not in str(failure)
        assert len(str(failure)) < 600


def test_the_key_is_not_part_of_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    model = ChatModel("m", "http://127.0.0.1:8000/v1", api_key_variable="SOME_KEY")
    assert KEY not in str(model.fingerprint())
    assert model.redact(f"a {KEY} b {KEY}") == "a (key removed) b (key removed)"
    assert ChatModel("m", "http://127.0.0.1:8000/v1").redact("unchanged") == "unchanged"
