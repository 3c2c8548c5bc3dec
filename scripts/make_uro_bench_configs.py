"""Write configs/task/uro_*.yaml and configs/suite/uro_bench_*.yaml from the facts in tasks/uro_bench/subsets.csv.

python scripts/make_uro_bench_configs.py [--check]
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tasks.uro_bench import subsets  # noqa: E402 - found once the path is set

_CLASSES = {
    "multi": "JudgedDialogues",
    "sa": "JudgedDialogues",
    "srt": "JudgedSpeech",
    "wer": "Repetition",
    "ge": "EmotionGeneration",
}
_LANGUAGES = {"en": "English", "zh": "Chinese"}
_NEWEST = subsets.VERSIONS[-1]


def task_name(subset: subsets.Subset) -> str:
    """Return the key of a subset's task, such as ``uro_alpacaeval_zh``."""
    return f"uro_{subset.name.lower().replace('-', '_')}"


def group(subset: subsets.Subset) -> str:
    """Return the heading in published tables."""
    return f"{_LANGUAGES[subset.language]} {subset.track.capitalize()}"


def task_config(subset: subsets.Subset) -> str:
    """Return the content of a task's file."""
    older = f" # v1: {subset.sizes['v1']}" if "v1" in subset.sizes else ""
    # The original recognises the answers of Multilingual as it does English ones, but they are in many languages.
    spoken = "" if subset.mode == "ml" else f"\n  language: {subset.language}"
    return f"""\
# @package tasks.{task_name(subset)}
# URO-Bench {subset.name}: {subset.about}
_target_: tasks.uro_bench.{_CLASSES.get(subset.mode, "JudgedAnswers")}
title: URO-Bench {subset.name}
subset: {subset.name}
language: {subset.language}
version: {_NEWEST} # of the data; {"or v1" if older else "v1 has no such subset"}
expected_samples: {subset.sizes[_NEWEST]}{older}
place: {{table: uro_bench, group: {group(subset)}, benchmark: {subset.name}, dimension: {subset.dimension}}}
facts:
  licence: MIT (code)
  access: open
  source: hub Honggao/URO-Bench, URO-Bench-data.zip
dataset:
  _target_: tasks.uro_bench.UroBenchSubset
  path: ${{data_root}}/URO-Bench-data/{subset.track}/{subset.name}{spoken}
"""


def suite_config(members: list[subsets.Subset], version: str) -> str:
    """Return the content of the file of one track in one language, in one version of the data."""
    modes = {subset.mode for subset in members}
    roles = ["transcriber", "judge"]
    roles += ["audio_judge"] if "srt" in modes else []
    roles += ["emotion_classifier"] if "ge" in modes else []
    what = f"{group(members[0])}, data {version}: {len(members)} subsets; needs the roles {', '.join(roles)}"
    lines = ["# @package _global_", f"# URO-Bench {what}", "defaults:", "  - /task:"]
    lines += [f"      - {task_name(subset)}" for subset in members]
    if version != _NEWEST:
        lines += ["  - _self_", "tasks:"]
        lines += [f"  {task_name(subset)}: {{version: {version}}}" for subset in members]
    return "\n".join([*lines, ""])


def files() -> dict[Path, str]:
    """Return every file with its content."""
    found = {}
    suites = defaultdict(list)
    for subset in subsets.load_subsets().values():
        found[ROOT / "configs" / "task" / f"{task_name(subset)}.yaml"] = task_config(subset)
        for version in subset.sizes:
            suites[subset.track, subset.language, version].append(subset)
    for (track, language, version), members in suites.items():
        suffix = "" if version == _NEWEST else f"_{version}"
        path = ROOT / "configs" / "suite" / f"uro_bench_{track}_{language}{suffix}.yaml"
        found[path] = suite_config(members, version)
    return found


def main() -> int:
    """Write the files, or only say which differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not as it should be")
    check = parser.parse_args().check
    stale = [
        path for path, content in files().items() if not path.is_file() or path.read_text(encoding="utf-8") != content
    ]
    for path in stale:
        print(path.relative_to(ROOT))
        if not check:
            path.write_text(files()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
