"""Services on the web, asked as documented; what they answer otherwise is told, and their keys never are."""

import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from step_audio_2.live.http import get_json
from step_audio_2.live.tools import Document, ToolError
from step_audio_2.live.weather import OpenMeteo
from step_audio_2.live.web_search import Brave, SearXNG, web_search
from tests.step_audio_2.live.json_server import json_server

KEY = "PLANTED-0123456789"
PLACE = {"name": "北京", "latitude": 39.9075, "longitude": 116.39723, "country_code": "CN"}
WEATHER = {
    "current": {"temperature_2m": 18.0, "relative_humidity_2m": 50, "weather_code": 2, "wind_speed_10m": 19.4},
    "daily": {
        "temperature_2m_max": [21.5],
        "temperature_2m_min": [9],
        "precipitation_probability_max": [30],
    },
}


def open_meteo(places: Any, weather: Any = WEATHER) -> Callable[..., tuple[int, Any] | None]:
    def answer(path: str, given: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, Any] | None:
        if path == "/v1/search" and given.keys() == {"name", "count", "language", "format"}:
            return 200, places
        asked = {"latitude", "longitude", "current", "daily", "forecast_days", "timezone"}
        is_place = (given.get("latitude"), given.get("longitude")) == ("39.9075", "116.39723")
        return (200, weather) if path == "/v1/forecast" and given.keys() == asked and is_place else None

    return answer


def test_the_weather_of_a_place_is_told_in_words() -> None:
    with json_server(open_meteo({"results": [PLACE]})) as address:
        told = OpenMeteo(f"{address}/v1/search", f"{address}/v1/forecast")("beijing")
    assert told == (
        "北京现在多云，气温18摄氏度，相对湿度50%，风速每小时19.4公里。今天最高21.5度，最低9度，降水概率30%。"
    )


@pytest.mark.parametrize(
    ("places", "weather", "message"),
    [
        ({"generationtime_ms": 0.5}, WEATHER, "没有找到地点beijing"),
        ([], WEATHER, "天气服务的回答不完整"),
        ({"results": [{"name": "x"}]}, WEATHER, "天气服务的回答不完整"),
        ({"results": [PLACE]}, {"current": {}}, "天气服务的回答不完整"),
        ({"results": [PLACE]}, {**WEATHER, "daily": {"temperature_2m_max": []}}, "天气服务的回答不完整"),
        ({"results": [PLACE]}, b"<html>", "127.0.0.1的回答不是JSON"),
    ],
)
def test_what_open_meteo_does_not_say_is_told(places: Any, weather: Any, message: str) -> None:
    with json_server(open_meteo(places, weather)) as address, pytest.raises(ToolError, match=message):
        OpenMeteo(f"{address}/v1/search", f"{address}/v1/forecast")("beijing")


def searxng(path: str, given: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, Any] | None:
    if path != "/search" or given != {"q": "天气", "format": "json", "language": "zh-CN"}:
        return None
    results = [
        {"url": "https://a.example/1", "title": "A &amp; B", "content": "<b>晴</b>", "publishedDate": "2025-08-28"},
        {"url": "https://b.example/2", "title": "C", "content": None, "engine": "x"},
        *({"url": f"https://c.example/{number}", "title": "D", "content": "E"} for number in range(5)),
    ]
    return 200, {"query": "天气", "results": results}


def test_searxng_is_asked_and_answered_in_prose() -> None:
    with json_server(searxng) as address:
        result = web_search(SearXNG(f"{address}/", "zh-CN")).run(query="天气")
    assert not isinstance(result, str)
    assert result.documents[0] == Document("A & B", "晴", "https://a.example/1", "2025-08-28")
    assert len(result.documents) == 3
    assert result.text.splitlines()[0] == "A & B：晴（来源：https://a.example/1，2025-08-28）"


def brave(path: str, given: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, Any] | None:
    if path != "/res/v1/web/search" or set(given) != {"q"} or headers.get("x-subscription-token") != KEY:
        return None
    if given["q"] == "nothing":
        return 200, {"type": "search", "query": {"original": "nothing"}}
    found = {
        "title": "T",
        "url": "https://a.example",
        "description": "<strong>D</strong>",
        "page_age": "2025-08-28T00:00:00",
    }
    return 200, {"type": "search", "web": {"type": "search", "results": [found]}}


def test_brave_is_asked_with_its_key() -> None:
    with json_server(brave) as address:
        engine = Brave(KEY, f"{address}/res/v1/web/search")
        assert engine("x") == [Document("T", "D", "https://a.example", "2025-08-28T00:00:00")]
        assert engine("nothing") == []
        with pytest.raises(ToolError, match="没有找到关于nothing的结果"):
            web_search(engine).run(query="nothing")


@pytest.mark.parametrize(
    ("status", "content", "message"),
    [
        (200, {"results": "none"}, "搜索服务的回答不完整"),
        (200, {"results": ["a"]}, "搜索服务的回答不完整"),
        (200, [], "搜索服务的回答不完整"),
        (200, b"<html>Not JSON</html>", "127.0.0.1的回答不是JSON"),
        (200, b'{"results": [', "127.0.0.1的回答不是JSON"),
        (500, b"<html>", "127.0.0.1拒绝回答（500）"),
        (200, b"x" * (5 << 20), "127.0.0.1的回答太长"),
        (403, {}, "127.0.0.1拒绝回答（403）"),
        (302, b"", "127.0.0.1拒绝回答（302）"),
    ],
)
def test_a_search_that_fails_says_so(status: int, content: Any, message: str) -> None:
    with json_server(lambda *_: (status, content)) as address, pytest.raises(ToolError) as error:
        SearXNG(address)("x")
    assert str(error.value) == message


@pytest.mark.parametrize(
    "said", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}", b""]
)
def test_a_search_engine_that_breaks_off_or_speaks_no_http_does_not_answer(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ToolError, match=r"127\.0\.0\.1没有回答"):
            SearXNG(f"http://127.0.0.1:{listening.getsockname()[1]}")("x")
        thread.join()


@pytest.mark.parametrize("address", ["localhost:8888", "ftp://a", "http://", "http://[::1", "http://a:port", "a b"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="must begin with http:// or https://"):
        SearXNG(address)


def test_no_error_has_a_key_or_an_address_in_it() -> None:
    for address in ("http://127.0.0.1:9/path", "ftp://127.0.0.1/path", "http://127.0.0.1:9/[path"):
        with pytest.raises(ToolError) as error:
            get_json(address, {"q": KEY}, headers={"X-Key": KEY})
        assert KEY not in str(error.value)
        assert "path" not in str(error.value)
