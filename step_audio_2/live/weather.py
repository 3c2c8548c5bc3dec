"""The weather: of Open-Meteo's public API, or of a table that needs no network. Schema of StepEval-Audio-Toolcall.

The API, its parameters and the meaning of its weather codes (WMO's table 4677) are described on open-meteo.com/en/docs
and open-meteo.com/en/docs/geocoding-api; it wants no key, for uses that are not commercial.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from step_audio_2.live.http import get_json
from step_audio_2.live.tools import Tool, ToolError

PLACES = "https://geocoding-api.open-meteo.com/v1/search"
FORECASTS = "https://api.open-meteo.com/v1/forecast"

_NOW = "temperature_2m,relative_humidity_2m,weather_code,wind_speed_10m"
_TODAY = "temperature_2m_max,temperature_2m_min,precipitation_probability_max"
_CODES: Mapping[int, str] = {
    0: "晴",
    1: "大部晴朗",
    2: "多云",
    3: "阴",
    45: "雾",
    48: "雾凇",
    51: "小毛毛雨",
    53: "毛毛雨",
    55: "大毛毛雨",
    56: "小冻毛毛雨",
    57: "冻毛毛雨",
    61: "小雨",
    63: "中雨",
    65: "大雨",
    66: "小冻雨",
    67: "冻雨",
    71: "小雪",
    73: "中雪",
    75: "大雪",
    77: "米雪",
    80: "小阵雨",
    81: "阵雨",
    82: "强阵雨",
    85: "小阵雪",
    86: "大阵雪",
    95: "雷阵雨",
    96: "雷阵雨伴有小冰雹",
    99: "雷阵雨伴有大冰雹",
}


class OpenMeteo:
    """Asks Open-Meteo where a place is, and what the weather is like there.

    Args:
        places: address of the service that knows places.
        forecasts: address of the service that knows the weather.
    """

    def __init__(self, places: str = PLACES, forecasts: str = FORECASTS) -> None:
        self._places, self._forecasts = places, forecasts

    def __call__(self, location: str) -> str:
        """Tell the weather of a place.

        Raises:
            ToolError: the place is not known, or a service does not answer as documented.
        """
        answer = get_json(self._places, {"name": location, "count": 1, "language": "zh", "format": "json"})
        try:
            found = answer.get("results") or []
            if not found:
                raise ToolError(f"没有找到地点{location}")
            place = found[0]
            parameters = {
                "latitude": float(place["latitude"]),
                "longitude": float(place["longitude"]),
                "current": _NOW,
                "daily": _TODAY,
                "forecast_days": 1,
                "timezone": "auto",
            }
            weather = get_json(self._forecasts, {name: str(value) for name, value in parameters.items()})
            return _told(str(place["name"]), weather)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise ToolError("天气服务的回答不完整") from error


class WeatherTable:
    """Knows the weather of the places in a table, for demonstration and tests.

    Args:
        path: of a JSON object whose keys are names of places, and whose values say what the weather is like.

    Raises:
        ValueError: the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path}: cannot be read as JSON ({error})") from error
        if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
            raise ValueError(f"{path}: must be a JSON object from places to texts")
        self._table = {_key(place): weather for place, weather in table.items()}

    def __call__(self, location: str) -> str:
        """Tell the weather of a place.

        Raises:
            ToolError: it is not in the table.
        """
        try:
            return f"{location}：{self._table[_key(location)]}"
        except KeyError:
            raise ToolError(f"没有找到地点{location}") from None


def weather_tool(tell: Callable[[str], str]) -> Tool:
    """Make the tool ``get_weather``.

    Args:
        tell: the weather of a place, such as an ``OpenMeteo``.
    """
    description = "地点的英文名称,例如:beijing, shanghai, new york 等,注意必须是英文."
    parameters = {
        "type": "object",
        "properties": {"location": {"type": "string", "description": description}},
        "required": ["location"],
    }
    return Tool("get_weather", "获取给定地区的天气情况", lambda location: tell(location), parameters)


def _key(place: str) -> str:
    return "".join(place.casefold().split())


def _told(place: str, weather: Mapping[str, Any]) -> str:
    now, today = weather["current"], weather["daily"]
    sky = _CODES.get(int(now["weather_code"]), "天气不明")
    return (
        f"{place}现在{sky}，气温{now['temperature_2m']:g}摄氏度，相对湿度{now['relative_humidity_2m']:g}%，"
        f"风速每小时{now['wind_speed_10m']:g}公里。今天最高{today['temperature_2m_max'][0]:g}度，"
        f"最低{today['temperature_2m_min'][0]:g}度，降水概率{today['precipitation_probability_max'][0]:g}%。"
    )
