"""What makes samples depend on each other, as each form of data says it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from evalkit.datasets import HubDataset, Manifest, open_dataset
from evalkit.errors import ConfigurationError, DataError
from tests.conftest import ROOT

VALIDATED = "client_id\tpath\tsentence\nann\tcommon_voice_zh-CN_7.mp3\t门。\nbob\tcommon_voice_zh-CN_9.mp3\t窗。\n"
COVOST = "path\ttranslation\tsplit\ncommon_voice_zh-CN_7.mp3\tA gate.\ttest\ncommon_voice_zh-CN_8.mp3\tA wall.\ttest\n"
CUT = {
    "start": 0,
    "duration": 1,
    "recording": {"id": "r", "duration": 1, "sources": [{"type": "file", "source": "a.wav"}]},
}

Clusters = Sequence[Mapping[str, str]]


def tree(folder: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def clusters(path: Path, **options: Any) -> Clusters:
    return [sample.clusters for sample in open_dataset(path, **options)]


def cut(cut_id: str, *speakers: str | None) -> str:
    said = [{"text": "好", **({} if speaker is None else {"speaker": speaker})} for speaker in speakers]
    return json.dumps(CUT | {"id": cut_id, "supervisions": said}) + "\n"


FORMS: Mapping[str, tuple[Mapping[str, str], Clusters]] = {
    "LibriSpeech": ({"61/70968/61-70968.trans.txt": "61-70968-0000 A\n"}, [{"speaker": "61", "chapter": "70968"}]),
    "AISHELL-1": (
        {"transcript/aishell_transcript_v0.8.txt": "BAC009S0764W0121 甚 至\n", "wav/test/S0764/a.wav": ""},
        [{"speaker": "S0764"}],
    ),
    "AISHELL-2": ({"wav.scp": "IT1\twav/T1/IT1.wav\n", "trans.txt": "IT1\t好\n"}, [{"speaker": "T1"}]),
    "Kaldi, utt2spk": (
        {"wav.scp": "a a.wav\nb b.wav\n", "text": "a 好\nb 好\n", "utt2spk": "a s1\nb b\n", "spk2utt": "x a b\n"},
        [{"speaker": "s1"}, {}],
    ),
    "Kaldi, spk2utt": (
        {"wav.scp": "a a.wav\nb b.wav\n", "text": "a 好\nb 好\n", "spk2utt": "s1 b a\n"},
        [{"speaker": "s1"}, {"speaker": "s1"}],
    ),
    "Kaldi, parts": (
        {"wav.scp": "r r.opus\n", "segments": "a r 0 1\nb r 1 2\n", "text": "a 好\nb 好\n", "utt2spk": "a a\nb b\n"},
        [{"recording": "r"}, {"recording": "r"}],
    ),
    "Common Voice": ({"test.tsv": VALIDATED}, [{"speaker": "ann"}, {"speaker": "bob"}]),
    "FLEURS": ({"test.tsv": "7\t1.wav\tA\ta\ta |\t32000\tFEMALE\n", "test/1.wav": ""}, [{"sentence": "7"}]),
    "CoVoST": ({"covost_v2.zh-CN_en.tsv": COVOST, "validated.tsv": VALIDATED}, [{"speaker": "ann"}, {}]),
    "CoVoST, cut": (
        {"covost_v2.zh-CN_en.test.tsv": "path\tsentence\ttranslation\tclient_id\na.mp3\t门\tA gate.\tcal\n"},
        [{"speaker": "cal"}],
    ),
    "CoVoST alone": ({"covost_v2.zh-CN_en.tsv": COVOST}, [{}, {}]),
    "Lhotse": (
        {"cuts.jsonl": cut("a", "s1", "s1") + cut("b", "s1", "s2") + cut("c", None)},
        [{"speaker": "s1"}, {}, {}],
    ),
    "manifest": (
        {"manifest.csv": "id,audio,text,speaker\n1,a.wav,,7\n2,b.wav,,\n"},
        [{"speaker": "7"}, {}],
    ),
    "manifest of conversations": ({"manifest.jsonl": '{"audio": "a.wav", "text": "", "speaker": ["a", "b"]}\n'}, [{}]),
    "manifest without speakers": ({"manifest.jsonl": '{"audio": "a.wav", "text": ""}\n'}, [{}]),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_data_says_what_its_samples_share(tmp_path: Path, form: str) -> None:
    files, expected = FORMS[form]
    found = clusters(tree(tmp_path, files))
    # In order, for the first is what is drawn.
    assert [list(labels.items()) for labels in found] == [list(labels.items()) for labels in expected]


def test_cvss_follows_common_voice(tmp_path: Path) -> None:
    tree(tmp_path / "cv", {"validated.tsv": VALIDATED})
    path = tree(tmp_path / "cvss", {"test.tsv": "common_voice_zh-CN_7.mp3\ta gate\n", "test/a.mp3.wav": ""})
    for speech in ("common_voice", "cvss"):
        assert clusters(path, common_voice=tmp_path / "cv", speech=speech) == [{"speaker": "ann"}]


ROWS = '{"id": 1, "audio": "a.wav", "text": "", "speaker": "s", "book": 7}\n'


def test_columns_are_named_in_their_order_or_none_is_taken(tmp_path: Path) -> None:
    path = tree(tmp_path, {"m.jsonl": ROWS}) / "m.jsonl"
    assert clusters(path, cluster=["book", "speaker"]) == [{"book": "7", "speaker": "s"}]
    assert list(clusters(path, cluster=["book", "speaker"])[0]) == ["book", "speaker"]
    assert clusters(path, cluster={"reader": "speaker"}) == [{"reader": "s"}]
    assert clusters(path, cluster="book") == [{"book": "7"}]
    assert clusters(path, cluster=[]) == [{}]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('{"id": 2, "audio": "b.wav", "text": ""}', "m.jsonl line 2: no column 'book' (there are id, audio, text;"),
        ('{"id": 2, "audio": "b.wav", "text": "", "book": null}', "m.jsonl line 2: the column 'book' says nothing"),
        (
            '{"id": 2, "audio": "b.wav", "text": "", "book": " "}',
            "which book the sample is of; fill it in",
        ),
    ],
)
def test_a_row_without_a_field_that_is_named_is_refused(tmp_path: Path, row: str, complaint: str) -> None:
    path = tree(tmp_path, {"m.jsonl": ROWS + row}) / "m.jsonl"
    with pytest.raises(DataError) as caught:
        clusters(path, cluster=["book"])
    assert complaint in str(caught.value)


def test_a_field_cannot_be_called_as_single_samples_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'sample' stands for samples drawn singly; .*\{recording: sample\}"):
        Manifest(tmp_path / "m.jsonl", cluster=["sample"])


def test_columns_of_the_hub_s_tables(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    columns = {"id": ["a", "b"], "text": ["x", "y"], "speaker_id": [61, 1089]}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "test.parquet")
    options: dict[str, Any] = {"columns": {"audio": None}}
    dataset = HubDataset(tmp_path / "test.parquet", cluster={"speaker": "speaker_id"}, **options)
    assert [sample.clusters for sample in dataset] == [{"speaker": "61"}, {"speaker": "1089"}]
    with pytest.raises(DataError, match=r"no column 'speaker', did you mean 'speaker_id'\?"):
        list(HubDataset(tmp_path / "test.parquet", cluster=["speaker"], **options))
    assert [sample.clusters for sample in HubDataset(tmp_path / "test.parquet", **options)] == [{}, {}]


def test_labels_are_read_off_ids_where_the_data_has_none(tmp_path: Path) -> None:
    patterns = {"speaker": r"(\d+)-(\d+)-\d+", "chapter": r"\d+-(\d+)-\d+"}
    path = tree(tmp_path, {"ref.trn": "good day (61-70968-0000)\n", "m.jsonl": ROWS})
    dataset = open_dataset(path / "ref.trn", cluster_by_id=patterns)
    assert [sample.clusters for sample in dataset] == [{"speaker": "61", "chapter": "70968"}]
    assert dataset.at_hand
    assert dataset.source.endswith("ref.trn")
    assert clusters(path / "m.jsonl", cluster_by_id={"speaker": "(x)"}) == [{"speaker": "s"}]
    with pytest.raises(DataError, match=r"m\.jsonl line 1: the id '1' does not say which chapter the sample is of"):
        clusters(path / "m.jsonl", cluster_by_id=patterns)
    for pattern, complaint in (("(", "is not a regular expression"), ("x", "has no group in parentheses")):
        with pytest.raises(ConfigurationError, match=rf"cluster_by_id\.speaker: .* {complaint}"):
            open_dataset(path / "m.jsonl", cluster_by_id={"speaker": pattern})


@pytest.mark.parametrize("sid", ["TEST_NET_Y0000000000_-KTKHdZ2fb8_S00000", "TEST_MEETING_T0000000001_S00012"])
def test_parts_of_one_recording_of_wenetspeech_are_known_by_their_ids(tmp_path: Path, sid: str) -> None:
    import yaml

    name = "net" if "NET" in sid else "meeting"
    config = yaml.safe_load((ROOT / "configs" / "task" / f"wenetspeech_{name}.yaml").read_text())
    path = tree(tmp_path, {"data.list": json.dumps({"key": sid, "wav": "a.wav", "txt": "好"})})
    [found] = clusters(path, cluster_by_id=config["dataset"]["cluster_by_id"])
    assert found == {"recording": sid.rpartition("_")[0]}
