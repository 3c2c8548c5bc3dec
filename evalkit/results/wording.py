"""Figures and differences with their intervals, as tables print them."""

from evalkit.metrics.metric import rounded

Ends = tuple[float, float] | None


def figure_text(value: float, interval: Ends, decimals: int) -> str:
    """Return a value with its interval: ``12.30 [11.02, 13.64]``."""
    ends = "" if interval is None else f" [{', '.join(rounded(end, decimals) for end in interval)}]"
    return rounded(value, decimals) + ends


def difference_text(value: float, interval: Ends, decimals: int) -> str:
    """Return a difference with its interval, each with its sign: ``-0.30 [-0.51, +0.02]``."""
    ends = "" if interval is None else f" [{', '.join(signed(end, decimals) for end in interval)}]"
    return signed(value, decimals) + ends


def signed(value: float, decimals: int) -> str:
    """Return a number with its sign: ``+0.30``."""
    text = rounded(value, decimals)
    return text if text.startswith("-") else f"+{text}"
