"""Settings of the Ray executor that cannot be; no cluster is needed to refuse them."""

import asyncio
from typing import Any

import pytest

from evalkit.errors import ConfigurationError
from evalkit.inference.local import LocalExecutor
from evalkit.inference.ray import RayExecutor
from evalkit.inference.ray.cluster import Cluster, room
from evalkit.run.composition import compose_run
from evalkit.run.plan import plan_from_config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"replicas": 0}, "executor.replicas is 0; it must be at least 1, or auto"),
        ({"num_cpus": -1}, "executor.num_cpus is -1; it cannot be negative"),
        ({"num_gpus": 1.5}, "executor.num_gpus is 1.5; more than one GPU must be a whole number"),
        ({"recordings": "path"}, "executor.recordings is 'path'; it must be bytes or paths, did you mean 'paths'?"),
        (
            {"local": LocalExecutor(residency="one_at_a_time")},
            "executor.local.residency=one_at_a_time: ",
        ),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        RayExecutor(**{"local": LocalExecutor(), **settings})
    assert str(refused.value).startswith(message)


def test_it_is_chosen_and_set_like_the_local_one() -> None:
    words = ("executor=ray", "executor.replicas=3", "executor.local.batch_size=5", "executor.runtime_env.env_vars.A=b")
    composition = compose_run(["model=whisper_tiny_en", "task=demo_clean", *words])
    assert isinstance(plan_from_config(composition.config, composition.choices).executor, RayExecutor)
    assert composition.config.executor.runtime_env == {"env_vars": {"A": "b"}}


@pytest.mark.parametrize(
    ("wanted", "times"),
    [({"CPU": 1, "GPU": 1}, 4), ({"CPU": 1, "GPU": 3}, 1), ({"CPU": 16, "GPU": 0.25}, 0), ({"CPU": 0, "GPU": 0}, 1)],
)
def test_a_machine_has_room_for_whole_replicas(wanted: dict[str, float], times: int) -> None:
    assert room({"CPU": 8.0, "GPU": 4.0, "memory": 1e9}, wanted) == times


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://10.0.0.1:10001", "executor.address=ray://10.0.0.1:10001: give HOST:PORT of the cluster's head, on a "),
        ("127.0.0.1:1", "executor.address=127.0.0.1:1: no Ray cluster has its head there ([Errno 111] Connection refu"),
    ],
)
def test_where_no_cluster_can_be_is_said_before_ray_looks_for_it(address: str, message: str) -> None:
    async def main() -> None:
        await Cluster(address).enter()

    with pytest.raises(ConfigurationError) as refused:
        asyncio.run(main())
    assert str(refused.value).startswith(message)
