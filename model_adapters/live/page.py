"""The page to talk on, for models of evalkit's configurations: what ``evalkit chat`` starts."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError
from evalkit.inference.endpoint import ModelSpec
from evalkit.run.composition import compose_run
from evalkit.run.plan import plan_of_tasks
from model_adapters.live.dialogue import ModelDialogue
from model_adapters.live.opening import OpenedModel, open_model
from model_adapters.shared.decoding import decoding_settings
from model_adapters.step_audio_2.local import StepAudio2
from step_audio_2.live.audio_library import AudioLibrary
from step_audio_2.live.clock import BEIJING
from step_audio_2.live.conversation import SPOKEN
from step_audio_2.live.dialogue import Dialogue
from step_audio_2.live.page.agent import DEFAULT, Agent, Choice, StepAudio2Agent, chosen_tools, voices_to_choose
from step_audio_2.live.page.server import Limits, listen, serve
from step_audio_2.live.page.voice_activity import TurnTaking
from step_audio_2.live.prompts import system_prompt
from step_audio_2.live.saved import About
from step_audio_2.live.toolbox import Toolbox
from step_audio_2.live.tools import Tool, by_name
from step_audio_2.live.voice_search import voice_search
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath


def serve_page(
    models: Sequence[Sequence[str]],
    config_folders: Sequence[str] = (),
    *,
    host: str,
    port: int,
    sessions: int,
    system: str | None,
    write: bool,
    seed: int,
    voices: str | None,
    tools: Mapping[str, Any],
    turn_taking: Mapping[str, float],
) -> None:
    """Open models and serve the page until it is interrupted.

    Args:
        models: words of each that can be chosen, as of ``evalkit run``.
        config_folders: further folders of configurations.
        host: to listen at; any but this machine's own needs the token that is printed.
        port: to listen at; 0 for any that is free.
        sessions: pages that may be open at once.
        system: the system message that is offered; None for the published one.
        write: have models write that could speak.
        seed: of what sampled answers draw.
        voices: folder of a library of voices.
        tools: those of ``step_audio_2.live.toolbox.Toolbox``.
        turn_taking: settings of ``TurnTaking``.

    Raises:
        ConfigurationError: a model, a folder or the port cannot be had.
    """
    with ExitStack() as resources:
        try:
            limits = Limits(sessions=sessions, turn_taking=TurnTaking(**turn_taking))
            listening = resources.enter_context(listen(host, port))
            library = None if voices is None else AudioLibrary.from_folder(Path(voices))
            box = Toolbox(**{name: _path(name, value) for name, value in tools.items()})
            maker = AgentMaker(list(box.tools(resources)), library, system, write=write, seed=seed)
            agents = [maker.agent(words, config_folders, resources) for words in models]
            serve(agents, listening, limits)
        except (
            ValueError,
            ImportError,
            RuntimeError,
        ) as error:  # of what needs no evalkit; its messages are for people
            raise ConfigurationError(str(error)) from error


def _path(name: str, value: Any) -> Any:
    return Path(value) if name in ("documents", "weather") and value is not None else value


class AgentMaker:
    """Makes agents that are offered the same tools, each as far as its model can call them.

    Args:
        tools: that are offered.
        library: of voices.
        system: the system message; None for the published one.
        write: have models write that could speak.
        seed: of what sampled answers draw.
    """

    def __init__(
        self, tools: Sequence[Tool], library: AudioLibrary | None, system: str | None, *, write: bool, seed: int
    ) -> None:
        self._tools = tools
        self._library = library
        self._system = system
        self._write = write
        self._seed = seed

    def agent(self, words: Sequence[str], config_folders: Sequence[str], resources: ExitStack) -> Agent:
        """Open a model.

        Raises:
            ConfigurationError: it cannot be had, or cannot converse.
        """
        composition = compose_run(words, config_folders)
        spec = plan_of_tasks(composition.config, composition.choices, ()).models["model"]
        if spec.process.python is None and spec.target is StepAudio2:
            return self._in_process(spec)
        opened = open_model(words, config_folders, written=self._write, notify=print)
        resources.callback(opened.models.close)
        title, tools = opened.models.title, self._with_voices(opened.token2wav, opened.voice)
        if self._library is not None and opened.token2wav is None:
            print(f"{title} has no voice that could be changed: it is not offered those of the library")
        if not opened.models.capabilities.tools:
            print(f"{title} does not call tools: it is offered none")
            tools = []
        # The published message tells Step-Audio 2 who it is.
        system = self._message(tools) if opened.token2wav is not None else self._system or ""
        return ModelAgent(opened, system, tools, self._voices(opened.voice), self._seed)

    def _in_process(self, spec: ModelSpec) -> Agent:
        model = spec.make()
        if not isinstance(model, StepAudio2) or model.assistant.kind == "base":
            raise ConfigurationError(f"{spec.title}: the Base model knows no turns; talk with mini or mini Think")
        token2wav, voice = model.speech or (None, None)
        if self._write:
            token2wav = voice = None
        tools = self._with_voices(token2wav, voice)
        return StepAudio2Agent(
            spec.title,
            model.assistant,
            self._message(tools),
            tools,
            token2wav=token2wav,
            voices=self._voices(voice),
            settings=decoding_settings({**SPOKEN, **spec.generation}, model=spec.title),
            seed=self._seed,
        )

    def _with_voices(self, token2wav: Token2Wav | None, voice: VoiceOrPath | None) -> list[Tool]:
        if self._library is None or token2wav is None or voice is None:
            return list(self._tools)
        return [*self._tools, voice_search(self._library, token2wav, voice)]

    def _voices(self, voice: VoiceOrPath | None) -> dict[str, VoiceOrPath]:
        return {} if voice is None else voices_to_choose(voice, self._library)

    def _message(self, tools: Sequence[Tool]) -> str:
        if self._system is not None:
            return self._system
        return system_prompt(datetime.now(BEIJING).date(), has_tools=bool(tools))


class ModelAgent:
    """Any model of evalkit's configurations; see ``step_audio_2.live.page.agent.Agent``.

    Args:
        opened: the model.
        system: the system message unless users write another.
        tools: that it may be allowed to call.
        voices: by name, those that it can begin in; empty where it has a voice of its own, or none.
        seed: of what sampled answers draw.

    Raises:
        ValueError: two tools share a name.
    """

    def __init__(
        self,
        opened: OpenedModel,
        system: str,
        tools: Sequence[Tool],
        voices: Mapping[str, VoiceOrPath],
        seed: int,
    ) -> None:
        self.title = opened.models.title
        self.system = system
        self.tools = tuple(by_name(tools).values())
        self.voices = tuple(voices)
        self._voices = voices
        self._opened = opened
        self._seed = seed

    def begin(self, choice: Choice) -> Dialogue:
        """Begin a conversation.

        Raises:
            ValueError: the voice cannot be spoken in.
        """
        return ModelDialogue(
            self._opened.models,
            choice.system,
            chosen_tools(self, choice),
            spoken=self._opened.spoken,
            token2wav=self._opened.token2wav,
            voice=self._voices.get(choice.voice or DEFAULT),
            generation=self._opened.generation,
            seed=self._seed,
        )

    def about(self, choice: Choice) -> About:
        """Say what a conversation is held with, for those that are kept."""
        schemas = tuple(tool.schema for tool in chosen_tools(self, choice))
        return About({"title": self.title}, self._opened.generation, self._seed, choice.system, schemas)
