"""The child process of a job, in this process: what it writes and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riskcore.dashboard import job_files, worker
from riskcore.dashboard.job_files import Facts, Progress, Request
from riskcore.errors import ConfigError
from riskcore.runs import Run, RunInterrupted


@pytest.fixture
def left(tmp_path: Path) -> Callable[..., Path]:
    """A job's folder as a server leaves it to the child."""

    def write(**progress: Any) -> Path:
        folder = tmp_path / job_files.new_id()
        job_files.create(folder, Request("a run", tmp_path / "prices.csv", {}, ""), Facts(days=600))
        job_files.write_progress(folder, Progress("queued", **progress))
        return folder

    return write


@pytest.fixture
def no_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.signal, "signal", lambda number, handler: None)


@pytest.mark.usefixtures("no_signals")
@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (RunInterrupted(1, 4), "stopped", worker.STOPPED),
        (ConfigError("window must be short"), "failed", "window must be short"),
        (
            ConfigError(
                "out must be a new folder or a run of the same settings and data, got '/secret' "
                "where these differ: version of engine: a there, b here"
            ),
            "failed",
            "riskcore has changed since this run began, so it cannot go on (version of engine: a there, b here). "
            "Run it again as a new one.",
        ),
        (MemoryError(), "failed", "Memory ran out. Choose a smaller window, or fewer assets or models."),
        (
            ZeroDivisionError("secret"),
            "failed",
            "Something went wrong in riskcore itself (ZeroDivisionError); the log says where.",
        ),
    ],
)  # fmt: skip
def test_every_end_has_a_state_and_a_text(
    left: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, state: str, text: str
) -> None:
    folder = left()

    def work(folder: Path, teller: worker.Teller) -> Any:
        teller(2, 4)
        raise error

    monkeypatch.setattr(worker, "_work", work)
    worker._tell_how(folder)
    found = job_files.read_progress(folder)
    assert found is not None
    assert (found.state, found.message, found.done, found.total) == (state, text, 2, 4)


def test_progress_is_written_now_and_then_and_at_the_end(left: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = left(seconds=10.0)
    clock = [100.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
    teller = worker.Teller(folder)

    def said(seconds: float, done: int) -> tuple[int, float | None, float]:
        clock[0] = 100 + seconds
        teller(done, 100)
        progress = job_files.read_progress(folder)
        assert progress is not None
        return progress.done, progress.left, progress.seconds

    assert said(1.0, 20) == (20, None, 11.0)  # 20 were there already: no rate yet
    assert said(1.1, 30) == (20, None, 11.0)  # too soon
    assert said(3.0, 60) == (60, 2.0, 13.0)  # 40 in 2 s, 40 to come
    assert said(3.1, 100) == (100, 0.0, 13.1)  # the end is always said


def test_a_child_stops_when_its_server_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    parents, sent = iter([7, 7, 1]), []
    monkeypatch.setattr(worker.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(worker.os, "kill", lambda *call: sent.append(call))
    monkeypatch.setattr(worker, "_PARENT_SECONDS", 0.0)
    worker._watch(7)
    assert sent == [(os.getpid(), signal.SIGTERM)]


def test_degraded_and_report_in_words() -> None:
    manifest = {
        "state": "degraded",
        "failed_units": [{"asset": "A", "model": "m", "reason": "poison"}],
        "report_error": "OSError: no",
    }
    state, text = worker._verdict(Run(Path(), manifest))
    assert state == "degraded"
    assert (
        text
        == "Not computed: A with m: poison. The tables are whole, but the report could not be written: OSError: no."
    )
    manifest = {"state": "degraded", "failed_units": [], "share_not_ok": 0.0612}
    assert worker._verdict(Run(Path(), manifest))[1] == "6.1 % of the forecasts are implausible or worse."
