"""The realised score of an expectile forecast against what the model itself expects (Bellini, Negri, Pyatkova)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import spence

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    OWN_LAW,
    BacktestResult,
    Detail,
    Seed,
    Tail,
    choice,
    normal_p,
    simulated_p,
    undefined,
)
from riskcore.backtests.expectile import ALTERNATIVES, draws, expectile_sample, own_laws, violations
from riskcore.backtests.laws import DayLaws, own_law_expectile_sums
from riskcore.backtests.nulls import SIMULATED, null_law

FAR = 700.0
"""A logit beyond which a law has no mass that counts."""


def expectile_realized_score(
    losses: Any,
    expectile: Any,
    level: Any,
    volatility: Any = None,
    *,
    alternative: str = "two-sided",
    p_value: str = "auto",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether the score of an expectile forecast is as large as the model's own law makes it.

    .. math:: \frac{\sum_t S_t/\sigma_t^2}{\sum_t E_t S_t/\sigma_t^2}, \quad
              S_t = |1\{L_t \le m_t\} - \tau| (L_t - m_t)^2

    S over the squared volatility is the score of the standardised loss, whatever the mean. Its expectation follows
    exactly from the day's law, of which m is taken to be the expectile. Above 1: losses lie farther from the forecast
    than the model has it, which an understated expectile causes, and an understated spread of small losses too; below
    1: nearer.

    Parameters
    ----------
    losses, expectile, level, volatility, tail, rng, n_simulations, nan
        As in `expectile_calibration`; without a volatility the scale is the expectile of the day's law.
    alternative : {"two-sided", "understated"}
        Two-sided doubles the smaller tail; "understated" is the upper tail.
    p_value : {"auto", "simulated", "asymptotic"}
        By default simulated from each day's own law; the asymptotic one is that of the studentised difference between
        the score and its expectation, needs the law too, and rejects a true t(5) model at nominal 5 % in 40 / 66 % of
        samples of 250 days at level 0.99 / 0.99855.

    Returns
    -------
    BacktestResult
        `details`: as `expectile_calibration`, and score and expected_score (means over the days). NaN below 5 days, for
        a scale that is not positive and for a model without a law.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Bellini, Negri and Pyatkova (2019), Statistical Methods and Applications 28(1), 119-142,
    doi:10.1007/s10260-018-00434-w.

    Examples
    --------
    >>> levels = np.array([0.1, 0.9])
    >>> logistic = np.tile(np.log(levels / (1 - levels)), (6, 1))
    >>> losses = [-2.0, 0.0, -1.0, 0.0, 3.0, 1.0]
    >>> result = expectile_realized_score(losses, 0.5, 0.75, 1.8, tail=(levels, logistic), p_value="asymptotic")
    >>> round(result.details["score"], 4)
    0.3665
    """
    choice("alternative", alternative, ALTERNATIVES)
    name, null = "expectile_realized_score", "losses follow the model's law: the mean score is the one it expects"
    sample, _, details, reason = expectile_sample(losses, expectile, level, volatility, tail, nan)
    method = null_law("", p_value, sample.n_obs, sample.one_level, (SIMULATED, ASYMPTOTIC))  # the limit is far off
    details["alternative"] = alternative
    if reason:
        return undefined(name, null, sample, reason, details)
    facts: dict[str, Detail] = {}
    laws, own, reason = own_laws(sample, facts)
    details |= facts
    if laws is None:
        return undefined(name, null, sample, reason, details)
    m = sample.columns["expectile"]
    scores = violations(sample) / own * ((m - sample.columns["losses"]) / own)
    expected = expected_scores(laws, m) / own**2
    details |= {"score": float(scores.mean()), "expected_score": float(expected.mean())}
    value = float(scores.sum() / expected.sum())
    if method == ASYMPTOTIC:
        gap = scores - expected
        t = float(gap.sum() / np.sqrt(gap @ gap))
        chance = normal_p(t if alternative == "two-sided" else -t, alternative)
        return BacktestResult(name, null, value, chance, ASYMPTOTIC, sample.n_obs, details)
    seed, facts = draws(rng, n_simulations)
    details |= facts
    drawn = own_law_expectile_sums(seed, n_simulations, laws, own, m)[:, 5] / expected.sum()
    chance = simulated_p(value, drawn, "both" if alternative == "two-sided" else "upper")
    return BacktestResult(name, null, value, chance, OWN_LAW, sample.n_obs, details)


def expected_scores(laws: DayLaws, m: FloatArray) -> FloatArray:
    """Expected asymmetric squared error of a forecast m under each day's law."""
    up = upper_square(laws.knots, laws.quantiles, m)
    down = upper_square(-laws.knots[::-1], -laws.quantiles[:, ::-1], -m)
    return np.asarray(laws.level * up + (1.0 - laws.level) * down)


def upper_square(knots: FloatArray, quantiles: FloatArray, m: FloatArray) -> FloatArray:
    r"""E((L - m)+)^2 of laws whose quantile is linear in the logit y between knots and beyond them.

    It is :math:`2 \int_m^\infty (x - m) P(L > x) dx`, with :math:`P(L > x(y)) = 1/(1 + e^y)`, whose integrals from y
    on are :math:`\ln(1 + e^{-y})` and :math:`-\mathrm{Li}_2(-e^{-y})`.
    """
    j = np.count_nonzero(quantiles[:, 1:-1] <= m[:, None], axis=1)
    lowest, cut = j == 0, int(j.min())  # segments below every m have no part
    quantiles, knots, j = quantiles[:, cut:], knots[cut:], j - cut
    slopes = np.diff(quantiles, axis=1) / np.diff(knots)
    last, day = knots.size - 2, np.arange(m.size)
    slope, start = slopes[day, j], quantiles[day, j]
    step = np.divide(m - start, slope, out=np.zeros(m.size), where=slope > 0)
    begin = np.maximum(knots[j] + step, -FAR)
    above = np.maximum(start + slope * (begin - knots[j]) - m, 0.0)  # where the law begins above m
    parts = np.array([np.logaddexp(0.0, -knots), _dilogarithm(np.exp(-knots))])

    def rest(x: FloatArray, d: FloatArray, integrals: FloatArray) -> FloatArray:
        """Integral of (x - m) P(L > x) from a point on a line of slope d on, over d."""
        return np.asarray(x * integrals[0] + d * integrals[1])

    gaps = quantiles - m[:, None]
    whole = rest(gaps[:, :-1], slopes, parts[:, :-1])
    whole[:, :last] -= rest(gaps[:, 1:-1], slopes[:, :last], parts[:, 1:-1])
    later = np.where(np.arange(last + 1) > j[:, None], slopes * whole, 0.0).sum(axis=1)
    first = rest(above, slope, np.array([np.logaddexp(0.0, -begin), _dilogarithm(np.exp(-begin))]))
    first -= np.where(j < last, rest(gaps[day, j + 1], slope, parts[:, j + 1]), 0.0)
    return np.asarray(np.where(lowest, above, 0.0) ** 2 + 2.0 * (later + slope * first))


def _dilogarithm(z: FloatArray) -> FloatArray:
    """``-Li2(-z)``, by its series where 1 + z would lose what z says."""
    return np.asarray(np.where(z < 1e-3, z * (1 - z * (1 / 4 - z * (1 / 9 - z * (1 / 16 - z / 25)))), -spence(1.0 + z)))
