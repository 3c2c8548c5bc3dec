"""The special tokens of Step-Audio 2's vocabulary, and a tokenizer that is checked against them.

Ids below 151688 are text: Qwen2.5's byte-level BPE, its added tokens, and the marks of turns. Eight ids for audio and
speech follow, and after them the codes of the speech codec. Follows section 4 of the model's technical description.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from step_audio_2.checkpoint import read_json
from step_audio_2.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

VOCABULARY_SIZE = 158_720
END_OF_TEXT = PAD = 151_643
TOOL_CALL_START, TOOL_CALL_END = 151_657, 151_658
END_OF_TURN = 151_665
AUDIO_START, AUDIO_END, AUDIO_PATCH = 151_688, 151_689, 151_690
TTS_START, TTS_END, TTS_PAD = 151_693, 151_694, 151_695
FIRST_AUDIO_CODE = 151_696
N_AUDIO_CODES = 6_561
AUDIO_CODE_PAD = FIRST_AUDIO_CODE + N_AUDIO_CODES

BEGIN_OF_TURN_STRING = "<|BOT|>"
SPECIAL_STRINGS = {
    "<|endoftext|>": END_OF_TEXT,
    "<|im_start|>": 151_644,
    "<|im_end|>": 151_645,
    "<tool_call>": TOOL_CALL_START,
    "</tool_call>": TOOL_CALL_END,
    "<|EOT|>": END_OF_TURN,
    "<audio_start>": AUDIO_START,
    "<audio_end>": AUDIO_END,
    "<audio_patch>": AUDIO_PATCH,
    "<tts_start>": TTS_START,
    "<tts_end>": TTS_END,
    "<tts_pad>": TTS_PAD,
    # of the codes only the ends: they are numbered in between
    "<audio_0>": FIRST_AUDIO_CODE,
    f"<audio_{N_AUDIO_CODES - 1}>": FIRST_AUDIO_CODE + N_AUDIO_CODES - 1,
    f"<audio_{N_AUDIO_CODES}>": AUDIO_CODE_PAD,
}
"""Every special string whose id is known, and that id."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids of the special tokens of one tokenizer, which all but the first share; made by ``of``.

    Attributes:
        begin_of_turn: ``<|BOT|>``, the one token whose id is up to the checkpoint.
        end_of_turn: ``<|EOT|>``, where the chat models stop.
        end_of_text: ``<|endoftext|>``, where the Base model stops.
        pad: what fills up the rows of a batch; the same token.
        tool_call_start: ``<tool_call>``.
        tool_call_end: ``</tool_call>``.
        audio_start: ``<audio_start>``, before the places that recorded audio takes.
        audio_end: ``<audio_end>``, after them.
        audio_patch: ``<audio_patch>``, one such place.
        tts_start: ``<tts_start>``, which begins interleaved speech.
        tts_end: ``<tts_end>``, which ends it.
        tts_pad: ``<tts_pad>``, in place of text where speech goes on without.
        first_audio_code: ``<audio_0>``.
        audio_code_pad: ``<audio_6561>``, in place of a code where there is none.
    """

    begin_of_turn: int
    end_of_turn: int = END_OF_TURN
    end_of_text: int = END_OF_TEXT
    pad: int = PAD
    tool_call_start: int = TOOL_CALL_START
    tool_call_end: int = TOOL_CALL_END
    audio_start: int = AUDIO_START
    audio_end: int = AUDIO_END
    audio_patch: int = AUDIO_PATCH
    tts_start: int = TTS_START
    tts_end: int = TTS_END
    tts_pad: int = TTS_PAD
    first_audio_code: int = FIRST_AUDIO_CODE
    audio_code_pad: int = AUDIO_CODE_PAD

    @classmethod
    def of(cls, tokenizer: "PreTrainedTokenizerFast") -> Self:
        """Look up the special tokens of a tokenizer, and compare each with the id that it must have.

        Raises:
            CheckpointError: one is absent, is not a single token, or has another id; the message names it.
        """
        for string, expected in SPECIAL_STRINGS.items():
            found = _ids(tokenizer, string)
            if found != [expected]:
                raise _mismatch(string, found, f"the id {expected}")
        found = _ids(tokenizer, BEGIN_OF_TURN_STRING)
        if len(found) != 1 or not _is_free(found[0]):
            raise _mismatch(BEGIN_OF_TURN_STRING, found, "one id, neither of text nor of another special token,")
        return cls(found[0])


def load_tokenizer(folder: str | Path) -> "PreTrainedTokenizerFast":
    """Load the tokenizer of a checkpoint folder; code that the folder may hold is neither imported nor looked for.

    Args:
        folder: with ``tokenizer.json``, to which tokens are added that stand in ``tokenizer_config.json`` only; or with
            ``vocab.json``, ``merges.txt`` and the added tokens in ``tokenizer_config.json`` or ``added_tokens.json``,
            which make a Qwen2 tokenizer.

    Raises:
        CheckpointError: a file is missing or cannot be read; the message names it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    whole = folder / "tokenizer.json"
    if not whole.is_file():
        _require_parts(folder)
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    tokenizer: PreTrainedTokenizerFast
    try:
        if whole.is_file():
            settings = dict.fromkeys(("eos_token", "pad_token"), "<|endoftext|>")
            tokenizer = PreTrainedTokenizerFast(tokenizer_object=_with_added_tokens(whole), **settings)
        else:
            tokenizer = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises nothing more specific for a file it cannot read
        reason = str(error).strip().splitlines() or [type(error).__name__]
        name = whole if whole.is_file() else folder
        raise CheckpointError(f"{name}: cannot be read as a tokenizer ({reason[0]})") from error
    return tokenizer


def _with_added_tokens(path: Path) -> "Tokenizer":
    """Read a ``tokenizer.json``, and add the tokens that only ``tokenizer_config.json`` beside it has, as others do."""
    from tokenizers import Tokenizer

    settings = path.with_name("tokenizer_config.json")
    beside = read_json(settings).get("added_tokens_decoder", {}) if settings.is_file() else {}
    content = read_json(path)
    known = {token["content"] for token in content["added_tokens"]}
    added = [{**token, "id": int(id_)} for id_, token in beside.items() if token["content"] not in known]
    if not added:
        return Tokenizer.from_file(str(path))
    # In the vocabulary too: the library numbers added tokens that are not in it in its own way.
    content["model"]["vocab"] |= {token["content"]: token["id"] for token in added}
    content["added_tokens"] += added
    return Tokenizer.from_str(json.dumps(content))


def _require_parts(folder: Path) -> None:
    for names in (("vocab.json",), ("merges.txt",), ("tokenizer_config.json", "added_tokens.json")):
        if not any((folder / name).is_file() for name in names):
            raise CheckpointError(f"{folder}: holds neither tokenizer.json nor {' nor '.join(names)}")


def _ids(tokenizer: "PreTrainedTokenizerFast", string: str) -> list[int]:
    ids: list[int] = tokenizer.encode(string, add_special_tokens=False)
    return ids


def _is_free(token: int) -> bool:
    return END_OF_TEXT < token < FIRST_AUDIO_CODE and token not in SPECIAL_STRINGS.values()


def _mismatch(string: str, found: list[int], expected: str) -> CheckpointError:
    return CheckpointError(f"the tokenizer reads {string} as {found}, and {expected} is expected")
