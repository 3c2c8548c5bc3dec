"""Corpora in the forms in which they are published, with lines made in the manner of the real files."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from evalkit.datasets import open_dataset
from evalkit.datasets.layouts.fleurs import FleursFolder
from evalkit.errors import ConfigurationError, DataError

COMMON_VOICE = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tvariant\tlocale\tsegment"
COMMON_VOICE_6 = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccent\tlocale\tsegment"
FLEURS = "1\t1000.wav\tA bird (Latin: Avis) sings.\ta bird sings\ta | b i r d | s i n g s |\t32000\tFEMALE\n"


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="")
    return folder


def texts(path: Path, **options: Any) -> dict[str, str]:
    return {sample.id: sample.references[0] for sample in open_dataset(path, **options)}


# Common Voice


def common_voice_row(clip: str, sentence: str, columns: str = COMMON_VOICE) -> str:
    return "\t".join(["c1", clip, sentence, *[""] * (columns.count("\t") - 2)]) + "\n"


def test_an_unpacked_release_of_common_voice_is_recognised(tmp_path: Path) -> None:
    rows = common_voice_row("common_voice_zh-HK_1.mp3", "你好") + common_voice_row("common_voice_zh-HK_2.mp3", "早晨")
    tree(tmp_path, {"test.tsv": f"{COMMON_VOICE}\n{rows}", "dev.tsv": f"{COMMON_VOICE}\n"})
    first, second = open_dataset(tmp_path, language="yue", groups=["gender"])
    assert (first.id, first.references, first.language) == ("common_voice_zh-HK_1", ("你好",), "yue")
    assert second.audio[0].path == tmp_path / "clips" / "common_voice_zh-HK_2.mp3"
    assert len(texts(tmp_path / "test.tsv")) == 2
    with pytest.raises(DataError, match="no samples"):
        texts(tmp_path, split="dev")
    with pytest.raises(ConfigurationError, match=r"no split 'tset', did you mean 'test'\?"):
        texts(tmp_path, split="tset")


@pytest.mark.parametrize(
    "sentence",
    ['Not "really", she said.', '"All of it."', '"""', "This one ends in a stroke\\", "a\\b", "'", " blank", "\u2028"],
)
def test_nothing_is_quoted_or_escaped_in_common_voice(tmp_path: Path, sentence: str) -> None:
    after = common_voice_row("b.mp3", "Next.")
    tree(tmp_path, {"test.tsv": f"{COMMON_VOICE}\n{common_voice_row('a.mp3', sentence)}{after}"})
    assert texts(tmp_path) == {"a": sentence, "b": "Next."}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"Say ""yes"" now."', 'Say "yes" now.'),
        ('Say "yes" now.', 'Say "yes" now.'),
        ('"one" and "two"', '"one" and "two"'),
        ("plain", "plain"),
    ],
)
def test_early_releases_put_sentences_with_quotation_marks_into_more(tmp_path: Path, written: str, meant: str) -> None:
    row = common_voice_row("a.mp3", written, COMMON_VOICE_6)
    tree(tmp_path, {"test.tsv": f"{COMMON_VOICE_6}\n{row}"})
    assert texts(tmp_path) == {"a": meant}


def test_a_row_with_a_field_too_many_is_named(tmp_path: Path) -> None:
    rows = common_voice_row("a.mp3", "one") + common_voice_row("b.mp3", "two\tthree")
    tree(tmp_path, {"test.tsv": f"{COMMON_VOICE}\n{rows}"})
    with pytest.raises(DataError, match=r"test\.tsv line 3: 12 fields, expected 11"):
        texts(tmp_path)


def test_what_is_escaped_in_covost_is_read_and_a_stroke_at_the_end_joins_no_lines(tmp_path: Path) -> None:
    rows = 'a.mp3\t\\"Well\\", he said.\ttest\nb.mp3\tno end\\\ttest\nc.mp3\tlast\ttest\\\nd.mp3\tmore\ttrain_covost\n'
    tree(tmp_path, {"covost_v2.en_de.tsv": f"path\ttranslation\tsplit\n{rows}"})
    with pytest.raises(DataError, match="no samples"):
        texts(tmp_path, split="dev")
    assert texts(tmp_path) == {"a": '"Well", he said.', "b": "no end\\"}
    assert texts(tmp_path, split="train") == {"d": "more"}


# FLEURS


@pytest.mark.parametrize("folder", ["test", "audio/test"])
def test_the_table_and_recordings_of_fleurs(tmp_path: Path, folder: str) -> None:
    tree(tmp_path, {"test.tsv": FLEURS + FLEURS.replace("1000", "1001"), f"{folder}/1000.wav": ""})
    first, second = open_dataset(tmp_path, language="en", groups=["gender"])
    assert (first.id, first.references, first.language) == ("1000", ("a bird sings",), "en")
    assert (first.groups, first.audio[0].duration) == ({"gender": "female"}, 2.0)
    assert second.audio[0].path == tmp_path / folder / "1001.wav"
    (raw, _) = FleursFolder(tmp_path, reference="raw_transcription")
    assert raw.references == ("A bird (Latin: Avis) sings.",)


def test_a_broken_table_of_fleurs_names_its_line(tmp_path: Path) -> None:
    tree(tmp_path, {"test.tsv": FLEURS + "2\t1001.wav\n"})
    with pytest.raises(DataError, match=r"test\.tsv line 2: 2 fields, expected 7"):
        texts(tmp_path)


# WenetSpeech


def cut(number: int, **changes: Any) -> dict[str, Any]:
    source = {"type": "file", "channels": [0], "source": f"cuts_TEST_NET.00000000/TES/S{number}.wav"}
    recording = {"id": f"S{number}", "sources": [source], "sampling_rate": 16000, "duration": 2.5}
    supervision = {"id": f"S{number}", "start": 0, "duration": 2.5, "text": f"第{number}句", "language": "Chinese"}
    whole = {"start": 0, "duration": 2.5, "channel": 0, "type": "MonoCut"}
    return {"id": f"S{number}", **whole, "supervisions": [supervision], "recording": recording, **changes}


def test_cuts_of_lhotse(tmp_path: Path) -> None:
    for number in (0, 1):
        packed = gzip.compress((json.dumps(cut(number)) + "\n").encode())
        (tmp_path / f"cuts_TEST_NET.0000000{number}.jsonl.gz").write_bytes(packed)
    first, second = open_dataset(tmp_path, language="zh")
    assert (first.id, first.references, first.language) == ("S0", ("第0句",), "zh")
    assert second.audio[0].path == tmp_path / "cuts_TEST_NET.00000000" / "TES" / "S1.wav"
    assert second.audio[0].duration == 2.5
    assert texts(tmp_path / "cuts_TEST_NET.00000001.jsonl.gz") == {"S1": "第1句"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"supervisions": []}, "without the text"),
        ({"supervisions": [{"text": None}]}, "without the text"),
        ({"supervisions": "no"}, "'supervisions' are not a list"),
        ({"recording": None}, "a cut of 0 recordings"),
        ({"recording": {"sources": [{"type": "command", "source": "cat a"}], "duration": 1}}, "only files are read"),
        ({"recording": {"sources": [{"type": "url", "source": "http://a/b"}], "duration": 1}}, "only files are read"),
        ({"start": "0"}, "no number of seconds"),
        ({"id": None}, "the id is None"),
    ],
)
def test_a_cut_that_cannot_be_read_is_named(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    tree(tmp_path, {"cuts.jsonl": json.dumps(cut(0)) + "\n" + json.dumps(cut(1, **changes)) + "\n"})
    with pytest.raises(DataError, match=rf"cuts\.jsonl line 2: .*{complaint}"):
        texts(tmp_path)


def test_segments_are_cut_out_of_their_recordings(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    soundfile.write(tmp_path / "long.flac", samples, 16000)
    whole = soundfile.read(tmp_path / "long.flac", dtype="float32")[0]
    tree(
        tmp_path,
        {
            "wav.scp": "r1 long.flac\n",
            "segments": "u1 r1 0.0 1.25\nu2 r1 1.25 3.0\n",
            "text": "u1 一二\nu2 三\n",
        },
    )
    first, second = open_dataset(tmp_path)
    np.testing.assert_array_equal(first.audio[0].waveform(16000), whole[:20000])
    np.testing.assert_array_equal(second.audio[0].waveform(16000), whole[20000:])
    assert (second.references, second.audio[0].duration) == (("三",), 1.75)
    assert first.audio[0].digest() != second.audio[0].digest()


# KeSpeech


def test_marks_are_removed_wherever_they_stand_and_a_phase_is_chosen_by_path(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "wav.scp": "a Audio/1/phase1/a.wav\nb Audio/1/phase2/b.wav\nc Audio/2/phase1/c.wav\n",
            "text": "a <SPOKEN_NOISE>我们<SPOKEN_NOISE>去吧 <SPOKEN_NOISE>\nb 好\nc 走\n",
        },
    )
    assert texts(tmp_path, remove=["<SPOKEN_NOISE>"], paths="*/phase1/*") == {"a": "我们去吧", "c": "走"}


# References alone


@pytest.mark.parametrize(
    ("name", "content"),
    [("ref.trn", "good day (u1)\n (u2)\n"), ("text", "u1 good day\nu2\n"), ("ref.txt", "u1 good day\nu2\n")],
)
def test_references_without_recordings(tmp_path: Path, name: str, content: str) -> None:
    tree(tmp_path, {name: content})
    options: dict[str, Any] = {"layout": "transcripts"} if name == "ref.txt" else {}
    samples = list(open_dataset(tmp_path / name, **options))
    assert [(sample.id, sample.references) for sample in samples] == [("u1", ("good day",)), ("u2", ("",))]
    assert samples[0].audio[0].digest() is None
    if name == "ref.trn":
        tree(tmp_path, {name: "no id here\n"})
        with pytest.raises(DataError, match=r"ref\.trn line 1: not of the form"):
            list(open_dataset(tmp_path / name))


# Real lines


@pytest.fixture
def real_forms(shared_data: Path) -> Path:
    if not (shared_data / "real_forms").is_dir():
        pytest.skip(f"no real lines at {shared_data}")
    return shared_data / "real_forms"


@pytest.mark.parametrize(("locale", "rows"), [("en", 4), ("yue", 2), ("zh-HK", 2)])
def test_real_tables_of_common_voice(real_forms: Path, locale: str, rows: int) -> None:
    table = real_forms / "common_voice" / f"{locale}.test.tsv"
    found = texts(table)
    lines = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    assert found == {line[1].removesuffix(".mp3"): line[2] for line in lines}
    assert len(found) == rows


def test_a_real_quoted_sentence_of_an_early_release(real_forms: Path) -> None:
    (sentence,) = texts(real_forms / "common_voice" / "en.6.1.validated.tsv").values()
    assert sentence.count('"') == 2
    assert not sentence.startswith('"')


def test_real_tables_of_covost(real_forms: Path) -> None:
    assert list(texts(real_forms / "covost2" / "covost_v2.ja_en.tsv")) == ["test0001", "test0002"]
    (sample, _) = open_dataset(real_forms / "covost2" / "covost_v2.ja_en.tsv")
    assert (sample.language, sample.audio[0].locator) == ("ja", "test0001.mp3")


def test_real_transcripts_and_metadata(real_forms: Path) -> None:
    assert set(texts(real_forms / "aishell" / "text")) == {"BAC009S0764W0179", "BAC009S0764W0205"}
    columns = {"text": "official_answer"}
    (sample,) = open_dataset(real_forms / "big_bench_audio", columns=columns, metadata=["category"])
    assert (sample.id, sample.references, sample.audio[0].locator) == ("0", ("invalid",), "data/question_0.mp3")


def test_real_questions_of_mmau(real_forms: Path) -> None:
    columns = {"audio": "audio_id", "text": "answer"}
    samples = list(open_dataset(real_forms / "mmau" / "rows.json", columns=columns, groups=["category"]))
    assert [sample.groups["category"] for sample in samples][:2] == ["Reasoning", "Reasoning"]
    assert all(sample.audio[0].locator == f"test-mini-audios/{sample.id}.wav" for sample in samples)
