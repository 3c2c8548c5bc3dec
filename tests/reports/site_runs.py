"""Runs for the tests of the pages: what every family of tasks leaves, with sound, hostile texts and other scripts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.reports.run_folders import metric, task, utterance, write_run

HOSTILE = (
    "</script><script>window.hostile = 1</script><img src=x onerror='window.hostile = 1'> javascript:alert(1) "
    "\u202eevil\u2066 \u2028 https://example.com/"
)
RECORDED = {"function": "corpus_error_rate", "statistics": dict.fromkeys(
    ("substitutions", "deletions", "insertions", "reference_length"), 1.0
)}  # fmt: skip


def sound(path: Path, seconds: float = 1.0, hertz: float = 440.0) -> Path:
    """A tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(int(16_000 * seconds)) / 16_000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * times), 16_000)
    return path


def transcriptions() -> dict[str, Any]:
    """A task's entry of metrics.json whose samples can be counted one by one."""
    return task(
        "Demo clean",
        0.25,
        compared=["wer"],
        metrics={"wer": metric(0.25, other_languages="raw-zh.v1 by character") | RECORDED},
    )


def row(
    sample: str, reference: str, hypothesis: str, counts: tuple[int, int, int, int], **fields: Any
) -> dict[str, Any]:
    """A row of a transcription task with all that real ones have."""
    return utterance(sample, reference, hypothesis, counts) | {
        "groups": json.dumps({"speaker": sample[0]}),
        "reason_kind": None,
        **fields,
    }


def speech_run(
    parent: Path, name: str, rows: Sequence[dict[str, Any]], recordings: Path | None = None, title: str = "Tiny"
) -> Path:
    """A run of transcriptions whose recordings lie in a folder."""
    folder = write_run(parent, name, {"demo": transcriptions()}, utterances=rows, title=title)
    data = {"demo": {"samples": len(rows), "folder": None if recordings is None else str(recordings)}}
    (folder / "provenance.json").write_text(json.dumps({"models": {}, "data": data, "sessions": [], "usage": {}}))
    return folder
