"""Means and volatilities of the losses: estimation on a window and filtering."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from riskcore.volatility.base import StartRule, Volatility, VolatilityFit, WindowFits, log_likelihood
from riskcore.volatility.exog_mean import ExogMean
from riskcore.volatility.garch import EGARCH, GARCH, GJR
from riskcore.volatility.har import HAR
from riskcore.volatility.means import AR1, MEANS, ConstantMean, Mean, ZeroMean
from riskcore.volatility.moments import EWMA, Constant
from riskcore.volatility.realized import HEAVY, RealizedGARCH

VOLATILITIES: Mapping[str, Volatility] = MappingProxyType(
    {
        "constant": Constant(),
        "ewma": EWMA(),
        "garch": GARCH(),
        "gjr": GJR(),
        "egarch": EGARCH(),
        "har": HAR(),
        "har-square": HAR("square"),
        "har-log-square": HAR("log-square"),
        "har-realized": HAR("realized"),
        "har-log-realized": HAR("log-realized"),
        "realized-garch": RealizedGARCH(),
        "heavy": HEAVY(),
    }
)

__all__ = [
    "AR1",
    "EGARCH",
    "EWMA",
    "GARCH",
    "GJR",
    "HAR",
    "HEAVY",
    "MEANS",
    "VOLATILITIES",
    "Constant",
    "ConstantMean",
    "ExogMean",
    "Mean",
    "RealizedGARCH",
    "StartRule",
    "Volatility",
    "VolatilityFit",
    "WindowFits",
    "ZeroMean",
    "log_likelihood",
]
