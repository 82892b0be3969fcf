"""How the cost grows: observations, window, assets and models, each at 1, 10 and 100 times."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

import riskcore as rc
from benchmarks.peer import PAIRS
from benchmarks.refits import fit_all
from benchmarks.series import N_SIMULATED, simulate, student
from benchmarks.timing import Call, duration
from benchmarks.whole import frame_of_assets
from riskcore._types import FloatArray

HEAD = ("what grows", "fixed", "at 1 time", "at 10 times", "at 100 times", "per unit at 1, 10, 100")
TARGETS = ["var:0.99", "es:0.975", "expectile:0.99"]
PAIR = "gjr-t"


def long_losses(n: int) -> FloatArray:
    """GJR-t losses of any length."""
    pieces = [simulate(5000 + i, student(6.0), 0.03, 0.03, 0.12, 0.89) for i in range(n // N_SIMULATED + 1)]
    return np.concatenate(pieces)[:n]


def growth_rows(short: bool) -> Iterator[list[str]]:
    """Lines of the table, as cells."""
    sizes = (1, 2) if short else (1, 10, 100)
    days, window, width = (20, 60, 60) if short else (300, 1000, 250)
    each = f"{days} daily refits each, window {window}"
    lines: list[tuple[str, str, Callable[[int], Call]]] = [
        ("observations", f"{PAIR} refits, window {window}, {days} at first", lambda k: _refits(days * k, window)),
        ("window", f"{days} {PAIR} refits, {width} losses at first", lambda k: _refits(days, width * k)),
        ("window", f"{days} historical forecasts, {width} losses at first", lambda k: _historical(days, width * k)),
        ("assets", f"{PAIR}, {each}", lambda k: _assets(k, days, window)),
        ("models", f"EWMA of different decays, {each}", lambda k: _models(k, days, window)),
    ]
    for grows, fixed, make in lines:
        print(f"growth: {grows}, {fixed}", file=sys.stderr, flush=True)
        yield _line(grows, fixed, sizes, make)


def _line(grows: str, fixed: str, sizes: Sequence[int], make: Callable[[int], Call]) -> list[str]:
    taken = []
    for size in sizes:
        call = make(size)
        call()  # compiles, and fills the caches of what does not depend on the size
        turns = 1 if size >= 100 else 3
        times = []
        for _ in range(turns):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        taken.append(min(times))
    units = ", ".join(duration(seconds / size) for seconds, size in zip(taken, sizes, strict=True))
    cells = [duration(seconds) for seconds in taken] + [""] * (3 - len(taken))
    return [grows, fixed, *cells, units]


def _refits(n_windows: int, window: int) -> Call:
    losses = long_losses(n_windows + window - 1)
    return lambda: fit_all(PAIRS[PAIR], losses, n_windows, window)


def _historical(n_days: int, window: int) -> Call:
    losses = frame_of_assets(1, n_days + window)
    return lambda: rc.forecast(losses, ["historical"], TARGETS, rc.WalkForward(window, 1))


def _assets(n_assets: int, n_days: int, window: int) -> Call:
    losses = frame_of_assets(n_assets, n_days + window)
    return lambda: rc.forecast(losses, [PAIR], TARGETS, rc.WalkForward(window, 1))


def _models(n_models: int, n_days: int, window: int) -> Call:
    losses = frame_of_assets(1, n_days + window)
    models = [rc.LocationScale(volatility=rc.EWMA(decay=0.9 + 0.0009 * i)) for i in range(n_models)]
    return lambda: rc.forecast(losses, models, TARGETS, rc.WalkForward(window, 1))
