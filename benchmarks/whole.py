"""Whole runs: the command on price files of many assets, and one model on two hundred assets, with their memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.series import N_SIMULATED, simulate, student
from benchmarks.timing import Row
from riskcore import warmup
from riskcore._types import FloatArray

MODELS = ("historical", "ewma", "fhs", "garch-normal", "garch-t", "gjr-t", "egarch-t", "care-linear")
TARGETS = "var:0.99,es:0.975,expectile:0.99"
MODEL = "gjr-t"
PAUSE = 0.2


@dataclass(frozen=True)
class Size:
    """Days of prices, window, and the assets of the two runs."""

    days: int = 5040
    window: int = 1000
    assets: int = 20
    models: Sequence[str] = MODELS
    many: int = 200
    many_days: int = 5000
    jobs: int = 2


SHORT = Size(days=330, window=300, assets=2, models=("historical", "ewma"), many=2, many_days=330, jobs=1)


def losses_of_assets(n_assets: int, n_days: int) -> FloatArray:
    """Losses of GJR-t assets, (days, assets), about one percent a day."""
    columns = []
    for seed in range(n_assets):
        seeds = range(seed, seed + 1000 * (n_days // N_SIMULATED + 1), 1000)
        pieces = [simulate(each, student(6.0), 0.03, 0.03, 0.12, 0.89) for each in seeds]
        columns.append(0.01 * np.concatenate(pieces)[:n_days])
    return np.column_stack(columns)


def frame_of_assets(n_assets: int, n_days: int) -> pd.DataFrame:
    """Losses with dates."""
    days = pd.bdate_range("2000-01-03", periods=n_days)
    names = [f"A{i:03d}" for i in range(n_assets)]
    return pd.DataFrame(losses_of_assets(n_assets, n_days), index=days, columns=names)


def whole_rows(size: Size) -> Iterator[Row]:
    """The command in a process of its own, once; then the forecasts and files of one model on many assets."""
    if not warmup.is_warm():
        warmup.warm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        losses = frame_of_assets(size.assets, size.days - 1)
        prices = pd.DataFrame(100.0 * np.exp(-losses.cumsum()), index=losses.index)
        prices.rename_axis("date").to_csv(folder / "prices.csv", float_format="%.6f")
        what = f"riskcore backtest, {size.assets} assets x {len(size.models)} models x {size.days:,} days, daily refit"
        seconds, memory = _command(folder, size)
        yield Row(what, "run", seconds, note=f"{size.jobs} jobs; peak memory {memory}; without a report")
        yield from _many_rows(folder, size)


def _command(folder: Path, size: Size) -> tuple[float, str]:
    words = [
        sys.executable, "-m", "riskcore", "backtest", str(folder / "prices.csv"), "--out", str(folder / "run"),
        "--models", ",".join(size.models), "--targets", TARGETS, "--window", str(size.window), "--refit-every", "1",
        "--jobs", str(size.jobs), "--no-report", "--quiet",
    ]  # fmt: skip
    return _measured(words, good=(0, 3))


def _many_rows(folder: Path, size: Size) -> Iterator[Row]:
    """Forecasts and Parquet files, without scores and tests: what the engine itself takes."""
    script = (
        "from benchmarks.whole import walk_many; "
        f"walk_many({size.many}, {size.many_days}, {size.window}, {size.jobs}, {str(folder / 'many')!r})"
    )
    frame_of_assets(size.many, size.many_days).to_pickle(folder / "losses.pkl")
    seconds, memory = _measured([sys.executable, "-c", script], good=(0,))
    refits = size.many * (size.many_days - size.window + 1)
    yield Row(
        f"{size.many} assets x {MODEL} x {size.many_days - size.window + 1:,} daily refits, forecasts in files",
        "run", seconds, aim="30 s; 12 s, under 1.5 GB",
        note=f"{size.jobs} jobs; peak memory {memory}; {1e6 * seconds / refits:.0f} us a refit, start-up included",
    )  # fmt: skip


def walk_many(n_assets: int, n_days: int, window: int, jobs: int, out: str) -> None:
    """Forecast every asset with one model, each day refitted, one Parquet file for each."""
    from riskcore._types import WalkForward
    from riskcore.runs.plan import plan_work

    losses = pd.read_pickle(Path(out).with_name("losses.pkl"))
    assert losses.shape == (n_days, n_assets)
    plan = WalkForward(window, 1)
    work = plan_work(losses, [MODEL], TARGETS.split(","), plan, ahead=True, from_date=None, to_date=None)
    folder = Path(out)
    folder.mkdir()
    done = work.walk(folder, jobs=jobs, progress=None)
    assert all(outcome.sha256 for outcome in done.outcomes.values())


def _measured(words: Sequence[str], good: Sequence[int]) -> tuple[float, str]:
    """Seconds and peak memory of a command with all its processes."""
    root = Path(__file__).resolve().parents[1]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as heard:
        process = subprocess.Popen(words, cwd=root, stdout=heard, stderr=heard)
        peak, stop = [0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, stop))
        watcher.start()
        code = process.wait()
        seconds = time.perf_counter() - start
        stop.set()
        watcher.join()
        if code not in good:
            heard.seek(0)
            raise RuntimeError(f"{' '.join(words)} ended with {code}: {heard.read().decode()[-2000:]}")
    return seconds, f"{peak[0] / 1e6:,.0f} MB" if peak[0] else "unknown"


def _watch(pid: int, peak: list[int], stop: threading.Event) -> None:
    while not stop.wait(PAUSE):
        peak[0] = max(peak[0], _memory(pid))


def _memory(pid: int) -> int:
    """Bytes of a process and its descendants, shared pages counted once; 0 where /proc does not say."""
    total = 0
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        total = sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        tasks = [task.name for task in Path(f"/proc/{pid}/task").iterdir()]
        children = {c for task in tasks for c in Path(f"/proc/{pid}/task/{task}/children").read_text().split()}
    except (OSError, ValueError):
        return total
    return total + sum(_memory(int(child)) for child in children)
