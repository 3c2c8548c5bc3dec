"""Batches that pad little: items of similar length go together."""

from collections.abc import Sequence


def group_by_length(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Group indices, the longest first, so that nothing in a group is less than half as long as another.

    Args:
        lengths: of what is to be batched.
        most: how much a group may hold, counted with its padding; a longer one makes a group of its own.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        longest = lengths[groups[-1][0]] if groups else 0
        if groups and longest * (len(groups[-1]) + 1) <= most and 2 * lengths[index] >= longest:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
