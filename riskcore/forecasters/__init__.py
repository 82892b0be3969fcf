"""Forecasters, and their registry by short name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from riskcore.distributions import GED, AgeWeighted, Empirical, Normal, SkewT, StudentT
from riskcore.forecasters.base import Fitted, Forecaster, Predictive
from riskcore.forecasters.care import CARE
from riskcore.forecasters.dynamic_level import DynamicLevel
from riskcore.forecasters.joint import FZGAS, JointVaRES
from riskcore.forecasters.location_scale import LocationScale, historical
from riskcore.forecasters.regression import ExpectileRegression, expectile_regression
from riskcore.volatility import EGARCH, EWMA, GARCH, GJR, Constant

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
        "care-linear": CARE("linear"),
        "dynamic-level": DynamicLevel(),
        "dynamic-level-online": DynamicLevel(rule="online"),
        "al-var-es": JointVaRES(),
        "fz-gas": FZGAS(),
        "fz-gas-2f": FZGAS("two-factor"),
        "fz-gas-hybrid": FZGAS("hybrid"),
    }
)

__all__ = [
    "CARE",
    "FORECASTERS",
    "FZGAS",
    "DynamicLevel",
    "ExpectileRegression",
    "Fitted",
    "Forecaster",
    "JointVaRES",
    "LocationScale",
    "Predictive",
    "expectile_regression",
    "historical",
]
