"""How many requests make a batch: as many as the device has memory for, as far as batches so far have shown."""

import math
from collections.abc import Iterable

from evalkit.adapter import Memory

_LEAST_COST = 1e-3  # of a request, so that what an adapter takes for nothing is bounded as well
_SHARE = 0.85  # of the memory that is there; the rest is for what comes in another shape than what was measured
_GROWTH = 2.0  # from one batch to the next, at the most
_PAYS = 1.05  # times the padded cost a second of the largest batches before, or batches do not grow
_AS_LARGE = 0.9  # of the padded cost of the largest batch


class Packing:
    """What is known of the batches that a model takes.

    The room that a batch needs is taken to be in proportion to its padded cost: that of its costliest request, times
    their number. The first batch has the number of requests that the model prefers. Where the model tells of its
    memory, later ones grow up to what that holds, as long as it pays; where it does not, or a number was set, they do
    not grow. What did not fit makes all later batches smaller.

    Args:
        rows: requests in the first batch.
        may_grow: whether later ones may have more.
    """

    def __init__(self, rows: int, *, may_grow: bool = False) -> None:
        self.rows = rows
        self._may_grow = may_grow
        self._largest = 0.0  # padded cost of a batch that was answered
        self._pace = 0.0  # padded cost a second of the quickest batch as large as that
        self._pace_before = 0.0  # likewise, before batches were as large
        self._bound = math.inf  # as it shows when memory runs out
        self._budget: float | None = None  # as memory shows that was measured
        self._per_cost = 0.0  # bytes

    def count(self, costs: Iterable[float]) -> int:
        """Return how many of the first of these requests make a batch, by the cost of each; at least one."""
        budget = self._bound if self._budget is None else min(self._bound, self._budget)
        costliest, count = 0.0, 0
        for cost in costs:
            costliest = max(costliest, cost, _LEAST_COST)
            fits = costliest * (count + 1) <= budget * (1 + 1e-9)
            if count and (not fits or (self._budget is None and count >= self.rows)):
                break
            count += 1
        return count

    def answered(self, costs: Iterable[float], seconds: float, memory: Memory | None) -> None:
        """Take note of a batch that was answered in so many seconds, and of the memory where the model tells of it."""
        if memory is None or not self._may_grow:
            return
        padded = padded_cost(costs)
        pace = padded / seconds
        if padded > self._largest:
            self._largest, self._pace, self._pace_before = padded, pace, self._pace
        elif padded >= _AS_LARGE * self._largest:
            self._pace = max(self._pace, pace)  # whatever held the first of them up says nothing of their size
        pays = self._pace >= _PAYS * self._pace_before
        self._per_cost = max(self._per_cost, (memory.peak - memory.resting) / padded)
        room = _SHARE * memory.capacity - memory.resting
        holds = room / self._per_cost if self._per_cost > 0 else math.inf
        self._budget = min(holds, _GROWTH * self._largest if pays else self._largest)

    def did_not_fit(self, costs: Iterable[float]) -> None:
        """Take note of a batch that memory ran out at: half of it is tried next, and no later batch is larger."""
        all_costs = list(costs)
        self._bound = min(self._bound, padded_cost(all_costs[: (len(all_costs) + 1) // 2]))


def padded_cost(costs: Iterable[float]) -> float:
    """Return the cost of a batch in which every request takes as much room as the costliest."""
    all_costs = list(costs)
    return max(*all_costs, _LEAST_COST) * len(all_costs) if all_costs else 0.0
