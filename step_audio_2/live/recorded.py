"""A conversation that is saved while it is held, and one that is held again."""

import json
import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from step_audio_2.answers import AnswerEnd, SpeechDelta
from step_audio_2.assistant import Thought
from step_audio_2.audio_file import load_audio
from step_audio_2.chat import AudioPart, Part
from step_audio_2.live.dialogue import AnswerTokens, Dialogue, Event, ToolFinished, ToolStarted, TurnEnd
from step_audio_2.live.saved import (
    FILE,
    About,
    SavedAnswer,
    SavedCall,
    SavedConversation,
    SavedError,
    SavedPart,
    SavedResult,
    SavedTurn,
)
from step_audio_2.live.tools import Tool, ToolResult
from step_audio_2.log_mel import SAMPLE_RATE
from step_audio_2.speaking import Sound
from step_audio_2.speech.token2wav import Token2Wav
from step_audio_2.speech.voice import Voice
from step_audio_2.tool_calls import ContentDelta


class Recorded:
    """A dialogue that writes each turn into a folder as soon as it is over.

    A turn without an answer, for an error, is not written.

    Args:
        dialogue: that answers; see ``step_audio_2.live.dialogue.Dialogue``.
        folder: is made if it is not there; holds no conversation yet.
        about: what the dialogue is held with.

    Raises:
        SavedError: the folder holds a conversation, or cannot be written to.
    """

    def __init__(self, dialogue: Dialogue, folder: Path, about: About) -> None:
        if (folder / FILE).exists():
            raise SavedError(f"{folder}: holds a conversation already; name another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SavedError(f"{folder}: cannot be made ({error})") from error
        self._dialogue = dialogue
        self._saved = SavedConversation(folder, about)
        self._saved.save()
        self._number = 0
        self._keeping = Lock()
        self._under_way = False
        self._played: float | None = None
        self._unkept: Sequence[Part] | None = None  # what the user said in the last turn, where it could not be kept

    @property
    def voice(self) -> Voice | None:
        """The voice in which the next answer is spoken."""
        return self._dialogue.voice

    def answer(self, *content: Part) -> Generator[Event, None, None]:
        """Answer what a user says, and keep both; see ``Dialogue``."""
        events = self._dialogue.answer(*content)
        self._begin()
        return self._turn(events, content)

    def regenerate(self) -> Generator[Event, None, None]:
        """Answer the last turn's user once more, and keep both answers; see ``Dialogue``."""
        events = self._dialogue.regenerate()
        self._begin()
        return self._turn(events, self._unkept or ())

    def interrupt(self, played: float | None = None) -> None:
        """Have the answer under way end where it is, or tell how much was heard of one that is over."""
        self._dialogue.interrupt(played)
        with self._keeping:
            self._played = played
            if not self._under_way and played is not None and self._unkept is None and self._saved.turns:
                *before, last = self._saved.turns
                self._save([*before, replace(last, played=played)])

    def _begin(self) -> None:
        """Have interruptions be of the turn that begins."""
        with self._keeping:
            self._under_way, self._played = True, None

    def _turn(self, events: Generator[Event, None, None], content: Sequence[Part]) -> Generator[Event, None, None]:
        self._number += 1
        answers = _Answers(self._saved.folder, self._number)
        try:
            for event in events:
                try:
                    answers.take(event, self.voice)
                except Exception as error:
                    events.throw(error)  # for the dialogue, too, the turn ends in an error, and is not remembered
                yield event
        except GeneratorExit:
            events.close()
            self._keep(content, answers, interrupted=True)
            raise
        self._keep(content, answers, interrupted=answers.interrupted)

    def _keep(self, content: Sequence[Part], answers: "_Answers", *, interrupted: bool) -> None:
        with self._keeping:
            self._under_way = False
            self._unkept = content
            user = tuple(self._part(part, number) for number, part in enumerate(content, 1))
            turn = SavedTurn(user, answers.finished(), interrupted, self._played, again=not content)
            self._unkept = None
            self._save([*self._saved.turns, turn])

    def _save(self, turns: Sequence[SavedTurn]) -> None:
        self._saved = replace(self._saved, turns=tuple(turns))
        self._saved.save()

    def _part(self, part: Part, number: int) -> SavedPart:
        if isinstance(part, str):
            return SavedPart(text=part)
        if not isinstance(part, AudioPart):
            raise SavedError("a user says texts and recordings, not tokens")
        name = f"{self._number:03d}_user_{number}.wav"
        # Without loss, so that a model that hears it once more hears the same.
        _write(self._saved.folder / name, part.waveform, SAMPLE_RATE, "FLOAT")
        return SavedPart(recording=name)


class _Answers:
    """The answers of one turn, put together of its events."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._answers: list[SavedAnswer] = []
        self._asked = time.perf_counter()
        self._is_open = False
        self._sounds: list[torch.Tensor] = []
        self.interrupted = True

    def take(self, event: Event, voice: Voice | None) -> None:
        """Add what an event says.

        Args:
            event: the next.
            voice: in which the dialogue speaks now.
        """
        match event:
            case ToolStarted(call):
                self._change(calls=(*self._answers[-1].calls, SavedCall(call.name, call.arguments)))
            case ToolFinished(_, result, seconds):
                *before, last = self._answers[-1].calls
                name = "" if result.voice is None else _name(result.voice)
                saved = SavedResult(result.text, round(seconds, 4), result.failed, result.documents, name)
                self._change(calls=(*before, replace(last, result=saved)))
                self._asked = time.perf_counter()
            case TurnEnd(interrupted):
                self.interrupted = interrupted
            case _:
                if not self._is_open:
                    self._is_open = True
                    self._answers.append(SavedAnswer(voice="" if voice is None else _name(voice)))
                self._take_of_answer(event, self._answers[-1])

    def finished(self) -> tuple[SavedAnswer, ...]:
        """Return the answers, of which the last may have been broken off."""
        self._close()
        return tuple(self._answers)

    def _take_of_answer(self, event: Event, answer: SavedAnswer) -> None:
        match event:
            case SpeechDelta(text) | ContentDelta(text):
                seconds = self._since_asked() if answer.first_word is None else answer.first_word
                self._change(words=answer.words + text, first_word=seconds)
            case Sound(waveform, seconds):
                self._sounds.append(waveform)
                self._change(first_sound=round(seconds, 4) if answer.first_sound is None else answer.first_sound)
            case Thought():
                self._change(thought=event)
            case AnswerEnd(stopped):
                self._change(stopped=stopped)
            case AnswerTokens(read, written, ids):
                self._change(input_tokens=read, output_tokens=written, ids=ids)
                self._close()

    def _since_asked(self) -> float:
        return round(time.perf_counter() - self._asked, 4)

    def _close(self) -> None:
        """End the answer that is open, and write its sound."""
        if self._sounds:
            name = f"{self._number:03d}_{len(self._answers)}.wav"
            _write(self._folder / name, torch.cat(self._sounds), Token2Wav.sample_rate, "PCM_16")
            self._change(sound=name)
            self._sounds = []
        self._is_open = False

    def _change(self, **values: Any) -> None:
        self._answers[-1] = replace(self._answers[-1], **values)


def held_again(saved: SavedConversation, dialogue: Dialogue) -> Iterator[tuple[SavedTurn, Iterator[Event]]]:
    """Put the same users' turns to a dialogue; each has to be read to its end before the next is put.

    Args:
        saved: whose turns are put.
        dialogue: that answers, with no turn yet.

    Yields:
        Each turn as it was, and the events of its answer now.

    Raises:
        AudioFileError: a recording cannot be read.
    """
    for turn in saved.turns:
        content = [
            AudioPart(load_audio(saved.folder / part.recording)) if part.recording else part.text for part in turn.user
        ]
        yield turn, dialogue.regenerate() if turn.again else dialogue.answer(*content)


def with_recorded_results(tools: Sequence[Tool], saved: SavedConversation) -> list[Tool]:
    """Return tools that give what they gave then, where they are called as they were then, in order.

    A call that was not made then is run; so is one that failed, or that changed the voice, as a name is no voice.

    Args:
        tools: to be called now.
        saved: what was called then.
    """
    recorded: defaultdict[tuple[str, str], deque[ToolResult]] = defaultdict(deque)
    for turn in saved.turns:
        for answer in turn.answers:
            for call in answer.calls:
                if call.result is not None and not call.result.failed and not call.result.voice:
                    recorded[call.name, _in_one_form(call.arguments)].append(
                        ToolResult(call.result.text, call.result.documents)
                    )

    def recalling(tool: Tool) -> Tool:
        def run(**arguments: Any) -> str | ToolResult:
            results = recorded[tool.name, _in_one_form(json.dumps(arguments))]
            return results.popleft() if results else tool.run(**arguments)

        return replace(tool, run=run)

    return [recalling(tool) for tool in tools]


def _in_one_form(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):  # a call that failed for this
        return arguments


def _name(voice: Voice) -> str:
    return Path(voice.name).name  # where it lies is nobody's business


def _write(path: Path, waveform: torch.Tensor, rate: int, subtype: str) -> None:
    import soundfile

    try:
        soundfile.write(path, waveform.numpy(), rate, subtype=subtype)
    except (OSError, soundfile.LibsndfileError) as error:
        raise SavedError(f"{path}: cannot be written ({error})") from error
