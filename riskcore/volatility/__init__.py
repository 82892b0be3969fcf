"""Means and volatilities of the losses: estimation on a window and filtering."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from riskcore.volatility.base import StartRule, Volatility, VolatilityFit, WindowFits, log_likelihood
from riskcore.volatility.exog_mean import ExogMean
from riskcore.volatility.families import APARCH, FIGARCH, BetaTEGARCH, ComponentGARCH
from riskcore.volatility.garch import EGARCH, GARCH, GJR
from riskcore.volatility.har import HAR
from riskcore.volatility.means import AR1, MEANS, ConstantMean, Mean, ZeroMean
from riskcore.volatility.moments import EWMA, Constant
from riskcore.volatility.processes import ArchVolatility
from riskcore.volatility.realized import HEAVY, RealizedGARCH
from riskcore.volatility.riskmetrics import RiskMetrics2006

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
        "aparch": APARCH(),
        "figarch": FIGARCH(),
        "component": ComponentGARCH(),
        "beta-t-egarch": BetaTEGARCH(),
        "rm2006": RiskMetrics2006(),
        "arch-process": ArchVolatility(),
    }
)

__all__ = [
    "APARCH",
    "AR1",
    "EGARCH",
    "EWMA",
    "FIGARCH",
    "GARCH",
    "GJR",
    "HAR",
    "HEAVY",
    "MEANS",
    "VOLATILITIES",
    "ArchVolatility",
    "BetaTEGARCH",
    "ComponentGARCH",
    "Constant",
    "ConstantMean",
    "ExogMean",
    "Mean",
    "RealizedGARCH",
    "RiskMetrics2006",
    "StartRule",
    "Volatility",
    "VolatilityFit",
    "WindowFits",
    "ZeroMean",
    "log_likelihood",
]
