"""What a run writes down of itself while it goes on."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from evalkit.results.folder import PROVENANCE, RunFolder
from evalkit.results.provenance import ProvenanceRecord


def test_models_are_met_while_tasks_are_finished_in_other_threads(tmp_path: Path) -> None:
    with closing(RunFolder(tmp_path / "run")) as folder:
        record = ProvenanceRecord(folder, {}, {}, dict)
        with ThreadPoolExecutor(8) as pool:
            finished = pool.map(record.task_finished, [f"task {number}" for number in range(200)])
            met = pool.map(record.meet, [f"role {number}" for number in range(200)], [{"path": "x"}] * 200)
            assert (len(list(finished)), len(list(met))) == (200, 200)
        content = json.loads((folder.path / PROVENANCE).read_text(encoding="utf-8"))
    assert len(content["models"]) == 200
    assert len(content["sessions"][0]["seconds"]) == 200
