"""The layouts in which speech corpora are handed out: Kaldi, AISHELL-2, LibriSpeech, AISHELL-1."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.datasets import AishellFolder, KaldiFolder, LibriSpeechFolder
from evalkit.errors import ConfigurationError, DataError
from evalkit.types import Sample


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(1600) / 10), 16000)


def texts(dataset: Iterable[Sample]) -> dict[str, str]:
    return {sample.id: sample.references[0] for sample in dataset}


KALDI = {
    "wav.scp": "u1 wav/1.wav\nu2 wav/2.wav\nu3\twav/my 3.wav\n",
    "text": "u1 你好 世界\nu2 <SPOKEN_NOISE> 播放 hip hop 音乐 <SPOKEN_NOISE>\nu3\n",
    "utt2spk": "u1 s1\nu2 s1\nu3 s2\n",
    "utt2subdialect": "u3 Mandarin\nu1 Ji-Lu\nu2 Zhongyuan\n",
}


def test_a_kaldi_folder(tmp_path: Path) -> None:
    sound(tmp_path / "wav" / "my 3.wav")
    dataset = KaldiFolder(
        tree(tmp_path, KALDI), groups={"speaker": "utt2spk", "subdialect": "utt2subdialect"}, language="zh"
    )
    first, _, third = dataset
    assert first.id == "u1"
    assert first.references == ("你好 世界",)
    assert first.language == "zh"
    assert first.groups == {"speaker": "s1", "subdialect": "Ji-Lu"}
    assert first.audio[0].locator == "wav/1.wav"
    assert third.references == ("",)
    assert len(third.audio[0].waveform(16000)) == 1600
    assert [sample.id for sample in dataset] == ["u1", "u2", "u3"]


def test_kaldi_noise_is_removed_and_characters_joined(tmp_path: Path) -> None:
    dataset = KaldiFolder(tree(tmp_path, KALDI), remove=["<SPOKEN_NOISE>"], join_characters=True)
    assert texts(dataset) == {"u1": "你好世界", "u2": "播放hip hop音乐", "u3": ""}


def test_aishell_2_is_read_by_its_own_file_names(tmp_path: Path) -> None:
    files = {"wav.scp": "IT1\twav/T1/IT1.wav\nIT2\twav/T1/IT2.wav\n", "trans.txt": "IT1\t换一首歌\nIT2\t你 好\n"}
    assert texts(KaldiFolder(tree(tmp_path, files))) == {"IT1": "换一首歌", "IT2": "你 好"}


def test_another_transcript_can_be_named(tmp_path: Path) -> None:
    tree(tmp_path, KALDI | {"text.raw": "u2 two\n"})
    assert texts(KaldiFolder(tmp_path, transcript="text.raw")) == {"u2": "two"}


def test_kaldi_tables_in_another_order_are_matched_by_key(tmp_path: Path) -> None:
    tree(tmp_path, KALDI | {"wav.scp": "u3 3.wav\nu1 1.wav\nu0 0.wav\nu2 2.wav\n"})
    audio = {sample.id: sample.audio[0].locator for sample in KaldiFolder(tmp_path)}
    assert audio == {"u1": "1.wav", "u2": "2.wav", "u3": "3.wav"}


def test_kaldi_entries_start_from_the_root(tmp_path: Path) -> None:
    tree(tmp_path, {f"tasks/test/{name}": content for name, content in KALDI.items()})
    (sample, *_) = KaldiFolder(tmp_path / "tasks" / "test", root=tmp_path)
    assert sample.audio[0].path == tmp_path / "wav" / "1.wav"
    assert sample.audio[0].locator == "wav/1.wav"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"wav.scp": "u1 sox a.wav -t wav - |\n"}, r"wav\.scp line 1: 'sox a\.wav -t wav - \|' is a command"),
        ({"wav.scp": "u1 1.wav\nu2 /etc/2.wav\n"}, r"wav\.scp line 2: audio path '/etc/2\.wav' leads out"),
        ({"wav.scp": "u1 1.wav\nu2 2.wav\n"}, r"text line 3: utterance 'u3' is not in .*wav\.scp"),
        ({"wav.scp": "u1 1.wav\nu1 2.wav\nu2 2.wav\n"}, r"wav\.scp line 2: 'u1' was already given at .* line 1"),
        ({"text": "u1 a\nu2 b\nu1 c\n"}, r"text line 3: id 'u1' was already used at .*text line 1"),
        ({"text": "u1 a\nu9 b\n"}, r"text line 2: utterance 'u9' is not in"),
        ({"text": ""}, "no samples"),
        ({"segments": "u1 r1 0.0 1.5\n"}, r"segments line 1: utterance 'r1' is not in .*wav\.scp"),
        ({"segments": "u1 1 1.5 1.5\n"}, r"segments line 1: '1 1.5 1.5' is not of the form RECORDING START END"),
        ({"segments": "u9 1 0 1\n"}, r"text line 1: utterance 'u1' is not in .*segments"),
    ],
)
def test_a_broken_kaldi_folder_names_file_and_line(tmp_path: Path, change: dict[str, str], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        list(KaldiFolder(tree(tmp_path, KALDI | change)))


def test_a_kaldi_group_table_must_be_there_and_complete(tmp_path: Path) -> None:
    tree(tmp_path, KALDI | {"utt2spk": "u1 s1\n"})
    with pytest.raises(DataError, match=r"utterance 'u2' is not in .*utt2spk"):
        list(KaldiFolder(tmp_path, groups={"speaker": "utt2spk"}))
    with pytest.raises(DataError, match=r"utt2age: cannot be opened"):
        list(KaldiFolder(tmp_path, groups=["utt2age"]))


def test_a_kaldi_folder_without_transcripts_says_what_was_looked_for(tmp_path: Path) -> None:
    tree(tmp_path, {"wav.scp": "u1 1.wav\n"})
    with pytest.raises(DataError, match=r"no transcripts there \(text or trans\.txt\)"):
        list(KaldiFolder(tmp_path))


def test_transcripts_in_another_encoding_name_their_line(tmp_path: Path) -> None:
    tree(tmp_path, KALDI)
    (tmp_path / "text").write_bytes("u1 a\nu2 你好\n".encode("gb18030"))
    with pytest.raises(DataError, match=r"text line 2: byte 4 of the line \(0xc4\) is not UTF-8"):
        list(KaldiFolder(tmp_path))


LIBRISPEECH = {
    "61/70968/61-70968.trans.txt": "61-70968-0000 HE BEGAN A CONFUSED COMPLAINT\n61-70968-0001 GIVE NOT SO\n",
    "1089/134686/1089-134686.trans.txt": "1089-134686-0000 HE HOPED THERE WOULD BE STEW\n",
    "61/70970/61-70970.trans.txt": "61-70970-0000 YOUNG FITZOOTH\n",
}


def test_a_librispeech_split(tmp_path: Path) -> None:
    tree(tmp_path, LIBRISPEECH)
    sound(tmp_path / "61" / "70968" / "61-70968-0001.flac")
    samples = list(LibriSpeechFolder(tmp_path, groups=["speaker", "chapter"]))
    assert [sample.id for sample in samples] == [
        "1089-134686-0000",
        "61-70968-0000",
        "61-70968-0001",
        "61-70970-0000",
    ]
    sample = samples[2]
    assert sample.references == ("GIVE NOT SO",)
    assert sample.language == "en"
    assert sample.groups == {"speaker": "61", "chapter": "70968"}
    assert sample.audio[0].locator == "61/70968/61-70968-0001.flac"
    assert len(sample.audio[0].waveform(16000)) == 1600


def test_a_converted_librispeech(tmp_path: Path) -> None:
    (sample, *_) = LibriSpeechFolder(tree(tmp_path, LIBRISPEECH), extension=".wav")
    assert sample.audio[0].path == tmp_path / "1089" / "134686" / "1089-134686-0000.wav"
    assert sample.groups == {}


def test_librispeech_one_folder_too_high_says_so(tmp_path: Path) -> None:
    tree(tmp_path / "test-clean", LIBRISPEECH)
    with pytest.raises(DataError, match="name the folder of one split, like test-clean"):
        list(LibriSpeechFolder(tmp_path))


def test_an_unknown_group_is_met_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no group 'speakers', did you mean 'speaker'\?"):
        LibriSpeechFolder(tmp_path, groups=["speakers"])
    with pytest.raises(ConfigurationError, match="no group 'chapter'"):
        AishellFolder(tmp_path, groups="chapter")


AISHELL = {
    "transcript/aishell_transcript_v0.8.txt": (
        "BAC009S0002W0122 而 对 楼市 成交\nBAC009S0764W0121 甚至 出现 交易 几乎 停滞 的 情况\n"
        "BAC009S0764W0122 一二 线 城市\nBAC009S0765W0121 二零 一 四年\n"
    ),
    "wav/train/S0002/BAC009S0002W0122.wav": "",
    "wav/test/S0764/BAC009S0764W0121.wav": "",
    "wav/test/S0765/BAC009S0765W0121.wav": "",
}


def test_an_aishell_split_takes_its_speakers_out_of_the_one_transcript(tmp_path: Path) -> None:
    tree(tmp_path, AISHELL)
    samples = list(AishellFolder(tmp_path, groups=["speaker"]))
    assert [sample.id for sample in samples] == ["BAC009S0764W0121", "BAC009S0764W0122", "BAC009S0765W0121"]
    assert samples[0].references == ("甚至出现交易几乎停滞的情况",)
    assert samples[0].language == "zh"
    assert samples[0].groups == {"speaker": "S0764"}
    assert samples[0].audio[0].locator == "wav/test/S0764/BAC009S0764W0121.wav"
    assert list(texts(AishellFolder(tmp_path, split="train"))) == ["BAC009S0002W0122"]


@pytest.mark.parametrize("archive", ["wav/S0764.tar.gz", "wav/test/S0764.tar.gz"])
def test_packed_aishell_speakers_say_how_to_unpack_them(tmp_path: Path, archive: str) -> None:
    tree(tmp_path, {"transcript/aishell_transcript_v0.8.txt": "BAC009S0764W0121 甚至\n", archive: ""})
    with pytest.raises(DataError, match=rf"{archive} is still packed; unpack each speaker: .*tar xzf"):
        list(AishellFolder(tmp_path))


def test_aishell_without_speakers(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"wav/dev: no folders of speakers there"):
        list(AishellFolder(tmp_path, split="dev"))
