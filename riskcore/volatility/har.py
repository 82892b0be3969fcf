"""HAR: tomorrow's variance by least squares on means over the last day, week and month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, get_args

import numpy as np

from riskcore._types import FloatArray, Status
from riskcore.errors import FitError, require
from riskcore.volatility.twostep import Estimates, TwoStep, TwoStepFit

Kind = Literal["absolute", "square", "log-square", "realized", "log-realized"]
FLOOR = 1e-4
"""Squares below this share of the window's mean square count as that much in a logarithm."""


@dataclass(frozen=True)
class HAR(TwoStep):
    r"""Heterogeneous autoregression of a measure x of the day's variance.

    .. math:: x_{t+1} = b_0 + \sum_k b_k \bar x_t^{(k)} + e_{t+1}, \qquad h_{t+1} = c\, f_{t+1}

    with :math:`\bar x_t^{(k)}` the mean of x over the last k days, by least squares over all days of the window that
    have the longest mean before them; standard errors are White's. x is the absolute loss less its mean, :math:`|u|`
    (then f is the fit squared), :math:`u^2` (f the fit), :math:`\ln u^2` (f the fit's exponential; squares are raised
    to 1/10000 of their window's mean), or a realized variance or its logarithm. c is the mean of :math:`u^2/f` in the
    window: residuals have unit variance, x may leave out the night, and what the exponential of a fit misses of a mean
    (half the residual variance, or Duan's smearing factor) is in it. In levels a fit is clipped to the range of x in
    the window, for :math:`|u|` and :math:`u^2` from below to the smallest of its longest means. Days before the window
    count as its mean of x. The law is estimated from the standardised losses. Where a realized variance is missing, its
    fitted value stands in (of a logarithm the exponential), in the estimation at the estimates themselves, for ten days
    of losses at most: a longer gap leaves no window that holds it and no forecast after it.

    Parameters
    ----------
    kind : {"absolute", "square", "log-square", "realized", "log-realized"}
        What x is.
    lags : tuple of int
        Days of the means, ascending; 1, 5 and 22 are a day, a week and a month.
    column : str
        Exogenous column of the realized variance, for the last two kinds.

    References
    ----------
    Corsi (2009), Journal of Financial Econometrics 7, 174-196. Duan (1983), Journal of the American Statistical
    Association 78, 605-610.

    Examples
    --------
    >>> HAR().needs_exog, HAR("log-realized").needs_exog
    ((), ('rv',))
    """

    kind: Kind = "absolute"
    lags: tuple[int, ...] = (1, 5, 22)
    column: str = "rv"
    short: ClassVar[str] = "har"

    def __post_init__(self) -> None:
        known = get_args(Kind)
        require(self.kind in known, f"kind must be one of {', '.join(known)}, got {self.kind!r}")
        whole = isinstance(self.lags, tuple) and bool(self.lags) and all(type(k) is int and k > 0 for k in self.lags)
        ascending = whole and list(self.lags) == sorted(set(self.lags))
        require(ascending, f"lags must be ascending whole numbers of days such as (1, 5, 22), got {self.lags!r}")
        named = isinstance(self.column, str) and bool(self.column)
        require(named, f"column must be the name of a column of exog, got {self.column!r}")

    @property
    def needs_exog(self) -> tuple[str, ...]:
        """The column of the realized variance, where that is what x is."""
        return (self.column,) if self.kind in ("realized", "log-realized") else ()

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """``b0`` and one name for each mean."""
        return ("b0", *(f"b{k}" for k in self.lags))

    def estimate(self, shocks: FloatArray, realized: FloatArray | None) -> Estimates:
        """Least squares, the range of fits, and c."""
        longest, n = self.lags[-1], shocks.size
        k = len(self.lags) + 1
        enough = n - longest > 2 * k
        require(enough, f"losses must have at least {longest + 2 * k + 1} rows for this HAR, got {n}", FitError)
        floor = FLOOR * float(np.mean(shocks**2))
        x = self._measure(shocks, realized, floor)
        before = float(x.mean())
        spread = float(x.std())
        require(spread > 0, "HAR: the measure of the variance is constant in the window", FitError)
        means = self._means(x, before)[:, longest:-1]
        centred = (means - before) / spread
        design = np.vstack([np.ones(n - longest), centred])
        response = (x[longest:] - before) / spread
        gram, right = design @ design.T, design @ response
        values = np.linalg.eigvalsh(gram)
        require(bool(values[0] > 1e-10 * values[-1]), "HAR: the means over days do not vary enough", FitError)
        solution = np.linalg.solve(gram, right)
        slopes = solution[1:]
        b0 = before * (1.0 - float(slopes.sum())) + spread * float(solution[0])
        params = dict(zip(self.coefficient_names, [b0, *slopes.tolist()], strict=True))
        own = self.kind in ("absolute", "square")
        low = float(means[-1].min()) if own else float(x.min())
        extra = (floor, low, float(x.max()), before)
        part = Estimates(params={**params, "c": 1.0}, presample=before, extra=extra)
        f = self.variance(shocks, realized, part)[longest:-1]
        require(bool((f > 0).all()), "HAR: the fitted variance is not positive", FitError)
        c = float(np.mean(shocks[longest:] ** 2 / f))
        return Estimates(
            params={**params, "c": c},
            presample=before,
            status=Status.ok,
            extra=extra,
            errors=partial(_white_errors, self.coefficient_names, x[longest:].copy(), means.copy()),
        )

    def paths(
        self, shocks: FloatArray, realized: FloatArray | None, fit: TwoStepFit | Estimates
    ) -> tuple[FloatArray, FloatArray | None]:
        """Variances of rows 0..n, and the realized variance, if it is read, with forecasts for NaN."""
        floor, low, high, before = fit.extra
        x = self._measure(shocks, realized, floor)
        b = np.array([fit.params[name] for name in self.coefficient_names])
        logs = self.kind.startswith("log")
        missing = () if realized is None else np.flatnonzero(np.isnan(realized))
        for t in missing:  # in order: what stands in for a day counts in the means of those after it
            day = float(b[0] + b[1:] @ self._means(x[max(t - self.lags[-1], 0) : t], before)[:, -1])
            x[t] = day if logs else min(max(day, low), high)
        fitted = np.full(x.size + 1, b[0])
        for slope, mean in zip(b[1:], self._means(x, before), strict=True):
            fitted += slope * mean
        if logs:
            f = np.exp(np.minimum(fitted, 700.0))
        else:
            f = np.clip(fitted, low, high)
            f = f**2 if self.kind == "absolute" else f
        used = None if realized is None else np.where(np.isnan(realized), np.exp(x) if logs else x, realized)
        return np.asarray(fit.params["c"] * f), used

    def _measure(self, shocks: FloatArray, realized: FloatArray | None, floor: float) -> FloatArray:
        if self.kind == "absolute":
            return np.abs(shocks)
        if self.kind == "square":
            return shocks**2
        if self.kind == "log-square":
            return np.asarray(np.log(np.maximum(shocks**2, floor)))
        assert realized is not None, "the loop gives the columns that are needed"
        return realized.copy() if self.kind == "realized" else np.asarray(np.log(realized))

    def _means(self, x: FloatArray, before: float) -> FloatArray:
        """Rows of means over the last days, column t from days before t; one more column than x has rows."""
        padded = np.concatenate([np.full(self.lags[-1], before), x])
        total, out, done = np.zeros(x.size + 1), np.empty((len(self.lags), x.size + 1)), 0
        for j, lag in enumerate(self.lags):
            for back in range(done + 1, lag + 1):
                first = self.lags[-1] - back
                total += padded[first : first + x.size + 1]
            out[j], done = total / lag, lag
        return out


def _white_errors(names: tuple[str, ...], response: FloatArray, means: FloatArray) -> Mapping[str, float]:
    """Heteroskedasticity-consistent standard errors of the regression."""
    middle, spread = means.mean(axis=1), means.std(axis=1)
    design = np.vstack([np.ones(response.size), (means - middle[:, None]) / spread[:, None]])
    inverse = np.linalg.inv(design @ design.T)
    residual = response - (inverse @ (design @ response)) @ design
    scores = design * residual
    to_units = np.diag([1.0, *(1.0 / spread)])
    to_units[0, 1:] = -middle / spread
    half = to_units @ inverse
    variance = np.diag(half @ (scores @ scores.T) @ half.T)
    return dict(zip(names, np.sqrt(variance).tolist(), strict=True))
