"""Files of answers: formats, and everything that can be wrong with them."""

from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError
from evalkit.types import Request
from model_adapters.stand_ins.predictions import Predictions


def answers(adapter: Predictions, *sample_ids: str, task: str = "") -> list[str | None]:
    """The texts given for samples; None where the response failed."""
    requests = [Request((), task=task, sample_id=sample_id) for sample_id in sample_ids]
    return [None if response.failed else response.text for response in adapter.generate(requests)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("answers.jsonl", '{"id": "a", "text": "zwölf, oder?"}\n\n{"text": "", "id": "b", "score": 1}\n'),
        ("answers.csv", 'score,id,text\n1,a,"zwölf, oder?"\n2,b,\n'),
        ("answers.tsv", "id\ttext\r\na\tzwölf, oder?\r\n\r\nb\t\r\n"),
        ("text", "a zwölf, oder?\nb\n\n"),
        ("hypotheses.txt", "a  zwölf, oder? \r\nb \n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_formats(tmp_path: Path, name: str, content: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    assert answers(Predictions(str(path)), "b", "a") == ["", "zwölf, oder?"]


def test_a_quoted_field_may_hold_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text('id,text\na,"one\ntwo"\nb,three\nb,four\n')
    with pytest.raises(ConfigurationError, match=r"answers\.csv: id 'b' stands in line 4 and in line 5"):
        Predictions(str(path))


def test_key_names_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"utterance": "a", "hypothesis": "yes", "text": "no"}\n')
    adapter = Predictions(str(path), id_key="utterance", text_key="hypothesis")
    assert answers(adapter, "a") == ["yes"]


def test_a_sample_without_an_answer_gets_a_failed_response_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a yes\n")
    responses = Predictions(str(path)).generate([Request((), sample_id="a"), Request((), sample_id="z")])
    assert [response.error for response in responses] == [None, f"no prediction for z in {path}"]


def test_each_task_has_its_own_file(tmp_path: Path) -> None:
    for task in ("clean", "other"):
        (tmp_path / task).mkdir()
        (tmp_path / task / "text").write_text(f"a said in {task}\n")
    adapter = Predictions(str(tmp_path / "{task}" / "text"))
    assert answers(adapter, "a", task="other") == ["said in other"]
    assert answers(adapter, "a", task="clean") == ["said in clean"]
    with pytest.raises(ConfigurationError, match="absent/text: cannot be read"):
        answers(adapter, "a", task="absent")


@pytest.mark.parametrize("name", ["absent.jsonl", "{task}.jsonl"])
def test_a_missing_file_is_found_out_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no such file of predictions"):
        Predictions(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', "id 'a' stands in line 1 and in line 2"),
        ("a.jsonl", b'{"id": "a", "text": "x"}\nnonsense\n', "line 2: not a JSON object"),
        ("a.jsonl", b"[1, 2]\n", "line 1: not a JSON object"),
        ("a.jsonl", b'{"id": "a", "txt": "x"}\n', "line 1: no text under the key 'text'; its keys are id, txt"),
        ("a.jsonl", b'{"id": "a", "text": null}\n', "line 1: no text under the key 'text'"),
        ("a.jsonl", b'{"id": 7, "text": "x"}\n', "line 1: no text under the key 'id'"),
        ("a.jsonl", b'{"id": "a", "text": "x"}\n{"id": "b", "text": "\xe9"}\n', "line 2: not UTF-8"),
        ("a.csv", b"id,txt\na,x\n", "needs one column 'text'; its columns are id, txt"),
        ("a.csv", b"id,text,text\na,x,y\n", "needs one column 'text'"),
        ("a.csv", b"", "needs one column 'id'"),
        ("a.csv", b"id,text\na,x,y\n", "line 2: 3 fields under 2 columns"),
        ("a.csv", b'id,text\na,"x\n', "line 2: unexpected end of data"),
        ("a.tsv", b"id\ttext\na\t\xff\n", "line 2: not UTF-8"),
        ("text", b"a x\nb y\na z\n", "id 'a' stands in line 1 and in line 3"),
    ],
)
def test_a_malformed_file_is_reported_with_name_and_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as raised:
        Predictions(str(path))
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "clean.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n')
    before = Predictions(str(tmp_path / "{task}.jsonl")).fingerprint()
    path.write_text('{"id": "a", "text": "y"}\n')
    assert Predictions(str(tmp_path / "{task}.jsonl")).fingerprint() != before


def test_no_audio_is_decoded() -> None:
    assert Predictions.capabilities.sample_rate is None
