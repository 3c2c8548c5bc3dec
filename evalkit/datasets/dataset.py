"""What all readers of data sets have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from evalkit.datasets.hashes import Hashes
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import hint
from evalkit.types import Sample


class Dataset(ABC):
    """Samples, read lazily and in the same order each time; may be iterated any number of times.

    No audio file is looked at before it is decoded, and rows are never held together in memory.

    Attributes:
        source: where the samples come from, for records and messages.
    """

    source: str

    @property
    def at_hand(self) -> bool:
        """Whether the samples can be read without fetching anything from elsewhere."""
        return True

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples, in the same order every time.

        Raises:
            DataError: a file or row is malformed, an id is used twice, or there is no sample at all.
            ConfigurationError: an option, or a library that is not installed, makes reading impossible.
        """
        seen = Hashes()  # so that a million long ids need no memory of their own
        for place, sample in self._placed_samples():
            if not seen.add(hash(sample.id)):
                self._refuse_duplicate(place, sample.id)
            yield sample
        if not seen:
            raise DataError(f"{self.source}: the data set has no samples")

    @abstractmethod
    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        """Yield each sample with the place it was read from, such as ``FILE line 3``; places are unique."""

    def _refuse_duplicate(self, place: str, sample_id: str) -> None:
        """Read again up to ``place`` to name the first use of an id; equal hashes of unequal ids pass."""
        for earlier_place, sample in self._placed_samples():
            if earlier_place == place:
                return
            if sample.id == sample_id:
                raise DataError(f"{place}: id {sample_id!r} was already used at {earlier_place}; ids must be unique")


def checked_groups(groups: Sequence[str], known: Sequence[str], source: str) -> tuple[str, ...]:
    """Return the groups asked for of a data set whose layout fixes which there are; one name is a list of one.

    Raises:
        ConfigurationError: one is not among ``known``.
    """
    asked = (groups,) if isinstance(groups, str) else tuple(groups)
    for group in asked:
        if group not in known:
            raise ConfigurationError(f"{source}: no group {group!r}{hint(group, known)} (there are {', '.join(known)})")
    return asked
