"""Reading StepEval-Audio-Toolcall as its authors publish it.

Eight files ``{timbre,get_date_time,get_weather,web_search}_{positive,negative}.jsonl`` hold one session per line, a
JSON list of turns. A turn has ``from`` (``Human``, ``Assistant``, or ``Input`` for the result of a tool; capitals do
not matter) and ``text``. Its ``value`` is ``{"type": "wav", "value": "wav/…"}`` where it was spoken, and else the same
words again. The last turn is the assistant's reference, what goes before it is the input.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.audio import Audio
from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset, checked_groups
from evalkit.datasets.tables import parsed_json
from evalkit.datasets.text_file import placed_lines
from evalkit.errors import DataError
from evalkit.tool_syntax import calls_in_text, well_formed
from evalkit.types import Message, Sample, ToolCall
from tasks.toolcall.tools import Tool, load_tools

_REPOSITORY = "stepfun-ai/StepEval-Audio-Toolcall"
_ROLES = {"human": "user", "assistant": "assistant", "input": "tool"}


class Sessions(Dataset):
    """The sessions of a folder that holds the benchmark's files; ``wav.tar`` has to be unpacked in it.

    A sample's id is the name of its file and the session's number in it, from 0, as in the names of the recordings. Its
    groups are its ``tool``, as published tables name it, and its ``file``. Its
    audio is that of the user's turns, its reference the last turn's text. Its metadata are ``tool`` (a key of
    ``load_tools``), ``positive`` (whether the last turn has to call it) and ``turns``, each with a ``role`` and a
    ``text`` as it is written, and with the position of its ``audio`` where the user spoke it, or the ``calls`` where
    the assistant called tools. ``history_message`` makes messages of them.

    Args:
        path: the folder; the recordings lie in its folder ``wav``, or in ``Step-Audio_Toolcall/wav``.
        root: a folder that the recordings may not leave; by default the one that they lie in.
        tools: which tools' sessions to read, by key; all of them by default.
        language: of the conversations.

    Raises:
        ConfigurationError: a tool is unknown.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        root: str | Path | None = None,
        tools: Sequence[str] = (),
        language: str = "zh",
    ) -> None:
        self._folder = Path(path).expanduser()
        self._root = root
        self._language = language
        self.source = str(self._folder)
        known = load_tools()
        self._tools = [known[key] for key in checked_groups(tools or tuple(known), tuple(known), self.source)]

    @property
    def at_hand(self) -> bool:
        """Whether the folder is there."""
        return self._folder.is_dir()

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        if not self.at_hand:
            raise DataError(
                f"{self._folder}: no such folder; download the data set {_REPOSITORY} from the hub, unpack its wav.tar "
                "there, and say where it lies with tasks.<name>.dataset.path= or data_root="
            )
        unpacked = self._folder / "Step-Audio_Toolcall"
        recordings = AudioFolder(unpacked if unpacked.is_dir() else self._folder, self._root)
        for tool in self._tools:
            for positive in (True, False):
                file = self._folder / f"{tool.key}_{'positive' if positive else 'negative'}.jsonl"
                for number, (place, line) in enumerate(placed_lines(file)):
                    if not line.isspace():
                        turns = _turns(line, place)
                        yield place, self._sample(f"{file.stem}-{number}", tool, positive, turns, recordings)

    def _sample(
        self,
        sample_id: str,
        tool: Tool,
        positive: bool,
        placed_turns: list[tuple[str, dict[str, Any]]],
        recordings: AudioFolder,
    ) -> Sample:
        *inputs, (_, reference) = placed_turns
        audio: list[Audio] = []
        turns: list[dict[str, Any]] = []
        for place, turn in inputs:
            entry: dict[str, Any] = {"role": _ROLES[turn["from"]], "text": turn["text"]}
            if entry["role"] == "user" and (recording := _recording(turn, place)):
                entry["audio"] = len(audio)
                audio.append(recordings.audio(recording, place))
            calls = calls_in_text(turn["text"]) if entry["role"] == "assistant" else ()
            if called := [call for each in calls if (call := well_formed(each)) is not None]:
                entry["calls"] = [
                    ToolCall(call.name, call.arguments, f"call-{len(turns)}-{number}").to_json()
                    for number, call in enumerate(called)
                ]
            turns.append(entry)
        return Sample(
            sample_id,
            tuple(audio),
            (reference["text"],),
            self._language,
            {"tool": tool.title, "file": sample_id.rpartition("-")[0]},
            {"tool": tool.key, "positive": positive, "turns": turns},
        )


def history_message(turns: Sequence[Mapping[str, Any]], position: int, content: Audio | str) -> Message:
    """Return an earlier turn of a conversation as a model is to remember it.

    A turn that called tools becomes its words and its calls, and the result of a tool, which stands as it was given,
    names the call that it answers.

    Args:
        turns: of the conversation, as ``Sessions`` puts them into a sample's metadata.
        position: of the turn among them.
        content: what is given of a turn that calls nothing: a recording or words.
    """
    turn = turns[position]
    if calls := turn.get("calls"):
        words = turn["text"].partition("<tool_call>")[0].rstrip()
        return Message("assistant", (words,), tuple(map(ToolCall.from_json, calls)))
    answered = ""
    if turn["role"] == "tool":
        earlier = (call["id"] for before in reversed(turns[:position]) for call in before.get("calls", ()))
        answered = next(earlier, "")
    return Message(turn["role"], (content,), tool_call_id=answered)


def _turns(line: str, place: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the turns of a session, each with its place; their roles, in lower case, and texts are checked.

    Raises:
        DataError: the line is not a session.
    """
    session = parsed_json(line, place)
    if not isinstance(session, list):
        raise DataError(f"{place}: not a session; each line must be a JSON list of turns")
    turns = [(f"{place}, turn {number}", turn) for number, turn in enumerate(session, 1)]
    for turn_place, turn in turns:
        role = turn.get("from") if isinstance(turn, dict) else None
        if not isinstance(role, str) or role.lower() not in _ROLES:
            raise DataError(f"{turn_place}: must be an object whose 'from' is Human, Assistant or Input")
        turn["from"] = role.lower()
        if not isinstance(turn.get("text"), str):
            raise DataError(f"{turn_place}: its 'text' is {turn.get('text')!r}, not a text")
        if turn["from"] == "human" and not turn["text"] and turn.get("value") is None:
            raise DataError(f"{turn_place}: has neither words nor a recording")
    if [turn["from"] for _, turn in turns[-2:]] != ["human", "assistant"]:
        raise DataError(f"{place}: a session must end with a turn of Human and the assistant's reference")
    return turns


def _recording(turn: Mapping[str, Any], place: str) -> str | None:
    """Return the path of a turn's recording, or None if it is only written."""
    value = turn.get("value")
    if value is None or value == turn["text"]:
        return None
    path = value.get("value") if isinstance(value, dict) and value.get("type") == "wav" else None
    if not isinstance(path, str) or not path:
        raise DataError(
            f"{place}: its 'value' is {value!r}, neither its text nor of the form {{'type': 'wav', 'value': 'wav/…'}}"
        )
    return path
