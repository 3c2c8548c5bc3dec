"""``evalkit doctor``: what is installed, which models and tasks can run here, and why not."""

import argparse
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf

from evalkit.cli.can_run import model_state
from evalkit.cli.catalogue import Folders, option_names
from evalkit.cli.columns import columns
from evalkit.cli.fitness import examine
from evalkit.errors import ConfigurationError
from evalkit.hints import DISTRIBUTION, install_command
from evalkit.printable import printable
from evalkit.rooms import HOME
from evalkit.run.composition import compose_configuration, configurations
from evalkit.version import __version__

Composed = TypeVar("Composed")


def command(arguments: Sequence[str], folders: Folders = ()) -> int:
    """Print what can run on this machine, or whether one model is fit for a run: 0 if it is, else 1."""
    parser = argparse.ArgumentParser(
        prog="evalkit doctor",
        usage="evalkit doctor [--data-root FOLDER] | evalkit doctor model=NAME [override ...] [--probe]",
        description="What is installed, which models and tasks can run here, and why not. With model=NAME, whether "
        "that model is fit for a run; --probe asks it one question for real. Exits 1 if it is not fit.",
    )
    parser.add_argument(
        "--data-root",
        type=Path,
        default=Path(os.environ.get("EVALKIT_DATA", "data")),
        help="where data sets lie, as data_root= of a run (default: %(default)s)",
    )
    parser.add_argument("words", nargs="*", metavar="override", help="model=NAME and its settings, as of `evalkit run`")
    parser.add_argument("--probe", action="store_true", help="put one question to the model, and see whether it is fit")
    options = parser.parse_intermixed_args(arguments)
    if options.words or options.probe:
        return examine(options.words, folders, probe=options.probe)
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
    settings = _settings_of_models(names, folders)
    with ThreadPoolExecutor() as pool:  # servers are asked whether they are there, and may keep us waiting
        return list(zip(names, pool.map(_model_state, settings), strict=True))


def _settings_of_models(names: Sequence[str], folders: Folders) -> list[Mapping[str, Any] | ConfigurationError]:
    """Return each model's settings as a run would have them, or the error that says why there are none."""

    def compose(some: Sequence[str]) -> list[Mapping[str, Any]]:
        roles = {f"checked_{number}": name for number, name in enumerate(some)}
        config = compose_configuration([f"+model@{role}={name}" for role, name in roles.items()], folders)
        with configurations(folders):
            return [dict(OmegaConf.to_container(config[role], resolve=True)) for role in roles]  # type: ignore[arg-type]

    return _composed_together(names, compose)


def _composed_together(
    names: Sequence[str], compose: Callable[[Sequence[str]], Sequence[Composed]]
) -> list[Composed | ConfigurationError]:
    """Compose many options at once, which is much faster than one by one; around those that cannot be, in halves."""
    try:
        return list(compose(names))
    except ConfigurationError as error:
        if len(names) == 1:
            return [error]
        half = len(names) // 2
        return [*_composed_together(names[:half], compose), *_composed_together(names[half:], compose)]


def _model_state(settings: Mapping[str, Any] | ConfigurationError) -> str:
    return f"no: {settings}" if isinstance(settings, ConfigurationError) else model_state(settings)


def _tasks(folders: Folders, data_root: Path) -> Iterator[tuple[str, str]]:
    def compose(some: Sequence[str]) -> list[dict[str, DictConfig]]:
        words = [f"task=[{','.join(some)}]", f"data_root={data_root}"]
        tasks = compose_configuration(words, folders).tasks
        return [{str(task): config for task, config in tasks.items()}, *({} for _ in some[1:])]

    names = option_names("task", folders)
    for name, composed in zip(names, _composed_together(names, compose), strict=True):
        if isinstance(composed, ConfigurationError):
            yield name, f"no: {composed}"
        else:
            for task, config in composed.items():
                yield task, _task_state(config)


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
