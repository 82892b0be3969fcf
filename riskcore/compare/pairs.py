"""Is one of two models better? The Diebold-Mariano test on differences of scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtr

from riskcore._types import FloatArray, Target
from riskcore.backtests.base import ASYMPTOTIC, NONE, BacktestResult, Detail, Sample, choice, prepare, undefined
from riskcore.errors import DataError, require
from riskcore.forecasts import Forecasts
from riskcore.kernels.hac import long_run_variance
from riskcore.tables import pointwise_score

NULL = "both forecasts have the same expected score"


def lag_weights(lags: int, kernel: str) -> FloatArray:
    """Weights of autocovariances 0..lags: Parzen of j/lags (0 at the last lag), or Bartlett 1 - j/(lags + 1).

    >>> lag_weights(4, "parzen").round(4)
    array([1.    , 0.7188, 0.25  , 0.0312, 0.    ])
    """
    j = np.arange(lags + 1.0)
    if kernel == "bartlett":
        return np.asarray(1.0 - j / (lags + 1.0))
    x = j / max(lags, 1)
    return np.where(x <= 0.5, 1.0 - 6.0 * x**2 + 6.0 * x**3, 2.0 * (1.0 - x) ** 3)


def diebold_mariano(
    score_a: Any,
    score_b: Any,
    *,
    kernel: str = "parzen",
    lags: int | None = None,
    horizon: int = 1,
    small_sample: bool = False,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test equal predictive ability on the differences of two series of scores.

    .. math:: d_t = a_t - b_t, \quad T = \sqrt n\, \bar d / s, \quad
              s^2 = \hat\gamma_0 + 2 \sum_j w_j \hat\gamma_j

    with autocovariances around the mean, divisor n. Negative values favour the first forecast (a lower score).

    Parameters
    ----------
    score_a, score_b : array_like
        Scores per observation, lower is better.
    kernel : {"parzen", "bartlett"}
        Weights of the autocovariances: Parzen of j/lags, or ``1 - j/(lags + 1)``.
    lags : int, optional
        None means ``ceil(2 sqrt(n))``; 0 takes the plain variance. Capped at n - 1.
    horizon : int
        Steps ahead of the forecasts, for the small-sample factor.
    small_sample : bool
        Harvey-Leybourne-Newbold: the statistic times ``sqrt((n + 1 - 2h + h(h-1)/n)/n)`` against t(n - 1).
    nan : {"drop", "raise"}
        What a missing score means; a day without either score is dropped from both.

    Returns
    -------
    BacktestResult
        `p_value` is two-sided. `details`: mean_difference, kernel, lags, missing, p_a_better and p_b_better (one-sided:
        small where the data speak for that model). Equal scores on all days: statistic 0, p-value 1, with a reason.
        NaN below 5 days or where the differences do not vary.

    Raises
    ------
    ConfigError, DataError
        For a choice or a shape that cannot be used.

    References
    ----------
    Diebold and Mariano (1995), Journal of Business and Economic Statistics 13(3), 253-263.
    Harvey, Leybourne and Newbold (1997), International Journal of Forecasting 13(2), 281-291.
    Nolde and Ziegel (2017), Annals of Applied Statistics 11(4), 1833-1874, doi:10.1214/17-AOAS1041.

    Examples
    --------
    >>> a, b = [1.0, 2.0, 3.0, 2.0, 1.0], [2.0, 2.0, 5.0, 1.0, 2.0]
    >>> round(diebold_mariano(a, b, lags=0).statistic, 4)
    -1.3156
    """
    choice("kernel", kernel, ("parzen", "bartlett"))
    for name, value, low in (("horizon", horizon, 1), ("lags", 0 if lags is None else lags, 0)):
        require(isinstance(value, int) and value >= low, f"{name} must be a whole number >= {low}, got {value!r}")
    sample = prepare(nan, {"score_a": score_a, "score_b": score_b}, minimum=5)
    n = sample.n_obs
    if sample.reason:
        return undefined("diebold_mariano", NULL, sample, sample.reason, {"missing": sample.missing})
    d = sample.columns["score_a"] - sample.columns["score_b"]
    used = min(math.ceil(2.0 * math.sqrt(n)) if lags is None else lags, n - 1)
    mean = float(d.mean())
    details: dict[str, Detail] = {"mean_difference": mean, "kernel": kernel, "lags": used, "missing": sample.missing}
    if not d.any():
        details["reason"] = "the scores are equal on all days"
        return BacktestResult("diebold_mariano", NULL, 0.0, 1.0, NONE, n, details)
    size = float(np.max(np.abs(d)))
    variance = float(long_run_variance(d / size, lag_weights(used, kernel)))
    if float(np.ptp(d)) <= 1e-14 * size or variance <= 0.0:
        return undefined("diebold_mariano", NULL, sample, "the differences have no long-run variance", details)
    statistic = math.sqrt(n) * (mean / size) / math.sqrt(variance)
    return _judge(statistic, n, horizon, small_sample, details, sample)


def _judge(
    statistic: float, n: int, horizon: int, small_sample: bool, details: dict[str, Detail], sample: Sample
) -> BacktestResult:
    if small_sample:
        factor = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
        if factor <= 0:
            return undefined("diebold_mariano", NULL, sample, "horizon is too long for the sample", details)
        statistic *= math.sqrt(factor)
        lower, upper = float(stdtr(n - 1, statistic)), float(stdtr(n - 1, -statistic))
    else:
        lower, upper = float(ndtr(statistic)), float(ndtr(-statistic))
    details |= {"p_a_better": lower, "p_b_better": upper}
    p_value = min(1.0, 2.0 * min(lower, upper))
    return BacktestResult("diebold_mariano", NULL, statistic, p_value, ASYMPTOTIC, n, details)


def dm_matrix(forecasts: Forecasts, target: Target | str, asset: str | None = None, **options: Any) -> pd.DataFrame:
    """Diebold-Mariano tests of every pair of models on one target's score.

    Parameters
    ----------
    forecasts : Forecasts
        The table.
    target : Target or str
        E.g. ``Target("var", 0.99)`` or ``"var:0.99"``; an ES is compared by FZ0 with its VaR.
    asset : str, optional
        None means the first.
    **options
        Keywords of `diebold_mariano`.

    Returns
    -------
    DataFrame
        Columns model_a, model_b, statistic, p_value, n_obs, mean_difference, reason; a negative statistic favours
        model_a. Models are compared on the days both forecast.

    Raises
    ------
    DataError
        For an unknown asset or target.

    Examples
    --------
    >>> import riskcore
    >>> callable(riskcore.compare.dm_matrix)
    True
    """
    scores = score_panel(forecasts, target, asset)
    models = list(scores.columns)
    records = []
    for i, a in enumerate(models):
        for b in models[i + 1 :]:
            result = diebold_mariano(scores[a], scores[b], **options)
            mean = result.details.get("mean_difference", np.nan)
            records.append((a, b, result.statistic, result.p_value, result.n_obs, mean, result.reason))
    columns = ["model_a", "model_b", "statistic", "p_value", "n_obs", "mean_difference", "reason"]
    return pd.DataFrame(records, columns=columns)


def score_panel(forecasts: Forecasts, target: Target | str, asset: str | None = None) -> pd.DataFrame:
    """Scores of every model of an asset on one target, side by side.

    Parameters
    ----------
    forecasts, target, asset
        As in `dm_matrix`.

    Returns
    -------
    DataFrame
        One row a date, one column a model, lower is better; NaN where a model has no forecast for that day.

    Raises
    ------
    DataError
        For an unknown asset or target.

    Examples
    --------
    >>> days = pd.date_range("2024-01-02", periods=2, name="date")
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": [0.0, 3.0], "status": "ok"}, index)
    >>> score_panel(Forecasts(frame.assign(**{"var_0.75": 1.0}), [Target("var", 0.75)]), "var:0.75")["m"].tolist()
    [0.25, 1.5]
    """
    target, asset, models = chosen(forecasts, target, asset)
    rows = {model: forecasts.judged(asset, model) for model in models}
    return pd.DataFrame({model: pd.Series(pointwise_score(r, target), r.index) for model, r in rows.items()})


def forecast_panel(
    forecasts: Forecasts, target: Target | str, asset: str | None = None
) -> tuple[pd.Series[float], pd.DataFrame]:
    """Losses of an asset, and the forecasts of every model for one target side by side.

    Parameters
    ----------
    forecasts, target, asset
        As in `dm_matrix`.

    Returns
    -------
    tuple
        Losses by date, and a DataFrame with one row a date and one column a model; NaN where a model has no forecast
        for that day.

    Raises
    ------
    DataError
        For an unknown asset or target.

    Examples
    --------
    >>> import riskcore
    >>> callable(riskcore.compare.forecast_panel)
    True
    """
    target, asset, models = chosen(forecasts, target, asset)
    rows = {model: forecasts.judged(asset, model) for model in models}
    panel = pd.DataFrame({model: r[target.label] for model, r in rows.items()})
    losses = pd.concat([r["loss"] for r in rows.values()])
    return losses[~losses.index.duplicated()].reindex(panel.index), panel


def chosen(forecasts: Forecasts, target: Target | str, asset: str | None) -> tuple[Target, str, list[str]]:
    """The target, the asset (the first if none is named) and its models; a `DataError` names what there is."""
    target = Target.parse(target) if isinstance(target, str) else target
    asset = forecasts.assets[0] if asset is None else asset
    known = target in forecasts.targets
    require(known, f"target must be one of {[t.label for t in forecasts.targets]}, got {target.label}", DataError)
    models = [model for name, model in forecasts.units if name == asset]
    require(bool(models), f"asset must be one of {forecasts.assets}, got {asset!r}", DataError)
    return target, asset, models
