"""A shard of a run as it is found on disk, and in what two of them differ."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.object_store import is_held
from evalkit.results.fields import Fields
from evalkit.results.folder import PROVENANCE, RunFolder, differences, read_json, recorded_models
from evalkit.results.folder_lock import RunInUseError
from evalkit.results.metrics_file import FILE_NAME, RunResult, read_run
from evalkit.results.publication import settled_run
from evalkit.results.shards import WHOLE, Shard, WholeData
from evalkit.run.stored import read_stored_config

# What may differ from shard to shard: where it is carried out and when it stops. The data are told by their
# fingerprint, and a model by its own, whatever way leads to them there.
_OF_A_SHARD = (
    "shard", "runs", "data_root", "executor", "executors", "cache", "budget", "max_failures", "fresh", "missing_data",
    "missing_roles",
)  # fmt: skip
_OF_REQUESTS = ("title", "prompts", "generation")


@dataclass(frozen=True, slots=True)
class ShardFound:
    """A shard as it is found.

    Attributes:
        shard: which one.
        folder: its own.
        in_use: whether a process is writing to it, here or, where that can be told, on another machine.
        config: it was made with.
        provenance: its content; empty if it was stopped before there was any.
        run: what it has finished; None if that is nothing.
    """

    shard: Shard
    folder: Path
    in_use: bool
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    run: RunResult | None

    def whole(self) -> dict[str, WholeData]:
        """Return the samples of all shards together, by task."""
        where = str(self.folder / PROVENANCE)
        data = Fields(where, self.provenance).mappings("data")
        return {name: WholeData.from_fields(Fields(f"{where}.data.{name}", data[name]).object(WHOLE)) for name in data}

    def has_finished(self, task: str, whole: WholeData) -> bool:
        """Tell whether the shard has results of all its samples of a task."""
        result = None if self.run is None else self.run.tasks.get(task)
        return not self.in_use and result is not None and result.samples.total == self.shard.size(whole.samples)


def opened(shard: Shard, place: Path, stack: ExitStack) -> ShardFound:
    """Read a shard, and keep others from writing to it until the stack is closed.

    Raises:
        StoreError: it is damaged, or the object store that it lies on cannot be reached.
    """
    in_use = is_held(place)
    if not in_use:
        try:
            settled_run(stack.enter_context(closing(RunFolder(place))))
        except RunInUseError:
            in_use = True
    provenance = read_json(place / PROVENANCE) if (place / PROVENANCE).is_file() else {}
    run = read_run(place) if (place / FILE_NAME).is_file() else None
    return ShardFound(shard, place, in_use, read_stored_config(place), provenance, run)


def difference(first: ShardFound, other: ShardFound) -> str:
    """Return in what two shards differ that decides figures, but for their data; empty if in nothing.

    Raises:
        StoreError: the record of one is damaged.
    """
    if found := _first_difference(*_decisive(first.config, other.config)):
        setting, there, here = found
        return f"{setting} is {here}, there {there}"
    models = [recorded_models(part.provenance) for part in (first, other)]
    for role in models[0].keys() & models[1].keys():
        for key, before, now in differences(models[0][role], models[1][role]):
            hint = f" ({role}.server={before} tells that it is the same model at another place)"
            return f"the {role}'s {key} is {now}, there {before}{hint if key == 'server' else ''}"
    if first.provenance and other.provenance:
        left_out = [sorted(Fields(PROVENANCE, part.provenance).mapping("left_out")) for part in (first, other)]
        if left_out[0] != left_out[1]:
            return f"it leaves out {', '.join(left_out[1]) or 'no task'}, there {', '.join(left_out[0]) or 'none'}"
    if first.run is not None and other.run is not None and first.run.evalkit != other.run.evalkit:
        versions = f"evalkit {other.run.evalkit} made it, there {first.run.evalkit}"
        return f"{versions}; the same command, run again by one version, asks nothing twice"
    return ""


def _decisive(first: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what of two configurations decides figures: of tasks and models as far as both have them."""
    kept: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for config, decisive in zip((first, other), kept, strict=True):
        for key, node in config.items():
            if key == "tasks":
                common = [name for name in node if name in first["tasks"] and name in other["tasks"]]
                tasks = {name: {k: v for k, v in node[name].items() if k != "dataset"} for name in common}
                decisive[key] = tasks
            elif isinstance(node, dict) and "_target_" in node:
                if isinstance(first.get(key), dict) and isinstance(other.get(key), dict):
                    decisive[key] = {inner: node.get(inner) for inner in _OF_REQUESTS}
            elif key not in _OF_A_SHARD:
                decisive[key] = node
    return kept


def _first_difference(first: Any, other: Any, way: str = "") -> tuple[str, Any, Any] | None:
    """Return the first setting in which two configurations differ, and its values; one that is not there is null."""
    if isinstance(first, dict) and isinstance(other, dict):
        inner = (
            _first_difference(first.get(key), other.get(key), f"{way}.{key}".removeprefix("."))
            for key in dict.fromkeys((*first, *other))
        )
        return next(filter(None, inner), None)
    return None if first == other else (way, first, other)
