import json
import re
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from evalkit.audio.digests import content_digest
from evalkit.cli.main import main
from evalkit.results.metrics_file import read_run
from reports.samples.scored import SampleReader
from reports.site.data import ROWS_IN_A_PIECE
from reports.site.scripts import Shared, call
from reports.write import write_report
from tests.reports.site_runs import HOSTILE, row, sound, speech_run

_CALL = re.compile(r"evalkit\.(\w+)\((.*)\);\n", re.DOTALL)


def arguments(path: Path) -> list[Any]:
    """What a script hands to the page, read as the JSON that it must be."""
    match = _CALL.fullmatch(path.read_text(encoding="utf-8"))
    assert match is not None
    return json.loads(f"[{match[2]}]")


def piece(report: Path, name: str = "00000", run: str = "run") -> list[Any]:
    return arguments(report / "data" / "runs" / run / "demo" / f"{name}.js")


def test_samples_are_written_in_pieces_and_one_index_finds_them(tmp_path: Path) -> None:
    count = 2 * ROWS_IN_A_PIECE + 3
    rows = [row(f"u{number:04}", "one two", "one too", (1, 0, 0, 2)) for number in range(count)]
    run = speech_run(tmp_path, "run", rows)
    report = write_report([run], output_folder=tmp_path / "report")
    names = [path.name for path in report.files if "runs" in path.parts]
    assert names == ["00000.js", "00001.js", "00002.js", "index-000.js"]
    _, number, records, _ = piece(tmp_path / "report", "00002")
    assert (number, [record["id"] for record in records]) == (2, ["u0400", "u0401", "u0402"])
    _, _, columns = piece(tmp_path / "report", "index-000")
    assert {len(column) for column in columns.values()} == {count}
    assert (columns["score"][0], columns["errors"][0], columns["wrong"][0]) == (50.0, 1, 1)
    assert columns["groups"][0] == {"speaker": "u"}
    assert columns["text"][0] == "u0000\none two\none too"


def test_a_record_has_the_alignment_that_the_figure_counts_and_reads_well(tmp_path: Path) -> None:
    reference, hypothesis = "see the quick brown fox", "see brow fog"
    run = speech_run(tmp_path, "run", [row("u", reference, hypothesis, (2, 2, 0, 5))])
    write_report([run], output_folder=tmp_path / "report")
    [record] = piece(tmp_path / "report")[2]
    assert record["steps"] == [
        "see",
        ["D", "the", None],
        ["D", "quick", None],
        ["S", "brown", "brow"],
        ["S", "fox", "fog"],
    ]
    assert record["values"] == {"wer": 80.0}


def test_what_a_model_wrote_can_end_no_script_and_steer_no_reader(tmp_path: Path) -> None:
    run = speech_run(tmp_path, "run", [row(HOSTILE, HOSTILE, HOSTILE, (0, 0, 0, 9))])
    report = write_report([run], output_folder=tmp_path / "report")
    for path in report.files:
        if path.suffix in (".js", ".html") and "site" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert "<script>" not in text
            assert "<img" not in text
            assert not set("\u202e\u2066\u2028") & set(text)
    [record] = piece(tmp_path / "report")[2]
    assert record["references"] == [HOSTILE]


def test_long_values_stand_in_a_piece_once() -> None:
    shared = Shared()
    prompt, tools = "p" * 100, [{"name": "t"}]
    first = shared.of({"messages": [{"content": [prompt, "short"]}], "tools": tools})
    assert first == {"messages": [{"content": [{"$": 0}, "short"]}], "tools": {"$": 1}}
    assert shared.of({"messages": [{"content": [prompt]}], "tools": tools}) == {
        "messages": [{"content": [{"$": 0}]}],
        "tools": {"$": 1},
    }
    assert shared.values == [prompt, tools]
    assert json.loads(call("rows", "\U000e0041<")[len("evalkit.rows(") : -3]) == "\U000e0041<"


def test_sounds_are_linked_copied_or_left_out(tmp_path: Path) -> None:
    sound(tmp_path / "data" / "a b.flac")
    (tmp_path / "data" / "b.flac").write_text("no sound")
    audio = json.dumps([{"locator": "a b.flac", "duration": None}, {"locator": "b.flac", "duration": 2.0}])
    run = speech_run(tmp_path, "run", [row("u", "a", "a", (0, 0, 0, 1), audio=audio)], tmp_path / "data")
    for mode in ("link", "copy", "none"):
        write_report([run], output_folder=tmp_path / mode, audio=mode)
        [record] = piece(tmp_path / mode)[2]
        heard, damaged = record["audio"]
        assert damaged == {"name": "b.flac", "seconds": 2.0}
        if mode == "none":
            assert heard == {"name": "a b.flac", "seconds": None}
            continue
        assert heard["seconds"] == 1.0
        assert len(heard["peaks"]) == 2 * 160
        assert set(heard["peaks"][2:-2]) <= set("4cdab")  # a tone of 0.3 of full scale
    linked, copied = (piece(tmp_path / mode)[2][0]["audio"][0]["url"] for mode in ("link", "copy"))
    assert linked == (tmp_path / "data" / "a b.flac").as_uri()
    assert (tmp_path / "copy" / copied).read_bytes() == (tmp_path / "data" / "a b.flac").read_bytes()
    _, frames, bands, _ = arguments((tmp_path / "copy" / copied).with_suffix(".js"))
    assert (frames, bands) == (97, 64)


def test_a_run_folder_of_somebody_else_has_no_other_file_played_or_copied(tmp_path: Path) -> None:
    sound(tmp_path / "private" / "secret.flac")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.flac").symlink_to(tmp_path / "private" / "secret.flac")
    names = [
        "../private/secret.flac",
        str(tmp_path / "private" / "secret.flac"),
        "link.flac",
        "x/../../private/secret.flac",
    ]
    audio = json.dumps([{"locator": name, "duration": None} for name in [*names, "\0", "a" * 5000]])
    speech = [{"role": "model", "text": "a", "speech": name} for name in names]
    run = speech_run(
        tmp_path, "run", [row("u", "a", "a", (0, 0, 0, 1), audio=audio, responses=speech)], tmp_path / "data"
    )
    for mode in ("link", "copy"):
        report = write_report([run], output_folder=tmp_path / mode, audio=mode)
        assert not [path for path in report.files if path.parent.name == "audio"]
        text = (tmp_path / mode / "data" / "runs" / "run" / "demo" / "00000.js").read_text()
        assert '"url"' not in text


def test_copies_are_made_smaller_on_request(tmp_path: Path) -> None:
    import soundfile

    sound(tmp_path / "data" / "u.flac", 2.0)
    run = speech_run(tmp_path, "run", [row("u", "a", "a", (0, 0, 0, 1))], tmp_path / "data")
    for form, container in (("mp3", "MP3"), ("opus", "OGG")):
        report = write_report([run], output_folder=tmp_path / form, audio="copy", copy_as=form)  # type: ignore[arg-type]
        [path] = [path for path in report.files if path.suffix == f".{form}"]
        assert soundfile.info(path).format == container
        assert soundfile.info(path).duration == pytest.approx(2.0, abs=0.1)


def test_the_pages_of_two_runs_tell_the_words_gained_and_lost_and_the_verdict(tmp_path: Path) -> None:
    base = [row(f"u{n}", "red green blue", "red grin blue", (1, 0, 0, 3)) for n in range(8)]
    new = [row(f"u{n}", "red green blue", "rad green blue", (1, 0, 0, 3)) for n in range(8)]
    runs = [speech_run(tmp_path, name, rows, title=name) for name, rows in (("base", base), ("new", new))]
    write_report(runs, output_folder=tmp_path / "report")
    page = (tmp_path / "report" / "tasks" / "demo.html").read_text()
    gained, lost = page.split("<caption>Gained")[1].split("<caption>Lost")
    assert "green" in gained.split("</table>")[0]
    assert "red" in lost.split("</table>")[0]
    assert "no evidence" in page
    assert arguments(tmp_path / "report" / "data" / "words" / "demo.js") == [
        [["red", 8, 8, 0], ["green", 8, 0, 8], ["blue", 8, 8, 8]]
    ]


def test_loops_and_empty_answers_are_told(tmp_path: Path) -> None:
    run = speech_run(tmp_path, "run", [row("u", "a", "a " * 40, (0, 0, 39, 1)), row("e", "a", "", (0, 1, 0, 1))])
    result = read_run(run)
    looped, empty = SampleReader(result, result.tasks["demo"])
    assert (looped.flags, empty.flags) == (["loop"], ["empty"])
    assert (looped.wrong, looped.values) == (True, {"wer": 3900.0})


def test_a_recording_that_a_model_heard_a_part_of_is_told(tmp_path: Path) -> None:
    run = speech_run(tmp_path, "run", [row("u", "a b", "a", (0, 1, 0, 2))])
    response = {"text": "a", "seconds": 0.1, "overlong": "cut", "notes": ["heard 30 of 60 s"]}
    record = {"sample": "u", "call": 0, "request": "r", "response": response}
    (run / "demo" / "model.jsonl").write_text(json.dumps(record) + "\n")
    write_report([run], output_folder=tmp_path / "report")
    [record] = piece(tmp_path / "report")[2]
    assert record["flags"] == ["audio_cut"]
    assert record["calls"][0]["notes"] == ["heard 30 of 60 s"]
    [task] = arguments(tmp_path / "report" / "data" / "tasks" / "demo.js")
    assert task["flags"]["audio_cut"] == "audio cut to what the model takes"


def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(tmp_path: Path) -> None:
    run = speech_run(tmp_path, "run", [row("u", "a", "a", (0, 0, 0, 1))])
    report = write_report([run], output_folder=tmp_path / "report", published=["Step-Audio 2"])
    pages = [
        path.read_text(encoding="utf-8")
        for path in report.files
        if path.name == "index.html" or path.match("tasks/*.html")
    ]
    assert len(pages) == 2
    for page in pages:
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in page
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script>|https?:", page)


def test_recordings_inside_tables_are_copied_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tone = sound(tmp_path / "tone.flac").read_bytes()
    mp3 = sound(tmp_path / "tone.mp3").read_bytes()
    rows = [{"audio": {"bytes": content}} for content in (tone, mp3, b"no sound")]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "data.parquet")
    digests = [content_digest(content) for content in (tone, mp3, b"no sound", b"not there")]
    audio = json.dumps([{"locator": f"u{at}", "duration": None, "digest": each} for at, each in enumerate(digests)])
    run = speech_run(tmp_path, "run", [row("u", "a", "a", (0, 0, 0, 1), audio=audio)])
    provenance = json.loads((run / "provenance.json").read_text())
    provenance["data"]["demo"]["tables"] = [str(tmp_path / "data.parquet"), str(tmp_path / "gone.parquet")]
    (run / "provenance.json").write_text(json.dumps(provenance))
    for mode in ("link", "copy", "none"):
        output = tmp_path / mode
        assert main(["report", str(run), "--output", str(output), "--audio", mode]) == 0
        said = "copying the recordings inside a table (0.0 MB at most)"
        assert (said in capsys.readouterr().err) == (mode != "none")
        heard = piece(output)[2][0]["audio"]
        if mode == "none":
            assert not any("url" in each for each in heard)
            continue
        assert [(output / each["url"]).read_bytes() for each in heard[:2]] == [tone, mp3]
        assert [each["url"].rpartition(".")[2] for each in heard[:2]] == ["flac", "mp3"]
        assert {"seconds", "peaks", "spectrogram"} <= heard[0].keys()
        assert not any("url" in each for each in heard[2:])
