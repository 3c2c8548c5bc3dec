"""Answers held in a temporary file: found again whatever they are, in little memory."""

import tempfile
import tracemalloc
from pathlib import Path

import pytest

from evalkit.errors import ConfigurationError
from model_adapters.stand_ins import answer_file
from model_adapters.stand_ins.answer_file import AnswerFile


def test_every_answer_is_found_again_as_it_was() -> None:
    answers = {
        "a": "",
        "ü b": "zwölf\nZeilen\u2028",
        "c\ud800": "half of a pair \udc00",
        "": "no id",
        "d" * 9_000: "x" * 70_000,
    }
    held = AnswerFile(answers.items())
    assert {identity: held.get(identity) for identity in reversed(answers)} == answers
    assert held.get("A") is None
    assert (len(held), list(held), held.twice) == (len(answers), list(answers), None)


def test_memory_does_not_grow_with_the_length_of_answers() -> None:
    tracemalloc.start()
    try:
        held = AnswerFile((f"utterance-{number}", f"{number} " * 2_000) for number in range(2_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held.get("utterance-1999") == "1999 " * 2_000
    assert peak < 1_000_000, "20 MB of answers are in memory"


def test_ids_whose_hashes_are_equal_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_file, "hash", lambda _: 7, raising=False)
    held = AnswerFile([("a", "one"), ("b", "two"), ("c", "three")])
    assert [held.get(identity) for identity in "cabd"] == ["three", "one", "two", None]
    assert held.twice is None
    assert AnswerFile([("a", "1"), ("b", "2"), ("c", "3"), ("b", "4"), ("a", "5")]).twice == "b"


def test_what_was_not_asked_for_is_told_in_the_order_of_the_file() -> None:
    held = AnswerFile((identity, "") for identity in "gcafbed")
    for identity in "fg":
        held.get(identity)
    assert held.not_asked(3) == (5, ["c", "a", "b"])


def test_a_folder_that_takes_no_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(ConfigurationError, match=r"absent: answers cannot be kept there .*No such file.* set TMPDIR"):
        AnswerFile([("a", "one")])
