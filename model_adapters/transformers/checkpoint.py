"""What all models from a checkpoint of transformers need: the libraries, a device, and an identity."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigurationError, first_line
from evalkit.hints import install_command
from model_adapters.shared.hub import refuse_missing_folder
from model_adapters.shared.weights import folder_digest

_DTYPES = ("float32", "float16", "bfloat16")


def import_torch(extra: str = "transformers") -> Any:
    """Import ``torch``, once transformers is known to be there too: missing libraries are not missing weights.

    Args:
        extra: the part of evalkit that brings them, for the message.

    Raises:
        ConfigurationError: one of them is missing or does not fit the machine.
    """
    try:
        import torch
        import transformers
    except (ImportError, OSError) as error:  # a torch that does not fit the machine raises OSError
        raise ConfigurationError(
            f"this model needs torch and transformers: {install_command(extra)} ({error})"
        ) from error
    transformers.utils.logging.disable_progress_bar()  # a run shows its own progress
    return torch


def chosen_device(device: str) -> str:
    """Return the device itself, or what ``auto`` stands for on this machine: a GPU of CUDA, or else the CPU.

    Raises:
        ConfigurationError: it is a GPU, and there is none.
    """
    torch = import_torch()
    has_gpu = torch.cuda.is_available()
    if device.startswith("cuda") and not has_gpu:
        raise ConfigurationError(f"device: '{device}' is not there: PyTorch sees no GPU; device=cpu does without")
    if device == "mps" and not torch.backends.mps.is_available():
        raise ConfigurationError(f"device: '{device}' is not there: PyTorch sees no Apple GPU; device=cpu does without")
    return ("cuda" if has_gpu else "cpu") if device == "auto" else device


def checked_dtype(dtype: str, setting: str = "dtype", also: tuple[str, ...] = ()) -> Any:
    """Return the type of PyTorch with this name.

    Args:
        dtype: its name.
        setting: what the setting is called, for the message.
        also: names that are allowed beside those of the usual types.

    Raises:
        ConfigurationError: it is none that a model can be loaded in.
    """
    names = (*_DTYPES, *also)
    if dtype not in names:
        raise ConfigurationError(f"{setting}: '{dtype}' must be {', '.join(names[:-1])} or {names[-1]}")
    return getattr(import_torch(), dtype)


@contextmanager
def loading(path: str) -> Iterator[None]:
    """Report in one line what keeps transformers from loading a checkpoint.

    Raises:
        ConfigurationError: it cannot be loaded.
    """
    refuse_missing_folder(path)
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{path}: transformers cannot load it: {first_line(error)}") from error


def load_complete(
    from_pretrained: Callable[..., Any],
    path: str,
    dtype: Any,
    source: Mapping[str, Any],
    why: str = "the checkpoint is not whole",
) -> Any:
    """Load a model of which no weights are missing; transformers would leave them as they happen to be.

    Args:
        from_pretrained: of the model's class.
        path: a checkpoint folder, or a name on the Hugging Face hub.
        dtype: of the weights, a type of PyTorch.
        source: where from, as arguments of ``from_pretrained``.
        why: what it means that some are missing.

    Raises:
        ConfigurationError: some are missing.
    """
    model, missing = load_weights(from_pretrained, path, dtype, source)
    if missing:
        raise ConfigurationError(f"{path}: no trained weights for {', '.join(missing[:3])}; {why}")
    return model


def load_weights(
    from_pretrained: Callable[..., Any], path: str, dtype: Any, source: Mapping[str, Any]
) -> tuple[Any, list[str]]:
    """Load a model, and return it with the names of weights that the checkpoint lacks, in order.

    Args:
        from_pretrained: of the model's class.
        path: a checkpoint folder, or a name on the Hugging Face hub.
        dtype: of the weights, a type of PyTorch.
        source: where from, as arguments of ``from_pretrained``.
    """
    # Said once more: without it the library's automatic classes ask the hub for adapters of the weights (PEFT).
    adapters = {"local_files_only": source["local_files_only"]}
    model, found = from_pretrained(path, dtype=dtype, output_loading_info=True, adapter_kwargs=adapters, **source)
    return model, sorted(found["missing_keys"])


def weights_identity(path: str, revision: str) -> dict[str, Any]:
    """Return what tells a loaded model's weights apart: a digest of a local folder, or the commit on the hub.

    Args:
        path: a checkpoint folder, or a name on the Hugging Face hub.
        revision: branch, tag or commit of a name on the hub, as it was loaded.
    """
    folder = Path(path)
    if folder.is_dir():
        return {"sha256": folder_digest(folder)}
    from huggingface_hub import try_to_load_from_cache

    # Its folder is named after the commit; the library itself stopped saying which it loaded.
    config = try_to_load_from_cache(path, "config.json", revision=revision)
    return {"hub": path, "commit": Path(config).parent.name if isinstance(config, str) else None}
