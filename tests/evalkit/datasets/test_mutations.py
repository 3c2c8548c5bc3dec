"""Manifests and stored answers with anything anywhere: samples that can be stored, or one error of ours."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.datasets import open_dataset
from evalkit.errors import EvalkitError
from model_adapters.stand_ins.predictions import Predictions

FORMS = {
    ".jsonl": b'{"id":"a","audio":"a.wav","text":"x","language":"en","duration":1.5,"speaker":"s"}\n'
    b'{"id":"b","audio":"b.wav"}\n',
    ".json": b'[{"id":"a","audio":"a.wav","text":"x"}]',
    ".csv": b'id,audio,text\na,a.wav,"x, y"\n',
    ".tsv": b"id\taudio\ttext\na\ta.wav\tx\n",
    ".trn": b"hello (a)\n",
    ".ctm": b"a A 0.5 0.25 hello 0.9\n",
    ".list": b'{"key":"a","wav":"a.wav","txt":"x"}\n',
}
PIECES = (
    *(b"null", b"5", b"-1", b"true", b"[]", b"{}", b"NaN", b"1e999", b"9" * 5_000, b"[" * 2_000, b'"', b"'", b"("),
    *(b"\xff", b"\0", b"\n", b"\r", b"\t", b",", b"\\ud83d", b"\xef\xbb\xbf", b"\x1b[2J", b"/dev/zero", b"../../x"),
)
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), st.sampled_from(PIECES)), min_size=1, max_size=4)


@pytest.mark.parametrize("suffix", FORMS)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=edits)
def test_any_bytes_are_samples_or_one_error(tmp_path: Path, suffix: str, edits: list[tuple[float, int, bytes]]) -> None:
    content = bytearray(FORMS[suffix])
    for where, removed, piece in edits:
        position = round(where * len(content))
        content[position : position + removed] = piece
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    try:
        for sample in open_dataset(path=str(path), language="en"):
            json.dumps(sample.to_json(), ensure_ascii=False, allow_nan=False).encode()
    except EvalkitError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right
    try:
        Predictions(path=str(path))
    except EvalkitError as error:
        assert str(path) in str(error)  # noqa: PT017
