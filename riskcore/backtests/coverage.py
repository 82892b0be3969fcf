"""Tests of the number and the timing of hits: binomial, Kupiec, time until first failure, Christoffersen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    EXACT,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    chi2_sf,
    choice,
    hit_details,
    normal_p,
    prepare,
    undefined,
)
from riskcore.backtests.hit_laws import (
    MOST_DAYS,
    exact_law,
    independence_law,
    log_binomial,
    lr_coverage,
    lr_independence,
    lr_wait,
)
from riskcore.backtests.nulls import AUTO, HIT_NULL, SIMULATED, Hits, hit_p, null_law
from riskcore.kernels.coverage import transition_counts

POLICIES = ("drop", "raise", "hit")
ONE_LEVEL = "needs one level for all days"
COVERAGE = "the hit rate equals 1 - level"
INDEPENDENCE = "a hit does not change the chance of a hit on the next day"
BOTH = "hits are independent with rate 1 - level"


def sample_hits(losses: Any, var: Any, level: Any, nan: str, minimum: int = 1) -> tuple[Sample, npt.NDArray[np.bool_]]:
    """Checked columns and the hits ``loss > var`` (equality is none); with ``nan="hit"`` a missing day is one."""
    sample = prepare(nan, {"losses": losses, "var": var}, level, policies=POLICIES, minimum=minimum)
    hits = sample.columns["losses"] > sample.columns["var"]
    if nan == "hit":
        hits |= sample.columns["missing"] > 0
    return sample, hits


def transitions(hits: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Counts n00, n01, n10, n11 over the n - 1 pairs of neighbouring days."""
    n00, n01, n10, n11 = transition_counts(np.flatnonzero(hits), hits.size)
    return int(n00), int(n01), int(n10), int(n11)


def wanted(name: str, p_value: str, sample: Sample, offered: tuple[str, ...]) -> str:
    """The null that serves; without one level for all days, or beyond what is enumerated, "auto" is not exact."""
    able = tuple(law for law in offered if law != EXACT) if p_value == AUTO and _not_exact(name, sample) else offered
    return null_law(name, p_value, sample.n_obs, sample.one_level, able)


def _not_exact(name: str, sample: Sample) -> str:
    """Why the law of a statistic is not enumerated, or an empty string."""
    if np.isnan(sample.one_level):
        return "the exact law needs one level for all days"
    long = name == "christoffersen_coverage" and sample.n_obs > MOST_DAYS
    return f"the exact law is enumerated up to {MOST_DAYS:,} days" if long else ""


def _exact_p(name: str, sample: Sample, observed: float, hits: int = 0) -> tuple[float, dict[str, Detail]]:
    given = name == "christoffersen_independence"  # a rate that is wrong is no dependence
    law = independence_law(sample.n_obs, hits) if given else exact_law(name, sample.n_obs, sample.one_level)
    return float(law.tail(observed)), {"mid_p": law.mid_p(observed), "attained_size": law.attained_size}


def _chi2_or_exact(
    name: str, null: str, sample: Sample, statistic: float, details: dict[str, Detail], how: str
) -> BacktestResult:
    """Result of a statistic whose law is enumerated, or chi-square with `df` degrees of freedom in the limit."""
    if how == ASYMPTOTIC:
        chance = chi2_sf(statistic, int(details["df"]))
    else:
        chance, facts = _exact_p(name, sample, statistic, int(details["hits"]))
        details = details | facts
    return BacktestResult(name, null, statistic, chance, how, sample.n_obs, details)


def binomial(
    losses: Any,
    var: Any,
    level: Any,
    *,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SHARED,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test the number of hits against its binomial law, two-sided.

    .. math:: z = (x - T(1-p)) / \sqrt{T p (1-p)}

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float or array_like
        In (0.5, 1); an array where the level moves by day.
    p_value : {"auto", "exact", "simulated", "asymptotic"}
        "exact": the binomial probability of all counts no more likely than the observed one; "simulated": of ``|z|``,
        from iid hits; "asymptotic": the normal limit. "auto": exact, simulated where the level moves.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated hit sequences.
    nan : {"drop", "raise", "hit"}
        What a missing loss or forecast means.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, where exact mid_p and attained_size (of the exact p-value at nominal
        5 %). NaN without a usable day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Jorion (2006), Value at Risk, 3rd edition, chapter 6.

    Examples
    --------
    >>> result = binomial([1.0] * 7 + [0.0] * 243, 0.5, 0.99)
    >>> round(result.statistic, 4), round(result.p_value, 4), result.p_method
    (2.8604, 0.0137, 'exact')
    """
    offered = (EXACT, SIMULATED, ASYMPTOTIC)
    choice("p_value", p_value, (AUTO, *offered))
    sample, hits = sample_hits(losses, var, level, nan)
    details = hit_details(sample, hits.sum())
    if sample.reason:
        return undefined("binomial", COVERAGE, sample, sample.reason, details)
    batch = Hits.of(hits)
    statistic = float(_z(batch, sample.level)[0])
    how = wanted("binomial", p_value, sample, offered)
    reason = _not_exact("binomial", sample) if how == EXACT else ""
    if reason:
        return undefined("binomial", COVERAGE, sample, reason, details, statistic=statistic)
    facts: dict[str, Detail] = {}
    if how == EXACT:
        log_p = log_binomial(sample.n_obs, hits.sum(dtype=np.float64), 1.0 - sample.one_level)
        chance, facts = _exact_p("binomial", sample, -float(log_p))
    elif how == SIMULATED:
        observed = float(distance(batch, sample.level, ())[0])
        chance, facts = hit_p(distance, observed, (), sample.level, rng, n_simulations=n_simulations)
        how = HIT_NULL
    else:
        chance = normal_p(statistic, "two-sided")
    return BacktestResult("binomial", COVERAGE, statistic, chance, how, sample.n_obs, details | facts)


def _z(hits: Hits, level: FloatArray) -> FloatArray:
    rate = 1.0 - level
    return np.asarray((hits.counts - rate.sum()) / np.sqrt(np.sum(rate * level)))


def distance(hits: Hits, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Size of the binomial statistic of each path."""
    return np.abs(_z(hits, level))


def kupiec(losses: Any, var: Any, level: Any, *, p_value: str = AUTO, nan: str = "drop") -> BacktestResult:
    r"""Test the hit rate by Kupiec's likelihood ratio (proportion of failures).

    .. math:: LR = -2[(T-x)\ln p + x\ln(1-p) - (T-x)\ln(1-x/T) - x\ln(x/T)] \sim \chi^2_1

    The chi-square p-value is oversized where few hits are expected: the attained size at nominal 5 % is 9.5 % for
    T = 250, p = 0.99, 7.4 % at 0.975 and 5.9 % at 0.95 (T = 1000: 5.5, 4.2, 5.1 %). The exact one is conservative by
    steps: it attains 1.4 % at T = 250, p = 0.99. Zero hits in 250 days at 0.99 are a prudent model: see ``side``.

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float
        In (0.5, 1).
    p_value : {"auto", "exact", "asymptotic"}
        Enumeration of the binomial law, or the chi-square limit; "auto": exact.
    nan : {"drop", "raise", "hit"}
        What a missing loss or forecast means.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, side, where exact mid_p and attained_size (of the exact p-value at
        nominal 5 %). NaN without a usable day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3(2), 73-84.

    Examples
    --------
    >>> result = kupiec([1.0] * 10 + [0.0] * 490, 0.5, 0.99, p_value="asymptotic")
    >>> round(result.statistic, 3), round(result.p_value, 3), result.details["side"]
    (3.914, 0.048, 'too many hits')
    """
    choice("p_value", p_value, (AUTO, EXACT, ASYMPTOTIC))
    sample, hits = sample_hits(losses, var, level, nan)
    x = int(hits.sum())
    details = hit_details(sample, x)
    reason = sample.reason or ("" if sample.one_level > 0 else ONE_LEVEL)
    if reason:
        return undefined("kupiec", COVERAGE, sample, reason, details)
    details |= {"df": 1, "side": side(x, float(details["expected_hits"]))}
    statistic = float(lr_coverage(sample.n_obs, x, sample.one_level))
    how = wanted("kupiec", p_value, sample, (EXACT, ASYMPTOTIC))
    return _chi2_or_exact("kupiec", COVERAGE, sample, statistic, details, how)


def side(hits: float, expected: float) -> str:
    """In words: on which side of the expected number the hits lie."""
    return "too many hits" if hits > expected else "too few hits" if hits < expected else "as expected"


def tuff(losses: Any, var: Any, level: Any, *, p_value: str = AUTO, nan: str = "drop") -> BacktestResult:
    r"""Test the day of the first hit, n, by Kupiec's likelihood ratio (time until first failure).

    .. math:: LR = -2[\ln(1-p) + (n-1)\ln p + \ln n - (n-1)\ln(1-1/n)] \sim \chi^2_1

    The exact p-value is that of a geometric wait, given that it ends within the sample: a sample without a hit has no
    statistic.

    Parameters
    ----------
    losses, var, level, nan
        As in `kupiec`.
    p_value : {"auto", "exact", "asymptotic"}
        Enumeration of the geometric law, or the chi-square limit; "auto": exact.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, first_hit, where exact mid_p and attained_size. NaN without a hit;
        `details` then has ``tail_probability``, the chance p^T of so long a wait. The test has very little power.

    Raises
    ------
    ConfigError, DataError
        As `kupiec`.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3(2), 73-84.

    Examples
    --------
    >>> round(tuff([0.0] * 57 + [1.0], 0.5, 0.95).statistic, 4)
    1.7354
    """
    choice("p_value", p_value, (AUTO, EXACT, ASYMPTOTIC))
    null = "the wait for the first hit is geometric with rate 1 - level"
    sample, hits = sample_hits(losses, var, level, nan)
    details = hit_details(sample, hits.sum())
    reason = sample.reason or ("" if sample.one_level > 0 else ONE_LEVEL)
    if reason:
        return undefined("tuff", null, sample, reason, details)
    if not hits.any():
        details["tail_probability"] = float(sample.one_level**sample.n_obs)
        return undefined("tuff", null, sample, "no hit", details)
    first = int(np.argmax(hits)) + 1
    details |= {"df": 1, "first_hit": first}
    how = wanted("tuff", p_value, sample, (EXACT, ASYMPTOTIC))
    return _chi2_or_exact("tuff", null, sample, float(lr_wait(first, sample.one_level)), details, how)


def christoffersen_independence(
    losses: Any,
    var: Any,
    level: Any,
    *,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SHARED,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether a hit changes the chance of a hit on the next day, against a first-order Markov chain.

    .. math:: LR = -2[\ln L(\pi) - \ln L(\pi_0, \pi_1)] \sim \chi^2_1,
              \quad \pi_i = n_{i1}/(n_{i0}+n_{i1}), \quad \pi = (n_{01}+n_{11})/(T-1)

    The exact p-value is given the number of hits, so that a rate that is wrong is not taken for dependence: all orders
    of the hits are alike then. (With the rate ``1 - level`` instead, independent hits at two and three times that rate
    would be rejected in 28 and 63 % of samples of 250 days at p = 0.99.) Few hits allow few orders: it attains 2 to 3 %
    at nominal 5 %; `mid_p` is nearer.

    Parameters
    ----------
    losses, var, level, nan
        As in `kupiec`; dropped days join their neighbours. The level may move by day.
    p_value : {"auto", "exact", "simulated", "asymptotic"}
        "exact": the share of all orders of the hits with at least this statistic; "simulated": independent hits with
        each day's rate ``1 - level``; "asymptotic": the chi-square limit. "auto": exact, simulated where the level
        moves.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated hit sequences.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, n00, n01, n10, n11, where exact mid_p and attained_size. No hit or
        nothing else: statistic 0. NaN below two days.

    Raises
    ------
    ConfigError, DataError
        As `kupiec`.

    References
    ----------
    Christoffersen (1998), International Economic Review 39(4), 841-862.

    Examples
    --------
    >>> christoffersen_independence([0, 0, 1, 1, 1, 0, 0, 0], 0.5, 0.9).details["n11"]
    2
    """
    name, offered = "christoffersen_independence", (EXACT, SIMULATED, ASYMPTOTIC)
    choice("p_value", p_value, (AUTO, *offered))
    sample, hits = sample_hits(losses, var, level, nan, minimum=2)
    details = hit_details(sample, hits.sum())
    if sample.reason:
        return undefined(name, INDEPENDENCE, sample, sample.reason, details)
    counts = transitions(hits)
    details |= {"df": 1, **dict(zip(("n00", "n01", "n10", "n11"), counts, strict=True))}
    statistic = float(lr_independence(*counts))
    how = wanted(name, p_value, sample, offered)
    reason = _not_exact(name, sample) if how == EXACT else ""
    if how == ASYMPTOTIC and np.isnan(sample.one_level):
        reason = ONE_LEVEL
    if reason:
        return undefined(name, INDEPENDENCE, sample, reason, details, statistic=statistic)
    if how == SIMULATED:
        chance, facts = hit_p(markov, statistic, (), sample.level, rng, n_simulations=n_simulations)
        return BacktestResult(name, INDEPENDENCE, statistic, chance, HIT_NULL, sample.n_obs, details | facts)
    return _chi2_or_exact(name, INDEPENDENCE, sample, statistic, details, how)


def markov(hits: Hits, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Christoffersen's independence statistic of each path."""
    counts, n = hits.counts, hits.n
    path = np.repeat(np.arange(counts.size), counts)
    follows = (np.diff(hits.where) == 1) & (np.diff(path) == 0)
    n11 = np.bincount(path[1:][follows], minlength=counts.size)
    n01 = counts - n11 - np.bincount(path[hits.where == 0], minlength=counts.size)
    n10 = counts - n11 - np.bincount(path[hits.where == n - 1], minlength=counts.size)
    return lr_independence(n - 1 - n11 - n01 - n10, n01, n10, n11)


def christoffersen_coverage(
    losses: Any, var: Any, level: Any, *, p_value: str = AUTO, nan: str = "drop"
) -> BacktestResult:
    r"""Test coverage and independence together (conditional coverage).

    .. math:: LR_{cc} = LR_{POF} + LR_{ind} \sim \chi^2_2

    The first term uses all T days, the second the T - 1 pairs. The chi-square p-value is undersized: 0.8, 3.1, 3.7 %
    at nominal 5 % for T = 250 and level 0.99, 0.975, 0.95.

    Parameters
    ----------
    losses, var, level, nan
        As in `kupiec`; dropped days join their neighbours.
    p_value : {"auto", "exact", "asymptotic"}
        "exact": the chance of all hit sequences with at least this statistic, iid with rate ``1 - level``;
        "asymptotic": the chi-square limit. "auto": exact (asymptotic beyond 100,000 days).

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, n00, n01, n10, n11, lr_coverage, lr_independence, side, where exact
        mid_p and attained_size. NaN below two days.

    Raises
    ------
    ConfigError, DataError
        As `kupiec`.

    References
    ----------
    Christoffersen (1998), International Economic Review 39(4), 841-862.

    Examples
    --------
    >>> result = christoffersen_coverage(([0.0] * 40 + [1.0]) * 7 + [0.0] * 13, 0.5, 0.95)
    >>> round(result.statistic, 4), round(result.p_value, 4), result.p_method
    (5.8882, 0.0442, 'exact')
    """
    name = "christoffersen_coverage"
    choice("p_value", p_value, (AUTO, EXACT, ASYMPTOTIC))
    sample, hits = sample_hits(losses, var, level, nan, minimum=2)
    x = int(hits.sum())
    details = hit_details(sample, x)
    reason = sample.reason or ("" if sample.one_level > 0 else ONE_LEVEL)
    if reason:
        return undefined(name, BOTH, sample, reason, details)
    counts = transitions(hits)
    coverage = float(lr_coverage(sample.n_obs, x, sample.one_level))
    independence = float(lr_independence(*counts))
    details |= {"df": 2, **dict(zip(("n00", "n01", "n10", "n11"), counts, strict=True))}
    details |= {"lr_coverage": coverage, "lr_independence": independence}
    details["side"] = side(x, float(details["expected_hits"]))
    statistic, how = coverage + independence, wanted(name, p_value, sample, (EXACT, ASYMPTOTIC))
    reason = _not_exact(name, sample) if how == EXACT else ""
    if reason:
        return undefined(name, BOTH, sample, reason, details, statistic=statistic)
    return _chi2_or_exact(name, BOTH, sample, statistic, details, how)


def tail_count_p(n: int, hits: int, level: float) -> float:
    """Chance of at least `hits` hits in `n` days."""
    return 1.0 if hits <= 0 else float(bdtrc(hits - 1, n, 1.0 - level))
