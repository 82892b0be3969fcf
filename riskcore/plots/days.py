"""Figures along the days: losses with their forecasts and hits, smoothed indicators, rolling hits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import Status, Target
from riskcore.errors import require
from riskcore.forecasts import Forecasts
from riskcore.indicators import ZONES, hit_label, indicator_table, zone_limits
from riskcore.indicators import hits as hit_series
from riskcore.indicators import rolling_hits as rolling_table
from riskcore.plots import style

if TYPE_CHECKING:
    import plotly.graph_objects as go

RANGES = [
    {"count": 1, "label": "1y", "step": "year", "stepmode": "backward"},
    {"count": 5, "label": "5y", "step": "year", "stepmode": "backward"},
    {"step": "all", "label": "all"},
]
CUT = 1.5
"""The loss axis ends at this multiple of what nearly all values need; what lies beyond is counted in a note."""


def forecast_band(
    forecasts: Forecasts, asset: str | None = None, model: str | None = None, *, hit_target: Target | None = None
) -> go.Figure:
    """Losses with VaR, ES and expectile VaR, the hits marked, and a strip of hits and of days that are not ok below.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    asset, model : str, optional
        Names in the table; needed where it has several.
    hit_target : Target, optional
        The VaR whose hits are marked, by default the table's first.

    Returns
    -------
    plotly Figure
        Missing forecasts are gaps in the lines. Further VaR levels are in the legend and drawn on a click.

    Raises
    ------
    ConfigError
        If asset or model is not named among several, or is unknown, or the target is no VaR of the table.

    Examples
    --------
    >>> forecast_band(forecasts, asset="S&P 500", model="garch-t")  # doctest: +SKIP
    """
    from plotly.subplots import make_subplots

    asset, model = style.pick(forecasts, asset, model)
    rows, target = forecasts.unit(asset, model), _hit_target(forecasts, hit_target)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.86, 0.14], vertical_spacing=0.03)
    figure.add_scatter(
        x=rows.index, y=rows["loss"], name="loss", mode="markers", hovertemplate="%{y:.2%}", row=1, col=1,
        marker={"size": 3, "color": style.LOSS, "opacity": 0.6},
    )  # fmt: skip
    _add_targets(figure, rows, forecasts.targets, hide_vars_but=target)
    subtitle = _add_hits(figure, rows, target) if target is not None else "no VaR target, so no hits"
    bad = rows.index[rows["status"].cat.codes.to_numpy() >= Status.implausible]
    # An axis without a trace is not drawn: this one keeps the dates where there is neither hit nor bad day.
    figure.add_scatter(x=rows.index[[0, -1]], y=[None, None], showlegend=False, hoverinfo="skip", row=2, col=1)
    _add_strip(figure, bad, 0, style.NOT_OK, "not ok (implausible or worse)", rows.loc[bad, "status"].astype(str))
    _cut_axis(figure, rows, [t.label for t in forecasts.targets])
    figure.update_yaxes(title_text="loss (positive hurts)", tickformat="~%", row=1, col=1)
    ticks = {"tickvals": [1, 0], "ticktext": ["hit", "not ok"], "range": [-0.6, 1.6], "showgrid": False}
    figure.update_yaxes(**ticks, zeroline=False, fixedrange=True, row=2, col=1)
    _date_axis(figure, rows.index)
    return style.finish(figure, title=_title(asset, model), subtitle=subtitle, height=520)


def ema_indicators(
    forecasts: Forecasts,
    asset: str | None = None,
    model: str | None = None,
    *,
    halflife: float = defaults.EMA_HALFLIFE,
) -> go.Figure:
    """Smoothed VaR, ES and expectile VaR, smoothed volatility, and the smoothed hit rate beside 1 - level.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    asset, model : str, optional
        Names in the table; needed where it has several.
    halflife : float
        In days, see `riskcore.indicators.indicator_table`, which the figure draws.

    Returns
    -------
    plotly Figure
        Without the volatility panel where the model has none.

    Raises
    ------
    ConfigError
        If asset or model is not named among several, or is unknown.

    Examples
    --------
    >>> ema_indicators(forecasts, "S&P 500", "garch-t")  # doctest: +SKIP
    """
    from plotly.subplots import make_subplots

    asset, model = style.pick(forecasts, asset, model)
    table = indicator_table(style.only(forecasts, asset, model), halflife=halflife).droplevel(["asset", "model"])
    panels = ["risk"]
    if "volatility" in table and bool(table["volatility"].notna().any()):
        panels.append("volatility")
    variables = [t for t in forecasts.targets if t.measure == "var"]
    panels += ["hit rate"] if variables else []
    heights = {"risk": 3.0, "volatility": 1.4, "hit rate": 1.6}
    figure = make_subplots(
        rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.05, row_heights=[heights[p] for p in panels]
    )
    _add_targets(figure, table, forecasts.targets)
    if "volatility" in panels:
        _add_line(figure, table["volatility"], "volatility", {"color": style.MUTED, "width": 1.6}, row=2)
    for target in variables:
        line = style.hit_rate_line(target, forecasts.targets)
        name = f"hit rate of {style.target_text('var', target.level)}"
        _add_line(figure, table[hit_label(target)], name, line, row=len(panels))
        expected = {"color": line["color"], "width": 1, "dash": "dash"}
        figure.add_hline(y=1.0 - target.level, line=expected, opacity=0.6, row=len(panels), col=1)
    for i, panel in enumerate(panels, start=1):
        figure.update_yaxes(title_text=panel, tickformat="~%", rangemode="tozero", row=i, col=1)
    if variables:  # the first days' rates rest on a handful of values and would flatten the rest
        settled = table[[hit_label(t) for t in variables]].iloc[int(3 * halflife) :].to_numpy()
        top = float(np.nanmax(settled)) if bool(np.isfinite(settled).any()) else 0.0
        if top > 0:
            figure.update_yaxes(range=[0, 1.08 * top], row=len(panels), col=1)
    _date_axis(figure, table.index)
    subtitle = f"exponential moving averages, half-life {halflife:g} days; dashed: expected hit rate"
    return style.finish(figure, title=_title(asset, model), subtitle=subtitle, height=200 + 140 * len(panels))


def rolling_hits(
    forecasts: Forecasts,
    asset: str | None = None,
    model: str | None = None,
    *,
    target: Target | None = None,
    days: int = defaults.ROLLING_DAYS,
    missing: Literal["hit", "skip"] = "skip",
) -> go.Figure:
    """Hits of the last `days` days over the supervisor's green, yellow and red zones.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    asset, model : str, optional
        Names in the table; needed where it has several.
    target : Target, optional
        A VaR target, by default the table's first.
    days : int
        Length of the window; see `riskcore.indicators.rolling_hits`, which the figure draws.
    missing : {"skip", "hit"}
        "skip" draws the hits that happened, over the zones of the days with forecast; "hit" is the supervisor's count,
        in which a day without forecast is a hit. Days without forecast have a panel of their own in both.

    Returns
    -------
    plotly Figure
        One that says why, where there is nothing to draw.

    Raises
    ------
    ConfigError
        If asset or model is not named among several, or is unknown, or the target is no VaR of the table, or `missing`
        is neither of its choices.

    Examples
    --------
    >>> rolling_hits(forecasts, "S&P 500", "garch-t")  # doctest: +SKIP
    """
    from plotly.subplots import make_subplots

    asset, model = style.pick(forecasts, asset, model)
    target = _hit_target(forecasts, target)
    title = _title(asset, model)
    if target is None:
        return style.empty(title, "no VaR target, so no hits")
    table = rolling_table(forecasts, asset, model, target, days, missing=missing)
    name = style.target_text("var", target.level)
    if table.empty:
        return style.empty(title, f"fewer than {days} days with a forecast of {name}")
    gaps = int(table["missing"].max()) > 0
    heights = {"row_heights": [0.72, 0.28], "vertical_spacing": 0.06} if gaps else {}
    figure = make_subplots(rows=1 + gaps, cols=1, shared_xaxes=True, **heights)
    top = _add_zones(figure, table, days, target.level)
    hover = "%{y} hits in %{customdata} days: %{text}<extra></extra>"
    figure.add_scatter(
        x=table.index, y=table["hits"].where(table["n_obs"] > 0), mode="lines", name="hits", hovertemplate=hover,
        customdata=table["n_obs"].to_numpy(), text=table["zone"],
        line={"color": style.INK, "width": 1.6, "shape": "hv"}, row=1, col=1,
    )  # fmt: skip
    figure.update_yaxes(title_text="hits", range=[-0.5, top], showgrid=False, row=1, col=1)
    if gaps:
        figure.add_scatter(
            x=table.index, y=table["missing"], mode="lines", name="days without forecast", fill="tozeroy",
            fillcolor=style.NO_VALUE, line={"color": style.MUTED, "width": 1, "shape": "hv"},
            hovertemplate="%{y} days without forecast<extra></extra>", row=2, col=1,
        )  # fmt: skip
        figure.update_yaxes(title_text="no forecast", rangemode="tozero", nticks=3, row=2, col=1)
    _date_axis(figure, table.index)
    count = "losses above" if missing == "skip" else "losses above, or no forecast of,"
    subtitle = f"{count} {name} in the last {days} days; {days * (1 - target.level):.3g} expected"
    if gaps and missing == "skip":
        subtitle += "; days without forecast are no hits, zones are those of the days with one"
    legend = {"itemclick": False, "itemdoubleclick": False, "traceorder": "normal"}
    figure.update_layout(legend=legend)
    return style.finish(figure, title=title, subtitle=subtitle, height=440 if gaps else 370)


def _add_zones(figure: go.Figure, table: pd.DataFrame, days: int, level: float) -> float:
    """The three zones as bands that move with the number of days counted, and the top of the axis."""
    n_obs = table["n_obs"].where(table["n_obs"] > 0).ffill().bfill().fillna(days).astype(int)
    turns = (n_obs != n_obs.shift()).to_numpy(copy=True)
    turns[-1] = True
    n_obs = n_obs[turns]
    known = {n: zone_limits(n, level) for n in n_obs.unique()}
    yellow, red = (np.array([known[n][i] for n in n_obs]) for i in (0, 1))
    top = max(float(table["hits"].max()) + 1.0, float(red.max()) + 2.0)
    texts: tuple[str, ...] = ZONES
    if len(known) == 1:
        texts = (f"green: up to {yellow[0] - 1}", f"yellow: {yellow[0]} to {red[0] - 1}", f"red: {red[0]} or more")
    base = {"mode": "lines", "hoverinfo": "skip", "row": 1, "col": 1}
    line = {"width": 0, "shape": "hv"}
    figure.add_scatter(x=n_obs.index, y=np.full(len(n_obs), -0.5), line=line, showlegend=False, **base)
    edges = (yellow - 0.5, red - 0.5, np.full(len(n_obs), top))
    for zone, edge, text in zip(ZONES, edges, texts, strict=True):
        colour = style.ZONE_COLOURS[zone]
        figure.add_scatter(x=n_obs.index, y=edge, name=text, fill="tonexty", fillcolor=colour, line=line, **base)
    return top


def _title(asset: str, model: str) -> str:
    return f"{style.safe(asset)} · {style.safe(model)}"


def _hit_target(forecasts: Forecasts, target: Target | None) -> Target | None:
    """The VaR whose hits count: the one named, or the first."""
    known = [t for t in forecasts.targets if t.measure == "var"]
    if target is None:
        return known[0] if known else None
    require(target in known, f"target must be one of {[t.label for t in known]}, got {target.label}")
    return target


def _add_line(figure: go.Figure, y: pd.Series, name: str, line: dict[str, Any], row: int, **more: Any) -> None:
    hover = "%{y:.2%}"
    figure.add_scatter(x=y.index, y=y, name=name, mode="lines", line=line, hovertemplate=hover, row=row, col=1, **more)


def _add_targets(
    figure: go.Figure, rows: pd.DataFrame, targets: tuple[Target, ...], hide_vars_but: Target | None = None
) -> None:
    """One line per target that has a value."""
    for target in (t for t in targets if bool(rows[t.label].notna().any())):
        extra = hide_vars_but is not None and target.measure == "var" and target != hide_vars_but
        name = style.target_text(target.measure, target.level)
        visible: dict[str, Any] = {"visible": "legendonly"} if extra else {}
        _add_line(figure, rows[target.label], name, style.target_line(target, targets), row=1, **visible)


def _add_hits(figure: go.Figure, rows: pd.DataFrame, target: Target) -> str:
    """Mark the hits in both panels and say how many there are."""
    hit = hit_series(rows, target)
    days = rows.index[hit.to_numpy() == 1.0]
    name = style.target_text("var", target.level)
    figure.add_scatter(
        x=days, y=rows.loc[days, "loss"], mode="markers", name=f"hit: loss > {name}", hovertemplate="%{y:.2%}",
        marker={"size": 7, "symbol": "diamond", "color": style.HIT}, row=1, col=1,
    )  # fmt: skip
    _add_strip(figure, days, 1, style.HIT, f"hit of {name}", None)
    n = int(hit.notna().sum())
    what = "loss" if len(days) == 1 else "losses"
    return f"{len(days)} {what} above {name} in {n:,} days, {n * (1 - target.level):.1f} expected"


def _add_strip(figure: go.Figure, days: pd.Index, lane: int, colour: str, name: str, text: pd.Series | None) -> None:
    if len(days) == 0:
        return
    mark = {"symbol": "line-ns", "size": 11, "color": colour, "line": {"width": 1.4, "color": colour}}
    hover = {"hoverinfo": "skip"} if text is None else {"text": text, "hovertemplate": "%{text}"}
    figure.add_scatter(
        x=days, y=np.full(len(days), lane), mode="markers", marker=mark, name=name, showlegend=False,
        row=2, col=1, **hover,
    )  # fmt: skip


def _cut_axis(figure: go.Figure, rows: pd.DataFrame, labels: list[str]) -> None:
    """Keep a few wild forecasts from flattening the picture, and say that the axis is cut."""
    lines, losses = (rows[c].to_numpy(dtype=np.float64) for c in (labels, "loss"))
    lines, losses = lines[np.isfinite(lines)], losses[np.isfinite(losses)]
    if lines.size == 0 or losses.size == 0:
        return
    limit = CUT * max(float(np.abs(losses).max()), float(np.quantile(np.abs(lines), 0.99)))
    beyond = int((np.abs(lines) > limit).sum())
    if beyond == 0:
        return
    inside = np.concatenate([losses, lines[np.abs(lines) <= limit]])
    pad = 0.05 * float(np.ptp(inside))
    figure.update_yaxes(range=[float(inside.min()) - pad, float(inside.max()) + pad], row=1, col=1)
    what = "forecast lies" if beyond == 1 else "forecasts lie"
    figure.add_annotation(
        text=f"axis cut: {beyond} {what} outside", x=1, y=1, xref="paper", yref="paper", xanchor="right",
        yanchor="top", showarrow=False, font={"size": 12, "color": style.NOT_OK},
    )  # fmt: skip


def _date_axis(figure: go.Figure, days: pd.Index) -> None:
    axis: dict[str, Any] = {"type": "date", "hoverformat": "%a %d %b %Y"}
    if len(days) > 1:
        pad = (days[-1] - days[0]) * 0.01
        axis["range"] = [days[0] - pad, days[-1] + pad]
    figure.update_xaxes(**axis)
    if len(days) > 1 and (days[-1] - days[0]).days > 2 * 365:
        place = {"x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"}
        look = {"bgcolor": style.BUTTON, "activecolor": style.BUTTON_ON, "font": {"size": 11, "color": style.INK}}
        buttons = {"buttons": RANGES, **place, **look}
        figure.update_layout(xaxis={"rangeselector": buttons}, margin={"t": 94})  # below title and subtitle
