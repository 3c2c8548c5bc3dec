"""Where a run's figures come from: versions, commit, machine, data and model fingerprints, time taken."""

import os
import platform
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from evalkit.adapter import SERVER_SAYS
from evalkit.results.fields import Fields
from evalkit.results.folder import PROVENANCE, RunFolder, read_json, recorded_models
from evalkit.version import __version__


@dataclass(frozen=True, slots=True)
class Session:
    """One attempt at a run.

    Attributes:
        started: when it began.
        finished: whether it came to its end.
    """

    started: datetime
    finished: bool


def last_session(folder: Path) -> Session | None:
    """Return the last session that a run's provenance tells of, or None if there is none.

    Raises:
        StoreError: the provenance is damaged.
    """
    path = folder / PROVENANCE
    sessions = Fields(str(path), read_json(path)).listed("sessions")
    return _session(sessions[-1]) if sessions else None


_NAME_OR_VERSION = re.compile(r"^(Name|Version):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)


class ProvenanceRecord:
    """What ``provenance.json`` says, kept up to date while a run goes on; each attempt adds a session.

    What earlier sessions found out is kept for good: the fingerprint of every role's model, the data and the usage of
    tasks that are not part of this session.

    Args:
        folder: of the run.
        data: of each task of this session, how many samples it has and their fingerprint.
        left_out: tasks that cannot be carried out, with the reason.
        usage: gives what the calls of each of the session's tasks took, by role.
        at_work: gives how much of the session's time the model of each role was at work, where that is known.
    """

    def __init__(
        self,
        folder: RunFolder,
        data: Mapping[str, Mapping[str, Any]],
        left_out: Mapping[str, str],
        usage: Callable[[], Mapping[str, Mapping[str, Any]]],
        at_work: Callable[[], Mapping[str, Mapping[str, float]]] = dict,
    ) -> None:
        self._lock = threading.RLock()  # models are met in one thread while tasks are finished in others
        self._folder = folder
        self._usage = usage
        self._at_work = at_work
        self._began = time.perf_counter()
        self._session: dict[str, Any] = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "software": software(),
            "hardware": hardware(),
            "data": data,
            "seconds": {},
            "at_work": {},
            "finished": False,
        }
        earlier = folder.read(PROVENANCE)
        self._models = recorded_models(earlier)
        fields = Fields(PROVENANCE, earlier)
        self._earlier_usage = fields.mappings("usage")
        sessions = fields.listed("sessions") if earlier else ()
        self._last_session = _session(sessions[-1]) if sessions else None
        self._sessions: list[Any] = [*earlier.get("sessions", ()), self._session]
        self._content = {"data": {**fields.mappings("data"), **data}, "left_out": left_out}
        self.write()

    @property
    def last_session(self) -> Session | None:
        """The session before this one, or None if this is the first."""
        return self._last_session

    def meet(self, role: str, fingerprint: Mapping[str, Any]) -> None:
        """Record the model of a role, in place of one that never answered.

        Raises:
            ConfigurationError: the folder holds answers of another model in that role.
        """
        with self._lock:
            earlier = self._models.get(role, {}) if self._has_answered(role) else {}
            if earlier:
                self._folder.refuse_other_model(role, earlier, fingerprint)
            # What a server once said of itself is held against it for good, also if it does not say it today.
            said = {**earlier.get(SERVER_SAYS, {}), **fingerprint.get(SERVER_SAYS, {})}
            self._models[role] = {**fingerprint, **({SERVER_SAYS: said} if said else {})}
            # Only now may a library that sees accelerators be there: it is the model that loads it.
            self._session["hardware"] = hardware()
            self.write()

    def task_finished(self, task: str) -> None:
        """Record that a task is done."""
        with self._lock:
            self._session["seconds"][task] = self._seconds()
            self.write()

    def finish(self) -> None:
        """Record that the session came to its end."""
        self._session["seconds"]["total"] = self._seconds()
        self._session["finished"] = True
        self.write()

    def usage(self) -> dict[str, Any]:
        """Return what the calls of all tasks took so far, over all sessions: by task, then by role."""
        return {**self._earlier_usage, **self._usage()}

    def write(self) -> None:
        """Write what is known now."""
        with self._lock:
            self._session["at_work"] = self._at_work()
            content = {"models": self._models, **self._content, "sessions": self._sessions, "usage": self.usage()}
            self._folder.write_json(PROVENANCE, content)

    def _has_answered(self, role: str) -> bool:
        return any(roles[role]["answers"] for roles in self.usage().values() if role in roles)

    def _seconds(self) -> float:
        return round(time.perf_counter() - self._began, 3)


def _session(fields: Fields) -> Session:
    started = fields.text("started")
    try:
        return Session(datetime.fromisoformat(started), fields.flag("finished"))
    except ValueError:
        raise fields.wrong("started", "a time", started) from None


def software() -> dict[str, Any]:
    """Return the versions of evalkit, Python and all libraries, and the commit if evalkit runs from a checkout."""
    return {
        "evalkit": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": _packages(),
    }


def hardware() -> dict[str, Any]:
    """Describe the machine: processor, cores, memory, and the accelerators if a library that sees them is loaded."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None,
        "accelerators": _accelerators(),
    }


def _packages() -> dict[str, str]:
    """Return the version of every distribution that is installed, by name."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        # Two lines of it, as parsing the whole, with the description, takes hundreds of times as long.
        header = (each.read_text("METADATA") or each.read_text("PKG-INFO") or "").partition("\n\n")[0]
        fields = dict(_NAME_OR_VERSION.findall(header))
        if "Name" in fields:
            found.setdefault(fields["Name"], fields.get("Version", ""))
    return dict(sorted(found.items(), key=lambda each: each[0].lower()))


def _commit() -> str | None:
    """Return the checkout's commit, with ``-dirty`` where files differ from it; None outside a checkout of evalkit."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        # Without optional locks, or git would write its index anew: on a full disk that leaves the checkout locked.
        outcome = subprocess.run(
            ["git", "--no-optional-locks", "status", "--porcelain=2", "--branch", "--untracked-files=no"],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    # Lines about the branch, of which the first names the commit, and a line for each file that differs.
    first, *others = outcome.stdout.splitlines()
    commit = first.removeprefix("# branch.oid ")
    if commit == "(initial)":
        return None
    return f"{commit}-dirty" if any(not line.startswith("#") for line in others) else commit


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
