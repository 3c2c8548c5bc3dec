"""What configurations describe is made of their very texts, and complains in its own words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hydra.errors import InstantiationException
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigurationError
from evalkit.instantiation import instantiated

HERE = __name__


@dataclass
class Made:
    text: Any
    inner: Any = None


def refuse(text: str) -> None:
    raise ConfigurationError(f"not {text}")


def target(name: str, **arguments: Any) -> Mapping[str, Any]:
    return {"_target_": f"{HERE}.{name}", **arguments}


@given(st.text(alphabet="\\${}x:.,' ", max_size=12))
def test_texts_arrive_as_they_stand_wherever_they_are(text: str) -> None:
    settings = target("Made", text=text, inner=target("Made", text=[text, {"key": text}], inner={"key": [text]}))
    made = instantiated(settings)
    assert (made.text, made.inner.text, made.inner.inner) == (text, [text, {"key": text}], {"key": [text]})


def test_nothing_of_the_environment_gets_into_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cr3t")
    assert instantiated(target("Made", text="${oc.env:SOME_KEY}")).text == "${oc.env:SOME_KEY}"


def test_an_error_of_ours_leaves_as_it_is_from_any_depth() -> None:
    with pytest.raises(ConfigurationError, match=r"^not good$"):
        instantiated(target("Made", text="x", inner=target("refuse", text="good")))


def test_any_other_is_hydra_s() -> None:
    with pytest.raises(InstantiationException, match=r"refuse"):
        instantiated(target("refuse", words="x"))
