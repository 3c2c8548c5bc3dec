"""That no secret is written: not from a configuration, not from an answer."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from evalkit.redaction import known_secrets, redacted, redacted_text, without_secrets
from evalkit.types import Failure, Response, ToolCall, Usage

KEY = "sk-proj-0123456789+/abcdefghij"


def cut(text: str) -> str:
    return redacted_text(text, (KEY,))


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "api-key",
        "x-api-key",
        "X-Goog-Api-Key",
        "Ocp-Apim-Subscription-Key",
        "X-Api-Access-Key",
        "token",
        "hf_token",
        "access_token",
        "secret",
        "client_secret",
        "password",
        "passwd",
        "auth",
        "Authorization",
        "bearer",
        "cookie",
        "Set-Cookie",
        "aws_credentials",
    ],
)
def test_what_stands_under_a_telling_name_is_cut_at_any_depth(name: str) -> None:
    for value in (KEY, 12345, {"user": "u", "pass": "p"}, [KEY]):
        record = {"model": {"extra_body": [{name: value, "user": "me"}]}}
        assert without_secrets(record) == {"model": {"extra_body": [{name: "(removed)", "user": "me"}]}}
    assert without_secrets({name: None}) == {name: None}


@pytest.mark.parametrize(
    "config",
    [
        {"max_new_tokens": 5, "stop_token_ids": [1], "tokens_per_minute": 9, "max_tokens_name": "max_tokens"},
        {"api_key_variable": "OPENAI_API_KEY", "api_key_file": "~/.key", "text_key": "text", "id_key": "id"},
        {"author": "a", "authors": ["b"], "keys": {"a": 1}, "key": "wer", "token2wav": "folder", "skip_auth": True},
        {"title": "Basic understanding", "question": "Is the bearer according to the basic principles unknown?"},
        {"base_url": "http://127.0.0.1:8000/v1", "mail": "someone@example.org", "n": 0.5, "none": None},
    ],
)
def test_what_only_looks_like_a_secret_is_kept(config: dict[str, Any]) -> None:
    assert without_secrets(config) == config


def test_headers_urls_and_known_secrets_are_cut_wherever_they_stand() -> None:
    config = {
        "extra_headers": {"X-Gateway": "anything", "Accept": "x"},
        "runtime_env": {"env_vars": {"MY_GATEWAY": "anything"}, "pip": ["ray"]},
        "url": "https://user:hunter2@host/v1?api_key=hunter2&page=2",
        "callback": "http://host/?sig=hunter2#part",
        "header": "Bearer hunter2hunter2",
        "other header": "authorization: basic dXNlcjpodW50ZXIy",
        "note": f"the key is {KEY.upper()}!",
        KEY: [KEY],
    }
    cleaned = without_secrets(config, (KEY,))
    assert "hunter2" not in str(cleaned)
    assert cleaned["other header"] == "authorization: basic (removed)"
    assert KEY.lower() not in str(cleaned).lower()
    assert cleaned["extra_headers"] == {"X-Gateway": "(removed)", "Accept": "(removed)"}
    assert cleaned["runtime_env"] == {"env_vars": {"MY_GATEWAY": "(removed)"}, "pip": ["ray"]}
    assert cleaned["url"] == "https://(removed)@host/v1?api_key=(removed)&page=2"


def test_the_keys_that_a_configuration_names_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    monkeypatch.setenv("SOME_KEY", KEY)
    config = {
        "model": {"api_key_variable": "SOME_KEY", "api_key_file": None},
        "judge": [{"api_key_file": str(tmp_path / "key")}, {"api_key_file": str(tmp_path / "none")}],
        "other": {"api_key_variable": "NOT_SET"},
    }
    assert known_secrets(config) == ("from-a-file", KEY)


def test_no_field_of_a_response_repeats_a_secret() -> None:
    entry = {"token": KEY, "logprob": -0.5, "top_logprobs": [{"token": f"x{KEY}", "bytes": list(KEY.encode())}]}
    response = Response(
        text=f"your key is {KEY}",
        failure=Failure("refused", f"no {KEY}"),
        tool_calls=(ToolCall(f"a{KEY}", f'{{"key": "{KEY}"}}', KEY),),
        replies=(KEY, "other"),
        finish_reason=KEY,
        logprobs=(entry,),
        tokens=f"<{KEY}>",
        notes=(f"usage is {KEY}",),
        answered_by=KEY,
        usage=Usage(requests=1),
    )
    cleaned = redacted(response, cut)
    assert KEY not in json.dumps(cleaned.to_json())
    assert cleaned.text == "your key is (key removed)"
    assert cleaned.logprobs == ()
    assert cleaned.usage == response.usage


def test_a_secret_that_log_probabilities_spell_in_pieces_takes_them_with_it() -> None:
    logprobs = tuple({"token": piece, "logprob": -1.0} for piece in (KEY[:5], KEY[5:]))
    assert redacted(Response(text="fine", logprobs=logprobs), cut).logprobs == ()


def test_an_answer_without_a_secret_is_left_as_it_is() -> None:
    response = Response(text="EMPTY", logprobs=({"token": "EMPTY", "bytes": [1]},))
    assert redacted(response, cut) is response
    assert redacted_text("EMPTY", ("EMPTY", "")) == "EMPTY"  # a placeholder, not a key
    assert redacted_text(f"a {KEY} b", (KEY,)) == "a (key removed) b"


@pytest.mark.parametrize(
    "repeated",
    [
        KEY,
        KEY.upper(),
        base64.b64encode(KEY.encode()).decode(),
        KEY[:9] + "\u200b" + KEY[9:],
        KEY[:12] + " " + KEY[12:],
        "".join(f"\\u{ord(character):04X}" for character in KEY),
        "".join(f"%{ord(character):02X}" for character in KEY),
        quote(KEY, safe=""),
        KEY.encode().hex(),
    ],
)
def test_a_key_is_known_in_whatever_form_a_server_repeats_it(repeated: str) -> None:
    assert redacted_text(f"your key is {repeated}.", [KEY]) == "your key is (key removed)."


@pytest.mark.parametrize("before", ["Bearer ", "x", "ab"])
def test_a_key_within_what_is_written_in_base64_is_cut_out(before: str) -> None:
    left = redacted_text(base64.b64encode(f"{before}{KEY}, it was".encode()).decode(), [KEY])
    assert "(key removed)" in left
    known = left.replace("(key removed)", "A" * 40)
    assert KEY[3:-3].encode() not in base64.b64decode(known[: len(known) // 4 * 4])


def test_a_key_whose_end_is_starred_is_cut_and_words_are_not() -> None:
    assert redacted_text(f"{KEY[:-4]}****", [KEY]) == "(key removed)****"
    assert redacted_text("I pass word by word; sk-proj- is a prefix", [KEY, "password"]) == (
        "I pass word by word; sk-proj- is a prefix"
    )
