"""The supervisor's zones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import bdtr, ndtri

from riskcore.backtests.base import EXACT, BacktestResult, hit_details, undefined
from riskcore.backtests.coverage import sample_hits, tail_count_p

GREEN, RED = 0.95, 0.9999
"""Zones by the cumulative probability of the hits: green below the first, red from the second on."""
PLUS_FACTORS = {5: 0.40, 6: 0.50, 7: 0.65, 8: 0.75, 9: 0.85}
"""Additions to the multiplier 3 of the 1996 text, for 250 days at level 0.99; 1 in the red zone."""
MAR32_MULTIPLIERS = {5: 1.70, 6: 1.76, 7: 1.83, 8: 1.88, 9: 1.92}
"""Multipliers of MAR32.9, for 250 days at level 0.99; 1.5 in the green zone, 2 in the red one."""


def zone(probability: float) -> str:
    """Green, yellow or red by the null's cumulative probability of the statistic.

    >>> zone(0.9588)
    'yellow'
    """
    return "green" if probability < GREEN else "yellow" if probability < RED else "red"


def supervisory_factors(x: int) -> dict[str, float]:
    """Plus factor and multiplier of 1996 and multiplier of MAR32.9 for `x` exceptions in 250 days at level 0.99.

    >>> supervisory_factors(6)
    {'plus_factor': 0.5, 'multiplier_1996': 3.5, 'mar32_multiplier': 1.76}
    """
    plus = PLUS_FACTORS.get(x, 0.0 if x < 5 else 1.0)
    mar32 = MAR32_MULTIPLIERS.get(x, 1.5 if x < 5 else 2.0)
    return {"plus_factor": plus, "multiplier_1996": 3.0 + plus, "mar32_multiplier": mar32}


def unrounded_increase(x: int, n_obs: int, level: float) -> float:
    r"""Increase of the multiplier before it was rounded to the table of 1996, as MATLAB reports it.

    .. math:: \min\left(1, \max\left(0, 3 \left( \frac{\Phi^{-1}(p)}{\Phi^{-1}(1 - x/T)} - 1 \right)\right)\right)

    in the yellow zone, 0 in the green and 1 in the red one: what a normal VaR would have to be scaled up by.

    >>> round(unrounded_increase(5, 250, 0.99), 4)
    0.3982
    """
    found = zone(float(bdtr(x, n_obs, 1.0 - level)))
    if found != "yellow":
        return 0.0 if found == "green" else 1.0
    implied = float(ndtri(1.0 - x / n_obs))
    return float(np.clip(3.0 * (ndtri(level) / implied - 1.0), 0.0, 1.0)) if implied > 0 else 1.0


def traffic_light(losses: Any, var: Any, level: Any, *, nan: str = "hit") -> BacktestResult:
    r"""Place the number of hits in the Basel zones.

    .. math:: F(x) < 0.95 \text{ green}, \quad F(x) < 0.9999 \text{ yellow}, \quad \text{else red}

    with F the binomial cdf of T days with rate ``1 - level``. The p-value is :math:`P(X \ge x)`, exact and one-sided.

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float
        In (0.5, 1); the text has 0.99.
    nan : {"hit", "drop", "raise"}
        A day without a loss or a forecast counts as a hit unless said otherwise, as MAR32 rules.

    Returns
    -------
    BacktestResult
        `statistic` is the number of hits. `details`: hits, expected_hits, missing, zone, cumulative_probability,
        unrounded_increase (MATLAB's formula); only for 250 days at level 0.99 also plus_factor and multiplier_1996
        (3 plus the factor) and mar32_multiplier. NaN without a usable day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Basel Committee (1996), Supervisory framework for the use of "backtesting". Basel Framework MAR32.4-32.9.

    Examples
    --------
    >>> result = traffic_light([1.0] * 6 + [0.0] * 244, 0.5, 0.99)
    >>> result.details["zone"], result.details["mar32_multiplier"]
    ('yellow', 1.76)
    """
    null = "the hit rate is at most 1 - level"
    sample, hits = sample_hits(losses, var, level, nan)
    x, n = int(hits.sum()), sample.n_obs
    details = hit_details(sample, x)
    reason = sample.reason or ("" if sample.one_level > 0 else "needs one level for all days")
    if reason:
        return undefined("traffic_light", null, sample, reason, details)
    probability = float(bdtr(x, n, 1.0 - sample.one_level))
    details |= {"zone": zone(probability), "cumulative_probability": probability}
    details["unrounded_increase"] = unrounded_increase(x, n, sample.one_level)
    if n == 250 and sample.one_level == 0.99:
        details |= supervisory_factors(x)
    p_value = tail_count_p(n, x, sample.one_level)
    return BacktestResult("traffic_light", null, float(x), p_value, EXACT, n, details)
