"""SenseVoice and Paraformer on FunASR, on tiny checkpoints with random weights; what needs no FunASR comes last."""

import dataclasses
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalkit.errors import ConfigurationError
from evalkit.testing import check_adapter
from evalkit.types import Request
from model_adapters.funasr import _TAG, Paraformer, SenseVoice, _checkpoint
from tests.model_adapters.conftest import asking, noise
from tests.model_adapters.tiny_funasr import save_paraformer, save_sensevoice, save_vad


def _needs_funasr() -> None:
    pytest.importorskip("funasr", reason="FunASR is not installed")
    pytest.importorskip("kaldi_native_fbank", reason="kaldi-native-fbank is not installed")


@pytest.fixture(scope="module")
def sensevoice_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _needs_funasr()
    return save_sensevoice(tmp_path_factory.mktemp("sensevoice"))


@pytest.fixture(scope="module")
def sensevoice(sensevoice_folder: Path) -> SenseVoice:
    return SenseVoice(str(sensevoice_folder), device="cpu")


def texts(adapter: SenseVoice | Paraformer, *requests: Request) -> list[str]:
    return [response.text for response in adapter.generate(requests)]


def test_an_answer_depends_on_its_recording_alone_and_has_no_tags(
    sensevoice: SenseVoice, noise_requests: list[Request], tmp_path: Path
) -> None:
    """The front end would mix random noise in, as its config.yaml says."""
    hints = ["en", "zh", None, "yue", "ja"]
    pairs = zip(noise_requests, hints, strict=True)
    requests = [dataclasses.replace(request, language=hint) for request, hint in pairs]
    check_adapter(sensevoice, requests)
    waveforms = [request.audio[0].waveform(16_000) for request in requests]
    heard = [sensevoice._model.inference(waveform)[0]["text"] for waveform in waveforms]
    assert any("<|" in text for text in heard), "the tiny model does write tags"
    assert not any("<|" in text for text in texts(sensevoice, *requests))
    click = asking(noise(tmp_path / "click.wav", 0.01))
    assert not sensevoice.generate([click])[0].failed


def test_the_language_and_the_form_of_the_text_reach_the_model(
    sensevoice: SenseVoice, sensevoice_folder: Path, noise_requests: list[Request]
) -> None:
    english, chinese = (dataclasses.replace(noise_requests[0], language=language) for language in ("en", "zh-CN"))
    assert texts(sensevoice, english) != texts(sensevoice, chinese)
    written = SenseVoice(str(sensevoice_folder), device="cpu", use_itn=True)
    assert texts(written, english) != texts(sensevoice, english)
    assert written.fingerprint() != sensevoice.fingerprint()


def test_a_language_that_it_would_take_for_any_is_refused(
    sensevoice: SenseVoice, noise_requests: list[Request]
) -> None:
    assert sensevoice.capabilities.refusal(noise_requests[0], "de") == "does not take the language 'de'"
    with pytest.raises(ConfigurationError, match="SenseVoice knows en, ja, ko, yue, zh, not 'de'"):
        sensevoice.generate([dataclasses.replace(noise_requests[0], language="de")])


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("<|zh|><|NEUTRAL|><|Speech|><|woitn|>今天天气很好", "今天天气很好"),
        ("<|en|><|HAPPY|><|BGM|><|woitn|>the. the end", "the. the end"),
        ("<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|woitn|>", ""),
    ],
)
def test_tags_are_deleted_and_words_are_left(answer: str, text: str) -> None:
    assert " ".join(_TAG.sub(" ", answer).split()) == text


def test_what_the_library_offers_to_delete_tags_changes_words() -> None:
    """Why it is not used."""
    _needs_funasr()
    from funasr.utils.postprocess_utils import rich_transcription_postprocess

    assert "😊" in rich_transcription_postprocess("<|en|><|HAPPY|><|Speech|><|woitn|>hello")
    assert "The." not in rich_transcription_postprocess("<|en|><|NEUTRAL|><|Speech|><|woitn|>The. end")


def test_a_long_recording_is_divided_by_the_detector_of_speech(sensevoice_folder: Path, tmp_path: Path) -> None:
    long, short = asking(noise(tmp_path / "long.wav", 70)), asking(noise(tmp_path / "short.wav", 2))
    hears_all = SenseVoice(str(sensevoice_folder), device="cpu", vad=str(save_vad(tmp_path / "all")))
    hears_none = SenseVoice(
        str(sensevoice_folder), device="cpu", vad=str(save_vad(tmp_path / "none", hears_speech=False))
    )
    plain = SenseVoice(str(sensevoice_folder), device="cpu")
    (pieces,) = hears_all._model.inference(
        long.audio[0].waveform(16_000), model=hears_all._model.vad_model, kwargs=hears_all._model.vad_kwargs
    )
    assert len(pieces["value"]) == 3, "of 30 s at most, where its own configuration says 60"
    assert texts(hears_all, long) not in (texts(plain, long), [""])
    assert texts(hears_none, long) == [""], "the library leaves out the result of a silent recording"
    assert texts(hears_all, short) == texts(hears_none, short) == texts(plain, short)
    assert hears_all.fingerprint() != hears_none.fingerprint() != plain.fingerprint()
    assert hears_all.capabilities.longest_audio is None
    assert (plain.capabilities.longest_audio, plain.capabilities.beyond) == (30, "splits")


def test_a_paraformer_is_loaded_by_the_usual_names_of_its_files(tmp_path: Path, noise_requests: list[Request]) -> None:
    _needs_funasr()
    adapter = Paraformer(str(save_paraformer(tmp_path)), device="cpu", languages=["zh", "en"])
    check_adapter(adapter, noise_requests)
    assert adapter.capabilities.languages == frozenset({"zh", "en"})
    assert all(texts(adapter, *noise_requests))


def test_the_arguments_are_those_that_the_library_takes() -> None:
    """FunASR takes any keyword, so that a misspelt one would be ignored without a word."""
    _needs_funasr()
    from funasr import AutoModel
    from funasr.models.sense_voice.model import SenseVoiceSmall

    source = inspect.getsource(AutoModel) + inspect.getsource(SenseVoiceSmall.inference)
    for name in ("language", "use_itn", "merge_vad", "merge_length_s", "vad_kwargs", "disable_update", "disable_pbar"):
        assert f'"{name}"' in source


@pytest.mark.slow
def test_a_run_is_not_written_to_the_terminal_by_the_librarys_logging(tmp_path: Path) -> None:
    """Neither by its import nor by its models, which both configure the root logger; seen in a process of its own."""
    _needs_funasr()
    folder = save_paraformer(tmp_path)
    program = (
        "import logging\n"
        "from model_adapters.funasr import Paraformer\n"
        f"Paraformer({str(folder)!r}, device='cpu')\n"
        "logging.getLogger('evalkit').info('a line of the run')\n"
        "assert not logging.getLogger().handlers"
    )
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == ""
    assert "[INFO]" not in outcome.stderr


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    _needs_funasr()
    import torch

    folder = save_paraformer(tmp_path)
    saved = torch.load(folder / "model.pt")
    del saved["predictor.cif_output.weight"]
    torch.save(saved, folder / "model.pt")
    with pytest.raises(ConfigurationError, match=r"model\.pt: no trained weights for predictor\.cif_output\.weight"):
        Paraformer(str(folder), device="cpu")


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    _needs_funasr()
    import pickle

    class Surprise:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    folder = save_paraformer(tmp_path)
    (folder / "model.pt").write_bytes(pickle.dumps({"state_dict": Surprise()}))
    with pytest.raises(ConfigurationError, match="FunASR cannot load it"):
        Paraformer(str(folder), device="cpu")
    assert not (tmp_path / "ran").exists()


def _write(folder: Path, config: dict[str, Any], roles: Any = None) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "model.pt").touch()
    if roles is not None:
        (folder / "configuration.json").write_text(json.dumps(roles), encoding="utf-8")


def test_settings_beside_the_architecture_never_reach_the_library(tmp_path: Path) -> None:
    """Nor does a file outside the folder."""
    config = {
        "model": "Paraformer",
        "model_conf": {"ctc_weight": 0.0},
        "frontend": "WavFrontend",
        "frontend_conf": {"fs": 16_000, "dither": 1.0},
        "ctc_conf": None,
        "trust_remote_code": True,
        "remote_code": "model.py",
        "hub": "ms",
        "init_param": "/elsewhere/model.pt",
    }
    (tmp_path / "am.mvn").touch()
    roles = {"tokenizer_conf": {"token_list": "../tokens.txt"}, "frontend_conf": {"cmvn_file": "am.mvn"}}
    _write(tmp_path, config, {"file_path_metas": {"init_param": "model.pt", **roles}})
    _, settings = _checkpoint(str(tmp_path), frozenset({"Paraformer"}), "main", True)
    assert settings == {
        "model": "Paraformer",
        "model_conf": {"ctc_weight": 0.0},
        "frontend": "WavFrontend",
        "frontend_conf": {"fs": 16_000, "dither": 0.0, "cmvn_file": str(tmp_path / "am.mvn")},
        "ctc_conf": {},
        "init_param": str(tmp_path / "model.pt"),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("model: Emotion2vec", "the model is 'Emotion2vec', not Paraformer or SenseVoiceSmall"),
        ("[", "not the configuration of a FunASR model"),
        ("- 1", "not the configuration of a FunASR model"),
    ],
)
def test_other_configurations_are_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "model.pt").touch()
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"config\.yaml: {complaint}"):
        _checkpoint(str(tmp_path), frozenset({"Paraformer", "SenseVoiceSmall"}), "main", True)


def test_a_folder_must_hold_weights_and_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no config\.yaml, so not a folder of a model for FunASR"):
        _checkpoint(str(tmp_path), frozenset(), "main", True)


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "funasr", None)
    with pytest.raises(ConfigurationError, match=r"sensevoice needs the library FunASR: pip install .*\[funasr\]'"):
        SenseVoice("anywhere")
