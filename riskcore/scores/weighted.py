"""CRPS that looks at one part of the law: by thresholds of the loss, or by levels of its quantiles.

The law is given by quantiles at fixed levels. Between them, and beyond the outermost ones, the quantile is linear in
the logit ``y = log(u / (1 - u))``, as in the simulated nulls. Under that law all integrals are exact:

    integral of u^k y du from 0 = (u^(k+1) log u + (1 - u^(k+1)) log(1 - u) + sum over j <= k of u^j / j) / (k+1).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.special import expit, xlogy

from riskcore._types import FloatArray, IntArray
from riskcore.errors import DataError, require

WEIGHTS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "upper": (0.0, 0.0, 1.0),
        "lower": (1.0, -2.0, 1.0),
        "tails": (1.0, -4.0, 4.0),
        "centre": (0.0, 1.0, -1.0),
        "all": (1.0,),
    }
)
"""Weights of the levels a, by the coefficients of 1, a, a^2: a^2, (1-a)^2, (2a-1)^2, a(1-a) and 1."""


def quantile_weighted_crps(
    losses: npt.ArrayLike, levels: npt.ArrayLike, quantiles: npt.ArrayLike, *, weight: str = "upper"
) -> FloatArray:
    r"""CRPS with weights on the levels: the pinball scores of all quantiles, those that matter counted most.

    .. math:: S(F, \ell) = \int_0^1 2\,(1\{\ell \le q_a\} - a)(q_a - \ell)\, v(a)\, da

    Parameters
    ----------
    losses : array_like (n,)
        Losses.
    levels, quantiles : array_like (Q,), (n, Q)
        Levels, ascending in (0, 1), and quantiles of each day's law.
    weight : {"upper", "lower", "tails", "centre", "all"}
        v(a): a^2 (large losses), (1 - a)^2, (2a - 1)^2, a(1 - a), or 1, the CRPS itself. Fix it beforehand.

    Returns
    -------
    ndarray
        One score for each observation, in the units of the losses; NaN where an input is NaN or where quantiles fall
        from one level to the next. Exact for the law interpolated between the quantiles.

    Raises
    ------
    ConfigError, DataError
        For another weight, levels that do not ascend in (0, 1), or shapes that do not fit.

    References
    ----------
    Gneiting and Ranjan (2011), Journal of Business and Economic Statistics 29(3), doi:10.1198/jbes.2010.08110.

    Examples
    --------
    >>> quantile_weighted_crps([0.0, 2.0], [0.25, 0.5, 0.75], [[-1.0, 0.0, 1.0]] * 2, weight="all").round(4)
    array([0.3516, 1.2816])
    """
    require(weight in WEIGHTS, f"weight must be one of {', '.join(WEIGHTS)}, got {weight!r}")
    law = _Law(losses, levels, quantiles)
    v = WEIGHTS[weight]
    # (q - loss) v over the levels from F(loss) on, less a (q - loss) v over all of them
    below, weight_below = law.up_to_losses(v)
    upper = law.whole(v) - below - law.losses * (_whole_weight(v) - weight_below)
    return law.known(2.0 * (upper - law.whole((0.0, *v)) + law.losses * _whole_weight((0.0, *v))))


def threshold_weighted_crps(
    losses: npt.ArrayLike, levels: npt.ArrayLike, quantiles: npt.ArrayLike, *, threshold: npt.ArrayLike
) -> FloatArray:
    r"""CRPS of what happens above a threshold, that of max(X, r) against max(loss, r).

    .. math:: S(F, \ell) = \int_r^\infty (F(x) - 1\{\ell \le x\})^2 dx

    Parameters
    ----------
    losses : array_like (n,)
        Losses.
    levels, quantiles : array_like (Q,), (n, Q)
        As in `quantile_weighted_crps`.
    threshold : float or array_like (n,)
        r, fixed beforehand, as a known function of the day at most. A score times 1{loss > r} instead would be
        improper: it would reward whoever forecasts too much.

    Returns
    -------
    ndarray
        One score for each observation; NaN as in `quantile_weighted_crps`. Minus infinity as the threshold gives the
        CRPS.

    Raises
    ------
    DataError
        For levels that do not ascend in (0, 1), or shapes that do not fit.

    References
    ----------
    Gneiting and Ranjan (2011), Journal of Business and Economic Statistics 29(3), doi:10.1198/jbes.2010.08110.
    Allen, Ginsbourger and Ziegel (2023), SIAM/ASA Journal on Uncertainty Quantification 11(3), 906-940.

    Examples
    --------
    >>> law = [0.25, 0.5, 0.75], [[-1.0, 0.0, 1.0]] * 2
    >>> threshold_weighted_crps([0.0, 2.0], *law, threshold=0.0).round(4)
    array([0.1758, 1.1058])
    """
    law = _Law(losses, levels, quantiles)
    r = np.asarray(threshold, dtype=np.float64)
    ok = r.ndim == 0 or r.shape == law.losses.shape
    require(ok, f"threshold must be one number or have the shape of losses, got {r.shape}", DataError)
    low = np.broadcast_to(np.where(np.isnan(r), 0.0, r), law.losses.shape)
    turn = np.maximum(law.losses, low)  # from the threshold to it the outcome is not reached yet
    return law.known(np.where(np.isnan(r), np.nan, law.below(turn) - law.below(low) + law.mirrored().below(-turn)))


def _squares(y: FloatArray) -> FloatArray:
    """Integral of u^2 dy from minus infinity to the logit y."""
    return np.asarray(np.logaddexp(0.0, y) - expit(y))


def _powers(y: FloatArray, v: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Integrals of v(u) du and of v(u) y du over u from 0 up to the logit y, v a polynomial."""
    u, p = expit(y), expit(-y)
    u_log, p_log = xlogy(u, u), xlogy(p, p)
    plain, logit = np.zeros(np.shape(y)), np.zeros(np.shape(y))
    power, geometric, harmonic = np.ones(np.shape(y)), np.ones(np.shape(y)), np.zeros(np.shape(y))  # k = 0
    for k, coefficient in enumerate(v):
        plain += coefficient * power * u / (k + 1)
        logit += coefficient * (power * u_log + geometric * p_log + harmonic) / (k + 1)
        power = power * u
        geometric, harmonic = geometric + power, harmonic + power / (k + 1)
    return plain, logit


def _whole_weight(v: tuple[float, ...]) -> float:
    """Integral of v over all levels."""
    return sum(coefficient / (k + 1) for k, coefficient in enumerate(v))


class _Law:
    """Each day's law: between neighbouring knots of the logit the quantile is ``base + slope y``."""

    def __init__(self, losses: npt.ArrayLike, levels: npt.ArrayLike, quantiles: npt.ArrayLike) -> None:
        self.losses, u, q = (np.asarray(x, dtype=np.float64) for x in (losses, levels, quantiles))
        ok = self.losses.ndim == 1 and u.ndim == 1 and u.size >= 2 and q.shape == (self.losses.size, u.size)
        text = f"levels (Q,) and quantiles (n, Q) must fit losses (n,), got {u.shape}, {q.shape}, {self.losses.shape}"
        require(ok, text, DataError)
        rising = bool(np.all(np.diff(u) > 0) and u[0] > 0 and u[-1] < 1)
        require(rising, "levels must increase and lie in (0, 1)", DataError)
        knots = np.log(u / (1.0 - u))
        finite = np.isfinite(self.losses) & np.isfinite(q).all(axis=1)
        self.unknown = ~finite | ~np.all(np.diff(np.where(finite[:, None], q, 0.0), axis=1) >= 0.0, axis=1)
        self.losses = np.where(self.unknown, 0.0, self.losses)
        self._set(knots, np.where(self.unknown[:, None], knots, q))  # some law, so that nothing warns

    def _set(self, knots: FloatArray, quantiles: FloatArray) -> None:
        self.quantiles = quantiles
        self.slope = np.diff(quantiles, axis=1) / np.diff(knots)
        self.base = quantiles[:, :-1] - self.slope * knots[:-1]
        self.ends = np.concatenate([[-np.inf], knots[1:-1], [np.inf]])
        self.knots = knots

    def mirrored(self) -> _Law:
        """The law of minus the loss."""
        other = object.__new__(_Law)
        other.losses = -self.losses
        other._set(-self.knots[::-1], -self.quantiles[:, ::-1])
        return other

    def place(self, x: FloatArray) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """The segment of each x with its base and slope, and the logit of F(x) in it."""
        segment = np.count_nonzero(self.quantiles[:, 1:-1] < x[:, None], axis=1)
        base, slope = (np.take_along_axis(a, segment[:, None], axis=1)[:, 0] for a in (self.base, self.slope))
        flat = np.where(x > base, np.inf, -np.inf)
        y = np.divide(x - base, slope, out=flat, where=slope > 0.0)
        return segment, base, slope, np.clip(y, self.ends[segment], self.ends[segment + 1])

    def whole(self, v: tuple[float, ...]) -> FloatArray:
        """Integral of the quantile times v over all levels."""
        plain, logit = (np.diff(part) for part in _powers(self.ends, v))
        return np.asarray(self.base @ plain + self.slope @ logit)

    def up_to_losses(self, v: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
        """Integrals of the quantile times v, and of v, over the levels up to F(loss)."""
        plain, logit = (np.diff(part) for part in _powers(self.ends, v))
        segment, base, slope, y = self.place(self.losses)
        before = np.zeros(self.slope.shape)
        np.cumsum((self.base * plain + self.slope * logit)[:, :-1], axis=1, out=before[:, 1:])
        at, start = _powers(y, v), _powers(self.ends[segment], v)
        rest = base * (at[0] - start[0]) + slope * (at[1] - start[1])
        return np.take_along_axis(before, segment[:, None], axis=1)[:, 0] + rest, at[0]

    def below(self, x: FloatArray) -> FloatArray:
        """Integral of F^2 up to x."""
        segment, _, slope, y = self.place(x)
        steps = np.diff(_squares(self.ends[:-1]))
        before = np.zeros(self.slope.shape)
        np.cumsum(self.slope[:, :-1] * steps, axis=1, out=before[:, 1:])
        total = np.take_along_axis(before, segment[:, None], axis=1)[:, 0]
        total += np.multiply(slope, _squares(y) - _squares(self.ends[segment]), out=np.zeros(x.shape), where=slope > 0)
        # a law that does not go on beyond its last quantile: F = 1 there
        return np.asarray(total + np.where(self.slope[:, -1] == 0.0, np.maximum(x - self.quantiles[:, -1], 0.0), 0.0))

    def known(self, scores: FloatArray) -> FloatArray:
        """The scores, NaN on days without a loss or a law."""
        return np.where(self.unknown, np.nan, scores)
