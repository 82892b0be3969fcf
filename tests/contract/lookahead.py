"""A detector of look-ahead: change what comes after a day, and see whether anything up to that day moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from riskcore._types import Target, WalkForward
from riskcore.volatility.exogenous import exog_names
from riskcore.walkforward import Walk, walk_forward
from riskcore.walkforward.exogenous import names_read

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

Walker = Callable[..., Walk]
"""Called with losses and the row to stop at, and with exogenous columns where there are such."""


def series(n_rows: int = N_ROWS, seed: int = 20240517) -> np.ndarray:
    """Losses with volatility clusters and heavy tails, in units like daily returns."""
    return _simulated(n_rows, seed)[0]


def columns(forecaster: Any, n_rows: int = N_ROWS, seed: int = 20240517) -> np.ndarray | None:
    """Exogenous columns that a forecaster reads: noisy measurements of the variance of `series`, day by day."""
    names = names_read(forecaster)
    if not names:
        return None
    variance = _simulated(n_rows, seed)[1]
    noises = [np.random.default_rng([seed, j]).normal(size=n_rows) for j in range(len(names))]
    return np.column_stack([0.8 * variance * np.exp(0.4 * noise) for noise in noises])


def rows(exog: np.ndarray | None, where: Any) -> dict[str, Any]:
    """The keyword `exog` with some rows, for a forecaster that reads columns; else nothing."""
    return {} if exog is None else {"exog": exog[where].copy()}


def _simulated(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(5, n_rows + 200) * np.sqrt(3 / 5)
    variance, out, path = 1.0, np.empty(shocks.size), np.empty(shocks.size)
    for t, z in enumerate(shocks):
        path[t] = variance
        out[t] = np.sqrt(variance) * z
        variance = 0.03 + (0.05 + 0.1 * (z > 0)) * out[t] ** 2 + 0.87 * variance
    return 0.01 * out[200:] - 0.0003, 0.0001 * path[200:]


@dataclass(frozen=True)
class Remembering:
    """A forecaster that remembers its fits by their exact input: a fit sees nothing but what it is given."""

    inner: Any
    memory: dict[Any, Any] = field(default_factory=dict)
    name: str | None = None

    def offers(self, target: Target) -> bool:
        return self.inner.offers(target)

    @property
    def needs_exog(self) -> tuple[str, ...]:
        return exog_names(self.inner)

    def fit(self, losses: np.ndarray, targets: Sequence[Target], start: Any = None, **given: np.ndarray) -> Any:
        key = (losses.tobytes(), *(x.tobytes() for x in given.values()), tuple(targets), id(start))
        if key not in self.memory:
            fitted = self.inner.fit(losses, targets, start=start, **given)
            self.memory[key] = (fitted, start)  # holding `start` keeps its id from being used again
        return self.memory[key][0]


def honest(forecaster: Any) -> Walker:
    remembering = Remembering(forecaster)

    def walk(losses: np.ndarray, stop: int, exog: np.ndarray | None = None) -> Walk:
        return walk_forward(losses, remembering, TARGETS, PLAN, exog=exog, stop=stop)

    return walk


def mutations(losses: np.ndarray, cut: int) -> dict[str, np.ndarray]:
    """What may become of the days from row `cut` on: noise, NaN, a million, nothing."""
    rng = np.random.default_rng(cut)
    changed = {name: losses.copy() for name in ("noise", "nan", "million")}
    changed["noise"][cut:] = rng.normal(scale=0.05, size=losses[cut:].shape)
    changed["nan"][cut:] = np.nan
    changed["million"][cut:] = 1e6
    return {**changed, "cut off": losses[:cut].copy()}


def both_mutations(
    losses: np.ndarray, exog: np.ndarray | None, cut: int
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """`mutations` of losses and columns together, and of the columns alone."""
    of_losses = mutations(losses, cut)
    if exog is None:
        return {name: (changed, None) for name, changed in of_losses.items()}
    of_exog = mutations(exog, cut)
    together: dict[str, tuple[np.ndarray, np.ndarray | None]] = {n: (x, of_exog[n]) for n, x in of_losses.items()}
    return {**together, "noise in exog": (losses, of_exog["noise"]), "million in exog": (losses, of_exog["million"])}


def differences(
    walk: Walker, losses: np.ndarray, cuts: Sequence[int], stop: int = BLOCK.stop, exog: np.ndarray | None = None
) -> list[tuple[int, str]]:
    """Cuts and mutations at which a row up to the cut moved by one bit (1e-12 where the series is cut off)."""
    plain = _walked(walk, losses, exog, stop)
    found = []
    for cut in cuts:
        for name, changed in both_mutations(losses, exog, cut).items():
            after = _walked(walk, *changed, cut + 1 if name == "cut off" else stop)
            if not _same(plain, after, cut, exact=name != "cut off"):
                found.append((cut, name))
    return found


def _walked(walk: Walker, losses: np.ndarray, exog: np.ndarray | None, stop: int) -> Walk:
    return walk(losses, stop) if exog is None else walk(losses, stop, exog)


def reacts(walk: Walker, losses: np.ndarray, cut: int, stop: int = BLOCK.stop, exog: np.ndarray | None = None) -> bool:
    """Whether the rows after the cut move at all: a detector that compares constants would find nothing.

    Where there are exogenous columns the rows must also move with these alone.
    """
    plain = _walked(walk, losses, exog, stop)
    row = cut + 1 - plain.first
    kinds = ["million"] if exog is None else ["million", "million in exog"]
    changed = both_mutations(losses, exog, cut)
    moved = [_walked(walk, *changed[kind], stop).values[row:] for kind in kinds]
    return not any(np.array_equal(plain.values[row:], after, equal_nan=True) for after in moved)


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
