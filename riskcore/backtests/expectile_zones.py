"""Zones for expectile VaR: riskcore's own, no rule of a supervisor."""

from __future__ import annotations

from typing import Any

import numpy as np

from riskcore._types import FloatArray
from riskcore.backtests.base import NO_PATH, OWN_LAW, BacktestResult, Detail, Seed, Tail, simulated_p, undefined
from riskcore.backtests.expectile import ALL_EQUAL, draws, expectile_sample, observed_sums, own_laws
from riskcore.backtests.laws import own_law_expectile_sums
from riskcore.backtests.regulatory import zone

N_PATHS = 99_999
"""Enough to place the red zone, which begins at 0.01 %."""


def expectile_zone(
    losses: Any,
    expectile: Any,
    level: Any,
    volatility: Any = None,
    *,
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = N_PATHS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Place the ratio of losses to gains beyond an expectile VaR in traffic-light zones (not a regulatory rule).

    .. math:: R = \frac{\tau \sum_t (L_t - m_t)^+ / \sigma_t}{(1-\tau) \sum_t (m_t - L_t)^+ / \sigma_t}

    It is about 1 where the expectile is right and large where risk is understated. Green, yellow and red by the
    chance of a smaller ratio under the days' own laws: below 0.95, below 0.9999, else. These laws are known by
    quantiles up to 0.99999, so that under a heavy tail red begins early: for a true t(5), T = 250, at 5.1 in place of
    5.9 (level 0.99), passed with 0.025 % in place of 0.01 %.

    Parameters
    ----------
    losses, expectile, level, volatility, tail, rng, nan
        As in `expectile_calibration`; without a volatility the scale is the expectile.
    n_simulations : int
        Simulated paths; the red zone needs 10,000 or more to be reached at all.

    Returns
    -------
    BacktestResult
        `p_value` is the chance of so large a ratio. `details`: zone, cumulative_probability, rule ("not regulatory")
        and as `expectile_calibration`. NaN below 5 days, for a scale that is not positive, for a model without a law
        and without a loss below the expectile.

    Raises
    ------
    ConfigError, DataError
        For a level or a shape that cannot be used.

    References
    ----------
    Bellini and Di Bernardino (2017), European Journal of Finance 23(6), 487-506, for the ratio of gains to losses.

    Examples
    --------
    >>> levels = np.array([0.1, 0.9])
    >>> logistic = np.tile(np.log(levels / (1 - levels)), (6, 1))
    >>> found = expectile_zone([-2.0, 0.0, -1.0, 0.0, 3.0, 1.0], 1.0, 0.75, 1.8, tail=(levels, logistic))
    >>> found.statistic, found.details["zone"]
    (0.857..., 'green')
    """
    name, null = "expectile_zone", "the expectile is at least the true one"
    sample, scale, details, reason = expectile_sample(losses, expectile, level, volatility, tail, nan)
    details["rule"] = "not regulatory"
    if reason:
        return undefined(name, null, sample, reason, details)
    value = float(_ratio(observed_sums(sample, scale))[0])
    if np.isnan(value):
        no_loss = bool(np.all(sample.columns["losses"] == sample.columns["expectile"]))
        return undefined(name, null, sample, ALL_EQUAL if no_loss else "no loss below the expectile", details)
    seed, facts = draws(rng, n_simulations)
    laws, own, reason = own_laws(sample, facts)
    details |= facts
    if laws is None:
        return undefined(name, null, sample, reason, details, statistic=value)
    chance = simulated_p(value, _ratio(own_law_expectile_sums(seed, n_simulations, laws, own)), "upper")
    if np.isnan(chance):
        return undefined(name, null, sample, NO_PATH, details, statistic=value)
    placed: dict[str, Detail] = {"zone": zone(1.0 - chance), "cumulative_probability": 1.0 - chance}
    return BacktestResult(name, null, value, chance, OWN_LAW, sample.n_obs, details | placed)


def _ratio(sums: FloatArray) -> FloatArray:
    """Losses over gains from sums of V/s and abs(V)/s; NaN without a gain."""
    gains = sums[:, 6] + sums[:, 1]
    return np.asarray(np.divide(sums[:, 6] - sums[:, 1], gains, out=np.full(gains.shape, np.nan), where=gains > 0))
