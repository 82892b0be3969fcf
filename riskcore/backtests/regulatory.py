"""The supervisor's zones."""

from __future__ import annotations

from typing import Any

from scipy.special import bdtr

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
        `statistic` is the number of hits. `details`: hits, expected_hits, missing, zone, cumulative_probability;
        only for 250 days at level 0.99 also plus_factor (1996, on 3) and mar32_multiplier. NaN without a usable day.

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
    if n == 250 and sample.one_level == 0.99:
        details["plus_factor"] = PLUS_FACTORS.get(x, 0.0 if x < 5 else 1.0)
        details["mar32_multiplier"] = MAR32_MULTIPLIERS.get(x, 1.5 if x < 5 else 2.0)
    p_value = tail_count_p(n, x, sample.one_level)
    return BacktestResult("traffic_light", null, float(x), p_value, EXACT, n, details)
