from pathlib import Path

import pytest

from evalkit.audio import Audio
from evalkit.datasets.recordings_place import RecordingsFinder, RecordingsPlace, find_recording
from evalkit.types import Sample


def folder_of(*recordings: Audio) -> str | None:
    return place_of(*recordings).folder


def place_of(*recordings: Audio) -> RecordingsPlace:
    finder = RecordingsFinder()
    for number, each in enumerate(recordings):
        finder.add(Sample(str(number), (each,)))
    return finder.place


def test_the_folder_is_the_one_in_which_every_recording_is_found_by_its_name(tmp_path: Path) -> None:
    recordings = [Audio(name, tmp_path / name) for name in ("a/1.wav", "b/2.wav")]
    assert folder_of(*recordings) == str(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.wav").write_bytes(b"")
    assert find_recording(tmp_path, "a/1.wav") == tmp_path / "a" / "1.wav"


def test_names_that_step_upward_lie_in_the_folder_above(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "1.wav").write_bytes(b"")
    folder = folder_of(Audio("../audio/1.wav", tmp_path / "questions" / ".." / "audio" / "1.wav"))
    assert folder == str(tmp_path)
    assert find_recording(folder, "../audio/1.wav") == tmp_path / "audio" / "1.wav"


def test_recordings_of_several_folders_or_without_files_have_none(tmp_path: Path) -> None:
    inside = Audio("1.wav", tmp_path / "1.wav")
    assert folder_of(inside, Audio("2.wav", tmp_path / "other" / "2.wav")) is None
    assert folder_of(inside, Audio("2.wav", content=bytes)) is None
    assert folder_of(inside, Audio("x/../../2.wav", f"{tmp_path}/x/../../2.wav")) is None
    assert folder_of(Audio("called otherwise", tmp_path / "1.wav")) is None
    assert folder_of() is None


@pytest.mark.parametrize(
    "name", ["../../secret.wav", "x/../../secret.wav", "/etc/passwd", "link.wav", "", ".", "\0", "n" * 5000]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.wav").write_bytes(b"")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.wav").symlink_to(tmp_path / "secret.wav")
    assert find_recording(tmp_path / "data", name) is None


def test_tables_that_hold_recordings_are_named_once(tmp_path: Path) -> None:
    table, other = str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")
    held = [Audio(str(number), content=bytes, tables=(table, other)) for number in range(2)]
    place = place_of(*held, Audio("1.wav", tmp_path / "1.wav"))
    assert place == RecordingsPlace(None, (table, other))
    assert RecordingsPlace.from_json(place.to_json()) == place


def test_a_record_of_somebody_else_says_nothing_that_it_cannot() -> None:
    assert RecordingsPlace.from_json({"folder": 1, "tables": ["a", None, 2]}) == RecordingsPlace(None, ("a",))
    assert RecordingsPlace.from_json({"tables": "a"}) == RecordingsPlace()
