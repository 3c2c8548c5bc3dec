"""A conversation in a folder: who said what, when it was heard, what was called, and what came of it.

``conversation.json`` has it in words and numbers, with the names of the WAV files that lie beside it. A folder may come
from anywhere: what it names is looked for in it and nowhere else, and nothing in it is run.
"""

import json
import math
import os
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar, cast, get_args, get_origin, get_type_hints

from step_audio_2.assistant import Thought
from step_audio_2.live.tools import Document
from step_audio_2.live.untrusted_text import whole

FILE = "conversation.json"
FORMAT = 1
_LARGEST = 64 << 20  # bytes of the file
_WAV = re.compile(r"\w[\w.-]*\.wav", re.ASCII)

RecordT = TypeVar("RecordT")


class SavedError(ValueError):
    """A saved conversation that cannot be read or begun; the message names the file and the place in it."""


@dataclass(frozen=True, slots=True)
class About:
    """What a conversation was held with.

    Attributes:
        model: what is known of it, in JSON values; ``title`` is what people call it.
        settings: of decoding.
        seed: at its beginning.
        system: the system message.
        tools: schemas of those that were offered.
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    system: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class SavedPart:
    """A part of what a user said: one of the two.

    Attributes:
        text: in writing.
        recording: the name of a WAV file, of 16 kHz and without loss.
    """

    text: str = ""
    recording: str = ""


@dataclass(frozen=True, slots=True)
class SavedResult:
    """What a call came to.

    Attributes:
        text: that the model read.
        seconds: that the tool took.
        failed: it did not do what it was called for.
        documents: that were found.
        voice: the name of the voice that was changed to; empty for none.
    """

    text: str
    seconds: float
    failed: bool = False
    documents: tuple[Document, ...] = ()
    voice: str = ""


@dataclass(frozen=True, slots=True)
class SavedCall:
    """A call of a tool.

    Attributes:
        name: the tool's.
        arguments: as the model wrote them.
        result: None where it was interrupted.
    """

    name: str
    arguments: str
    result: SavedResult | None = None


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """One answer of a turn, and the calls that follow it.

    Attributes:
        words: spoken or written, as far as they were given out.
        sound: the name of a WAV file of 24 kHz; empty where nothing is heard.
        voice: the name of the voice; empty for the model's own.
        thought: before it.
        first_word: seconds from the question to the first word.
        first_sound: seconds from the question to the first sound.
        input_tokens: that were read.
        output_tokens: that were written.
        ids: the tokens themselves, where they are known.
        stopped: it ended by itself.
        calls: in order.
    """

    words: str = ""
    sound: str = ""
    voice: str = ""
    thought: Thought | None = None
    first_word: float | None = None
    first_sound: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    ids: tuple[int, ...] = ()
    stopped: bool = False
    calls: tuple[SavedCall, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedTurn:
    """What a user said, and what was answered.

    Attributes:
        user: in the order in which it was said; empty where ``again``.
        answers: one, and one more after every round of calls.
        interrupted: the user did not wait for the end.
        played: seconds of the last answer's sound that were heard, where that was told.
        again: it takes the place of the turn before it, whose user was answered anew.
    """

    user: tuple[SavedPart, ...] = ()
    answers: tuple[SavedAnswer, ...] = ()
    interrupted: bool = False
    played: float | None = None
    again: bool = False

    @property
    def words(self) -> str:
        """All that was answered, in words."""
        return "".join(answer.words for answer in self.answers)


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """A conversation, and the folder that its sound is in.

    Attributes:
        folder: where the files lie.
        about: what it was held with.
        turns: as they came, those included that were answered anew.
    """

    folder: Path
    about: About
    turns: tuple[SavedTurn, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a conversation.

        Raises:
            SavedError: there is none, or something in it cannot be.
        """
        path = folder / FILE
        document = _document(path)
        if document.get("format") != FORMAT:
            raise SavedError(f"{path}: its format is {document.get('format')!r}; this version reads {FORMAT}")
        about = _record(About, document.get("about"), f"{path}: about")
        turns = _tuple(SavedTurn, document.get("turns"), f"{path}: turns")
        for number, turn in enumerate(turns):
            if turn.again and number == 0:
                raise SavedError(f"{path}: turns[0]: there is no turn before it to be answered anew")
            if not turn.again and not turn.user:
                raise SavedError(f"{path}: turns[{number}]: its user says nothing")
            for name in (*(part.recording for part in turn.user), *(answer.sound for answer in turn.answers)):
                if name:
                    _check_file(folder, name, f"{path}: turns[{number}]")
        return cls(folder, about, turns)

    def save(self) -> None:
        """Write the file anew, whole or not at all.

        Raises:
            SavedError: it cannot be written.
        """
        path = self.folder / FILE
        unfinished = path.with_suffix(".unfinished")
        try:
            about, turns = _json(asdict(self.about)), [_json(asdict(turn)) for turn in self.turns]
            lines = ",\n".join(turns)  # a turn each, for people and their tools
            document = f'{{"format": {FORMAT},\n"about": {about},\n"turns": [\n{lines}\n]}}\n'
            unfinished.write_text(document, encoding="utf-8")
            os.replace(unfinished, path)
        except (OSError, TypeError, ValueError) as error:
            raise SavedError(f"{path}: cannot be written ({error})") from error

    @property
    def kept_turns(self) -> tuple[SavedTurn, ...]:
        """The turns that count: each with its user, and without answers that were withdrawn."""
        kept: list[SavedTurn] = []
        for turn in self.turns:
            kept.append(replace(turn, user=kept.pop().user, again=False) if turn.again else turn)
        return tuple(kept)


_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise SavedError(f"{path}: is larger than {_LARGEST >> 20} MiB")
        document = json.loads(content)
    except FileNotFoundError:
        raise SavedError(f"{path}: no such file; a saved conversation has it") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, SavedError):
            raise
        raise SavedError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(document, dict):
        raise SavedError(f"{path}: is no JSON object")
    return document


def _check_file(folder: Path, name: str, place: str) -> None:
    """Refuse whatever is not a WAV file right in the folder."""
    if not _WAV.fullmatch(name):
        raise SavedError(f"{place}: {name!r} is not the name of a WAV file in the folder")
    path = folder / name
    # os.path tells of any name, where a Path raises for one that no file can have.
    if not os.path.isfile(path) or path.resolve().parent != folder.resolve():
        raise SavedError(f"{place}: {name:.80}: no such file in the folder")


def _record(kind: type[RecordT], value: Any, place: str) -> RecordT:
    """Read a record of one of the types above, by the types of its fields; keys that it has not are left."""
    if not isinstance(value, dict):
        raise SavedError(f"{place}: is no JSON object")
    hints = get_type_hints(kind)
    read = {}
    for each in fields(cast("Any", kind)):
        if each.name in value:
            read[each.name] = _value(hints[each.name], value[each.name], f"{place}.{each.name}")
        elif each.default is MISSING and each.default_factory is MISSING:
            raise SavedError(f"{place}: lacks {each.name}")
    return kind(**read)


def _tuple(kind: Any, value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise SavedError(f"{place}: is no JSON array")
    return tuple(_value(kind, item, f"{place}[{number}]") for number, item in enumerate(value))


def _value(hint: Any, value: Any, place: str) -> Any:
    if isinstance(hint, types.UnionType):
        (kind,) = (each for each in get_args(hint) if each is not types.NoneType)
        return None if value is None else _value(kind, value, place)
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint)[0], value, place)
    kind = dict if get_origin(hint) is not None else hint  # a mapping of JSON values
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind in (str, int, float, bool, dict):
        if type(value) is not kind or (kind is float and not math.isfinite(value)):
            raise SavedError(f"{place}: {value!r:.80} is not of the type {kind.__name__}")
        if kind is str and whole(value) != value:
            raise SavedError(f"{place}: {value!r:.80} holds half of a character")
        return value
    return _record(kind, value, place)
