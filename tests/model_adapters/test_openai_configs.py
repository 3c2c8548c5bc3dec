"""The configurations of served models, made as ``evalkit run`` makes them."""

import json

import pytest

from evalkit.audio import Audio
from tests.conftest import DEMO_SPEECH
from tests.model_adapters.serving import Backend, ask, asking, configured
from tests.servers.openai_server import OpenAIServer

NAMES = (
    *("openai_chat", "openai_transcription", "gpt_4o_audio", "gpt_4o_mini", "gpt_4o_transcribe", "gpt_transcribe"),
    "qwen3_32b",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_makes_a_model_whose_fingerprint_is_json(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    generic = ["model.model=m", "model.base_url=http://127.0.0.1:1/v1"] if name.startswith("openai") else []
    model = configured(name, *generic)
    fingerprint = dict(model.fingerprint())
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    assert "sk-x" not in str(fingerprint)
    assert (model.prices is not None) == name.startswith("gpt")


def test_nested_and_listed_settings_of_a_configuration_arrive_at_the_server() -> None:
    backend = Backend()
    with OpenAIServer(backend, vllm=True) as server:
        model = configured("qwen3_32b", "+model.generation.stop=[a,b]", base_url=server.base_url)
        ask(model, asking())
    assert server.journal.violations == []
    assert backend.request.fields["chat_template_kwargs"] == {"enable_thinking": False}
    assert backend.request.fields["stop"] == ["a", "b"]


def test_the_configuration_of_gpt_transcribe_asks_as_its_documentation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    backend = Backend()
    with OpenAIServer(backend) as server:
        path = sorted((DEMO_SPEECH / "audio").iterdir())[0]
        model = configured("gpt_transcribe", base_url=server.base_url)
        ask(model, asking(Audio(path.name, path), language="en"))
    assert server.journal.violations == []
    assert backend.request.fields == {"model": "gpt-transcribe", "response_format": "json", "languages[]": ["en"]}
