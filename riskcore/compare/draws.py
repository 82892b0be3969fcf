"""Losses drawn from the days' own laws, for nulls of what needs the losses themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from riskcore._types import FloatArray, IntArray
from riskcore.backtests.laws import DayLaws
from riskcore.kernels import simulate

AT_ONCE = 1 << 21
"""Losses held in memory at once."""


def drawn_losses(laws: DayLaws, days: IntArray, seed: int, n_paths: int) -> Iterator[FloatArray]:
    """Blocks (paths, n) of losses of the `days`, in that order, until there are `n_paths`.

    A path has the same losses however many there are.
    """
    rows = max(1, AT_ONCE // max(days.size, 1))
    rng = np.random.default_rng(seed)
    quantiles = np.ascontiguousarray(laws.quantiles)
    for done in range(0, n_paths, rows):
        state = rng.integers(2**64, size=min(rows, n_paths - done), dtype=np.uint64)
        losses, logits = np.empty((days.size, state.size)), np.empty(state.size)
        for t in range(days.size):
            simulate.draw_day(state, laws.knots, quantiles[t], logits, losses[t])
        yield np.ascontiguousarray(losses[days].T)
