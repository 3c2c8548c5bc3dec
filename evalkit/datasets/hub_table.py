"""Getting a table from the Hugging Face hub, or from its formats on disk, with the ``datasets`` library."""

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import install_command


def load_table(repository: str, config: str | None, split: str, revision: str | None, source: str) -> Any:
    """Fetch one split, and no more, of a repository or local copy, and map it into memory.

    Args:
        repository: name on the hub, or a folder or parquet file on disk.
        config: configuration of the repository; ignored for a local folder that declares none.
        split: of the configuration.
        revision: branch, tag or commit of a hub repository.
        source: what messages call the data set.

    Returns:
        A ``datasets.Dataset`` in arrow format, which never decodes audio.

    Raises:
        ConfigurationError: the ``datasets`` library is not installed.
        DataError: the data set cannot be had; the message says what to do.
    """
    try:
        import datasets
    except ImportError as error:
        raise ConfigurationError(
            f"{source}: this data set needs the datasets library: {install_command('hub')}"
        ) from error
    local = Path(repository).expanduser()
    try:
        if (local / "dataset_dict.json").is_file() or (local / "state.json").is_file():
            table = _saved(datasets.load_from_disk(str(local)), split)
        else:
            table = _built(_builder(repository, local, config, split, revision), split)
    except (OSError, ValueError, RuntimeError, TypeError, datasets.exceptions.DatasetsError) as error:
        if isinstance(error, ConnectionError):
            _go_offline()
        raise DataError(f"{source}: {_advice(error, repository)}") from error
    return table.with_format("arrow")


def _go_offline() -> None:
    """Have the libraries look no further than their caches, so that a hub that cannot be reached is tried only once."""
    import datasets
    import huggingface_hub

    datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True


def _saved(saved: Any, split: str) -> Any:
    """Return one split of what ``save_to_disk`` wrote."""
    splits = saved if isinstance(saved, dict) else {saved.split or split: saved}
    _check_split(split, splits)
    return splits[split]


def _builder(repository: str, local: Path, config: str | None, split: str, revision: str | None) -> Any:
    import datasets

    # A cache for each split, because the library takes a folder in which it finds one split for the whole.
    cache = str(Path(datasets.config.HF_DATASETS_CACHE) / "evalkit" / split)
    if local.is_file():
        # The library takes a path for a pattern.
        return datasets.load_dataset_builder("parquet", data_files={split: glob.escape(str(local))}, cache_dir=cache)
    if local.is_dir():
        _check_local(local)
        # A clone declares its configurations; a plain folder of parquet files has none.
        declares = datasets.get_dataset_config_names(str(local)) != ["default"]
        return datasets.load_dataset_builder(str(local), config if declares else None, cache_dir=cache)
    return datasets.load_dataset_builder(repository, config, revision=revision, cache_dir=cache)


def _check_local(folder: Path) -> None:
    """Refuse a folder with which the library would look elsewhere, or nowhere.

    Raises:
        ValueError: what it declares names data files that do not lie in it, or its path is a pattern for the library.
    """
    if glob.escape(str(folder)) != str(folder):
        raise ValueError("the library takes [, ], * and ? in a path for a pattern; rename the folder")
    for name in ("README.md", ".huggingface.yaml"):
        if (folder / name).is_file():
            for path in _data_files(_declarations(folder / name)):
                if "://" in path or path.startswith(("/", "~", "hf:")) or ".." in path.split("/"):
                    raise ValueError(f"{name} names data files outside the folder ({path}); correct it or delete it")


def _declarations(file: Path) -> Any:
    """Parse what a file declares in YAML: all of it, or what stands between ``---`` lines at its beginning."""
    import yaml

    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".md":
        text = text.partition("---\n")[2].partition("\n---")[0]
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{file.name} holds no YAML that can be read; correct it or delete it") from error


def _data_files(content: Any) -> Iterator[str]:
    """Yield every text under a key ``data_files`` or ``data_dir``, however deep."""
    if isinstance(content, list):
        for item in content:
            yield from _data_files(item)
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _texts(value) if key in ("data_files", "data_dir") else _data_files(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from _texts(item)


def _built(builder: Any, split: str) -> Any:
    """Download and convert one split; the library by itself would do so with all, training data too."""
    import datasets

    files = builder.config.data_files  # None offline, where the library finds what an earlier call has converted
    if files:
        _check_split(split, files)
        builder.config.data_files = datasets.data_files.DataFilesDict({split: files[split]})
    builder.download_and_prepare(verification_mode="no_checks")
    return builder.as_dataset(split=split)


def _check_split(split: str, splits: Any) -> None:
    if split not in splits:
        raise ValueError(f"there is no split {split!r}; split= can be {', '.join(map(str, splits))}")


def _advice(error: Exception, repository: str) -> str:
    """Return the library's reason in one line, and what to do about it."""
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    if "gated" in reason or "cannot be accessed" in reason:
        page = f"https://huggingface.co/datasets/{repository}"
        return f"{reason}; accept its terms at {page} and log in with `hf auth login`, or name a copy on disk"
    if isinstance(error, ConnectionError):
        return f"{reason}; fetch it where there is a network, or name a copy on disk"
    if "scripts are no longer supported" in reason:
        return f"{reason}; try revision=refs/convert/parquet, or name a copy on disk in another layout"
    return reason
