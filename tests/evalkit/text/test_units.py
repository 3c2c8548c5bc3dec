"""How normalised text is cut."""

import pytest

from evalkit.text.special_tokens import remove_special_tokens
from evalkit.text.units import characters, mixed_tokens, without_punctuation


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("我喜欢apple手机", ["我", "喜", "欢", "apple", "手", "机"]),
        ("b2b模式 is ok", ["b2b", "模", "式", "is", "ok"]),
        ("他说,3.5元!", ["他", "说", ",", "3.5", "元", "!"]),
        ("ａｂc", ["ａ", "ｂ", "c"]),
        ("emoji😀测试", ["emoji😀", "测", "试"]),
        ("ok𠮶个", ["ok𠮶", "个"]),  # sacreBLEU's ranges miss the characters beyond U+FFFF
    ],
)
def test_mixed_tokens(text: str, tokens: list[str]) -> None:
    assert mixed_tokens(text) == tokens


def test_characters_leave_out_every_white_space() -> None:
    assert characters(" 你\u3000好\n世\tk ") == "你好世k"


def test_tokens_of_punctuation_alone_are_dropped() -> None:
    assert without_punctuation(["a.", "...", "。", "$", "", "-b"]) == ["a.", "$", "-b"]


def test_special_tokens_become_spaces() -> None:
    assert remove_special_tokens("<|en|><|0.00|> Hello  world . <|5.2|>ok") == "Hello world. ok"
