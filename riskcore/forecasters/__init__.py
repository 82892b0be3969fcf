"""Forecasters, and their registry by short name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from riskcore.distributions import GED, AgeWeighted, Empirical, Normal, SkewT, StudentT
from riskcore.forecasters.base import Fitted, Forecaster, Predictive
from riskcore.forecasters.care import CARE
from riskcore.forecasters.location_scale import LocationScale, historical
from riskcore.forecasters.regression import ExpectileRegression, expectile_regression
from riskcore.volatility import (
    APARCH,
    EGARCH,
    EWMA,
    FIGARCH,
    GARCH,
    GJR,
    BetaTEGARCH,
    ComponentGARCH,
    Constant,
    RiskMetrics2006,
)

FORECASTERS: Mapping[str, Forecaster] = MappingProxyType(
    {
        "historical": historical(),
        "age-weighted": LocationScale(volatility=Constant(), law=AgeWeighted()),
        "ewma": LocationScale(volatility=EWMA(), law=Normal()),
        "fhs": LocationScale(volatility=EWMA(), law=Empirical()),
        "garch-normal": LocationScale(volatility=GARCH(), law=Normal()),
        "garch-t": LocationScale(volatility=GARCH(), law=StudentT()),
        "garch-skewt": LocationScale(volatility=GARCH(), law=SkewT()),
        "garch-ged": LocationScale(volatility=GARCH(), law=GED()),
        "garch-fhs": LocationScale(volatility=GARCH(), law=Empirical()),
        "gjr-normal": LocationScale(volatility=GJR(), law=Normal()),
        "gjr-t": LocationScale(volatility=GJR(), law=StudentT()),
        "gjr-skewt": LocationScale(volatility=GJR(), law=SkewT()),
        "gjr-ged": LocationScale(volatility=GJR(), law=GED()),
        "gjr-fhs": LocationScale(volatility=GJR(), law=Empirical()),
        "egarch-normal": LocationScale(volatility=EGARCH(), law=Normal()),
        "egarch-t": LocationScale(volatility=EGARCH(), law=StudentT()),
        "egarch-skewt": LocationScale(volatility=EGARCH(), law=SkewT()),
        "egarch-ged": LocationScale(volatility=EGARCH(), law=GED()),
        "egarch-fhs": LocationScale(volatility=EGARCH(), law=Empirical()),
        "aparch-t": LocationScale(volatility=APARCH(), law=StudentT()),
        "figarch-t": LocationScale(volatility=FIGARCH(), law=StudentT()),
        "component-t": LocationScale(volatility=ComponentGARCH(), law=StudentT()),
        "beta-t-egarch": LocationScale(volatility=BetaTEGARCH(), law=StudentT()),
        "rm2006": LocationScale(volatility=RiskMetrics2006(), law=Normal()),
        "care-linear": CARE("linear"),
    }
)

__all__ = [
    "CARE",
    "FORECASTERS",
    "ExpectileRegression",
    "Fitted",
    "Forecaster",
    "LocationScale",
    "Predictive",
    "expectile_regression",
    "historical",
]
