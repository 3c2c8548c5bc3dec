"""Where configurations lie: evalkit's own, those of installed packages, and the folders of ``--config-dir``."""

from collections.abc import Sequence
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from evalkit.errors import ConfigurationError

CONFIG_MODULE = "configs"
CONFIG_NAME = "run"
ENTRY_POINTS = "evalkit.configs"


def config_packages() -> list[str]:
    """Return the import names of the packages that hold configurations; an earlier one hides a later one's files.

    An installed package adds its own by an entry point of the group ``evalkit.configs``.
    """
    return [CONFIG_MODULE, *sorted({point.value for point in entry_points(group=ENTRY_POINTS)})]


def config_folders(folders: Sequence[str | Path]) -> list[Path]:
    """Return the folders of ``--config-dir`` as absolute paths.

    Raises:
        ConfigurationError: one of them is not there.
    """
    paths = [Path(folder).expanduser().absolute() for folder in folders]
    for path in paths:
        if not path.is_dir():
            raise ConfigurationError(f"--config-dir {path}: no such folder")
    return paths


def config_places(folders: Sequence[str | Path] = ()) -> list[Traversable]:
    """Return every folder of configurations in the order of the search.

    Raises:
        ConfigurationError: one of them is not there.
    """
    places: list[Traversable] = []
    for package in config_packages():
        try:
            places.append(files(package))
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"the entry point {ENTRY_POINTS} names the package '{package}', which cannot be imported ({error})"
            ) from error
    return [*places, *config_folders(folders)]


def hidden_files(folders: Sequence[str | Path]) -> list[Path]:
    """Return the configurations in folders of ``--config-dir`` that an earlier place has under the same name.

    Raises:
        ConfigurationError: a folder is not there.
    """
    places = config_places(folders)
    first = len(places) - len(folders)
    return [
        file
        for position, folder in enumerate(config_folders(folders), start=first)
        for file in sorted(folder.glob("*/*.yaml"))
        if any((place / file.parent.name / file.name).is_file() for place in places[:position])
    ]
