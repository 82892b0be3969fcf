"""A detector of look-ahead: change what comes after a day, and see whether anything up to that day moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from riskcore._types import Target, WalkForward
from riskcore.walkforward import Walk, walk_forward

TARGETS = (
    Target("var", 0.99),
    Target("var", 0.975),
    Target("es", 0.975),
    Target("expectile", 0.99),
    Target("expectile", 0.99855),
)
N_ROWS = 500
PLAN = WalkForward(window=250, refit_every=50)
BLOCK = range(300, 350)
"""Every day of the second block: a leak inside a block shows at some of these cuts."""

Walker = Callable[[np.ndarray, int], Walk]


def series(n_rows: int = N_ROWS, seed: int = 20240517) -> np.ndarray:
    """Losses with volatility clusters and heavy tails, in units like daily returns."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(5, n_rows + 200) * np.sqrt(3 / 5)
    variance, out = 1.0, np.empty(shocks.size)
    for t, z in enumerate(shocks):
        out[t] = np.sqrt(variance) * z
        variance = 0.03 + (0.05 + 0.1 * (z > 0)) * out[t] ** 2 + 0.87 * variance
    return 0.01 * out[200:] - 0.0003


@dataclass(frozen=True)
class Remembering:
    """A forecaster that remembers its fits by their exact input: a fit sees nothing but what it is given."""

    inner: Any
    memory: dict[Any, Any] = field(default_factory=dict)
    name: str | None = None

    def offers(self, target: Target) -> bool:
        return self.inner.offers(target)

    def fit(self, losses: np.ndarray, targets: Sequence[Target], start: Any = None) -> Any:
        key = (losses.tobytes(), tuple(targets), id(start))
        if key not in self.memory:
            fitted = self.inner.fit(losses, targets, start=start)
            self.memory[key] = (fitted, start)  # holding `start` keeps its id from being used again
        return self.memory[key][0]


def honest(forecaster: Any) -> Walker:
    remembering = Remembering(forecaster)

    def walk(losses: np.ndarray, stop: int) -> Walk:
        return walk_forward(losses, remembering, TARGETS, PLAN, stop=stop)

    return walk


def mutations(losses: np.ndarray, cut: int) -> dict[str, np.ndarray]:
    """What may become of the days from row `cut` on: noise, NaN, a million, nothing."""
    rng = np.random.default_rng(cut)
    changed = {name: losses.copy() for name in ("noise", "nan", "million")}
    changed["noise"][cut:] = rng.normal(scale=0.05, size=losses.size - cut)
    changed["nan"][cut:] = np.nan
    changed["million"][cut:] = 1e6
    return {**changed, "cut off": losses[:cut].copy()}


def differences(walk: Walker, losses: np.ndarray, cuts: Sequence[int], stop: int = BLOCK.stop) -> list[tuple[int, str]]:
    """Cuts and mutations at which a row up to the cut moved by one bit (1e-12 where the series is cut off)."""
    plain = walk(losses, stop)
    found = []
    for cut in cuts:
        for name, changed in mutations(losses, cut).items():
            after = walk(changed, cut + 1 if name == "cut off" else stop)
            if not _same(plain, after, cut, exact=name != "cut off"):
                found.append((cut, name))
    return found


def reacts(walk: Walker, losses: np.ndarray, cut: int, stop: int = BLOCK.stop) -> bool:
    """Whether the rows after the cut move at all: a detector that compares constants would find nothing."""
    plain, after = walk(losses, stop), walk(mutations(losses, cut)["million"], stop)
    row = cut + 1 - plain.first
    return not np.array_equal(plain.values[row:], after.values[row:], equal_nan=True)


def _same(plain: Walk, after: Walk, cut: int, *, exact: bool) -> bool:
    rows = cut + 1 - plain.first  # the row of the cut itself is forecast from the day before it
    pairs = [
        (plain.values[:rows], after.values[:rows]),
        (plain.status[:rows].astype(float), after.status[:rows].astype(float)),
        (plain.density[:rows, :2], after.density[:rows, :2]),
        (plain.density[: rows - 1, 2:], after.density[: rows - 1, 2:]),
        (plain.tail[:rows], after.tail[:rows]),
    ]
    if exact:
        return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
    return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-12, atol=1e-15, equal_nan=True) for a, b in pairs)
