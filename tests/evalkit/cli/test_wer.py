"""``evalkit wer``: every form of file it takes, and what it refuses."""

from pathlib import Path

import pytest

import evalkit
from evalkit.cli.main import main

FILES = {
    "lines.txt": "hello world\ngood day\n\nlast",
    "a.trn": "hello world (a_1)\ngood day (a_2)\n(a_3)\nlast (a_4)\n",
    "b.tsv": 'text\tid\nlast\ta_4\n"good day\ta_2\n\ta_3\nhello word\ta_1\n',
    "b.csv": 'id,text\na_1,"hello, word"\na_2,good day\na_3,\na_4,last\n',
    "b.jsonl": '{"id": "a_1", "text": "hello word"}\n\n{"id": "a_2", "text": "good day"}\n'
    '{"id": "a_3", "text": ""}\n{"id": "a_4", "text": "last"}\n',
    "other.txt": "hello word\r\ngood day\r\n\r\nlast\r\n",
    "kaldi": "a_1 hello word\na_4 last\na_3\na_2 good day\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(text.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("reference", "hypothesis", "options"),
    [
        ("lines.txt", "other.txt", []),
        ("a.trn", "b.tsv", []),
        ("a.trn", "b.csv", []),
        ("a.trn", "b.jsonl", []),
        ("a.trn", "kaldi", ["--ids"]),
    ],
)
def test_two_files_of_any_form(
    folder: Path, capsys: pytest.CaptureFixture[str], reference: str, hypothesis: str, options: list[str]
) -> None:
    assert main(["wer", str(folder / reference), str(folder / hypothesis), *options]) == 0
    rate = evalkit.error_rate(["hello world", "good day", "", "last"], ["hello word", "good day", "", "last"], "en")
    low, high = rate.confidence_interval()
    printed = capsys.readouterr().out
    assert f"WER 20.00 % [{100 * low:.2f}, {100 * high:.2f}]" in printed
    assert "1 substitutions, 0 deletions, 0 insertions, 5 reference units in 4 texts" in printed


def test_language_and_scheme(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "zh.txt").write_text("今天天气", encoding="utf-8")
    assert main(["wer", str(folder / "zh.txt"), str(folder / "zh.txt"), "--language", "zh", "--scheme", "raw"]) == 0
    assert "CER 0.00 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("h.trn", b"a b\n", "line 1: does not end with an id in parentheses"),
        ("h.trn", b"a (1)\nb (1)\n", "line 2: the id '1' stands in the file before"),
        ("h.tsv", b"id\twords\n", "needs one column 'text'"),
        ("h.tsv", b"id\ttext\na\tb\tc\n", "line 2: 3 fields under 2 columns"),
        ("h.jsonl", b'{"id": 1, "text": "a"}\n', "line 1: not an object with texts"),
        ("h.jsonl", b"{\n", "line 1: not JSON (Expecting"),
        ("h.txt", b"caf\xe9", "is not UTF-8"),
        ("h.txt", b"", "holds no texts"),
        ("h.txt", b"one\n", "lacks 3 of the texts of"),
    ],
)
def test_a_file_that_cannot_be_scored_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    assert main(["wer", str(folder / "lines.txt"), str(folder / name)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert len(printed.splitlines()) == 1
    assert main(["wer", str(folder / "absent"), str(folder / name)]) == 2
    assert "absent: cannot be read (No such file or directory)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("deep.jsonl", b"[" * 100_000, "deep.jsonl, line 1: not JSON that can be read (nested too deep)"),
        ("digits.jsonl", b'{"id":"a","text":"x","n":' + b"9" * 5000 + b"}", "digits.jsonl, line 1: not JSON that"),
        ("nul\0.txt", None, "cannot be read (embedded null byte)"),
        ("binary.txt", bytes(range(256)), "binary.txt: is not UTF-8"),
    ],
)
def test_a_hostile_file_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (folder / name).write_bytes(content)
    assert main(["wer", str(folder / "lines.txt"), str(folder / name), "--language=en"]) == 2
    assert message in capsys.readouterr().err


def test_a_field_may_be_longer_than_is_usual(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "long.csv").write_text(f"id,text\na,{'word ' * 30_000}\n")
    (folder / "short.csv").write_text("id,text\na,word word\n")
    assert main(["wer", str(folder / "short.csv"), str(folder / "long.csv"), "--language=en"]) == 0
    assert capsys.readouterr().err == ""
