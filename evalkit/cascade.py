"""A cascade: a recogniser, a text model and a voice in the place of one model that hears, thinks and speaks.

Each call of a sample's chain to the model under test becomes calls to the roles of the stages, whose answers are kept
like those of any role; the cascade's own answer is a function of them. So a cascade is batched, cached, resumed and
scored again by what does this for every chain.
"""

from collections.abc import Callable, Generator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.audio import Audio
from evalkit.chain import CallFailed, Chain, Score
from evalkit.errors import ConfigurationError
from evalkit.prompts import Prompt, Prompts
from evalkit.text.speakable import speakable
from evalkit.thought import without_thought
from evalkit.tool_syntax import without_calls
from evalkit.types import Call, Message, Request, Response

STAGES = ("asr", "llm", "tts")
"""The roles of a cascade's models: what writes down speech, what answers in writing, what speaks the answer."""

_UNDER_TEST = "model"
_RECOGNITION = "asr"  # the kind of question that the recogniser answers alone
_Step = Generator[Call, Response, Response]


@dataclass(frozen=True, slots=True)
class Cascade:
    """How calls to the model under test are answered by the stages of a cascade.

    Recordings are transcribed one by one. The text model gets the conversation with transcripts in the place of
    recordings, of its own turns the words. What it writes is its answer; where speech is wanted, the voice gets the
    words without thought, tool calls and Markdown. To write down a recording, the recogniser alone is asked.

    Attributes:
        recogniser: how it wants to be asked to transcribe.
    """

    recogniser: Prompt = field(default_factory=lambda: Prompt(kind=_RECOGNITION))

    def through(self, chain: Chain, language: str | None, heard: MutableMapping[Audio, str] | None = None) -> Chain:
        """Return a chain in which the stages are asked in the place of the model under test.

        The answer that theirs amount to is a call of its own, with that answer: it is kept as the model's. Where a
        stage has no answer, neither has the cascade.

        Args:
            chain: as a task has it, not yet advanced.
            language: in which answers are expected, for the voice; None if that is open.
            heard: what is transcribed already, and where further transcripts are kept; None for nothing yet.
        """
        heard = {} if heard is None else heard
        step: Callable[[Any], Call] = chain.send
        value: Any = None
        try:
            while True:
                try:
                    call = step(value)
                except StopIteration as end:
                    score: Score = end.value
                    return score
                try:
                    if call.role == _UNDER_TEST:
                        answer = yield from self._answer(call.request, heard, language)
                        call = replace(call, answer=answer)
                    step, value = chain.send, (yield call)
                except CallFailed as failed:
                    step, value = chain.throw, failed
        finally:
            chain.close()

    def _answer(self, request: Request, heard: MutableMapping[Audio, str], language: str | None) -> _Step:
        for recording in _unheard(request, heard):
            transcript = yield Call("asr", self.recogniser.request((recording,), language=request.language))
            heard[recording] = transcript.text.strip()
        if request.kind == _RECOGNITION:
            return Response("\n".join(heard[recording] for recording in request.audio))
        messages = tuple(_in_words(message, heard) for message in request.messages)
        written = yield Call("llm", replace(request, messages=messages, language=None, output="text"))
        answer = Response(
            written.text,
            tool_calls=written.tool_calls,
            replies=written.replies,
            finish_reason=written.finish_reason,
        )
        if request.output == "text":
            return answer
        words = speakable(without_calls(written.text))
        if not words:
            return replace(answer, text="")
        spoken = yield Call("tts", Request((Message("user", (words,)),), language=language, output="speech"))
        return replace(answer, text=words, speech=spoken.speech)


def cascade_of(models: Mapping[str, Mapping[str, Any]], prompts: Prompts) -> Cascade | None:
    """Return the cascade that a run's configuration has for its model, or None if it has another.

    Args:
        models: the configuration of each role's model.
        prompts: of the models.

    Raises:
        ConfigurationError: a model has a stage's role without a cascade, or a cascade another role than the model's.
    """
    cascades = [role for role, settings in models.items() if settings.get("_target_") == _TARGET]
    for role in cascades:
        if role != _UNDER_TEST:
            raise ConfigurationError(f"model@{role}: a cascade is a model to test, and takes no other role")
    if cascades:
        return Cascade(prompts.of(_RECOGNITION, "asr"))
    for stage in STAGES:
        if stage in models:
            raise ConfigurationError(
                f"model@{stage}: only a cascade has this stage; choose model=cascade, or leave the stage out"
            )
    return None


def _unheard(request: Request, heard: Mapping[Audio, str]) -> list[Audio]:
    """Return the recordings that have to be transcribed: those of the assistant only where it has no words."""
    recordings = [
        part
        for message in request.messages
        for part in message.content
        if isinstance(part, Audio) and not (message.role == "assistant" and _has_words(message))
    ]
    return [recording for recording in dict.fromkeys(recordings) if recording not in heard]


def _in_words(message: Message, heard: Mapping[Audio, str]) -> Message:
    """Return a turn in writing; the assistant's without what it only thought."""
    if message.role == "assistant" and _has_words(message):
        words = "".join(part for part in message.content if isinstance(part, str))
        return replace(message, content=(without_thought(words).strip(),), tokens="")
    parts = [(part if isinstance(part, str) else heard[part]) for part in message.content]
    return replace(message, content=("".join(_with_breaks(message, parts)),), tokens="")


def _with_breaks(message: Message, parts: list[str]) -> list[str]:
    """Return the parts of a turn with a line break between two recordings that follow each other."""
    return [
        f"\n{text}" if index and isinstance(message.content[index - 1], Audio) and isinstance(part, Audio) else text
        for index, (part, text) in enumerate(zip(message.content, parts, strict=True))
    ]


def _has_words(message: Message) -> bool:
    return any(isinstance(part, str) and part.strip() for part in message.content)


_TARGET = f"{__name__}.{Cascade.__name__}"
