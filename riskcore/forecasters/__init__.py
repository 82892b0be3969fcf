"""Forecasters, and their registry by short name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from riskcore.distributions import (
    GED,
    AgeWeighted,
    CornishFisher,
    Empirical,
    Normal,
    SkewT,
    StudentT,
    TailGPD,
    VolatilityWeighted,
)
from riskcore.forecasters.base import Fitted, Forecaster, Predictive
from riskcore.forecasters.bayes import BayesExpectile, bayesian_expectile_regression
from riskcore.forecasters.care import CARE
from riskcore.forecasters.caviar import CAViaR
from riskcore.forecasters.dynamic_level import DynamicLevel
from riskcore.forecasters.joint import FZGAS, JointVaRES
from riskcore.forecasters.location_scale import LocationScale, historical
from riskcore.forecasters.regimes import MarkovSwitching
from riskcore.forecasters.regression import expectile_regression
from riskcore.forecasters.tail_regression import ExpectileRegression
from riskcore.volatility import (
    APARCH,
    EGARCH,
    EWMA,
    FIGARCH,
    GARCH,
    GJR,
    HAR,
    HEAVY,
    BetaTEGARCH,
    ComponentGARCH,
    Constant,
    RealizedGARCH,
    RiskMetrics2006,
)

FORECASTERS: Mapping[str, Forecaster] = MappingProxyType(
    {
        "historical": historical(),
        "age-weighted": LocationScale(volatility=Constant(), law=AgeWeighted()),
        "cornish-fisher": LocationScale(volatility=Constant(), law=CornishFisher()),
        "ewma": LocationScale(volatility=EWMA(), law=Normal()),
        "fhs": LocationScale(volatility=EWMA(), law=Empirical()),
        "garch-normal": LocationScale(volatility=GARCH(), law=Normal()),
        "garch-t": LocationScale(volatility=GARCH(), law=StudentT()),
        "garch-skewt": LocationScale(volatility=GARCH(), law=SkewT()),
        "garch-ged": LocationScale(volatility=GARCH(), law=GED()),
        "garch-fhs": LocationScale(volatility=GARCH(), law=Empirical()),
        "garch-hw": LocationScale(volatility=GARCH(), law=VolatilityWeighted()),
        "garch-evt": LocationScale(volatility=GARCH(), law=TailGPD()),
        "gjr-normal": LocationScale(volatility=GJR(), law=Normal()),
        "gjr-t": LocationScale(volatility=GJR(), law=StudentT()),
        "gjr-skewt": LocationScale(volatility=GJR(), law=SkewT()),
        "gjr-ged": LocationScale(volatility=GJR(), law=GED()),
        "gjr-fhs": LocationScale(volatility=GJR(), law=Empirical()),
        "gjr-evt": LocationScale(volatility=GJR(), law=TailGPD()),
        "egarch-normal": LocationScale(volatility=EGARCH(), law=Normal()),
        "egarch-t": LocationScale(volatility=EGARCH(), law=StudentT()),
        "egarch-skewt": LocationScale(volatility=EGARCH(), law=SkewT()),
        "egarch-ged": LocationScale(volatility=EGARCH(), law=GED()),
        "egarch-fhs": LocationScale(volatility=EGARCH(), law=Empirical()),
        "egarch-evt": LocationScale(volatility=EGARCH(), law=TailGPD()),
        "har-t": LocationScale(volatility=HAR(), law=StudentT()),
        "har-rv-t": LocationScale(volatility=HAR("log-realized"), law=StudentT()),
        "realized-garch-t": LocationScale(volatility=RealizedGARCH(), law=StudentT()),
        "heavy-t": LocationScale(volatility=HEAVY(), law=StudentT()),
        "aparch-t": LocationScale(volatility=APARCH(), law=StudentT()),
        "figarch-t": LocationScale(volatility=FIGARCH(), law=StudentT()),
        "component-t": LocationScale(volatility=ComponentGARCH(), law=StudentT()),
        "beta-t-egarch": LocationScale(volatility=BetaTEGARCH(), law=StudentT()),
        "rm2006": LocationScale(volatility=RiskMetrics2006(), law=Normal()),
        "care-linear": CARE("linear"),
        "care-sav": CARE("sav"),
        "care-as": CARE("as"),
        "care-ig": CARE("ig"),
        "caviar-sav": CAViaR("sav"),
        "caviar-as": CAViaR("as"),
        "caviar-ig": CAViaR("ig"),
        "caviar-adaptive": CAViaR("adaptive"),
        "expectile-regression": ExpectileRegression(),
        "regime": MarkovSwitching(),
        "regime-3": MarkovSwitching(regimes=3),
        "regime-t": MarkovSwitching(law=StudentT()),
        "bayes-expectile": BayesExpectile(),
        "dynamic-level": DynamicLevel(),
        "dynamic-level-online": DynamicLevel(rule="online"),
        "al-var-es": JointVaRES(),
        "fz-gas": FZGAS(),
        "fz-gas-2f": FZGAS("two-factor"),
        "fz-gas-hybrid": FZGAS("hybrid"),
    }
)

TAIL_MODELS: Mapping[str, Forecaster] = MappingProxyType(
    {
        "care": CARE(),
        "caviar": CAViaR(),
        "expectile-regression": ExpectileRegression(),
        "bayes-expectile": BayesExpectile(),
        "regime": MarkovSwitching(),
        "al-var-es": JointVaRES(),
        "fz-gas": FZGAS(),
        "dynamic-level": DynamicLevel(),
    }
)
"""Models that are no product of mean, volatility and law, by the `kind` of a run file's table."""

__all__ = [
    "CARE",
    "FORECASTERS",
    "FZGAS",
    "TAIL_MODELS",
    "BayesExpectile",
    "CAViaR",
    "DynamicLevel",
    "ExpectileRegression",
    "Fitted",
    "Forecaster",
    "JointVaRES",
    "LocationScale",
    "MarkovSwitching",
    "Predictive",
    "bayesian_expectile_regression",
    "expectile_regression",
    "historical",
]
