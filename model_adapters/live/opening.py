"""From the words of a command line to a model to talk with, as ``evalkit run`` takes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from evalkit.cascade import cascade_of
from evalkit.errors import ConfigurationError
from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.opening import ExecutorChoice
from evalkit.prompts import Prompts
from evalkit.run.composition import compose_run
from evalkit.run.plan import plan_of_tasks, refuse_missing, roles_of
from model_adapters.live.models import LiveModels
from model_adapters.step_audio_2.served import StepAudio2Server
from model_adapters.step_audio_2.speech import load_token2wav
from step_audio_2.speech.token2wav import Token2Wav
from step_audio_2.speech.voice import Voice

_MODEL = "model"
_STAGES = ("asr", "llm")  # that a cascade cannot converse without
_KIND = "conversation"  # of question, whose decoding settings a talk has


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model to talk with.

    Attributes:
        models: that answer; to be closed.
        generation: decoding settings of its prompt profile for a conversation.
        spoken: whether it speaks.
        token2wav: makes its codes into sound, if it is a served Step-Audio 2: only then can tools change its voice.
        voice: in which token2wav speaks at first.
    """

    models: LiveModels
    generation: Mapping[str, Any]
    spoken: bool
    token2wav: Token2Wav | None = None
    voice: Voice | None = None


def open_model(
    words: Sequence[str],
    config_folders: Sequence[str | Path] = (),
    *,
    written: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> OpenedModel:
    """Open the model that a configuration chooses.

    Args:
        words: such as ``model=openai_chat``, ``model.model=…``; ``model=cascade``, ``model@asr=…``, ``model@llm=…``.
        config_folders: further folders of configurations, as ``--config-dir`` names them.
        written: whether it is to write though it could speak.
        notify: told, in a line for people, of every turn for the worse.

    Raises:
        EvalkitError: the words cannot be, or a model cannot be had.
    """
    composition = compose_run(words, config_folders)
    config = composition.config
    refuse_missing(config)
    plan = plan_of_tasks(config, composition.choices, ())
    roles = {role: config[role] for role in roles_of(config)}
    profiles: Any = {
        role: OmegaConf.to_container(node.get("prompts") or OmegaConf.create(), resolve=True)
        for role, node in roles.items()
    }
    prompts = Prompts(profiles)
    cascade = cascade_of(roles, prompts)
    for stage in _STAGES if cascade is not None else ():
        if stage not in plan.models:
            raise ConfigurationError(f"a cascade needs a model in the role '{stage}': model@{stage}=NAME")
    spec, speech = _without_speech(plan.models[_MODEL], written=written)
    specs = {**plan.models, _MODEL: spec}
    token2wav, voice = (None, None) if speech is None else load_token2wav(**speech)
    executors = ExecutorChoice(plan.executor, plan.executors)
    models = LiveModels(specs, executors, cascade=cascade, budget=plan.budget, notify=notify)
    speaks = models.capabilities.speech_output if cascade is None else "tts" in specs
    spoken = not written and (token2wav is not None or speaks)
    prompt = prompts.of(_KIND)
    generation = dict(prompt.generation) | ({} if spoken else dict(prompt.written))
    return OpenedModel(models, generation, spoken, token2wav, voice)


def _without_speech(spec: ModelSpec, *, written: bool) -> tuple[ModelSpec, dict[str, Any] | None]:
    """Take the synthesizer out of the description of a served Step-Audio 2: every conversation has its own voice."""
    if spec.process.python is not None or spec.target is not StepAudio2Server or not spec.config.get("token2wav"):
        return spec, None
    config = {key: value for key, value in spec.config.items() if key not in ("token2wav", "voice", "speech_dtype")}
    if written:
        return replace(spec, config=config), None
    dtype = spec.config.get("speech_dtype", "float32")
    speech = {"folder": spec.config["token2wav"], "voice": spec.config.get("voice"), "dtype": dtype}
    return replace(spec, config=config), speech
