"""Exceedance residuals of McNeil and Frey."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtr

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import (
    ASYMPTOTIC,
    BOOTSTRAP,
    NO_PATH,
    BacktestResult,
    Detail,
    Sample,
    Seed,
    Tail,
    choice,
    seed_of,
    simulated_p,
    undefined,
)
from riskcore.backtests.nulls import SIMULATED, null_law
from riskcore.backtests.shortfall import es_sample, simulated_sums
from riskcore.backtests.uniforms import ONE_LEVEL
from riskcore.errors import require

FEWEST_EXCEPTIONS = 5
STANDARDISED, PLAIN = "standardised", "plain"
BLOCK = 256
"""Bootstrap samples drawn at once."""


def exceedance_residuals(
    losses: Any,
    var: Any,
    es: Any,
    level: Any,
    volatility: Any = None,
    *,
    form: str = STANDARDISED,
    p_value: str = "auto",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether losses beyond the VaR exceed the ES on average (McNeil-Frey), one-sided.

    .. math:: r_t = (L_t - e_t)/\sigma_t \text{ on hits}, \quad t = \sqrt{x}\, \bar r / s_r,
              \quad H_0: E r = 0 \text{ against } E r > 0

    ``form="plain"`` leaves the residuals in the units of the losses. The residuals are skew and few: a bootstrap of the
    centred sample, which is the paper's, rejects a true t(5) model at nominal 5 % in 1.7 % of samples of 250 days
    (p = 0.975; 4.5 % at 1000, 5.3 % at 2500), Student's t in about 2 %. Where the day's own law is known the statistic
    is simulated from it instead.

    Parameters
    ----------
    losses, var, es : array_like
        Losses and forecasts of VaR and ES at the same level.
    level : float or array_like
        In (0.5, 1).
    volatility : array_like, optional
        Scale of the standardised residuals; without it the ES.
    form : {"standardised", "plain"}
        See above.
    p_value : {"auto", "simulated", "bootstrap", "asymptotic"}
        "simulated": from each day's own law where `tail` gives it, else from exponential excess, over paths with at
        least 5 hits; "bootstrap": of the centred residuals; "asymptotic": Student's t with x - 1 degrees of freedom.
        "auto": simulated with `tail`, else (and where the level moves from day to day) bootstrap.
    tail : (levels, quantiles), optional
        Levels (Q,) and quantiles (T, Q) of each day's own law.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated paths or bootstrap samples.
    nan : {"drop", "raise"}
        What a missing loss, forecast or law means.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, es_below_var, form, scale, mean_residual, seed, n_simulations. NaN
        below 5 exceptions or where all residuals are equal.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    McNeil and Frey (2000), Journal of Empirical Finance 7(3-4), 271-300, doi:10.1016/S0927-5398(00)00012-8.

    Examples
    --------
    >>> exceedance_residuals([3.0, 5.0, 0.0], 2.0, 4.0, 0.75).reason
    '2 exceptions, at least 5 needed'
    """
    name, null = "exceedance_residuals", "the mean of (L - e)/scale over hits is 0"
    choice("form", form, (STANDARDISED, PLAIN))
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    scale = 1.0 if form == PLAIN else volatility
    sample, _, details, reason = es_sample(losses, var, es, level, scale, tail, nan)
    moving = bool(np.isnan(sample.one_level))
    resampled = sample.tail is None or moving
    offered = (BOOTSTRAP, SIMULATED) if resampled else (SIMULATED, BOOTSTRAP)
    usual = form == STANDARDISED  # what the table of sizes is about
    law = null_law(name if usual else "", p_value, sample.n_obs, sample.one_level, (*offered, ASYMPTOTIC))
    details |= {"form": form, "scale": "none" if form == PLAIN else "es" if volatility is None else "volatility"}
    residuals = np.empty(0) if reason else _residuals(sample)
    reason = reason or _flaw(residuals)
    if reason:
        return undefined(name, null, sample, reason, details)
    count = residuals.size
    value = float(np.sqrt(count) * residuals.mean() / residuals.std(ddof=1))
    details["mean_residual"] = float(residuals.mean())
    if law == ASYMPTOTIC:
        return BacktestResult(name, null, value, float(stdtr(count - 1, -value)), law, sample.n_obs, details)
    if law == BOOTSTRAP:
        seed = seed_of(rng)
        details |= {"seed": seed, "n_simulations": n_simulations}
        chance = simulated_p(value, _bootstrap(residuals, seed, n_simulations), "upper")
        return BacktestResult(name, null, value, chance, BOOTSTRAP, sample.n_obs, details)
    if moving:
        return undefined(name, null, sample, ONE_LEVEL, details, statistic=value)
    return _simulated(name, null, sample, value, details, rng, n_simulations)


def _residuals(sample: Sample) -> FloatArray:
    x, v, e = (sample.columns[c] for c in ("losses", "var", "es"))
    return np.asarray(((x - e) / sample.columns.get("volatility", e))[x > v])


def _flaw(residuals: FloatArray) -> str:
    """Why there is no t statistic."""
    if residuals.size < FEWEST_EXCEPTIONS:
        return f"{residuals.size} exceptions, at least {FEWEST_EXCEPTIONS} needed"
    same = float(np.ptp(residuals)) <= 1e-12 * float(np.max(np.abs(residuals)))
    return "the residuals do not vary" if same else ""


def _simulated(
    name: str, null: str, sample: Sample, value: float, details: dict[str, Detail], rng: Seed, n_simulations: int
) -> BacktestResult:
    sums, label, facts, reason = simulated_sums(sample, rng, n_simulations)
    details |= facts
    chance = float("nan") if reason else simulated_p(value, _t_of(sums), "upper")
    if np.isnan(chance):
        return undefined(name, null, sample, reason or NO_PATH, details, statistic=value)
    return BacktestResult(name, null, value, chance, label, sample.n_obs, details)


def _t_of(sums: FloatArray) -> FloatArray:
    """t statistics from `kernels.simulate.es_sums`, free of the common factor 1/(1 - level); NaN below 5 hits."""
    hits, total, squares = sums[:, 0], sums[:, 9], sums[:, 10]
    enough = hits >= FEWEST_EXCEPTIONS
    out = np.full(hits.shape, np.nan)
    x, mean = hits[enough], total[enough] / hits[enough]
    variance = (squares[enough] - x * mean * mean) / (x - 1.0)
    spread = np.sqrt(np.where(variance > 1e-24 * squares[enough], variance, np.nan))
    out[enough] = np.sqrt(x) * mean / spread
    return out


def _bootstrap(residuals: FloatArray, seed: int, n_simulations: int) -> FloatArray:
    """t statistics of samples drawn from the centred residuals."""
    random, count = np.random.default_rng(seed), residuals.size
    centred = residuals - residuals.mean()
    sizes = [min(BLOCK, n_simulations - i) for i in range(0, n_simulations, BLOCK)]
    return np.concatenate([_studentised(centred[random.integers(count, size=(size, count))]) for size in sizes])


def _studentised(draws: FloatArray) -> FloatArray:
    """t statistics of rows; a row without spread is as extreme as can be on its side."""
    mean, spread = draws.mean(axis=1), draws.std(axis=1, ddof=1)
    flat = spread <= 1e-12 * np.abs(mean)
    t = np.sqrt(draws.shape[1]) * np.divide(mean, spread, out=np.zeros_like(mean), where=~flat)
    return np.asarray(np.where(flat & (mean != 0), np.sign(mean) * 1e300, t))
