"""The executor that runs models on a Ray cluster."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from evalkit.errors import ConfigurationError
from evalkit.hints import check_choice
from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.local import LocalExecutor
from evalkit.inference.ray.cluster import refuse_without_ray
from evalkit.inference.ray.endpoint import RayEndpoint
from evalkit.inference.ray.settings import ReplicaSettings

Recordings = Literal["bytes", "paths"]


class RayExecutor:
    """Runs replicas of models on a Ray cluster, each with its own processor cores and GPUs.

    A replica works as a model of one process does. Calls go to whichever holds the fewest; a replica that dies is
    replaced, and what it held is asked again.

    Args:
        local: by which each replica works, where it is.
        address: of a running cluster, such as ``10.0.0.1:6379``; None for one of this machine's own, which lives as
            long as the run.
        replicas: of each model; ``auto`` for as many as the cluster has room for, also when it has grown, shared
            equally by the models.
        num_cpus: processor cores of a replica; its libraries begin as many threads.
        num_gpus: GPUs of a replica, which sees no others; fractions share one. None: one, where the cluster has any.
        runtime_env: of the replicas, in Ray's words: ``env_vars``, ``pip``, ``working_dir`` and so on; the files that
            ``working_dir`` and ``py_modules`` name are sent to all machines.
        max_restarts: how many replicas may die in a row, without an answer in between, before the run stops.
        patience: seconds without room for a single replica, at the beginning or later, before the run stops.
        recordings: ``bytes``: those that are files are sent; ``paths``: they lie at the same path everywhere. None:
            paths on a cluster of this machine's own, else bytes.

    Attributes:
        samples_under_way: how many samples may be under way at once.

    Raises:
        ConfigurationError: a setting cannot be.
    """

    def __init__(
        self,
        local: LocalExecutor,
        address: str | None = None,
        replicas: int | Literal["auto"] = "auto",
        num_cpus: float = 1,
        num_gpus: float | None = None,
        runtime_env: Mapping[str, Any] | None = None,
        max_restarts: int = 10,
        patience: float = 900.0,
        recordings: Recordings | None = None,
    ) -> None:
        if replicas != "auto" and replicas < 1:
            raise ConfigurationError(f"executor.replicas is {replicas}; it must be at least 1, or auto")
        for name, value in (("num_cpus", num_cpus), ("num_gpus", num_gpus), ("max_restarts", max_restarts)):
            if value is not None and value < 0:
                raise ConfigurationError(f"executor.{name} is {value}; it cannot be negative")
        if num_gpus is not None and num_gpus > 1 and num_gpus % 1:
            raise ConfigurationError(f"executor.num_gpus is {num_gpus}; more than one GPU must be a whole number")
        if recordings is not None:
            check_choice("executor.recordings", recordings, get_args(Recordings))
        if local.residency != "together":
            raise ConfigurationError(
                "executor.local.residency=one_at_a_time: replicas of all models stay loaded on Ray; give each model "
                "fewer GPUs by num_gpus=, or another executor by executor@executors.ROLE="
            )
        self.samples_under_way = local.samples_under_way
        self._settings = ReplicaSettings(
            executor=local,
            address=address,
            count=None if replicas == "auto" else replicas,
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            runtime_env=dict(runtime_env or {}),
            max_deaths=max_restarts,
            patience=patience,
            send_content=(recordings or ("paths" if address is None else "bytes")) == "bytes",
        )
        self._endpoints: list[RayEndpoint] = []

    def open(self, spec: ModelSpec) -> RayEndpoint:
        """Return an endpoint for a model whose replicas are started when it is first asked about.

        Raises:
            ConfigurationError: Ray is not installed.
        """
        refuse_without_ray()
        endpoint = RayEndpoint(spec, self._settings, self._endpoints)
        self._endpoints.append(endpoint)
        return endpoint
