"""The tool by which the model changes its voice: a description finds a recording, whose voice it then speaks in.

Its schema and what it answers are those of StepEval-Audio-Toolcall (``timbre_rag``): the model reads nothing but that
its voice has changed, whatever was found. The voice is made ready while the tool is at work, and heard from the next
answer.
"""

import re

from step_audio_2.live.audio_library import AudioLibrary
from step_audio_2.live.tools import Document, Tool, ToolError, ToolResult
from step_audio_2.speech.token2wav import Token2Wav, VoiceOrPath
from step_audio_2.speech.voice import Voice, VoiceError

VOICE_CHANGED = "你的音色已经更新完成，请继续对话。"
"""What the published conversations hold after every change."""

# Such as 默认男音色, 换回你原来的声音, "your original voice".
_BACK = re.compile("默认|原来|原本|自己的|default|original", re.IGNORECASE)
_MALE = re.compile(r"男|\bmale\b", re.IGNORECASE)
_FEMALE = re.compile(r"女|\bfemale\b", re.IGNORECASE)


def voice_search(
    library: AudioLibrary,
    token2wav: Token2Wav,
    default: VoiceOrPath,
    *,
    male: VoiceOrPath | None = None,
    female: VoiceOrPath | None = None,
) -> Tool:
    """Make the tool ``timbre_rag``.

    Args:
        library: of voices.
        token2wav: what they are made ready for.
        default: the voice to go back to.
        male: the default one that is a man's, where there is one.
        female: the default one that is a woman's, where there is one.
    """

    def run(query: str) -> ToolResult:
        if _BACK.search(query):
            wanted = female if _FEMALE.search(query) else male if _MALE.search(query) else default
            return ToolResult(VOICE_CHANGED, voice=_prepared(token2wav, wanted or default, "默认音色"))
        found = library.by_description(query)
        if not found:
            raise ToolError(f"没有找到符合{query}的声音")
        entry = found[0]
        document = Document(entry.speaker or entry.recording.stem, entry.description, entry.recording.name)
        return ToolResult(VOICE_CHANGED, (document,), _prepared(token2wav, entry.recording, entry.recording.name))

    description = (
        "通过给定一个中文的音色描述,改变模型输出的音色,例如‘一个正宗北京大爷的口音’, "
        "注意无法进行情感、语速、音量等韵律的调整"
    )
    parameters = {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "人物音色描述(中文)"}},
        "required": ["query"],
    }
    return Tool("timbre_rag", description, run, parameters, timeout=60)


def _prepared(token2wav: Token2Wav, voice: VoiceOrPath, name: str) -> Voice:
    try:
        return token2wav.prepare(voice)
    except VoiceError as error:  # whose message has the whole path
        raise ToolError(f"录音{name}不能用作音色") from error
