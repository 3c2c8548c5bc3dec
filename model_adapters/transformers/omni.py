"""Qwen2.5-Omni and Qwen3-Omni: the part that writes, and with it the parts that speak."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError, first_line
from evalkit.hints import hint
from evalkit.types import Request, Response
from model_adapters.shared.decoding import request_seed
from model_adapters.shared.hub import fetching
from model_adapters.shared.voice import spoken_answer
from model_adapters.transformers.chat import TransformersChat
from model_adapters.transformers.chat_checkpoint import load_processor
from model_adapters.transformers.checkpoint import load_complete

# The whole model to the part that writes, by their classes in transformers.
_WHOLE = {
    "Qwen2_5OmniThinkerForConditionalGeneration": "Qwen2_5OmniForConditionalGeneration",
    "Qwen3OmniMoeThinkerForConditionalGeneration": "Qwen3OmniMoeForConditionalGeneration",
}
_SPEECH_RATE = 24_000  # hertz, of both families
# The library fails on an answer without a word, and on speech without a code.
_NOT_EMPTY = {"min_new_tokens": 1}


class QwenOmni(TransformersChat):
    """A Qwen2.5-Omni or Qwen3-Omni.

    With ``speech`` the whole model is loaded, and a question that wants a spoken answer is put by itself: text and
    speech come from one pass, and what the speech draws at random from a seed that depends on the question. A spoken
    answer has one token at least. Written answers come from the part that writes alone, the thinker, with or without
    ``speech``: the library's own way to turn speech off (``disable_talker``) breaks Qwen2.5-Omni.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        speech: whether to load what speaks.
        speaker: whose voice to speak in.
        talker: decoding settings of the part that makes speech, by their names in transformers, such as
            ``max_new_tokens``; those that are not named are the library's, which are its authors'.
        **settings: what ``TransformersChat`` has beside.

    Raises:
        ConfigurationError: a library or the weights are not there, the checkpoint is no Qwen-Omni, or it has no
            speaker of that name.
    """

    name = "qwen_omni"

    def __init__(
        self,
        path: str,
        *,
        speech: bool = False,
        speaker: str = "Chelsie",
        talker: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self._speech = speech
        self._whole: Any
        super().__init__(path, **settings)
        if not speech:
            return
        self._whole.eval().to(self._model.device)
        _check_speaker(path, self._whole, speaker)
        self._speaker = speaker
        self._talker = dict(talker or {})
        self._identity |= {"speaker": self._speaker, "talker": self._talker}
        self.capabilities = replace(self.capabilities, speech_output=True)

    def _load(self, path: str, dtype: Any, source: Mapping[str, Any]) -> tuple[Any, Any]:
        if not self._speech:
            self._whole = None
            return super()._load(path, dtype, source)
        folder = _folder(path, source)
        processor, self._family = load_processor(folder, source, self._chat_template)
        if self._family.model_class not in _WHOLE:
            raise ConfigurationError(f"{path}: not a checkpoint of Qwen2.5-Omni or Qwen3-Omni")
        self._whole = _load_whole(folder, _WHOLE[self._family.model_class], dtype, source)
        return self._whole.thinker, processor

    def _form(self, request: Request) -> Hashable:
        return request.output, super()._form(request)

    def _generated(self, requests: Sequence[Request], settings: Mapping[str, Any]) -> list[Response]:
        if requests[0].output == "text":
            return super()._generated(requests, settings)
        return [self._spoken(request, settings) for request in requests]

    def _spoken(self, request: Request, settings: Mapping[str, Any]) -> Response:
        import torch

        inputs = self._inputs([request]).to(self._model.device, dtype=self._model.dtype)
        torch.manual_seed(request_seed(request, self._seed))
        # By their prefixes alone: max_new_tokens without one is ignored, and others would reach all parts.
        thinker = {**_NOT_EMPTY, "eos_token_id": self._stop, **settings}
        with torch.inference_mode():
            tokens, waveform = self._whole.generate(
                **inputs,
                speaker=self._speaker,
                **{f"thinker_{name}": value for name, value in thinker.items()},
                **{f"talker_{name}": value for name, value in {**_NOT_EMPTY, **self._talker}.items()},
            )
        (response,) = self._responses([request], inputs, tokens[:, inputs["input_ids"].shape[1] :])
        return replace(response, speech=spoken_answer(waveform.reshape(-1).float().cpu().numpy(), _SPEECH_RATE))

    def close(self) -> None:
        """Free the weights."""
        del self._whole
        super().close()


def _folder(path: str, source: Mapping[str, Any]) -> str:
    """Return the folder of a checkpoint, downloaded if need be: the library finds the speakers in none else."""
    if Path(path).is_dir():
        return path
    from huggingface_hub import snapshot_download

    with fetching(path):
        found = snapshot_download(path, revision=source["revision"], local_files_only=source["local_files_only"])
    return str(found)


def _load_whole(folder: str, class_name: str, dtype: Any, source: Mapping[str, Any]) -> Any:
    """Load the whole model, with its speakers where they lie in a file of their own.

    Qwen2.5-Omni's own ``from_pretrained`` does both, but says nothing of missing weights, and takes the speakers in
    their newest version whatever the revision. So the one that it overrides is called.

    Raises:
        ConfigurationError: something is missing, be it the part that speaks.
    """
    import transformers

    model_class = getattr(transformers, class_name)
    # Of any other, the library would make a whole model of the published size, and fill it with random numbers.
    if transformers.AutoConfig.from_pretrained(folder, **source).model_type != model_class.config_class.model_type:
        raise ConfigurationError(f"{folder}: is the part that writes alone; with model.speech=false it can be used")
    model = load_complete(super(model_class, model_class).from_pretrained, folder, dtype, source)
    if not model.has_talker:
        raise ConfigurationError(f"{folder}: has no part that speaks (enable_audio_output in its config.json)")
    if hasattr(model, "load_speakers"):
        speakers = Path(folder) / "spk_dict.pt"
        if not speakers.is_file():
            raise ConfigurationError(f"{folder}: no spk_dict.pt, in which its speakers lie")
        try:
            model.load_speakers(speakers)  # with weights_only=True
        except Exception as error:  # whatever a damaged file leads to
            raise ConfigurationError(f"{speakers}: not the speakers of Qwen2.5-Omni ({first_line(error)})") from error
    return model


def _check_speaker(path: str, whole: Any, speaker: str) -> None:
    names = list(whole.speaker_map if hasattr(whole, "speaker_map") else whole.config.talker_config.speaker_id)
    # Qwen3-Omni matches names in lower case.
    if speaker not in names and (hasattr(whole, "speaker_map") or speaker.lower() not in names):
        raise ConfigurationError(f"{path}: has no speaker '{speaker}'{hint(speaker, names)}; it has {', '.join(names)}")
