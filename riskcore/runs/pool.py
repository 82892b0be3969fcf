"""Units of work, done by this process or by several: each worker writes its own file."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from riskcore import defaults
from riskcore._types import Target, WalkForward
from riskcore.errors import ConfigError, DataError, require
from riskcore.runs.manifest import peak_memory_mb
from riskcore.runs.store import Unit, read_unit, write_unit
from riskcore.serving import serving

if TYPE_CHECKING:
    import pandas as pd

    from riskcore.forecasters.base import Forecaster

_log = logging.getLogger(__name__)
TRIES = 3
"""A unit whose process dies is tried this often, then left out and named."""
_POLL_SECONDS = 0.2


def check_jobs(jobs: object) -> None:
    """Raise unless `jobs` is a number of processes, or -1 for as many as there are processors.

    >>> check_jobs(0)
    Traceback (most recent call last):
    riskcore.errors.ConfigError: jobs must be a whole number in [1, 1024], or -1 for all processors, got 0
    """
    whole = isinstance(jobs, int) and not isinstance(jobs, bool) and (jobs == -1 or 1 <= jobs <= defaults.MAX_JOBS)
    require(whole, f"jobs must be a whole number in [1, {defaults.MAX_JOBS}], or -1 for all processors, got {jobs!r}")


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Task:
    """All that a worker needs for one unit."""

    unit: Unit
    losses: pd.Series[float]
    exog: pd.DataFrame | None
    forecaster: Forecaster
    targets: tuple[Target, ...]
    plan: WalkForward
    options: dict[str, Any]
    folder: Path
    board: Path
    place: int
    days: int


@dataclass(frozen=True)
class Outcome:
    """How a unit ended: the digest of its file, or the reason why there is none."""

    place: int
    sha256: str = ""
    reason: str = ""
    kind: Literal["done", "fault", "bad_input", "cannot_write"] = "done"
    seconds: float = 0.0
    memory_mb: float = 0.0


class Board:
    """Days done by each unit, in a small file that all workers can reach; 0 means "not started"."""

    def __init__(self, size: int) -> None:
        handle, name = tempfile.mkstemp(prefix="riskcore-")
        self.path = Path(name)
        self._size = size
        os.write(handle, bytes(8 * size))
        os.close(handle)

    def read(self) -> list[int]:
        """Days done by each unit, plus one once it has started."""
        data = self.path.read_bytes()
        return [int.from_bytes(data[8 * i : 8 * i + 8], "little") for i in range(self._size)]

    def close(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def _post(board: Path, place: int, value: int) -> None:
    """Best effort: a worker on another machine has no board, and only progress is lost."""
    with contextlib.suppress(OSError), board.open("r+b", buffering=0) as stream:
        stream.seek(8 * place)
        stream.write(value.to_bytes(8, "little"))


def run_unit(task: Task) -> Outcome:
    """Walk one unit through time and write its file."""
    done = 0

    def tick(days: int) -> None:
        nonlocal done
        done += days
        _post(task.board, task.place, done + 1)

    start = time.perf_counter()
    tick(0)
    try:
        rows = _walk(task, tick)
    except (ConfigError, DataError) as error:
        return Outcome(task.place, reason=str(error), kind="bad_input")
    except Exception as error:  # whatever it is: one faulty unit must not cost the others; the manifest tells why
        _log.debug("unit %s failed", task.unit.file, exc_info=True)
        return Outcome(task.place, reason=f"{type(error).__name__}: {error}", kind="fault")
    try:
        digest = write_unit(task.folder, task.unit, rows)
    except OSError as error:
        return Outcome(task.place, reason=str(error), kind="cannot_write")
    _post(task.board, task.place, task.days + 1)
    return Outcome(task.place, digest, seconds=time.perf_counter() - start, memory_mb=peak_memory_mb())


def _walk(task: Task, tick: Callable[[int], None]) -> pd.DataFrame:
    from riskcore import walkforward

    unit = task.unit
    return walkforward.forecast_unit(
        task.losses,
        task.forecaster,
        task.targets,
        task.plan,
        asset=unit.asset,
        model=unit.model,
        exog=task.exog,
        tick=tick,
        **task.options,
    )


def run_tasks(tasks: Sequence[Task], jobs: int, board: Board) -> Iterator[Outcome]:
    """Outcomes in the order in which units end; what kills its process is tried again alone, then named."""
    if jobs == 1:
        for task in tasks:
            yield run_unit(task)
        return
    queue, suspects, idle = list(tasks), list[Task](), 0
    while queue:
        ended: set[int] = set()
        try:
            for outcome in _in_pool(queue, jobs):
                ended.add(outcome.place)
                yield outcome
            queue = []
        except BrokenProcessPool:
            # the killer is among those that had started; the others go on in a fresh pool
            days = board.read()
            left = []
            for task in (t for t in queue if t.place not in ended):
                if (written := _on_disk(task)) is not None:
                    yield written
                else:
                    left.append(task)
            started = [t for t in left if days[t.place] > 0]
            idle += not started
            if idle == TRIES:
                started = left
            suspects += started
            tried = {t.place for t in started}
            queue = [t for t in left if t.place not in tried]
    for task in suspects:
        yield _alone(task)


def _on_disk(task: Task) -> Outcome | None:
    """A unit that was written although its outcome was lost with the pool."""
    try:
        stored = read_unit(task.folder / task.unit.file)
    except (DataError, OSError):
        return None
    return Outcome(task.place, stored.sha256) if stored.unit.key == task.unit.key else None


def _alone(task: Task) -> Outcome:
    for _ in range(TRIES - 1):
        with contextlib.suppress(BrokenProcessPool):
            return next(_in_pool([task], 2))  # two jobs, or joblib would run it in this process
    return Outcome(task.place, reason=f"poison: its process died {TRIES} times", kind="fault")


def _in_pool(tasks: Sequence[Task], jobs: int) -> Iterator[Outcome]:
    from joblib import Parallel, delayed

    calls = (delayed(run_unit)(task) for task in tasks)
    outcomes = Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered", **serving())(calls)
    try:
        yield from outcomes
    finally:
        outcomes.close()


@contextlib.contextmanager
def watched(board: Board, tasks: Sequence[Task], done: int, report: Callable[[int], None] | None) -> Iterator[None]:
    """Call `report` with the days done by all units, now and then, from another thread."""
    if report is None:
        yield
        return
    stop = threading.Event()

    def total() -> int:
        days = board.read()
        return done + sum(min(max(days[t.place] - 1, 0), t.days) for t in tasks)

    def watch() -> None:
        while not stop.wait(_POLL_SECONDS):
            report(total())

    report(done)
    thread = threading.Thread(target=watch, name="riskcore-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    report(total())
