"""Runs of recognition whose figures follow from their samples: errors that grow with noise, drawn from a seed."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.metrics.functions import corpus_error_rate
from evalkit.metrics.resampling import bootstrap
from tests.reports.run_folders import metric, task, utterance, write_run

STATISTICS = ("substitutions", "deletions", "insertions", "reference_length")
LABELS = ("slt", "awb", "rms")
SNRS = (0, 5, 10, 20)


def measured_run(
    parent: Path,
    name: str,
    *,
    samples: int = 60,
    error: float = 0.1,
    seed: int = 0,
    titles: Mapping[str, str] | None = None,
    title: str = "Whisper tiny.en",
    labels: tuple[str, ...] = LABELS,
    **fields: Any,
) -> Path:
    """Write a run of tasks (names with their titles) over the same samples, scored under two schemes."""
    generator = np.random.default_rng(seed)
    lengths = np.random.default_rng(0).integers(4, 16, samples)  # the same references in every run
    rows, counts = [], []
    for index, length in enumerate(lengths):
        snr = SNRS[index % len(SNRS)]
        drawn = generator.binomial(length, min(error * (3 - snr / 10), 1) * np.array([0.5, 0.3, 0.2]))
        substitutions, deletions = int(drawn[0]), int(min(drawn[1], length - drawn[0]))
        of_sample = (substitutions, deletions, int(drawn[2]), int(length))
        counts.append(of_sample)
        words = [f"w{position}" for position in range(length)]
        heard = [f"x{position}" if position < substitutions else word for position, word in enumerate(words)]
        heard = [*heard[: length - deletions], *(f"y{position}" for position in range(of_sample[2]))]
        rows.append(
            utterance(
                f"u{index:03}",
                " ".join(words),
                " ".join(heard),
                of_sample,
                audio=json.dumps([{"locator": f"u{index:03}.flac", "duration": round(float(length) / 3, 2)}]),
                groups=json.dumps({"speaker": labels[index % len(labels)]}),
                metadata=json.dumps({"snr": snr}),
                **{f"wer_raw.{key}": value for key, value in zip(STATISTICS, of_sample, strict=True)},
            )
        )
    statistics = np.array(counts, dtype=float)
    speakers = np.array([labels[index % len(labels)] for index in range(samples)])
    parts = {
        label: {
            "samples": int((speakers == label).sum()),
            "metrics": {key: _numbers(statistics[speakers == label]) for key in ("wer", "wer_raw")},
        }
        for label in dict.fromkeys(labels)
    }
    metrics = {
        "wer": metric(None) | _numbers(statistics) | {"function": "corpus_error_rate"},
        "wer_raw": metric(None, normaliser="raw-en.v1") | _numbers(statistics) | {"function": "corpus_error_rate"},
    }
    sizes: dict[str, Any] = dict.fromkeys(("expected", "total", "scored"), samples)
    entries = {
        key: task(each, None, metrics=metrics, compared=["wer"], groups={"speaker": parts}, **sizes)
        for key, each in (titles or {"demo": "Demo"}).items()
    }
    return write_run(parent, name, entries, title=title, utterances=rows, **fields)


def _numbers(statistics: Any) -> dict[str, Any]:
    totals = statistics.sum(axis=0)
    low, high = bootstrap(statistics, corpus_error_rate, resamples=200)
    known = math.isfinite(low + high)  # of few samples no interval is given
    return {
        "value": 100 * corpus_error_rate(totals),
        "interval": [100 * low, 100 * high] if known else None,
        "standard_error": 100 * (high - low) / 4 if known else None,
        "statistics": dict(zip(STATISTICS, totals.tolist(), strict=True)),
    }
