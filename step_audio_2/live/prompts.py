"""The system message of the published assistant, for today (repository stepfun-ai/Step-Audio2).

``examples.py`` (tool_call_test) has it with tools, ``web_demo.py`` without; both say the date, which is the day's here.
"""

from datetime import date

_NAME = "你的名字叫做小跃，是由阶跃星辰公司训练出来的语音大模型。"
_TOOLS = "你具备调用工具解决问题的能力，你需要根据用户的需求和上下文情景，自主选择是否调用系统提供的工具来协助用户。"
_MANNERS = (
    "你情感细腻，观察能力强，擅长分析用户的内容，并作出善解人意的回复，"
    "说话的过程中时刻注意用户的感受，富有同理心，提供多样的情绪价值。"
)
_VOICE = "请用默认女声与用户交流"
_WEEKDAYS = "一二三四五六日"


def day_in_chinese(day: date) -> str:
    """Write a date with its weekday, as the published prompts do.

    >>> day_in_chinese(date(2025, 8, 28))
    '2025年8月28日，星期四'
    """
    return f"{day.year}年{day.month}月{day.day}日，星期{_WEEKDAYS[day.weekday()]}"


def system_prompt(day: date, *, has_tools: bool) -> str:
    """Return the system message of the published assistant.

    Args:
        day: today.
        has_tools: whether tools are offered.
    """
    lines = [_NAME, *([_TOOLS] if has_tools else []), _MANNERS, f"今天是{day_in_chinese(day)}"]
    return "\n".join([*lines, _VOICE if has_tools else f"{_VOICE}。"])
