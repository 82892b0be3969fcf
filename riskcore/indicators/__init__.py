"""Exponential moving averages, smoothed risk figures, rolling hits, and what an expectile VaR is equal to.

An indicator describes the past; a crossing of two averages is not a forecast of risk.
"""

from riskcore.indicators.averages import ema, ema_gain
from riskcore.indicators.rolling import ZONES, basel_zone, hit_label, hits, indicator_table, rolling_hits, zone_limits
from riskcore.indicators.translation import beside_expectile, expectile_table

__all__ = [
    "ZONES",
    "basel_zone",
    "beside_expectile",
    "ema",
    "ema_gain",
    "expectile_table",
    "hit_label",
    "hits",
    "indicator_table",
    "rolling_hits",
    "zone_limits",
]
