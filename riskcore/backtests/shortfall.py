"""Tests of Expected Shortfall by the losses beyond the VaR: Acerbi-Szekely Z1 and Z2, minimally biased."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import (
    EXPONENTIAL,
    NO_PATH,
    OWN_LAW,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    Tail,
    choice,
    hit_details,
    prepare,
    seed_of,
    simulated_p,
    undefined,
)
from riskcore.backtests.laws import day_laws, exponential_es_sums, own_law_es_sums
from riskcore.errors import require
from riskcore.kernels import simulate

Statistic = Callable[[FloatArray, Sample], FloatArray]
"""From sums per path (`kernels.simulate.es_sums`) to the statistic per path."""
RELATIVE, ABSOLUTE = "relative", "absolute"


def es_sample(
    losses: Any, var: Any, es: Any, level: Any, volatility: Any, tail: Tail | None, nan: str, minimum: int = 1
) -> tuple[Sample, FloatArray, dict[str, Detail], str]:
    """Checked columns, the sums of the observed path, details and why nothing can be computed."""
    columns = {"losses": losses, "var": var, "es": es}
    if volatility is not None:
        columns["volatility"] = volatility
    sample = prepare(nan, columns, level, tail=tail, minimum=minimum)
    x, v, e = (sample.columns[c] for c in ("losses", "var", "es"))
    details = hit_details(sample, np.count_nonzero(x > v)) | {"es_below_var": int(np.count_nonzero(e < v))}
    reason = sample.reason
    if not reason and bool(np.any(e <= 0)):
        reason = f"es must be positive, is not on {int(np.count_nonzero(e <= 0))} days"
    scale = sample.columns.get("volatility", e)
    if not reason and bool(np.any(scale <= 0)):
        reason = "volatility must be positive"
    if reason:
        return sample, np.full((1, simulate.ES_SUMS), np.nan), details, reason
    return sample, simulate.es_sums(x[None, :], v, e, sample.level, scale), details, ""


def simulated_sums(sample: Sample, rng: Seed, n_simulations: int) -> tuple[FloatArray, str, dict[str, Detail], str]:
    """Sums of simulated paths, the null's name, details, and why there are none."""
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    seed = seed_of(rng)
    facts: dict[str, Detail] = {"seed": seed, "n_simulations": n_simulations}
    volatility = sample.columns.get("volatility")
    if sample.tail is None:
        v, e = sample.columns["var"], sample.columns["es"]
        if not bool(np.any(e > v)):
            return np.empty((0, simulate.ES_SUMS)), EXPONENTIAL, facts, "es must lie above var to draw an excess"
        scale = e if volatility is None else volatility
        return exponential_es_sums(seed, n_simulations, v, e, sample.level, scale), EXPONENTIAL, facts, ""
    laws = day_laws(sample.tail, sample.level)
    flaw = laws.flaw or ("the ES of the day's law must be positive" if bool(np.any(laws.es <= 0)) else "")
    if flaw:
        return np.empty((0, simulate.ES_SUMS)), OWN_LAW, facts, flaw
    scale = laws.es if volatility is None else volatility
    return own_law_es_sums(seed, n_simulations, laws, scale), OWN_LAW, facts, ""


def run_simulated(
    name: str,
    null: str,
    statistic: Statistic,
    side: str,
    prepared: tuple[Sample, FloatArray, dict[str, Detail], str],
    rng: Seed,
    n_simulations: int,
) -> BacktestResult:
    """Statistic of the sample against its simulated null."""
    sample, sums, details, reason = prepared
    if reason:
        return undefined(name, null, sample, reason, details)
    value = float(statistic(sums, sample)[0])
    if not np.isfinite(value):
        reason = "no exception" if details["hits"] == 0 else "the statistic is not defined on this sample"
        return undefined(name, null, sample, reason, details)
    simulated, label, facts, reason = simulated_sums(sample, rng, n_simulations)
    details |= facts
    if reason:
        return undefined(name, null, sample, reason, details, statistic=value)
    chance = simulated_p(value, statistic(simulated, sample), side)
    if np.isnan(chance):
        return undefined(name, null, sample, NO_PATH, details, statistic=value)
    return BacktestResult(name, null, value, chance, label, sample.n_obs, details)


def _z1(sums: FloatArray, sample: Sample) -> FloatArray:
    hits = sums[:, 0]
    return np.asarray(1.0 - np.divide(sums[:, 1], hits, out=np.full(hits.shape, np.nan), where=hits > 0))


def _z2(sums: FloatArray, sample: Sample) -> FloatArray:
    return 1.0 - sums[:, 2] / sample.n_obs


def acerbi_szekely_z1(
    losses: Any,
    var: Any,
    es: Any,
    level: Any,
    *,
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test the size of the losses beyond the VaR against the ES, given that hits occur.

    .. math:: Z_1 = 1 - \frac{1}{x} \sum_t I_t L_t / e_t

    Negative values mean an understated ES; the p-value is one-sided on that side.

    Parameters
    ----------
    losses, var, es, level, tail, rng, n_simulations, nan
        As in `acerbi_szekely_z2`. Simulated paths without a hit do not count.

    Returns
    -------
    BacktestResult
        `details` as in `acerbi_szekely_z2`. NaN without an exception.

    Raises
    ------
    ConfigError, DataError
        As `acerbi_szekely_z2`.

    References
    ----------
    Acerbi and Szekely (2014), Backtesting expected shortfall, Risk, December 2014.

    Examples
    --------
    >>> acerbi_szekely_z1([0.0, 3.0, 1.0, 5.0], 2.0, 4.0, 0.75).statistic
    0.0
    """
    prepared = es_sample(losses, var, es, level, None, tail, nan)
    null = "the mean of L/e over hits is 1"
    return run_simulated("acerbi_szekely_z1", null, _z1, "lower", prepared, rng, n_simulations)


def acerbi_szekely_z2(
    losses: Any,
    var: Any,
    es: Any,
    level: Any,
    *,
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test number and size of the losses beyond the VaR together.

    .. math:: Z_2 = 1 - \frac{1}{T} \sum_t \frac{I_t L_t}{(1-p) e_t}

    Negative values mean understated risk; the p-value is one-sided on that side, and simulated: from each day's own
    law where `tail` gives it, else from Bernoulli hits with exponential excess of mean ``es - var``. The often quoted
    limits -0.70 (5 %) and -1.8 (0.01 %) hold for T = 250, p = 0.975 and light to moderate tails only.

    Parameters
    ----------
    losses, var, es : array_like
        Losses and forecasts of VaR and ES at the same level; a hit is ``loss > var``.
    level : float or array_like
        In (0.5, 1).
    tail : (levels, quantiles), optional
        Levels (Q,) and quantiles (T, Q) of each day's own law.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths.
    nan : {"drop", "raise"}
        What a missing loss, forecast or law means.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, es_below_var, seed, n_simulations. NaN where an ES is not positive
        or the null cannot be drawn. Without an exception the statistic is 1.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Acerbi and Szekely (2014), Backtesting expected shortfall, Risk, December 2014.

    Examples
    --------
    >>> acerbi_szekely_z2([0.0, 3.0, 1.0, 5.0], 2.0, 4.0, 0.75).statistic
    -1.0
    """
    prepared = es_sample(losses, var, es, level, None, tail, nan)
    null = "the mean of I L / ((1 - level) e) is 1"
    return run_simulated("acerbi_szekely_z2", null, _z2, "lower", prepared, rng, n_simulations)


def minimally_biased(
    losses: Any,
    var: Any,
    es: Any,
    level: Any,
    *,
    form: str = "relative",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test the ES by the statistic that is least sensitive to errors of the VaR.

    .. math:: Z = \frac{1}{T} \sum_t \left( e_t - v_t - \frac{(L_t - v_t)^+}{1-p} \right) \Big/ e_t

    (relative; absolute: without the division). Negative values mean an understated ES; one-sided, simulated.

    Parameters
    ----------
    losses, var, es, level, tail, rng, n_simulations, nan
        As in `acerbi_szekely_z2`.
    form : {"relative", "absolute"}
        The absolute form depends on the size of the book.

    Returns
    -------
    BacktestResult
        `details` as in `acerbi_szekely_z2`.

    Raises
    ------
    ConfigError, DataError
        As `acerbi_szekely_z2`.

    References
    ----------
    Acerbi and Szekely (2017), General properties of backtestable statistics.

    Examples
    --------
    >>> minimally_biased([0.0, 3.0, 1.0, 5.0], 2.0, 4.0, 0.75).statistic
    -0.5
    """
    choice("form", form, (RELATIVE, ABSOLUTE))

    statistic = _minimally_absolute if form == ABSOLUTE else _minimally_relative
    prepared = es_sample(losses, var, es, level, None, tail, nan)
    null = "the mean of v + (L - v)+ / (1 - level) - e is 0"
    return run_simulated("minimally_biased", null, statistic, "lower", prepared, rng, n_simulations)


def _minimally_relative(sums: FloatArray, sample: Sample) -> FloatArray:
    return sums[:, 3] / sample.n_obs


def _minimally_absolute(sums: FloatArray, sample: Sample) -> FloatArray:
    return -sums[:, 5] / sample.n_obs
