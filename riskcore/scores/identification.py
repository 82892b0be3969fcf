"""Identification functions: their mean is zero under the truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.scores.inputs import prepared


def var_identification(losses: npt.ArrayLike, var: npt.ArrayLike, level: npt.ArrayLike) -> FloatArray:
    r"""Identification function of VaR, :math:`1\{\ell > v\} - (1-p)`; a positive mean says risk is understated.

    Parameters
    ----------
    losses, var : array_like
        Losses and their VaR forecasts, of one shape or scalars.
    level : float or array_like
        In (0, 1).

    Returns
    -------
    ndarray
        One value for each observation; NaN where an input is NaN.

    Raises
    ------
    DataError
        If the shapes differ.
    ConfigError
        If a level lies outside (0, 1).

    Examples
    --------
    >>> var_identification(np.array([3.0, 1.0]), np.array([1.0, 1.0]), 0.75)
    array([ 0.75, -0.25])
    """
    x, v, p = prepared(level, losses=losses, var=var)
    return np.asarray(np.where(np.isnan(x - v), np.nan, (x > v) - (1.0 - p)))


def expectile_identification(losses: npt.ArrayLike, expectile: npt.ArrayLike, level: npt.ArrayLike) -> FloatArray:
    r"""Identification function of the expectile; a negative mean says risk is understated.

    .. math:: V_\tau(m, \ell) = |1\{\ell \le m\} - \tau|\,(m - \ell)

    Parameters
    ----------
    losses, expectile : array_like
        Losses and their expectile forecasts, of one shape or scalars.
    level : float or array_like
        In (0, 1).

    Returns
    -------
    ndarray
        One value for each observation, increasing in the forecast; NaN where an input is NaN.

    Raises
    ------
    DataError
        If the shapes differ.
    ConfigError
        If a level lies outside (0, 1).

    Examples
    --------
    >>> expectile_identification(np.array([3.0, -1.0]), np.array([1.0, 1.0]), 0.75)
    array([-1.5,  0.5])
    """
    x, m, tau = prepared(level, losses=losses, expectile=expectile)
    return np.asarray(np.abs((x <= m) - tau) * (m - x))


def es_identification(losses: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: npt.ArrayLike) -> FloatArray:
    r"""Identification function of ES beside its VaR; a positive mean says risk is understated.

    .. math:: V_p(v, e, \ell) = v - e + (\ell - v)^+/(1-p)

    Parameters
    ----------
    losses, var, es : array_like
        Losses, VaR and ES forecasts at one level, of one shape or scalars.
    level : float or array_like
        In (0, 1).

    Returns
    -------
    ndarray
        One value for each observation; NaN where an input is NaN.

    Raises
    ------
    DataError
        If the shapes differ.
    ConfigError
        If a level lies outside (0, 1).

    Examples
    --------
    >>> es_identification(np.array([3.0, -1.0]), np.array([1.0, 1.0]), np.array([2.0, 2.0]), 0.75)
    array([ 7., -1.])
    """
    x, v, e, p = prepared(level, losses=losses, var=var, es=es)
    return np.asarray(v - e + np.maximum(x - v, 0.0) / (1.0 - p))
