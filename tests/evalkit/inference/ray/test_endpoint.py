"""Endpoints on a cluster: what is sent and comes back, replicas that die, what cannot be placed, and the end."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.audio import Audio
from evalkit.errors import ConfigurationError
from evalkit.inference.endpoint import Endpoint, ModelSpec
from evalkit.inference.local import LocalExecutor
from evalkit.inference.ray import RayExecutor
from evalkit.inference.ray.calling import far
from evalkit.inference.ray.replicas import ReplicasLostError
from evalkit.run.explanation import in_our_words
from evalkit.types import Call, Message, Request, Response
from tests.evalkit.inference.ray import models
from tests.evalkit.inference.ray.conftest import replicas
from tests.evalkit.inference.ray.models import RATE, SAID
from tests.processes import within

pytestmark = pytest.mark.slow
MACHINE = os.uname().nodename


def spec(**settings: Any) -> ModelSpec:
    return ModelSpec("model", "Obedient", {"_target_": "tests.evalkit.inference.ray.models.Obedient", **settings})


def call(order: str, *audio: Audio) -> Call:
    return Call("model", Request((Message("user", (order, *audio)),), sample_id=order))


async def answers(endpoint: Endpoint, calls: Sequence[Call]) -> list[Response]:
    try:
        asked = asyncio.gather(*map(endpoint.answer, calls))
        endpoint.expect_more(False)
        return await asked
    finally:
        await endpoint.close()


def ask(address: str, calls: Sequence[Call], model: ModelSpec | None = None, **settings: Any) -> list[Response]:
    executor = RayExecutor(LocalExecutor(), address, **settings)

    async def main() -> list[Response]:
        return await answers(executor.open(model or spec()), calls)

    return asyncio.run(main())


def test_recordings_and_speech_arrive_as_they_are_and_no_other_field_is_lost(tmp_path: Path, address: str) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 22_050).astype(np.float32)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 44_100, "FLOAT")
    file, inside = Audio("a.wav", path), Audio("row 3", content=path.read_bytes)
    recordings = (file, inside, file.part(0.1, 0.4))
    calls = [*(call("listen", each) for each in recordings), call("speak"), call("listen", Audio("b", tmp_path / "b"))]

    async def main() -> list[Response]:
        return await answers(LocalExecutor().open(spec()), calls)

    local = asyncio.run(main())
    for kind in ("bytes", "paths"):
        far = ask(address, calls, replicas=1, recordings=kind)
        assert [each.text for each in far] == [each.text for each in local]
        assert [each.failure for each in far] == [each.failure for each in local]
        assert far[3].speech is not None
        assert np.abs(far[3].speech.waveform(RATE) - SAID).max() <= 1 / 65_536
        assert all(each.seconds is not None for each in far[:4])


def test_a_call_that_replicas_die_of_fails_alone(address: str) -> None:
    orders = ["a", "b", "die", "c", "d", "e"]
    responses = ask(address, [call(order) for order in orders], replicas=1)
    assert [each.text for each in responses] == ["A", "B", "", "C", "D", "E"]
    failure = responses[2].failure
    assert failure is not None
    assert failure.kind == "error"
    assert failure.message.startswith("the model died 5 times at this request; the last time its worker process has")


def test_replicas_that_die_again_and_again_stop_the_run(address: str) -> None:
    with pytest.raises(ReplicasLostError, match=r"^model: its replica died 2 times without an answer .*the same comm"):
        ask(address, [call("die"), call("die")], replicas=1, max_restarts=1)
    assert within(lambda: not replicas())


def test_what_ends_a_local_run_ends_this_one_in_the_same_words(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^it will answer nobody$"):
        ask(address, [call("refuse all")], replicas=1)
    with pytest.raises(ConfigurationError, match=rf"^{MACHINE}: no weights at /nowhere$"), in_our_words():
        ask(address, [call("a")], spec(refuses="no weights at /nowhere"), replicas=1)


def test_a_recording_that_a_machine_does_not_find_is_no_failure_of_its_sample(tmp_path: Path, address: str) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, SAID, RATE)
    recording = Audio("a.wav", path)
    recording.digest()
    path.unlink()  # found by the run, and not by the replica
    with pytest.raises(ConfigurationError) as refused:
        ask(address, [call("listen", recording)], replicas=1, recordings="paths")
    assert str(refused.value) == (
        f"executor.recordings=paths: {path} is not on {MACHINE} (no such file); recordings=bytes sends recordings"
    )


@pytest.mark.usefixtures("address")  # so that Ray is imported with the cluster's token
def test_an_environment_that_cannot_be_had_is_said_with_its_machine_and_without_its_keys() -> None:
    from ray.exceptions import RuntimeEnvSetupError

    said = "[Node 10.0.0.2] Traceback ...:\n  File ...\nERROR: http://me:my-password@host/simple: no\n"

    async def main() -> None:
        reference = asyncio.get_running_loop().create_future()
        reference.set_exception(RuntimeEnvSetupError(said))
        await far(reference)

    with pytest.raises(ConfigurationError) as refused:
        asyncio.run(main())
    assert str(refused.value) == (
        "executor.runtime_env cannot be had on 10.0.0.2: ERROR: http://(removed)@host/simple: no"
    )


def test_what_has_no_place_is_said_with_what_there_is(address: str) -> None:
    # How much is free depends on when the cluster takes note that replicas of tests before have ended.
    there = r"the cluster has 1 machine with 2 CPU \([\d.]+ free\) and 4 GPU \([\d.]+ free\)"
    wanted = r"no place for a replica within executor\.patience=1 s: it asks for 0\.5 CPU and 8 GPU"
    with pytest.raises(ConfigurationError, match=f"^model: {wanted}; {there}"):
        ask(address, [call("a")], replicas=1, num_cpus=0.5, num_gpus=8, patience=1)


@pytest.mark.parametrize(("num_gpus", "seen"), [(2, 2), (0.5, 1), (None, 1)])
def test_a_replica_sees_the_gpus_that_it_asked_for(address: str, num_gpus: float | None, seen: int) -> None:
    [response] = ask(address, [call("see")], replicas=1, num_gpus=num_gpus)
    assert len(response.text.split(",")) == seen


def test_what_the_machines_lack_is_sent_to_them(tmp_path: Path, address: str) -> None:
    source = Path(models.__file__).read_text(encoding="utf-8")
    module, files = tmp_path / "modules" / "only_here", tmp_path / "files"
    module.mkdir(parents=True)
    files.mkdir()
    (module / "__init__.py").write_text(source, encoding="utf-8")
    (files / "words").write_text("read there", encoding="utf-8")
    model = ModelSpec("model", "Obedient", {"_target_": "only_here.Obedient"})
    with pytest.raises(ConfigurationError, match=rf"^{MACHINE}: model: cannot load the adapter 'only_here.Obedient'"):
        ask(address, [call("a")], model, replicas=1)
    sent = {"py_modules": [str(module)], "working_dir": str(files), "env_vars": {"SAID": "hello"}}
    responses = ask(address, [call("read words"), call("tell SAID")], model, replicas=1, runtime_env=sent)
    assert [each.text for each in responses] == ["read there", "hello"]


def test_the_batch_under_way_ends_and_no_other_begins(address: str, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    async def main() -> tuple[list[Response], int]:
        endpoint = RayExecutor(LocalExecutor(batch_size=1), address, replicas=1).open(spec())
        asked = [asyncio.ensure_future(endpoint.answer(call(order))) for order in (f"wait {begun}", "a", "b")]
        assert await asyncio.to_thread(within, begun.exists)
        await endpoint.close()
        await asyncio.sleep(0)
        done = [each.result() for each in asked if each.done()]
        for each in asked:
            each.cancel()
        return done, len(asked)

    done, count = asyncio.run(main())
    assert 1 <= len(done) < count
    assert done[0].text == f"WAIT {begun}".upper()
