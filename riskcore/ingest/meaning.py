"""Whether the numbers are what they are said to be: prices, returns as decimals, or returns in percent."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from riskcore._types import FloatArray
from riskcore.ingest.table import Values

_FEW = 20
_PERSISTENT = 0.5
"""Prices remember: their autocorrelation lies near 1, that of returns near 0."""
_MEDIAN_DECIMAL = 0.1
"""Half of an asset's moves above 10 %: percent, or no returns at all."""
_MEDIAN_GAIN = 0.003
"""Every return a gain, and half of them above 0.3 %: no asset has that."""
_MEDIAN_PERCENT, _LARGEST_PERCENT = 0.02, 0.3
"""Half of the moves below 0.02 % and none above 0.3 %: decimals, or an asset that hardly moves."""
_RETURNS = 'If these are returns, pass values="returns" (0.01 is 1 %) or values="percent" (1 is 1 %).'
_PRICES = 'If these are prices, pass values="prices".'
_PERCENT = 'If 1 is 1 %, pass values="percent"; if 1 is 100 %, multiply by 100 and pass values="percent".'
_DECIMALS = 'If 0.01 is 1 %, pass values="returns".'


class Doubt(NamedTuple):
    """Why numbers do not look like what they are said to be, and the first of them that tells."""

    code: str
    text: str
    place: int
    remedy: str
    severity: Literal["error", "flagged"] = "error"


def doubt(numbers: FloatArray, values: Values) -> Doubt | None:
    """What is odd in an asset's numbers, as they stand in the file, if they are `values`; None as a rule."""
    if values == "prices":
        if not looks_like_returns(numbers):
            return None
        i = int(np.flatnonzero(numbers <= 0)[0])
        text = f"looks like returns, not prices: negative numbers round zero such as {numbers[i]:.6g}"
        return Doubt("looks_like_returns", text, i, _RETURNS)
    unit = 1.0 if values == "returns" else 100.0
    if looks_like_prices(numbers / unit):
        text = f"looks like prices, not returns: no number below zero, the first is {numbers[0]:.6g}"
        return Doubt("looks_like_prices", text, 0, _PRICES)
    sizes = np.abs(numbers[numbers != 0])
    if sizes.size == 0:
        return None
    median, largest = float(np.median(sizes)), float(sizes.max())
    if values == "returns" and median > _MEDIAN_DECIMAL:
        i = int(np.argmax(np.abs(numbers) > _MEDIAN_DECIMAL))
        text = f"looks like percent, not decimals: half of its returns are above {median:.3g} in size"
        return Doubt("looks_like_percent", text, i, _PERCENT)
    if values == "percent" and median < _MEDIAN_PERCENT and largest < _LARGEST_PERCENT:
        text = f"half of its returns are below {median:.2g} % in size and none is above {largest:.2g} %: decimals?"
        return Doubt("looks_like_decimals", text, int(np.argmax(numbers != 0)), _DECIMALS, "flagged")
    return None


def looks_like_returns(prices: FloatArray) -> bool:
    """Many negative numbers round zero, without the persistence of a price."""
    if float(np.mean(prices < 0)) < 0.2 or float(np.mean(prices > 0)) < 0.1:
        return False
    if prices.size < _FEW:
        return float(np.median(np.abs(prices))) < 1
    return _memory(prices) < _PERSISTENT


def looks_like_prices(returns: FloatArray) -> bool:
    """All positive, and large or persistent."""
    if not bool((returns > 0).all()):
        return False
    median = float(np.median(returns))
    if median > _MEDIAN_DECIMAL:
        return True
    return median > _MEDIAN_GAIN and returns.size >= _FEW and _memory(returns) > _PERSISTENT


def _memory(numbers: FloatArray) -> float:
    """Autocorrelation at lag one; 0 of a constant."""
    centred = numbers - numbers.mean()
    scale = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / scale if scale > 0 else 0.0
