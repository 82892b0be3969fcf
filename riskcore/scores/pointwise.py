"""Consistent scores of VaR, of the expectile, and of VaR and ES as a pair."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.scores.inputs import prepared, require_positive


def quantile_score(losses: npt.ArrayLike, var: npt.ArrayLike, level: npt.ArrayLike) -> FloatArray:
    r"""Pinball score, consistent for VaR.

    .. math:: S_p(v, \ell) = (p - 1\{\ell \le v\})(\ell - v)

    Parameters
    ----------
    losses, var : array_like
        Losses and their VaR forecasts, of one shape or scalars.
    level : float or array_like
        In (0, 1).

    Returns
    -------
    ndarray
        One score for each observation; NaN where an input is NaN.

    Raises
    ------
    DataError
        If the shapes differ.
    ConfigError
        If a level lies outside (0, 1).

    References
    ----------
    Gneiting (2011), Making and evaluating point forecasts, JASA 106(494), doi:10.1198/jasa.2011.r10138.

    Examples
    --------
    >>> quantile_score(np.array([3.0, -1.0]), np.array([1.0, 1.0]), 0.75)
    array([1.5, 0.5])
    """
    x, v, p = prepared(level, losses=losses, var=var)
    return np.asarray((p - (x <= v)) * (x - v))


def expectile_score(losses: npt.ArrayLike, expectile: npt.ArrayLike, level: npt.ArrayLike) -> FloatArray:
    r"""Asymmetric squared error, consistent for the expectile.

    .. math:: S_\tau(m, \ell) = |\tau - 1\{\ell \le m\}|\,(\ell - m)^2

    Parameters
    ----------
    losses, expectile : array_like
        Losses and their expectile forecasts, of one shape or scalars.
    level : float or array_like
        In (0, 1).

    Returns
    -------
    ndarray
        One score for each observation; NaN where an input is NaN.

    Raises
    ------
    DataError
        If the shapes differ.
    ConfigError
        If a level lies outside (0, 1).

    References
    ----------
    Gneiting (2011), Making and evaluating point forecasts, JASA 106(494), Theorem 10, doi:10.1198/jasa.2011.r10138.

    Examples
    --------
    >>> expectile_score(np.array([3.0, -1.0]), np.array([1.0, 1.0]), level=0.75)
    array([3., 1.])
    """
    x, m, tau = prepared(level, losses=losses, expectile=expectile)
    return np.asarray(np.abs(tau - (x <= m)) * (x - m) ** 2)


def fz0_score(losses: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: npt.ArrayLike) -> FloatArray:
    r"""Fissler-Ziegel score, homogeneous of degree zero in differences, consistent for the pair of VaR and ES.

    .. math:: S_p(v, e, \ell) = \frac{(\ell - v)^+}{(1-p)\,e} + \frac{v}{e} + \ln e - 1

    Parameters
    ----------
    losses, var, es : array_like
        Losses, VaR and ES forecasts at one level, of one shape or scalars. ES must be positive.
    level : float or array_like
        In (0, 1).

    Returns
    -------
    ndarray
        One score for each observation; NaN where an input is NaN.

    Raises
    ------
    DataError
        If the shapes differ or an ES is not positive: the score is not defined there.
    ConfigError
        If a level lies outside (0, 1).

    References
    ----------
    Patton, Ziegel and Chen (2019), Journal of Econometrics 211(2), doi:10.1016/j.jeconom.2018.10.008.

    Examples
    --------
    >>> fz0_score(np.array([3.0, -1.0]), np.array([1.0, 1.0]), np.array([2.0, 2.0]), 0.75).round(6)
    array([4.193147, 0.193147])
    """
    x, v, e, p = prepared(level, losses=losses, var=var, es=es)
    require_positive(e, "es")
    return np.asarray(np.maximum(x - v, 0.0) / ((1.0 - p) * e) + v / e + np.log(e) - 1.0)
