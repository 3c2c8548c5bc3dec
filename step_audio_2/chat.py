r"""Conversations as the model reads them.

Follows section 5 of the model's technical description, as the published ``stepaudio2.py`` does it: each message is
``<|BOT|>``, its role, a line feed, its content and ``<|EOT|>``, with nothing between messages.

What is tokenized as one string matters, since a tokenizer merges characters within a string but never across. Role and
line feed are one string with a content that is a string; before a content of parts they stand alone, and each text part
is a string of its own. A special token is a border too, wherever it stands.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from step_audio_2.special_tokens import (
    AUDIO_END,
    AUDIO_PATCH,
    AUDIO_START,
    SPECIAL_STRINGS,
    VOCABULARY_SIZE,
    SpecialTokens,
)

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

SUMMARY_REQUEST = "\n\n\n请用口语化形式总结检索结果，简短地回答用户的问题。"
"""What the published examples ask for after the result of a web search, and of no other tool."""
THOUGHT_STOP_STRING = "</think>"
"""Where the first of the two calls of the Think model must stop."""
# The marks of thought are ordinary text for this tokenizer.
_THOUGHT_START = "\n<think>\n"
_ASSISTANT_MARKS = re.compile("(<tts_start>|<tts_end>|<tool_call>|</tool_call>)")


@dataclass(frozen=True, slots=True, eq=False)
class AudioPart:
    """Recorded audio; it becomes one block of ``<audio_patch>`` for each 25 seconds, and none if it is empty.

    Attributes:
        waveform: [samples] at 16 kHz, mono, in -1..1.
    """

    waveform: "Tensor"


@dataclass(frozen=True, slots=True)
class TokenPart:
    """Ids that go into the input as they are, such as those the model generated in an earlier turn.

    Attributes:
        ids: of the vocabulary.

    Raises:
        ValueError: an id is not in the vocabulary.
    """

    ids: Sequence[int]

    def __post_init__(self) -> None:
        for token in self.ids:
            if not 0 <= token < VOCABULARY_SIZE:
                raise ValueError(f"token ids go from 0 to {VOCABULARY_SIZE - 1}, and {token} is none")


Part = str | AudioPart | TokenPart


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: ``system``, ``human`` (for which ``user`` stands too), ``assistant``, ``tool_json_schemas`` or ``input``.
        content: a string, parts in order, or None for the role alone, after which the model is to write.
        end_of_turn: False leaves the message open, for the model to go on with.
    """

    role: str
    content: str | Sequence[Part] | None
    end_of_turn: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be answered.

    Attributes:
        messages: the conversation, without the open message of the assistant at its end.
        spoken: whether to answer in speech.
        tool_names: the functions that ``messages`` offer; calls of others are not taken for calls.
        seeds: where answers are sampled, one for each answer wanted; what an answer draws depends on nothing else.
    """

    messages: Sequence[Message]
    spoken: bool = False
    tool_names: Sequence[str] = ()
    seeds: Sequence[int] = (0,)


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """What the model is given.

    Attributes:
        input_ids: token ids, with a block ``<audio_start>``, n times ``<audio_patch>``, ``<audio_end>`` for each mel.
        mels: log-mel spectrograms [128, frames] of pieces of at most 25 seconds, in the order of the blocks.
    """

    input_ids: list[int]
    mels: "list[Tensor]"


def render(
    messages: Iterable[Message],
    tokenizer: "PreTrainedTokenizerFast",
    special: SpecialTokens,
    *,
    special_tokens_in_text: bool = True,
) -> Prompt:
    """Render a conversation as the chat models read it.

    Args:
        messages: in order; the last one is usually ``TEXT_ANSWER``, ``SPEECH_ANSWER`` or another open one.
        tokenizer: of the model.
        special: the special tokens of that tokenizer.
        special_tokens_in_text: True, as in the original implementation: a special string in a text, whoever wrote it,
            is the special token, so that a user who types ``<|EOT|>`` ends the turn. False, for texts of strangers:
            only the marks of speech and of tool calls are tokens, and those only in messages of the assistant; all else
            is spelled out. Texts without special strings give the same ids either way.

    Raises:
        ValueError: ``<audio_start>`` stands where no audio was given.
    """
    prompt = Prompt([], [])
    for message in messages:
        encode = _encoder(tokenizer, special_tokens_in_text, has_marks=message.role == "assistant")
        header = f"{'human' if message.role == 'user' else message.role}\n"
        content = message.content
        prompt.input_ids.append(special.begin_of_turn)
        if content is None:
            _extend(prompt, [header], encode)
            continue
        _extend(prompt, [header + content] if isinstance(content, str) else [header, *content], encode)
        if message.end_of_turn:
            prompt.input_ids.append(special.end_of_turn)
    return _checked(prompt)


def render_base(
    parts: Iterable[Part], tokenizer: "PreTrainedTokenizerFast", *, special_tokens_in_text: bool = True
) -> Prompt:
    """Render text, audio and tokens as the Base model reads them: in order, without roles, turns or their marks.

    Args:
        parts: in order; each text is tokenized on its own. A last ``<tts_start>`` asks for speech.
        tokenizer: of the model.
        special_tokens_in_text: see ``render``; False treats all texts as it does the assistant's.

    Raises:
        ValueError: see ``render``.
    """
    prompt = Prompt([], [])
    _extend(prompt, parts, _encoder(tokenizer, special_tokens_in_text, has_marks=True))
    return _checked(prompt)


TEXT_ANSWER = Message("assistant", None)
"""The last message of a prompt that is to be answered in writing."""
SPEECH_ANSWER = Message("assistant", "<tts_start>", end_of_turn=False)
"""The last message of a prompt that is to be answered in speech."""
THOUGHT = Message("assistant", _THOUGHT_START, end_of_turn=False)
"""The last message of the first of two prompts of the Think model, which stops at ``THOUGHT_STOP_STRING``."""


def answer_after_thought(thought: str, *, spoken: bool) -> Message:
    r"""Build the last message of the Think model's second prompt, in which the answer follows the thought.

    Args:
        thought: what the first prompt gave. It may end in ``</think>``, or lack the last character of it, which the
            original implementation drops and puts back; one that was cut before is closed on a line of its own.
        spoken: whether to answer in speech.

    >>> answer_after_thought("Rain?\n</think", spoken=True).content
    '\n<think>\nRain?\n</think>\n\n<tts_start>'
    """
    thought, mark, _ = thought.partition(THOUGHT_STOP_STRING[:-1])
    thought = thought if mark else f"{thought}\n"
    start_of_answer = "<tts_start>" if spoken else ""
    content = f"{_THOUGHT_START}{thought}{THOUGHT_STOP_STRING}\n\n{start_of_answer}"
    return Message("assistant", content, end_of_turn=False)


def spoken_turn(ids: Sequence[int]) -> Message:
    """Build the message that holds a spoken answer of the assistant as history.

    Args:
        ids: what was generated after ``<tts_start>``, without the stop token and without any thought before it.
    """
    return Message("assistant", ("<tts_start>", TokenPart(ids)))


def tool_schemas(schemas: Sequence[Mapping[str, Any]]) -> Message:
    """Build the message that offers tools; it follows the system message.

    Args:
        schemas: of functions, as OpenAI's protocol describes them.
    """
    return Message("tool_json_schemas", json.dumps(schemas, ensure_ascii=False))


def tool_result(result: str, request: str = "") -> Message:
    """Build the message that hands back a tool's result; it follows the assistant's turn with the call.

    Args:
        result: as text.
        request: what the model is to do with it, such as ``SUMMARY_REQUEST``; empty for the result alone, as after a
            change of voice in the published conversations.
    """
    return Message("input", (result, request) if request else (result,))


def _extend(prompt: Prompt, parts: Iterable[Part], encode: Callable[[str], list[int]]) -> None:
    for part in parts:
        if isinstance(part, str):
            prompt.input_ids.extend(encode(part))
        elif isinstance(part, TokenPart):
            prompt.input_ids.extend(part.ids)
        else:
            _extend_by_audio(prompt, part.waveform)


def _extend_by_audio(prompt: Prompt, waveform: "Tensor") -> None:
    from step_audio_2.log_mel import audio_token_count, log_mel_spectrogram, pieces

    for piece in pieces(waveform):
        mel = log_mel_spectrogram(piece)
        prompt.input_ids.extend([AUDIO_START, *[AUDIO_PATCH] * audio_token_count(mel.shape[1]), AUDIO_END])
        prompt.mels.append(mel)


def _checked(prompt: Prompt) -> Prompt:
    n_blocks = prompt.input_ids.count(AUDIO_START)
    if n_blocks != len(prompt.mels):
        raise ValueError(
            f"{n_blocks} times <audio_start> for {len(prompt.mels)} pieces of audio: a text or token part holds it; "
            "with special_tokens_in_text=False a text cannot"
        )
    return prompt


def _encoder(
    tokenizer: "PreTrainedTokenizerFast", special_tokens_in_text: bool, *, has_marks: bool
) -> Callable[[str], list[int]]:
    """Return the function that makes a text into ids; see ``render``."""
    if special_tokens_in_text:
        return lambda text: tokenizer.encode(text, add_special_tokens=False)
    from tokenizers import Tokenizer

    # The same tokenizer without its added tokens. Its option split_special_tokens would not do: some of Qwen2.5's added
    # tokens do not count as special.
    backend = tokenizer.backend_tokenizer
    plain = Tokenizer(backend.model)
    plain.normalizer, plain.pre_tokenizer = backend.normalizer, backend.pre_tokenizer

    def encode(text: str) -> list[int]:
        ids: list[int] = []
        for piece in _ASSISTANT_MARKS.split(text):
            is_mark = has_marks and _ASSISTANT_MARKS.fullmatch(piece)
            ids += [SPECIAL_STRINGS[piece]] if is_mark else plain.encode(piece, add_special_tokens=False).ids
        return ids

    return encode
