"""Backtests in the background: a child process for each, a queue, and everything that matters on disk. No streamlit.

The contract; see the docstrings. A job is a folder of the owner's `Workspace.runs`::

    <runs>/<id>/job.json        the request, written once
    <runs>/<id>/progress.json   state, days done, days in all, times, message; replaced in one step
    <runs>/<id>/run/            the run itself, as ``riskcore backtest --out`` writes it
    <runs>/<id>/worker.log      what the child said

"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from riskcore.errors import ConfigError

State = Literal["queued", "running", "stopped", "failed", "complete", "degraded"]
"""`stopped`: cancelled, or its server ended; it resumes from what is done."""


@dataclass(frozen=True)
class Request:
    """What a job is to do: a file, how to read it, and the settings of ``riskcore backtest`` by their TOML keys."""

    title: str
    file: Path
    settings: Mapping[str, Any]
    digest: str
    """Digest of the losses, by which a page finds the runs of its data."""


@dataclass(frozen=True)
class Job:
    """A job as it stands now."""

    id: str
    folder: Path
    request: Request
    state: State
    created: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    left: float | None = None
    message: str = ""

    @property
    def run_path(self) -> Path:
        """Folder of the run, for `riskcore.open_run`."""
        return self.folder / "run"

    @property
    def active(self) -> bool:
        """Whether it waits or works."""
        return self.state in ("queued", "running")

    @property
    def readable(self) -> bool:
        """Whether there are results to look at."""
        return self.state in ("complete", "degraded")


class Jobs:
    """Queue and history of the runs of all owners; one for the server, made once by `state.jobs`.

    Parameters
    ----------
    running, queued : int
        Most children at once, and most that wait in all; one more is refused with a ConfigError that says so.
    """

    def __init__(self, running: int = 1, queued: int = 20) -> None: ...

    def submit(self, runs: Path, request: Request) -> Job:
        """Write a job into the owner's folder and queue it; settings are checked here, before it waits."""
        raise ConfigError("not yet")

    def list(self, runs: Path) -> list[Job]:
        """The owner's jobs, newest first."""
        return []

    def get(self, runs: Path, name: str) -> Job | None:
        """One of the owner's jobs; None for a name that is not one of them."""
        return None

    def cancel(self, runs: Path, name: str) -> None:
        """Stop a job; what it has done is kept."""

    def resume(self, runs: Path, name: str) -> Job:
        """Queue a stopped or failed job again: it goes on from what is done."""
        raise ConfigError("not yet")

    def delete(self, runs: Path, name: str) -> None:
        """Remove a job that is not active, with its run."""

    def close(self) -> None:
        """Stop all children in order: their jobs are `stopped` and resume."""
