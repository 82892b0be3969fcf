"""P&L attribution: does the risk model see the profits and losses that the desk has?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from riskcore._types import FloatArray, IntArray
from riskcore.backtests.base import prepare

GREEN_CORRELATION, RED_CORRELATION = 0.80, 0.70
GREEN_DISTANCE, RED_DISTANCE = 0.09, 0.12
UNDEFINED = "undefined"


@dataclass(frozen=True)
class PnlAttribution:
    """The two figures of the attribution test and their zones.

    Parameters
    ----------
    correlation, distance : float
        Spearman's rank correlation and the Kolmogorov-Smirnov distance; NaN where undefined.
    zone, correlation_zone, distance_zone : str
        "green", "amber", "red" or "undefined"; `zone` is the worse of the two.
    n_obs, missing : int
        Days used and days without one of the two.
    reason : str
        Why there is no zone, or an empty string.
    """

    correlation: float
    distance: float
    zone: str
    correlation_zone: str
    distance_zone: str
    n_obs: int
    missing: int
    reason: str = ""


def pnl_attribution(risk_theoretical: Any, hypothetical: Any, *, nan: str = "drop") -> PnlAttribution:
    r"""Compare the P&L of the risk model with the hypothetical P&L of the desk.

    .. math:: \rho_S = \mathrm{cor}(\mathrm{rank}\, R, \mathrm{rank}\, H), \quad
              D = \sup_x |F_R(x) - F_H(x)|

    Green: correlation above 0.80 and distance below 0.09. Red: correlation below 0.70 or distance above 0.12. Amber
    between, boundaries included. The limits belong to 250 days; the distance counts, not its p-value.

    Parameters
    ----------
    risk_theoretical, hypothetical : array_like (n,)
        P&L or losses, both with the same sign. Ties share their mean rank.
    nan : {"drop", "raise"}
        What a day without one of the two means.

    Returns
    -------
    PnlAttribution
        Undefined, with a reason, below two days or where a series is constant.

    Raises
    ------
    ConfigError, DataError
        For a choice or a shape that cannot be used.

    References
    ----------
    Basel Framework MAR32.35-32.42.

    Examples
    --------
    >>> found = pnl_attribution([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 4.0, 5.0])
    >>> found.correlation, found.distance, found.zone
    (0.9, 0.0, 'green')
    """
    sample = prepare(nan, {"risk_theoretical": risk_theoretical, "hypothetical": hypothetical}, minimum=2)
    a, b = sample.columns["risk_theoretical"], sample.columns["hypothetical"]
    constant = [name for name, x in sample.columns.items() if x.size and bool(np.all(x == x[0]))]
    reason = sample.reason or (f"{' and '.join(constant)} must vary, is constant" if constant else "")
    distance = ks_distance(a, b) if sample.n_obs else float("nan")
    if reason:
        return PnlAttribution(np.nan, distance, UNDEFINED, UNDEFINED, UNDEFINED, sample.n_obs, sample.missing, reason)
    correlation = rank_correlation(a, b)
    zones = correlation_zone(correlation), distance_zone(distance)
    worse = "red" if "red" in zones else "amber" if "amber" in zones else "green"
    return PnlAttribution(correlation, distance, worse, *zones, sample.n_obs, sample.missing)


def correlation_zone(correlation: float) -> str:
    """Zone of the rank correlation; both limits are amber.

    >>> [correlation_zone(x) for x in (0.81, 0.80, 0.70, 0.69)]
    ['green', 'amber', 'amber', 'red']
    """
    return "green" if correlation > GREEN_CORRELATION else "red" if correlation < RED_CORRELATION else "amber"


def distance_zone(distance: float) -> str:
    """Zone of the distance; both limits are amber.

    >>> [distance_zone(x) for x in (0.08, 0.09, 0.12, 0.124)]
    ['green', 'amber', 'amber', 'red']
    """
    return "green" if distance < GREEN_DISTANCE else "red" if distance > RED_DISTANCE else "amber"


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's correlation, by whole numbers, so that a figure on a limit is on it."""
    x, y = _centred_ranks(a), _centred_ranks(b)
    return float(int(x @ y) / np.sqrt(float(x @ x) * float(y @ y)))


def _centred_ranks(x: FloatArray) -> IntArray:
    """Twice the mean rank less n + 1: whole numbers of sum 0."""
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    doubled = 2 * np.cumsum(counts) - counts + 1
    return np.asarray(doubled[place] - (x.size + 1), dtype=np.int64)


def ks_distance(a: FloatArray, b: FloatArray) -> float:
    """Largest gap between the distribution functions of two samples of the same size, by whole numbers."""
    x = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(part), x, side="right") for part in (a, b)]
    return float(int(np.max(np.abs(below[0] - below[1]))) / a.size)
