"""What samples share, read off their ids: many corpora write the speaker or the recording into them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from evalkit.datasets.dataset import Dataset
from evalkit.errors import ConfigurationError, DataError
from evalkit.types import Sample


class ClusteredById(Dataset):
    """The samples of another data set, clustered by a part of their ids too.

    Args:
        dataset: the samples.
        patterns: for a field of ``Sample.clusters`` the regular expression that a whole id matches, of which the first
            group is the label. A sample that has a label for the field already keeps that.

    Raises:
        ConfigurationError: a pattern is no regular expression with a group.
    """

    def __init__(self, dataset: Dataset, patterns: Mapping[str, str]) -> None:
        self._dataset = dataset
        self._patterns = {str(field): _compiled(str(field), str(pattern)) for field, pattern in patterns.items()}
        self.source = dataset.source

    @property
    def at_hand(self) -> bool:
        """Whether the samples can be read without fetching anything from elsewhere."""
        return self._dataset.at_hand

    def _placed_samples(self) -> Iterator[tuple[str, Sample]]:
        for place, sample in self._dataset._placed_samples():
            self.source = self._dataset.source
            missing = {
                field: _label(field, pattern, sample.id, place)
                for field, pattern in self._patterns.items()
                if field not in sample.clusters
            }
            yield place, replace(sample, clusters={**sample.clusters, **missing})


def _compiled(field: str, pattern: str) -> re.Pattern[str]:
    where = f"dataset cluster_by_id.{field}: {pattern!r}"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigurationError(f"{where} is not a regular expression ({error})") from error
    if not compiled.groups:
        raise ConfigurationError(f"{where} has no group in parentheses to say which part of an id is the {field}")
    return compiled


def _label(field: str, pattern: re.Pattern[str], sample_id: str, place: str) -> str:
    found = pattern.fullmatch(sample_id)
    if found is None or not found[1]:
        raise DataError(
            f"{place}: the id {sample_id!r} does not say which {field} the sample is of "
            f"(cluster_by_id.{field}={pattern.pattern}); correct the pattern, or cluster_by_id=null takes none"
        )
    return found[1]
