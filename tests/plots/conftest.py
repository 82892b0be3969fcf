"""A table of forecasts under a normal law, without the engine: what figures and report read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from riskcore import Target, defaults
from riskcore.forecasts import Forecasts, tail_label

TARGETS = tuple(Target.parse(t) for t in ("var:0.99", "var:0.975", "es:0.975", "expectile:0.99", "expectile:0.99855"))
Build = Callable[..., Forecasts]


def normal_value(target: Target) -> float:
    """The risk of a standard normal loss, each by its own closed form or root."""
    q = float(stats.norm.ppf(target.level))
    if target.measure == "var":
        return q
    if target.measure == "es":
        return float(stats.norm.pdf(q)) / (1 - target.level)

    def excess(z: float) -> float:
        u = stats.norm.pdf(z) - z * stats.norm.sf(z)
        return float(u / (2 * u + z) - (1 - target.level))

    return float(optimize.brentq(excess, 1e-9, 20))


def build(
    assets: Sequence[str] = ("S&P 500", "NASDAQ"),
    models: Sequence[str] = ("historical", "ewma", "garch-t", "care-linear"),
    n: int = 400,
    *,
    no_law: Sequence[str] = ("care-linear",),
    fail: slice = slice(100, 120),
    ahead: bool = True,
    seed: int = 5,
) -> Forecasts:
    """Losses with a moving volatility; each model sees it with an error of its own. A block of the last model fails."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2005-01-03", periods=n)
    parts = []
    for asset in assets:
        log_vol = np.zeros(n)
        for t in range(1, n):
            log_vol[t] = 0.985 * log_vol[t - 1] + 0.08 * rng.standard_normal()
        sigma = 0.009 * np.exp(log_vol)
        loss = sigma * rng.standard_t(5, n) * np.sqrt(3 / 5)
        if ahead:
            loss[-1] = np.nan
        for i, model in enumerate(models):
            index = pd.MultiIndex.from_product([[asset], [model], days], names=["asset", "model", "date"])
            seen = sigma * np.exp(0.04 * i * rng.standard_normal(n)) * (1 - 0.04 * i)
            frame: dict[str, Any] = {"origin": days - pd.tseries.offsets.BDay(1), "loss": loss, "status": "ok"}
            frame |= {t.label: seen * normal_value(t) for t in TARGETS}
            if model not in no_law:
                frame |= {"mean": 0.0, "volatility": seen, "pit": stats.norm.cdf(loss / seen)}
                frame |= {"log_score": -stats.norm.logpdf(loss, scale=seen), "crps": np.abs(loss) / 2}
                frame |= {tail_label(x): seen * stats.norm.ppf(x) for x in defaults.TAIL_LEVELS}
            part = pd.DataFrame(frame, index)
            if i == len(models) - 1 and n > fail.stop:
                part.iloc[fail, part.columns.get_loc("status")] = "failed"
                part.iloc[fail, 3:] = np.nan
            parts.append(part)
    return Forecasts(pd.concat(parts), TARGETS)


def build_scores(forecasts: Forecasts) -> pd.DataFrame:
    """The columns of `score_table` with made-up means."""
    kinds = [
        ("var", 0.99, "quantile"),
        ("var", 0.975, "quantile"),
        ("es", 0.975, "fz0"),
        ("expectile", 0.99, "expectile"),
    ]
    kinds += [("expectile", 0.99855, "expectile"), ("density", np.nan, "log_score"), ("density", np.nan, "crps")]
    rows = []
    for asset, model in forecasts.units:
        shift = forecasts.models.index(model)
        for measure, level, score in kinds:
            mean = -3.1 + 0.02 * shift if score in ("fz0", "log_score") else 0.00031 * (1 + 0.03 * shift)
            if measure == "density" and model == "care-linear":
                mean = np.nan
            n = len(forecasts.judged(asset, model))
            rows.append((asset, model, measure, level, score, mean, n, 0.0))
    return pd.DataFrame(rows, columns=["asset", "model", "measure", "level", "score", "mean", "n_obs", "share_not_ok"])


def build_backtests(forecasts: Forecasts) -> pd.DataFrame:
    """The columns of `backtest_table` with made-up p-values; one test cannot be run."""
    kinds = [("var", x, t) for t in ("kupiec", "christoffersen_coverage", "traffic_light") for x in (0.99, 0.975)]
    kinds += [("es", 0.975, "acerbi_szekely_z2"), ("expectile", 0.99855, "expectile_calibration")]
    kinds += [("density", np.nan, "pit_uniformity")]
    rng = np.random.default_rng(11)
    rows = []
    for asset, model in forecasts.units:
        n = len(forecasts.judged(asset, model))
        for measure, level, test in kinds:
            p = float(rng.beta(0.5, 1.2))
            row = [asset, model, measure, level, test, rng.normal() ** 2, p, "asymptotic", min(1.0, 3 * p), n]
            count = [float(rng.poisson(0.01 * n)), n * (1 - level), ""] if measure == "var" else [np.nan, np.nan, ""]
            if measure == "density" and model == "care-linear":
                row[5:10], count = [np.nan, np.nan, "", np.nan, 0], [np.nan, np.nan, "needs pit, which the model lacks"]
            rows.append((*row, *count))
    columns = ["asset", "model", "measure", "level", "test", "statistic", "p_value", "p_method", "p_adjusted", "n_obs"]
    return pd.DataFrame(rows, columns=[*columns, "hits", "expected_hits", "reason"])


@pytest.fixture(scope="session", name="build")
def build_fixture() -> Build:
    return build


@pytest.fixture(scope="session")
def forecasts() -> Forecasts:
    return build()


@pytest.fixture(scope="session")
def one() -> Forecasts:
    return build(["FTSE"], ["garch-t"])


@pytest.fixture(scope="session")
def make_scores() -> Callable[[Forecasts], pd.DataFrame]:
    return build_scores


@pytest.fixture(scope="session")
def make_backtests() -> Callable[[Forecasts], pd.DataFrame]:
    return build_backtests
