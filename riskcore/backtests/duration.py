"""Tests of the waits between hits: Haas, Weibull (Christoffersen-Pelletier), GMM (Candelon and others)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from riskcore import defaults
from riskcore._types import FloatArray, IntArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    NO_PATH,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    choice,
    hit_details,
    undefined,
)
from riskcore.backtests.coverage import BOTH, ONE_LEVEL, sample_hits
from riskcore.backtests.hit_laws import lr_coverage, lr_wait
from riskcore.backtests.nulls import AUTO, HIT_NULL, SIMULATED, Hits, HitStatistic, hit_p, null_law
from riskcore.errors import require
from riskcore.kernels.duration import weibull_shapes

OFFERED = (SIMULATED, ASYMPTOTIC)
STEEPEST = 10.0
"""Largest shape of a Weibull law that is looked at: equal waits would push it to infinity."""
WAITS = "each wait for a hit is geometric with rate 1 - level"
MEMORYLESS = "the wait for the next hit does not depend on how long ago the last one was"
FORMS = {"conditional": BOTH, "coverage": "the mean wait between hits is 1 / (1 - level)", "independence": MEMORYLESS}


def judged(
    name: str,
    null: str,
    sample: Sample,
    statistic: float,
    asymptotic: float,
    details: dict[str, Detail],
    p_value: str,
    simulation: tuple[HitStatistic, float, tuple[Any, ...], str],
    rng: Seed,
    n_simulations: int,
    *,
    usual: bool = False,
) -> BacktestResult:
    """Result with its asymptotic p-value, or with one simulated from iid hits.

    `simulation` has the batch statistic, its observed value, its options, and the side on which it is extreme; `usual`
    says whether the table of sizes may choose the asymptotic one: for this form, and where that gets no worse as the
    sample grows (as that of the waits does).
    """
    how = null_law(name if usual else "", p_value, sample.n_obs, sample.one_level, OFFERED)
    if how == ASYMPTOTIC:
        if np.isnan(sample.one_level):
            return undefined(name, null, sample, ONE_LEVEL, details, statistic=statistic)
        return BacktestResult(name, null, statistic, asymptotic, ASYMPTOTIC, sample.n_obs, details)
    batch, observed, options, side = simulation
    chance, facts = hit_p(batch, observed, options, sample.level, rng, side=side, n_simulations=n_simulations)
    if np.isnan(chance):
        return undefined(name, null, sample, NO_PATH, details | facts, statistic=statistic)
    return BacktestResult(name, null, statistic, chance, HIT_NULL, sample.n_obs, details | facts)


def waits(hits: Hits) -> tuple[IntArray, IntArray]:
    """Days from the hit before to each hit, and its path; the day before the first counts as a hit."""
    path = np.repeat(np.arange(hits.counts.size), hits.counts)
    before = np.concatenate([[-1], hits.where[:-1]])
    before[hits.first[:-1][hits.counts > 0]] = -1
    return np.asarray(hits.where - before, dtype=np.int64), path


def tbfi(
    losses: Any,
    var: Any,
    level: Any,
    *,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SHARED,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test each wait for a hit by Kupiec's likelihood ratio, and add them up (Haas's time between failures).

    .. math:: LR = \sum_{i=1}^{x} LR_{TUFF}(n_i) \sim \chi^2_x, \quad n_1 \text{ the day of the first hit, }
              n_i \text{ the days from hit } i-1 \text{ to hit } i

    Days after the last hit are not used. A single ratio has not the mean of a chi-square variable, so that the
    asymptotic p-value gets worse with each hit. The simulated one draws iid hits and compares chi-square p-values, so
    that paths with many hits and with few can be compared.

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float
        In (0.5, 1).
    p_value : {"auto", "simulated", "asymptotic"}
        Simulated null of iid hits, or the chi-square limit; "auto": simulated unless the limit keeps its size.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated hit sequences.
    nan : {"drop", "raise", "hit"}
        What a missing loss or forecast means; dropped days join their neighbours.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, shortest, longest (waits). NaN without a hit.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Haas (2001), New methods in backtesting, Financial Engineering Research Center Caesar, Bonn.

    Examples
    --------
    >>> result = tbfi([1.0, 0.0, 0.0, 1.0], 0.5, 0.9, p_value="asymptotic")
    >>> round(result.statistic, 4), result.details["df"]
    (5.8127, 2)
    """
    return _haas("tbfi", WAITS, 0, losses, var, level, p_value, rng, n_simulations, nan)


def tbf(
    losses: Any,
    var: Any,
    level: Any,
    *,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SHARED,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test the number of hits and each wait for one together (Haas's mixed Kupiec test).

    .. math:: LR = LR_{POF} + \sum_{i=1}^{x} LR_{TUFF}(n_i) \sim \chi^2_{x+1}

    As `tbfi`, with Kupiec's ratio of the number of hits added.

    Parameters
    ----------
    losses, var, level, p_value, rng, n_simulations, nan
        As in `tbfi`.

    Returns
    -------
    BacktestResult
        `details`: as `tbfi`, and lr_coverage. NaN without a hit.

    Raises
    ------
    ConfigError, DataError
        As `tbfi`.

    References
    ----------
    Haas (2001), New methods in backtesting, Financial Engineering Research Center Caesar, Bonn.

    Examples
    --------
    >>> result = tbf([1.0, 0.0, 0.0, 1.0], 0.5, 0.9, p_value="asymptotic")
    >>> round(result.statistic, 4), result.details["df"]
    (9.8993, 3)
    """
    return _haas("tbf", BOTH, 1, losses, var, level, p_value, rng, n_simulations, nan)


def _haas(
    name: str, null: str, extra: int, losses: Any, var: Any, level: Any,
    p_value: str, rng: Seed, n_simulations: int, nan: str,
) -> BacktestResult:  # fmt: skip
    choice("p_value", p_value, (AUTO, *OFFERED))
    sample, hits = sample_hits(losses, var, level, nan)
    x = int(hits.sum())
    details = hit_details(sample, x)
    reason = sample.reason or ("" if sample.one_level > 0 else ONE_LEVEL) or ("" if x else "no hit")
    if reason:
        return undefined(name, null, sample, reason, details)
    batch = Hits.of(hits)
    days, _ = waits(batch)
    details |= {"df": x + extra, "shortest": int(days.min()), "longest": int(days.max())}
    if extra:
        details["lr_coverage"] = float(lr_coverage(sample.n_obs, x, sample.one_level))
    statistic = float(_haas_sums(batch, sample.one_level, extra)[0])
    chance = float(haas(batch, sample.level, (extra,))[0])
    simulation = (haas, chance, (extra,), "lower")
    return judged(name, null, sample, statistic, chance, details, p_value, simulation, rng, n_simulations)


def _haas_sums(hits: Hits, level: float, extra: int) -> FloatArray:
    days, path = waits(hits)
    ratio = lr_wait(np.arange(1.0, hits.n + 1.0), level)
    sums = np.bincount(path, ratio[days - 1], minlength=hits.counts.size)
    return sums + lr_coverage(hits.n, hits.counts, level) if extra else np.asarray(sums)


def haas(hits: Hits, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Chi-square p-value of each path: sums over different numbers of hits cannot be compared by themselves."""
    (extra,) = options
    sums = _haas_sums(hits, float(level[0]), extra)
    return np.where(hits.counts > 0, chdtrc(np.maximum(hits.counts + extra, 1), sums), np.nan)


def weibull_duration(
    losses: Any,
    var: Any,
    level: Any,
    *,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SHARED,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test waits between hits for memory, by a Weibull law against an exponential one.

    .. math:: f(d) = a^b b d^{b-1} e^{-(ad)^b}, \quad LR = 2(l(\hat b) - l(1)) \sim \chi^2_1, \quad
              \hat a(b)^b = (x - 1) / \textstyle\sum d^b

    b < 1 means clusters. The spell up to the first hit counts with the chance of lasting that long, unless the first
    day is a hit; so does that after the last hit, unless the last day is one. The shape b is looked for up to 10:
    equal waits would push it to infinity. The asymptotic p-value is not usable: waits are whole days (at nominal 5 %
    it rejects 20 % of right models for T = 250, p = 0.99, 16 % for T = 2500, p = 0.95, 82 % for T = 20,000, p = 0.95).

    Parameters
    ----------
    losses, var, p_value, rng, n_simulations, nan
        As in `tbfi`.
    level : float or array_like
        In (0.5, 1); it enters the simulated null only and may move by day.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, shape (b), and a note where that is its bound. NaN below two hits.

    Raises
    ------
    ConfigError, DataError
        As `tbfi`.

    References
    ----------
    Christoffersen and Pelletier (2004), Journal of Financial Econometrics 2(1), 84-108, doi:10.1093/jjfinec/nbh004.

    Examples
    --------
    >>> losses = np.zeros(100)
    >>> losses[[3, 4, 6, 50, 51, 90]] = 1.0
    >>> result = weibull_duration(losses, 0.5, 0.95, p_value="asymptotic")
    >>> round(result.statistic, 4), round(result.details["shape"], 4)
    (1.2109, 0.7015)
    """
    name = "weibull_duration"
    choice("p_value", p_value, (AUTO, *OFFERED))
    sample, hits = sample_hits(losses, var, level, nan)
    details = hit_details(sample, hits.sum())
    reason = sample.reason or _too_few(hits)
    if reason:
        return undefined(name, MEMORYLESS, sample, reason, details)
    batch = Hits.of(hits)
    statistic, shape = (float(x) for x in weibull_shapes(batch.where, batch.first, batch.n, STEEPEST)[0])
    details |= {"df": 1, "shape": shape}
    if shape >= STEEPEST:
        details["note"] = "the waits are so equal that the shape is at its bound"
    simulation = (weibull, statistic, (), "upper")
    limit = float(chdtrc(1, statistic))
    return judged(name, MEMORYLESS, sample, statistic, limit, details, p_value, simulation, rng, n_simulations)


def _too_few(hits: npt.NDArray[np.bool_]) -> str:
    x = int(hits.sum())
    return "" if x >= 2 else f"{x} hits, at least 2 needed"


def weibull(hits: Hits, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Likelihood ratio of each path."""
    return np.asarray(weibull_shapes(hits.where, hits.first, hits.n, STEEPEST)[:, 0])


def gmm_duration(
    losses: Any,
    var: Any,
    level: Any,
    *,
    form: str = "conditional",
    moments: int = 3,
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SHARED,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test waits between hits by moments that are orthonormal if they are geometric.

    .. math:: J = \sum_j \Big(\tfrac{1}{\sqrt N} \sum_i M_j(d_i)\Big)^2, \quad
              M_{j+1} = \frac{(1-q)(2j+1) + q(j-d+1)}{(j+1)\sqrt{1-q}} M_j - \frac{j}{j+1} M_{j-1}, \quad M_0 = 1

    The N = x - 1 waits lie between hits. With q = 1 - level this is conditional coverage (chi-square with `moments`
    degrees of freedom), with the first moment alone coverage, with q one over the mean wait independence (one degree
    less, as the first moment vanishes). The asymptotic p-values are poor with few hits.

    Parameters
    ----------
    losses, var, p_value, rng, n_simulations, nan
        As in `tbfi`.
    level : float or array_like
        In (0.5, 1); it may move by day for independence.
    form : {"conditional", "coverage", "independence"}
        What is tested.
    moments : int
        Moments, 2 to 5; "coverage" always takes one.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, df, form. NaN below two hits, and for independence where all hits are
        adjacent.

    Raises
    ------
    ConfigError, DataError
        As `tbfi`.

    References
    ----------
    Candelon, Colletaz, Hurlin and Tokpavi (2011), Journal of Financial Econometrics 9(2), 314-343,
    doi:10.1093/jjfinec/nbq025.

    Examples
    --------
    >>> losses = np.zeros(100)
    >>> losses[[3, 4, 6, 50, 51, 90]] = 1.0
    >>> result = gmm_duration(losses, 0.5, 0.95, p_value="asymptotic")
    >>> round(result.statistic, 4), result.details["df"]
    (1.1724, 3)
    """
    name = "gmm_duration"
    choice("form", form, tuple(FORMS))
    choice("p_value", p_value, (AUTO, *OFFERED))
    ok = isinstance(moments, int) and 2 <= moments <= 5
    require(ok, f"moments must be a whole number from 2 to 5, got {moments!r}")
    sample, hits = sample_hits(losses, var, level, nan)
    details = hit_details(sample, hits.sum()) | {"form": form}
    moving = ONE_LEVEL if form != "independence" and np.isnan(sample.one_level) else ""
    reason = sample.reason or moving or _too_few(hits)
    if reason:
        return undefined(name, FORMS[form], sample, reason, details)
    options = (form, 1 if form == "coverage" else moments)
    statistic = float(gmm(Hits.of(hits), sample.level, options)[0])
    if np.isnan(statistic):
        return undefined(name, FORMS[form], sample, "all hits are adjacent", details)
    df = options[1] - (form == "independence")
    details["df"] = int(df)
    simulation = (gmm, statistic, options, "upper")
    limit = float(chdtrc(df, statistic))
    usual = form == "conditional" and moments == 3
    return judged(
        name, FORMS[form], sample, statistic, limit, details, p_value, simulation, rng, n_simulations, usual=usual
    )


def gmm(hits: Hits, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Statistic J of each path."""
    form, moments = options
    days, path = waits(hits)
    between = np.ones(days.size, dtype=bool)
    between[hits.first[:-1][hits.counts > 0]] = False
    days, path, paths = days[between], path[between], hits.counts.size
    number = np.bincount(path, minlength=paths)
    with np.errstate(divide="ignore", invalid="ignore"):
        if form == "independence":
            mean = np.bincount(path, days, minlength=paths) / number
            rate = np.where(mean > 1.0, 1.0 / mean, np.nan)[path]
            terms = _moments(days.astype(np.float64), rate, moments)
        else:
            table = _moments(np.arange(1.0, hits.n + 1.0), 1.0 - level[0], moments)
            terms = [row[days - 1] for row in table]
        sums = sum(np.bincount(path, term, minlength=paths) ** 2 for term in terms)
        return np.asarray(np.where(number > 0, sums / number, np.nan))


def _moments(days: FloatArray, rate: Any, most: int) -> list[FloatArray]:
    """The first `most` orthonormal polynomials of the geometric law, at each wait."""
    root = np.sqrt(1.0 - rate)
    before, now = np.zeros(days.shape), np.ones(days.shape)
    out = []
    for j in range(most):
        slope = ((1.0 - rate) * (2 * j + 1) + rate * (j - days + 1.0)) / ((j + 1) * root)
        before, now = now, slope * now - j / (j + 1) * before
        out.append(now)
    return out
