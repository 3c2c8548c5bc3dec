"""A run of URO-Bench whose helpers are models in this process: an emotion classifier and a predictor of quality."""

import json
import shutil
from pathlib import Path

import pytest

from evalkit.run.composition import compose_configuration
from evalkit.run.evaluate import evaluate
from evalkit.run.plan import plan_from_config
from tests.conftest import DEMO_SPEECH, write_jsonl
from tests.model_adapters.tiny_classifiers import save_wav2vec2_classifier

CLIPS = ("clean-slt-02", "clean-joe-01")


def read_replies(path: Path) -> list[str]:
    return [json.loads(line)["response"]["text"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_emotions_are_classified_and_speech_is_rated(tmp_path: Path) -> None:
    for library in ("pocketsphinx", "speechmos", "librosa", "transformers"):
        pytest.importorskip(library, reason=f"{library} is not installed")
    audio = tmp_path / "data" / "URO-Bench-data" / "pro" / "GenEmotion-en" / "audio"
    audio.mkdir(parents=True)
    for clip in CLIPS:
        shutil.copy(DEMO_SPEECH / "audio" / f"{clip}.flac", audio)
        (audio / f"{clip}.txt").write_text("So it is.", encoding="utf-8")
    rows = [
        {
            "id": clip,
            "source_wav": f"audio/{clip}.flac",
            "source_text": "Say it.",
            "target_text": "It.",
            "emotion": "sad",
        }
        for clip in CLIPS
    ]
    write_jsonl(audio.parent / "test.jsonl", rows)
    words = [
        f"runs={tmp_path}",
        f"data_root={tmp_path / 'data'}",
        "name=run",
        "task=uro_genemotion_en",
        "+tasks.uro_genemotion_en.rate_naturalness=true",
        "model=pocketsphinx",
        "model._target_=tests.uro_bench.Parrot",
        "model@transcriber=pocketsphinx",
        "model@emotion_classifier=audio_classifier",
        f"emotion_classifier.path={save_wav2vec2_classifier(tmp_path / 'classifier')}",
        "emotion_classifier.labels={hap: happy}",
        "model@mos_predictor=dnsmos",
        "statistics.resamples=100",
    ]
    choices = {"model": "pocketsphinx", "task": "uro_genemotion_en"}
    result = evaluate(plan_from_config(compose_configuration(words), choices)).metrics["tasks"]["uro_genemotion_en"]
    assert (result["samples"]["scored"], result["samples"]["failed"]) == (2, 0)
    folder = tmp_path / "run" / "uro_genemotion_en"
    replies = {role: read_replies(folder / f"{role}.jsonl") for role in ("emotion_classifier", "mos_predictor")}
    assert [set(json.loads(reply)) for reply in replies["emotion_classifier"]] == [{"ang", "happy", "neu", "sad"}] * 2
    ratings = [float(reply) for reply in replies["mos_predictor"]]
    assert 100 * result["metrics"]["mos"]["value"] == pytest.approx(sum(ratings) / 2)
    assert "mos_predictor:DNSMOS" in result["metrics"]["mos"]["recipe"]
