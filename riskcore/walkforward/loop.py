"""The only loop over time: refit, predict, refit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from riskcore import defaults
from riskcore._types import Block, FloatArray, Status, Target, WalkForward
from riskcore.errors import FitError, require
from riskcore.forecasters import Fitted, Forecaster, Predictive
from riskcore.forecasts import DENSITY
from riskcore.kernels.moments import sliding_means
from riskcore.volatility.exogenous import exog_names
from riskcore.walkforward.exogenous import names_read

Tick = Callable[[int], None]
AT_ONCE = 8_000_000
"""Losses that the samples of days done at once may hold, where a forecaster can do many refits at once."""


@dataclass(frozen=True)
class Walk:
    """Forecasts of one forecaster for rows ``first .. first + len(values) - 1`` of a series."""

    first: int
    values: FloatArray
    status: np.ndarray[Any, np.dtype[np.int8]]
    density: FloatArray
    tail: FloatArray
    level: FloatArray
    """The day's own expectile level, NaN for models without one."""


def walk_forward(
    losses: FloatArray,
    forecaster: Forecaster,
    targets: Sequence[Target],
    plan: WalkForward,
    *,
    exog: FloatArray | None = None,
    first: int | None = None,
    stop: int | None = None,
    tick: Tick | None = None,
) -> Walk:
    """Forecast rows `first` to `stop`; row t uses losses before row t and nothing else.

    Parameters
    ----------
    losses : array, shape (n,)
        Finite losses in time order.
    forecaster : Forecaster
        Settings to fit at each refit of the plan.
    targets : sequence of Target
        Targets; those that the forecaster does not offer stay NaN.
    plan : WalkForward
        Window, refit interval, moving or expanding.
    exog : array, shape (n, m), optional
        Columns that the forecaster reads (`names_read`), row t known at the end of day t. A window in which one is NaN
        is a FitError.
    first, stop : int, optional
        Rows wanted, by default from ``plan.window`` to n. ``stop = n + 1`` adds the day after the last loss. Wherever a
        walk begins, its rows are those of the full walk: it goes back to the last refit that starts cold.
    tick : callable, optional
        Called with the number of rows done after each block.

    Returns
    -------
    Walk
        A refit that fails leaves the last good one in use for at most 20 days (status ``stale_params``), then the
        forecaster's fallback (``fallback``), then NaN (``failed``).
    """
    names = names_read(forecaster)
    shape = None if exog is None else exog.shape
    wanted_shape = (losses.size, len(names)) if names else None
    require(shape == wanted_shape, f"exog must have shape {wanted_shape} for the columns that the model reads "
            f"({', '.join(names) or 'none'}), got {shape}")  # fmt: skip
    first = plan.window if first is None else max(first, plan.window)
    stop = losses.size if stop is None else stop
    blocks = list(plan.blocks(max(losses.size, stop)))
    wanted = [b for b in blocks if b.test.stop > first and b.test.start < stop]
    begin = wanted[0].index - wanted[0].index % defaults.COLD_START_EVERY if wanted else 0
    walker = _Walker(losses, forecaster, targets, blocks, (first, stop), begin, exog)
    last = wanted[-1].index + 1 if wanted else 0
    chain = defaults.COLD_START_EVERY
    size = chain * max(1, AT_ONCE // (plan.window * plan.refit_every * chain))
    if not walker.knows(0, losses.size):
        size = chain  # a chain that lacks a value goes the way of the definition, and no other because of it
    for start in range(begin, last, size):
        chunk = blocks[start : min(start + size, last)]
        if walker.many(chunk):
            _tell(tick, chunk, first, stop)
            continue
        for block in chunk:
            walker.step(block)
            _tell(tick, [block], first, stop)
    out = walker.out
    _mark_implausible(out, losses, targets, plan.window)
    return out


def _tell(tick: Callable[[int], None] | None, blocks: Sequence[Block], first: int, stop: int) -> None:
    """Tell how many of the rows [first, stop) these blocks have done."""
    if tick is not None and blocks[-1].test.stop > first:
        tick(min(blocks[-1].test.stop, stop) - max(blocks[0].test.start, first))


@dataclass(frozen=True)
class _Good:
    """The last fit that succeeded, with where its losses start and the first row it no longer serves fresh."""

    fitted: Fitted
    start: int
    fresh_until: int


class _Walker:
    """State of one walk: the last good fit, and the rows written so far."""

    def __init__(
        self,
        losses: FloatArray,
        forecaster: Forecaster,
        targets: Sequence[Target],
        blocks: Sequence[Block],
        rows: tuple[int, int],
        begin: int,
        exog: FloatArray | None,
    ) -> None:
        self.exog, self.names = exog, names_read(forecaster)
        self.losses, self.forecaster, self.blocks, self.begin = losses, forecaster, blocks, begin
        self.first, self.stop = first, stop = rows
        self.columns = [i for i, t in enumerate(targets) if forecaster.offers(t)]
        self.offered = [targets[i] for i in self.columns]
        n_rows = max(stop - first, 0)
        self.out = Walk(
            first=first,
            values=np.full((n_rows, len(targets)), np.nan),
            status=np.full(n_rows, Status.failed, dtype=np.int8),
            density=np.full((n_rows, len(DENSITY)), np.nan),
            tail=np.full((n_rows, len(defaults.TAIL_LEVELS)), np.nan),
            level=np.full(n_rows, np.nan),
        )
        self.good: _Good | None = None

    def many(self, blocks: Sequence[Block]) -> bool:
        """Forecast the rows of many blocks at once; False, with nothing done, where there is no way to.

        A chain of refits in which one failed goes the way of the definition, which knows what stands in.
        """
        walk = getattr(self.forecaster, "walk", None)
        first, stop = blocks[0].test.start, blocks[-1].test.stop
        if walk is None or not self.knows(blocks[0].train.start, stop - 1):
            return False
        # a forecast sees no loss from its own day on, whoever makes it
        seen = slice(0, stop - 1)
        walked = walk(self.losses[seen].copy(), self.offered, blocks, **self._given(self.forecaster, seen))
        if walked is None:
            return False
        self._keep(first, stop, walked.values, walked.status, walked.predictive)
        failed = walked.status == Status.failed
        for start in range(0, len(blocks), defaults.COLD_START_EVERY):
            chain = blocks[start : start + defaults.COLD_START_EVERY]
            rows = slice(chain[0].test.start - first, chain[-1].test.stop - first)
            if failed[rows].any():
                self._forget(chain[0].test.start, chain[-1].test.stop)
                self.good, self.begin = None, chain[0].index
                for block in chain:
                    self.step(block)
        self.good, self.begin = None, blocks[-1].index + 1
        return True

    def knows(self, start: int, stop: int) -> bool:
        """Whether every exogenous column has a value on the rows [start, stop)."""
        return self.exog is None or bool(np.isfinite(self.exog[start:stop]).all())

    def _given(self, forecaster: Forecaster, rows: slice) -> dict[str, FloatArray]:
        """The keyword `exog` for a forecaster that reads columns: a copy of those rows, nothing later."""
        names = exog_names(forecaster)
        if not names:
            return {}
        assert self.exog is not None, "a forecaster that reads columns is not walked without"
        return {"exog": self.exog[rows][:, [self.names.index(name) for name in names]]}

    def step(self, block: Block) -> None:
        """Refit at the block's start and forecast its rows."""
        good, fresh = self._refit(block, self.good)
        if good is None and block.index == self.begin:  # a walk that begins late has no fit to fall back on yet
            good = self._carried(block.index)
        self.good = good
        if fresh and good is not None:
            own = (self.forecaster, good.fitted)
            self._write(block.test.start, block.test.stop, own, good.start, good.fitted.status)
        else:
            self._stand_in(block, good)

    def _refit(self, block: Block, good: _Good | None) -> tuple[_Good | None, bool]:
        cold = block.index % defaults.COLD_START_EVERY == 0
        start = None if cold or good is None else good.fitted
        try:
            given: dict[str, Any] = self._given(self.forecaster, block.train)
            fitted = self.forecaster.fit(self.losses[block.train].copy(), self.offered, start=start, **given)
        except FitError:
            return good, False
        return _Good(fitted, block.train.start, block.test.stop), True

    def _carried(self, index: int) -> _Good | None:
        """The last good fit before a cold start, as the full walk would carry it."""
        if index == 0:
            return None
        begin = (index - 1) - (index - 1) % defaults.COLD_START_EVERY
        good: _Good | None = None
        for block in self.blocks[begin:index]:
            good, _ = self._refit(block, good)
            if good is None and block.index == begin:
                good = self._carried(begin)
        return good

    def _stand_in(self, block: Block, good: _Good | None) -> None:
        row, stop = block.test.start, block.test.stop
        if good is not None:
            stale_stop = min(stop, good.fresh_until + defaults.STALE_DAYS)
            if stale_stop > row:
                self._write(row, stale_stop, (self.forecaster, good.fitted), good.start, Status.stale_params)
                row = stale_stop
        fallback: Forecaster | None = getattr(self.forecaster, "fallback", lambda: None)()
        if fallback is None or row >= stop:
            return
        try:
            given: dict[str, Any] = self._given(fallback, block.train)
            fitted = fallback.fit(self.losses[block.train].copy(), self.offered, **given)
        except FitError:
            return
        self._write(row, stop, (fallback, fitted), block.train.start, Status.fallback)

    def _write(self, row: int, stop: int, by: tuple[Forecaster, Fitted], start: int, status: Status) -> None:
        """Rows [row, stop) from a fit whose losses start at `start`; only what was asked for is kept."""
        n_days = stop - row
        if stop <= self.first or row >= self.stop:
            return
        forecaster, fitted = by
        seen, given = self.losses[start : stop - 1].copy(), self._given(forecaster, slice(start, stop - 1))
        values = fitted.predict(seen, self.offered, n_days, **given)
        law = fitted.predictive(seen, n_days, **given)
        self._keep(row, stop, values, np.full(n_days, status, dtype=np.int8), law)
        self._keep_levels(row, stop, fitted, seen)

    def _keep(
        self,
        row: int,
        stop: int,
        values: FloatArray,
        status: np.ndarray[Any, np.dtype[np.int8]],
        day: Predictive | None,
    ) -> None:
        """Write those of the rows [row, stop) that were asked for."""
        keep = slice(max(row, self.first) - row, min(stop, self.stop) - row)
        if keep.stop <= keep.start:
            return
        rows = slice(row + keep.start - self.first, row + keep.stop - self.first)
        self.out.values[rows, self.columns] = values[keep]
        good_row = np.isfinite(values[keep]).all(axis=1)
        self.out.status[rows] = np.where(good_row, status[keep], Status.failed)
        if day is not None:
            density, tail = _density(day, self._loss(row, stop))
            self.out.density[rows] = density[keep]
            self.out.tail[rows] = tail[keep]

    def _keep_levels(self, row: int, stop: int, fitted: Fitted, seen: FloatArray) -> None:
        """The day's own levels of those of the rows [row, stop) that were asked for, of a fit that has them."""
        levels = getattr(fitted, "levels", None)
        begin, end = max(row, self.first), min(stop, self.stop)
        if callable(levels) and begin < end:
            self.out.level[begin - self.first : end - self.first] = levels(seen, stop - row)[begin - row : end - row]

    def _forget(self, row: int, stop: int) -> None:
        """Make rows [row, stop) what they were before anything was written."""
        rows = slice(max(row - self.first, 0), max(stop - self.first, 0))
        for part in (self.out.values, self.out.density, self.out.tail, self.out.level):
            part[rows] = np.nan
        self.out.status[rows] = Status.failed

    def _loss(self, row: int, stop: int) -> FloatArray:
        loss = np.full(stop - row, np.nan)
        known = self.losses[row:stop]
        loss[: known.size] = known
        return loss


def _density(day: Predictive, loss: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns mean, volatility, pit, log_score, crps, and the quantiles of the day's law."""
    scaled = day.volatility > 0
    known = np.isfinite(loss) & scaled
    sigma = np.where(scaled, day.volatility, 1.0)
    z = np.where(known, (loss - day.mean) / sigma, 0.0)
    scores = (day.law.pit(z), np.log(sigma) - day.law.logpdf(z), sigma * day.law.crps(z))
    hidden = [np.where(known, s, np.nan) for s in scores]
    quantiles = day.mean[:, None] + sigma[:, None] * day.law.ppf(defaults.TAIL_LEVELS)
    return np.column_stack([day.mean, day.volatility, *hidden]), quantiles


def _mark_implausible(out: Walk, losses: FloatArray, targets: Sequence[Target], window: int) -> None:
    """Mark rows with ES below VaR or levels that cross, or a forecast outside the sane range of the window before."""
    if out.values.shape[0] == 0:
        return
    before = losses[out.first - window : out.first + out.values.shape[0] - 1]
    largest, middle = _window_maxima(np.abs(before), window), sliding_means(before, window)
    slack = 1e-9 * largest
    with np.errstate(invalid="ignore"):
        low = (out.values < (middle - slack)[:, None]).any(axis=1)
        high = (out.values > (defaults.SANE_MULTIPLE * largest + slack)[:, None]).any(axis=1)
        crossed = np.zeros(low.size, dtype=bool)
        for lower, upper in ordered_pairs(targets):
            crossed |= out.values[:, upper] < out.values[:, lower] - slack
    bad = (low | high | crossed) & (out.status < Status.implausible)
    out.status[bad] = Status.implausible


def _window_maxima(x: FloatArray, window: int) -> FloatArray:
    """Largest entry of every window: it is the end of one stretch of its length and the beginning of the next."""
    stretches = np.append(x, np.full(-x.size % window, -np.inf)).reshape(-1, window)
    front = np.maximum.accumulate(stretches, axis=1).ravel()
    back = np.maximum.accumulate(stretches[:, ::-1], axis=1)[:, ::-1].ravel()
    return np.asarray(np.maximum(back[: x.size - window + 1], front[window - 1 : x.size]))


def ordered_pairs(targets: Sequence[Target]) -> list[tuple[int, int]]:
    """Positions (i, j) of targets whose forecasts must not fall from i to j: VaR to its ES, and a measure's levels."""
    pairs = []
    for i, a in enumerate(targets):
        for j, b in enumerate(targets):
            rising = a.measure == b.measure and a.level < b.level
            if rising or (a.measure == "var" and b.measure == "es" and a.level == b.level):
                pairs.append((i, j))
    return pairs
