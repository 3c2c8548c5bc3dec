"""What ``evalkit doctor`` says of served models."""

import os

import pytest

from tests.conftest import CommandLine


@pytest.mark.parametrize("key", [None, "", "sk-secret-of-doctor"])
def test_a_model_whose_key_is_absent_is_named_with_the_variable_that_is_to_hold_it(
    key: str | None, evalkit_command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "OPENAI_API_KEY" not in os.environ
    outcome = evalkit_command("doctor", env={} if key is None else {"OPENAI_API_KEY": key})
    assert outcome.returncode == 0, outcome.stderr
    state = {}
    for line in outcome.stdout.splitlines():
        name, _, rest = line.partition(" ")
        state.setdefault(name, rest.strip())
    for model in ("gpt_4o_mini", "gpt_4o_audio", "gpt_4o_transcribe"):
        if key:
            assert state[model] == "yes"
        else:
            assert (
                state[model] == "no: the environment variable OPENAI_API_KEY, which is to hold the API key, is not set"
            )
    assert state["openai_chat"] == "yes, give model.model=, model.base_url="
    assert state["qwen3_32b"] == "yes"
    assert state["openai"].startswith("aiohttp ")
    assert "sk-secret" not in outcome.stdout + outcome.stderr
