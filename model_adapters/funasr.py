"""SenseVoice and Paraformer, recognisers of the library FunASR (https://github.com/modelscope/FunASR).

"FunAudioLLM: Voice Understanding and Generation Foundation Models for Natural Interaction Between Humans and LLMs"
(arXiv 2407.04051); Gao et al., "Paraformer: Fast and Accurate Parallel Transformer for Non-autoregressive End-to-End
Speech Recognition" (arXiv 2206.08317).
"""

import contextlib
import importlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import yaml

from evalkit.adapter import Capabilities, ModelAdapter
from evalkit.errors import ConfigurationError
from evalkit.hints import install_command
from evalkit.text import resolve_language
from evalkit.types import Request, Response
from model_adapters.shared.funasr_models import find_folder, import_funasr, load
from model_adapters.shared.one_recording import recording
from model_adapters.shared.weights import file_digest

_SAMPLE_RATE = 16_000
_SHORTEST = 0.1  # seconds; a frame of features takes 0.025, and several are joined
_WINDOW = 30.0  # seconds, for which they were trained
_CONFIG, _WEIGHTS, _ROLES = "config.yaml", "model.pt", "configuration.json"
_FILES = (_CONFIG, _WEIGHTS, _ROLES, "am.mvn", "*.model", "tokens.txt", "tokens.json", "seg_dict")
# By the files' usual names, for folders whose configuration.json does not say what they are for.
_USUAL_ROLES: Mapping[str, tuple[str, str]] = {
    "am.mvn": ("frontend_conf", "cmvn_file"),
    "tokens.txt": ("tokenizer_conf", "token_list"),
    "tokens.json": ("tokenizer_conf", "token_list"),
    "seg_dict": ("tokenizer_conf", "seg_dict"),
    "bpe.model": ("tokenizer_conf", "bpemodel"),
}
_TAG = re.compile(r"<\|[^|]*\|>")


class _FunAsrRecogniser(ModelAdapter):
    """What the two share: loading, and one recording at a time, so that an answer depends on nothing else."""

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]

    def __init__(
        self,
        path: str,
        *,
        vad: str | None = None,
        languages: frozenset[str] | None,
        device: str = "auto",
        revision: str = "main",
        local_files_only: bool = False,
    ) -> None:
        auto_model = import_funasr(self.name, "funasr")
        _check_features(self.name)
        folder, settings = _checkpoint(path, self.kinds, revision, local_files_only)
        self._weights = _digests(folder)
        if vad is not None:
            vad_folder, vad_settings = _checkpoint(vad, frozenset({"FsmnVADStreaming"}), "main", local_files_only)
            self._weights |= {f"vad/{name}": digest for name, digest in _digests(vad_folder).items()}
            settings["vad_model"] = vad_settings.pop("model")
            settings["vad_kwargs"] = {
                **vad_settings,
                "max_single_segment_time": round(_WINDOW * 1000),
                "ignore_init_mismatch": False,
                "trust_remote_code": False,
            }
        self._model = load(auto_model, folder, settings, device=device)
        self._has_vad = vad is not None
        self.capabilities = Capabilities(
            languages=languages,
            sample_rate=_SAMPLE_RATE,
            longest_audio=None if self._has_vad else _WINDOW,
            beyond="splits",
        )

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Transcribe each request's recording."""
        return [Response(text=self._transcribe(request)) for request in requests]

    def _transcribe(self, request: Request) -> str:
        waveform = recording(request, _SAMPLE_RATE, shortest=_SHORTEST)
        settings = {"cache": {}, "batch_size": 1, **self._settings(request)}
        if self._has_vad and len(waveform) > _WINDOW * _SAMPLE_RATE:
            heard = self._model.generate(waveform, merge_vad=True, merge_length_s=15, **settings)
        else:
            heard = self._model.inference(waveform, **settings)
        # Of a recording in which no speech is found, the library leaves out the result.
        text = " ".join(result["text"] for result in heard)
        return " ".join(_TAG.sub(" ", text).split())

    def _settings(self, request: Request) -> dict[str, Any]:  # noqa: ARG002 - those that have any take the language
        return {}

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the weights, vocabulary and architecture by content; the device; the versions of the libraries."""
        return {
            "adapter": self.name,
            "weights": {"sha256": self._weights},
            "device": str(self._model.kwargs["device"]),
            "versions": {name: metadata.version(name) for name in ("funasr", "torch")},
        }

    def close(self) -> None:
        """Free the weights."""
        import torch

        del self._model
        torch.cuda.empty_cache()


class SenseVoice(_FunAsrRecogniser):
    """SenseVoice-Small: Mandarin, Cantonese, English, Japanese and Korean.

    Its answer begins with tags for the language, the emotion, the event and the form of the text
    (``<|zh|><|NEUTRAL|><|Speech|><|woitn|>``), which are taken out. What FunASR offers for that
    (``rich_transcription_postprocess``) would put emoji in their place and change words.

    Args:
        path: a folder with ``config.yaml``, ``model.pt`` and what they refer to; or a name on the Hugging Face hub.
        use_itn: whether to write punctuation and digits.
        vad: a folder or hub name of the detector of speech that divides recordings of more than 30 seconds, such as
            ``funasr/fsmn-vad``; None to have them divided where they are quiet, as those of any model.
        device: ``cpu``, ``cuda``, ``cuda:1`` and so on, or ``auto`` for a GPU if there is one.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Raises:
        ConfigurationError: the library or the weights are not there, or are not of a kind it takes.
    """

    name = "sensevoice"
    kinds = frozenset({"SenseVoiceSmall"})
    _LANGUAGES = frozenset({"zh", "yue", "en", "ja", "ko"})

    def __init__(self, path: str, *, use_itn: bool = False, **settings: Any) -> None:
        super().__init__(path, languages=self._LANGUAGES, **settings)
        self._use_itn = use_itn

    def _settings(self, request: Request) -> dict[str, Any]:
        language = "auto" if request.language is None else resolve_language(request.language)
        if language not in self._LANGUAGES | {"auto"}:  # which FunASR would take for auto without a word
            raise ConfigurationError(f"SenseVoice knows {', '.join(sorted(self._LANGUAGES))}, not '{language}'")
        return {"language": language, "use_itn": self._use_itn}

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what decides an answer, the form of the text included."""
        return {**super().fingerprint(), "use_itn": self._use_itn}


class Paraformer(_FunAsrRecogniser):
    """A Paraformer, which is told no language and writes no punctuation.

    Args:
        path: a folder with ``config.yaml``, ``model.pt`` and what they refer to; or a name on the Hugging Face hub.
        languages: codes of the languages that the checkpoint was trained for, None for any.
        **settings: vad, device, revision and local_files_only, as ``SenseVoice`` has them.

    Raises:
        ConfigurationError: the library or the weights are not there, or are not of a kind it takes.
    """

    name = "paraformer"
    kinds = frozenset({"Paraformer", "BiCifParaformer", "SeacoParaformer", "ContextualParaformer"})

    def __init__(self, path: str, *, languages: Sequence[str] | None = None, **settings: Any) -> None:
        super().__init__(path, languages=None if languages is None else frozenset(languages), **settings)


def _check_features(model: str) -> None:
    """Refuse a machine with neither library that FunASR makes features by, which it would say at the first use."""
    for library in ("torchaudio", "kaldi_native_fbank"):
        with contextlib.suppress(ImportError, OSError):  # a torchaudio that does not fit the machine raises OSError
            importlib.import_module(library)
            return
    raise ConfigurationError(f"{model} needs the library kaldi-native-fbank: {install_command('funasr')}")


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for pattern in _FILES for path in sorted(folder.glob(pattern))}


def _checkpoint(path: str, kinds: frozenset[str], revision: str, local_files_only: bool) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a checkpoint, and its architecture as FunASR is told it.

    Of ``config.yaml`` nothing is taken but the parts of the network and their settings, ``NAME`` with ``NAME_conf``, so
    that it can have no code run, no packages installed and no other file read than those of its folder.
    """
    folder = find_folder(
        path,
        wanted=_FILES,
        required=(_CONFIG, _WEIGHTS),
        revision=revision,
        local_files_only=local_files_only,
    )
    try:
        config = yaml.safe_load((folder / _CONFIG).read_text(encoding="utf-8"))
        kind = config["model"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{folder / _CONFIG}: not the configuration of a FunASR model ({error})") from error
    if kind not in kinds:
        raise ConfigurationError(f"{folder / _CONFIG}: the model is '{kind}', not {' or '.join(sorted(kinds))}")
    settings: dict[str, Any] = {"model": kind, "model_conf": {}}
    for name, value in config.items():
        if name.endswith("_conf"):
            settings[name] = dict(value or {})
        elif f"{name}_conf" in config:
            settings[name] = value
    for file, (part, setting) in _roles(folder).items():
        settings.setdefault(part, {})[setting] = str(folder / file)
    # With noise mixed in, which is for training, no recording would get the same answer twice.
    settings.setdefault("frontend_conf", {})["dither"] = 0.0
    settings["init_param"] = str(folder / _WEIGHTS)
    return folder, settings


def _roles(folder: Path) -> dict[str, tuple[str, str]]:
    """Return for what part and setting each file of a folder is, as FunASR finds it out."""
    if not (folder / _ROLES).is_file():
        return {file: role for file, role in _USUAL_ROLES.items() if (folder / file).is_file()}
    try:
        named = json.loads((folder / _ROLES).read_text(encoding="utf-8")).get("file_path_metas", {})
        parts = [(part, files) for part, files in named.items() if isinstance(files, dict)]
    except (ValueError, AttributeError) as error:
        raise ConfigurationError(f"{folder / _ROLES}: not what FunASR writes there ({error})") from error
    return {
        file: (part, setting)
        for part, files in parts
        for setting, file in files.items()
        if isinstance(file, str) and Path(file).name == file and (folder / file).is_file()
    }
