"""What a configuration says, held against what a class takes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import pytest

from evalkit.arguments import check_arguments
from evalkit.datasets.dataset import Dataset
from evalkit.errors import ConfigurationError
from tests.conftest import CommandLine


class Common(TypedDict, total=False):
    title: str


class Base:
    def __init__(self, *, dataset: Dataset | None = None, **common: Unpack[Common]) -> None: ...


class Task(Base):
    def __init__(
        self,
        language: str = "en",
        limit: int | None = None,
        rate: float = 1.0,
        path: str | Path = "",
        mode: Literal["text", "speech"] = "text",
        schemes: Sequence[str] = (),
        place: Mapping[str, str] | None = None,
        quick: bool = False,
        notify: Callable[[str], None] = print,
        anything: Any = None,
        **settings: Any,
    ) -> None: ...


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("language", None, "null must be a text"),
        ("language", 3, "3 must be a text, which a number is in quotes: \"'3'\""),
        ("limit", "many", "'many' must be a whole number or null"),
        ("limit", 1.5, "1.5 must be a whole number or null"),
        ("limit", True, "True must be a whole number or null"),
        ("rate", "fast", "'fast' must be a number"),
        ("path", [], r"\[\] must be a text or a path"),
        ("mode", "song", "'song' must be text or speech"),
        ("schemes", 3, "3 must be a list, of which each is a text"),
        ("schemes", ["a", {"b": 1}], "must be a list, of which each is a text"),
        ("place", "asr", "'asr' must be a mapping or null"),
        ("place", {"table": 3}, "must be a mapping or null"),
        ("quick", "maybe", "'maybe' must be true or false"),
        ("quick", 1, "1 must be true or false"),
        ("title", 7, "7 must be a text"),
        ("dataset", "x", "'x' must be a mapping that says its class in _target_ or null"),
    ],
)
def test_a_value_of_another_type_is_named(name: str, value: Any, wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^tasks\.mine\.{name}: .*{wanted}"):
        check_arguments(Task, {name: value}, "tasks.mine")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("language", "zh"), ("limit", None), ("limit", 3), ("rate", 2), ("path", "a/b"), ("path", Path("a")),
        ("mode", "speech"), ("schemes", ["a"]), ("schemes", "a"), ("schemes", ()), ("place", {"table": "asr"}),
        ("quick", True), ("notify", {"_target_": "print"}), ("anything", [1]), ("dataset", {"_target_": "x"}),
        ("title", "x"), ("unknown", 3), ("dataset", None),
    ],
)  # fmt: skip
def test_a_value_of_the_right_type_is_taken(name: str, value: Any) -> None:
    check_arguments(Task, {name: value}, "tasks.mine")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("tasks.demo_clean.language=null", "tasks.demo_clean.language: null must be a text"),
        ("tasks.demo_clean.expected_samples=many", "expected_samples: 'many' must be a whole number or null"),
        ("tasks.demo_clean.dataset=null", "tasks.demo_clean.dataset: null must be a mapping that says its class"),
        ("++tasks.demo_clean.dataset.groups=3", "dataset.groups: 3 must be a mapping or a list"),
        ("model.path=null", "model.path: null must be a text"),
    ],
)
def test_a_setting_of_another_type_is_one_line(evalkit_here: CommandLine, word: str, said: str) -> None:
    outcome = evalkit_here("run", "task=demo_clean", "model=predictions", "model.path=x", word)
    assert (outcome.returncode, len(outcome.stderr.splitlines())) == (2, 1), outcome.stderr
    assert said in outcome.stderr
