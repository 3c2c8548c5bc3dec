"""Local models with adapters of their own through the command line: tiny checkpoints, from recordings to the report."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from tests.conftest import CommandLine
from tests.end_to_end.step_audio_2_runs import SMOKE, write_data
from tests.end_to_end.test_step_audio_2 import SPEECH_TASKS, TEXT_TASKS
from tests.model_adapters.tiny_funasr import save_paraformer, save_sensevoice
from tests.model_adapters.tiny_omni import save_qwen2_5_omni
from tests.model_adapters.tiny_speech_models import save_canary, save_parakeet, save_voxtral

pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
pytestmark = pytest.mark.slow

COMMON = ["statistics.resamples=100", "name=run", "cache.folder=null"]


def test_an_omni_writes_and_speaks_through_the_smoke_suite(evalkit_command: CommandLine, tmp_path: Path) -> None:
    checkpoint = save_qwen2_5_omni(tmp_path / "omni")
    words = ["run", *SMOKE, f"data_root={write_data(tmp_path)}"]
    words += ["model=qwen2_5_omni_7b", f"model.path={checkpoint}", "model.device=cpu", "model.speech=true"]
    words += ["model.talker.max_new_tokens=12", "+model.talker.eos_token_id=[28,30]"]
    words += ["model@transcriber=pocketsphinx", "model@judge=word_judge"]
    done = evalkit_command(*words, timeout=900)
    assert done.returncode == 0, done.stderr[-2_000:]
    folder = tmp_path / "runs" / "run"
    metrics = (folder / "metrics.json").read_bytes()
    tasks = json.loads(metrics)["tasks"]
    answerable = (TEXT_TASKS | SPEECH_TASKS) - {"toolcall"}  # it is given no functions to call
    for name in answerable:
        samples = tasks[name]["samples"]
        assert samples["scored"] == samples["total"] > 1, name
    for name in SPEECH_TASKS:
        sounds = sorted((folder / name / "speech").rglob("*.flac"))
        assert sounds, name
        assert {soundfile.info(sound).samplerate for sound in sounds} == {24_000}
    again = evalkit_command(*words, timeout=900)
    assert again.returncode == 0, again.stderr[-2_000:]
    assert (folder / "metrics.json").read_bytes() == metrics
    assert evalkit_command("report", str(folder)).returncode == 0
    assert (folder / "report" / "index.html").is_file()


RECOGNISERS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "parakeet": (lambda folder: save_parakeet(folder, "tdt"), ()),
    "canary": (save_canary, ()),
    "voxtral_mini": (save_voxtral, ("mistral_common",)),
    "sensevoice_small": (save_sensevoice, ("funasr", "kaldi_native_fbank")),
    "paraformer": (save_paraformer, ("funasr", "kaldi_native_fbank")),
}
"""By configuration, what makes a tiny checkpoint, and the libraries that it takes."""


@pytest.mark.parametrize("model", RECOGNISERS)
def test_a_recogniser_transcribes_the_demo(evalkit_command: CommandLine, tmp_path: Path, model: str) -> None:
    save, libraries = RECOGNISERS[model]
    for library in libraries:
        pytest.importorskip(library, reason=f"{library} is not installed")
    words = ["suite=demo_asr", "limit=3", "name=run", "cache.folder=null", f"model={model}"]
    words += [f"model.path={save(tmp_path / model)}", "model.device=cpu"]
    done = evalkit_command("run", *words, timeout=300)
    assert done.returncode == 0, done.stderr[-2_000:]
    tasks = json.loads((tmp_path / "runs" / "run" / "metrics.json").read_text())["tasks"]
    assert all(task["samples"]["scored"] == 3 for task in tasks.values())
