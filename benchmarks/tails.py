"""Rolling VaR, ES and expectile of a window against pandas, polars, scipy's rank filter and scipy's expectile."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import rank_filter
from scipy.stats import expectile as scipy_expectile

from benchmarks.series import student
from benchmarks.timing import Call, Row, interleaved
from riskcore._types import FloatArray, Target
from riskcore.measures.rolling import rolling_measures

WINDOW, LEVEL = 1000, 0.99
EXPECTILE_LEVELS = (0.975, 0.99, 0.99855)


def measures(losses: FloatArray, window: int, targets: list[Target]) -> FloatArray:
    """Ours: the targets of every window, (windows, targets)."""
    return np.asarray(rolling_measures(losses, targets, window))[window - 1 :]


def tail_rows(short: bool) -> Iterator[Row]:
    """VaR and ES at one level and at three, expectiles at one level and at three, on one long series."""
    n, window, turns = (3000, 200, 1) if short else (500_000, WINDOW, 5)
    losses = student(5.0)(np.random.default_rng(7), n)
    pair = [Target("var", LEVEL), Target("es", LEVEL)]
    calls: dict[str, Call] = {
        "ours": lambda: measures(losses, window, pair),
        **_quantile_peers(losses, window),
    }
    taken = {name: seconds / n for name, seconds in interleaved(calls, turns).items()}
    same = _largest_gap(measures(losses, window, pair)[:, 0], losses, window)
    aims = {"pandas": "8x; 10x", "polars": "1.5x; 2x"}
    ours = taken.pop("ours")
    for name, seconds in taken.items():
        note = f"the peer gives the quantile only; largest difference {same:.0e}" if name == "pandas" else ""
        yield Row(f"rolling VaR+ES, one level, window {window}", "loss", ours, name, seconds, aims.get(name, ""), note)
    if "polars" not in taken:
        yield Row(f"rolling VaR+ES, one level, window {window}", "loss", ours, note="polars is not installed here")
    three = [Target(measure, level) for level in (0.95, 0.975, 0.99) for measure in ("var", "es")]
    each = interleaved({"ours": lambda: measures(losses, window, three)}, turns)["ours"] / n
    yield Row(f"rolling VaR+ES, three levels, window {window}", "loss", each)
    yield from _expectile_rows(losses, window, short)


def _quantile_peers(losses: FloatArray, window: int) -> dict[str, Call]:
    """The lower quantile by others: pandas and polars by window, scipy's filter over the whole series."""
    series = pd.Series(losses)
    rank = int(np.ceil(window * LEVEL)) - 1
    calls: dict[str, Call] = {
        "pandas": lambda: series.rolling(window).quantile(LEVEL, interpolation="lower"),
        "scipy rank_filter": lambda: rank_filter(losses, rank, size=window),
    }
    try:
        polars: Any = importlib.import_module("polars")
    except ImportError:
        return calls
    column = polars.Series(losses)
    return {**calls, "polars": lambda: column.rolling_quantile(LEVEL, "lower", window_size=window)}


def _largest_gap(ours: FloatArray, losses: FloatArray, window: int) -> float:
    """Our VaR beside the plain definition in a hundred windows."""
    rank = int(np.ceil(window * LEVEL)) - 1
    places = np.linspace(0, ours.size - 1, 100).astype(int).tolist()
    return max(abs(float(ours[i] - np.sort(losses[i : i + window])[rank])) for i in places)


def _expectile_rows(losses: FloatArray, window: int, short: bool) -> Iterator[Row]:
    """Expectiles against scipy's, window by window, in a few windows only."""
    few, turns = (5, 1) if short else (200, 5)
    series = pd.Series(losses[: window + few - 1])
    for levels in (EXPECTILE_LEVELS[1:2], EXPECTILE_LEVELS):
        targets = [Target("expectile", level) for level in levels]

        def apply(levels: tuple[float, ...] = levels) -> list[Any]:
            rolling = series.rolling(window)
            return [rolling.apply(scipy_expectile, raw=True, kwargs={"alpha": level}) for level in levels]

        def ours(targets: list[Target] = targets) -> FloatArray:
            return measures(losses, window, targets)

        taken = interleaved({"ours": ours, "theirs": apply}, turns)
        theirs = np.column_stack([column.to_numpy()[window - 1 :] for column in apply()])
        gap = float(np.max(np.abs(ours()[:few] - theirs)))
        count = "one level" if len(levels) == 1 else "three levels"
        aim = "2,000x; 3,000x" if len(levels) > 1 else ""
        yield Row(
            f"rolling expectile, {count}, window {window}", "loss", taken["ours"] / losses.size,
            "pandas apply of scipy's", taken["theirs"] / few, aim, f"largest difference {gap:.0e}",
        )  # fmt: skip
