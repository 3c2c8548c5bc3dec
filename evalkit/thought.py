"""Telling what a model says from what it only thinks."""

_OPEN, _CLOSE = "<think>", "</think>"


def without_thought(text: str) -> str:
    """Return the reply proper, without the thought in ``<think> </think>`` before it.

    The opening mark may be missing, as where a chat template writes it. A thought that does not end leaves no reply.

    >>> without_thought("I could search.</think>No need.")
    'No need.'
    """
    return text.rpartition(_CLOSE)[2].partition(_OPEN)[0]


def thought_in(text: str) -> str:
    """Return the thought alone; empty where there is none.

    >>> thought_in("<think>I could search.</think>No need.")
    'I could search.'
    """
    thought, mark, reply = text.rpartition(_CLOSE)
    return (thought if mark else reply.partition(_OPEN)[2]).replace(_OPEN, "").strip()
