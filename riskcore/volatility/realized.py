"""Realized GARCH and HEAVY: the variance of the losses driven by a realized variance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from riskcore._types import BoolArray, FloatArray, Status
from riskcore.errors import FitError, require
from riskcore.kernels.realized import (
    heavy_objective,
    heavy_scores,
    linear_path,
    realized_objective,
    realized_scores,
)
from riskcore.volatility.twostep import Estimates, TwoStep, TwoStepFit, minimise, sandwich

MOST = 0.9999
"""Largest weight of yesterday's variance."""


def _column(name: str) -> None:
    ok = isinstance(name, str) and bool(name)
    require(ok, f"column must be the name of a column of exog, got {name!r}")


@dataclass(frozen=True)
class RealizedGARCH(TwoStep):
    r"""Realized GARCH in logs, with a measurement equation for the realized variance x.

    .. math:: \ln h_{t+1} = \omega + \beta \ln h_t + g \ln x_t, \qquad
              \ln x_t = \xi + \delta \ln h_t + t_1 z_t + t_2 (z_t^2 - 1) + w_t,\quad w_t \sim N(0, s^2)

    Both equations are estimated jointly by normal quasi-likelihood round the mean that least squares give; the law is
    then estimated from the standardised losses. The first variance is the window's mean square. `log_likelihood` is
    that of the losses alone, so that models with and without a realized variance are compared on the same data. With
    losses :math:`t_1 > 0` is leverage (for returns its sign is the other). Persistence is :math:`\beta + \delta g`,
    typically 0.95 to 0.99; :math:`\delta` is near 1.

    Where x is missing :math:`\xi + \delta \ln h_t` stands in for its logarithm, in the estimation at the estimates
    themselves, for ten days of losses at most: a longer gap leaves no window that holds it and no forecast after it.

    Parameters
    ----------
    column : str
        Exogenous column of the realized variance, known after the day it measures. It may leave out the night.

    References
    ----------
    Hansen, Huang & Shek (2012), Journal of Applied Econometrics 27, 877-906.

    Examples
    --------
    >>> RealizedGARCH().needs_exog
    ('rv',)
    """

    column: str = "rv"
    short: ClassVar[str] = "realized-garch"
    names: ClassVar[tuple[str, ...]] = ("omega", "beta", "g", "xi", "delta", "t1", "t2", "s2")
    beside: ClassVar[tuple[str, ...]] = ("xi", "delta", "t1", "t2", "s2")
    """Parameters of the realized variance's own equation."""

    def __post_init__(self) -> None:
        _column(self.column)

    @property
    def needs_exog(self) -> tuple[str, ...]:
        """The column of the realized variance."""
        return (self.column,)

    def persistence(self, params: Mapping[str, float]) -> float:
        """``beta + delta g``, the rate at which a forecast of the log variance returns to its mean."""
        return params["beta"] + params["delta"] * params["g"]

    def estimate(self, shocks: FloatArray, realized: FloatArray | None) -> Estimates:
        """Quasi-likelihood of losses and realized variance; the measurement equation is solved along each path."""
        assert realized is not None, "the loop gives the columns that are needed"
        mean_square, logs = float(np.mean(shocks**2)), np.log(realized)
        scale, middle = 2.0 * math.log(math.sqrt(mean_square)), float(logs.mean())
        varies = float(logs.std()) > 1e-9
        require(varies, f"exog column `{self.column}` must vary in a window, got a constant", FitError)
        u, y, measurement = shocks / math.sqrt(mean_square), logs - middle, np.empty(5)

        def objective(x: FloatArray, gradient: FloatArray) -> float:
            return float(realized_objective(x, u, y, 0.0, measurement, gradient))

        starts = [np.array([-0.3 * (1.0 - b), b, 0.9 * (1.0 - b)]) for b in (0.6, 0.3, 0.8, 0.9, 0.0)]
        bound = np.array([50.0, MOST, 50.0])
        found, tries = minimise(objective, starts, -bound, bound)
        require(found.settled, "Realized GARCH: no optimum of the quasi-likelihood was found", FitError)
        objective(found.x, np.empty(3))
        omega, beta, g = (float(v) for v in found.x)
        xi, delta, t1, t2, s2 = (float(v) for v in measurement)
        whole = (omega + (1.0 - beta) * scale - g * middle, beta, g, xi + middle - delta * scale, delta, t1, t2, s2)
        params = dict(zip(self.names, whole, strict=True))
        edge = bool(found.fixed.any()) or self.persistence(params) >= 1.0
        fixed = np.concatenate([found.fixed, np.zeros(5, dtype=bool)])
        return Estimates(
            params=params,
            presample=mean_square,
            status=Status.boundary if edge else Status.retry if tries > 1 else Status.ok,
            attempts=tries,
            extra=(omega, middle),
            errors=partial(_realized_errors, self.names, np.array(whole), shocks.copy(), logs, scale, fixed),
        )

    def paths(
        self, shocks: FloatArray, realized: FloatArray | None, fit: TwoStepFit | Estimates
    ) -> tuple[FloatArray, FloatArray]:
        """Variances of rows 0..n, and the realized variance with forecasts for NaN."""
        assert realized is not None, "the loop gives the columns that are needed"
        p, (omega, middle) = fit.params, fit.extra  # relative to the presample variance: units are a factor, exactly
        level = p["xi"] + p["delta"] * math.log(fit.presample) - middle
        path, used = linear_path(omega, p["g"], p["beta"], np.log(realized) - middle, 0.0, level, p["delta"])
        filled = np.where(np.isnan(realized), np.exp(middle + used), realized)
        return np.asarray(fit.presample * np.exp(np.minimum(path, 700.0))), filled


def _realized_errors(
    names: tuple[str, ...], x: FloatArray, u: FloatArray, logs: FloatArray, first: float, fixed: BoolArray
) -> Mapping[str, float]:
    errors = sandwich(lambda theta: np.asarray(realized_scores(theta, u, logs, first)), x, fixed)
    return dict(zip(names, errors.tolist(), strict=True))


@dataclass(frozen=True)
class HEAVY(TwoStep):
    r"""HEAVY: variance and expected realized variance, each driven by the realized variance x.

    .. math:: h_{t+1} = w + a x_t + b h_t, \qquad \mu_{t+1} = w_R + a_R x_t + b_R \mu_t

    Each equation is fitted by its own normal quasi-likelihood (QLIKE), with parameters at or above zero, round the mean
    that least squares give; the law is then estimated from the standardised losses. The first values are the window's
    means of :math:`u^2` and x. A day's forecast needs the first equation alone; the second is for longer horizons
    (`ahead`). Typical values: b 0.5 to 0.8, a such that h has the level of :math:`u^2`.

    Where x is missing :math:`\mu_t` stands in, in the estimation at the estimates themselves, for ten days of losses
    at most: a longer gap leaves no window that holds it and no forecast after it.

    Parameters
    ----------
    column : str
        Exogenous column of the realized variance, known after the day it measures.

    References
    ----------
    Shephard & Sheppard (2010), Journal of Applied Econometrics 25, 197-231.

    Examples
    --------
    >>> HEAVY("rk").needs_exog
    ('rk',)
    """

    column: str = "rv"
    short: ClassVar[str] = "heavy"
    names: ClassVar[tuple[str, ...]] = ("w", "a", "b", "wR", "aR", "bR")
    beside: ClassVar[tuple[str, ...]] = ("wR", "aR", "bR")
    """Parameters of the realized variance's own equation."""

    def __post_init__(self) -> None:
        _column(self.column)

    @property
    def needs_exog(self) -> tuple[str, ...]:
        """The column of the realized variance."""
        return (self.column,)

    def estimate(self, shocks: FloatArray, realized: FloatArray | None) -> Estimates:
        """Both equations, each by its QLIKE."""
        assert realized is not None, "the loop gives the columns that are needed"
        square, level = float(np.mean(shocks**2)), float(realized.mean())
        parts = [_heavy(shocks**2 / square, realized / level), _heavy(realized / level, realized / level)]
        (first, tries, fixed), (second, _, fixed_too) = parts
        factors = np.array([square, square / level, 1.0, level, 1.0, 1.0])
        relative = np.concatenate([first, second])
        return Estimates(
            params=dict(zip(self.names, (relative * factors).tolist(), strict=True)),
            presample=square,
            status=Status.boundary if fixed.any() else Status.retry if tries > 1 else Status.ok,
            attempts=tries,
            extra=(level,),
            errors=partial(
                _heavy_errors, self.names, relative, factors, shocks**2 / square, realized / level, (fixed, fixed_too)
            ),
        )

    def paths(
        self, shocks: FloatArray, realized: FloatArray | None, fit: TwoStepFit | Estimates
    ) -> tuple[FloatArray, FloatArray]:
        """Variances of rows 0..n, and the realized variance with forecasts for NaN."""
        assert realized is not None, "the loop gives the columns that are needed"
        p = fit.params
        _, used = linear_path(p["wR"], p["aR"], p["bR"], realized, fit.extra[0], 0.0, 1.0)
        return linear_path(p["w"], p["a"], p["b"], used, fit.presample, 0.0, 1.0)[0], used

    def ahead(self, realized: FloatArray, fit: TwoStepFit, days: int) -> FloatArray:
        r"""Variances expected for the next `days`, the first as `filter` gives it.

        .. math:: h_{t+k} = w + a \mu_{t+k-1} + b h_{t+k-1}, \qquad \mu_{t+k} = w_R + (a_R + b_R) \mu_{t+k-1}
        """
        p = fit.params
        expected, used = linear_path(p["wR"], p["aR"], p["bR"], realized, fit.extra[0], 0.0, 1.0)
        path, _ = linear_path(p["w"], p["a"], p["b"], used, fit.presample, 0.0, 1.0)
        h, mu = float(path[-1]), float(expected[-1])
        out = [h]
        for _ in range(days - 1):
            h = p["w"] + p["a"] * mu + p["b"] * h
            mu = p["wR"] + (p["aR"] + p["bR"]) * mu
            out.append(h)
        return np.array(out)


def _heavy(y: FloatArray, x: FloatArray) -> tuple[FloatArray, int, BoolArray]:
    """One equation, for series of mean one: parameters, searches, and which lie on a bound."""

    def objective(theta: FloatArray, gradient: FloatArray) -> float:
        return float(heavy_objective(theta, y, x, 1.0, gradient))

    starts = [np.array([0.1 * (1.0 - b), 0.9 * (1.0 - b), b]) for b in (0.6, 0.3, 0.8, 0.95, 0.05)]
    found, tries = minimise(objective, starts, np.zeros(3), np.array([50.0, 50.0, MOST]))
    require(found.settled, "HEAVY: no optimum of the quasi-likelihood was found", FitError)
    return found.x, tries, found.fixed


def _heavy_errors(
    names: tuple[str, ...],
    x: FloatArray,
    factors: FloatArray,
    squares: FloatArray,
    realized: FloatArray,
    fixed: tuple[BoolArray, BoolArray],
) -> Mapping[str, float]:
    """Of series of mean one, then in their units."""
    errors = [
        sandwich(
            lambda theta, y=y: np.asarray(heavy_scores(theta, y, realized, 1.0)),  # type: ignore[misc]
            x[part],
            bound,
        )
        for y, part, bound in ((squares, slice(0, 3), fixed[0]), (realized, slice(3, 6), fixed[1]))
    ]
    return dict(zip(names, (np.concatenate(errors) * factors).tolist(), strict=True))
