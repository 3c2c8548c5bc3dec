"""The loop of the worker: make the model, answer batches, until evalkit closes the pipe."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from evalkit_worker.errors import InvalidResponseError, kind_of, message_of
from evalkit_worker.frames import encoded, read_frame, requests_from, write_pieces
from evalkit_worker.types import Response

_NAMED = ("error", "out_of_memory")  # kinds whose errors are of classes that say more than the kind does


def serve(requests: BinaryIO, responses: BinaryIO) -> None:
    """Answer every frame with one, until there is none.

    The first asks for the model: ``{target, arguments, generation}``, answered by ``{capabilities, fingerprint}``. All
    others ask a batch: ``{requests}``, answered by ``{responses}``. What goes wrong is answered by ``{error: {kind,
    message}}`` and told on standard error at length.
    """
    model: Any = None
    with suppress(EOFError, BrokenPipeError):  # evalkit has closed its ends
        while True:
            asked = read_frame(requests)
            try:
                if "target" in asked:
                    model = _made(asked["target"], asked["arguments"], asked["generation"])
                    answer = encoded(_described(model))
                else:
                    answer = encoded({"responses": _checked(model.generate(requests_from(asked)), model)})
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # some libraries end programs, and others panic
                traceback.print_exc()
                answer = encoded({"error": {"kind": kind_of(error), "message": _message(error)}})
            write_pieces(responses, answer)
    if hasattr(model, "close"):
        model.close()


def _described(model: Any) -> dict[str, Any]:
    return {"capabilities": dict(getattr(model, "capabilities", {})), "fingerprint": dict(model.fingerprint())}


def _message(error: BaseException) -> str:
    message = message_of(error)
    return f"{type(error).__name__}: {message}" if kind_of(error) in _NAMED else message


def _checked(returned: Any, model: Any) -> list[Response]:
    if not isinstance(returned, list) or not all(isinstance(each, Response) for each in returned):
        raise InvalidResponseError(f"{type(model).__name__}.generate must return a list of evalkit_worker.Response")
    return returned


def _made(name: str, arguments: Mapping[str, Any], generation: Mapping[str, Any]) -> Any:
    """Make a model by the dotted name of its class; one of evalkit's adapters is given plain types."""
    target = _located(name)
    given = dict(arguments)
    if generation and "generation" in inspect.signature(target).parameters:
        given["generation"] = dict(generation)
    model = target(**given)
    if "evalkit.adapter" in sys.modules:  # which every adapter of evalkit's kind has imported
        from evalkit.inference.processes.plain import PlainAdapter

        model = PlainAdapter(model)
    return model


def _located(name: str) -> Any:
    """Import what a dotted name names: something in a module, or an attribute of that."""
    *modules, last = name.split(".")
    for length in range(len(modules), 0, -1):
        module = ".".join(modules[:length])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if length == 1 or error.name != module:  # a library that the module wants
                raise
        else:
            for part in (*modules[length:], last):
                found = getattr(found, part)
            return found
    raise ImportError(f"'{name}' does not say in which module it is")
