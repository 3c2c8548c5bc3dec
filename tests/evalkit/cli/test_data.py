"""``evalkit data``: preparing and verifying on replicas of the layouts in which the data sets are distributed."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.cli.catalogue import read_options
from evalkit.cli.main import main
from tests.conftest import CommandLine
from tests.evalkit.datasets.hub_server import hub
from tests.tasks.toolcall.replica import write_replica

Run = Callable[..., tuple[int, str, str]]


def audio(kind: str = "WAV", seconds: float = 1.0) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, np.sin(np.arange(round(16_000 * seconds)) / 10), 16_000, format=kind)
    return content.getvalue()


def tarred(path: Path, files: Mapping[str, bytes]) -> Path:
    path.write_bytes(tar_content(files, "w:gz"))
    return path


def tar_content(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for name, each in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(each)
            archive.addfile(info, io.BytesIO(each))
    return content.getvalue()


def zip_content(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, each in files.items():
            archive.writestr(name, each)
    return content.getvalue()


@pytest.fixture
def data(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, with its exit status and what it prints to the two streams."""
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["data", *words])
        out, err = capsys.readouterr()
        return status, out, err

    return run


LIBRISPEECH = {
    "LibriSpeech/README.TXT": b"about",
    "LibriSpeech/test-clean/1089/134686/1089-134686.trans.txt": b"1089-134686-0000 HE HOPED\n1089-134686-0001 STUFF\n",
    "LibriSpeech/test-clean/1089/134686/1089-134686-0000.flac": audio("FLAC"),
    "LibriSpeech/test-clean/1089/134686/1089-134686-0001.flac": audio("FLAC", 2),
}


@pytest.mark.slow
def test_an_archive_is_unpacked_verified_and_then_left_alone(tmp_path: Path, data: Run) -> None:
    archive = tarred(tmp_path / "test-clean.tar.gz", LIBRISPEECH)
    status, out, err = data("prepare", "task=librispeech_clean", "--archive", str(archive))
    assert status == 1
    assert "3 new files in" in err
    assert "librispeech_clean: partial, 2 of 2,620 samples; differs from what is known: samples\n" in out
    assert (tmp_path / "data/librispeech/test-clean/1089/134686/1089-134686-0000.flac").is_file()
    assert not (tmp_path / "data/librispeech/README.TXT").exists()
    assert "librispeech_clean: is there already" in data("prepare", "task=librispeech_clean")[2]
    assert data("verify", "task=librispeech_clean") == (1, out, "")


@pytest.mark.slow
def test_one_archive_of_another_data_set_stops_everything(tmp_path: Path, data: Run) -> None:
    archive = tarred(tmp_path / "test-clean.tar.gz", LIBRISPEECH)
    status, _, err = data("prepare", "task=librispeech_other", "--archive", str(archive))
    assert status == 2
    assert "test-clean.tar.gz: not an archive of this data set, which would hold test-other" in err
    assert data("prepare", "task=kespeech_phase1", "--archive", str(archive))[0] == 2
    assert "no such file" in data("prepare", "task=librispeech_other", "--archive", "nowhere.zip")[2]
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
@pytest.mark.parametrize("words", [["task=[librispeech_clean,librispeech_other]"], ["suite=asr_open"]])
def test_every_task_is_reported_and_the_worst_decides(tmp_path: Path, data: Run, words: list[str]) -> None:
    data("prepare", "task=librispeech_clean", "--archive", str(tarred(tmp_path / "a.tgz", LIBRISPEECH)))
    # Of the other sets nothing is here, and the hub cannot be asked: see below.
    status, out, _ = data("verify", *words, "tasks.librispeech_other.dataset.hub=null", *_without_hub(words))
    assert status == 2
    assert "librispeech_clean: partial" in out
    assert "librispeech_other: cannot be read: " in out


def _without_hub(words: list[str]) -> list[str]:
    fleurs = ("fleurs_en", "fleurs_zh", "fleurs_ar", "fleurs_ja")
    return [f"tasks.{name}.dataset.hub=null" for name in fleurs] if words == ["suite=asr_open"] else []


@pytest.mark.slow
def test_recordings_that_are_missing_or_cut_short_are_named(tmp_path: Path, data: Run) -> None:
    data("prepare", "task=librispeech_clean", "--archive", str(tarred(tmp_path / "a.tgz", LIBRISPEECH)))
    chapter = tmp_path / "data/librispeech/test-clean/1089/134686"
    (chapter / "1089-134686-0000.flac").write_bytes(audio("FLAC", 3)[:-500])
    (chapter / "1089-134686-0001.flac").unlink()
    for words in ([], ["--decode"]):
        status, out, _ = data("verify", "task=librispeech_clean", *words)
        assert status == 1
        assert "recordings that cannot be read:\n" in out
        assert "1089-134686-0000.flac: " in out
        assert "1089-134686-0001.flac: no such audio file" in out
        assert "0 of 2 readable" in out
        assert "differs from what is known: samples, recordings" in out


def test_a_malformed_data_set_cannot_be_read(tmp_path: Path, data: Run) -> None:
    twice = LIBRISPEECH["LibriSpeech/test-clean/1089/134686/1089-134686.trans.txt"].splitlines()[0] + b"\n"
    files = {**LIBRISPEECH, "LibriSpeech/test-clean/1089/134686/1089-134686.trans.txt": twice * 2}
    status, out, _ = data("prepare", "task=librispeech_clean", "--archive", str(tarred(tmp_path / "a.tgz", files)))
    assert status == 2
    assert "id '1089-134686-0000' was already used" in out


@pytest.mark.slow
def test_aishell_holds_an_archive_for_each_speaker(tmp_path: Path, data: Run) -> None:
    def speaker(split: str, name: str) -> bytes:
        return tar_content({f"{split}/{name}/BAC009{name}W0121.wav": audio()}, "w:gz")

    archive = tarred(
        tmp_path / "data_aishell.tgz",
        {
            "data_aishell/transcript/aishell_transcript_v0.8.txt": (
                "BAC009S0764W0121 甚至 出现\nBAC009S0916W0121 交易\n".encode()
            ),
            "data_aishell/wav/S0764.tar.gz": speaker("test", "S0764"),
            "data_aishell/wav/S0916.tar.gz": speaker("test", "S0916"),
            "data_aishell/wav/S0002.tar.gz": speaker("train", "S0002"),
        },
    )
    status, out, _ = data("prepare", "task=aishell", "--archive", str(archive))
    assert (status, "partial, 2 of 7,176" in out) == (1, True)
    assert not (tmp_path / "data/data_aishell/wav/train").exists()
    # Unpacked by hand, or left before every speaker was, it is completed.
    for lost in ("S0764/BAC009S0764W0121.wav", "S0916"):
        (tmp_path / "data/data_aishell/wav/test" / lost).rename(tmp_path / "lost")
        assert "1 new files in" in data("prepare", "task=aishell")[2]
        shutil.rmtree(tmp_path / "lost", ignore_errors=True)
        (tmp_path / "lost").unlink(missing_ok=True)
    assert "partial, 2 of 7,176" in data("verify", "task=aishell")[1]


def test_aishell_2_holds_an_archive_for_each_microphone(tmp_path: Path, data: Run) -> None:
    inner = {"test/wav.scp": b"IT1\twav/T1/IT1.wav\n", "test/trans.txt": "IT1\t换一首歌\n".encode()}
    files = {
        "TEST&DEV DATA/AISHELL-DEV-TEST-SET/iOS/test.tar.gz": tar_content({**inner, "test/wav/T1/IT1.wav": audio()}),
        "TEST&DEV DATA/AISHELL-DEV-TEST-SET/Mic/test.tar.gz": tar_content(inner),
        "__MACOSX/TEST&DEV DATA/AISHELL-DEV-TEST-SET/._iOS": b"junk",
    }
    (tmp_path / "a.zip").write_bytes(zip_content(files))
    status, out, _ = data("prepare", "task=aishell_2", "--archive", str(tmp_path / "a.zip"))
    assert status == 0, "its count is not confirmed, so that another is worth a warning only"
    assert "aishell_2: partial, 1 of 5,000 samples; look at: samples" in out


def test_a_release_of_common_voice_is_unpacked_and_read_as_it_is(tmp_path: Path, data: Run) -> None:
    table = 'client_id\tpath\tsentence\tup_votes\nabc\tcommon_voice_en_1.mp3\tJoe said "hi".\t2\n'
    release = "cv-corpus-15.0-2023-09-08/en"
    archive = tarred(
        tmp_path / "cv-corpus-15.0-2023-09-08-en.tar.gz",
        {
            f"{release}/clips/common_voice_en_1.mp3": audio("MP3"),
            f"{release}/test.tsv": table.encode(),
            f"{release}/train.tsv": b"",
        },
    )
    status, out, err = data("prepare", "task=common_voice_en", "--archive", str(archive))
    assert status == 1, out
    assert "2 new files in" in err
    assert "1 of 1 readable" in out
    assert "common_voice_en: partial, 1 of 16,386 samples" in out


def test_covost_and_cvss_come_in_archives_that_belong_together(tmp_path: Path, data: Run) -> None:
    clip = "common_voice_zh-CN_7.mp3"
    common_voice = tarred(
        tmp_path / "zh-CN.tar.gz",
        {
            f"clips/{clip}": audio("MP3"),
            "validated.tsv": f"client_id\tpath\tsentence\nb\t{clip}\t它有三个门。\n".encode(),
            "test.tsv": b"client_id\tpath\tsentence\n",
        },
    )
    covost = tarred(
        tmp_path / "covost_v2.zh-CN_en.tsv.tar.gz",
        {"covost_v2.zh-CN_en.tsv": f"path\ttranslation\tsplit\n{clip}\tIt has 3 gates.\ttest\n".encode()},
    )
    cvss = tarred(
        tmp_path / "cvss_c_zh_en_v1.0.tar.gz",
        {"test.tsv": f"{clip}\tit has three gates\n".encode(), f"test/{clip}.wav": audio(), "train.tsv": b""},
    )
    words = [word for archive in (common_voice, covost, cvss) for word in ("--archive", str(archive))]
    status, out, _ = data("prepare", "task=[covost2_zh_en,cvss_zh_en,cvss_en_zh]", *words)
    assert status == 1, out
    assert out.count(": partial, 1 of 4,898 samples") == 3


def test_uro_bench_is_prepared_for_all_its_tasks_at_once(tmp_path: Path, data: Run) -> None:
    (tmp_path / "URO-Bench-data.zip").write_bytes(zip_content(uro_bench()))
    status, out, err = data("prepare", "task=[uro_repeat,uro_safety_zh]", "--archive", "URO-Bench-data.zip")
    assert status == 1
    assert "uro_repeat: partial, 1 of 252 samples" in out
    assert "uro_safety_zh: partial, 1 of 25 samples" in out
    assert err.count("new files in") == 1


def uro_bench() -> dict[str, bytes]:
    row = json.dumps({"id": 1, "source_wav": "audio/1.wav", "source_text": "Say hi."}).encode()
    subsets = ("basic/Repeat", "pro/Safety-zh")
    return {
        **{f"URO-Bench-data/{subset}/test.jsonl": row for subset in subsets},
        **{f"URO-Bench-data/{subset}/audio/1.wav": audio() for subset in subsets},
    }


def from_hub(evalkit_command: CommandLine, folder: Path, url: str, *words: str) -> tuple[int, str, str]:
    environment = {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
    done = evalkit_command("data", "prepare", *words, f"data_root={folder}/data", env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_files_of_the_hub_are_fetched_and_unpacked(tmp_path: Path, evalkit_command: CommandLine) -> None:
    pytest.importorskip("huggingface_hub")
    replica = write_replica(tmp_path / "replica")
    files = {file.name: file.read_bytes() for file in replica.glob("*.jsonl")}
    recordings = {str(file.relative_to(replica)): file.read_bytes() for file in replica.rglob("*.wav")}
    served = {**files, "README.md": b"card", "wav.tar": tar_content(recordings)}
    with hub("stepfun-ai/StepEval-Audio-Toolcall", served) as server:
        status, out, err = from_hub(evalkit_command, tmp_path, server.url, "task=toolcall")
        assert (status, "toolcall: partial, 11 of 1,463 samples" in out) == (1, True), out + err
        assert sorted(server.fetched) == sorted([*files, "wav.tar"])
        # The archive is there already; a file that went missing comes out of it again, without the hub.
        missing = next((tmp_path / "data").rglob("get_weather_positive.jsonl-1-0.wav"))
        missing.unlink()
        status, out, err = from_hub(evalkit_command, tmp_path, "http://127.0.0.1:1", "task=toolcall")
        assert (status, missing.is_file()) == (1, True), out + err
        assert f"{len(recordings)} of {len(recordings)} readable" in out


@pytest.mark.slow
def test_a_repository_that_has_the_layout_is_copied_as_it_is(tmp_path: Path, evalkit_command: CommandLine) -> None:
    pytest.importorskip("huggingface_hub")
    row = {"id": 1, "category": "navigate", "official_answer": "Yes", "file_name": "data/question_1.mp3"}
    served = {"metadata.jsonl": json.dumps(row).encode(), "data/question_1.mp3": audio("MP3"), "x.parquet": b"no"}
    with hub("ArtificialAnalysis/big_bench_audio", served) as server:
        status, out, err = from_hub(evalkit_command, tmp_path, server.url, "task=big_bench_audio")
    assert (status, "partial, 1 of 1,000" in out) == (1, True), out + err
    assert sorted(server.fetched) == ["data/question_1.mp3", "metadata.jsonl"]


@pytest.mark.slow
def test_a_hub_that_does_not_give_is_explained(tmp_path: Path, evalkit_command: CommandLine) -> None:
    pytest.importorskip("huggingface_hub")
    with hub("Honggao/URO-Bench", {"URO-Bench-data.zip": zip_content(uro_bench())}, gated=True) as server:
        status, out, _ = from_hub(evalkit_command, tmp_path, server.url, "task=uro_repeat")
    assert status == 2
    assert (
        "accept its terms at https://huggingface.co/datasets/Honggao/URO-Bench and log in with `hf auth login`" in out
    )
    with hub("Honggao/URO-Bench", {"other.zip": b""}) as server:
        status, out, _ = from_hub(evalkit_command, tmp_path, server.url, "task=uro_repeat")
    assert (status, "the hub has none of URO-Bench-data.zip there" in out) == (2, True)
    done = evalkit_command("data", "prepare", "task=[uro_repeat,fleurs_en]", env={"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 2
    assert (
        "uro_repeat: not prepared: Honggao/URO-Bench: HF_HUB_OFFLINE forbids to ask the hub; unset it, or"
        in done.stdout
    )
    assert "fleurs_en: not prepared: google/fleurs (test): " in done.stdout
    assert "fetch it where there is a network" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow  # the hub's library tries for half a minute
def test_a_hub_that_does_not_answer_is_explained(tmp_path: Path, evalkit_command: CommandLine) -> None:
    pytest.importorskip("huggingface_hub")
    status, out, _ = from_hub(evalkit_command, tmp_path, "http://127.0.0.1:1", "task=uro_repeat")
    assert (status, "the same command continues where there is a network" in out) == (2, True)


@pytest.mark.slow
def test_names_of_the_hub_that_lead_out_are_refused(tmp_path: Path, evalkit_command: CommandLine) -> None:
    pytest.importorskip("huggingface_hub")
    with hub("ArtificialAnalysis/big_bench_audio", {"data/../../evil": b"evil", "metadata.jsonl": b"{}"}) as server:
        status, out, _ = from_hub(evalkit_command, tmp_path, server.url, "task=big_bench_audio")
    assert (status, "names lead out of it; nothing was fetched" in out) == (2, True)
    assert not server.fetched


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        ("kespeech_phase1", ["a download link", "github.com/KeSpeech/KeSpeech", "wav.scp, text and utt2subdialect"]),
        ("anhui_accent", ["not released", "in_house/manifest.jsonl", '"subset"']),
        ("aishell", ["OpenSLR 33", "--archive FILE (one that holds wav and transcript)", "--download (https://"]),
        ("aishell_2", ["TEST&DEV DATA.zip", "--archive FILE (one that holds AISHELL-DEV-TEST-SET)"]),
        ("cvss_zh_en", ["cv-corpus-4-2019-12-10", "cvss_c_zh_en_v1.0.tar.gz"]),
        ("mmau_test", ["answers not public", "mmau-test.json"]),
    ],
)
def test_what_cannot_be_fetched_is_said_how_to_come_by(data: Run, task: str, wanted: list[str]) -> None:
    status, out, _ = data("prepare", f"task={task}")
    assert status == 2
    for text in wanted:
        assert text in out
    assert f"{task}: not prepared: " in out
    assert f"{os.sep}data{os.sep}" in out.partition("belongs at: ")[2].splitlines()[0]


def test_usage_and_mistakes(data: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--help"]) == 0
    helped = capsys.readouterr().out
    for text in ("evalkit data prepare|verify WORD", "--decode", "--archive FILE", "--download", "exit status"):
        assert text in helped
    for words, complaint in [
        (["verify"], "evalkit: which data set? choose task=NAME or suite=NAME"),
        (["verify", "data_root=x"], "evalkit: nothing to run: choose suite=NAME or task=NAME"),
        (["verify", "task=librispeech_claen"], "did you mean 'librispeech_clean'?"),
        (["prepare", "task=fleurs_en", "tasks.fleurs_en.dataset.pth=x"], "'tasks.fleurs_en.dataset.pth'"),
    ]:
        status, _, err = data(*words)
        assert (status, complaint in err) == (2, True), err
    assert main(["data", "repair", "task=aishell"]) == 2
    assert "invalid choice: 'repair'" in capsys.readouterr().err


@pytest.mark.slow
def test_nothing_heavy_is_loaded_for_data_on_disk() -> None:
    code = (
        "import sys; from evalkit.cli.main import main; assert main(['data', 'verify', 'suite=demo']) == 0;"
        "print([name for name in ('torch', 'datasets', 'huggingface_hub', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.slow
def test_tables_of_the_hub_are_copied_and_verified(tmp_path: Path, data: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [
        {
            "audio": {"bytes": audio(seconds=0.1) if number != 200 else audio()[:9000], "path": f"{number}.wav"},
            "transcription": "words" if number else "",
            "gender": number % 2,
            "id": number // 2,  # of the sentence
        }
        for number in range(647)
    ]
    (tmp_path / "hub" / "en_us").mkdir(parents=True)
    table = datasets.Dataset.from_list(rows).cast_column("audio", datasets.Audio(16_000))
    table.to_parquet(tmp_path / "hub" / "en_us" / "test-00000-of-00001.parquet")
    words = ["task=fleurs_en", f"tasks.fleurs_en.dataset.hub.repository={tmp_path}/hub"]
    status, out, err = data("prepare", *words, "+tasks.fleurs_en.dataset.hub.groups=[gender]")
    assert status == 1
    assert f"hub: to {tmp_path}/data/fleurs/en_us" in err
    assert "646 of 647 readable, by their headers" in out
    assert "200: the audio is cut short" in out
    assert "samples whose reference is empty:\n  0\n" in out
    assert "gender    1      323      0.01" in out
    assert "324 by sentence" in out
    assert "fleurs_en: differs from what is known: recordings; look at: references\n" in out
    assert data("verify", "task=fleurs_en")[0] == 1


def test_the_demo_is_as_it_should_be(data: Run) -> None:
    status, out, _ = data("verify", "suite=demo", "--decode")
    assert status == 0
    assert out.count(": ok\n") == out.count("fingerprint") > 4


def test_every_task_can_be_prepared_in_some_way() -> None:
    recipes = {option.name: option.content for option in read_options("data_set")}
    for task in read_options("task"):
        matching = [name for name, recipe in recipes.items() if any(fnmatch(task.name, p) for p in recipe["tasks"])]
        assert len(matching) <= 1, (task.name, matching)
        dataset = task.content["dataset"]
        packaged = str(dataset.get("path", "")).startswith("${package:")
        assert packaged or matching or "hub" in dataset, task.name
    names = [task.name for task in read_options("task")]
    for name, recipe in recipes.items():
        for pattern in recipe["tasks"]:
            assert any(fnmatch(task, pattern) for task in names), (name, pattern)
        assert recipe.get("archives") or recipe.get("hub_files") or recipe.get("by_hand"), name
