"""Tables in, plotly figures out; pages, command line and report call the same functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from riskcore.plots.days import ema_indicators, forecast_band, rolling_hits
from riskcore.plots.fitted import (
    conditional_volatility,
    fitted_pit,
    level_curve,
    news_impact,
    residual_acf,
    residual_qq,
)
from riskcore.plots.judged import p_value_heatmap, pit_histogram, score_bars
from riskcore.plots.prices import rebased_prices
from riskcore.plots.screen import compact, darkened
from riskcore.plots.style import CONFIG


@dataclass(frozen=True)
class FigureKind:
    """A figure of the registry: the function, what its first argument is, and what it shows in a few words."""

    draw: Callable[..., Any]
    reads: Literal["forecasts", "scores", "backtests"]
    shows: str


FIGURES: Mapping[str, FigureKind] = MappingProxyType(
    {
        "forecast_band": FigureKind(forecast_band, "forecasts", "losses, forecasts and hits"),
        "ema_indicators": FigureKind(ema_indicators, "forecasts", "smoothed risk and hit rate"),
        "rolling_hits": FigureKind(rolling_hits, "forecasts", "hits of the last year and their zone"),
        "pit_histogram": FigureKind(pit_histogram, "forecasts", "PIT histogram"),
        "score_bars": FigureKind(score_bars, "scores", "scores against the best model"),
        "p_value_heatmap": FigureKind(p_value_heatmap, "backtests", "p-values by test and model"),
    }
)

__all__ = [
    "CONFIG",
    "FIGURES",
    "FigureKind",
    "compact",
    "conditional_volatility",
    "darkened",
    "ema_indicators",
    "fitted_pit",
    "forecast_band",
    "level_curve",
    "news_impact",
    "p_value_heatmap",
    "pit_histogram",
    "rebased_prices",
    "residual_acf",
    "residual_qq",
    "rolling_hits",
    "score_bars",
]
