"""``evalkit doctor``: what is installed, which models and tasks can run here, and why not."""

import argparse
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from evalkit.cli.can_run import model_state
from evalkit.cli.catalogue import Folders, option_names
from evalkit.cli.columns import columns
from evalkit.errors import ConfigurationError
from evalkit.hints import DISTRIBUTION, install_command
from evalkit.printable import printable
from evalkit.rooms import HOME
from evalkit.run.composition import compose_configuration, configurations
from evalkit.version import __version__


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Print what can run on this machine."""
    parser = argparse.ArgumentParser(prog="evalkit doctor", description=__doc__)
    parser.add_argument(
        "--data-root",
        type=Path,
        default=Path(os.environ.get("EVALKIT_DATA", "data")),
        help="where data sets lie, as data_root= of a run (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    data_root = options.data_root.expanduser()
    print(f"evalkit {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(*_strangers(), sep="\n")
    print(columns(("extra", "state"), list(_extras())), end="\n\n")
    print(columns(("model", "can run here"), list(_models(folders))))
    print(f"\ndata_root={printable(str(data_root))}{'' if data_root.is_dir() else ' (no such folder)'}")
    print(columns(("task", "data"), list(_tasks(folders, data_root))))
    return 0


def _strangers() -> Iterator[str]:
    """Yield a warning if the distribution of another project called evalkit has overwritten files of this one."""
    try:
        stranger = metadata.distribution("evalkit")
    except metadata.PackageNotFoundError:
        return
    yield (
        f"Another distribution, evalkit {stranger.version}, is installed, whose files go where ours do: "
        f"pip uninstall evalkit, then install {DISTRIBUTION} again (this one lies in {HOME})"
    )


def _extras() -> Iterator[tuple[str, str]]:
    """Yield each extra of the installed distribution, and its versions or what of it is missing."""
    try:
        described = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        yield "(not known)", f"{DISTRIBUTION} is not installed; this evalkit runs from {HOME}"
        return
    for extra in described.get_all("Provides-Extra") or ():
        required = dict(_requirements(extra))
        missing = [name for name, version in required.items() if version is None]
        if missing:
            yield extra, f"not installed ({', '.join(missing)}): {install_command(extra)}"
        else:
            yield extra, ", ".join(f"{name} {version}" for name, version in required.items())


def _requirements(extra: str) -> Iterator[tuple[str, str | None]]:
    """Yield the distributions that an extra brings with their versions; None for one that is absent or does not fit."""
    from packaging.requirements import Requirement

    for line in metadata.requires(DISTRIBUTION) or ():
        requirement = Requirement(line)
        if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name == DISTRIBUTION:
            for inner in sorted(requirement.extras):
                yield from _requirements(inner)
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield requirement.name, None
        else:
            yield requirement.name, version if requirement.specifier.contains(version, prereleases=True) else None


def _models(folders: Folders) -> list[tuple[str, str]]:
    names = option_names("model", folders)
    settings = [_model_settings(name, folders) for name in names]
    with ThreadPoolExecutor() as pool:  # servers are asked whether they are there, and may keep us waiting
        return list(zip(names, pool.map(_model_state, settings), strict=True))


def _model_settings(name: str, folders: Folders) -> Mapping[str, Any] | ConfigurationError:
    """Return a model's settings as a run would have them, or the error that says why there are none."""
    try:
        config = compose_configuration([f"model={name}"], folders)
        with configurations(folders):
            settings: Any = OmegaConf.to_container(config.model, resolve=True)
    except ConfigurationError as error:
        return error
    return dict(settings)


def _model_state(settings: Mapping[str, Any] | ConfigurationError) -> str:
    return f"no: {settings}" if isinstance(settings, ConfigurationError) else model_state(settings)


def _tasks(folders: Folders, data_root: Path) -> Iterator[tuple[str, str]]:
    names = option_names("task", folders)
    root = f"data_root={data_root}"
    try:
        tasks = compose_configuration([f"task=[{','.join(names)}]", root], folders).tasks
    except ConfigurationError:
        for name in names:
            try:
                for task, config in compose_configuration([f"task={name}", root], folders).tasks.items():
                    yield str(task), _task_state(config)
            except ConfigurationError as error:
                yield name, f"no: {error}"
        return
    for task, config in tasks.items():
        yield str(task), _task_state(config)


def _task_state(config: DictConfig) -> str:
    try:
        with configurations():
            task: Any = OmegaConf.to_container(config, resolve=True)
    except ConfigurationError as error:
        return f"no: {error}"
    dataset, facts = task.get("dataset") or {}, task.get("facts") or {}
    access = facts.get("access", "access not known")
    path = dataset.get("path")
    if path in (None, "???"):
        return "to be given" if path else "of its own making"
    local = Path(path).expanduser()
    if local.is_relative_to(HOME):
        return "at hand, part of evalkit"
    if local.exists():
        return f"at hand: {local}"
    if "hub" in dataset:
        if find_spec("datasets") is None:
            return f"no: nothing at {local}, and datasets, which fetches it, is not installed; {install_command('hub')}"
        return f"not at {local}; from the hub at run time: {dataset['hub']['repository']} ({access})"
    return f"no: nothing at {local} ({access}: {facts.get('source', 'source not known')})"
