"""What HAR, Realized GARCH and HEAVY share: the mean first, then the variance, then the law of what is left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from riskcore._types import BoolArray, FloatArray, IntArray, Status
from riskcore.distributions import Law
from riskcore.errors import FitError, require
from riskcore.volatility.base import VolatilityFit, WindowFits, gaussian_if_sample, log_likelihood
from riskcore.volatility.exogenous import too_long
from riskcore.volatility.means import Mean

MIN_OBS = 30
"""Fewer losses than this tell nothing of a variance."""
Objective = Callable[[FloatArray, FloatArray], float]
"""Value at a point; fills the gradient."""
MAX_STEPS, N_HALVINGS = 60, 40
MAX_FILLS, FILLED = 30, 1e-9
"""Estimations at most while forecasts of missing values move, and the relative move at which they stand."""
CLOSE = 1e-10
"""Length of a Newton step, relative to one plus the point, at which a search has ended."""


@dataclass(frozen=True)
class Estimates:
    """Parameters of a variance, in the units of the losses, with what its filter needs besides."""

    params: Mapping[str, float]
    presample: float
    status: Status = Status.ok
    attempts: int = 1
    extra: tuple[float, ...] = ()
    errors: Callable[[], Mapping[str, float]] = field(default=dict, compare=False, repr=False)


@dataclass(frozen=True)
class TwoStepFit(VolatilityFit):
    """Estimates, and figures of the window that the filter needs beside the parameters."""

    extra: tuple[float, ...] = ()


class TwoStep(ABC):
    """Mean by least squares, variance by its own criterion, law from what is left: each given the ones before.

    No step depends on an earlier fit, so a walk may begin anywhere. The log-likelihood is that of the losses.
    """

    short: ClassVar[str]
    estimated: ClassVar[bool] = True
    two_step: ClassVar[bool] = True

    @property
    @abstractmethod
    def needs_exog(self) -> tuple[str, ...]:
        """Names of the exogenous columns that are read."""

    @property
    def fresh_exog(self) -> tuple[str, ...]:
        """Columns that are not carried forward: the forecast of a realized variance stands in where it is missing."""
        return self.needs_exog

    @abstractmethod
    def estimate(self, shocks: FloatArray, realized: FloatArray | None) -> Estimates:
        """The variance's parameters on one window of losses less their mean."""

    @abstractmethod
    def paths(
        self, shocks: FloatArray, realized: FloatArray | None, fit: TwoStepFit | Estimates
    ) -> tuple[FloatArray, FloatArray | None]:
        """Variances of rows 0..n, row t from rows before t, and the realized variance with forecasts for NaN."""

    def variance(self, shocks: FloatArray, realized: FloatArray | None, fit: TwoStepFit | Estimates) -> FloatArray:
        """Variances of rows 0..n."""
        return self.paths(shocks, realized, fit)[0]

    def _estimated(self, shocks: FloatArray, realized: FloatArray | None) -> Estimates:
        """Estimates at which each missing realized variance is its own forecast."""
        if realized is None or np.isfinite(realized).all():
            return self.estimate(shocks, realized)
        known = np.isfinite(realized)
        used = np.where(known, realized, realized[known].mean())
        for _ in range(MAX_FILLS):
            found = self.estimate(shocks, used)
            _, again = self.paths(shocks, realized, found)
            assert again is not None
            moved = float(np.abs(again / used - 1.0).max())
            used = again
            if moved < FILLED:
                break
        return self.estimate(shocks, used)

    def fit(
        self,
        losses: FloatArray,
        *,
        mean: Mean,
        law: Law,
        start: VolatilityFit | None = None,
        exog: FloatArray | None = None,
    ) -> TwoStepFit:
        """Estimate mean, variance and the law's free parameters on one window; `start` is not needed.

        Raises
        ------
        FitError
            If the losses are too few or constant, the realized variance is not positive, or no optimum is found.
        """
        enough = losses.size >= MIN_OBS
        require(
            enough, f"losses must have at least {MIN_OBS} rows to estimate a volatility, got {losses.size}", FitError
        )
        varies = float(losses.std()) > 1e-12 * float(np.abs(losses).max())
        require(varies, "losses are constant: a volatility cannot be estimated", FitError)
        mean_params = mean.estimate(losses)
        shocks = losses - mean.path(losses, mean_params)[:-1]
        realized = None if exog is None else exog[:, 0]
        if realized is not None:
            least, name = float(np.nanmin(realized)), self.needs_exog[0]
            require(least > 0, f"exog column `{name}` must be positive in a window, got {least:g}", FitError)
        found = self._estimated(shocks, realized)
        variance = self.variance(shocks, realized, found)[:-1]
        require(bool((variance > 0).all()), "the variance must be positive on every day of the window", FitError)
        sigma, told = np.sqrt(variance), slice(mean.hold, None)  # the days before are only conditioned on
        fitted = law if law.is_sample else law.fit(shocks[told] / sigma[told])
        return TwoStepFit(
            mean=mean,
            mean_params=mean_params,
            params=found.params,
            law=fitted,
            presample=found.presample,
            n_obs=losses.size,
            log_likelihood=log_likelihood(shocks[told], sigma[told], gaussian_if_sample(fitted)),
            status=found.status,
            attempts=found.attempts,
            errors=found.errors,
            extra=found.extra,
        )

    def filter(
        self, losses: FloatArray, fit: VolatilityFit, exog: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Means and volatilities of rows 0..n, row t from rows before t.

        For a realized variance that is missing stands its forecast; from one on that is not positive, or has been
        missing for more than ten days, the volatility is NaN.
        """
        assert isinstance(fit, TwoStepFit), "fitted by `fit`"
        mu = fit.mean.path(losses, fit.mean_params)
        if exog is None:
            return mu, np.sqrt(self.variance(losses - mu[:-1], None, fit))
        realized = exog[:, 0]
        lost = (realized <= 0) | too_long(np.isnan(realized))
        variance = self.variance(losses - mu[:-1], np.where(realized > 0, realized, np.nan), fit)
        variance[1:][np.logical_or.accumulate(lost)] = np.nan
        return mu, np.sqrt(variance)

    def fit_windows(
        self, losses: FloatArray, begins: IntArray, n: int, cold: BoolArray, *, mean: Mean, law: Law
    ) -> WindowFits | None:
        """None: windows are fitted one by one."""
        return None


@dataclass(frozen=True)
class Minimum:
    """Where a search ended, which parameters lie on a bound there, and whether it settled."""

    x: FloatArray
    value: float
    fixed: BoolArray
    settled: bool


def minimise(
    objective: Objective, starts: Sequence[FloatArray], low: FloatArray, high: FloatArray
) -> tuple[Minimum, int]:
    """A minimum within bounds by Newton's method, from the best of `starts` or, where that fails, the next best.

    The Hessian is made of differences of the gradient, so that the minimum is that of the gradient's zero to about ten
    digits. Returns it with the number of searches.
    """
    gradient = np.empty(low.size)
    ranked = sorted(starts, key=lambda x: objective(x, gradient))
    found, tries = _newton(objective, ranked[0], low, high), 1
    for start in ranked[1:]:
        if found.settled:
            break
        other, tries = _newton(objective, start, low, high), tries + 1
        found = other if other.settled or other.value < found.value else found
    return found, tries


def _newton(objective: Objective, start: FloatArray, low: FloatArray, high: FloatArray) -> Minimum:
    x, gradient, trial = np.clip(start, low, high), np.empty(start.size), np.empty(start.size)
    value = objective(x, gradient)
    fixed = np.zeros(x.size, dtype=bool)
    for _ in range(MAX_STEPS):
        fixed = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        free = np.flatnonzero(~fixed)
        if free.size == 0:
            return Minimum(x, value, fixed, True)
        values, vectors = np.linalg.eigh(_curvature(objective, x, free, low, high))
        if not np.isfinite(values).all():
            return Minimum(x, value, fixed, False)
        strong = np.maximum(np.abs(values), 1e-10 * np.abs(values).max() + 1e-300)
        step = -vectors @ ((vectors.T @ gradient[free]) / strong)
        length, moved = 1.0, False
        for _ in range(N_HALVINGS):
            y = x.copy()
            y[free] = np.clip(x[free] + length * step, low[free], high[free])
            there = objective(y, trial)
            slope = float(gradient @ (y - x))
            if there <= value + 1e-4 * slope + 4e-16 * abs(value):
                moved = True
                break
            length *= 0.5
        if not moved:  # rounding is all that is left to gain, or there is no way down
            return Minimum(x, value, fixed, bool(np.all(np.abs(step) < 1e-6 * (1.0 + np.abs(x[free])))))
        small = bool(np.all(np.abs(y - x) < CLOSE * (1.0 + np.abs(x))))
        x, value = y, there
        gradient[:] = trial
        if small and bool((values > 0).all()):
            return Minimum(x, value, fixed, True)
    return Minimum(x, value, fixed, False)


def _curvature(objective: Objective, x: FloatArray, free: IntArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The Hessian in the free coordinates, by differences of the gradient that stay within the bounds."""
    up, down = np.empty(x.size), np.empty(x.size)
    out = np.empty((free.size, free.size))
    for j, i in enumerate(free):
        h = 1e-5 * max(abs(x[i]), 0.01)
        y, z = x.copy(), x.copy()
        y[i], z[i] = min(x[i] + h, high[i]), max(x[i] - h, low[i])
        objective(y, up)
        objective(z, down)
        out[:, j] = (up[free] - down[free]) / (y[i] - z[i])
    return np.asarray(0.5 * (out + out.T))


def sandwich(scores: Callable[[FloatArray], FloatArray], x: FloatArray, fixed: BoolArray) -> FloatArray:
    """Standard errors ``A^-1 B A^-1`` of an estimate whose scores sum to zero; NaN for what lies on a bound.

    The estimate should be of series of about one: the steps of the differences have a smallest length.
    """
    out = np.full(x.size, np.nan)
    free = np.flatnonzero(~fixed)
    bread = np.empty((free.size, free.size))
    for j, i in enumerate(free):
        h = 1e-5 * max(abs(x[i]), 0.01)
        y, z = x.copy(), x.copy()
        y[i], z[i] = x[i] + h, x[i] - h
        bread[:, j] = (scores(y).sum(axis=0) - scores(z).sum(axis=0))[free] / (2.0 * h)
    own = scores(x)[:, free]
    try:
        inverse = np.linalg.inv(0.5 * (bread + bread.T))
    except np.linalg.LinAlgError:
        return out
    variance = np.diag(inverse @ (own.T @ own) @ inverse)
    out[free] = np.sqrt(np.where(variance > 0, variance, np.nan))
    return out
