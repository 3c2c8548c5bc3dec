"""Keys and values of rows that come, grow by a token a step, and go, while others stay."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

_ROOM_STEP = 128
_GROWTH = 1.25


class _Occupancy:
    """What the layers share: how many positions each row holds, and where its next one goes."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.lengths: list[int] = []
        self.next_places = torch.empty(0, dtype=torch.long)

    @property
    def longest(self) -> int:
        return max(self.lengths, default=0)


class _SlottedLayer(CacheLayerMixin):
    """One layer of the decoder: tensors [slots, heads, room, width of a head], whose first rows are in use."""

    is_sliding = False

    def __init__(self, occupancy: _Occupancy) -> None:
        super().__init__()
        self._occupancy = occupancy

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Hold nothing yet, of the type and on the device of the states."""
        self.keys, self.values = (
            states.new_empty(self._occupancy.slots, states.shape[1], 0, states.shape[3])
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def take_in(self, keys: Tensor, values: Tensor, first: int) -> None:
        """Put rows that were read together in the slots from the first one on."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        rows, length = keys.shape[0], keys.shape[2]
        self._make_room(length, first)
        self.keys[first : first + rows, :, :length] = keys
        self.values[first : first + rows, :, :length] = values

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG002 - as the library calls it
        """Append a position to every row, and return all that may be attended to."""
        rows, length = len(key_states), self._occupancy.longest + 1
        self._make_room(length, rows)
        # Kept where it went, since most layers are on the device of the one before.
        places = self._occupancy.next_places = self._occupancy.next_places.to(key_states.device)
        numbers = torch.arange(rows, device=key_states.device)
        self.keys[numbers, :, places] = key_states[:, :, 0]
        self.values[numbers, :, places] = value_states[:, :, 0]
        return self.keys[:rows, :, :length], self.values[:rows, :, :length]

    def move(self, source: int, target: int) -> None:
        """Put a row in the place of another."""
        for held in (self.keys, self.values):
            held[target] = held[source]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many positions a step attends to, and that it attends from the first one on."""
        return self._occupancy.longest + query_length, 0

    def get_seq_length(self) -> int:
        """Return how many positions the longest row holds."""
        return self._occupancy.longest

    def get_max_length(self) -> int:
        """Return that there is no limit."""
        return -1

    def _make_room(self, length: int, rows: int) -> None:
        """See that a row may have a length, and keep what the first rows hold."""
        room = self.keys.shape[2]
        if length <= room:
            return
        room = -(-max(length, int(_GROWTH * room)) // _ROOM_STEP) * _ROOM_STEP
        for name in ("keys", "values"):
            held = getattr(self, name)
            # Zeros, as what is masked is still multiplied by zero: nothing there may be infinite.
            roomy = held.new_zeros(*held.shape[:2], room, held.shape[3])
            roomy[:rows, :, : held.shape[2]] = held[:rows]
            setattr(self, name, roomy)


class SlottedCache(Cache):
    """A key/value cache with a slot for each row; rows in use are the first ones, and a row ends where it is dropped.

    Memory is taken for all slots at the length of the longest row, a quarter more at most, and given back by ``clear``.

    Args:
        slots: the most rows at once.
    """

    def __init__(self, slots: int) -> None:
        self.layers: list[_SlottedLayer]
        self._occupancy = _Occupancy(slots)
        super().__init__(layers=[])

    @property
    def lengths(self) -> Sequence[int]:
        """How many positions each row holds."""
        return self._occupancy.lengths

    def take_in(self, read: Cache, lengths: Sequence[int]) -> None:
        """Add rows that were read together.

        Args:
            read: the cache of their reading, padded on the right.
            lengths: of each row, how many positions count.
        """
        if not self.layers:
            self.layers = [_SlottedLayer(self._occupancy) for _ in read.layers]
        for own, layer in zip(self.layers, read.layers, strict=True):
            own.take_in(layer.keys, layer.values, len(self.lengths))
        self._occupancy.lengths += lengths

    def begin_step(self) -> None:
        """Get ready for one more position of every row, which the decoder then writes layer by layer."""
        self._occupancy.next_places = torch.tensor(self._occupancy.lengths)

    def end_step(self) -> None:
        """Count the position that was written."""
        self._occupancy.lengths[:] = [length + 1 for length in self._occupancy.lengths]

    def drop(self, row: int) -> None:
        """Free a row's slot; the last row takes its place."""
        lengths = self._occupancy.lengths
        last = len(lengths) - 1
        if row != last:
            for layer in self.layers:
                layer.move(last, row)
        lengths[row] = lengths[last]
        lengths.pop()

    def clear(self) -> None:
        """Drop all rows, and give the memory back."""
        self._occupancy.lengths.clear()
        self.layers = []
