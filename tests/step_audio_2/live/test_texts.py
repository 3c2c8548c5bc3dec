"""Texts are found by their words, in Chinese as in English."""

from pathlib import Path

import pytest

from step_audio_2.live.text_index import TextIndex, terms
from step_audio_2.live.web_search import DocumentFolder, web_search

pytest.importorskip("bm25s", reason="the live extra is not installed")

TEXTS = ["上海明天有雨，气温下降。", "北京今天晴，28度。", "The train to Shanghai leaves at noon.", "", "東京の天気"]


def test_what_is_looked_up() -> None:
    assert terms("Hello, 世界！ don't_stop 2025年 ＡＢＣ") == [
        "hello", "世界", "don", "t", "stop", "2025", "年", "abc",
    ]  # fmt: skip
    assert terms("") == []


@pytest.mark.parametrize(
    ("query", "first"),
    [("北京天气怎么样，今天", 1), ("明天下雨吗 上海", 0), ("when does the TRAIN leave", 2), ("天気", 4)],
)
def test_the_best_comes_first(query: str, first: int) -> None:
    assert TextIndex(TEXTS).search(query, 3)[0] == first


@pytest.mark.parametrize("query", ["", "？！", "zebra", "大熊猫"])
def test_what_shares_nothing_is_not_found(query: str) -> None:
    assert TextIndex(TEXTS).search(query, 3) == []
    assert TextIndex([]).search(query, 3) == []
    assert TextIndex(["", "!"]).search(query, 3) == []


def test_a_folder_of_documents_is_searched(tmp_path: Path) -> None:
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "weather.md").write_text(
        "# 天气预报\n\n北京今天晴，\n28度。\n\n" + "其他内容。" * 200, "utf-8"
    )
    (tmp_path / "trains.txt").write_text("The train leaves at noon.", "utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    result = web_search(DocumentFolder(tmp_path), name="web_search").run(query="北京的天气")
    assert not isinstance(result, str)
    assert (result.documents[0].title, result.documents[0].source) == ("天气预报", "news/weather.md")
    assert result.text.startswith("天气预报：# 天气预报 北京今天晴， 28度。")
    assert len(result.documents[0].text) < 600


def test_a_folder_without_texts_or_with_one_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no text in files \*.txt or \*.md"):
        DocumentFolder(tmp_path)
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"bad\.txt: is no text in UTF-8"):
        DocumentFolder(tmp_path)
    (tmp_path / "bad.md").symlink_to("nowhere")
    with pytest.raises(ValueError, match=r"bad\.md: cannot be read \(No such file or directory\)"):
        DocumentFolder(tmp_path)
