"""Tests of many series at once, and the model confidence set and superior predictive ability against arch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.timing import Row, interleaved
from riskcore._types import FloatArray
from riskcore.backtests.coverage import christoffersen_independence, kupiec
from riskcore.backtests.hit_panel import coverage_panel
from riskcore.backtests.regression import dynamic_quantile
from riskcore.compare import model_confidence_set, superior_predictive_ability

LEVEL = 0.99
BLOCK, SIZE = 20, 0.05


def judge_rows(short: bool) -> Iterator[Row]:
    """Kupiec, Christoffersen and DQ of a panel; the two bootstrap tests."""
    yield from _panel_rows(short)
    yield from _bootstrap_rows(short)


def _panel_rows(short: bool) -> Iterator[Row]:
    n_series, n_days, turns, few = (20, 300, 1, 2) if short else (10_000, 5000, 5, 10)
    rng = np.random.default_rng(11)
    losses, var = rng.standard_normal((n_series, n_days)).T, np.empty((n_series, n_days)).T
    var[:] = 2.326 + 0.1 * np.sin(np.arange(n_days) / 50.0)[:, None]

    def one_by_one() -> list[float]:
        tests = (kupiec, christoffersen_independence, dynamic_quantile)
        judged = (t(losses[:, i], var[:, i], LEVEL, p_value="asymptotic") for i in range(few) for t in tests)
        return [result.statistic for result in judged]

    taken = interleaved({"ours": lambda: coverage_panel(losses, var, LEVEL), "singly": one_by_one}, turns)
    names = ["kupiec", "christoffersen_independence", "dynamic_quantile"]
    gap = float(np.max(np.abs(coverage_panel(losses, var, LEVEL)[names].to_numpy()[:few].ravel() - one_by_one())))
    yield Row(
        f"Kupiec, Christoffersen and DQ, {n_series:,} series x {n_days:,} days", "panel", taken["ours"],
        f"our single tests, {few} series scaled", taken["singly"] / few * n_series, "0.3 s; 0.1 s",
        f"largest difference {gap:.0e}",
    )  # fmt: skip


def scores_of_models(n_days: int, n_models: int) -> FloatArray:
    """Scores with volatility in common and means that differ a little."""
    rng = np.random.default_rng(12)
    common = rng.standard_normal((n_days, 1))
    return np.asarray(1.0 + 0.01 * np.arange(n_models) + common + 0.5 * rng.standard_normal((n_days, n_models)))


def _bootstrap_rows(short: bool) -> Iterator[Row]:
    n_days, draws, turns = (200, 50, 1) if short else (5000, 1000, 7)
    for n_models in (5,) if short else (10, 50):
        scores = scores_of_models(n_days, n_models)
        size = f"{n_models} models x {n_days:,} days, {draws:,} samples"
        aim = "15x; 25x" if n_models == 10 else ""
        for work, pair, peer in (
            (f"model confidence set, {size}", _confidence_sets(scores, draws), "arch MCS"),
            (f"superior predictive ability, {size}", _abilities(scores, draws), "arch SPA"),
        ):
            taken = interleaved(pair, turns)
            note = _difference(pair["ours"](), pair["theirs"](), draws)
            yield Row(work, "test", taken["ours"], peer, taken["theirs"], aim if peer == "arch MCS" else "", note)


def _confidence_sets(scores: FloatArray, draws: int) -> dict[str, Callable[[], FloatArray]]:
    """P-values of all models, ours and arch's."""
    from arch.bootstrap import MCS

    def ours() -> FloatArray:
        found = model_confidence_set(scores, block=BLOCK, n_simulations=draws).table
        return np.asarray(found.sort_values("model")["p_value"])

    def theirs() -> FloatArray:
        found = MCS(scores, SIZE, reps=draws, block_size=BLOCK, method="R", bootstrap="stationary", seed=1)
        found.compute()
        return np.asarray(found.pvalues.sort_index()["Pvalue"])

    return {"ours": ours, "theirs": theirs}


def _abilities(scores: FloatArray, draws: int) -> dict[str, Callable[[], FloatArray]]:
    """Consistent p-values, ours and arch's; the second-best model is the benchmark."""
    from arch.bootstrap import SPA

    benchmark, models = scores[:, 1], np.delete(scores, 1, axis=1)

    def ours() -> FloatArray:
        found = superior_predictive_ability(benchmark, models, block=BLOCK, n_simulations=draws)
        return np.array([found.p_value])

    def theirs() -> FloatArray:
        found = SPA(benchmark, models, block_size=BLOCK, reps=draws, bootstrap="stationary", seed=1)
        found.compute()
        return np.array([found.pvalues["consistent"]])

    return {"ours": ours, "theirs": theirs}


def _difference(ours: FloatArray, theirs: FloatArray, draws: int) -> str:
    """Largest difference of the p-values, and how much chance two bootstraps leave."""
    largest = float(np.max(np.abs(ours - theirs)))
    return f"p-values differ by {largest:.3f} at most; chance alone: {1.0 / np.sqrt(2.0 * draws):.3f} (standard error)"
