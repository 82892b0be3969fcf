"""Scores of the whole law of the loss."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.scores.inputs import require_positive, same_shape


class DensityLaw(Protocol):
    """What the density scores ask of a law."""

    def logpdf(self, x: npt.ArrayLike) -> Any:
        """Logarithm of the density."""
        ...

    def crps(self, x: npt.ArrayLike) -> Any:
        """Continuous ranked probability score."""
        ...


def log_score(losses: npt.ArrayLike, mean: npt.ArrayLike, volatility: npt.ArrayLike, law: DensityLaw) -> FloatArray:
    r"""Logarithmic score of the density of the loss :math:`\mu + \sigma Z`.

    .. math:: S(\ell) = -\ln f\big((\ell - \mu)/\sigma\big) + \ln \sigma

    Parameters
    ----------
    losses, mean, volatility : array_like
        Losses, means and volatilities, of one shape or scalars. The volatility must not be negative.
    law : Law
        Fitted law of Z; a law of several samples has one for each observation.

    Returns
    -------
    ndarray
        One score for each observation; NaN where an input is NaN, where the volatility is zero (no density), and for
        sample laws.

    Raises
    ------
    DataError
        If the shapes differ or a volatility is negative.

    References
    ----------
    Gneiting and Raftery (2007), JASA 102(477), doi:10.1198/016214506000001437.

    Examples
    --------
    >>> from riskcore.distributions import Normal
    >>> log_score(np.array([0.02]), 0.0, 0.01, Normal()).round(6)
    array([-1.686232])
    """
    z, volatility = _standardised(losses, mean, volatility)
    return np.asarray(np.log(volatility) - np.asarray(law.logpdf(z), dtype=np.float64))


def crps_score(losses: npt.ArrayLike, mean: npt.ArrayLike, volatility: npt.ArrayLike, law: DensityLaw) -> FloatArray:
    r"""Continuous ranked probability score of the law of the loss :math:`\mu + \sigma Z`.

    .. math:: S(\ell) = \int (F(x) - 1\{\ell \le x\})^2 dx = \sigma\,\mathrm{CRPS}_Z\big((\ell - \mu)/\sigma\big)

    Parameters
    ----------
    losses, mean, volatility : array_like
        Losses, means and volatilities, of one shape or scalars. The volatility must not be negative.
    law : Law
        Fitted law of Z; a law of several samples has one for each observation.

    Returns
    -------
    ndarray
        One score for each observation, in the units of the losses; NaN where an input is NaN or the volatility is
        zero.

    Raises
    ------
    DataError
        If the shapes differ or a volatility is negative.

    References
    ----------
    Gneiting and Raftery (2007), JASA 102(477), doi:10.1198/016214506000001437.

    Examples
    --------
    >>> from riskcore.distributions import Normal
    >>> crps_score(np.array([0.02]), 0.0, 0.01, Normal()).round(6)
    array([0.014528])
    """
    z, volatility = _standardised(losses, mean, volatility)
    return np.asarray(volatility * np.asarray(law.crps(z), dtype=np.float64))


def _standardised(
    losses: npt.ArrayLike, mean: npt.ArrayLike, volatility: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    x, mu, sigma = same_shape(losses=losses, mean=mean, volatility=volatility)
    require_positive(np.where(sigma == 0.0, 1.0, sigma), "volatility", "positive or zero")
    sigma = np.where(sigma == 0.0, np.nan, sigma)
    return (x - mu) / sigma, sigma
