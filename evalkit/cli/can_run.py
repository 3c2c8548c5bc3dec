"""Whether a model can run on this machine: libraries, key, weights, memory, server."""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evalkit.hints import install_command
from evalkit.inference.processes.launched import PORT

_SECONDS_TO_ANSWER = 5
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".onnx")
_GIB = 1 << 30


def model_state(settings: Mapping[str, Any]) -> str:
    """Return ``yes``, or ``yes`` with the settings that are to be given, or ``no`` with the reason.

    Args:
        settings: the model's configuration, resolved; ``???`` where a setting is to be given.
    """
    for reason in _reasons(settings):
        return f"no: {reason}"
    chosen = ["base_url"] if PORT in str(settings.get("launch")) else []  # by the run, which starts the server
    to_give = [key for key, value in settings.items() if value == "???" and key not in chosen]
    return f"yes, give {', '.join(f'model.{key}=' for key in to_give)}" if to_give else "yes"


def _reasons(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the reasons why a model cannot run here, the simplest first."""
    if python := _given(settings.get("python")):
        # Its libraries and weights are for that environment to have.
        if shutil.which(Path(python).expanduser()) is None:
            yield f"{python}, in which it is to work, is no program"
        return
    if missing := [module for module in settings.get("requires") or () if not _installed(module)]:
        extra = settings.get("extra")
        yield f"{', '.join(missing)} not installed" + (f"; {install_command(extra)}" if extra else "")
    variable, file = settings.get("api_key_variable"), settings.get("api_key_file")
    if variable and not file and not os.environ.get(variable):
        yield f"the environment variable {variable}, which is to hold the API key, is not set"
    if file and not Path(file).expanduser().is_file():
        yield f"the file {file}, which is to hold the API key, is not there"
    if launch := _given(settings.get("launch")):
        if shutil.which(program := launch.split()[0]) is None:
            yield f"{program}, which is to start its server, is no program"
    elif url := _given(settings.get("base_url")):
        yield from _server_away(url)
    elif path := _given(settings.get("path")):
        yield from _weights_away(path)


def _given(value: Any) -> str:
    return value if isinstance(value, str) and value != "???" else ""


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _server_away(url: str) -> Iterator[str]:
    try:
        # The address is the user's own configuration.
        with urllib.request.urlopen(f"{url.rstrip('/')}/models", timeout=_SECONDS_TO_ANSWER):  # noqa: S310
            return
    except urllib.error.HTTPError:
        return  # it is there; what it thinks of a request without a key is not asked here
    except (OSError, ValueError) as error:
        yield f"nothing answers at {url} ({getattr(error, 'reason', None) or error})"


def _weights_away(path: str) -> Iterator[str]:
    if path.startswith("package:"):
        return  # in a Python package, which was looked for among the libraries
    local = Path(path.replace("{task}", "*")).expanduser()
    found = [local] if local.exists() else list(local.parent.glob(local.name)) if "*" in local.name else []
    if not found and path.count("/") == 1 and not path.startswith((".", "~", "/")):
        found = list(_hub_cache(path).glob("snapshots/*"))
        if not found:
            yield f"its weights are not on this machine; a run fetches {path} from the hub, where that can be reached"
            return
    if not found:
        yield f"{path}: no such file or folder"
        return
    size, memory = _weight_bytes(found), _memory_bytes()
    if memory and size > memory:
        yield f"its weights take {size / _GIB:.1f} GiB, and there are {memory / _GIB:.1f} GiB of memory for them"


def _hub_cache(repository: str) -> Path:
    """Return where the Hugging Face hub's library keeps a repository."""
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE", f"{home}/hub")).expanduser()
    return cache / f"models--{repository.replace('/', '--')}"


def _weight_bytes(places: Sequence[Path]) -> int:
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place])]
    return sum(file.stat().st_size for file in files if file.suffix in _WEIGHTS and file.is_file())


def _memory_bytes() -> int:
    """Return the bytes of memory that weights may take: of all GPUs together, else of this machine; 0 if unknown."""
    if tool := shutil.which("nvidia-smi"):
        asked = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603
        if gpus := [int(amount) for amount in told if amount.isdigit()]:
            return sum(gpus) * 1024 * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
