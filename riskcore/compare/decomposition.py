"""What a mean score consists of: miscalibration, discrimination and uncertainty, by isotonic recalibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray, IntArray, Target
from riskcore.backtests.base import NONE, OWN_LAW, Sample, Seed, Tail, choice, prepare, seed_of, simulated_p
from riskcore.backtests.laws import day_laws
from riskcore.compare.draws import drawn_losses
from riskcore.compare.pairs import chosen
from riskcore.errors import DataError, require
from riskcore.forecasts import Forecasts
from riskcore.kernels import isotonic
from riskcore.measures.rows import exact_level, sorted_expectile, sorted_var
from riskcore.scores import expectile_score, quantile_score

MEASURES = ("var", "expectile")
BAND_POINTS = 100
NO_LAW = "the model has no law from which a null could be drawn"
LARGEST_WHOLE = 10**11
"""Levels count in fractions of at most this, so that their multiples stay whole numbers of 64 bits."""
COLUMNS = (
    "model",
    "score",
    "mcb",
    "dsc",
    "unc",
    "mcb_null_mean",
    "mcb_null_95",
    "p_value",
    "p_method",
    "n_obs",
    "reason",
)


@dataclass(frozen=True)
class Decomposition:
    """Parts of a mean score, ``score = mcb - dsc + unc``, and what a reliability diagram shows.

    Parameters
    ----------
    measure, level
        What was forecast.
    score, mcb, dsc, unc : float
        Mean score; miscalibration (what recalibration would win); discrimination (what the recalibrated forecasts win
        over a constant); uncertainty (the score of the best constant).
    reference : float
        That constant: the sample VaR or expectile.
    n_obs, missing : int
        Days used, and days left out.
    p_value, p_method : float, str
        Share of simulated samples with a miscalibration at least as large, and the null's name.
    null_mean, null_95 : float
        Mean and 95 % quantile of the miscalibration that a right model shows by chance.
    seed, n_simulations : int
        Of the null.
    reason : str
        Why there is no decomposition or no p-value, or an empty string.
    reliability : DataFrame
        Columns forecast, recalibrated, n: one row a different forecast, ascending.
    band : DataFrame
        Columns forecast, low, high: where 95 % of the recalibrated values lie under the model's own law, point by
        point; empty without a law.

    Examples
    --------
    >>> parts = decompose([0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 2.0], 0.75)
    >>> parts.score, parts.mcb, parts.dsc, parts.unc
    (0.25, 0.125, 0.25, 0.375)
    """

    measure: str
    level: float
    score: float
    mcb: float
    dsc: float
    unc: float
    reference: float
    n_obs: int
    missing: int
    p_value: float = np.nan
    p_method: str = NONE
    null_mean: float = np.nan
    null_95: float = np.nan
    seed: int = 0
    n_simulations: int = 0
    reason: str = ""
    reliability: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["forecast", "recalibrated", "n"]))
    band: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["forecast", "low", "high"]))


def decompose(
    losses: Any,
    forecast: Any,
    level: float,
    *,
    measure: str = "var",
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> Decomposition:
    r"""Split the mean score of VaR or expectile forecasts into miscalibration, discrimination and uncertainty.

    .. math:: \bar S(x) = \underbrace{\bar S(x) - \bar S(\hat x)}_{MCB} -
              \underbrace{(\bar S(r) - \bar S(\hat x))}_{DSC} + \underbrace{\bar S(r)}_{UNC}

    with :math:`\hat x` the isotonic recalibration, the nondecreasing function of the forecast with the least score
    (pooled adjacent violators; days of one forecast are pooled first), and r the sample VaR or expectile of the losses.
    Both MCB and DSC are at least 0.

    In the tail recalibration overfits: a right model has a mean MCB/UNC of 0.24 at VaR 0.99 with 250 days and 0.12
    with 1000. So MCB means something only beside its null: losses are drawn from each day's own law (`tail`), and the
    forecasts are that law's own measures.

    Parameters
    ----------
    losses, forecast : array_like
        Losses and forecasts of one model.
    level : float
        In (0.5, 1).
    measure : {"var", "expectile"}
        Pinball score, or asymmetric squared error.
    tail : (levels, quantiles), optional
        Levels (Q,) and quantiles (T, Q) of each day's own law.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Drawn samples.
    nan : {"drop", "raise"}
        What a missing day means.

    Returns
    -------
    Decomposition
        NaN without a day. Without a law the p-value is NaN, with the reason.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), PNAS 118(8), doi:10.1073/pnas.2016191118.
    Gneiting and Resin (2023), Electronic Journal of Statistics 17(2), 3226-3286, doi:10.1214/23-EJS2180.

    Examples
    --------
    >>> decompose([0.2, 3.0, -1.0, 1.5], [1.0, 1.0, 2.0, 2.0], 0.75).reliability.values.tolist()
    [[1.0, 1.5, 2.0], [2.0, 1.5, 2.0]]
    """
    choice("measure", measure, MEASURES)
    require(n_simulations >= 1, f"n_simulations must be at least 1, got {n_simulations}")
    one = np.ndim(level) == 0
    require(one, f"level must be one number for all days, got shape {np.shape(level)}")
    sample = prepare(nan, {"losses": losses, "forecast": forecast}, level, tail=tail)
    if sample.reason:
        nothing: dict[str, Any] = dict.fromkeys(("score", "mcb", "dsc", "unc", "reference"), np.nan)
        nothing |= {"n_obs": sample.n_obs, "missing": sample.missing, "reason": sample.reason}
        return Decomposition(measure, float(level), **nothing)
    x, f = sample.columns["losses"], sample.columns["forecast"]
    order, first = forecast_groups(f)
    hat = _recalibrated(x[order], first, float(level), measure)
    reference = float(_MEASURE[measure](np.sort(x), float(level)))
    score, best, constant = (_mean_score(x[order], v, float(level), measure) for v in (f[order], hat, reference))
    # A sum in another order can fall below what it cannot fall below.
    parts = (
        score,
        max(score - best, 0.0),
        max(constant - best, 0.0),
        constant,
        reference,
        sample.n_obs,
        sample.missing,
    )
    curve = pd.DataFrame({"forecast": f[order][first[:-1]], "recalibrated": hat[first[:-1]], "n": np.diff(first)})
    null = _null(sample, measure, parts[1], rng, n_simulations)
    return Decomposition(measure, float(level), *parts, reliability=curve, **null)


_MEASURE: dict[str, Callable[[FloatArray, float], FloatArray]] = {"var": sorted_var, "expectile": sorted_expectile}


def forecast_groups(forecast: FloatArray) -> tuple[IntArray, IntArray]:
    """Days in the order of their forecasts, and where each group of equal ones begins, closed by their number.

    >>> forecast_groups(np.array([2.0, 1.0, 2.0]))[1].tolist()
    [0, 1, 3]
    """
    order = np.argsort(forecast, kind="stable")
    ranked = forecast[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    return np.asarray(order, dtype=np.int64), np.append(starts, forecast.size).astype(np.int64)


def isotonic_values(losses: FloatArray, first: IntArray, level: float, measure: str) -> FloatArray:
    """Isotonic VaR or expectile of paths (paths, n) of losses in the order of the forecasts."""
    out = np.empty_like(losses)
    if measure == "var":
        exact = exact_level(level).limit_denominator(LARGEST_WHOLE)
        isotonic.isotonic_quantile(losses, first, exact.denominator - exact.numerator, exact.denominator, out)
    else:
        isotonic.isotonic_expectile(losses, first, level, out)
    return out


def _recalibrated(losses: FloatArray, first: IntArray, level: float, measure: str) -> FloatArray:
    """Isotonic values of one sample, each pool's the sample measure itself to the last digit."""
    hat = isotonic_values(losses[None, :], first, level, measure)[0]
    pools = np.flatnonzero(np.append(True, np.diff(hat) > 1e-12 * max(float(np.max(np.abs(losses))), 1e-300)))
    for start, stop in zip(pools, np.append(pools[1:], losses.size), strict=True):
        hat[start:stop] = _MEASURE[measure](np.sort(losses[start:stop]), level)
    return np.asarray(hat)


def _mean_score(losses: FloatArray, values: FloatArray | float, level: float, measure: str) -> float:
    run = quantile_score if measure == "var" else expectile_score
    return float(np.mean(run(losses, np.broadcast_to(values, losses.shape), level)))


def _null(sample: Sample, measure: str, mcb: float, rng: Seed, n_simulations: int) -> dict[str, Any]:
    """The miscalibration that chance gives a right model, and the band of its recalibrated values."""
    if sample.tail is None:
        return {"reason": NO_LAW}
    laws = day_laws(sample.tail, sample.level)
    if laws.flaw:
        return {"reason": laws.flaw}
    seed, level = seed_of(rng), sample.one_level
    own = laws.var if measure == "var" else laws.expectile
    order, first = forecast_groups(own)
    shown = np.unique(np.linspace(0, own.size - 1, BAND_POINTS).round().astype(int))
    drawn, values = [], []
    for losses in drawn_losses(laws, order, seed, n_simulations):
        hat = isotonic_values(losses, first, level, measure)
        drawn.append(_row_scores(losses, own[order], level, measure) - _row_scores(losses, hat, level, measure))
        values.append(hat[:, shown])
    null, low_high = np.concatenate(drawn), np.quantile(np.concatenate(values), [0.025, 0.975], axis=0)
    return {
        "p_value": simulated_p(mcb, null, "upper"), "p_method": OWN_LAW, "seed": seed, "n_simulations": n_simulations,
        "null_mean": float(null.mean()), "null_95": float(np.quantile(null, 0.95)),
        "band": pd.DataFrame({"forecast": own[order][shown], "low": low_high[0], "high": low_high[1]}),
    }  # fmt: skip


def _row_scores(losses: FloatArray, values: FloatArray, level: float, measure: str) -> FloatArray:
    """Mean score of each path."""
    gap = losses - values
    if measure == "var":
        return np.asarray(np.mean(np.maximum(level * gap, (level - 1.0) * gap), axis=1))
    return np.asarray(np.mean(np.where(gap > 0.0, level, 1.0 - level) * gap**2, axis=1))


def decomposition_table(
    forecasts: Forecasts, target: Target | str, asset: str | None = None, **options: Any
) -> pd.DataFrame:
    """Decompositions of every model of an asset on one target, each with the null of its own law.

    Parameters
    ----------
    forecasts : Forecasts
        The table.
    target : Target or str
        A VaR or an expectile, e.g. ``"var:0.99"``.
    asset : str, optional
        None means the first.
    **options
        Keywords of `decompose`.

    Returns
    -------
    DataFrame
        Columns model, score, mcb, dsc, unc, mcb_null_mean, mcb_null_95, p_value, p_method, n_obs, reason. Models are
        judged on their own days; `unc` differs where those do.

    Raises
    ------
    DataError
        For an unknown asset or target.

    Examples
    --------
    >>> import riskcore
    >>> callable(riskcore.compare.decomposition_table)
    True
    """
    target, asset, models = chosen(forecasts, target, asset)
    require(target.measure in MEASURES, f"target must be a VaR or an expectile, got {target.label}", DataError)
    records = []
    for model in models:
        rows = forecasts.judged(asset, model)
        x, f = (rows[name].to_numpy(dtype=np.float64) for name in ("loss", target.label))
        d = decompose(x, f, target.level, measure=target.measure, tail=forecasts.tail(rows), **options)
        null = (d.null_mean, d.null_95, d.p_value, d.p_method)
        records.append((model, d.score, d.mcb, d.dsc, d.unc, *null, d.n_obs, d.reason))
    return pd.DataFrame(records, columns=list(COLUMNS))
