"""Tables in, plotly figures out; pages, command line and report call the same functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from riskcore.plots.compared import murphy_diagram, reliability_diagram, three_zone_matrix
from riskcore.plots.days import (
    band_spec,
    daily_level,
    ema_indicators,
    forecast_band,
    indicator_spec,
    level_spec,
    rolling_hits,
    rolling_spec,
)
from riskcore.plots.fitted import (
    conditional_volatility,
    fitted_pit,
    level_curve,
    level_path,
    news_impact,
    regime_probabilities,
    residual_acf,
    residual_qq,
    tail_thresholds,
)
from riskcore.plots.judged import heatmap_spec, p_value_heatmap, pit_histogram, pit_spec, score_bars, score_spec
from riskcore.plots.prices import rebased_prices
from riskcore.plots.screen import compact, darkened, steady
from riskcore.plots.spark import sparkline
from riskcore.plots.style import CONFIG, Spec


@dataclass(frozen=True)
class FigureKind:
    """A figure of the registry: the function, the same as plain values, what its first argument is, what it shows."""

    draw: Callable[..., Any]
    spec: Callable[..., Spec]
    reads: Literal["forecasts", "scores", "backtests"]
    shows: str


FIGURES: Mapping[str, FigureKind] = MappingProxyType(
    {
        "forecast_band": FigureKind(forecast_band, band_spec, "forecasts", "losses, forecasts and hits"),
        "ema_indicators": FigureKind(ema_indicators, indicator_spec, "forecasts", "smoothed risk and hit rate"),
        "rolling_hits": FigureKind(rolling_hits, rolling_spec, "forecasts", "hits of the last year and their zone"),
        "daily_level": FigureKind(daily_level, level_spec, "forecasts", "the expectile level of each day"),
        "pit_histogram": FigureKind(pit_histogram, pit_spec, "forecasts", "PIT histogram"),
        "score_bars": FigureKind(score_bars, score_spec, "scores", "scores against the best model"),
        "p_value_heatmap": FigureKind(p_value_heatmap, heatmap_spec, "backtests", "p-values by test and model"),
    }
)

__all__ = [
    "CONFIG",
    "FIGURES",
    "FigureKind",
    "compact",
    "conditional_volatility",
    "daily_level",
    "darkened",
    "ema_indicators",
    "fitted_pit",
    "forecast_band",
    "level_curve",
    "level_path",
    "murphy_diagram",
    "news_impact",
    "p_value_heatmap",
    "pit_histogram",
    "rebased_prices",
    "regime_probabilities",
    "reliability_diagram",
    "residual_acf",
    "residual_qq",
    "rolling_hits",
    "score_bars",
    "sparkline",
    "steady",
    "tail_thresholds",
    "three_zone_matrix",
]
