"""The small tokenizer is of the published one's make, and its ids survive saving and loading."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from step_audio_2.special_tokens import SPECIAL_STRINGS, SpecialTokens, load_tokenizer
from step_audio_2.testing.tiny_tokenizer import write_tiny_tokenizer

QWEN = {
    "<|endoftext|>": 151643,
    "<|im_start|>": 151644,
    "<|im_end|>": 151645,
    "<|vision_start|>": 151652,
    "<|video_pad|>": 151656,
    "<tool_call>": 151657,
    "</tool_call>": 151658,
    "<|fim_prefix|>": 151659,
    "<|file_sep|>": 151664,
}
CODES = {f"<audio_{code}>": 151696 + code for code in range(6562)}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == unicodedata.normalize("NFC", text)


def test_every_special_string_is_one_token(tokenizer: Any) -> None:
    strings = {**QWEN, "<|BOT|>": 151666, **SPECIAL_STRINGS, **CODES}
    assert tokenizer.encode("".join(strings)) == list(strings.values())
    assert tokenizer.decode(list(strings.values())) == "".join(strings)


def test_ids_survive_saving_by_the_library(tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert loaded.encode("".join(CODES)) == list(CODES.values())
    assert SpecialTokens.of(loaded) == SpecialTokens.of(tokenizer)


def test_the_library_loads_the_folder_itself(tiny_tokenizer_folder: Path, tokenizer: Any) -> None:
    from transformers import Qwen2Tokenizer

    loaded = Qwen2Tokenizer.from_pretrained(tiny_tokenizer_folder)
    text = "I've 12 audio files,\n\n今天天气很好。<tool_call><audio_7><|EOT|>"
    assert loaded.encode(text) == tokenizer.encode(text)
    assert loaded.pad_token_id == loaded.eos_token_id == 151643


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("you've 2025", ["you", "'ve", "Ġ", "2", "0", "2", "5"]),  # Qwen2 keeps every digit apart
        ("a\n\nb", ["a", "ĊĊ", "b"]),
        ("Please answer", ["Please", "Ġanswer"]),
    ],
)
def test_text_is_cut_as_by_qwen2(text: str, pieces: list[str], tokenizer: Any) -> None:
    assert tokenizer.tokenize(text) == pieces


def test_chinese_is_partly_merged(tokenizer: Any) -> None:
    assert len(tokenizer.encode("今天天气很好")) <= len("今天天气很好")
    assert len(tokenizer.encode("饕餮")) == len("饕餮".encode())


def test_it_is_the_same_every_time(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    again = write_tiny_tokenizer(tmp_path / "new" / "folder")
    names = {path.name for path in again.iterdir()}
    assert names == {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json"}
    for name in names:
        assert (again / name).read_bytes() == (tiny_tokenizer_folder / name).read_bytes()


def test_text_tokens_are_the_bytes_and_a_few_hundred_merges(tiny_tokenizer_folder: Path) -> None:
    vocabulary = json.loads((tiny_tokenizer_folder / "vocab.json").read_text(encoding="utf-8"))
    merges = (tiny_tokenizer_folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert sorted(token for token in vocabulary.values() if token < 151643) == list(range(256 + len(merges)))
    assert len(merges) == 512
    assert max(vocabulary.values()) == 158257
