"""Which process is meant: the system uses a number again, so the start and the machine's boot go with it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of this machine since its boot.

    Parameters
    ----------
    pid : int
        Its number.
    start : str
        When it started, in ticks since the boot; empty where the system does not tell.
    boot : str
        The boot; empty where the system does not tell.
    """

    pid: int
    start: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this number now, None if there is none (or only its exit code is left)."""
        try:
            text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return cls(pid, "", "") if not _PROC.joinpath("self").exists() and _exists(pid) else None
        fields = text.rpartition(")")[2].split()  # the name before it may hold anything
        return None if fields[0] in "ZX" else cls(pid, fields[19], boot())

    @classmethod
    def here(cls) -> Process:
        """This process."""
        return cls.of(os.getpid()) or cls(os.getpid(), "", "")

    @classmethod
    def read(cls, value: object) -> Process | None:
        """The process that a file names, None if it names none."""
        if not isinstance(value, Mapping):
            return None
        pid, start, boot = value.get("pid"), value.get("start"), value.get("boot")
        whole = isinstance(pid, int) and not isinstance(pid, bool) and pid > 1
        return cls(pid, start, boot) if whole and isinstance(start, str) and isinstance(boot, str) else None  # type: ignore[arg-type]

    @property
    def alive(self) -> bool:
        """Whether this very process still runs, not another one of the same number."""
        return Process.of(self.pid) == self

    def plain(self) -> dict[str, Any]:
        """As :meth:`read` takes it."""
        return asdict(self)

    def terminate(self) -> None:
        """Ask it to stop, if it is still this one."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGTERM)


@lru_cache(maxsize=1)
def boot() -> str:
    """Name of the machine's boot."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def kill_group(leader: int) -> None:
    """End a session of our own at once, workers and all."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(leader, signal.SIGTERM)


def signal_name(number: int) -> str:
    """Name of a signal, its number where it has none.

    >>> signal_name(9)
    'SIGKILL'
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
