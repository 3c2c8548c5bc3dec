"""The date and the time of day, by the schema of StepEval-Audio-Toolcall."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from step_audio_2.live.prompts import day_in_chinese
from step_audio_2.live.tools import Tool

BEIJING = ZoneInfo("Asia/Shanghai")


def clock(now: Callable[[], datetime] = lambda: datetime.now(BEIJING)) -> Tool:
    """Make the tool ``get_date_time``.

    Args:
        now: tells the time in the place that the tool tells of.
    """

    def tell() -> str:
        moment = now()
        return f"现在是{day_in_chinese(moment.date())}，{moment:%H:%M}。"

    return Tool("get_date_time", "Get the current date and time in Beijing / Shanghai / China", tell)
