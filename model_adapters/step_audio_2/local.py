"""Step-Audio 2 mini, mini Base and mini Think, by the implementation in this repository."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib import metadata
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from evalkit.adapter import Capabilities, ContinuousModelAdapter, Memory
from evalkit.errors import ConfigurationError
from evalkit.types import Failure, Request, Response, ToolCall, Usage
from model_adapters.shared.decoding import decoding_settings
from model_adapters.shared.torch_memory import OnTorch
from model_adapters.shared.weights import folder_digest
from model_adapters.step_audio_2.questions import SAMPLE_RATE, question_of
from model_adapters.step_audio_2.speech import (
    SPEECH_STEPS,
    load_token2wav,
    speech_files,
    spoken_answer,
    synthesizer_identity,
    voice_of,
)
from model_adapters.step_audio_2.speech_beside import SpeechBeside
from model_adapters.transformers.checkpoint import checked_dtype, chosen_device, import_torch, loading
from step_audio_2.checkpoint import checkpoint_folder
from step_audio_2.errors import CheckpointError

if TYPE_CHECKING:
    from evalkit.audio import Waveform
    from step_audio_2.assistant import Assistant, Reply
    from step_audio_2.chat import Question
    from step_audio_2.speech import Token2Wav, Voice

    Utterance = tuple[Sequence[int], Voice]

Batching = Literal["continuous", "static"]
"""Whether an answer that is done makes room for the next, or waits for those that were begun with it."""


class StepAudio2(OnTorch, ContinuousModelAdapter):
    """A checkpoint of Step-Audio 2 in this process.

    Greedy answers do not depend on what else is asked in a batch, and sampled ones only on the question and the seed.
    Once a tool has found a recording, spoken answers are in the voice of it.

    Args:
        path: a checkpoint folder, or a repository of the Hugging Face hub.
        kind: ``chat`` for mini, ``base`` for mini Base, ``think`` for mini Think.
        device: ``cuda``, ``cpu``, ``auto`` for the first of these that there is, or ``mps`` for an Apple GPU.
        dtype: of the weights; ``auto`` for float32 on the CPU, bfloat16 elsewhere.
        device_map: how to spread the model over several GPUs, such as ``auto``; goes before ``device``.
        batch_size: requests to answer together.
        batching: ``continuous``: an answer that is done makes room for the next at once; ``static``: batches stay
            together, as they do under a beam search and with ``compile``, ``stream`` and ``padded_audio``.
        compile: decode with a compiled graph and a cache of fixed size; pays on CUDA, after a minute of compiling.
        token2wav: the folder that makes codes into speech; the checkpoint's own if it has one.
        voice: a recording of the voice in which to speak; the checkpoint's own if it has one, or that of the authors'
            repository if the checkpoint is in it. Without the two the model is asked for text only.
        speech_dtype: what speech is computed in: ``float32``; for speed ``float16`` or ``bfloat16`` on a GPU, ``int8``
            on a CPU with AVX-512 VNNI.
        speech_steps: of the flow that makes it, 10 in the published model; fewer are faster and worse.
        stream: answer spoken questions one at a time, make sound of them while they are generated, and say how long it
            took until their beginning could be heard.
        padded_audio: True lets the padding of a batch into the last embedding of a shorter recording, as the original
            implementation does.
        seed: of what sampled answers draw.

    Raises:
        ConfigurationError: a library is missing, or the checkpoint cannot be loaded; the message says why.
    """

    def __init__(
        self,
        path: str,
        *,
        kind: Literal["chat", "base", "think"] = "chat",
        device: str = "auto",
        dtype: str = "auto",
        device_map: str | None = None,
        batch_size: int = 8,
        batching: Batching = "continuous",
        compile: bool = False,  # noqa: A002 - as users of PyTorch call it
        token2wav: str | None = None,
        voice: str | None = None,
        speech_dtype: str = "float32",
        speech_steps: int = SPEECH_STEPS,
        stream: bool = False,
        padded_audio: bool = False,
        seed: int = 0,
    ) -> None:
        import_torch("step-audio-2")
        from step_audio_2.assistant import KINDS, Assistant

        if kind not in KINDS:
            raise ConfigurationError(f"kind: '{kind}' must be {', '.join(KINDS[:-1])} or {KINDS[-1]}")
        if batching not in get_args(Batching):
            raise ConfigurationError(f"batching: '{batching}' must be continuous or static")
        device = chosen_device(device)
        if dtype == "auto":
            dtype = "float32" if device == "cpu" else "bfloat16"
        with loading(path):
            try:
                folder = checkpoint_folder(path)
                self._assistant = Assistant.from_pretrained(
                    folder,
                    kind,
                    static_cache=compile,
                    dtype=checked_dtype(dtype),
                    device_map=device_map or {"": device},
                )
            except CheckpointError as error:  # says by itself what is wrong where
                raise ConfigurationError(str(error)) from error
        self._assistant.model.padded_audio = padded_audio
        self._identity: dict[str, Any] = {
            "weights": {"sha256": folder_digest(folder)},
            "device": self._assistant.model.device.type,
            "kind": kind,
            "dtype": dtype,
            "padded_audio": padded_audio,
            "seed": seed,
        }
        self._speech: tuple[Token2Wav, Voice] | None = None
        if files := speech_files(folder, token2wav, voice):
            self._speech = load_token2wav(*files, device, speech_dtype, speech_steps)
            self._identity |= {**synthesizer_identity(*files, speech_dtype, speech_steps), "stream": stream}
        self._seed = seed
        self._streams = stream
        self._compiles = compile
        self.is_continuous = batching == "continuous" and not (compile or stream or padded_audio)
        self.capabilities = Capabilities(
            sample_rate=SAMPLE_RATE,
            batch_size=batch_size,
            speech_output=self._speech is not None,
            tools=kind != "base",
        )

    @property
    def assistant(self) -> "Assistant":
        """The model itself, for who talks with it."""
        return self._assistant

    @property
    def speech(self) -> "tuple[Token2Wav, Voice] | None":
        """What makes its codes into speech, and the voice; None where it writes."""
        return self._speech

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer requests, those with equal decoding settings together.

        Raises:
            ConfigurationError: a decoding setting is not known.
            AudioError: a recording cannot be read.
            ValueError: a conversation is longer than the model can read.
        """
        alike: dict[tuple[str, bool], list[int]] = {}
        for index, request in enumerate(requests):
            wanted = json.dumps(dict(request.generation), sort_keys=True)
            alike.setdefault((wanted, request.output == "speech"), []).append(index)
        responses: dict[int, Response] = {}
        for (_, spoken), together in alike.items():
            settings = decoding_settings(requests[together[0]].generation, model="Step-Audio 2")
            questions = [question_of(requests[index], self._seed) for index in together]
            if spoken and self._speech is not None:
                voices = [self._voice(requests[index]) for index in together]
                answered = self._spoken(questions, settings, self._speech[0], voices)
            else:
                answered = [_response(replies) for replies in self._assistant.answer(questions, **settings)]
            responses |= zip(together, answered, strict=True)
        return [responses[index] for index in range(len(requests))]

    def _spoken(
        self,
        questions: Sequence["Question"],
        settings: Mapping[str, Any],
        token2wav: "Token2Wav",
        voices: Sequence["Voice"],
    ) -> list[Response]:
        if self._streams:
            return [
                _streamed(self._assistant, question, settings, token2wav, voice)
                for question, voice in zip(questions, voices, strict=True)
            ]
        answers = self._assistant.answer(questions, **settings)
        utterances = [(replies[0].answer.audio_codes, voice) for replies, voice in zip(answers, voices, strict=True)]
        waveforms = self._synthesized(utterances)
        return [_response(replies, waveform) for replies, waveform in zip(answers, waveforms, strict=True)]

    def generate_each(self, requests: Iterator[Request]) -> Iterator[tuple[int, Response]]:
        """Answer requests as they come, whatever the decoding settings of each; see ``ContinuousModelAdapter``.

        Speech is made beside the generation of others; as many answers again as are generated at once may wait for it.
        Requests whose batches stay together are answered in batches of neighbours.

        Raises:
            ConfigurationError, AudioError: as ``generate``; a conversation that is too long fails by itself.
        """
        for stay_together, alike in groupby(enumerate(requests), lambda each: self._stays_together(each[1])):
            answer = self._in_batches if stay_together else self._side_by_side
            yield from answer(alike)

    def _stays_together(self, request: Request) -> bool:
        return not self.is_continuous or request.generation.get("num_beams", 1) != 1

    def _in_batches(self, requests: Iterator[tuple[int, Request]]) -> Iterator[tuple[int, Response]]:
        while batch := list(islice(requests, self.capabilities.batch_size)):
            positions, asked = zip(*batch, strict=True)
            yield from zip(positions, self.generate(asked), strict=True)

    def _side_by_side(self, requests: Iterator[tuple[int, Request]]) -> Iterator[tuple[int, Response]]:
        from step_audio_2.assistant import Asked
        from step_audio_2.sampling import Decoding

        taken: dict[int, tuple[int, Voice | None]] = {}

        def asked() -> Iterator[Asked]:
            for number, (position, request) in enumerate(requests):
                speaks = request.output == "speech" and self._speech is not None
                taken[number] = position, self._voice(request) if speaks else None
                settings = decoding_settings(request.generation, model="Step-Audio 2")
                yield Asked(question_of(request, self._seed), Decoding.of(settings))

        slots = self.capabilities.batch_size
        with (
            SpeechBeside[tuple[int, list["Reply"]], "Utterance"](self._synthesized, slots) as speech,
            closing(self._assistant.answer_each(asked(), slots)) as answers,
        ):
            for number, outcome in answers:
                position, voice = taken.pop(number)
                if isinstance(outcome, ValueError):
                    yield position, Response(failure=Failure("error", f"ValueError: {outcome}"))
                elif voice is not None:
                    speech.add((position, outcome), (outcome[0].answer.audio_codes, voice))
                else:
                    yield position, _response(outcome)
                yield from _sounding(speech.made())
            yield from _sounding(speech.made(to_the_end=True))

    def _voice(self, request: Request) -> "Voice":
        assert self._speech is not None  # noqa: S101 - else nothing is asked to be spoken
        token2wav, default = self._speech
        return voice_of(request, token2wav) or default

    def _synthesized(self, utterances: Sequence["Utterance"]) -> list["Waveform"]:
        assert self._speech is not None  # noqa: S101 - else nothing is asked to be spoken
        token2wav, _ = self._speech
        codes, voices = zip(*utterances, strict=True)
        return [waveform.numpy() for waveform in token2wav.synthesize(codes, voices)]

    def device_memory(self) -> Memory | None:
        """Return what ``OnTorch`` does; None where another size of batches would have the graph compiled anew."""
        return None if self._compiles else super().device_memory()

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights by content, the arithmetic, and what else decides an answer or how it sounds."""
        return {
            "adapter": "step_audio_2",
            **self._identity,
            "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
        }

    def close(self) -> None:
        """Free the weights."""
        torch = import_torch()
        del self._assistant, self._speech
        torch.cuda.empty_cache()


def _sounding(made: Iterator[tuple[tuple[int, list["Reply"]], "Waveform"]]) -> Iterator[tuple[int, Response]]:
    for (position, replies), waveform in made:
        yield position, _response(replies, waveform)


def _streamed(
    assistant: "Assistant", question: "Question", settings: Mapping[str, Any], token2wav: "Token2Wav", voice: "Voice"
) -> Response:
    """Answer one question, and make its speech while it is generated."""
    import torch

    from step_audio_2.assistant import collect
    from step_audio_2.speaking import Sound, speak

    sounds: list[Sound] = []
    events = speak(assistant, question, token2wav, voice, **settings)
    reply = collect(events, lambda event: sounds.append(event) if isinstance(event, Sound) else None)
    waveform = torch.cat([sound.waveform for sound in sounds]) if sounds else torch.empty(0)
    first_sound = round(sounds[0].seconds, 4) if sounds else None
    return replace(_response([reply], waveform.numpy()), first_sound=first_sound)


def _response(replies: Sequence["Reply"], waveform: "Waveform | None" = None) -> Response:
    first = replies[0].answer
    texts = tuple(reply.answer.text for reply in replies)
    return Response(
        text=texts[0],
        replies=texts if len(texts) > 1 else (),
        speech=spoken_answer(waveform) if waveform is not None and len(waveform) else None,
        tool_calls=tuple(ToolCall(call.name, call.arguments) for call in first.tool_calls),
        finish_reason="stop" if first.stopped else "length",
        # What was written, or said without a sound, goes into the history as words; a call in speech does not.
        tokens=json.dumps(first.ids) if waveform is not None and (first.audio_codes or first.tool_calls) else "",
        usage=Usage(
            input_tokens=sum(reply.input_tokens for reply in replies),
            output_tokens=sum(reply.output_tokens for reply in replies),
            input_audio_tokens=sum(reply.audio_tokens for reply in replies),
            output_audio_tokens=sum(len(reply.answer.audio_codes) for reply in replies),
        ),
    )
