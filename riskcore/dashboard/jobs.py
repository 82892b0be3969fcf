"""Backtests in the background: a child process for each, a queue, and everything that matters on disk. No streamlit.

A job is a folder of the owner's `Workspace.runs`::

    <runs>/<id>/job.json        the request, written once
    <runs>/<id>/progress.json   state, days done, days in all, times, message; replaced in one step
    <runs>/<id>/run/            the run itself, as ``riskcore backtest --out`` writes it
    <runs>/<id>/worker.log      what the child said

While a child lives it alone writes ``progress.json``; before and after, its server does. So the state of a job can be
told from the folder and from which processes live, by any server on the same home and after any crash:

==========================================  ================================================================
``progress.json`` says, and                 the job is
==========================================  ================================================================
queued or running, and its process or       queued or running
its server lives
queued or running, and neither lives        stopped (complete or degraded if its run's manifest says so)
stopped, failed, complete, degraded         that
missing or damaged                          what its run's manifest says, else stopped
``job.json`` is missing or damaged          failed: it can only be deleted
==========================================  ================================================================
"""

from __future__ import annotations

import atexit
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskcore.dashboard import cost, job_files
from riskcore.dashboard.job_files import LOG, STOP, Facts, Job, Progress, Request, State
from riskcore.dashboard.job_queue import WaitingLine
from riskcore.dashboard.job_state import ended, state_of
from riskcore.dashboard.processes import Process, kill_group
from riskcore.dashboard.sources import Source, load
from riskcore.errors import ConfigError, require

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Facts", "Job", "Jobs", "Request", "State", "request_for"]
MAX_KEPT = 200
"""Most runs that an owner keeps."""
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 30.0
"""How long a child may take to stop in order before it is ended."""
_CLOSING_SECONDS = 8.0
_WORKER = (sys.executable, "-m", "riskcore.dashboard.worker")


def request_for(source: Source, digest: str, title: str, **settings: Any) -> Request:
    """What to do with a source: how to read it comes from the source, the rest from a form.

    Parameters
    ----------
    source : Source
        File, reading options, kind of return, weights.
    digest : str
        Of its losses (`Dataset.digest`).
    title : str
        What the owner calls it.
    **settings
        By the keys of a run file; None means "not set".
    """
    read = {**source.options, "kind": source.kind, "weights": source.weights or None}
    return Request(title, source.path, cost.plain_settings({**read, **settings}), digest)


@dataclass
class _Child:
    """A child process of ours."""

    folder: Path
    process: subprocess.Popen[bytes]
    asked: str = ""
    deadline: float = float("inf")

    def ask(self, why: str, patience: float) -> None:
        """Ask it to stop in order, once; a second call may only shorten its time."""
        self.deadline = min(self.deadline, time.monotonic() + patience)
        if not self.asked:
            self.asked = why
            self.process.terminate()


class Jobs:
    """Queue and history of the runs of all owners; one for the server, made once by `state.jobs`.

    Owners take turns. One thread looks after all children while there are any.

    Parameters
    ----------
    running, queued : int
        Most children at once, and most that wait in all; one more is refused with a ConfigError that says so.
    worker : sequence of str
        The child's command, to which the job's folder is added.
    """

    def __init__(self, running: int = 1, queued: int = 20, *, worker: Sequence[str] = _WORKER) -> None:
        self._running, self._queued, self._worker = running, queued, tuple(worker)
        self._line = WaitingLine()
        self._children: dict[Path, _Child] = {}
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._closed = False
        self._server = Process.here()
        atexit.register(self.close)

    def submit(self, runs: Path, request: Request, *, losses: pd.DataFrame | None = None) -> Job:
        """Write a job into the owner's folder and queue it; settings are checked here, before it waits.

        A request that waits or works already is not queued again: its job is returned.

        Parameters
        ----------
        runs : Path
            The owner's folder of runs.
        request : Request
            What to do.
        losses : DataFrame, optional
            Losses of the request's file, if they are at hand; otherwise the file is read.

        Raises
        ------
        ConfigError, DataError
            As the command would, for a job that is too large, a full queue or too many runs kept.
        """
        request = replace(request, file=request.file.absolute(), settings=cost.plain_settings(request.settings))
        facts = _checked(request, losses)
        with self._changed:
            active = (job for job in self.list(runs) if job.active and not job.stopping)
            again = next((job for job in active if job.request == request), None)
            if again is not None:
                return again
            self._room()
            kept = len(job_files.folders(runs))
            require(kept < MAX_KEPT, f"runs kept must be at most {MAX_KEPT}, got {kept}; delete some on the page Runs")
            folder = runs / job_files.new_id()
            with _writable(folder):
                job_files.create(folder, request, facts)
            return self._enqueue(folder)

    def list(self, runs: Path) -> list[Job]:
        """The owner's jobs, newest first."""
        return [self._read(folder) for folder in job_files.folders(runs)]

    def get(self, runs: Path, name: str) -> Job | None:
        """One of the owner's jobs; None for a name that is not one of them."""
        folder = job_files.folder_of(runs, name)
        return None if folder is None else self._read(folder)

    def cancel(self, runs: Path, name: str) -> None:
        """Stop a job; what it has done is kept."""
        job = self.get(runs, name)
        if job is None or not job.active:
            return
        with self._changed:
            child = self._children.get(job.folder)
            if child is not None:
                child.ask("Cancelled. What is done is kept: resume goes on from there.", _PATIENCE_SECONDS)
            elif self._line.take(job.folder):
                self._write(job.folder, "stopped", "Cancelled before it began.")
            else:  # the job of another server on the same home
                with contextlib.suppress(OSError):
                    (job.folder / STOP).touch()
                progress = job_files.read_progress(job.folder)
                process = Process.read(progress.process) if progress is not None else None
                if process is not None:
                    process.terminate()

    def resume(self, runs: Path, name: str) -> Job:
        """Queue a stopped or failed job again: it goes on from what is done.

        Raises
        ------
        ConfigError
            For a name that is none of the owner's jobs, one that is complete or cannot be read, or a full queue.
        """
        with self._changed:
            job = self._own(runs, name)
            if job.active:
                return job
            require(job.whole, job_files.DAMAGED)
            require(job.state != "complete", "a run to resume must be stopped, failed or degraded, got a complete one")
            self._room()
            return self._enqueue(job.folder)

    def delete(self, runs: Path, name: str) -> None:
        """Remove a job that is not active, with its run.

        Raises
        ------
        ConfigError
            If it waits or works, or cannot be removed.
        """
        with self._changed:
            if job_files.folder_of(runs, name) is None:
                return
            job = self._own(runs, name)
            require(not job.active, "a run to delete must not wait or work, got an active one; cancel it first")
            with _writable(job.folder):
                job_files.remove(job.folder)

    def close(self) -> None:
        """Stop all children in order: their jobs are `stopped` and resume."""
        why = "The server was stopped. What is done is kept: resume goes on from there."
        with self._changed:
            self._closed = True
            for folder in self._line.clear():
                self._write(folder, "stopped", "The server was stopped before this run began.")
            for child in self._children.values():
                child.ask(why, _CLOSING_SECONDS)
            self._changed.notify_all()
            while self._children:
                self._reap()
                self._changed.wait(_POLL_SECONDS / 2 if self._children else 0)
        atexit.unregister(self.close)

    def _own(self, runs: Path, name: str) -> Job:
        job = self.get(runs, name)
        if job is None:
            raise ConfigError("this run is not there any more; it may have been deleted in another tab")
        return job

    def _read(self, folder: Path) -> Job:
        """The job as it stands: its files, and who works on it."""
        asked = ""
        with self._changed:
            child = self._children.get(folder)
            ours: State | None = "running" if child is not None else None
            if child is not None:
                asked = child.asked
            place = self._line.place(folder)
            if place is not None:
                ours = "queued"
            return state_of(folder, ours=ours, before=place, asked=asked, server=self._server)

    def _room(self) -> None:
        require(not self._closed, "the server is stopping; start the run when it is back")
        free = self._running - len(self._children)
        require(
            len(self._line) < self._queued + max(free, 0),
            f"runs that wait must be at most {self._queued} on this server, got one more; try again when one has ended",
        )

    def _enqueue(self, folder: Path) -> Job:
        """Put a job into the line, and start it if its turn is now."""
        (folder / STOP).unlink(missing_ok=True)
        before = job_files.read_progress(folder) or Progress("queued")
        waits = replace(before, state="queued", message="", left=None, process=None, server=self._server.plain())
        with _writable(folder):
            job_files.write_progress(folder, waits)
        self._line.add(folder)
        self._start_next()
        if self._thread is None:
            self._thread = threading.Thread(target=self._look_after, name="riskcore-jobs", daemon=True)
            self._thread.start()
        self._changed.notify_all()
        return self._read(folder)

    def _look_after(self) -> None:
        """The one thread: note what ended, start what waits; it ends when there is nothing left."""
        while True:
            with self._changed:
                self._reap()
                self._drop_stopped()
                self._start_next()
                if not self._children and not len(self._line):
                    self._thread = None
                    return
                self._changed.wait(_POLL_SECONDS)

    def _reap(self) -> None:
        for folder, child in list(self._children.items()):
            code = child.process.poll()
            if code is None:
                if time.monotonic() > child.deadline:
                    kill_group(child.process.pid)
                    child.deadline = float("inf")
                continue
            verdict = ended(folder, code, child.asked)
            if verdict is not None:
                self._write(folder, *verdict)
            del self._children[folder]

    def _drop_stopped(self) -> None:
        """Take out what another server, or a page of it, has cancelled or deleted."""
        for folder in self._line.folders():
            if not folder.is_dir():
                self._line.take(folder)
            elif (folder / STOP).exists() and self._line.take(folder):
                self._write(folder, "stopped", "Cancelled before it began.")

    def _start_next(self) -> None:
        while not self._closed and len(self._children) < self._running:
            folder = self._line.next()
            if folder is None:
                return
            self._write(folder, "running", "", server=self._server)
            try:
                with (folder / LOG).open("ab") as log:
                    process = subprocess.Popen(
                        [*self._worker, str(folder.absolute())],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        cwd=Path(__file__).parents[2],  # so that the child finds this very riskcore, not one of the cwd
                        start_new_session=True,
                    )
            except OSError as error:
                self._write(folder, "failed", f"The run's process could not be started: {error.strerror or error}.")
                continue
            self._children[folder] = _Child(folder, process)

    def _write(self, folder: Path, state: State, message: str, server: Process | None = None) -> None:
        """Best effort: on a full disc the old text stays, from which `state_of` tells that nobody works any more."""
        before = job_files.read_progress(folder) or Progress(state)
        now = replace(
            before,
            state=state,
            message=message,
            left=None,
            process=None,
            server=None if server is None else server.plain(),
        )
        with contextlib.suppress(OSError):
            job_files.write_progress(folder, now)


def _checked(request: Request, losses: pd.DataFrame | None) -> Facts:
    """What the request amounts to, once all its settings and its size are in order."""
    from riskcore.runs.config import settings

    chosen = settings({}, request.settings)
    if losses is None:
        losses = load(Source(request.file, chosen.ingest, chosen.kind, chosen.weights)).losses
    return cost.facts_of(chosen, losses)


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn a failing write into words."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"the run's folder {folder.name} cannot be written: {error.strerror or error}") from error
