"""Backtests of a whole table of forecasts, one row per asset, model, target and test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from riskcore._types import FloatArray, Target
from riskcore.backtests import BACKTESTS, Backtest, BacktestResult, multilevel
from riskcore.backtests.base import ASYMPTOTIC, NONE, Seed, choice, seed_of
from riskcore.backtests.nulls import AUTO
from riskcore.backtests.power import power_note
from riskcore.forecasts import Forecasts
from riskcore.serving import serving
from riskcore.tables.scoring import DENSITY, column

BACKTEST_COLUMNS = (
    "asset", "model", "measure", "level", "test", "statistic", "p_value",
    "p_method", "p_adjusted", "n_obs", "hits", "expected_hits", "reason", "primary", "hits_to_reject", "power",
)  # fmt: skip
FEW_UNITS = 4
"""Below so many units one process judges them sooner than several."""
NOT_OFFERED = "not offered, or failed on every day"


def backtest_table(
    forecasts: Forecasts,
    *,
    p_value: str = AUTO,
    adjust: str = "holm",
    rng: Seed = None,
    n_simulations: int | None = None,
    jobs: int = 1,
) -> pd.DataFrame:
    """Every test of `BACKTESTS` that a model's forecasts allow, but `e_expectile`, on every target of every asset.

    Each p-value stands beside the days used, the hits and the number of hits expected (for an expectile: losses above
    it, expected under the model's own law), and beside what the test could have found: the hits that would have
    rejected, and the power against forecasts 20 % too low where losses are t(5), at a size of 5 %.

    One test of each measure is named beforehand as `primary`; the others are diagnostic. `p_adjusted` of a primary
    test is adjusted across assets, for the same model and target: it keeps the chance of any false rejection among the
    assets below the size. A diagnostic test is adjusted over all diagnostic tests of its asset and model.

    Parameters
    ----------
    forecasts : Forecasts
        The table; the row of the next day is left out.
    p_value : {"auto", "asymptotic"}
        Asked of each test; by "asymptotic" tests that have no such p-value are left out.
    adjust : {"holm", "by"}
        Holm, or Benjamini and Yekutieli, who bound the share of false rejections under any dependence.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``; every test draws from the same seed.
    n_simulations : int, optional
        Simulated paths where a null is simulated; without it each test's own default.
    jobs : int
        Processes that share the units; the table does not depend on it.

    Returns
    -------
    DataFrame
        Columns asset, model, measure, level, test, statistic, p_value, p_method, p_adjusted, n_obs, hits,
        expected_hits, reason, primary, hits_to_reject, power. A test that cannot be computed has NaN and its reason;
        density tests have level NaN, and so have the test of all levels of the VaR at once and the tests of an
        expectile at a level that moves (of models with a column `level`; by "asymptotic" where they have no law).
        `hits_to_reject` is missing for tests that are no function of the number of hits, and 0 where no number would
        reject; `power` is NaN where it is not known.

    Raises
    ------
    ConfigError
        For a choice that is unknown.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6(2), 65-70.
    Benjamini and Yekutieli (2001), Annals of Statistics 29(4), 1165-1188, doi:10.1214/aos/1013699998.

    Examples
    --------
    >>> from riskcore import Forecasts, Target
    >>> days = pd.date_range("2024-01-02", periods=250, name="date")
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": 0.0, "status": "ok"}, index)
    >>> table = backtest_table(Forecasts(frame.assign(**{"var_0.99": 1.0}), [Target("var", 0.99)]))
    >>> table.loc[table.test == "kupiec", ["hits", "expected_hits", "p_value"]].round(3).values.tolist()
    [[0, 2.5, 0.095]]
    """
    choice("p_value", p_value, (AUTO, ASYMPTOTIC))
    choice("adjust", adjust, tuple(ADJUSTMENTS))
    seed = seed_of(rng)
    units = [(asset, model, forecasts.judged(asset, model)) for asset, model in forecasts.units]
    judged = partial(_judged, targets=forecasts.targets, p_value=p_value, seed=seed, n_simulations=n_simulations)
    if jobs == 1 or len(units) < FEW_UNITS:
        found = [judged(*unit, forecasts.tail(unit[2]), forecasts.moving(unit[2])) for unit in units]
    else:
        from joblib import Parallel, delayed

        calls = (delayed(judged)(*unit, forecasts.tail(unit[2]), forecasts.moving(unit[2])) for unit in units)
        found = Parallel(n_jobs=jobs, batch_size=1, **serving())(calls)
    table = pd.DataFrame([record for records in found for record in records], columns=list(BACKTEST_COLUMNS))
    table["p_adjusted"] = _adjusted(table, ADJUSTMENTS[adjust])
    whole = {"hits": "Int64", "hits_to_reject": "Int64"}
    return table.astype({**whole, "expected_hits": np.float64, "power": np.float64, "primary": bool})


def _judged(
    asset: str,
    model: str,
    rows: pd.DataFrame,
    tail: tuple[FloatArray, FloatArray] | None,
    moving: tuple[Target, FloatArray] | None,
    *,
    targets: Sequence[Target],
    p_value: str,
    seed: int,
    n_simulations: int | None,
) -> list[dict[str, Any]]:
    """Records of all tests of one asset and model."""
    judge = _Judge(rows, tail, seed, n_simulations, p_value)
    tests = {name: test for name, test in BACKTESTS.items() if p_value == AUTO or test.asymptotic}
    tests.pop("e_expectile", None)  # it needs a largest gain that only a reader can declare
    unit: dict[str, Any] = {"asset": asset, "model": model}
    records = []
    for target in (*targets, None):
        measure = DENSITY if target is None else target.measure
        level = np.nan if target is None else target.level
        for name, test in tests.items():
            if test.measure == measure:
                head = {"measure": measure, "level": level, "test": name, "primary": test.primary}
                records.append(unit | head | _facts(judge.run(test, name, target), level))
    if moving is not None:
        for name, test in tests.items():
            if test.measure == "expectile":
                head = {"measure": "expectile", "level": np.nan, "test": name, "primary": False}
                records.append(unit | head | _facts(judge.moving(test, name, *moving), np.nan))
    levels = sorted(t.level for t in targets if t.measure == "var")
    if len(levels) > 1:
        head = {"measure": "var", "level": np.nan, "test": "multilevel", "primary": False}
        records.append(unit | head | _facts(judge.several(levels), np.nan))
    return records


def _adjusted(table: pd.DataFrame, adjust: Callable[[FloatArray], FloatArray]) -> pd.Series:
    """P-values adjusted within their families: primary tests across assets, the others within asset and model."""
    out = pd.Series(np.nan, index=table.index)
    primary = table["primary"].astype(bool)
    for chosen, family in ((primary, ["model", "measure", "level", "test"]), (~primary, ["asset", "model"])):
        for _, group in table[chosen].groupby(family, dropna=False, sort=False):
            out[group.index] = adjust(group["p_value"].to_numpy(dtype=np.float64))
    return out


class _Judge:
    """Runs tests on the rows of one asset and model."""

    def __init__(
        self,
        rows: pd.DataFrame,
        tail: tuple[FloatArray, FloatArray] | None,
        seed: int,
        n_simulations: int | None,
        p_value: str,
    ) -> None:
        self.rows, self.tail, self.seed, self.n_simulations, self.p_value = rows, tail, seed, n_simulations, p_value
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
            keywords["tail"] = self.tail
        return test.run(*losses, *needed.values(), *level, **keywords, **self._given(test.run))

    def moving(self, test: Backtest, name: str, target: Target, levels: FloatArray) -> BacktestResult:
        """A test of the VaR `target` as the expectile at the day's level."""
        keywords: dict[str, Any] = {"tail": self.tail} if "tail" in test.uses else {}
        losses, forecast = self._column("loss"), self._column(target.label)
        return test.run(losses, forecast, levels, **keywords, **self._given(test.run))

    def several(self, levels: Sequence[float]) -> BacktestResult:
        """The test of all levels of the VaR at once."""
        var = np.column_stack([self._column(Target("var", level).label) for level in levels])
        if not np.isfinite(var).all(axis=1).any():
            return BacktestResult("multilevel", "", np.nan, np.nan, NONE, 0, {"reason": NOT_OFFERED})
        return multilevel(self._column("loss"), var, levels, **self._given(multilevel))

    def _given(self, run: Callable[..., BacktestResult]) -> dict[str, Any]:
        """What was asked of all tests, as far as this one takes it."""
        given: dict[str, Any] = {"rng": self.seed}
        given |= {} if self.n_simulations is None else {"n_simulations": self.n_simulations}
        given |= {} if self.p_value == AUTO else {"p_value": self.p_value}
        return {name: x for name, x in given.items() if name in (getattr(run, "__kwdefaults__", None) or {})}

    def _need(self, need: str, target: Target | None) -> FloatArray | None:
        if need == "pit":
            return self._column("pit")
        if target is None:
            return None
        return self._column(Target(need, target.level).label)  # type: ignore[arg-type]  # a measure

    def _column(self, label: str) -> FloatArray:
        if label not in self.columns:
            self.columns[label] = column(self.rows, label)
        return self.columns[label]


def _facts(result: BacktestResult, level: float) -> dict[str, Any]:
    defined = np.isfinite(result.p_value)
    hits, power = power_note(result.name, result.n_obs, level, result.p_method) if defined else (None, np.nan)
    return {
        "hits_to_reject": pd.NA if hits is None else hits,
        "power": power,
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


def benjamini_yekutieli(p_values: FloatArray) -> FloatArray:
    """Adjusted p-values of Benjamini and Yekutieli; NaN stay NaN and do not count.

    >>> benjamini_yekutieli(np.array([0.01, np.nan, 0.04, 0.03])).round(4).tolist()
    [0.055, nan, 0.0733, 0.0733]
    """
    out = np.full(p_values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    ranks = np.arange(1.0, order.size + 1)
    factors = order.size * np.sum(1.0 / ranks) / ranks
    out[order] = np.minimum(np.minimum.accumulate((factors * p_values[order])[::-1])[::-1], 1.0)
    return out


ADJUSTMENTS = {"holm": holm, "by": benjamini_yekutieli}
