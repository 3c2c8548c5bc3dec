"""The conformance suite passes adapters that are right and says of others what is wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.adapter import Model, ModelAdapter, ServedModelAdapter
from evalkit.audio import Audio
from evalkit.testing import check_adapter
from evalkit.types import Message, Request, Response
from model_adapters.stand_ins.echo import Echo


def questions(*texts: str) -> list[Request]:
    return [Request((Message("user", (text,)),)) for text in texts]


class Right(ModelAdapter):
    def generate(self, requests: Sequence[Request]) -> Any:
        return [Response(f"re {request.messages[-1].content[0]}") for request in requests]

    def fingerprint(self) -> dict[str, Any]:
        return {"adapter": "right"}


class RightServed(ServedModelAdapter):
    async def answer(self, request: Request) -> Response:
        return Response(f"re {request.messages[-1].content[0]}")

    def fingerprint(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("adapter", [Right(), RightServed()])
def test_an_adapter_with_nothing_but_its_two_methods_passes(adapter: Model) -> None:
    check_adapter(adapter, questions("a", "b", "c"))
    check_adapter(adapter)


def test_an_adapter_that_hears_is_tried_with_a_damaged_recording(tmp_path: Path) -> None:
    class Length(Right):
        def generate(self, requests: Sequence[Request]) -> Any:
            return [Response(str(len(request.audio[0].waveform(16_000)))) for request in requests]

    class Swallows(Length):
        def generate(self, requests: Sequence[Request]) -> Any:
            try:
                return super().generate(requests)
            except Exception as error:
                raise KeyError("damaged") from error

    heard = []
    for seconds in (1, 2):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, np.zeros(16_000 * seconds), 16_000)
        heard.append(Request((Message("user", (Audio(path.name, path),)),)))
    check_adapter(Length(), heard)
    check_adapter(Echo(), heard)
    with pytest.raises(AssertionError, match=r"met a recording that cannot be read with KeyError.*let the AudioError"):
        check_adapter(Swallows(), heard)


class NoJson(Right):
    def fingerprint(self) -> dict[str, Any]:
        return {"weights": b"abc"}


class Tuples(Right):
    def fingerprint(self) -> dict[str, Any]:
        return {"languages": ("en",)}


class Changing(Right):
    count = 0

    def fingerprint(self) -> dict[str, Any]:
        self.count += 1
        return {"count": self.count}


class Nothing(Right):
    def generate(self, requests: Sequence[Request]) -> Any:
        return None


class Texts(Right):
    def generate(self, requests: Sequence[Request]) -> Any:
        return ["x" for _ in requests]


class Numbers(Right):
    def generate(self, requests: Sequence[Request]) -> Any:
        return [Response(5) for _ in requests]  # type: ignore[arg-type]


class Backwards(Right):
    def generate(self, requests: Sequence[Request]) -> Any:
        return super().generate(requests)[::-1]


class Remembers(Right):
    def __init__(self) -> None:
        self.heard = 0

    def generate(self, requests: Sequence[Request]) -> Any:
        self.heard += len(requests)
        return [Response(str(self.heard)) for _ in requests]


class ServedNothing(RightServed):
    async def answer(self, request: Request) -> Any:
        return None


WRONG: list[tuple[Model, str]] = [
    (NoJson(), "fingerprint.. is not made of JSON values"),
    (Tuples(), "fingerprint.. reads back from JSON as something else"),
    (Changing(), "fingerprint.. changes from call to call"),
    (Nothing(), "generate returned None; it must return a list"),
    (Texts(), "each must be a Response"),
    (Numbers(), "whose text is an int"),
    (Backwards(), "responses must come in the order of the requests"),
    (Remembers(), "an answer must depend on its request only"),
    (ServedNothing(), "returned None; it must return a Response"),
]


@pytest.mark.parametrize(("adapter", "message"), WRONG, ids=lambda value: type(value).__name__)
def test_what_is_wrong_is_said(adapter: Model, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_adapter(adapter, questions("a", "b", "c"))
