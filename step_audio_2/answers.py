"""Generated ids taken apart: the text and the codes of speech, what is said in writing, and calls of tools.

Follows sections 3.7, 4 and 7 of the model's technical description. A spoken answer is a stream of one text token and
four codes by turns, up to ``<tts_end>``; what comes after is written, mostly calls. An answer without ``<tts_start>``
is written from its beginning. A call of a tool is written wherever it stands, as the published server's parser has it:
the model often calls right after ``<tts_start>``.

The original implementation drops the last id blindly, and with it the last word or sound of an answer that was cut at
its longest length. Here an answer ends before the first stop token, if there is one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from step_audio_2.special_tokens import (
    AUDIO_CODE_PAD,
    AUDIO_START,
    END_OF_TURN,
    FIRST_AUDIO_CODE,
    TOOL_CALL_END,
    TOOL_CALL_START,
    TTS_END,
    TTS_START,
)
from step_audio_2.tool_calls import (
    ContentDelta,
    ToolCall,
    ToolCallArguments,
    ToolCallName,
    ToolCallStream,
    parse_tool_calls,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, taken apart.

    Attributes:
        ids: the generated ids without the stop token: what a ``TokenPart`` puts into the next turn's history.
        speech_text: the words of the speech; empty if there is none.
        audio_codes: the speech, codes of 0 to 6560, 25 a second.
        content: what is said in writing.
        tool_calls: in order.
        stopped: a stop token ended the answer; otherwise it was cut.
    """

    ids: tuple[int, ...]
    speech_text: str
    audio_codes: tuple[int, ...]
    content: str
    tool_calls: tuple[ToolCall, ...]
    stopped: bool

    @property
    def text(self) -> str:
        """What the answer says: the words of the speech, or the written ones if it is not spoken."""
        return self.speech_text or self.content


@dataclass(frozen=True, slots=True)
class SpeechDelta:
    """More of the words that are spoken.

    Attributes:
        text: the words.
    """

    text: str


@dataclass(frozen=True, slots=True)
class AudioCodes:
    """More of the speech.

    Attributes:
        codes: each from 0 to 6560.
    """

    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """The answer is over.

    Attributes:
        stopped: a stop token ended it; otherwise it was cut.
    """

    stopped: bool


AnswerEvent = SpeechDelta | AudioCodes | ContentDelta | ToolCallName | ToolCallArguments | AnswerEnd


def split_answer(
    ids: Sequence[int],
    tokenizer: "PreTrainedTokenizerFast",
    *,
    spoken: bool,
    tool_names: Collection[str] = (),
    stop_ids: Collection[int] = (END_OF_TURN,),
) -> Answer:
    """Take apart the ids that a model generated.

    Args:
        ids: generated ids, with or without what follows the first stop token.
        tokenizer: of the model.
        spoken: the prompt ended in ``<tts_start>``.
        tool_names: see ``parse_tool_calls``.
        stop_ids: what ends an answer; ``(END_OF_TEXT,)`` for the Base model.
    """
    stop = next((position for position, token in enumerate(ids) if token in stop_ids), None)
    ids = tuple(ids[:stop])
    sorter = _Sorter(spoken)
    sorted_ids: dict[_Kind, list[int]] = {kind: [] for kind in _Kind}
    for token in ids:
        sorted_ids[sorter.kind(token)].append(token)
    parsed = parse_tool_calls(_decoded(tokenizer, sorted_ids[_Kind.WRITTEN]), tool_names)
    return Answer(
        ids=ids,
        speech_text=_decoded(tokenizer, sorted_ids[_Kind.SPOKEN]),
        audio_codes=tuple(token - FIRST_AUDIO_CODE for token in sorted_ids[_Kind.CODE]),
        content=parsed.content,
        tool_calls=parsed.tool_calls,
        stopped=stop is not None,
    )


class AnswerStream:
    """Takes apart what a model generates while it generates.

    All events together are exactly what ``split_answer`` makes of all ids, wherever they are cut; a text delta never
    ends inside a character.

    Args:
        tokenizer: see ``split_answer``.
        spoken: see ``split_answer``.
        tool_names: see ``split_answer``.
        stop_ids: see ``split_answer``.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerFast",
        *,
        spoken: bool,
        tool_names: Collection[str] = (),
        stop_ids: Collection[int] = (END_OF_TURN,),
    ) -> None:
        self._sorter = _Sorter(spoken)
        self._spoken = _TextStream(tokenizer)
        self._written = _TextStream(tokenizer)
        self._tool_calls = ToolCallStream(tool_names)
        self._stop_ids = stop_ids
        self._is_over = False

    def push(self, ids: Iterable[int]) -> list[AnswerEvent]:
        """Take in more generated ids and return the events that are certain now; none for ids after a stop token."""
        events: list[AnswerEvent] = []
        for token in ids:
            for event in self._events(token):
                if isinstance(event, AudioCodes) and events and isinstance(events[-1], AudioCodes):
                    events[-1] = AudioCodes(events[-1].codes + event.codes)
                else:
                    events.append(event)
        return events

    def finish(self) -> list[AnswerEvent]:
        """Return the events held back and the end, as nothing more is generated; none after a stop token."""
        return [] if self._is_over else self._end(stopped=False)

    def _events(self, token: int) -> Iterable[AnswerEvent]:
        if self._is_over:
            return []
        if token in self._stop_ids:
            return self._end(stopped=True)
        kind = self._sorter.kind(token)
        if kind is _Kind.SPOKEN:
            return _speech(self._spoken.push(token))
        if kind is _Kind.WRITTEN:
            return self._tool_calls.push(self._written.push(token))
        return [AudioCodes((token - FIRST_AUDIO_CODE,))] if kind is _Kind.CODE else []

    def _end(self, *, stopped: bool) -> list[AnswerEvent]:
        self._is_over = True
        return [
            *_speech(self._spoken.finish()),
            *self._tool_calls.push(self._written.finish()),
            *self._tool_calls.finish(),
            AnswerEnd(stopped),
        ]


class _Kind(Enum):
    SPOKEN = "text of speech"
    WRITTEN = "text that is not spoken"
    CODE = "codes of speech"
    NEITHER = "marks and padding"


class _Sorter:
    """Says of one generated id after another what it is."""

    def __init__(self, spoken: bool) -> None:
        self._is_speaking = spoken
        self._is_calling = False

    def kind(self, token: int) -> _Kind:
        if token in (TOOL_CALL_START, TOOL_CALL_END):
            self._is_calling = token == TOOL_CALL_START
            return _Kind.WRITTEN
        if token < AUDIO_START:
            return _Kind.SPOKEN if self._is_speaking and not self._is_calling else _Kind.WRITTEN
        if token in (TTS_START, TTS_END):
            self._is_speaking = token == TTS_START
        if self._is_calling:
            return _Kind.NEITHER
        return _Kind.CODE if FIRST_AUDIO_CODE <= token < AUDIO_CODE_PAD else _Kind.NEITHER


class _TextStream:
    """Decodes ids one by one, and gives text when its last character is whole."""

    def __init__(self, tokenizer: "PreTrainedTokenizerFast") -> None:
        self._tokenizer = tokenizer
        self._held: list[int] = []

    def push(self, token: int) -> str:
        self._held.append(token)
        # Decoding puts this character where bytes make none, so only behind it may the next token change anything.
        return "" if _decoded(self._tokenizer, self._held).endswith("\N{REPLACEMENT CHARACTER}") else self.finish()

    def finish(self) -> str:
        held, self._held = self._held, []
        return _decoded(self._tokenizer, held)


def _decoded(tokenizer: "PreTrainedTokenizerFast", ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def _speech(text: str) -> list[AnswerEvent]:
    return [SpeechDelta(text)] if text else []
