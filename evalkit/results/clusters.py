"""What intervals and tests draw: single samples, or clusters of samples that depend on each other.

Utterances of one speaker are recognised well or badly together, so that a thousand of them by ten speakers say less
than a thousand by a thousand. Samples name what they share (``Sample.clusters``), and all that share it are drawn
together.
"""

from collections.abc import Iterable, Mapping

from evalkit.errors import ConfigurationError
from evalkit.hints import hint
from evalkit.metrics.intervals import FEWEST_UNITS

SINGLY = "sample"
"""What is drawn where samples are independent of each other, or are taken to be."""

_AUTO, _NONE = "auto", "none"


def drawn_field(setting: str, clusters: Iterable[str], groups: Iterable[str]) -> str:
    """Return the field by which samples are clustered, or ``sample`` for samples drawn singly.

    Args:
        setting: ``auto``, ``none`` or a field (``BootstrapSettings.cluster``).
        clusters: the fields that samples are clustered by, in order.
        groups: the groups that results are broken down by, any of which may be drawn too.

    Raises:
        ConfigurationError: the samples have no field or group of that name.
    """
    if setting == _AUTO:
        return next(iter(clusters), SINGLY)
    if setting in (_NONE, SINGLY):
        return SINGLY
    known = list(dict.fromkeys((*clusters, *groups)))
    if setting not in known:
        there = f"they have {', '.join(known)}" if known else "they have none"
        raise ConfigurationError(
            f"statistics.cluster: the samples have no field '{setting}' to be drawn by{hint(setting, known)} "
            f"({there}); auto takes what each task has, none draws single samples"
        )
    return setting


def cluster_label(field: str, clusters: Mapping[str, str], groups: Mapping[str, str]) -> str | None:
    """Return a sample's label by a field of its clusters, or else by a group; None where it has neither."""
    return clusters.get(field) or groups.get(field) or None


def too_few(drawn: str, count: int) -> str:
    """Return why no interval is made of so few, such as ``4 speakers are too few for an interval``; else nothing.

    Args:
        drawn: what is drawn, ``sample`` or a field.
        count: how many there are.
    """
    if count >= FEWEST_UNITS:
        return ""
    return f"{count} {drawn}{' is' if count == 1 else 's are'} too few for an interval"


def own_label(sample_id: str) -> str:
    """Return the label of a sample of which nothing is said: it is a cluster of its own."""
    return f"{SINGLY} {sample_id}"
