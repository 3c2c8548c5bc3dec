"""What can be talked to on the page: an agent, which begins a conversation of its own with every user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from step_audio_2.assistant import Assistant
from step_audio_2.live.conversation import SPOKEN, Conversation
from step_audio_2.live.dialogue import Dialogue
from step_audio_2.live.tools import Tool
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath


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
        self.tools = tuple(tools)
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
            [tool for tool in self.tools if tool.name in choice.tools],
            token2wav=self._token2wav,
            voice=self._voices.get(choice.voice),
            settings=self._settings,
            seed=self._seed,
        )
