"""``evalkit doctor``: what is installed, which models and tasks can run here, and why not."""

import argparse
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import evalkit
from evalkit.cli.catalogue import Entry, entries
from evalkit.cli.columns import columns

# What each extra brings that can be looked for without importing it.
_EXTRAS = {
    "hub": ("datasets",),
    "openai": ("aiohttp", "pybase64"),
    "whisper": ("faster_whisper",),
    "pocketsphinx": ("pocketsphinx",),
    "transformers": ("torch", "transformers"),
    "step-audio-2": ("torch", "transformers", "accelerate", "huggingface_hub", "onnxruntime"),
    "mos": ("speechmos", "librosa", "onnxruntime", "requests"),
    "emotion2vec": ("torch", "funasr"),
}


def command(arguments: Sequence[str]) -> int:
    """Print what can run on this machine."""
    parser = argparse.ArgumentParser(prog="evalkit doctor", description=__doc__)
    parser.add_argument(
        "--data-root",
        type=Path,
        default=Path(os.environ.get("EVALKIT_DATA", "data")),
        help="where data sets lie, as data_root= of a run (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    print(f"evalkit {evalkit.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores\n")
    print(columns(("extra", "state"), [(extra, _extra_state(extra)) for extra in _EXTRAS]), end="\n\n")
    print(columns(("model", "can run here"), [(entry.name, _model_state(entry)) for entry in entries("model")]))
    print(f"\ndata_root={options.data_root}{'' if options.data_root.is_dir() else ' (no such folder)'}")
    rows = [(entry.name, _task_state(entry, options.data_root)) for entry in entries("task")]
    print(columns(("task", "data"), rows))
    return 0


def _missing(modules: Sequence[str]) -> list[str]:
    return [module for module in modules if find_spec(module) is None]


def _extra_state(extra: str) -> str:
    if missing := _missing(_EXTRAS[extra]):
        return f"not installed ({', '.join(missing)}): pip install 'evalkit[{extra}]'"
    return ", ".join(f"{module} {metadata.version(module.replace('_', '-'))}" for module in _EXTRAS[extra])


def _model_state(entry: Entry) -> str:
    if missing := _missing(entry.content.get("requires", [])):
        return f"no: {', '.join(missing)} not installed; pip install 'evalkit[{entry.content['extra']}]'"
    variable = entry.content.get("api_key_variable")
    if variable is not None and not os.environ.get(variable):
        return f"no: the environment variable {variable}, which is to hold the API key, is not set"
    to_give = [key for key, value in entry.content.items() if value == "???"]
    return f"yes, give {', '.join(f'model.{key}=' for key in to_give)}" if to_give else "yes"


def _task_state(entry: Entry, data_root: Path) -> str:
    dataset: Mapping[str, Any] = entry.content["dataset"]
    path = str(dataset.get("path", ""))
    if path.startswith("${package:"):
        return "at hand, part of evalkit"
    local = Path(path.replace("${data_root}", str(data_root)))
    if local.exists():
        return f"at hand: {local}"
    access = entry.content["facts"]["access"]
    if "hub" in dataset:
        return f"not at {local}; from the hub at run time: {dataset['hub']['repository']} ({access})"
    return f"no: nothing at {local} ({access}: {entry.content['facts']['source']})"
