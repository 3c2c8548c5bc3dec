"""What is decided of a model's replicas before any is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalkit.inference.local import LocalExecutor

_FILES = ("working_dir", "py_modules")  # Ray takes them once, on being connected


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """What the replicas of a model are, and where.

    Attributes:
        executor: of one process, by which each works.
        address: of the cluster; None for one of this machine's own.
        count: of replicas; None for as many as the cluster has room for.
        num_cpus: processor cores of each.
        num_gpus: of each, fractions allowed; None for one where the cluster has any.
        runtime_env: of each, in Ray's words.
        max_deaths: of replicas in a row, without an answer in between, that a run puts up with.
        patience: seconds without a place for any of them that a run puts up with.
        send_content: whether the bytes of recordings that are files are sent.
    """

    executor: LocalExecutor
    address: str | None
    count: int | None
    num_cpus: float
    num_gpus: float | None
    runtime_env: Mapping[str, Any]
    max_deaths: int
    patience: float
    send_content: bool

    @property
    def files(self) -> Mapping[str, Any]:
        """What of ``runtime_env`` Ray sends to the machines: folders and modules of this one."""
        return {name: value for name, value in self.runtime_env.items() if name in _FILES}

    @property
    def environment(self) -> Mapping[str, Any]:
        """The rest of ``runtime_env``."""
        return {name: value for name, value in self.runtime_env.items() if name not in _FILES}
