"""CoVoST 2 and CVSS as they are downloaded, on small replicas of their folders, and CoVoST 2 as the hub has it."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.datasets import CovostFolder, CvssFolder, open_dataset
from evalkit.errors import ConfigurationError, DataError

# The table as Facebook hands it out: every split in one file.
COVOST = (
    "path\ttranslation\tsplit\n"
    "common_voice_en_1.mp3\t别动。\ttrain\n"
    'common_voice_en_2.mp3\t\\"别动"，他说。\ttest\n'
    "common_voice_en_3.mp3\t\ttest\n"
    "common_voice_en_4.mp3\t好。\tdev\n"
)
# As the authors' script cuts it up.
CUT = "path\tsentence\ttranslation\tclient_id\ncommon_voice_en_2.mp3\tDon't move.\t别动。\tabc\n"
ZH_EN = "path\ttranslation\tsplit\ncommon_voice_zh-CN_7.mp3\tIt has 3 gates.\ttest\n"
VALIDATED = (
    "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccent\n"
    "a\tcommon_voice_zh-CN_9.mp3\t不在测试集里。\t2\t0\t\t\t\n"
    "b\tcommon_voice_zh-CN_7.mp3\t它有三个门。\t2\t0\t\t\t\n"
)
CVSS = "common_voice_zh-CN_7.mp3\tit has three gates\n"


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def sound(path: Path, kind: str, samples: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(samples) / 10), 48_000 if kind == "MP3" else 24_000, format=kind)


@pytest.fixture
def covost(tmp_path: Path) -> Path:
    return tree(tmp_path / "en", {"covost_v2.en_zh-CN.tsv": COVOST})


@pytest.fixture
def cvss(tmp_path: Path) -> Path:
    tree(tmp_path / "zh-CN", {"covost_v2.zh-CN_en.tsv": ZH_EN, "validated.tsv": VALIDATED})
    sound(tmp_path / "zh-CN" / "clips" / "common_voice_zh-CN_7.mp3", "MP3", 48_000)
    sound(tmp_path / "cvss_c_zh_en_v1.0" / "test" / "common_voice_zh-CN_7.mp3.wav", "WAV", 12_000)
    return tree(tmp_path / "cvss_c_zh_en_v1.0", {"test.tsv": CVSS, "train.tsv": "", "dev.tsv": ""})


def test_covost_as_it_is_downloaded(covost: Path) -> None:
    sound(covost / "clips" / "common_voice_en_2.mp3", "MP3", 48_000)
    first, second = CovostFolder(covost)
    assert (first.id, first.references, first.language) == ("common_voice_en_2", ('"别动"，他说。',), "en")
    assert first.audio[0].path == covost / "clips" / "common_voice_en_2.mp3"
    assert first.audio[0].locator == "common_voice_en_2.mp3"
    assert len(first.audio[0].waveform(16_000)) == pytest.approx(16_000, rel=0.1)
    assert second.references == ("",), "a sample whose reference is empty is one of the test set"
    assert [sample.id for sample in CovostFolder(covost, split="dev")] == ["common_voice_en_4"]


def test_covost_as_its_authors_script_cuts_it(covost: Path) -> None:
    tree(covost, {"covost_v2.en_zh-CN.test.tsv": CUT})
    (sample,) = CovostFolder(covost)
    assert (sample.references, sample.metadata) == (("别动。",), {"sentence": "Don't move."})


def test_clips_of_covost_may_lie_elsewhere(covost: Path, tmp_path: Path) -> None:
    sample = next(iter(CovostFolder(covost, clips=tmp_path / "common_voice")))
    assert sample.audio[0].path == tmp_path / "common_voice" / "common_voice_en_2.mp3"


def test_of_several_pairs_one_must_be_named(covost: Path) -> None:
    tree(covost, {"covost_v2.en_de.tsv": "path\ttranslation\tsplit\ncommon_voice_en_2.mp3\tHalt.\ttest\n"})
    with pytest.raises(DataError, match="there are tables of en_de, en_zh-CN; name one of them"):
        list(CovostFolder(covost))
    (sample,) = open_dataset(covost / "covost_v2.en_de.tsv")
    assert sample.references == ("Halt.",)
    assert sample.audio[0].path == covost / "clips" / "common_voice_en_2.mp3"


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("path\ttranslation\na.mp3\tb\n", r"covost_v2\.en_zh-CN\.tsv: no column 'split' \(there are path, transl"),
        ("path\ttranslation\tsplit\na.mp3\tb\n", r"line 2: 2 fields, expected 3 \(path, translation, split\)"),
        ("path\ttranslation\tsplit\n../../a.mp3\tb\ttest\n", r"line 2: audio path '\.\./\.\./a\.mp3' leads out"),
        ("path\ttranslation\tsplit\na.mp3\tb\ttest\na.mp3\tb\ttest\n", r"line 3: id 'a' was already used at .* line 2"),
        ("path\ttranslation\tsplit\na.mp3\tb\tdev\n", "the data set has no samples"),
        ("", r"no column 'path' \(there are none\)"),
    ],
)
def test_a_broken_covost_table_names_file_and_line(tmp_path: Path, table: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        list(CovostFolder(tree(tmp_path, {"covost_v2.en_zh-CN.tsv": table})))


def test_covost_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no table covost_v2\.SOURCE_TARGET\.tsv"):
        list(CovostFolder(tmp_path))
    with pytest.raises(ConfigurationError, match="no split 'validation'"):
        CovostFolder(tmp_path, split="validation")


def test_cvss_into_english(cvss: Path, tmp_path: Path) -> None:
    (sample,) = CvssFolder(cvss, common_voice=tmp_path / "zh-CN", language="zh")
    assert (sample.id, sample.references, sample.language) == ("common_voice_zh-CN_7", ("it has three gates",), "zh")
    assert sample.audio[0].path == tmp_path / "zh-CN" / "clips" / "common_voice_zh-CN_7.mp3"
    assert len(sample.audio[0].waveform(16_000)) == pytest.approx(16_000, rel=0.1)


def test_cvss_into_english_as_covost_writes_it(cvss: Path, tmp_path: Path) -> None:
    (sample,) = CvssFolder(cvss, common_voice=tmp_path / "zh-CN", reference="covost")
    assert sample.references == ("It has 3 gates.",)


def test_cvss_in_reverse(cvss: Path, tmp_path: Path) -> None:
    (sample,) = CvssFolder(cvss, common_voice=tmp_path / "zh-CN", speech="cvss", language="en")
    assert (sample.id, sample.references, sample.language) == ("common_voice_zh-CN_7", ("它有三个门。",), "en")
    assert sample.audio[0].path == cvss / "test" / "common_voice_zh-CN_7.mp3.wav"
    assert len(sample.audio[0].waveform(16_000)) == 8_000


def test_readings_of_cvss_that_cannot_be_are_refused(cvss: Path) -> None:
    with pytest.raises(ConfigurationError, match="CVSS is read together with Common Voice 4; say with common_voice="):
        CvssFolder(cvss)
    with pytest.raises(ConfigurationError, match=r"no speech of 'cvs', did you mean 'cvss'\?"):
        CvssFolder(cvss, common_voice=cvss, speech="cvs")
    with pytest.raises(ConfigurationError, match=r"speech of cvss has no reference 'covost' \(there is common_voice\)"):
        CvssFolder(cvss, common_voice=cvss, speech="cvss", reference="covost")


def test_a_clip_of_cvss_without_its_counterpart_is_named(cvss: Path, tmp_path: Path) -> None:
    tree(cvss, {"test.tsv": CVSS + "common_voice_zh-CN_8.mp3\tmore\n"})
    for options, table in (({"speech": "cvss"}, "validated"), ({"reference": "covost"}, "covost_v2.zh-CN_en")):
        with pytest.raises(DataError, match=rf"test\.tsv line 2: clip 'common_voice_zh-CN_8\.mp3' is not in .*{table}"):
            list(CvssFolder(cvss, common_voice=tmp_path / "zh-CN", **options))
    (cvss / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"dev\.tsv: cannot be opened"):
        list(CvssFolder(cvss, common_voice=tmp_path / "zh-CN", split="dev"))


def test_both_layouts_are_recognised(covost: Path, cvss: Path, tmp_path: Path) -> None:
    assert len(list(open_dataset(covost, language="en"))) == 2
    (sample,) = open_dataset(cvss, common_voice=tmp_path / "zh-CN", speech="cvss", language="en")
    assert sample.references == ("它有三个门。",)


@pytest.mark.slow
def test_covost_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    mp3 = io.BytesIO()
    soundfile.write(mp3, np.sin(np.arange(48_000) / 10), 48_000, format="MP3")
    row = {
        "client_id": "abc",
        "file": "common_voice_en_2.mp3",
        "audio": {"bytes": mp3.getvalue(), "path": "common_voice_en_2.mp3"},
        "sentence": "Don't move.",
        "translation": "别动。",
        "id": "common_voice_en_2",
    }
    (tmp_path / "en_zh-CN").mkdir()
    datasets.Dataset.from_list([row]).to_parquet(tmp_path / "en_zh-CN" / "test-00000-of-00001.parquet")
    from evalkit.run.composition import compose_configuration
    from evalkit.run.plan import tasks_from_config

    for task in ("covost2_en_zh", "covost2_zh_en"):
        words = [f"task={task}", f"tasks.{task}.dataset.path={tmp_path / 'en_zh-CN'}"]
        (benchmark,) = tasks_from_config(compose_configuration(words))
        (sample,) = benchmark.samples()
        assert (sample.id, sample.references) == ("common_voice_en_2", ("别动。",))
        assert sample.metadata == {"sentence": "Don't move."}
        assert len(sample.audio[0].waveform(16_000)) == pytest.approx(16_000, rel=0.1)
