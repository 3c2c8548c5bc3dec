"""Step-Audio 2 behind StepFun's vLLM server.

The server hears and writes, and speaks in codes of a codec; what they sound like is made here. See
``server_requests`` and ``server_answers`` for the protocol and where it is published.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalkit.errors import ConfigurationError
from evalkit.types import Request, Response, Usage
from model_adapters.openai.completions import merge_replies
from model_adapters.openai.models import OpenAICompatible
from model_adapters.shared.live import Listener, Thinking, listener
from model_adapters.step_audio_2.server_answers import (
    SpokenAnswer,
    add_spoken_delta,
    read_answer,
    spoken_codes,
    spoken_words,
)
from model_adapters.step_audio_2.server_requests import (
    SAMPLE_RATE,
    SPEECH_BEGINS,
    THOUGHT_BEGINS,
    THOUGHT_ENDS,
    StepAudio2Format,
    server_messages,
    thought_settings,
)
from model_adapters.step_audio_2.speech import (
    SPEECH_STEPS,
    LiveSpeech,
    Speech,
    Synthesizer,
    load_speech,
    synthesizer_identity,
)


class StepAudio2Server(OpenAICompatible):
    """Step-Audio 2 mini, or its thinking sibling, behind StepFun's vLLM server.

    It speaks if it is given ``token2wav`` or a synthesizer; else it is asked for text only. Once a tool has found a
    recording, ``token2wav`` speaks in the voice of it.

    Args:
        model: its name on the server.
        base_url: of the server.
        thinking: whether it thinks before it answers, which takes two requests; the thought is no part of the answer.
        token2wav: the folder of that name which comes with the weights.
        voice: a recording of the voice in which it is to speak.
        speech_dtype: what speech is computed in: ``float32``; for speed ``float16`` or ``bfloat16`` on a GPU, ``int8``
            on a CPU with AVX-512 VNNI.
        speech_steps: of the flow that makes it, 10 in the published model; fewer are faster and worse.
        synthesizer: what makes codes into sound, in place of ``token2wav`` and ``voice``.
        generation: decoding settings that hold where a request says nothing else.
        extra_body: further fields of every request body, as the server's documentation has them.
        stream: whether answers are sent piece by piece; those spoken by ``token2wav`` are then made into sound while
            they come, and say how long it took until their beginning could be heard.
        **connection: see ``OpenAICompatible``.

    Raises:
        ConfigurationError: the synthesizer cannot be loaded, or the connection cannot be as asked.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        thinking: bool = False,
        token2wav: str | None = None,
        voice: str | None = None,
        speech_dtype: str = "float32",
        speech_steps: int = SPEECH_STEPS,
        synthesizer: Synthesizer | None = None,
        generation: Mapping[str, Any] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        stream: bool = False,
        **connection: Any,
    ) -> None:
        super().__init__(model, base_url, sample_rate=SAMPLE_RATE, **connection)
        if voice is not None and token2wav is None:
            raise ConfigurationError("voice= is the voice of a synthesizer: give its folder with token2wav=")
        self._speech = None if synthesizer is None else Speech(lambda codes, _: synthesizer(codes))
        if token2wav is not None:
            self._speech = load_speech(token2wav, voice, speech_dtype, speech_steps)
        self.capabilities = replace(self.capabilities, speech_output=self._speech is not None, tools=True)
        self._thinking = thinking
        self._stream = stream
        self._format = StepAudio2Format(model, generation=generation or {}, extra_body=extra_body or {}, stream=stream)
        self._settings: dict[str, Any] = {
            "thinking": thinking,
            "generation": dict(generation or {}),
            "extra_body": dict(extra_body or {}),
        }
        if token2wav is not None and voice is not None:
            self._settings["speech"] = synthesizer_identity(token2wav, voice, speech_dtype, speech_steps)

    async def answer(self, request: Request) -> Response:
        """Try once to have a request answered, each of its replies by a request of its own."""
        messages = await server_messages(request.messages)
        replies = [await self._reply(request, messages, given) for given in range(request.replies)]
        return merge_replies(replies, request.replies)

    def check_settings(self, request: Request) -> None:
        """Refuse decoding settings that Step-Audio 2's server does not have."""
        self._format.settings(request)

    async def close(self) -> None:
        """Close all connections, and end the thread of the synthesizer."""
        if self._speech is not None:
            self._speech.close()
        await super().close()

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the model's name, its server, its decoding settings, and what speaks for it."""
        return {**self._identity, **self._settings}

    async def _reply(self, request: Request, messages: Sequence[Mapping[str, Any]], given: int) -> Response:
        told = listener()
        told.begin()
        settings = self._format.settings(request, given)
        opening = SPEECH_BEGINS if request.output == "speech" else ""
        usage = Usage()
        if self._thinking:
            wanted = thought_settings(settings, has_tools=bool(request.tools))
            started = time.perf_counter()
            thought = (await self._asked(self._format.body(request, messages, THOUGHT_BEGINS, wanted))).response
            opening = f"{THOUGHT_BEGINS}{thought.text}{THOUGHT_ENDS}\n\n{opening}"
            settings = {"repetition_penalty": 1.05, **settings}
            usage += thought.usage or Usage()
            told.tell_thought(Thinking(thought.text, usage.output_tokens, time.perf_counter() - started))
        offered = [tool["function"]["name"] for tool in request.tools]
        voice = self._speech if request.output == "speech" else None
        live = voice.begin_stream(request) if voice is not None and self._stream else None
        answer = await self._asked(self._format.body(request, messages, opening, settings), offered, live, told)
        speech, first_sound = (None, None) if live is None else await live.finish(answer.codes)
        if voice is not None and speech is None:
            speech = await voice.of_codes(answer.codes, request)
        usage += answer.response.usage or Usage()
        return replace(answer.response, speech=speech, first_sound=first_sound, usage=usage)

    async def _asked(
        self,
        body: bytes,
        offered: Collection[str] = (),
        live: LiveSpeech | None = None,
        told: Listener | None = None,
    ) -> SpokenAnswer:
        def add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
            add_spoken_delta(message, delta)
            if told is not None:
                told.tell(spoken_words(delta), spoken_codes(delta))
            if live is not None:
                live.feed(spoken_codes(delta))

        return await self._connection.completion(body, lambda completion: read_answer(completion, offered), add=add)
