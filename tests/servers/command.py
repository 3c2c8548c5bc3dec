"""The server as a process of its own; run as ``python -m tests.servers.openai_server``."""

import argparse
import asyncio
import signal
from collections.abc import Coroutine, Sequence
from typing import Any

from tests.servers.backends import Backend, digest_backend, transcriber_backend
from tests.servers.fast_server import serve_canned
from tests.servers.faults import Fault, Faults
from tests.servers.openai_server import OpenAIServer

_RECOGNISERS = ("whisper-tiny.en", "pocketsphinx")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, having printed ``listening on http://127.0.0.1:PORT/v1``."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.openai_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fast", action="store_true", help="check nothing and give one canned answer")
    parser.add_argument("--backend", choices=("digest", *_RECOGNISERS), default="digest")
    parser.add_argument("--key", help="that clients must send")
    parser.add_argument("--model", action="append", help="a name to serve; default: any")
    parser.add_argument("--vllm", action="store_true", help="take the additional fields of vLLM and SGLang")
    parser.add_argument("--capacity", type=int, help="answer 429 beyond so many requests at one time")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND=RATE", help=", ".join(Fault))
    parser.add_argument("--fault-limit", type=int, default=3, help="faults that one request meets at most")
    parser.add_argument("--retry-after", type=float, default=0.05, help="seconds that an answer 429 asks to wait")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    options = parser.parse_args(arguments)
    asyncio.run(_until_signalled(_serve(options)))


def _serve(options: argparse.Namespace) -> Coroutine[Any, Any, None]:
    def announce(base_url: str) -> None:
        print(f"listening on {base_url}", flush=True)

    if options.fast:
        return serve_canned(options.port, options.latency, lambda port: announce(f"http://127.0.0.1:{port}/v1"))
    rates = {Fault(kind): float(rate) for kind, _, rate in (fault.partition("=") for fault in options.fault)}
    server = OpenAIServer(
        _backend(options.backend),
        port=options.port,
        key=options.key,
        models=options.model,
        vllm=options.vllm,
        latency=options.latency,
        capacity=options.capacity,
        faults=Faults(options.seed, rates, options.fault_limit),
        retry_after=options.retry_after,
    )
    return server.serve(lambda: announce(server.base_url))


def _backend(name: str) -> Backend:
    if name == "whisper-tiny.en":
        from model_adapters.whisper.faster_whisper import FasterWhisper

        return transcriber_backend(FasterWhisper("package:whisper-tiny.en", device="cpu", compute_type="int8"))
    if name == "pocketsphinx":
        from model_adapters.pocketsphinx import PocketSphinx

        return transcriber_backend(PocketSphinx())
    return digest_backend


async def _until_signalled(serving: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait((task,))
    if not task.cancelled():
        task.result()
