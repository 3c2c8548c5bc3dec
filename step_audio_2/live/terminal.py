"""What talks on a terminal share, whichever model answers: tools, and what is printed and kept."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import torch

from step_audio_2.answers import SpeechDelta
from step_audio_2.assistant import Thought
from step_audio_2.audio_file import load_audio
from step_audio_2.chat import AudioPart, Part
from step_audio_2.live.audio_library import AudioLibrary
from step_audio_2.live.clock import BEIJING
from step_audio_2.live.dialogue import AnswerTokens, Dialogue, Event, ToolFinished, ToolStarted
from step_audio_2.live.prompts import system_prompt
from step_audio_2.live.recorded import Recorded, held_again, with_recorded_results
from step_audio_2.live.saved import About, SavedConversation
from step_audio_2.live.toolbox import Toolbox
from step_audio_2.live.tools import Tool
from step_audio_2.live.untrusted_text import printable, whole
from step_audio_2.live.voice_search import voice_search
from step_audio_2.speaking import Sound
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath
from step_audio_2.tool_calls import ContentDelta

# A turn that ends so names a recording, and is not said where there is none.
_RECORDINGS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")


class Talk:
    """A talk on a terminal, as its options want it.

    Args:
        options: of ``step_audio_2.live.options.add_options``.
        turns: each a recording's file or a text; none for lines of standard input.
        resources: closed at the end.

    Attributes:
        seed: of what sampled answers draw.
        saved: the conversation whose turns are put once more; None for a new one.
        library: of the voices that can be changed to, once the tools were made; None if there is none.

    Raises:
        SavedError: there is no conversation to be replayed, or it cannot be read.
        ValueError: it is replayed, and turns are given beside.
    """

    def __init__(self, options: argparse.Namespace, turns: Sequence[str], resources: ExitStack) -> None:
        self._options = options
        self._turns = turns
        self._resources = resources
        self.library: AudioLibrary | None = None
        self.saved = SavedConversation.load(options.replay) if options.replay else None
        if self.saved is not None and turns:
            raise ValueError("--replay has turns of its own: give none beside")
        then = self.saved.about if self.saved is not None else About()
        self.seed: int = then.seed if options.seed is None else options.seed
        self._system = whole(options.system or then.system)

    def tools(self, token2wav: Token2Wav | None, voice: VoiceOrPath | None) -> list[Tool]:
        """Return the tools that are offered; of a replay, those called as before give what they gave then.

        Args:
            token2wav: in whose voices the model speaks, if it does.
            voice: in which it does at first.
        """
        options = self._options
        box = Toolbox(options.documents, options.searxng, options.weather, options.mcp)
        tools = list(box.tools(self._resources))
        if options.voices is not None:
            if token2wav is None or voice is None:
                print("the model has no voice that could be changed: --voices is left out", file=sys.stderr)
            else:
                self.library = AudioLibrary.from_folder(options.voices)
                tools.append(voice_search(self.library, token2wav, voice))
        return tools if self.saved is None else with_recorded_results(tools, self.saved)

    def system(self, *, has_tools: bool) -> str:
        """Return the system message: the one wanted, that of the conversation replayed, or the published one."""
        return self._system or system_prompt(datetime.now(BEIJING).date(), has_tools=has_tools)

    def hold(self, dialogue: Dialogue, about: About) -> None:
        """Put the turns, and print and keep what comes of them.

        A turn of standard input that cannot be answered is complained of, and the next one is read.

        Raises:
            ValueError: a turn cannot be answered.
        """
        if self._options.save is not None:
            dialogue = Recorded(dialogue, self._options.save, about)
        if self.saved is not None:
            self._hold_again(self.saved, dialogue)
            return
        for number, turn in enumerate(self._turns or filter(None, map(str.strip, sys.stdin)), 1):
            try:
                content = _part(turn)
                print(f"[{number}] {printable(turn)}")
                _show(dialogue.answer(content), self._sound(number))
            except ValueError as error:
                if self._turns:
                    raise
                print(f"error: {error}", file=sys.stderr)

    def _hold_again(self, saved: SavedConversation, dialogue: Dialogue) -> None:
        then: list[tuple[int, ...]] = []
        now: list[tuple[int, ...]] = []
        for number, (turn, events) in enumerate(held_again(saved, dialogue), 1):
            said = " ".join(part.text or part.recording for part in turn.user)
            print(printable(f"[{number}] {said or '(answered anew)'}\nthen: {turn.words}\nnow:  "), end="")
            then += (answer.ids for answer in turn.answers)
            now += _show(events, self._sound(number))
        if any(then) and any(now):
            same = sum(before == after for before, after in zip(then, now, strict=False))
            print(f"{same} of {len(then)} answers have the same tokens")

    def _sound(self, number: int) -> Path:
        folder: Path = self._options.output
        return folder / f"{number}.wav"


def _part(turn: str) -> Part:
    """Read the recording that a turn names, if it does."""
    if os.path.isfile(turn):  # where a Path raises for a text that is too long to name one
        return AudioPart(load_audio(turn))
    if turn.lower().endswith(_RECORDINGS):
        raise ValueError(f"{turn}: there is no such recording")
    return whole(turn)


def _show(events: Iterator[Event], path: Path) -> list[tuple[int, ...]]:
    """Print what is said and done in a turn, write its sound, and return the tokens of its answers."""
    import soundfile

    sounds: list[Sound] = []
    tokens: list[tuple[int, ...]] = []
    for event in events:
        match event:
            case SpeechDelta(text) | ContentDelta(text):
                print(printable(text), end="", flush=True)
            case Thought():
                print(f"({printable(event.text.strip())} [{event.tokens} tokens, {event.seconds:.1f} s])")
            case ToolStarted(call):
                print(printable(f"\n-> {call.name} {call.arguments}"))
            case ToolFinished():
                print(printable(f"<- {event.result.text} [{event.seconds:.1f} s]"))
            case Sound():
                sounds.append(event)
            case AnswerTokens():
                tokens.append(event.ids)
    print()
    if sounds:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, torch.cat([sound.waveform for sound in sounds]).numpy(), Token2Wav.sample_rate)
        print(f"{path}, first sound after {sounds[0].seconds:.1f} s")
    return tokens
