"""Mistakes that other harnesses were seen to make with BLEU, multiple choice, run control, caches and secrets.

One test for each that no other test is about. The others:

BLEU (``tests/evalkit/metrics/test_bleu.py``)
- lower-cased and stripped of punctuation before scoring: ``test_raw_is_cased_and_keeps_punctuation``
- digits of Chinese become English words: ``test_chinese_digits_never_become_english_words``
- Chinese cut into characters twice: ``test_every_kind_of_chinese_is_cut_into_characters``
- pairs with an empty reference dropped: ``test_a_pair_with_an_empty_reference_is_not_left_out``
- sentence scores averaged: ``test_it_is_not_the_mean_of_sentence_scores``
- no signature, version unknown: ``test_the_recipe_is_the_signature_and_the_scheme``

Multiple choice and judged answers (``tests/tasks/``)
- a letter decides: ``test_mmau.py::test_the_text_of_the_choice_decides_and_never_its_letter``
- a guess at random: ``test_mmau.py::test_what_cannot_be_read_is_wrong_and_stays_so``
- one name for several protocols: ``test_mmau.py::test_extraction_is_an_option_that_the_recipe_names``
- a subset left out: ``test_mmau.py::test_no_kind_of_question_is_left_out``
- no answer, no sample: ``test_mmau.py::test_a_missing_answer_is_wrong_where_the_official_script_leaves_it_out``
- unreadable verdicts leave the denominator: ``test_judges_that_fail.py``, for every judged task
- "yes" wins over "no": ``test_big_bench_audio.py::test_only_the_one_word_is_a_verdict`` and
  ``toolcall/test_tool_calling.py::test_only_the_last_line_of_a_judgement_counts``

Run control
- a choice without a seed: ``tests/evalkit/run/test_selection.py``
- an existing record deleted at the start: ``test_resume.py``
- a lock that outlives its process: ``tests/evalkit/results/test_folder.py``

Cache and secrets
- failures cached: ``tests/evalkit/inference/served/test_cache.py::test_failures_never_enter`` and
  ``test_served.py::test_refusals_are_failures_at_once_and_never_cached``
- the key in the cache or in print, another port another model:
  ``tests/evalkit/inference/served/test_cache.py::test_the_model_its_server_and_its_settings_count_but_not_the_port_or_the_key``
  and ``test_served.py::test_every_request_is_answered_exactly_once_whatever_fails``
"""

import json
import shutil
import socket
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import soundfile
from hydra.errors import InstantiationException

from evalkit.errors import ConfigurationError
from tests.end_to_end.served_runs import KEY, TASK, model_and_judge, recordings, words
from tests.end_to_end.task_runs import (
    PARTNER,
    Said,
    Speaker,
    behind,
    carried_out,
    clip,
    judge,
    plan_of,
    scored_rows,
    served,
    words_of_run,
)
from tests.end_to_end.test_every_uro_bench_mode import turn, write_subset
from tests.runs import make_run
from tests.servers.backends import Answer, Backend, Called, ServedRequest, digest_answer, transcriber_backend
from tests.servers.openai_server import OpenAIServer
from tests.servers.sound import decode
from tests.tasks.test_mmau import replica
from tests.tasks.toolcall.replica import write_replica

pytest.importorskip("openai", reason="the openai extra is not installed")


# BLEU


def test_what_is_kept_of_a_translation_is_numbers_and_texts(tmp_path: Path) -> None:
    """And not the scorer's own objects, which nobody else could read."""
    run = make_run(
        tmp_path, "base", {"u1": "他说好。", "u2": "再见。"}, {"u1": "他说好。", "u2": ""}, task="covost2_en_zh"
    )
    schema = pyarrow.parquet.read_schema(run / "covost2_en_zh" / "scores.parquet")
    statistics = {field.name: str(field.type) for field in schema if field.name.startswith("bleu.")}
    assert len(statistics) == 10  # matches and totals of four orders, and two lengths
    assert set(statistics.values()) == {"double"}
    plain = {str(field.type) for field in schema if field.name != "responses"}
    assert plain == {"double", "string", "list<element: string>"}


# Multiple choice


def test_a_model_that_cannot_be_parsed_scores_the_same_in_every_run(tmp_path: Path) -> None:
    """Nothing is drawn at random for it: no points for nothing, and no other figure tomorrow."""
    data = tmp_path / "data" / "mmau"
    (data / "test-mini-audios").mkdir(parents=True)
    replica(data)
    for number, name in enumerate(("clean-slt-03", "clean-slt-04", "clean-slt-06", "clean-awb-01")):
        shutil.copy(clip(name), data / "test-mini-audios" / f"item-{number}.wav")
    with OpenAIServer(lambda request: Answer(("I think it is the second, or the third.",))) as server:
        tasks = [
            carried_out(plan_of(words_of_run(tmp_path, server.base_url, ["mmau_test_mini"], "judge=null", name=name)))
            for name in ("today", "tomorrow")
        ]
    assert tasks[0] == tasks[1]
    assert tasks[0]["mmau_test_mini"]["metrics"]["accuracy"]["statistics"] == {"correct": 0, "samples": 4}


# Run control


@pytest.mark.slow
def test_answers_stay_with_their_questions_when_the_data_set_is_in_another_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is resumed row by row would give the first five answers to the last five questions."""
    monkeypatch.setenv("SERVER_KEY", KEY)
    manifest = recordings(tmp_path / "data", 12)
    runs = tmp_path / "runs"
    with OpenAIServer(model_and_judge, key=KEY) as server:
        arguments = words(manifest, server.base_url, runs, "reordered", "cache.folder=null")
        carried_out(plan_of([*arguments, "limit=5"]))
        rows = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
        manifest.write_text("".join(reversed(rows)), encoding="utf-8")
        result = carried_out(plan_of(arguments))[TASK]
        assert len(server.journal.hits) == 2 * 12, "something was asked twice"
    assert result["samples"]["scored"] == 12
    said = [json.loads(line) for line in (runs / "reordered" / TASK / "model.jsonl").open(encoding="utf-8")]
    by_sample = {record["sample"]: record["response"]["text"] for record in said}
    for row in scored_rows(runs / "reordered", TASK):
        recording = (tmp_path / "data" / f"audio/{row['id'][1:]}.wav").read_bytes()
        expected = digest_answer((), [decode(recording, "wav")])
        assert row["responses"][0] == by_sample[row["id"]] == expected


@pytest.mark.slow
def test_what_another_run_left_behind_is_not_taken_for_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither signs that something is done, nor files that were never finished."""
    monkeypatch.setenv("SERVER_KEY", KEY)
    manifest = recordings(tmp_path / "data", 4)
    runs = tmp_path / "runs"
    left = runs / "littered" / TASK
    left.mkdir(parents=True)
    for name in (".done", "rank0.done", "scores.unfinished"):
        (left / name).write_text("done", encoding="utf-8")
    (runs / "littered" / "metrics.json.unfinished").write_text('{"tasks": {}}', encoding="utf-8")
    with OpenAIServer(model_and_judge, key=KEY) as server:
        clean, littered = (
            carried_out(plan_of(words(manifest, server.base_url, runs, name, "cache.folder=null")))
            for name in ("clean", "littered")
        )
        assert len(server.journal.hits) == 2 * 2 * 4
    assert littered == clean


@pytest.mark.parametrize(
    ("task", "setting", "complaint"),
    [
        ("librispeech_clean", "tasks.librispeech_clean.schemes=[wisper]", "no normalisation scheme 'wisper'"),
        ("covost2_en_zh", "tasks.covost2_en_zh.tokenizer=zhh", "no tokenizer 'zhh', did you mean 'zh'"),
        ("paralinguistic", "+tasks.paralinguistic.judge.atempts=2", "no option 'atempts', did you mean 'attempts'"),
    ],
)
def test_a_metric_that_cannot_be_made_stops_the_run_before_anything_is_asked(
    tmp_path: Path, task: str, setting: str, complaint: str
) -> None:
    """It is not left out with a warning."""
    with OpenAIServer() as server:
        arguments = words_of_run(tmp_path, server.base_url, [task], setting)
        with pytest.raises((ConfigurationError, InstantiationException)) as raised:
            carried_out(plan_of(arguments))
        assert not server.journal.hits
    assert complaint in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_an_answer_with_blank_lines_is_heard_to_its_end(tmp_path: Path) -> None:
    """No task and no prompt profile makes a model stop at a blank line."""
    answer = "Let me think.\n\nThere are several cousins.\n\n\nThe number of them is 6."
    place = tmp_path / "data" / "big_bench_audio"
    place.mkdir(parents=True)
    shutil.copy(clip("clean-awb-01"), place / "0.mp3")
    row = {"category": "object_counting", "official_answer": "6", "file_name": "0.mp3", "id": 0}
    (place / "metadata.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    speaker = Speaker({clip("clean-awb-01"): Said(answer)})
    for profile in ("chat", "step_audio_2"):
        with OpenAIServer(behind(speaker=speaker, judge=judge), keep_bodies=True) as server:
            settings = [f"prompts@model.prompts={profile}", "+model.extensions=[top_k,repetition_penalty]"]
            arguments = words_of_run(tmp_path, server.base_url, ["big_bench_audio"], *settings, name=profile)
            result = carried_out(plan_of(arguments))["big_bench_audio"]
            assert not any("stop" in json.loads(hit.body) for hit in server.journal.hits)
        assert result["metrics"]["accuracy"]["value"] == 100
        (scored,) = scored_rows(tmp_path / profile, "big_bench_audio")
        assert scored["candidate_answer"] == answer


def test_nothing_beyond_this_machine_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No vocabulary, table or model is fetched in passing."""
    asked: list[Any] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def here_only(own: socket.socket, address: Any) -> None:
        if own.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            asked.append(address)
            raise ConnectionRefusedError(f"this test allows no connection to {address}")
        connect(own, address)

    def known_only(host: Any, *arguments: Any, **settings: Any) -> Any:
        if host not in ("127.0.0.1", "localhost", None):
            asked.append(host)
            raise socket.gaierror(f"this test knows no {host}")
        return look_up(host, *arguments, **settings)

    monkeypatch.setattr(socket.socket, "connect", here_only)
    monkeypatch.setattr(socket, "getaddrinfo", known_only)
    write_subset(tmp_path, "basic/AlpacaEval", [turn("clean-slt-06")])
    with OpenAIServer(behind(speaker=Speaker(PARTNER), judge=judge)) as server:
        arguments = words_of_run(
            tmp_path, server.base_url, ["uro_alpacaeval"], "+tasks.uro_alpacaeval.answer_mode=text"
        )
        result = carried_out(plan_of(arguments))["uro_alpacaeval"]
    assert (result["samples"]["scored"], asked) == (1, [])


# Cache and secrets


@pytest.mark.slow
def test_a_transcript_without_a_word_is_cached_like_any_other(tmp_path: Path) -> None:
    """It is right for silence; asked again in every run, it would cost its money every time."""
    pytest.importorskip("pocketsphinx", reason="the pocketsphinx extra is not installed")
    from model_adapters.pocketsphinx import PocketSphinx

    hush = tmp_path / "hush.wav"
    soundfile.write(hush, np.zeros(4_800), 24_000)  # in a longer silence PocketSphinx hears a dog
    write_subset(tmp_path, "basic/AlpacaEval", [turn("clean-slt-06")])
    backends: dict[str, Backend] = {
        "speaker": Speaker({clip("clean-slt-06"): Said("(nothing)", hush)}),
        "judge": judge,
        "ear": transcriber_backend(PocketSphinx()),
    }
    with OpenAIServer(behind(**backends)) as server:
        transcriber = served("transcriber", "ear", server.base_url, "Ear", "openai_transcription")
        for name in ("first", "second"):
            settings = [*transcriber, f"cache.folder={tmp_path / 'cache'}"]
            carried_out(plan_of(words_of_run(tmp_path, server.base_url, ["uro_alpacaeval"], *settings, name=name)))
        assert len(server.journal.hits) == 2 + 1, "the recogniser was asked about the same silence twice"
    (record,) = (json.loads(line) for line in (tmp_path / "second" / "uro_alpacaeval" / "transcriber.jsonl").open())
    assert (record["response"]["text"], record["response"]["cached"]) == ("", True)
    with sqlite3.connect(tmp_path / "cache" / "answers.sqlite") as cache:
        assert cache.execute("SELECT count(*) FROM answers").fetchone() == (1,)


@pytest.mark.parametrize("way", ["server", "text"])
def test_arguments_of_a_tool_call_are_data_and_never_run(tmp_path: Path, way: str) -> None:
    write_replica(tmp_path / "data" / "stepeval_audio_toolcall")
    trace = tmp_path / "executed"
    code = f"__import__('pathlib').Path({str(trace)!r}).write_text('x')"

    def hostile(request: ServedRequest) -> Answer:
        if way == "server":
            return Answer(
                ("",), tool_calls=(Called("get_weather", code), Called("get_weather", f"{{'location': {code}}}"))
            )
        return Answer((f"<tool_call>function\nget_weather\n{{'location': {code}}}</tool_call>",))

    with OpenAIServer(behind(speaker=hostile, judge=judge)) as server:
        settings = ["tasks.toolcall.input_mode=text"]
        result = carried_out(plan_of(words_of_run(tmp_path, server.base_url, ["toolcall"], *settings)))["toolcall"]
        assert len(server.journal.hits) == 11, "the judge was asked about what is no call"
    assert not trace.exists()
    assert result["metrics"]["trigger_recall"]["statistics"] == {"true_positives": 0, "positives": 7}
    assert all(code in row["malformed_calls"] for row in scored_rows(tmp_path / "run", "toolcall"))
