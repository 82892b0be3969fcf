"""The figure of what was read: every asset's price, or what 100 put into its returns became."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.errors import require
from riskcore.plots import style
from riskcore.plots.days import RANGES
from riskcore.returns import ReturnKind

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#00609c", "#c45500", "#006b52", "#6f3596", "#4db1ea", "#e08a4a", "#45b394", "#b97fdb")
DASHES = ("solid", "9px,2px", "3px,2px", "9px,2px,2px,2px")
MAX_LINES = len(COLOURS)
_WIDE = 10.0
MAX_POINTS = 4_000
"""Points of a line; a longer one keeps the first, lowest, highest and last of each stretch."""


def rebased_prices(
    prices: pd.DataFrame,
    assets: Sequence[str] | None = None,
    *,
    returns: ReturnKind | None = None,
    log_scale: bool = False,
) -> go.Figure:
    r"""Prices of the assets, each rebased to 100 at its first; or what 100 put into their returns became.

    .. math:: I_t = 100 \, P_t / P_{first}, \qquad I_t = 100 \prod_{s \le t} (1 + R_s)

    Parameters
    ----------
    prices : DataFrame
        DatetimeIndex x assets, as of `riskcore.load_prices`.
    assets : sequence of str, optional
        The assets to draw, at most eight; by default the first eight.
    returns : {"log", "simple"}, optional
        The kind of the returns, if `prices` holds returns: they are compounded from 100 on the day before the first,
        which is not known, so each line begins with its first return at :math:`100 (1 + R_1)`.
    log_scale : bool
        Draw equal relative moves with equal height.

    Returns
    -------
    plotly Figure
        One line per asset on its own dates; days without a price are bridged, none is filled in.

    Raises
    ------
    ConfigError
        If an asset is unknown, or more than eight are asked for.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> figure = rebased_prices(pd.DataFrame({"A": [50.0, 55.0, 44.0]}, index=days))
    >>> figure.data[0].y.round(10).tolist()
    [100.0, 110.0, 88.0]
    """
    import plotly.graph_objects as go

    known = [str(name) for name in prices.columns]
    chosen = known[:MAX_LINES] if assets is None else [str(name) for name in assets]
    unknown = [name for name in chosen if name not in known]
    require(not unknown, f"assets must be of {known}, got {unknown}")
    require(len(chosen) <= MAX_LINES, f"assets must be at most {MAX_LINES}, got {len(chosen)}")
    figure = go.Figure()
    for place, name in enumerate(chosen):
        days, values = _thinned(*_index(prices.iloc[:, known.index(name)], returns))
        look = {"color": COLOURS[place], "dash": DASHES[place % len(DASHES)], "width": 1.5}
        figure.add_scatter(x=days, y=values, name=style.short(name), mode="lines", line=look, hovertemplate="%{y:.1f}")
    start = "first price = 100" if returns is None else "100 before the first return"
    figure.update_yaxes(title_text=start, type="log" if log_scale else "linear")
    figure.update_xaxes(type="date", hoverformat="%a %d %b %Y")
    if len(prices) > 1 and (prices.index[-1] - prices.index[0]).days > 2 * 365:
        look = {"bgcolor": style.BUTTON, "activecolor": style.BUTTON_ON, "font": {"size": 11, "color": style.INK}}
        place_ = {"x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"}
        figure.update_layout(xaxis={"rangeselector": {"buttons": RANGES, **place_, **look}})
    title, what = "Prices, rebased to 100", "each asset's first price is 100"
    if returns is not None:
        title, what = "Returns, compounded from 100", f"{returns} returns; 100 is before the first"
    scale = ", log scale" if log_scale else ""
    return style.finish(figure, title=title, subtitle=what + scale, height=440, margin={"t": 92})


def spans_widely(prices: pd.DataFrame, returns: ReturnKind | None = None) -> bool:
    """Whether the rebased prices span so much that only a log scale shows them all.

    Parameters
    ----------
    prices, returns
        As for `rebased_prices`.

    Returns
    -------
    bool
        True if the highest is more than ten times the lowest.

    Examples
    --------
    >>> import pandas as pd
    >>> spans_widely(pd.DataFrame({"A": [1.0, 1.2], "B": [5.0, 80.0]}))
    True
    """
    values = [_index(prices.iloc[:, j], returns)[1] for j in range(prices.shape[1])]
    every = np.concatenate(values) if values else np.empty(0)
    return every.size > 0 and bool(every.max() > _WIDE * every.min())


def _index(column: pd.Series, returns: ReturnKind | None) -> tuple[pd.Index, FloatArray]:
    """The asset's own dates and their values: 100 at the first price, or on the day before the first return."""
    own = column.dropna()
    values: FloatArray = own.to_numpy(dtype=np.float64)
    days = own.index
    if values.size == 0 or returns is None:
        return days, 100.0 * values / values[:1]
    growth = np.exp(np.cumsum(values)) if returns == "log" else np.cumprod(1.0 + values)
    return days, 100.0 * np.asarray(growth, dtype=np.float64)


def _thinned(days: pd.Index, values: FloatArray) -> tuple[pd.Index, FloatArray]:
    """At most `MAX_POINTS` points that keep every peak and trough as high and low as they are."""
    if values.size <= MAX_POINTS:
        return days, values
    keep: set[int] = {0, values.size - 1}
    for part in np.array_split(np.arange(values.size), MAX_POINTS // 4):
        keep |= {part[0], part[-1], part[values[part].argmin()], part[values[part].argmax()]}
    where = np.array(sorted(keep))
    return days[where], values[where]
