"""NVIDIA's recognisers of the NeMo family as transformers has them: Parakeet (CTC, RNN-T, TDT) and Canary."""

from collections.abc import Hashable, Sequence
from typing import Any

from evalkit.adapter import Capabilities
from evalkit.audio import Audio
from evalkit.errors import ConfigurationError, DataError
from evalkit.text import resolve_language
from evalkit.types import Request, Response
from model_adapters.shared.one_recording import recording
from model_adapters.transformers.prompted import PromptedCheckpoint
from model_adapters.transformers.written import responses_of

_SAMPLE_RATE = 16_000
# Features are normalised over the frames of a recording, of which it takes two to have a variance.
_SHORTEST = 0.1


class Parakeet(PromptedCheckpoint):
    """A Parakeet: a FastConformer with a CTC, an RNN-T or a TDT decoder. It takes a recording and nothing else.

    Recordings of different length share a batch; the library's transducers let that change an answer in three ways,
    all of which are mended here: a recording that is at its end goes on emitting tokens until the longest one is, the
    bound on the number of tokens comes from the longest one and cuts off the last token, and the most likely duration
    of a TDT can be taken for a token.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        batch_size: how many recordings to get at once.
        languages: codes of the languages that the checkpoint was trained for, None for any.
        **loading: device, dtype, revision and local_files_only, as ``PromptedCheckpoint`` has them.

    Raises:
        ConfigurationError: the libraries or the weights are not there, or it is no Parakeet.
    """

    name = "parakeet"
    classes = {  # noqa: RUF012 - the base class says that it is a constant
        "parakeet_ctc": "ParakeetForCTC",
        "parakeet_rnnt": "ParakeetForRNNT",
        "parakeet_tdt": "ParakeetForTDT",
    }

    def __init__(
        self, path: str, *, batch_size: int = 8, languages: Sequence[str] | None = None, **loading: Any
    ) -> None:
        super().__init__(path, **loading)
        self._is_ctc = self._model.config.model_type == "parakeet_ctc"
        self.capabilities = Capabilities(
            languages=None if languages is None else frozenset(languages),
            sample_rate=_SAMPLE_RATE,
            batch_size=batch_size,
        )

    def _alike(self, request: Request) -> Hashable:  # noqa: ARG002 - all are
        return None

    def _answer(self, requests: Sequence[Request]) -> list[Response]:
        import torch

        waveforms = [recording(request, _SAMPLE_RATE, shortest=_SHORTEST) for request in requests]
        inputs = self._processor(waveforms, sampling_rate=_SAMPLE_RATE)
        inputs = inputs.to(self._model.device, dtype=self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(**inputs) if self._is_ctc else self._transduce(inputs)
        # CTC merges repetitions and drops the blank, both by what the processor knows of its decoder.
        texts = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return [Response(text=text.strip()) for text in texts]

    def _transduce(self, inputs: Any) -> Any:
        """Return the tokens [recordings, steps] of a transducer, padding in place of blanks and beyond the end."""
        import torch

        config = self._model.config
        # Each of the encoder's frames is left after so many steps at most; three convolutions of stride 2 make them.
        frames = -(-inputs["attention_mask"].sum(dim=1) // config.encoder_config.subsampling_factor)
        most = frames * config.max_symbols_per_step
        durations = len(getattr(config, "durations", ()))
        tokens = self._model.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=int(most.max()),
            pad_token_id=config.pad_token_id,
            # No token has this id; but only with one to stop at does the library fill up what has come to its end.
            eos_token_id=config.vocab_size + durations,
            # The scores of durations come behind those of tokens.
            suppress_tokens=list(range(config.vocab_size, config.vocab_size + durations)) or None,
        ).sequences[:, 1:]
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        unsaid = (tokens == config.blank_token_id) | (steps >= most[:, None])
        return tokens.masked_fill(unsaid, config.pad_token_id)


class Canary(PromptedCheckpoint):
    """A Canary: writes down speech, or translates it, between English and 24 other languages of Europe.

    It must be told the language that is spoken. A text beside the recording is the language to write in, by its
    English name or code; without one it writes what is said. That is how ``configs/prompts/canary.yaml`` asks it.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        batch_size: how many recordings to get at once.
        max_new_tokens: the most that an answer may have; the decoder has room for no more than its positions.
        punctuation: whether to write punctuation and capitals.
        **loading: device, dtype, revision and local_files_only, as ``PromptedCheckpoint`` has them.

    Raises:
        ConfigurationError: the libraries or the weights are not there, or it is no Canary.
    """

    name = "canary"
    classes = {"canary": "CanaryForConditionalGeneration"}  # noqa: RUF012

    def __init__(
        self, path: str, *, batch_size: int = 8, max_new_tokens: int = 512, punctuation: bool = True, **loading: Any
    ) -> None:
        super().__init__(path, **loading)
        from transformers.models.canary.processing_canary import LANGUAGE_CODE_TO_NAME

        self._punctuation = punctuation
        self._languages: dict[str, str] = LANGUAGE_CODE_TO_NAME
        self._codes = {name.lower(): code for code, name in self._languages.items()}
        self._max_new_tokens = max_new_tokens
        self._identity |= {"max_new_tokens": max_new_tokens, "punctuation": punctuation}
        self.capabilities = Capabilities(
            languages=frozenset(self._languages), sample_rate=_SAMPLE_RATE, batch_size=batch_size
        )

    def _alike(self, request: Request) -> tuple[str, str]:
        """Return the codes of the language spoken and of the one to write in."""
        if request.language is None:
            raise DataError(
                "Canary must be told the language that is spoken: the sample has none, or the prompt profile no "
                "language_hint: true"
            )
        words = [
            part for message in request.messages for part in message.content if not isinstance(part, Audio) and part
        ]
        spoken = self._code(request.language)
        if len(words) > 1:
            raise DataError(f"Canary takes the name of one language beside the recording, not {len(words)} texts")
        return spoken, self._code(words[0]) if words else spoken

    def _code(self, language: str) -> str:
        """Return the code of a language by its name or any of its codes."""
        name = language.strip().lower()
        try:
            code = self._codes.get(name) or resolve_language(name)
        except ConfigurationError:
            code = name
        if code not in self._languages:
            raise DataError(f"Canary knows no language {language!r}; it knows {', '.join(self._languages)}")
        return code

    def _answer(self, requests: Sequence[Request]) -> list[Response]:
        import torch

        spoken, wanted = self._alike(requests[0])
        inputs = self._processor.apply_transcription_request(
            [recording(request, _SAMPLE_RATE, shortest=_SHORTEST) for request in requests],
            source_language=spoken,
            target_language=wanted,
            punctuation=self._punctuation,
        ).to(self._model.device, dtype=self._model.dtype)
        prompt = inputs["decoder_input_ids"].shape[1]
        room = self._model.config.decoder_config.max_position_embeddings - prompt
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs, max_new_tokens=min(self._max_new_tokens, room), do_sample=False, num_beams=1
            )
        return responses_of(
            self._processor.tokenizer,
            tokens[:, prompt:],
            stop=[self._model.config.eos_token_id],
            input_tokens=[prompt] * len(requests),
        )
