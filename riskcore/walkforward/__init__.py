"""The walk through time: the loop, what it is asked for, and `forecast` over assets and models."""

from __future__ import annotations

from riskcore.walkforward.exogenous import Exog, exog_of_assets
from riskcore.walkforward.inputs import check_losses, check_models, resolve_models, resolve_targets
from riskcore.walkforward.loop import Walk, ordered_pairs, walk_forward
from riskcore.walkforward.units import forecast, forecast_unit, next_date, rows_between

__all__ = [
    "Exog",
    "Walk",
    "check_losses",
    "check_models",
    "exog_of_assets",
    "forecast",
    "forecast_unit",
    "next_date",
    "ordered_pairs",
    "resolve_models",
    "resolve_targets",
    "rows_between",
    "walk_forward",
]
