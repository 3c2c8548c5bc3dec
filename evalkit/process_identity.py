"""Which process holds something, written down so that others can tell whether it still lives."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that has a folder.

    Attributes:
        host: name of its machine.
        process: its number.
        started: when it did, as a number may be given again; empty where that is not known.
    """

    host: str
    process: int
    started: str

    @classmethod
    def this_process(cls) -> "ProcessIdentity":
        """Return that of the process which asks."""
        return cls(socket.gethostname(), os.getpid(), _start_of(os.getpid()))

    @classmethod
    def read(cls, content: bytes) -> "ProcessIdentity | None":
        """Read what ``written`` returned; None if it is not all there."""
        try:
            record = json.loads(content)
            return cls(str(record["host"]), int(record["process"]), str(record["started"]))
        except (ValueError, TypeError, KeyError):
            return None

    def written(self) -> bytes:
        """Return the identity as JSON, for ``read``."""
        return json.dumps(asdict(self)).encode()

    def is_known_to_be_gone(self) -> bool:
        """Tell whether it was a process of this machine and is no more; of another machine nobody here can tell."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.process, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            pass  # it is somebody else's
        return bool(self.started) and _start_of(self.process) != self.started

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


def _start_of(process: int) -> str:
    """Return when a process of this machine started, in a form that is only compared; empty where nobody tells."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
        return f"{_BOOT.read_text().strip()} {status.rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return ""
