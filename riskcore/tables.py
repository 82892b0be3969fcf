"""Scores and backtests of a whole table of forecasts, one row per asset, model, target and test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray, Status, Target
from riskcore.backtests import BACKTESTS, Backtest, BacktestResult
from riskcore.backtests.base import NONE, Seed, seed_of
from riskcore.forecasts import Forecasts
from riskcore.scores import SCORES, Score

SCORE_COLUMNS = ("asset", "model", "measure", "level", "score", "mean", "n_obs", "share_not_ok")
BACKTEST_COLUMNS = (
    "asset", "model", "measure", "level", "test", "statistic", "p_value",
    "p_method", "p_adjusted", "n_obs", "hits", "expected_hits", "reason",
)  # fmt: skip
DENSITY = "density"
NOT_OFFERED = "not offered, or failed on every day"


def pointwise_score(rows: pd.DataFrame, target: Target, score: Score | None = None) -> FloatArray:
    """Scores per row for a target; NaN where a loss or forecast is missing, or where an ES is not positive.

    Without `score` the first entry of `SCORES` for the target's measure: quantile, fz0 (with the VaR) or expectile.
    """
    score = score or next(s for s in SCORES.values() if s.measure == target.measure)
    labels = [Target(need, target.level).label for need in score.needs]  # type: ignore[arg-type]  # measures
    columns = [_column(rows, label) for label in ("loss", *labels)]
    ok = np.isfinite(np.column_stack(columns)).all(axis=1)
    if "es" in score.needs:
        ok &= columns[1 + score.needs.index("es")] > 0
    out = np.full(len(rows), np.nan)
    if ok.any():
        out[ok] = score.run(*(c[ok] for c in columns), target.level)
    return out


def _column(rows: pd.DataFrame, label: str) -> FloatArray:
    if label not in rows.columns:
        return np.full(len(rows), np.nan)
    return rows[label].to_numpy(dtype=np.float64)


def score_table(forecasts: Forecasts) -> pd.DataFrame:
    """Mean scores per asset, model and target; lower is better.

    A VaR is judged by the quantile score, ES with its VaR by FZ0, an expectile by the asymmetric squared error, and
    where there is a law the density by log score and CRPS (measure "density", level NaN).

    Parameters
    ----------
    forecasts : Forecasts
        The table; the row of the next day is left out.

    Returns
    -------
    DataFrame
        Columns asset, model, measure, level, score, mean, n_obs, share_not_ok. `n_obs` counts the days used;
        `mean` is NaN with n_obs 0 where nothing is offered. `share_not_ok` is the share of the model's days that are
        implausible or worse.

    References
    ----------
    Gneiting (2011), Journal of the American Statistical Association 106(494), 746-762,
    doi:10.1198/jasa.2011.r10138.

    Examples
    --------
    >>> from riskcore import Forecasts, Target
    >>> days = pd.date_range("2024-01-02", periods=2, name="date")
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": [0.0, 3.0], "status": "ok"}, index)
    >>> table = score_table(Forecasts(frame.assign(**{"var_0.75": 1.0}), [Target("var", 0.75)]))
    >>> table[["score", "mean", "n_obs"]].iloc[:1].values.tolist()
    [['quantile', 0.875, 2]]
    """
    records: list[dict[str, Any]] = []
    for asset, model in forecasts.units:
        rows = forecasts.judged(asset, model)
        codes = rows["status"].cat.codes.to_numpy()
        share = float(np.mean(codes >= Status.implausible)) if codes.size else np.nan
        values: list[tuple[str, float, str, FloatArray]] = [
            (t.measure, t.level, name, pointwise_score(rows, t, score))
            for t in forecasts.targets
            for name, score in SCORES.items()
            if score.measure == t.measure
        ]
        density = [name for name, score in SCORES.items() if score.measure == DENSITY]
        values += [(DENSITY, np.nan, name, _column(rows, name)) for name in density]
        for measure, level, score, points in values:
            used = points[np.isfinite(points)]
            mean = float(used.mean()) if used.size else np.nan
            head = dict(zip(SCORE_COLUMNS, (asset, model, measure, level, score, mean, used.size, share), strict=True))
            records.append(head)
    return pd.DataFrame(records, columns=list(SCORE_COLUMNS))


def backtest_table(
    forecasts: Forecasts, *, rng: Seed = None, n_simulations: int = defaults.N_SIMULATIONS
) -> pd.DataFrame:
    """Every test of `BACKTESTS` on every target of every asset and model.

    Each p-value stands beside the days used, the hits and the number of hits expected (for an expectile: losses above
    it, expected under the model's own law). `p_adjusted` is Holm's over all tests of one asset and model: it keeps the
    chance of any false rejection of that model below the size, however many targets and tests there are.

    Parameters
    ----------
    forecasts : Forecasts
        The table; the row of the next day is left out.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``; every test draws from the same seed.
    n_simulations : int
        Simulated paths where a null is simulated.

    Returns
    -------
    DataFrame
        Columns asset, model, measure, level, test, statistic, p_value, p_method, p_adjusted, n_obs, hits,
        expected_hits, reason. A test that cannot be computed has NaN and its reason; density tests have level NaN.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.

    Examples
    --------
    >>> from riskcore import Forecasts, Target
    >>> days = pd.date_range("2024-01-02", periods=250, name="date")
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": 0.0, "status": "ok"}, index)
    >>> table = backtest_table(Forecasts(frame.assign(**{"var_0.99": 1.0}), [Target("var", 0.99)]))
    >>> table.loc[table.test == "kupiec", ["hits", "expected_hits", "p_value"]].round(3).values.tolist()
    [[0, 2.5, 0.025]]
    """
    seed = seed_of(rng)
    records: list[dict[str, Any]] = []
    for asset, model in forecasts.units:
        rows = forecasts.judged(asset, model)
        judge = _Judge(rows, forecasts.tail(rows), seed, n_simulations)
        unit: list[dict[str, Any]] = []
        for target in (*forecasts.targets, None):
            measure = DENSITY if target is None else target.measure
            for name, test in BACKTESTS.items():
                if test.measure == measure:
                    head: dict[str, Any] = {"asset": asset, "model": model, "measure": measure}
                    head |= {"level": np.nan if target is None else target.level, "test": name}
                    unit.append(head | _facts(judge.run(test, name, target)))
        adjusted = holm(np.array([x["p_value"] for x in unit], dtype=np.float64))
        records += [x | {"p_adjusted": p} for x, p in zip(unit, adjusted, strict=True)]
    table = pd.DataFrame(records, columns=list(BACKTEST_COLUMNS))
    return table.astype({"hits": "Int64", "expected_hits": np.float64})


class _Judge:
    """Runs tests on the rows of one asset and model."""

    def __init__(
        self, rows: pd.DataFrame, tail: tuple[FloatArray, FloatArray] | None, seed: int, n_simulations: int
    ) -> None:
        self.rows, self.tail, self.seed, self.n_simulations = rows, tail, seed, n_simulations
        self.columns: dict[str, FloatArray] = {}

    def run(self, test: Backtest, name: str, target: Target | None) -> BacktestResult:
        needed = {need: self._need(need, target) for need in test.needs}
        empty = [x for x in needed.values() if x is None or not np.isfinite(x).any()]
        if empty:
            return BacktestResult(name, "", np.nan, np.nan, NONE, 0, {"reason": NOT_OFFERED})
        losses = () if "pit" in test.needs else (self._column("loss"),)
        level = () if target is None else (target.level,)
        keywords: dict[str, Any] = {}
        if "volatility" in test.uses:
            volatility = self._column("volatility")
            keywords["volatility"] = volatility if np.isfinite(volatility).any() else None
        if "tail" in test.uses:
            keywords |= {"tail": self.tail, "n_simulations": self.n_simulations}
        if "rng" in (test.run.__kwdefaults__ or {}):
            keywords["rng"] = self.seed
        return test.run(*losses, *needed.values(), *level, **keywords)

    def _need(self, need: str, target: Target | None) -> FloatArray | None:
        if need == "pit":
            return self._column("pit")
        if target is None:
            return None
        return self._column(Target(need, target.level).label)  # type: ignore[arg-type]  # a measure

    def _column(self, label: str) -> FloatArray:
        if label not in self.columns:
            self.columns[label] = _column(self.rows, label)
        return self.columns[label]


def _facts(result: BacktestResult) -> dict[str, Any]:
    return {
        "statistic": result.statistic,
        "p_value": result.p_value,
        "p_method": result.p_method,
        "n_obs": result.n_obs,
        "hits": result.details.get("hits", pd.NA),
        "expected_hits": result.details.get("expected_hits", np.nan),
        "reason": result.reason,
    }


def holm(p_values: FloatArray) -> FloatArray:
    """Holm's adjusted p-values; NaN stay NaN and do not count.

    >>> holm(np.array([0.01, np.nan, 0.04, 0.03])).round(4).tolist()
    [0.03, nan, 0.06, 0.06]
    """
    out = np.full(p_values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0) if order.size else out[order]
    return out
