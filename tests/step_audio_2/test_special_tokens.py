"""A tokenizer is taken only if each of its special tokens is where the weights expect it."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from step_audio_2.errors import CheckpointError
from step_audio_2.special_tokens import (
    BEGIN_OF_TURN_STRING,
    SPECIAL_STRINGS,
    SpecialTokens,
    load_tokenizer,
)

Content = dict[str, Any]


def changed(source: Path, folder: Path, change: Callable[[Content], None]) -> Any:
    """The small tokenizer after a change of its ``tokenizer.json``, without the codes that nothing looks up."""
    content = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    for code in range(1, 6560):
        del content["model"]["vocab"][f"<audio_{code}>"]
    content["added_tokens"] = [token for token in content["added_tokens"] if not 151696 < token["id"] < 158256]
    change(content)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return load_tokenizer(folder)


def without(string: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] != string]
        del content["model"]["vocab"][string]

    return change


def moved(string: str, token: int) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        content["model"]["vocab"][string] = token
        for added in content["added_tokens"]:
            if added["content"] == string:
                added["id"] = token

    return change


def one_line(error: pytest.ExceptionInfo[CheckpointError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_ids_are_those_of_the_technical_description(special: SpecialTokens) -> None:
    assert special == SpecialTokens(
        begin_of_turn=151666,
        end_of_turn=151665,
        end_of_text=151643,
        pad=151643,
        tool_call_start=151657,
        tool_call_end=151658,
        audio_start=151688,
        audio_end=151689,
        audio_patch=151690,
        tts_start=151693,
        tts_end=151694,
        tts_pad=151695,
        first_audio_code=151696,
        audio_code_pad=158257,
    )


# A missing <|endoftext|> is put back by the library, as the token that pads; the next test moves it.
@pytest.mark.parametrize("string", [*list(SPECIAL_STRINGS)[1:], BEGIN_OF_TURN_STRING])
def test_an_absent_token_is_named(string: str, tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    tokenizer = changed(tiny_tokenizer_folder, tmp_path, without(string))
    with pytest.raises(CheckpointError) as error:
        SpecialTokens.of(tokenizer)
    assert f"reads {string} as [" in one_line(error)
    assert str(SPECIAL_STRINGS.get(string, "one id")) in str(error.value)
    assert str(tokenizer.encode(string)) in str(error.value)


@pytest.mark.parametrize("string", SPECIAL_STRINGS)
def test_another_id_is_named_beside_the_expected_one(string: str, tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    tokenizer = changed(tiny_tokenizer_folder, tmp_path, moved(string, 151_680))
    with pytest.raises(CheckpointError) as error:
        SpecialTokens.of(tokenizer)
    assert one_line(error) == (
        f"the tokenizer reads {string} as [151680], and the id {SPECIAL_STRINGS[string]} is expected"
    )


def test_begin_of_turn_may_be_any_token_of_its_own(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    tokenizer = changed(tiny_tokenizer_folder, tmp_path, moved(BEGIN_OF_TURN_STRING, 151_687))
    assert SpecialTokens.of(tokenizer).begin_of_turn == 151_687


@pytest.mark.parametrize("found", [[151_642], [151_693], [151_700], [158_257], [158_300], [151_666, 5], []])
def test_begin_of_turn_is_one_token_and_no_other(found: list[int], tokenizer: Any) -> None:
    class Renumbered:
        def encode(self, text: str, **settings: Any) -> list[int]:
            ids: list[int] = tokenizer.encode(text, **settings)
            return found if text == BEGIN_OF_TURN_STRING else ids

    with pytest.raises(CheckpointError, match=re.escape(f"reads <|BOT|> as {found}, and one id")):
        SpecialTokens.of(cast(Any, Renumbered()))


def test_a_tokenizer_in_parts_is_the_same(tiny_tokenizer_folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json"):
        shutil.copy(tiny_tokenizer_folder / name, tmp_path)
    in_parts = load_tokenizer(tmp_path)
    text = "Hello, I've heard 今天天气很好 🎉\n\n<tool_call><|EOT|><audio_12>é  <tts_end>"
    assert in_parts.encode(text) == tokenizer.encode(text)
    assert SpecialTokens.of(in_parts) == SpecialTokens.of(tokenizer)


def test_tokens_that_stand_beside_the_tokenizer_only_are_added_to_it(
    tiny_tokenizer_folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    for path in tiny_tokenizer_folder.iterdir():
        shutil.copy(path, tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    added, content["added_tokens"] = content["added_tokens"], []
    for token in added:
        del content["model"]["vocab"][token["content"]]
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings["added_tokens_decoder"] = {str(token.pop("id")): token for token in added}
    for name, changed_content in (("tokenizer.json", content), ("tokenizer_config.json", settings)):
        (tmp_path / name).write_text(json.dumps(changed_content), encoding="utf-8")
    completed = load_tokenizer(tmp_path)
    text = "Hello 今天天气很好 \n\n<tool_call><|EOT|><audio_12>é  <tts_end> <|video_pad|>"
    assert completed.encode(text) == tokenizer.encode(text)
    assert completed.decode(tokenizer.encode(text), skip_special_tokens=True) == tokenizer.decode(
        tokenizer.encode(text), skip_special_tokens=True
    )
    assert SpecialTokens.of(completed) == SpecialTokens.of(tokenizer)


def test_code_of_the_folder_is_never_run(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    for path in tiny_tokenizer_folder.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Tokenizer: pass\n")
    auto_map = {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]}}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "step_audio_2"} | auto_map))
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text()) | auto_map
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    SpecialTokens.of(load_tokenizer(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("missing", ["vocab.json", "merges.txt"])
def test_a_missing_part_is_named(missing: str, tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    for name in {"vocab.json", "merges.txt", "added_tokens.json"} - {missing}:
        shutil.copy(tiny_tokenizer_folder / name, tmp_path)
    with pytest.raises(CheckpointError) as error:
        load_tokenizer(tmp_path)
    assert one_line(error) == f"{tmp_path}: holds neither tokenizer.json nor {missing}"


def test_missing_added_tokens_are_named(tiny_tokenizer_folder: Path, tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(tiny_tokenizer_folder / name, tmp_path)
    with pytest.raises(CheckpointError, match="tokenizer_config.json nor added_tokens.json"):
        load_tokenizer(tmp_path)


def test_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="absent: no such folder"):
        load_tokenizer(tmp_path / "absent")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {"type": "BPE", "vocab": {"a": -1}}}'])
def test_a_file_that_is_no_tokenizer_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match="tokenizer.json: cannot be read as a tokenizer") as error:
        load_tokenizer(tmp_path)
    one_line(error)
