"""Exponential moving averages of a panel against pandas."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.timing import Row, interleaved
from riskcore.indicators import ema

SPAN = 20.0


def average_rows(short: bool) -> Iterator[Row]:
    """One span on 200 columns of 5,000 days; several spans on one column."""
    n_days, n_columns, turns = (300, 5, 1) if short else (5000, 200, 9)
    panel = np.random.default_rng(1).standard_normal((n_days, n_columns))
    frame = pd.DataFrame(panel)
    calls = {
        "ours": lambda: ema(panel, span=SPAN),
        "pandas": lambda: frame.ewm(span=SPAN, adjust=False).mean(),
    }
    gap = float(np.max(np.abs(ema(panel, span=SPAN) - frame.ewm(span=SPAN, adjust=False).mean().to_numpy())))
    taken = interleaved(calls, turns)
    yield Row(
        f"EMA of a panel, {n_days:,} x {n_columns}", "value", taken["ours"] / panel.size, "pandas ewm",
        taken["pandas"] / panel.size, "15x; 30x", f"largest difference {gap:.0e}",
    )  # fmt: skip
    spans = np.linspace(5.0, 250.0, n_columns).tolist()
    column = np.ascontiguousarray(panel[:, 0])
    series = pd.Series(column)
    calls = {
        "ours": lambda: ema(column, span=spans),
        "pandas": lambda: [series.ewm(span=span, adjust=False).mean() for span in spans],
    }
    taken = interleaved(calls, turns)
    yield Row(
        f"EMA of a column, {n_columns} spans at once", "value", taken["ours"] / panel.size, "pandas ewm, span by span",
        taken["pandas"] / panel.size,
    )  # fmt: skip
