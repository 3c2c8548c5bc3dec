"""Files of answers: formats, and everything that can be wrong with them."""

from pathlib import Path

import pytest

from evalkit.datasets import Manifest
from evalkit.errors import ConfigurationError, DataError
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
        ("answers.json", '[{"id": "a", "text": "zwölf, oder?"}, {"id": "b", "text": ""}]'),
        ("answers.json", '{"id": "a", "text": "zwölf, oder?"}\n{"id": "b", "text": ""}\n'),
        (
            "nemo.json",
            '{"audio_filepath": "/x/a.wav", "text": "reference", "pred_text": "zwölf, oder?"}\n'
            '{"audio_filepath": "/x/b.wav", "text": "reference", "pred_text": ""}\n',
        ),
        ("answers.trn", "zwölf, oder? (a)\n(b)\n"),
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
    with pytest.raises(DataError, match=r"answers\.csv line 5: id 'b' was already used at .*answers\.csv line 4"):
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
    with pytest.raises(DataError, match="absent/text: cannot be opened"):
        answers(adapter, "a", task="absent")


@pytest.mark.parametrize("name", ["absent.jsonl", "{task}.jsonl"])
def test_a_missing_file_is_found_out_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no such file of predictions"):
        Predictions(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', "line 2: id 'a' was already used at"),
        ("a.jsonl", b'{"id": "a", "text": "x"}\nnonsense\n', "line 2: not JSON"),
        ("a.jsonl", b"[1, 2]\n", "line 1: not a JSON object"),
        ("a.jsonl", b'{"id": "a", "texts": "x"}\n', "line 1: no answer under 'pred_text' or "),
        ("a.jsonl", b'{"id": "a", "text": null}\n', "line 1: 'text' is None, not a text"),
        ("a.jsonl", b'{"id": true, "text": "x"}\n', "line 1: the id is True"),
        (
            "a.jsonl",
            b'{"name": "a", "text": "x"}\n',
            "line 1: no id under 'id' (there are name",
        ),
        (
            "a.jsonl",
            b'{"id": "a", "text": "x"}\n{"id": "b", "text": "\xe9"}\n',
            "line 2: byte 22 of the line",
        ),
        ("a.csv", b"id,answer\na,x\n", "line 2: no answer under"),
        ("a.csv", b"id,text,text\na,x,y\n", "line 1: the column 'text' is there 2 times"),
        ("a.csv", b"id,text\na,x,y\n", "line 2: 3 fields, but the header names 2"),
        ("a.csv", b'id,text\na,"x\n', "line 2: unexpected end of data"),
        ("a.tsv", b"id\ttext\na\t\xff\n", "line 2: byte 3 of the line (0xff) is not UTF-8"),
        ("a.trn", b"words (a)\nwords\n", "line 2: not of the form"),
        ("text", b"a x\nb y\na z\n", "line 3: id 'a' was already used at"),
    ],
)
def test_a_malformed_file_is_reported_with_name_and_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
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


def test_nothing_is_quoted_in_a_tsv(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('id\ttext\nu0\t"hello there\nu1\tgood morning all\nu2\t"Hello," he said\n')
    assert answers(Predictions(str(path)), "u0", "u1", "u2") == ['"hello there', "good morning all", '"Hello," he said']


@pytest.mark.parametrize("separator", [",", "\t"])
def test_an_answer_may_be_as_long_as_it_likes_and_an_id_a_number(tmp_path: Path, separator: str) -> None:
    path = tmp_path / ("a.csv" if separator == "," else "a.tsv")
    path.write_text(f"id{separator}text\n7{separator}{'so ' * 70_000}x\n")
    assert answers(Predictions(str(path)), "7") == ["so " * 70_000 + "x"]
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 7, "text": "x"}\n')
    assert answers(Predictions(str(path)), "7") == ["x"]


def test_a_manifest_and_its_answers_are_known_by_the_same_ids(tmp_path: Path) -> None:
    for name, content in (
        ("a.jsonl", '{"audio": "x/b.1.wav", "text": "one"}\n{"id": 2, "audio": "y.wav", "text": "two"}\n'),
        ("a.csv", "id,file_name,text\nb.1,x/b.1.wav,one\n2,y.wav,two\n"),
    ):
        (tmp_path / name).write_text(content)
        ids = [sample.id for sample in Manifest(tmp_path / name)]
        assert ids == ["b.1", "2"]
        assert answers(Predictions(str(tmp_path / name)), *ids) == ["one", "two"]


def test_ids_that_match_nothing_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "answers"
    path.write_text("utt1.wav one\nutt2.wav two\nu3 three\nu4 four\nu5 five\n")
    adapter = Predictions(str(path))
    first, *_ = adapter.generate([Request((), sample_id=name) for name in ("utt1", "utt2", "u3")])
    assert first.error == f"no prediction for utt1 in {path}, did you mean 'utt1.wav'?"
    adapter.close()
    assert "answers: 4 of its 5 ids are of no sample asked: utt1.wav, utt2.wav, u4, …" in capsys.readouterr().err
    adapter = Predictions(str(path))
    answers(adapter, "u3")
    adapter.close()
    assert capsys.readouterr().err == "", "a part was chosen, and all of it was found"


def test_no_audio_is_decoded() -> None:
    assert Predictions.capabilities.sample_rate is None
