"""Reading the questions of the tool loop's benchmark, which lie in ``tasks/tool_loop/speech``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.datasets.audio_folder import AudioFolder
from evalkit.datasets.dataset import Dataset, checked_groups
from evalkit.datasets.tables import placed_rows
from evalkit.errors import DataError
from evalkit.types import Sample

KINDS = ("facts", "weather", "time", "arithmetic", "none", "voices")
_TEXTS = ("id", "kind", "language", "now", "tool")


class Questions(Dataset):
    """Spoken questions, a JSON object on each line of ``questions.jsonl``.

    An object has ``id``, ``kind`` (one of ``KINDS``), ``language``, ``now`` (the time at which it is asked, by ISO
    8601), ``tool`` (that is to be called; empty for none), ``evidence`` (texts one of which shows that the call was
    right), ``answer``, and ``turns``, each with its words as ``text`` and a recording as ``audio``. One about a voice
    has a recording of that voice as ``target``, and another one of the same speaker as ``control``.

    A sample's audio is that of the turns, then target and control; its reference is the answer. Its metadata are
    ``tool``, ``evidence``, ``now`` and ``turns``, the words of each turn.

    Args:
        path: the folder.
        kinds: which questions to read; all of them by default.
        languages: likewise.

    Raises:
        ConfigurationError: a kind is unknown.
    """

    def __init__(self, path: str | Path, *, kinds: Sequence[str] = (), languages: Sequence[str] = ()) -> None:
        self._folder = Path(path).expanduser()
        self.source = str(self._folder)
        self._kinds = checked_groups(kinds or KINDS, KINDS, self.source)
        self._languages = (languages,) if isinstance(languages, str) else tuple(languages)

    @property
    def at_hand(self) -> bool:
        """Whether the folder is there."""
        return self._folder.is_dir()

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        recordings = AudioFolder(self._folder)
        for place, row in placed_rows(self._folder / "questions.jsonl"):
            _check(row, place)
            if row["kind"] in self._kinds and (not self._languages or row["language"] in self._languages):
                yield place, _sample(row, place, recordings)


def _sample(row: Mapping[str, Any], place: str, recordings: AudioFolder) -> Sample:
    paths = [turn["audio"] for turn in row["turns"]] + [row[name] for name in ("target", "control") if name in row]
    return Sample(
        row["id"],
        tuple(recordings.audio(path, place) for path in paths),
        tuple(filter(None, (row.get("answer", ""),))),
        row["language"],
        {"kind": row["kind"], "language": row["language"]},
        {
            "tool": row["tool"],
            "evidence": row["evidence"],
            "now": row["now"],
            "turns": [turn["text"] for turn in row["turns"]],
        },
    )


def _check(row: Mapping[str, Any], place: str) -> None:
    for name in _TEXTS:
        if not isinstance(row.get(name), str):
            raise DataError(f"{place}: its '{name}' is {row.get(name)!r}, not a text")
    if row["kind"] not in KINDS:
        raise DataError(f"{place}: its 'kind' is {row['kind']!r}; it must be {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    evidence, turns = row.get("evidence"), row.get("turns")
    if not isinstance(evidence, list) or not all(isinstance(text, str) and text for text in evidence):
        raise DataError(f"{place}: its 'evidence' is {evidence!r}, not a list of texts")
    if bool(evidence) != bool(row["tool"]):
        raise DataError(f"{place}: evidence belongs to a question that needs a tool, and to no other")
    if not isinstance(turns, list) or not turns or not all(_is_turn(turn) for turn in turns):
        raise DataError(f"{place}: its 'turns' must be a list of objects with a 'text' and an 'audio'")
    wanted = ("target", "control") if row["kind"] == "voices" else ("answer",) if row["tool"] else ()
    for name in wanted:
        if not isinstance(row.get(name), str) or not row[name]:
            raise DataError(f"{place}: its '{name}' is {row.get(name)!r}, not a text")


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, dict) and all(isinstance(turn.get(name), str) for name in ("text", "audio"))
