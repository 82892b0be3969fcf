"""Elementary scores (Murphy): a forecast that is no worse at every threshold is so under every consistent score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.scores.inputs import prepared


def elementary_quantile_score(
    losses: npt.ArrayLike, var: npt.ArrayLike, level: npt.ArrayLike, theta: npt.ArrayLike
) -> FloatArray:
    r"""Elementary scores of VaR, whose mixtures are all consistent scores; the integral over theta is the pinball.

    .. math:: S_{p,\theta}(v, \ell) = (1\{\ell < v\} - p)(1\{\theta < v\} - 1\{\theta < \ell\})

    Parameters
    ----------
    losses, var : array_like
        Losses and their VaR forecasts, of one shape or scalars.
    level : float or array_like
        In (0, 1).
    theta : float or array_like
        Thresholds.

    Returns
    -------
    ndarray
        Shape of `theta` followed by that of the losses; NaN where an input is NaN.

    Raises
    ------
    DataError
        If the shapes differ.
    ConfigError
        If a level lies outside (0, 1).

    References
    ----------
    Ehm, Gneiting, Jordan and Krueger (2016), JRSS B 78(3), doi:10.1111/rssb.12154.

    Examples
    --------
    >>> elementary_quantile_score(np.array([3.0, 0.0]), np.array([1.0, 2.0]), 0.75, 1.5)
    array([0.75, 0.25])
    """
    x, v, p = prepared(level, losses=losses, var=var)
    at = _thresholds(theta, x)
    score = ((x < v) - p) * ((at < v).astype(np.float64) - (at < x))
    return np.asarray(np.where(np.isnan(x + v + at), np.nan, score))


def elementary_expectile_score(
    losses: npt.ArrayLike, expectile: npt.ArrayLike, level: npt.ArrayLike, theta: npt.ArrayLike
) -> FloatArray:
    r"""Elementary scores of the expectile; twice the integral over theta is the asymmetric squared error.

    .. math:: S_{\tau,\theta}(m, \ell) = |1\{\ell < m\} - \tau|\,|\ell - \theta|\,
              1\{\min(\ell, m) \le \theta < \max(\ell, m)\}

    Parameters
    ----------
    losses, expectile : array_like
        Losses and their expectile forecasts, of one shape or scalars.
    level : float or array_like
        In (0, 1).
    theta : float or array_like
        Thresholds.

    Returns
    -------
    ndarray
        Shape of `theta` followed by that of the losses; NaN where an input is NaN.

    Raises
    ------
    DataError
        If the shapes differ.
    ConfigError
        If a level lies outside (0, 1).

    References
    ----------
    Ehm, Gneiting, Jordan and Krueger (2016), JRSS B 78(3), doi:10.1111/rssb.12154.

    Examples
    --------
    >>> elementary_expectile_score(np.array([2.5, -0.4, 1.0]), np.array([2.0, 1.0, 3.0]), 0.99, 2.6).round(6)
    array([0.   , 0.   , 0.016])
    """
    x, m, tau = prepared(level, losses=losses, expectile=expectile)
    at = _thresholds(theta, x)
    between = (np.minimum(x, m) <= at) & (at < np.maximum(x, m))
    score = np.abs((x < m) - tau) * np.abs(x - at) * between
    return np.asarray(np.where(np.isnan(x + m + at), np.nan, score))


def _thresholds(theta: npt.ArrayLike, x: FloatArray) -> FloatArray:
    at = np.asarray(theta, dtype=np.float64)
    return at.reshape(at.shape + (1,) * x.ndim)
