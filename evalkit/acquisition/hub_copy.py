"""Copying data sets from the Hugging Face hub to where tasks look for them."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

from evalkit.datasets.column_mapping import by_name
from evalkit.datasets.hub import HubDataset
from evalkit.datasets.hub_table import load_table
from evalkit.errors import ConfigurationError, DataError
from evalkit.hints import install_command
from evalkit.types import Sample

_BY_HAND = "fetch the data set by hand and give it with --archive"
_TABLES = "data"  # the folder in which the hub's library looks for splits of any name


def fetch_files(repository: str, patterns: Sequence[str], into: Path, revision: str | None = None) -> None:
    """Download files of a repository as they are; those that are there are not fetched again.

    Raises:
        ConfigurationError: the hub's library is not installed.
        DataError: the files cannot be had; the message says what to do.
    """
    try:
        library, errors = import_module("huggingface_hub"), import_module("huggingface_hub.errors")
    except ImportError as error:
        raise ConfigurationError(f"{repository}: fetching from the hub needs {install_command('hub')}") from error
    # That of the library's HTTP client, which is an OSError in some versions only.
    http_error = getattr(errors, "HTTPError", OSError)
    try:
        # Asked first, because a snapshot that finds no network contents itself with what is in the folder.
        names = library.HfApi().list_repo_files(repository, repo_type="dataset", revision=revision)
        wanted = [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
        if not wanted:
            raise DataError(f"{repository}: the hub has none of {', '.join(patterns)} there; {_BY_HAND}")
        if any(".." in name.split("/") or name.startswith("/") for name in wanted):
            raise DataError(f"{repository}: has files whose names lead out of it; nothing was fetched")
        library.snapshot_download(
            repository, repo_type="dataset", revision=revision, local_dir=into, allow_patterns=wanted
        )
    except errors.OfflineModeIsEnabled as error:
        raise DataError(f"{repository}: HF_HUB_OFFLINE forbids to ask the hub; unset it, or {_BY_HAND}") from error
    except errors.RepositoryNotFoundError as error:  # what is gated included
        page = f"https://huggingface.co/datasets/{repository}"
        raise DataError(
            f"{repository}: cannot be accessed; accept its terms at {page} and log in with `hf auth login`"
        ) from error
    except (OSError, ValueError, http_error) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        raise DataError(f"{repository}: {reason}; the same command continues where there is a network") from error


def copy_tables(hub: Mapping[str, Any], folder: Path) -> None:
    """Write each split of a repository's tables to ``FOLDER/data/SPLIT-00000-of-00001.parquet``, unless it is there.

    Args:
        hub: arguments of ``HubDataset``.
        folder: which may hold nothing else.

    Raises:
        ConfigurationError: the hub's library is not installed.
        DataError: the tables cannot be had, or the folder is in use; the message says what to do.
    """
    if others := sorted(entry.name for entry in folder.glob("[!.]*") if entry.name != _TABLES):
        raise DataError(
            f"{folder}: holds something else than tables of the hub ({', '.join(others[:3])}, …); "
            "complete the data set there, or move it away"
        )
    repository, split = str(hub["repository"]), hub.get("split", "test")
    for name in [split] if isinstance(split, str) else split:
        file = folder / _TABLES / f"{name}-00000-of-00001.parquet"
        if not file.is_file():
            table = load_table(repository, hub.get("config"), name, hub.get("revision"), f"{repository} ({name})")
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_name(f".{file.name}.part")
            table.to_parquet(str(unfinished))
            os.replace(unfinished, file)


def write_manifest(hub: Mapping[str, Any], manifest: Path, options: Mapping[str, Any]) -> None:
    """Write a repository's table as a manifest in JSON, its recordings in a folder named after it.

    Args:
        hub: arguments of ``HubDataset``.
        manifest: the file to write, which is not there.
        options: with which the manifest will be read: ``columns``, ``groups``, ``cluster`` and ``metadata`` decide what
            the columns are called.

    Raises:
        ConfigurationError: the hub's library is not installed.
        DataError: the table cannot be had, or there is something at ``manifest``.
    """
    if manifest.exists():
        raise DataError(f"{manifest}: is there already; complete the data set there, or move it away")
    folder = manifest.parent / f"{manifest.stem}-audio"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, sample in enumerate(HubDataset(**dict(hub)), 1):
        (audio,) = sample.audio
        content = audio.encoded()
        # Named by number, as ids may hold anything; whole or not at all, as files that are there are kept.
        file = folder / f"{number:06}.{_container(content)}"
        if not file.exists():
            unfinished = file.with_name(f".{file.name}.part")
            unfinished.write_bytes(content)
            os.replace(unfinished, file)
        rows.append(_row(sample, f"{folder.name}/{file.name}", options))
    unfinished = manifest.with_name(f".{manifest.name}.part")
    unfinished.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(unfinished, manifest)


def _row(sample: Sample, audio: str, options: Mapping[str, Any]) -> dict[str, Any]:
    columns = options.get("columns") or {}
    row: dict[str, Any] = {columns.get("id") or "id": sample.id, columns.get("audio") or "audio": audio}
    if sample.references:
        row[columns.get("text") or "text"] = sample.references[0]
    row |= {column: sample.groups[group] for group, column in by_name(options.get("groups") or ()).items()}
    clusters = by_name(options.get("cluster") or ())
    row |= {clusters.get(field, field): label for field, label in sample.clusters.items()}
    return row | {column: sample.metadata[key] for key, column in by_name(options.get("metadata") or ()).items()}


def _container(content: bytes) -> str:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            return str(file.format).lower()
    except soundfile.LibsndfileError:
        return "audio"  # verification will say what is wrong with it
