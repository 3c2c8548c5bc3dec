"""Where a run's figures come from: versions, commit, machine, data and model fingerprints, time taken."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import evalkit

_PACKAGES = (
    "numpy",
    "pyarrow",
    "rapidfuzz",
    "soundfile",
    "soxr",
    "hydra-core",
    "datasets",
    "whisper-normalizer",
    "OpenCC",
    "faster-whisper",
    "ctranslate2",
    "pocketsphinx",
    "torch",
    "transformers",
    "openai",
    "aiohttp",
    "sacrebleu",
    "cn2an",
)


def software() -> dict[str, Any]:
    """Versions of evalkit, Python and the libraries that take part, and the commit if evalkit runs from a checkout."""
    return {
        "evalkit": evalkit.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def hardware() -> dict[str, Any]:
    """The machine: processor, cores, memory, and the accelerators if a library that sees them is already loaded."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None,
        "accelerators": _accelerators(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with ``-dirty`` where files differ from it; None outside a checkout of evalkit."""
    root = Path(evalkit.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def _processor() -> str:
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        for line in cpu_info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _accelerators() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
