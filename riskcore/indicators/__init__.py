"""Exponential moving averages, smoothed risk figures, rolling hits, drawdowns, and what an expectile VaR is equal to.

An indicator describes the past; a crossing of two averages is not a forecast of risk.
"""

from riskcore.indicators.averages import ema, ema_gain
from riskcore.indicators.drawdown import Worst, annualised, drawdown, worst
from riskcore.indicators.exceptions import Severity, exception_table, severity
from riskcore.indicators.latest import HitCount, Latest, latest, latest_table, recent
from riskcore.indicators.rolling import ZONES, basel_zone, hit_label, hits, indicator_table, rolling_hits, zone_limits
from riskcore.indicators.translation import beside_expectile, expectile_table

__all__ = [
    "ZONES",
    "HitCount",
    "Latest",
    "Severity",
    "Worst",
    "annualised",
    "basel_zone",
    "beside_expectile",
    "drawdown",
    "ema",
    "ema_gain",
    "exception_table",
    "expectile_table",
    "hit_label",
    "hits",
    "indicator_table",
    "latest",
    "latest_table",
    "recent",
    "rolling_hits",
    "severity",
    "worst",
    "zone_limits",
]
