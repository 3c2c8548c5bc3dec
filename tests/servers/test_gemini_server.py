"""The strict server of Gemini's protocol converses with Google's own client, and refuses what that never sends."""

import io
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.servers.backends import Answer, Called
from tests.servers.gemini_server import MODEL, GeminiServer
from tests.servers.sound import encode_speech, tone


def _refused(server: GeminiServer, path: str, body: Any) -> int:
    request = urllib.request.Request(
        server.base_url + path, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    return error.value.code


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contents": []},
        {"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]},
        {"contents": [{"role": "user", "parts": [{"text": "a", "inlineData": None}]}], "temperature": 0},
        {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "audio/wav", "data": "data:,x"}}]}]},
        {"contents": [{"role": "user", "parts": [{"text": "a"}]}], "generationConfig": {"thinkingBudget": 0}},
        {"contents": [{"role": "user", "parts": [{"text": "a"}]}], "generationConfig": {"maxTokens": 3}},
    ],
)
def test_what_is_not_documented_is_refused(body: Any) -> None:
    with GeminiServer() as server:
        assert _refused(server, f"/v1beta/models/{MODEL}:generateContent", body) == 400
        assert _refused(server, f"/v1beta/models/{MODEL}:streamGenerateContent", body) == 404
    assert len(server.journal.violations) == 2


def test_googles_own_client_converses_with_it() -> None:
    genai = pytest.importorskip("google.genai")
    types = genai.types
    with GeminiServer(lambda request: Answer(("one two",), tool_calls=(Called("f", '{"a": 1}'),)), key="k") as server:
        client = genai.Client(
            api_key="k", vertexai=False, http_options=types.HttpOptions(base_url=server.base_url, api_version="v1beta")
        )
        sound = encode_speech(tone(0.1), "wav")
        config = types.GenerateContentConfig(
            temperature=0,
            max_output_tokens=9,
            thinking_config=types.ThinkingConfig(thinking_budget=0),
            safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="OFF")],
            tools=[types.Tool(function_declarations=[{"name": "f", "parameters_json_schema": {"type": "object"}}])],
        )
        contents = ["What?", types.Part.from_bytes(data=sound, mime_type="audio/wav")]
        answer = client.models.generate_content(model=MODEL, contents=contents, config=config)
        assert answer.text == "one two"
        assert answer.function_calls[0].args == {"a": 1}
        assert answer.usage_metadata.thoughts_token_count == 3
        assert answer.model_version == MODEL
        pieces = client.models.generate_content_stream(model=MODEL, contents=contents, config=config)
        assert "".join(piece.text or "" for piece in pieces) == "one two"
        file = client.files.upload(file=io.BytesIO(sound), config={"mime_type": "audio/wav"})
        assert file.state == "ACTIVE"
        assert client.models.generate_content(model=MODEL, contents=[file]).text == "one two"
        assert client.models.get(model=MODEL).version == "001"
        client.close()
    assert [str(violation) for violation in server.journal.violations] == []
