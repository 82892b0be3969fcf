"""Means and volatilities of the losses: estimation on a window and filtering."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from riskcore.volatility.base import StartRule, Volatility, VolatilityFit, WindowFits, log_likelihood
from riskcore.volatility.garch import EGARCH, GARCH, GJR
from riskcore.volatility.means import AR1, MEANS, ConstantMean, Mean, ZeroMean
from riskcore.volatility.moments import EWMA, Constant

VOLATILITIES: Mapping[str, Volatility] = MappingProxyType(
    {"constant": Constant(), "ewma": EWMA(), "garch": GARCH(), "gjr": GJR(), "egarch": EGARCH()}
)

__all__ = [
    "AR1",
    "EGARCH",
    "EWMA",
    "GARCH",
    "GJR",
    "MEANS",
    "VOLATILITIES",
    "Constant",
    "ConstantMean",
    "Mean",
    "StartRule",
    "Volatility",
    "VolatilityFit",
    "WindowFits",
    "ZeroMean",
    "log_likelihood",
]
