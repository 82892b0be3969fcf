"""The full battery of backtests of a large book, beside the same tests of other packages in a loop."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from benchmarks.timing import Row, interleaved
from riskcore import Forecasts, Target, backtest_table
from riskcore import backtests as bt
from riskcore._types import FloatArray
from riskcore.distributions import StudentT

TARGETS = (
    Target("var", 0.99),
    Target("var", 0.975),
    Target("es", 0.975),
    Target("expectile", 0.99),
    Target("expectile", 0.99855),
)
LAW = StudentT(5.0)
Statistic = Callable[[dict[str, FloatArray]], float]


def battery_rows(short: bool) -> Iterator[Row]:
    """The whole table of backtests, and single tests beside their peers."""
    n_assets, n_models, n_days, jobs = (2, 2, 300, 1) if short else (200, 10, 2500, 2)
    table(0, 1, 300)  # compiled and imported before the clock runs
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        os.environ.setdefault("JOBLIB_TEMP_FOLDER", folder)
        start = time.perf_counter()
        sizes = Parallel(n_jobs=jobs)(delayed(table)(asset, n_models, n_days) for asset in range(n_assets))
        taken = time.perf_counter() - start
    count = sum(sizes)
    yield Row(
        f"all backtests with asymptotic p-values, {n_assets} assets x {n_models} models x {n_days:,} days",
        "table", taken, aim="60 s", note=f"{jobs} processes; {count:,} p-values; five targets and the density",
    )  # fmt: skip
    yield from _peer_rows(short, n_days)


def unit(asset: int, n_models: int, n_days: int) -> dict[str, FloatArray]:
    """Losses of an asset and the columns of its models, whose volatilities differ a little."""
    rng = np.random.default_rng([13, asset])
    log = np.zeros(n_days)
    steps = rng.standard_normal(n_days)
    for t in range(1, n_days):
        log[t] = 0.97 * log[t - 1] + 0.08 * steps[t]
    scale = 0.01 * np.exp(log)
    losses = scale * rng.standard_t(5, n_days) * (3 / 5) ** 0.5
    volatility = scale * np.exp(0.05 * rng.standard_normal((n_models, 1)))
    columns = {"loss": np.tile(losses, n_models), "volatility": volatility.ravel()}
    for target in TARGETS:
        of = {"var": LAW.ppf, "es": LAW.es, "expectile": LAW.expectile}[target.measure]
        columns[target.label] = (volatility * float(of(target.level))).ravel()
    return {**columns, "pit": np.asarray(LAW.cdf(columns["loss"] / columns["volatility"]))}


def table(asset: int, n_models: int, n_days: int) -> int:
    """Make the table of backtests of an asset; the number of p-values."""
    days = pd.bdate_range("2010-01-04", periods=n_days, name="date")
    names = [f"m{i}" for i in range(n_models)]
    index = pd.MultiIndex.from_product([[f"asset {asset}"], names, days], names=["asset", "model", "date"])
    lead = {"origin": np.tile(days - pd.Timedelta(days=1), n_models), "status": "ok", "mean": 0.0}
    frame = pd.DataFrame(lead | unit(asset, n_models, n_days), index)
    return int(backtest_table(Forecasts(frame, list(TARGETS)), p_value="asymptotic")["p_value"].notna().sum())


def _each(statistic: Statistic, book: list[dict[str, FloatArray]]) -> list[float]:
    return [statistic(u) for u in book]


def _peer_rows(short: bool, n_days: int) -> Iterator[Row]:
    """One series after another, by ours and by what is installed of the others."""
    few, turns = (2, 1) if short else (50, 5)
    book = [unit(asset, 1, n_days) for asset in range(few)]
    for work, ours, name, theirs in (*_vetted(), *_vartests()):
        gap = max(abs(ours(u) - theirs(u)) for u in book)
        taken = interleaved({"ours": partial(_each, ours, book), "peer": partial(_each, theirs, book)}, turns)
        yield Row(
            f"{work}, one series of {n_days:,} days", "test", taken["ours"] / few, name, taken["peer"] / few,
            note=f"statistics differ by {gap:.0e}",
        )  # fmt: skip


def _vetted() -> Iterator[tuple[str, Statistic, str, Statistic]]:
    if find_spec("vetted") is None:
        return
    from vetted import es, var  # type: ignore[import-not-found]  # a peer where it is installed

    def theirs(test: Callable[..., Any], *columns: str) -> Statistic:
        return lambda u: float(test(-u["loss"], *(u[c] for c in columns), 0.025).statistic)

    v, e = "var_0.975", "es_0.975"
    yield "Kupiec", _ours("kupiec", v), "vetted", theirs(var.kupiec, v)
    yield "conditional coverage", _ours("christoffersen_coverage", v), "vetted", theirs(var.christoffersen, v)
    yield "Dynamic Quantile", _ours("dynamic_quantile", v), "vetted", theirs(var.dynamic_quantile, v)
    yield "ES calibration", _ours("es_calibration", v, e), "vetted", theirs(es.conditional_calibration, v, e)


def _ours(name: str, *columns: str) -> Statistic:
    test = bt.BACKTESTS[name].run
    return lambda u: float(test(u["loss"], *(u[c] for c in columns), 0.975, p_value="asymptotic").statistic)


def _vartests() -> Iterator[tuple[str, Statistic, str, Statistic]]:
    if find_spec("vartests") is None:
        return
    import vartests  # type: ignore[import-not-found]  # a peer where it is installed

    def duration(u: dict[str, FloatArray]) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = vartests.duration_test((u["loss"] > u["var_0.975"]).astype(int))
        return float(next(x for k, x in found.items() if "statistic" in k.lower()))

    yield "Weibull duration", _ours("weibull_duration", "var_0.975"), "vartests", duration
