"""Reading conversations that the assistant has saved, as ``step_audio_2.live`` writes them (format 1).

A folder with ``conversation.json`` is one: ``about`` says whose it is (``system``, the message, and ``tools``, the
schemas), and ``turns`` hold what the user said (``user``, texts and recordings in the folder) and the assistant's
``answers``, one for each round: its ``words``, and its ``calls`` with their results.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from evalkit.audio import Audio
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset
from evalkit.datasets.tables import parsed_json
from evalkit.errors import DataError
from evalkit.types import Sample, ToolCall

_FILE = "conversation.json"
_FORMAT = 1
_Value = TypeVar("_Value")


class SavedConversations(Dataset):
    """Turns of saved conversations in which tools were called, each with all that went before it.

    Where no tool was called there is nothing for an answer to be grounded in, and no sample. An answer that the user
    had given anew is left out, and the new one stands in its place. A call that was broken off is left out too.

    A sample's id is the conversation's folder and the turn's number, from 1. Its audio are the user's recordings so
    far, its reference what the assistant said in the end. Its metadata are ``system``, ``tools``, and ``messages``,
    each with a ``role`` (``user``, ``assistant`` or ``tool``) and a ``content`` of texts and positions in the audio;
    one of the assistant may have ``calls``, one of a tool has its ``tool`` and the ``id`` of the call that it answers.

    Args:
        path: a folder with saved conversations in folders of their own, or with one.
        every: whether to take every such turn of a conversation, or the last one alone.
        language: that is spoken, where it is one.
    """

    def __init__(self, path: str | Path, *, every: bool = True, language: str | None = None) -> None:
        self._folder = Path(path).expanduser()
        self.source = str(self._folder)
        self._every = every
        self._language = language

    @property
    def at_hand(self) -> bool:
        """Whether the folder is there."""
        return self._folder.is_dir()

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        files = sorted(self._folder.rglob(_FILE))
        if not files:
            raise DataError(f"{self._folder}: holds no saved conversation, that is no folder with a {_FILE}")
        for file in files:
            samples = list(self._turns(file))
            yield from samples if self._every else samples[-1:]

    def _turns(self, file: Path) -> Iterator[tuple[str, Sample]]:
        name = file.parent.relative_to(self._folder).as_posix()
        place = str(file)
        record = _read(file)
        about = _field(record, "about", dict[str, Any](), place)
        recordings = AudioFolder(self._folder)
        audio: list[Audio] = []
        messages: list[dict[str, Any]] = []
        for number, turn in enumerate(_kept(record, place), 1):
            turn_place = f"{place}, turn {number}"
            messages.append(_user(turn, turn_place, file.parent, recordings, audio))
            *rounds, last = _objects(turn, "answers", turn_place)
            for answer in rounds:
                messages += _round(answer, f"call-{len(messages)}", turn_place)
            if rounds:
                yield (
                    turn_place,
                    Sample(
                        f"{name}-{number}",
                        tuple(audio),
                        (_field(last, "words", "", turn_place),),
                        self._language,
                        metadata={
                            "system": _field(about, "system", "", place),
                            "tools": _field(about, "tools", list[Any](), place),
                            "messages": list(messages),
                        },
                        clusters={"conversation": name},
                    ),
                )
            messages.append({"role": "assistant", "content": [_field(last, "words", "", turn_place)]})


def _read(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
    record = parsed_json(text, str(file))
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise DataError(f"{file}: not a saved conversation of format {_FORMAT}")
    return record


def _kept(record: Mapping[str, Any], place: str) -> list[Mapping[str, Any]]:
    """Return the turns as they count in the end: one that answers anew takes the user's words of the one before."""
    kept: list[Mapping[str, Any]] = []
    for number, turn in enumerate(_objects(record, "turns", place), 1):
        if not _field(turn, "again", False, f"{place}, turn {number}"):
            kept.append(turn)
        elif kept:
            kept[-1] = {**turn, "user": kept[-1].get("user")}
        else:
            raise DataError(f"{place}, turn {number}: answers anew what nobody has said")
    return kept


def _user(
    turn: Mapping[str, Any], place: str, folder: Path, recordings: AudioFolder, audio: list[Audio]
) -> dict[str, Any]:
    content: list[str | int] = []
    for part in _objects(turn, "user", place):
        if recording := _field(part, "recording", "", place):
            content.append(len(audio))
            audio.append(recordings.audio(str((folder / recording).absolute()), place))
        else:
            content.append(_field(part, "text", "", place))
    return {"role": "user", "content": content}


def _round(answer: Mapping[str, Any], id_: str, place: str) -> Iterator[dict[str, Any]]:
    """Yield an answer that calls tools, and the results."""
    calls, results = [], []
    for number, call in enumerate(_objects(answer, "calls", place)):
        if call.get("result") is None:
            continue
        made = ToolCall(_field(call, "name", "", place), _field(call, "arguments", "{}", place), f"{id_}-{number}")
        text = _field(_field(call, "result", dict[str, Any](), place), "text", "", place)
        calls.append(made.to_json())
        results.append({"role": "tool", "content": [text], "tool": made.name, "id": made.id})
    yield {"role": "assistant", "content": [_field(answer, "words", "", place)], "calls": calls}
    yield from results


def _objects(record: Mapping[str, Any], name: str, place: str) -> list[Mapping[str, Any]]:
    """Return a list of objects, which must not be empty."""
    items = _field(record, name, list[Any](), place)
    if not items or not all(isinstance(item, dict) for item in items):
        raise DataError(f"{place}: its '{name}' must be a list of objects, and not an empty one")
    return items


def _field(record: Mapping[str, Any], name: str, usual: _Value, place: str) -> _Value:
    """Return a field, or its usual value, whose type it must have."""
    value = record.get(name, usual)
    if not isinstance(value, type(usual)):
        raise DataError(f"{place}: its '{name}' is {json.dumps(value)[:80]}, not a {type(usual).__name__}")
    return value
