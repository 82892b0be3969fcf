"""Tests of the number and the timing of hits: binomial, Kupiec, time until first failure, Christoffersen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc, gammaln, xlogy

from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    EXACT,
    BacktestResult,
    Detail,
    Sample,
    chi2_sf,
    choice,
    hit_details,
    normal_p,
    prepare,
    undefined,
)
from riskcore.kernels.coverage import transition_counts

POLICIES = ("drop", "raise", "hit")
SLACK = 1e-9
NEGLIGIBLE = 1e-18
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


def log_binomial(n: int, counts: FloatArray, rate: float) -> FloatArray:
    """Log probabilities of `counts` hits in `n` days."""
    choose = gammaln(n + 1.0) - gammaln(counts + 1.0) - gammaln(n - counts + 1.0)
    return np.asarray(choose + xlogy(counts, rate) + xlogy(n - counts, 1.0 - rate))


def lr_coverage(n: Any, hits: Any, level: float) -> FloatArray:
    """Kupiec's likelihood ratio, for counts of any shape."""
    n, x = np.asarray(n, dtype=np.float64), np.asarray(hits, dtype=np.float64)
    q = 1.0 - level
    lr = -2.0 * (xlogy(n - x, level) + xlogy(x, q) - xlogy(n - x, 1.0 - x / n) - xlogy(x, x / n))
    return np.asarray(np.maximum(lr, 0.0))


def lr_independence(n00: Any, n01: Any, n10: Any, n11: Any) -> FloatArray:
    """Christoffersen's likelihood ratio from transition counts; a state never left drops its term."""
    n00, n01, n10, n11 = (np.asarray(x, dtype=np.float64) for x in (n00, n01, n10, n11))

    def rate(part: FloatArray, whole: FloatArray) -> FloatArray:
        return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)

    zeros, ones = n00 + n10, n01 + n11
    pi, pi0, pi1 = rate(ones, zeros + ones), rate(n01, n00 + n01), rate(n11, n10 + n11)
    null = xlogy(zeros, 1.0 - pi) + xlogy(ones, pi)
    free = xlogy(n00, 1.0 - pi0) + xlogy(n01, pi0) + xlogy(n10, 1.0 - pi1) + xlogy(n11, pi1)
    return np.asarray(np.maximum(-2.0 * (null - free), 0.0))


def transitions(hits: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Counts n00, n01, n10, n11 over the n - 1 pairs of neighbouring days."""
    n00, n01, n10, n11 = transition_counts(np.flatnonzero(hits), hits.size)
    return int(n00), int(n01), int(n10), int(n11)


def binomial(losses: Any, var: Any, level: Any, *, p_value: str = "asymptotic", nan: str = "drop") -> BacktestResult:
    r"""Test the number of hits against its binomial law, two-sided.

    .. math:: z = (x - T(1-p)) / \sqrt{T p (1-p)}

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float or array_like
        In (0.5, 1); an array where the level moves by day (asymptotic only).
    p_value : {"asymptotic", "exact"}
        Normal limit, or the binomial probability of all counts no more likely than the observed one.
    nan : {"drop", "raise", "hit"}
        What a missing loss or forecast means.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing. NaN without a usable day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Jorion (2006), Value at Risk, 3rd edition, chapter 6.

    Examples
    --------
    >>> binomial([1.0] * 7 + [0.0] * 243, 0.5, 0.99).statistic.__round__(4)
    2.8604
    """
    choice("p_value", p_value, (ASYMPTOTIC, EXACT))
    sample, hits = sample_hits(losses, var, level, nan)
    details = hit_details(sample, hits.sum())
    if sample.reason:
        return undefined("binomial", COVERAGE, sample, sample.reason, details)
    rate = 1.0 - sample.level
    statistic = float((hits.sum() - rate.sum()) / np.sqrt(np.sum(rate * (1.0 - rate))))
    if p_value == ASYMPTOTIC:
        chance = normal_p(statistic, "two-sided")
    elif np.isnan(sample.one_level):
        return undefined("binomial", COVERAGE, sample, "the exact law needs one level", details, statistic=statistic)
    else:
        log_p = log_binomial(sample.n_obs, np.arange(sample.n_obs + 1.0), 1.0 - sample.one_level)
        chance = _total(log_p, log_p <= log_p[int(hits.sum())] + SLACK)
    return BacktestResult("binomial", COVERAGE, statistic, chance, p_value, sample.n_obs, details)


def _total(log_p: FloatArray, chosen: npt.NDArray[np.bool_]) -> float:
    return float(min(1.0, np.exp(log_p[chosen]).sum()))


def kupiec(losses: Any, var: Any, level: Any, *, p_value: str = "asymptotic", nan: str = "drop") -> BacktestResult:
    r"""Test the hit rate by Kupiec's likelihood ratio (proportion of failures).

    .. math:: LR = -2[(T-x)\ln p + x\ln(1-p) - (T-x)\ln(1-x/T) - x\ln(x/T)] \sim \chi^2_1

    The chi-square p-value is oversized where few hits are expected: the attained size at nominal 5 % is 9.5 % for
    T = 250, p = 0.99, 7.4 % at 0.975 and 5.9 % at 0.95 (T = 1000: 5.5, 4.2, 5.1 %). The exact one is conservative by
    steps: it attains 1.4 % at T = 250, p = 0.99. Zero hits in 250 days at 0.99 reject a prudent model: see ``side``.

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float
        In (0.5, 1).
    p_value : {"asymptotic", "exact"}
        Chi-square limit, or enumeration of the binomial law.
    nan : {"drop", "raise", "hit"}
        What a missing loss or forecast means.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, side. NaN without a usable day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Kupiec (1995), Journal of Derivatives 3(2), 73-84.

    Examples
    --------
    >>> result = kupiec([1.0] * 10 + [0.0] * 490, 0.5, 0.99)
    >>> round(result.statistic, 3), round(result.p_value, 3), result.details["side"]
    (3.914, 0.048, 'too many hits')
    """
    choice("p_value", p_value, (ASYMPTOTIC, EXACT))
    sample, hits = sample_hits(losses, var, level, nan)
    x, n = int(hits.sum()), sample.n_obs
    details = hit_details(sample, x)
    reason = sample.reason or ("" if sample.one_level > 0 else "needs one level for all days")
    if reason:
        return undefined("kupiec", COVERAGE, sample, reason, details)
    level_ = sample.one_level
    statistic = float(lr_coverage(n, x, level_))
    details |= {"df": 1, "side": side(x, float(details["expected_hits"]))}
    if p_value == ASYMPTOTIC:
        chance = chi2_sf(statistic, 1)
    else:
        counts = np.arange(n + 1.0)
        chance = _total(log_binomial(n, counts, 1.0 - level_), lr_coverage(n, counts, level_) >= statistic - SLACK)
    return BacktestResult("kupiec", COVERAGE, statistic, chance, p_value, n, details)


def side(hits: float, expected: float) -> str:
    """In words: on which side of the expected number the hits lie."""
    return "too many hits" if hits > expected else "too few hits" if hits < expected else "as expected"


def tuff(losses: Any, var: Any, level: Any, *, nan: str = "drop") -> BacktestResult:
    r"""Test the day of the first hit, n, by Kupiec's likelihood ratio (time until first failure).

    .. math:: LR = -2[\ln(1-p) + (n-1)\ln p + \ln n - (n-1)\ln(1-1/n)] \sim \chi^2_1

    Parameters
    ----------
    losses, var, level, nan
        As in `kupiec`.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, first_hit. NaN without a hit; `details` then has
        ``tail_probability``, the chance p^T of so long a wait. The test has very little power.

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
    null = "the wait for the first hit is geometric with rate 1 - level"
    sample, hits = sample_hits(losses, var, level, nan)
    details = hit_details(sample, hits.sum())
    reason = sample.reason or ("" if sample.one_level > 0 else "needs one level for all days")
    if reason:
        return undefined("tuff", null, sample, reason, details)
    p = sample.one_level
    if not hits.any():
        details["tail_probability"] = float(p**sample.n_obs)
        return undefined("tuff", null, sample, "no hit", details)
    n = int(np.argmax(hits)) + 1
    log_null = np.log1p(-p) + xlogy(n - 1, p)
    statistic = float(max(-2.0 * (log_null + np.log(n) - xlogy(n - 1, 1.0 - 1.0 / n)), 0.0))
    details |= {"df": 1, "first_hit": n}
    return BacktestResult("tuff", null, statistic, chi2_sf(statistic, 1), ASYMPTOTIC, sample.n_obs, details)


def christoffersen_independence(
    losses: Any, var: Any, level: Any, *, p_value: str = "asymptotic", nan: str = "drop"
) -> BacktestResult:
    r"""Test whether a hit changes the chance of a hit on the next day, against a first-order Markov chain.

    .. math:: LR = -2[\ln L(\pi) - \ln L(\pi_0, \pi_1)] \sim \chi^2_1,
              \quad \pi_i = n_{i1}/(n_{i0}+n_{i1}), \quad \pi = (n_{01}+n_{11})/(T-1)

    Parameters
    ----------
    losses, var, level, nan
        As in `kupiec`; dropped days join their neighbours.
    p_value : {"asymptotic", "exact"}
        Chi-square limit, or enumeration of all hit sequences that are iid with rate ``1 - level``.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, n00, n01, n10, n11. No hit or nothing else: statistic 0.
        NaN below two days.

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
    return _markov("christoffersen_independence", INDEPENDENCE, 1, losses, var, level, p_value, nan)


def christoffersen_coverage(
    losses: Any, var: Any, level: Any, *, p_value: str = "asymptotic", nan: str = "drop"
) -> BacktestResult:
    r"""Test coverage and independence together (conditional coverage).

    .. math:: LR_{cc} = LR_{POF} + LR_{ind} \sim \chi^2_2

    The first term uses all T days, the second the T - 1 pairs. The chi-square p-value is undersized: 0.8, 3.1, 3.7 %
    at nominal 5 % for T = 250 and level 0.99, 0.975, 0.95.

    Parameters
    ----------
    losses, var, level, nan
        As in `kupiec`; dropped days join their neighbours.
    p_value : {"asymptotic", "exact"}
        Chi-square limit, or enumeration of all hit sequences that are iid with rate ``1 - level``.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, n00, n01, n10, n11, lr_coverage, lr_independence, side.
        NaN below two days.

    Raises
    ------
    ConfigError, DataError
        As `kupiec`.

    References
    ----------
    Christoffersen (1998), International Economic Review 39(4), 841-862.

    Examples
    --------
    >>> result = christoffersen_coverage(([0.0] * 40 + [1.0]) * 7 + [0.0] * 13, 0.5, 0.95, p_value="exact")
    >>> round(result.statistic, 4), round(result.p_value, 4)
    (5.8882, 0.0442)
    """
    return _markov("christoffersen_coverage", BOTH, 2, losses, var, level, p_value, nan)


def _markov(name: str, null: str, df: int, losses: Any, var: Any, level: Any, p_value: str, nan: str) -> BacktestResult:
    choice("p_value", p_value, (ASYMPTOTIC, EXACT))
    sample, hits = sample_hits(losses, var, level, nan, minimum=2)
    x, n = int(hits.sum()), sample.n_obs
    details = hit_details(sample, x)
    varying = np.isnan(sample.one_level) and (df == 2 or p_value == EXACT)
    reason = sample.reason or ("needs one level for all days" if varying else "")
    if reason:
        return undefined(name, null, sample, reason, details)
    counts = transitions(hits)
    independence = float(lr_independence(*counts))
    details |= {"df": df, **dict(zip(("n00", "n01", "n10", "n11"), counts, strict=True))}
    statistic = independence
    if df == 2:
        coverage = float(lr_coverage(n, x, sample.one_level))
        statistic = coverage + independence
        parts: dict[str, Detail] = {"lr_coverage": coverage, "lr_independence": independence}
        details |= parts | {"side": side(x, float(details["expected_hits"]))}
    chance = chi2_sf(statistic, df) if p_value == ASYMPTOTIC else _exact_markov(n, sample.one_level, statistic, df)
    return BacktestResult(name, null, statistic, chance, p_value, n, details)


def _exact_markov(n: int, level: float, observed: float, df: int) -> float:
    """Chance that iid hits give a statistic of at least `observed`: a sum over classes of hit sequences.

    x ones in r runs with first digit f and last digit l stand for C(x-1, r-1) C(n-x-1, r-f-l) sequences, with
    n11 = x - r, n01 = r - f, n10 = r - l. Counts x of negligible probability are added in full.
    """
    q = 1.0 - level
    counts = np.arange(n + 1.0)
    total = np.exp(log_binomial(n, counts, q))
    common = total > NEGLIGIBLE
    chance = float(total[~common].sum())
    for x in np.flatnonzero(common):
        weight = xlogy(x, q) + xlogy(n - x, level)
        base = float(lr_coverage(n, x, level)) if df == 2 else 0.0
        if x in (0, n):
            chance += float(np.exp(weight)) * (base >= observed - SLACK)
            continue
        r, f, last = np.meshgrid(np.arange(1.0, min(x, n - x + 1) + 1), [0.0, 1.0], [0.0, 1.0], indexing="ij")
        inner = r - f - last
        ok = (inner >= 0) & (inner <= n - x - 1)
        r, f, last, inner = r[ok], f[ok], last[ok], inner[ok]
        ways = gammaln(x) - gammaln(r) - gammaln(x - r + 1)
        ways += gammaln(n - x) - gammaln(inner + 1) - gammaln(n - x - inner)
        n11, n01, n10 = x - r, r - f, r - last
        lr = base + lr_independence(n - 1 - n11 - n01 - n10, n01, n10, n11)
        chance += float(np.exp(weight + ways)[lr >= observed - SLACK].sum())
    return min(chance, 1.0)


def tail_count_p(n: int, hits: int, level: float) -> float:
    """Chance of at least `hits` hits in `n` days."""
    return 1.0 if hits <= 0 else float(bdtrc(hits - 1, n, 1.0 - level))
