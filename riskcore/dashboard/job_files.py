"""The files of a job, and what they say about it. No streamlit, no processes: only what is on disk."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from riskcore.runs.store import TEMPORARY, atomic_write

State = Literal["queued", "running", "stopped", "failed", "complete", "degraded"]
"""`stopped`: cancelled, or its server ended; it resumes from what is done."""
STATES: tuple[str, ...] = get_args(State)
REQUEST, PROGRESS, LOG, RUN, STOP = "job.json", "progress.json", "worker.log", "run", "stop"
_FORMAT = 1
_ID = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{8}", re.ASCII)
_MAX_BYTES = 2_000_000
DAMAGED = "Its job.json cannot be read, so nobody knows what it was to do. Delete it and start it anew."


@dataclass(frozen=True)
class Request:
    """What a job is to do: a file, how to read it, and the settings of ``riskcore backtest`` by their TOML keys."""

    title: str
    file: Path
    settings: Mapping[str, Any]
    digest: str
    """Digest of the losses, by which a page finds the runs of its data."""


@dataclass(frozen=True)
class Facts:
    """What a job amounts to: known once its settings were checked against its data.

    Parameters
    ----------
    assets, models, days, estimations : int
        Numbers of assets and models; days to forecast over all of them; estimations over all of them.
    first, last : str
        First and last day that is forecast.
    seconds : float
        What it takes of one processor, roughly.
    """

    assets: int = 0
    models: int = 0
    days: int = 0
    estimations: int = 0
    first: str = ""
    last: str = ""
    seconds: float = 0.0


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
    facts: Facts = field(default_factory=Facts)
    stopping: bool = False
    """Asked to stop, and on its way to it."""
    whole: bool = True
    """Whether its request could be read; if not, it can only be deleted."""

    @property
    def run_path(self) -> Path:
        """Folder of the run, for `riskcore.open_run`."""
        return self.folder / RUN

    @property
    def active(self) -> bool:
        """Whether it waits or works."""
        return self.state in ("queued", "running")

    @property
    def readable(self) -> bool:
        """Whether there are results to look at."""
        return self.state in ("complete", "degraded")


@dataclass(frozen=True)
class Progress:
    """What ``progress.json`` says; `server` and `process` are who wrote it, as `Process.read` takes them."""

    state: State
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    left: float | None = None
    message: str = ""
    server: Mapping[str, Any] | None = None
    process: Mapping[str, Any] | None = None


def new_id() -> str:
    """Name of a new job: names in order are jobs in time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}"


def folder_of(runs: Path, name: str) -> Path | None:
    """Folder of a job of this owner; None for a name that is not one, whatever it is.

    >>> folder_of(Path("runs"), "../../etc") is None
    True
    """
    if not isinstance(name, str) or _ID.fullmatch(name) is None:
        return None
    folder = runs / name
    return folder if folder.is_dir() and not folder.is_symlink() else None


def folders(runs: Path) -> list[Path]:
    """Folders of all jobs of an owner, newest first."""
    try:
        names = sorted((entry.name for entry in os.scandir(runs)), reverse=True)
    except OSError:
        return []
    return [folder for name in names if (folder := folder_of(runs, name)) is not None]


def create(folder: Path, request: Request, facts: Facts) -> None:
    """Make a job's folder, there with its request or not there at all."""
    hidden = folder.with_name(f".{folder.name}{TEMPORARY}")
    try:
        hidden.mkdir(parents=True, mode=0o700)
        write_request(hidden, request, facts)
        hidden.rename(folder)
    except OSError:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def write_request(folder: Path, request: Request, facts: Facts) -> None:
    """Write ``job.json``, once."""
    content = {
        "format": _FORMAT,
        "title": request.title,
        "file": str(request.file),
        "digest": request.digest,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": dict(request.settings),
        "facts": vars(facts),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(folder / REQUEST, text.encode("utf-8"))


def read_request(folder: Path) -> tuple[Request, Facts, str] | None:
    """Request, facts and time of a job; None if ``job.json`` is missing or damaged."""
    content = _read(folder / REQUEST)
    if content is None or content.get("format") != _FORMAT:
        return None
    texts = [content.get(name) for name in ("title", "file", "digest", "created")]
    settings, facts = content.get("settings"), content.get("facts")
    if not all(isinstance(text, str) for text in texts) or not isinstance(settings, dict):
        return None
    title, file, digest, created = map(str, texts)
    known = Facts()
    if isinstance(facts, dict):
        with contextlib.suppress(TypeError):
            known = Facts(**facts)
    return Request(title, Path(file), settings, digest), known, created


def write_progress(folder: Path, progress: Progress) -> None:
    """Replace ``progress.json`` in one step; a reader sees the old one or the new. Not synced: it is often written."""
    path = folder / PROGRESS
    temporary = path.with_name(f".{PROGRESS}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        temporary.write_text(json.dumps(vars(progress), ensure_ascii=False), encoding="utf-8")
        temporary.replace(path)
    except BaseException:  # an interrupt too must leave no half-written file
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def read_progress(folder: Path) -> Progress | None:
    """What ``progress.json`` says; None if it is missing or damaged."""
    content = _read(folder / PROGRESS)
    if content is None or content.get("state") not in STATES:
        return None
    return Progress(
        state=content["state"],
        done=int(_number(content.get("done"))),
        total=int(_number(content.get("total"))),
        seconds=_number(content.get("seconds")),
        left=None if content.get("left") is None else _number(content["left"]),
        message=str(content.get("message", "")),
        server=content.get("server"),
        process=content.get("process"),
    )


def log_tail(folder: Path, lines: int = 40) -> str:
    """Last lines of what the child said; empty if it said nothing."""
    try:
        with (folder / LOG).open("rb") as stream:
            stream.seek(max(stream.seek(0, os.SEEK_END) - 20_000, 0))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def remove(folder: Path) -> None:
    """Remove a job: out of sight in one step, then file by file."""
    hidden = folder.with_name(f".{folder.name}{TEMPORARY}")
    folder.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _number(value: object) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if good else 0.0  # type: ignore[arg-type]  # said by `good`
