"""How long the report of many samples takes to write, in what memory, and how soon its pages answer in a browser.

Utterances have 16 words and 6 % errors. The times of the pages are those of a real browser on this machine: opening the
page until its list is there, and a search, a filter and a sort, each until the list is drawn.

Run it as ``python -m tests.performance.report_pages``, which takes about four minutes, or name numbers of samples, the
smallest first: the peak of memory is that of all so far.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from reports.write import write_report
from tests.browser import open_browser
from tests.reports.site_runs import row, speech_run

_SYLLABLES = "ba ce di fo gu ha le mi no pra que ro sta ter vin wol yon zer lan dish merk tol".split()
_AT_A_TIME = 5_000


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", nargs="*", type=int, default=[20_000, 200_000])
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)  # in a process of its own, for its memory
    options = parser.parse_args()
    if options.make:
        make(options.make, options.samples[0])
        return
    for samples in options.samples:
        measure(samples)


def measure(samples: int) -> None:
    """Print what the report of so many samples takes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.performance.report_pages", str(samples), "--make", folder]
        subprocess.run(command, check=True)
        began, began_cpu = time.perf_counter(), time.process_time()
        write_report([Path(folder) / "run"], output_folder=Path(folder) / "report")
        took, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = sum(path.stat().st_size for path in (Path(folder) / "report").rglob("*") if path.is_file()) / 1e6
        print(
            f"{samples:,} samples: written in {took:.1f} s ({cpu:.1f} s of processor time), peak of {memory:,.0f} MB, "
            f"files of {size:,.0f} MB",
            flush=True,
        )
        browse(Path(folder) / "report" / "tasks" / "demo.html")


def browse(page_file: Path) -> None:
    """Print how long the page takes to open, and to answer."""
    with open_browser() as browser:
        page = browser.page()
        page.set_default_timeout(600_000)
        began = time.perf_counter()
        page.goto(page_file.as_uri())
        page.wait_for_selector("#browser[data-ready]")
        print(f"opened in {time.perf_counter() - began:.2f} s")
        for name, state in {
            "search": "q=mera", "filter": "result=wrong&group.speaker=u", "sort": "sort=worst", "by name": "sort=id"
        }.items():  # fmt: skip
            page.evaluate(f"location.hash = '{state}'")
            page.wait_for_timeout(2_000)
            print(f"{name}: {float(page.get_attribute('#browser', 'data-took')):.0f} ms")


def make(folder: Path, samples: int) -> None:
    """Write a run of so many utterances."""
    words = random.Random(0)
    vocabulary = ["".join(words.choices(_SYLLABLES, k=words.randint(1, 3))) for _ in range(4_000)]
    run = speech_run(folder, "run", [row("u", "a", "a", (0, 0, 0, 1))])
    path = run / "demo" / "scores.parquet"
    schema = pyarrow.parquet.read_schema(path)
    with pyarrow.parquet.ParquetWriter(path, schema) as file, (run / "demo" / "model.jsonl").open("w") as calls:
        for start in range(0, samples, _AT_A_TIME):
            rows = []
            for number in range(start, min(start + _AT_A_TIME, samples)):
                said = words.choices(vocabulary, k=16)
                heard = [words.choice(vocabulary) if words.random() < 0.06 else word for word in said]
                wrong = sum(a != b for a, b in zip(said, heard, strict=True))
                rows.append(row(f"u{number:06}", " ".join(said), " ".join(heard), (wrong, 0, 0, 16)))
                asked = {"messages": [{"role": "user", "content": [{"audio": f"u{number:06}.flac"}]}]}
                record = {"sample": f"u{number:06}", "call": 0, "request": "r", "asked": asked}
                response = {"text": " ".join(heard), "seconds": 0.5}
                calls.write(json.dumps(record | {"response": response}) + "\n")
            file.write_table(pa.Table.from_pylist(rows, schema=schema))
    content = json.loads((run / "metrics.json").read_text())
    content["tasks"]["demo"]["samples"] |= {"expected": samples, "total": samples, "scored": samples}
    (run / "metrics.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main()
