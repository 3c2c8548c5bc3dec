from pathlib import Path

import pyarrow
import pyarrow.parquet

from evalkit.audio.digests import content_digest
from evalkit.datasets.recordings_in_tables import recordings_in_tables

CONTENTS = [b"one", b"two", b"three", b"four"]
DIGESTS = {content_digest(content): content for content in CONTENTS}


def parquet(path: Path) -> str:
    """Recordings as the hub's tables have them, in a list of rounds, and beside them; one row has none."""
    rows = [
        {"id": 1, "audio": {"bytes": b"one", "path": "1.wav"}, "rounds": [{"wav": {"bytes": b"two"}}], "raw": None},
        {"id": 2, "audio": None, "rounds": [], "raw": b"three"},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return str(path)


def arrow(path: Path) -> str:
    """As the datasets library caches them."""
    table = pyarrow.table({"audio": pyarrow.array([b"four", b"one"], pyarrow.large_binary())})
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    return str(path)


def test_recordings_are_found_wherever_they_lie_in_tables_of_both_forms(tmp_path: Path) -> None:
    tables = [parquet(tmp_path / "a.parquet"), arrow(tmp_path / "b.arrow")]
    assert dict(recordings_in_tables(tables, DIGESTS)) == DIGESTS
    assert len(list(recordings_in_tables(tables * 2, DIGESTS))) == len(DIGESTS), "each once"
    wanted = content_digest(b"two")
    assert list(recordings_in_tables(tables, [wanted, "ff"])) == [(wanted, b"two")]


def test_what_is_no_table_holds_nothing(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.arrow"):
        (tmp_path / name).write_bytes(b"one")
    tables = [str(tmp_path / name) for name in ("a.parquet", "b.arrow", "missing.parquet")]
    tables += [str(tmp_path), "/dev/zero", arrow(tmp_path / "whole.arrow")]
    assert {content for _, content in recordings_in_tables(tables, DIGESTS)} == {b"one", b"four"}
    (tmp_path / "torn.arrow").write_bytes((tmp_path / "whole.arrow").read_bytes()[:300])
    assert list(recordings_in_tables([str(tmp_path / "torn.arrow")], DIGESTS)) == []
