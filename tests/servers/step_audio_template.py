"""The prompt that StepFun's vLLM server makes of a request, as text.

It follows the server (repository stepfun-ai/vllm, branch step-audio2-mini: ``entrypoints/chat_utils.py`` and
``transformers_utils/tokenizers/step_audio_2.py``). Where the server works on token ids, special tokens are written by
their names, and each word stands for one token of text.
"""

import json
import math
import re
from collections.abc import Sequence

from tests.servers.errors import ViolationError
from tests.servers.messages import TextPart, Tool
from tests.servers.sound import Sound
from tests.servers.step_audio_schema import AssistantMessage, Message, StepAudioChat, TtsContent

BEGIN, END = "<|BOT|>", "<|EOT|>"
SPEECH_BEGINS, SPEECH_ENDS = "<tts_start>", "<tts_end>"
TEXT_PADDING, AUDIO_PADDING = "<tts_pad>", "<audio_6561>"
_AUDIO = "<audio_patch>"
_SPECIAL = r"<audio_\d+>|<tts_(?:start|end|pad)>|</?tool_call>|<\|[BE]OT\|>"


def tokens(text: str) -> list[str]:
    """A text in pieces that stand for its tokens: special tokens, and words with the space before them."""
    return re.findall(rf"{_SPECIAL}|\s*[^\s<]+|\s+|<", text)


def render(chat: StepAudioChat) -> str:
    """The prompt of a request, its audio expanded.

    Raises:
        ViolationError: a text holds what stands for audio.
    """
    pieces = _system(chat)
    for index, message in enumerate(chat.messages):
        if index > 0 or message.role != "system":
            pieces += _pieces(message)
    if chat.add_generation_prompt:
        pieces.append(f"{BEGIN}assistant\n")
    if chat.continue_final_message:
        final = _text(chat.messages[-1]).strip()
        last = max(index for index, piece in enumerate(pieces) if final in piece)
        pieces = pieces[: last + 1]
    before, *rest = "".join(pieces).split(_AUDIO)
    if len(rest) != len(chat.sounds):
        raise ViolationError(f"{len(rest)} placeholders in the prompt, but {len(chat.sounds)} recordings")
    return before + "".join(expanded(sound) + after for sound, after in zip(chat.sounds, rest, strict=True))


def expanded(sound: Sound) -> str:
    """What stands for audio in the prompt."""
    return f"<audio_start>{_AUDIO * audio_token_count(len(sound.samples))}<audio_end>"


def audio_token_count(samples: int) -> int:
    """How many embeddings so many samples at 16 kHz become on this server."""
    pooled = ((samples + 479) // 160 + 1) // 2 // 2
    return (pooled - 1) // 2 + 1


def interleaved(text: Sequence[str], codes: Sequence[str]) -> str:
    """Text and codes as the model reads and writes them: a token of text, four codes, and so on, padded."""
    count = max(math.ceil(len(codes) / 4), len(text))
    texts = [*text, *[TEXT_PADDING] * (count - len(text))]
    codes = [*codes, *[AUDIO_PADDING] * (count - len(codes))]
    return "".join(piece for index in range(count) for piece in (texts[index], *codes[4 * index : 4 * index + 4]))


def _system(chat: StepAudioChat) -> list[str]:
    """The system message, and the tools, whose block has a header even where there is no system message."""
    first = chat.messages[0]
    text = [_text(first) + END] if first.role == "system" else []
    if chat.tools:
        tools = json.dumps([_schema(tool) for tool in chat.tools], ensure_ascii=False)
        return [f"{BEGIN}system\n", *text, BEGIN, "tool_json_schemas\n", tools + END]
    return [f"{BEGIN}system\n", *text] if text else []


def _schema(tool: Tool) -> dict[str, object]:
    function = {name: getattr(tool.function, name) for name in ("name", "description", "parameters")}
    return {"type": "function", "function": function}


def _pieces(message: Message) -> list[str]:
    if not isinstance(message, AssistantMessage):
        return [f"{BEGIN}{message.role}\n{_text(message)}{END}"]
    pieces = [f"{BEGIN}assistant\n"]
    if message.tts_content is not None:
        pieces.append(_speech(message.tts_content))
    pieces.append(_text(message))
    for call in message.tool_calls or ():
        arguments = json.dumps(json.loads(call.function.arguments), ensure_ascii=False)
        pieces += [f"<tool_call>function\n{call.function.name}\n", arguments, "</tool_call>"]
    return [*pieces, END]


def _speech(content: TtsContent) -> str:
    codes = re.findall(r"<audio_\d+>", content.tts_audio)
    return SPEECH_BEGINS + interleaved(tokens(content.tts_text), codes) + SPEECH_ENDS


def _text(message: Message) -> str:
    """The content as one text: placeholders for audio that has none in the texts, then these, joined by line breaks."""
    if isinstance(message.content, str) or message.content is None:
        return message.content or ""
    text = "\n".join(part.text for part in message.content if isinstance(part, TextPart) and part.text)
    count = sum(not isinstance(part, TextPart) for part in message.content)
    return "\n".join([*[_AUDIO] * (count - text.count(_AUDIO)), text])
