"""The files of a ``token2wav`` folder.

The published folder holds ``flow.yaml``, ``flow.pt``, ``hift.pt``, ``speech_tokenizer_v2_25hz.onnx`` and
``campplus.onnx``, with a vocoder of default sizes. Two things are read beyond it: ``hift.json`` states other sizes of
the vocoder, and ``speech_tokenizer_v2_25hz.safetensors`` or ``campplus.safetensors``, with sizes under ``config`` in
the header, is taken where the ONNX file of that name is not there.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from step_audio_2.errors import CheckpointError
from step_audio_2.speech.flow_matching import FlowMatching
from step_audio_2.speech.flow_yaml import read_flow_yaml
from step_audio_2.speech.onnx_models import OnnxSpeakerEncoder, OnnxSpeechTokenizer
from step_audio_2.speech.speaker_encoder import EmbedSpeaker, SpeakerEncoder, SpeakerEncoderConfig
from step_audio_2.speech.speech_tokenizer import SpeechTokenizer, SpeechTokenizerConfig, Tokenize
from step_audio_2.speech.vocoder import HiFTVocoder
from step_audio_2.speech.voice import VoiceMaker
from step_audio_2.speech.weight_files import load_weights, read_safetensors_file, read_torch_file

FLOW_SETTINGS = "flow.yaml"
FLOW_WEIGHTS = "flow.pt"
VOCODER_SETTINGS = "hift.json"
VOCODER_WEIGHTS = "hift.pt"
VOCODER_PREFIX = "generator."
SPEECH_TOKENIZER = "speech_tokenizer_v2_25hz"
SPEAKER_ENCODER = "campplus"

_Network = TypeVar("_Network", SpeechTokenizer, SpeakerEncoder)


def load_flow(folder: Path, seed: int, precision: torch.dtype) -> FlowMatching:
    """Load the flow model of a folder, on the CPU.

    Args:
        folder: see above.
        seed: of the noise.
        precision: of its products; ``torch.int8`` for the estimator's in 8-bit whole numbers and the others in float32.

    Raises:
        CheckpointError: a file is missing or damaged, or does not fit.
    """
    _check_folder(folder)
    settings = folder / FLOW_SETTINGS
    fields = read_flow_yaml(settings)
    quantized = precision == torch.int8
    try:
        flow = FlowMatching.from_config(fields, seed, torch.float32 if quantized else precision)
    except CheckpointError as error:
        raise CheckpointError(f"{settings}: {error}") from error
    path = folder / FLOW_WEIGHTS
    load_weights(flow, read_torch_file(path), path)
    return flow.quantize() if quantized else flow


def load_vocoder(folder: Path) -> HiFTVocoder:
    """Load the vocoder of a folder, on the CPU, with its weights folded.

    Raises:
        CheckpointError: a file is missing or damaged, or does not fit.
    """
    _check_folder(folder)
    settings, fields = folder / VOCODER_SETTINGS, {}
    try:
        if settings.is_file():
            fields = json.loads(settings.read_text(encoding="utf-8"))
        vocoder = HiFTVocoder.from_config(fields)
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{settings}: {error}") from error
    path = folder / VOCODER_WEIGHTS
    load_weights(vocoder, read_torch_file(path, VOCODER_PREFIX), path)
    return vocoder.fold_weights()


def load_voice_maker(folder: Path) -> VoiceMaker:
    """Load the speech tokenizer and the speaker model of a folder, as a maker of voices.

    Raises:
        CheckpointError: a file is missing or damaged, or does not fit.
        ImportError: onnxruntime is needed and not installed.
    """
    _check_folder(folder)
    return VoiceMaker(_tokenize(folder), load_speaker_encoder(folder)[1])


def load_speaker_encoder(folder: Path) -> tuple[Path, EmbedSpeaker]:
    """Load the speaker model of a folder, and return its file too.

    Raises:
        CheckpointError: the file is missing or damaged, or does not fit.
        ImportError: onnxruntime is needed and not installed.
    """
    _check_folder(folder)
    path = _either(folder, SPEAKER_ENCODER)
    if path.suffix == ".onnx":
        return path, OnnxSpeakerEncoder(path).embed
    return path, _network(path, SpeakerEncoder, SpeakerEncoderConfig).embed


def _tokenize(folder: Path) -> Tokenize:
    path = _either(folder, SPEECH_TOKENIZER)
    if path.suffix == ".onnx":
        return OnnxSpeechTokenizer(path).tokenize
    tokenize: Tokenize = _network(path, SpeechTokenizer, SpeechTokenizerConfig).tokenize
    return tokenize


def _network(path: Path, network: type[_Network], sizes: Callable[..., Any]) -> _Network:
    """Build one of our own networks with the sizes and weights of a safetensors file."""
    config, weights = read_safetensors_file(path)
    try:
        made = network(sizes(**config))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its settings do not fit ({error})") from error
    load_weights(made, weights, path)
    return made


def _either(folder: Path, name: str) -> Path:
    """Find the published file, or the one that may stand in its place."""
    for suffix in (".onnx", ".safetensors"):
        if (folder / (name + suffix)).is_file():
            return folder / (name + suffix)
    raise CheckpointError(f"{folder}: holds neither {name}.onnx nor {name}.safetensors")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
