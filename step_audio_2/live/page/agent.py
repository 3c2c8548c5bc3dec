"""What can be talked to on the page: an agent, which begins a conversation of its own with every user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from step_audio_2.assistant import Assistant
from step_audio_2.live.audio_library import AudioLibrary
from step_audio_2.live.conversation import SPOKEN, Conversation
from step_audio_2.live.dialogue import Dialogue
from step_audio_2.live.saved import About
from step_audio_2.live.tools import Tool, by_name
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath

DEFAULT = "default"
"""Name of the voice that an agent speaks in unless another is chosen."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user chose for a conversation.

    Attributes:
        system: the system message.
        voice: name of the voice to begin in; empty where there is none to choose.
        tools: names of those that may be called.
    """

    system: str
    voice: str
    tools: frozenset[str]


class Agent(Protocol):
    """Something that can be talked to.

    Attributes:
        title: what users know it by.
        system: the system message unless they write another.
        voices: names of those that it can begin in, its own first; empty where it has no choice.
        tools: that it may be allowed to call.
    """

    @property
    def title(self) -> str: ...  # noqa: D102 - said above

    @property
    def system(self) -> str: ...  # noqa: D102

    @property
    def voices(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def tools(self) -> Sequence[Tool]: ...  # noqa: D102

    def begin(self, choice: Choice) -> Dialogue:
        """Begin a conversation; it may take as long as making a voice ready.

        Raises:
            ValueError: it cannot be as chosen; the message says why.
        """

    def about(self, choice: Choice) -> About:
        """Say what a conversation is held with, for those that are kept."""


class StepAudio2Agent:
    """Step-Audio 2 in this process.

    All conversations are with the one model. Each answer is generated in a thread of its own, so that answers to
    several users are made side by side, each more slowly.

    Args:
        title: what users know it by.
        assistant: the model.
        system: the system message unless users write another.
        tools: that it may be allowed to call.
        token2wav: makes speech; without it the model writes.
        voices: by name, those that it can begin in; needed to speak.
        settings: of decoding, those of ``Assistant.stream``.
        seed: of what sampled answers draw.

    Raises:
        ValueError: two tools share a name.
    """

    def __init__(
        self,
        title: str,
        assistant: Assistant,
        system: str = "",
        tools: Sequence[Tool] = (),
        *,
        token2wav: Token2Wav | None = None,
        voices: Mapping[str, VoiceOrPath] | None = None,
        settings: Mapping[str, Any] = SPOKEN,
        seed: int = 0,
    ) -> None:
        self.title = title
        self.system = system
        self.tools = tuple(by_name(tools).values())
        self._assistant = assistant
        self._token2wav = token2wav
        self._voices = dict(voices or {}) if token2wav is not None else {}
        self._settings = settings
        self._seed = seed

    @property
    def voices(self) -> tuple[str, ...]:
        """Names of the voices that it can begin in."""
        return tuple(self._voices)

    def begin(self, choice: Choice) -> Dialogue:
        """Begin a conversation.

        Raises:
            ValueError: the voice cannot be spoken in.
        """
        return Conversation(
            self._assistant,
            choice.system,
            chosen_tools(self, choice),
            token2wav=self._token2wav,
            voice=self._voices.get(choice.voice),
            settings=self._settings,
            seed=self._seed,
        )

    def about(self, choice: Choice) -> About:
        """Say what a conversation is held with, for those that are kept."""
        schemas = tuple(tool.schema for tool in chosen_tools(self, choice))
        model = {"title": self.title, "kind": self._assistant.kind}
        return About(model, self._settings, self._seed, choice.system, schemas)


def chosen_tools(agent: Agent, choice: Choice) -> list[Tool]:
    """Return the tools of an agent that a user allows."""
    return [tool for tool in agent.tools if tool.name in choice.tools]


def voices_to_choose(default: VoiceOrPath, library: AudioLibrary | None) -> dict[str, VoiceOrPath]:
    """Name the voices that a user can choose from: the default one, and those of a library by their speakers.

    A name that another has already is followed by the recording's.
    """
    voices = {DEFAULT: default}
    for entry in library.entries if library is not None else ():
        name = entry.speaker or entry.recording.stem
        voices[f"{name} ({entry.recording.name})" if name in voices else name] = entry.recording
    return voices
