"""riskcore: forecast, backtest and compare expectile VaR, VaR and Expected Shortfall.

Names are loaded when first used, so that ``import riskcore`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = ("backtests", "compare", "diagnostics", "indicators", "plots", "report", "scores")
_HOMES: dict[str, tuple[str, ...]] = {
    "errors": ("RiskcoreError", "DataError", "ConfigError", "FitError"),
    "_types": ("Status", "Target", "WalkForward"),
    "ingest": ("Finding", "Ingested", "load_files", "load_prices", "read_prices"),
    "returns": ("log_returns", "simple_returns", "portfolio_returns", "to_losses"),
    "measures": (
        "quantile_rank",
        "value_at_risk",
        "value_at_risk_interval",
        "value_at_risk_standard_error",
        "expected_shortfall",
        "expected_shortfall_standard_error",
        "expectile",
        "expectile_diagnostics",
        "expectile_standard_error",
        "rolling_measures",
    ),
    "distributions": (
        "LAWS",
        "Normal",
        "StudentT",
        "SkewT",
        "GED",
        "Empirical",
        "AgeWeighted",
        "VolatilityWeighted",
        "CornishFisher",
        "TailGPD",
        "Mixture",
        "equal_es_level",
        "expectile_level",
        "implied_var_level",
        "matched_expectile_level",
    ),
    "volatility": (
        "MEANS",
        "VOLATILITIES",
        "ZeroMean",
        "ConstantMean",
        "AR1",
        "ExogMean",
        "Constant",
        "EWMA",
        "GARCH",
        "GJR",
        "EGARCH",
        "APARCH",
        "FIGARCH",
        "ComponentGARCH",
        "BetaTEGARCH",
        "RiskMetrics2006",
        "ArchVolatility",
        "HAR",
        "HEAVY",
        "RealizedGARCH",
    ),
    "forecasters": (
        "CARE",
        "CAViaR",
        "FORECASTERS",
        "FZGAS",
        "BayesExpectile",
        "DynamicLevel",
        "ExpectileRegression",
        "JointVaRES",
        "LocationScale",
        "MarkovSwitching",
        "bayesian_expectile_regression",
        "historical",
    ),
    "forecasts": ("Forecasts",),
    "walkforward": ("forecast",),
    "scores": ("SCORES",),
    "backtests": ("BACKTESTS", "BacktestResult"),
    "tables": ("backtest_table", "score_table", "summary_table"),
    "diagnostics": ("ModelFit", "fit_model"),
    "plots": ("FIGURES",),
    "report": ("html_report",),
    "runs": ("open_run", "run_backtest", "verify_run"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"riskcore.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"riskcore.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'riskcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
