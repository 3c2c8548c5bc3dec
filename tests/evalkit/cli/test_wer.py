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
    "c.ctm": ";; a remark\na_1 A 0.6 0.2 word 0.9\n\na_1 A 0.1 0.4 hello\n"
    "a_2 A 0 1 good\na_2 A 1 1 day\na_4 1 0 1 last\n",
    "c.trn": ";; a remark\nhello world (a_1)\ngood day (a_2)\nlast (a_4)\n",
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


def test_words_with_times_are_put_in_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wer", str(folder / "c.trn"), str(folder / "c.ctm")]) == 0
    assert "1 substitutions, 0 deletions, 0 insertions, 5 reference units in 3 texts" in capsys.readouterr().out


def test_errors_are_counted_as_sclite_counts_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "r.trn").write_text("a b (1)\n")
    (folder / "h.trn").write_text("b c (1)\n")
    for options, counts in (
        ([], "2 substitutions, 0 deletions, 0 insertions"),
        (["--alignment=sclite"], "0 substitutions, 1 deletions, 1 insertions"),
    ):
        assert main(["wer", str(folder / "r.trn"), str(folder / "h.trn"), *options]) == 0
        printed = capsys.readouterr().out
        assert counts in printed
        assert ("alignment sclite" in printed) == bool(options)


def test_language_and_scheme(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "zh.txt").write_text("今天天气", encoding="utf-8")
    assert main(["wer", str(folder / "zh.txt"), str(folder / "zh.txt"), "--language", "zh", "--scheme", "raw"]) == 0
    assert "CER 0.00 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("h.trn", b"a b\n", "line 1: not of the form `words (id)`"),
        ("h.trn", b"a { um / uh } b (1)\n", "line 1: has alternatives in braces"),
        ("h.ctm", b"7654 A 1.0 0.2 YES\n7654 A x 0.2 YOU\n", "line 2: not of the form `recording channel start"),
        ("h.ctm", b"7654 A * * <ALT_BEGIN>\n", "line 1: has alternatives"),
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
