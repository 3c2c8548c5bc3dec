"""The facts about the forty subsets of URO-Bench, which lie beside this file as ``subsets.csv``."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evalkit.errors import ConfigurationError
from evalkit.hints import hint

VERSIONS = ("v1", "v2")
"""Releases of the data: of February and of August 2025."""

DIMENSIONS: Mapping[str, str] = {"U": "understanding", "R": "reasoning", "O": "oral"}
"""What subsets are about: for each letter of published tables the word of the original's reports."""


@dataclass(frozen=True, slots=True)
class Subset:
    """One test set of the benchmark.

    Attributes:
        name: as the data names its folder.
        track: ``basic`` or ``pro``.
        language: ``en`` or ``zh``, by which it is transcribed and counted.
        dimension: ``U``, ``R`` or ``O``.
        mode: how it is scored, in the original's abbreviation.
        about: what it holds, for people.
        sizes: for each version of the data that has it, how many questions or conversations.
    """

    name: str
    track: str
    language: str
    dimension: str
    mode: str
    about: str
    sizes: Mapping[str, int]

    def size(self, version: str) -> int:
        """How many questions or conversations a version of the data has.

        Raises:
            ConfigurationError: there is no such version, or the subset is not in it.
        """
        if version not in VERSIONS:
            raise ConfigurationError(f"URO-Bench: version is '{version}'; it must be {' or '.join(VERSIONS)}")
        if version not in self.sizes:
            raise ConfigurationError(f"URO-Bench: data version {version} has no subset {self.name}; leave it out")
        return self.sizes[version]


@cache
def load_subsets() -> Mapping[str, Subset]:
    """All subsets by name, in the order of the published tables."""
    with Path(__file__).with_name("subsets.csv").open(encoding="utf-8", newline="") as file:
        subsets = [
            Subset(
                row["subset"],
                row["track"],
                row["language"],
                row["dimension"],
                row["mode"],
                row["about"],
                {version: int(row[version]) for version in VERSIONS if row[version]},
            )
            for row in csv.DictReader(file)
        ]
    return {subset.name: subset for subset in subsets}


def get_subset(name: str) -> Subset:
    """Return the subset of that name.

    Raises:
        ConfigurationError: there is none.
    """
    subsets = load_subsets()
    if name not in subsets:
        raise ConfigurationError(f"URO-Bench has no subset {name!r}{hint(name, subsets)}")
    return subsets[name]
