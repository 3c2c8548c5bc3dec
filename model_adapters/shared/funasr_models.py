"""Loads models with the library FunASR (https://github.com/modelscope/FunASR), running nothing but its own classes."""

import contextlib
import io
import logging
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError
from evalkit.hints import install_command
from model_adapters.shared.hub import fetching

# FunASR only prints which weights it did not find, and leaves them as they happen to be.
_NOT_FOUND = re.compile(r"miss key in ckpt: (\S+),")


def import_funasr(model: str, extra: str) -> Any:
    """Import FunASR's class ``AutoModel``.

    Args:
        model: for the message.
        extra: the part of evalkit that brings the library, for the message.

    Raises:
        ConfigurationError: it is not there, or does not fit the machine.
    """
    try:
        with _contained():
            from funasr import AutoModel
    except (ImportError, OSError) as error:  # a torch or torchaudio that does not fit the machine raises OSError
        raise ConfigurationError(f"{model} needs the library FunASR: {install_command(extra)} ({error})") from error
    return AutoModel


def find_folder(
    path: str, *, wanted: Collection[str], required: Collection[str], revision: str, local_files_only: bool
) -> Path:
    """Return where the files of a checkpoint lie, downloaded from the Hugging Face hub if need be.

    FunASR would ask ModelScope, or the newest version of the Hugging Face hub, whatever revision it is given.

    Args:
        path: a folder, or a name on the hub.
        wanted: names and patterns of the files to download.
        required: names of those that must be there.
        revision: branch, tag or commit of a name on the hub.
        local_files_only: never ask the hub, use what was downloaded before.

    Raises:
        ConfigurationError: a file is not there.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        with fetching(path):
            found = snapshot_download(
                path, revision=revision, local_files_only=local_files_only, allow_patterns=list(wanted)
            )
        folder = Path(found)
    if absent := [name for name in required if not (folder / name).is_file()]:
        raise ConfigurationError(f"{folder}: no {absent[0]}, so not a folder of a model for FunASR")
    return folder


def load(auto_model: Any, folder: Path, settings: Mapping[str, Any], *, device: str, untrained: str = "(?!)") -> Any:
    """Load a model from an architecture that is given outright, so that FunASR looks up no hub and no configuration.

    Args:
        auto_model: FunASR's class.
        folder: for messages.
        settings: the architecture and where the weights lie, as arguments of ``AutoModel``.
        device: ``cpu``, ``cuda`` and so on, or ``auto`` for a GPU if there is one.
        untrained: a regular expression of weights that may be missing, as they are for training only.

    Raises:
        ConfigurationError: it cannot be loaded, or there are no trained weights for some of it.
    """
    import torch

    try:
        with _contained() as printed:
            model = auto_model(
                **settings,
                ignore_init_mismatch=False,
                device=("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device,
                ncpu=torch.get_num_threads(),
                trust_remote_code=False,
                disable_update=True,  # it would ask the network for its newest version
                disable_pbar=True,
                log_level="ERROR",
            )
    except Exception as error:  # whatever a wrong number in config.yaml leads to inside FunASR
        reason = "".join(str(error).strip().splitlines()[:1])
        raise ConfigurationError(f"{folder}: FunASR cannot load it ({type(error).__name__}: {reason})") from error
    missing = [name for name in _NOT_FOUND.findall(printed.getvalue()) if not re.search(untrained, name)]
    if missing:
        raise ConfigurationError(f"{folder / 'model.pt'}: no trained weights for {missing[0]}")
    return model


@contextlib.contextmanager
def _contained() -> Iterator[io.StringIO]:
    """Catch what FunASR prints, and keep it from the root logger, by which all lines of a run would be printed too."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.addHandler(logging.NullHandler())  # with one there, nobody's basicConfig adds another
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield printed
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
