"""What a conversation with a served model costs beside the model: time to the first word, and the loop's own work.

A server in a process of its own writes 40 words, one every 20 ms. Printed are the time to the first word of a turn
where the answer is streamed, and where it is whole, with their ratio; and the processor time of this process for a turn
of a conversation against that of asking the adapter alone, both streamed. Each is the median of several, by turns.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from evalkit.inference.endpoint import ModelSpec
from evalkit.inference.local import LocalExecutor
from evalkit.inference.opening import ExecutorChoice
from evalkit.types import Message, Request
from model_adapters.live.dialogue import ModelDialogue
from model_adapters.live.models import LiveModels
from model_adapters.openai.models import ChatModel
from step_audio_2.tool_calls import ContentDelta

WORDS, PACE = 40, 0.02
TURNS = 15

SERVER = f"""
import asyncio, json
from aiohttp import web

async def complete(request):
    wanted = await request.json()
    if not wanted.get("stream"):
        await asyncio.sleep({WORDS} * {PACE})
        message = {{"role": "assistant", "content": "word " * {WORDS}}}
        return web.json_response({{"choices": [{{"index": 0, "message": message, "finish_reason": "stop"}}]}})
    reply = web.StreamResponse(headers={{"content-type": "text/event-stream"}})
    await reply.prepare(request)
    for number in range({WORDS}):
        await asyncio.sleep({PACE})
        end = "stop" if number == {WORDS} - 1 else None
        choice = {{"index": 0, "delta": {{"content": "word "}}, "finish_reason": end}}
        await reply.write(f"data: {{json.dumps({{'choices': [choice]}})}}\\n\\n".encode())
    await reply.write(b"data: [DONE]\\n\\n")
    return reply

async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def opened(base_url: str, stream: bool) -> LiveModels:
    config = {
        "_target_": "model_adapters.openai.models.ChatModel",
        "model": "m",
        "base_url": base_url,
        "stream": stream,
    }
    return LiveModels({"model": ModelSpec("model", "", config)}, ExecutorChoice(LocalExecutor()))


def first_word(models: LiveModels) -> float:
    """Milliseconds from the question to the first word of a conversation's first turn."""
    started = time.perf_counter()
    waited = 0.0
    for event in ModelDialogue(models).answer("go on"):
        if isinstance(event, ContentDelta) and not waited:
            waited = 1000 * (time.perf_counter() - started)
    return waited


def processor(work: Callable[[], object]) -> float:
    """Milliseconds of processor time of this process, all its threads included."""
    started = time.process_time()
    work()
    return 1000 * (time.process_time() - started)


def main() -> None:
    """Measure and print."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        base_url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        question = Request((Message("user", ("go on",)),))
        with opened(base_url, True) as streamed, opened(base_url, False) as whole, asyncio.Runner() as runner:
            adapter = ChatModel("m", base_url, stream=True)
            rows = [
                (
                    first_word(streamed),
                    first_word(whole),
                    processor(lambda: list(ModelDialogue(streamed).answer("go on"))),
                    processor(lambda: runner.run(adapter.answer(question))),
                )
                for _ in range(TURNS)
            ]
            runner.run(adapter.close())
        server.terminate()
    early, late, turn, alone = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"first word of {WORDS}, one every {1000 * PACE:.0f} ms: streamed {early:.0f} ms, whole {late:.0f} ms")
    print(f"ratio: {late / early:.1f}")
    print(f"processor time of a turn: {turn:.1f} ms; of the adapter's answer alone: {alone:.1f} ms")
    print(f"ratio: {turn / alone:.2f}")


if __name__ == "__main__":
    main()
