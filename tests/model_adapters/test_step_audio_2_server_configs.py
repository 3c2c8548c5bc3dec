"""The configurations of Step-Audio 2 behind its server, made as ``evalkit run`` makes them."""

import json
import subprocess
import sys

import pytest

from evalkit.run.composition import compose_configuration
from evalkit.run.plan import plan_from_config
from model_adapters.step_audio_2.served import StepAudio2Server
from tests.model_adapters.serving import Backend, ask, asking
from tests.servers.step_audio_server import StepAudioServer

NAMES = ("step_audio_2_mini_server", "step_audio_2_mini_think_server")


def _model(name: str, *overrides: str) -> StepAudio2Server:
    config = compose_configuration([f"model={name}", "task=demo_clean", *overrides])
    model = plan_from_config(config, {"model": name, "task": "demo_clean"}).models["model"].make()
    assert isinstance(model, StepAudio2Server)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_makes_a_model_that_writes(name: str) -> None:
    model = _model(name)
    fingerprint = dict(model.fingerprint())
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    assert fingerprint["thinking"] == ("think" in name)
    assert (model.capabilities.tools, model.capabilities.speech_output) == (True, False)


def test_nested_and_listed_settings_of_a_configuration_arrive_at_the_server() -> None:
    backend = Backend()
    with StepAudioServer(backend) as server:
        overrides = [f"model.base_url={server.base_url}", "+model.generation.stop=[a,b]", "+model.extra_body.top_k=3"]
        ask(_model(NAMES[0], *overrides), asking())
    assert server.journal.violations == []
    assert (backend.request.fields["stop"], backend.request.fields["top_k"]) == (["a", "b"], 3)


def test_a_model_that_only_writes_needs_no_heavy_library() -> None:
    code = (
        "import sys, model_adapters.step_audio_2.served as _; print({'torch', 'openai', 'aiohttp'} & set(sys.modules))"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert outcome.stdout == "set()\n", outcome.stderr
