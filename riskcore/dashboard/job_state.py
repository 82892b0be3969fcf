"""The state of a job, from its folder and from which processes live; the table stands in `riskcore.dashboard.jobs`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from riskcore.dashboard.job_files import (
    DAMAGED,
    RUN,
    STOP,
    Facts,
    Job,
    Progress,
    Request,
    State,
    read_progress,
    read_request,
)
from riskcore.dashboard.processes import Process, signal_name
from riskcore.errors import DataError
from riskcore.runs.manifest import read_manifest

BUSY = 75
"""Exit code of a child that found another one at work on its job."""
_LEFT = "The server or the machine ended while this ran. What is done is kept: resume goes on from there."
_UNBEGUN = "The server ended before this run began. Resume it to queue it again."
_LOST = "Its progress.json cannot be read. What is done is kept: resume goes on from there."


def state_of(folder: Path, *, ours: State | None, before: int | None, asked: str, server: Process) -> Job:
    """The job in `folder`.

    Parameters
    ----------
    folder : Path
        The job's folder.
    ours : State, optional
        What this server knows of it: it is in our line, or one of our children works on it.
    before : int, optional
        How many jobs are before it in our line.
    asked : str
        Why our child was asked to stop; empty if it was not.
    server : Process
        This server.
    """
    known = read_request(folder)
    progress = read_progress(folder)
    if ours is None:
        progress = _without_us(folder, progress, server)
    now = progress or Progress("stopped", message=_LOST)
    if ours is not None:
        message = "" if before is None else _turn(before)
        now = replace(now, state=ours, message=message or (now.message if now.state == ours else ""))
    stopping = now.state == "running" and (bool(asked) or (ours is None and (folder / STOP).exists()))
    if known is None:
        request = Request("a run that cannot be read", folder / RUN, {}, "")
        active = now.state in ("queued", "running")
        return Job(folder.name, folder, request, now.state if active else "failed", "", message=DAMAGED, whole=False)
    request, facts, created = known
    return Job(
        folder.name,
        folder,
        request,
        now.state,
        created,
        done=min(now.done, now.total) if now.total else 0,
        total=now.total or facts.days,
        seconds=now.seconds,
        left=now.left if now.state == "running" and not stopping else None,
        message="Stopping in order: what is done is kept." if stopping else now.message,
        facts=facts if isinstance(facts, Facts) else Facts(),
        stopping=stopping,
    )


def _turn(before: int) -> str:
    if before == 0:
        return "Next in the line."
    return f"{before} run{'s' if before > 1 else ''} before it in the line."


def _without_us(folder: Path, progress: Progress | None, server: Process) -> Progress | None:
    """What the folder says where this server neither queues the job nor works on it."""
    if progress is None:
        found = _of_manifest(folder)
        return None if found is None else Progress(found)
    if progress.state not in ("queued", "running") or _worked_on(progress, server):
        return progress
    again = read_progress(folder)  # its process may have ended well between the two looks
    if again is not None and again.state not in ("queued", "running"):
        return again
    found = _of_manifest(folder)
    if found is not None:
        return replace(progress, state=found, message="")
    return replace(progress, state="stopped", message=_UNBEGUN if progress.state == "queued" else _LEFT)


def _worked_on(progress: Progress, server: Process) -> bool:
    """Whether its child lives, or the other server in whose line it stands or that is just starting it."""
    process, other = Process.read(progress.process), Process.read(progress.server)
    if process is not None:
        return process.alive
    return other is not None and other != server and other.alive


def _of_manifest(folder: Path) -> State | None:
    """What a run that has ended says of itself."""
    try:
        state = read_manifest(folder / RUN).get("state")
    except DataError:
        return None
    return state if state in ("complete", "degraded") else None


def ended(folder: Path, code: int, asked: str) -> tuple[State, str] | None:
    """What to write of a child that has ended with this exit code; None if it said itself how it ended."""
    progress = read_progress(folder)
    if code == BUSY or (progress is not None and progress.state not in ("queued", "running")):
        return None
    found = _of_manifest(folder)
    if found is not None:
        return found, ""
    if asked:
        return "stopped", asked
    if code < 0:
        return "failed", (
            f"Its process was ended by the system ({signal_name(-code)}); often memory ran out. What is done is kept: "
            "resume goes on from there, or choose fewer assets or models."
        )
    return "failed", f"Its process ended without a word (exit code {code}); its log may say more. Resume tries again."
