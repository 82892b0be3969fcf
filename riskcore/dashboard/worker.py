"""The child process of a job: ``python -m riskcore.dashboard.worker FOLDER``. No streamlit.

It does what ``riskcore backtest`` does, and says in ``progress.json`` how far it is. SIGTERM stops it in order, a
second one at once; so does the end of the server that started it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from riskcore.dashboard.job_files import (
    DAMAGED,
    RUN,
    STOP,
    Progress,
    State,
    read_progress,
    read_request,
    write_progress,
)
from riskcore.dashboard.job_state import BUSY
from riskcore.dashboard.processes import Process
from riskcore.errors import ConfigError, RiskcoreError
from riskcore.runs.folder import locked

if TYPE_CHECKING:
    from riskcore.ingest import Finding
    from riskcore.runs import Run

_log = logging.getLogger(__name__)
_NICENESS = 5
_WRITE_SECONDS = 0.25
_PARENT_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOPPED = "Stopped. What is done is kept: resume goes on from there."


class Teller:
    """Writes ``progress.json`` while the job runs, at most four times a second, and once at its end.

    Parameters
    ----------
    folder : Path
        The job's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        before = read_progress(folder) or Progress("running")
        self._earlier, self._start = before.seconds, time.monotonic()
        self._now = replace(before, state="running", left=None, message="", process=Process.here().plain())
        self._first: tuple[int, float] | None = None
        self._written = -_WRITE_SECONDS
        self._write()

    def __call__(self, done: int, total: int) -> None:
        """Note that `done` of `total` days are done; the rate counts what this process did itself."""
        from riskcore.runs.progress import time_left

        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        elif now - self._written < _WRITE_SECONDS and done < total:
            return
        left = time_left(done, total, done - self._first[0], now - self._first[1])
        self._now = replace(self._now, done=done, total=total, left=left)
        self._write()

    def end(self, state: State, message: str = "") -> None:
        """Say how it ended."""
        self._now = replace(self._now, state=state, message=message, left=None, process=None, server=None)
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        self._now = replace(self._now, seconds=round(self._earlier + self._written - self._start, 2))
        with contextlib.suppress(OSError):  # a full disc: the run itself says so in words
            write_progress(self._folder, self._now)


def main(words: Sequence[str]) -> int:
    """Work on the job in the folder named; the exit code is 0 once ``progress.json`` says how it ended."""
    (name,) = words
    folder = Path(name)
    _listen()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)  # pages first
    threading.Thread(target=_watch, args=(_server(folder),), name="riskcore-server", daemon=True).start()
    try:
        with locked(folder):
            _tell_how(folder)
    except ConfigError:
        return BUSY  # another one works on this job, and writes its progress
    return 0


def _tell_how(folder: Path) -> None:
    """Run, and write down how it ended, whatever happens."""
    teller = Teller(folder)
    try:
        verdict = _work(folder, teller)
    except KeyboardInterrupt:
        verdict = "stopped", STOPPED
    except RiskcoreError as error:
        verdict = "failed", _words(error)
    except MemoryError:
        verdict = "failed", "Memory ran out. Choose a smaller window, or fewer assets or models."
    except Exception as error:  # whatever it is: the page must be able to say that it ended
        _log.exception("the run failed")
        verdict = (
            "failed",
            f"Something went wrong in riskcore itself ({type(error).__name__}); the log says where.",
        )
    for number in _SIGNALS:  # what is said now is final
        signal.signal(number, signal.SIG_IGN)
    teller.end(*verdict)


def _work(folder: Path, teller: Teller) -> tuple[State, str]:
    known = read_request(folder)
    if known is None:
        return "failed", DAMAGED
    if (folder / STOP).exists():
        return "stopped", "Cancelled before it began."
    request = known[0]
    from riskcore.report import html_report
    from riskcore.runs.command import execute
    from riskcore.runs.config import settings
    from riskcore.runs.pool import processors

    chosen = settings({}, {"jobs": max(processors() - 1, 1), **request.settings})  # one is left to the pages
    run = execute([request.file], chosen, folder / RUN, progress=teller, report=html_report, on_findings=_note)
    return _verdict(run)


def _verdict(run: Run) -> tuple[State, str]:
    parts = []
    if run.manifest["failed_units"]:
        names = [f"{unit['asset']} with {unit['model']}: {unit['reason']}" for unit in run.manifest["failed_units"]]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        parts.append(f"Not computed: {'; '.join(names[:3])}{more}.")
    elif run.degraded:
        parts.append(f"{100 * float(run.manifest['share_not_ok']):.1f} % of the forecasts are implausible or worse.")
    if run.report_error:
        parts.append(f"The tables are whole, but the report could not be written: {run.report_error}.")
    return ("degraded" if run.degraded else "complete"), " ".join(parts)


def _words(error: RiskcoreError) -> str:
    """An error in the words of the page, which knows no folder to choose."""
    text = str(error)
    if text.startswith("out must be a new folder or a run of the same settings"):
        differs = text.partition("where these differ: ")[2]
        return f"riskcore has changed since this run began, so it cannot go on ({differs}). Run it again as a new one."
    return text.replace("out must be a folder that can be written", "the server's disc must take what is written")


def _note(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        print(f"note: {finding}", file=sys.stderr)


def _listen() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, lambda again, _: os._exit(128 + again))
        raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, stop)


def _server(folder: Path) -> int:
    """Who started us; as it wrote before it did, for it may be gone already."""
    progress = read_progress(folder)
    server = Process.read(progress.server) if progress is not None else None
    return os.getppid() if server is None else server.pid


def _watch(server: int) -> None:
    """Stop in order when the server that started us is gone."""
    while os.getppid() == server:
        time.sleep(_PARENT_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
