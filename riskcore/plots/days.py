"""Figures along the days: losses with their forecasts and hits, smoothed indicators, rolling hits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
_TWO_ROWS = {"b": 104}
"""Margin for a legend of two rows."""
_NOTE_ABOVE = {"t": 88}
"""Margin for a note between subtitle and panel."""
_HIDDEN = {"visible": "legendonly"}
LEVEL_TICKS = (0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999)
LEVEL_NOTE = "Scores at levels that move are not comparable across models"
"""What is said wherever a level that moves is shown."""
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
    return style.figure(band_spec(forecasts, asset, model, hit_target=hit_target))


def band_spec(
    forecasts: Forecasts, asset: str | None = None, model: str | None = None, *, hit_target: Target | None = None
) -> style.Spec:
    """`forecast_band` as plain values."""
    asset, model = style.pick(forecasts, asset, model)
    rows, target = forecasts.unit(asset, model), _hit_target(forecasts, hit_target)
    days = rows.index.to_numpy()
    losses = rows["loss"].to_numpy(dtype=np.float64)
    data = [{"type": "scatter", "x": days, "y": losses, **style.loss_bars(), **style.within(1)}]
    data += _target_lines(days, rows, forecasts.targets, hide_vars_but=target)
    subtitle = "no VaR target, so no hits"
    if target is not None and _gives(rows, target):
        hits, subtitle = _hits(days, rows, target)
        data += hits
    elif target is not None:
        subtitle = f"{style.safe(model)} gives no {style.target_text('var', target.level)}, so there are no hits"
    # An axis without a trace is not drawn: this one keeps the dates where there is neither hit nor bad day.
    ends = {"x": days[[0, -1]], "y": [None, None], "showlegend": False, "hoverinfo": "skip"}
    data.append({"type": "scatter", **ends, **style.within(2)})
    bad = rows["status"].cat.codes.to_numpy() >= Status.implausible
    status = rows["status"][bad].astype(str).to_numpy()
    data += _strip(days[bad], 0, style.NOT_OK, "not ok (implausible or worse)", status)
    cut, notes = _cut_axis(rows, [t.label for t in forecasts.targets])
    axes = style.panels([0.86, 0.14], 0.03)
    axes["yaxis"] |= {"title": {"text": "loss (positive hurts)"}, "tickformat": "~%", **cut}
    ticks = {"tickvals": [1, 0], "ticktext": ["hit", "not ok"], "range": [-0.6, 1.6], "showgrid": False}
    axes["yaxis2"] |= {**ticks, "zeroline": False, "fixedrange": True}
    margin = {**_TWO_ROWS, **(_NOTE_ABOVE if notes else {}), **_date_axes(axes, rows.index)}
    look: dict[str, Any] = {"title": _title(asset, model), "subtitle": subtitle, "height": 530, "margin": margin}
    look |= {"annotations": notes} if notes else {}
    return {"data": data, "layout": style.look(**look, **axes)}


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
    return style.figure(indicator_spec(forecasts, asset, model, halflife=halflife))


def indicator_spec(
    forecasts: Forecasts,
    asset: str | None = None,
    model: str | None = None,
    *,
    halflife: float = defaults.EMA_HALFLIFE,
) -> style.Spec:
    """`ema_indicators` as plain values."""
    asset, model = style.pick(forecasts, asset, model)
    table = indicator_table(style.only(forecasts, asset, model), halflife=halflife).droplevel(["asset", "model"])
    heights = {"risk": 3.0}
    if "volatility" in table and bool(table["volatility"].notna().any()):
        heights["volatility"] = 1.4
    variables = [t for t in forecasts.targets if t.measure == "var" and bool(table[hit_label(t)].notna().any())]
    heights |= {"hit rate": 1.6} if variables else {}
    axes, last, days = style.panels(list(heights.values()), 0.05), len(heights), table.index.to_numpy()
    for i, panel in enumerate(heights, start=1):
        axes[f"yaxis{style.axis_number(i)}"] |= {"title": {"text": panel}, "tickformat": "~%", "rangemode": "tozero"}
    data, shapes = _target_lines(days, table, forecasts.targets), []
    if "volatility" in heights:
        data.append(_line(days, table["volatility"], "volatility", {"color": style.MUTED, "width": 1.6}, panel=2))
    rates, since = _settled(table[[hit_label(t) for t in variables]], round(halflife))
    for target in variables:
        line = style.hit_rate_line(target, forecasts.targets)
        name = f"hit rate of {style.target_text('var', target.level)}"
        data.append(_line(days, rates[hit_label(target)], name, line, panel=last))
        expected = {"color": line["color"], "width": 1, "dash": "dash"}
        shapes.append(style.across(1.0 - target.level, 1.0 - target.level, last, line=expected, opacity=0.6))
    margin = {**_TWO_ROWS, **_date_axes(axes, table.index)}
    subtitle = f"exponential moving averages, half-life {halflife:g} days"
    subtitle += f"; dashed: expected hit rate{since}" if variables else ""
    look: dict[str, Any] = {
        "title": _title(asset, model),
        "subtitle": subtitle,
        "height": 200 + 140 * last,
        "margin": margin,
    }
    look |= {"shapes": shapes} if shapes else {}
    return {"data": data, "layout": style.look(**look, **axes)}


def _settled(rates: pd.DataFrame, first: int) -> tuple[pd.DataFrame, str]:
    """Hit rates from day `first` on where the table is longer, and words that say so.

    Before it they rest on a handful of days, of which one hit would flatten all that follows.
    """
    if len(rates) <= 2 * first:
        return rates, ""
    shown = rates.copy()
    shown.iloc[: first - 1] = np.nan
    return shown, f", hit rates from day {first}"


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
    return style.figure(rolling_spec(forecasts, asset, model, target=target, days=days, missing=missing))


def rolling_spec(
    forecasts: Forecasts,
    asset: str | None = None,
    model: str | None = None,
    *,
    target: Target | None = None,
    days: int = defaults.ROLLING_DAYS,
    missing: Literal["hit", "skip"] = "skip",
) -> style.Spec:
    """`rolling_hits` as plain values."""
    asset, model = style.pick(forecasts, asset, model)
    target = _hit_target(forecasts, target)
    title = _title(asset, model)
    if target is None:
        return style.empty(title, "no VaR target, so no hits")
    name = style.target_text("var", target.level)
    if not _gives(forecasts.unit(asset, model), target):
        return style.empty(title, f"{style.safe(model)} gives no {name}, so there are no hits")
    table = rolling_table(forecasts, asset, model, target, days, missing=missing)
    if table.empty:
        return style.empty(title, f"fewer than {days} days with a forecast of {name}")
    dates, counted = table.index.to_numpy(), table["n_obs"].to_numpy() > 0
    data, top = _zones(dates, table, days, target.level)
    hits, zones = table["hits"].to_numpy(), table["zone"].to_numpy(dtype=object, copy=True)
    if not counted.all():
        hits = np.where(counted, hits, np.nan)
        zones[~counted] = None
    hover = "%{y} hits in %{customdata} days: %{text}<extra></extra>"
    data.append({
        "type": "scatter", "x": dates, "y": hits, "mode": "lines", "name": "hits", "hovertemplate": hover,
        "customdata": table["n_obs"].to_numpy(), "text": zones,
        "line": {"color": style.INK, "width": 1.6, "shape": "hv"}, **style.within(1),
    })  # fmt: skip
    gaps = int(table["missing"].max()) > 0
    axes = style.panels([0.72, 0.28], 0.06) if gaps else style.panels([1.0])
    axes["yaxis"] |= {"title": {"text": "hits"}, "range": [-0.5, top], "showgrid": False}
    if gaps:
        data.append({
            "type": "scatter", "x": dates, "y": table["missing"].to_numpy(), "mode": "lines", "fill": "tozeroy",
            "name": "days without forecast", "fillcolor": style.NO_VALUE,
            "line": {"color": style.MUTED, "width": 1, "shape": "hv"},
            "hovertemplate": "%{y} days without forecast<extra></extra>", **style.within(2),
        })  # fmt: skip
        axes["yaxis2"] |= {"title": {"text": "no forecast"}, "rangemode": "tozero", "nticks": 3}
    count = "losses above" if missing == "skip" else "losses above, or no forecast of,"
    subtitle = f"{count} {name} in the last {days} days; {days * (1 - target.level):.3g} expected"
    if gaps and missing == "skip":
        subtitle += "; days without forecast are no hits, zones are those of the days with one"
    keys = {"y": -0.16, "itemclick": False, "itemdoubleclick": False, "traceorder": "normal"}
    layout = style.look(
        title=title, subtitle=subtitle, height=440 if gaps else 370, margin=_date_axes(axes, table.index), **axes
    )
    return {"data": data, "layout": {**layout, "legend": keys}}


def daily_level(forecasts: Forecasts, asset: str | None = None, model: str | None = None) -> go.Figure:
    """The expectile level that a model chose each day, for models whose level moves.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    asset, model : str, optional
        Names in the table; needed where it has several.

    Returns
    -------
    plotly Figure
        On an axis of 1 - level, logarithmic, with the day's loss that the level must be paid for in the hover text; one
        that says why, where the model has no level of its own.

    Raises
    ------
    ConfigError
        If asset or model is not named among several, or is unknown.

    Examples
    --------
    >>> daily_level(forecasts, "S&P 500", "dynamic-level")  # doctest: +SKIP
    """
    return style.figure(level_spec(forecasts, asset, model))


def level_spec(forecasts: Forecasts, asset: str | None = None, model: str | None = None) -> style.Spec:
    """`daily_level` as plain values."""
    asset, model = style.pick(forecasts, asset, model)
    rows, title = forecasts.unit(asset, model), _title(asset, model)
    moving = forecasts.moving(rows)
    if moving is None:
        return style.empty(title, "the model's levels are those of the targets: none moves")
    target, levels = moving
    return level_picture(rows.index, levels, target, style.target_line(target, forecasts.targets), title)


def level_picture(
    dates: pd.Index, levels: NDArray[Any], target: Target, line: dict[str, Any], title: str
) -> style.Spec:
    """Levels that move, of days with a level or NaN, as which the VaR `target` is forecast."""
    data = [
        {
            "type": "scatter", "x": dates.to_numpy(), "y": 1.0 - levels, "customdata": levels, "mode": "lines",
            "name": "level", "hovertemplate": "τ = %{customdata:.5f}<extra></extra>", "line": {**line, "dash": "solid"},
            **style.within(1),
        }
    ]  # fmt: skip
    axes = style.panels([1.0])
    known = 1.0 - levels[np.isfinite(levels)]
    ticks = _level_ticks(float(known.min()), float(known.max()))
    axes["yaxis"] |= {
        "type": "log", "autorange": "reversed", "title": {"text": "level τ"},
        "tickvals": [1.0 - x for x in ticks], "ticktext": [f"{x:.10g}" for x in ticks],
    }  # fmt: skip
    subtitle = f"{style.target_text(target.measure, target.level)} as the expectile at the day's level. {LEVEL_NOTE}"
    margin = _date_axes(axes, dates)
    return {
        "data": data,
        "layout": style.look(title=title, subtitle=subtitle, height=340, margin=margin, legend=False, **axes),
    }


def _level_ticks(least: float, most: float) -> list[float]:
    """Levels to be named on an axis where 1 - level goes from `least` to `most`: usual ones, or round ones between.

    >>> _level_ticks(0.0005, 0.05), _level_ticks(0.0025, 0.005)
    ([0.95, 0.99, 0.995, 0.998, 0.999, 0.9995], [0.995, 0.996, 0.9969, 0.9975])
    """
    usual = [x for x in LEVEL_TICKS if least * (1.0 - 1e-9) <= 1.0 - x <= most * (1.0 + 1e-9)]
    if len(usual) > 2:
        return usual
    between = np.geomspace(most, least, 4) if most > least else np.array([least])
    return list(dict.fromkeys(1.0 - float(f"{x:.2g}") for x in between))


def _zones(dates: NDArray[Any], table: pd.DataFrame, days: int, level: float) -> tuple[list[dict[str, Any]], float]:
    """The three zones as bands that move with the number of days counted, and the top of the axis."""
    counted = table["n_obs"].where(table["n_obs"] > 0).ffill().bfill().fillna(days).to_numpy(dtype=np.int64)
    turns = np.concatenate([[True], counted[1:] != counted[:-1]])
    turns[-1] = True
    dates, counted = dates[turns], counted[turns]
    known = {n: zone_limits(n, level) for n in dict.fromkeys(counted.tolist())}
    yellow, red = (np.array([known[n][i] for n in counted.tolist()]) for i in (0, 1))
    top = max(float(table["hits"].max()) + 1.0, float(red.max()) + 2.0)
    texts: tuple[str, ...] = ZONES
    if len(known) == 1:
        texts = (f"green: up to {yellow[0] - 1}", f"yellow: {yellow[0]} to {red[0] - 1}", f"red: {red[0]} or more")
    base = {"type": "scatter", "x": dates, "mode": "lines", "hoverinfo": "skip", **style.within(1)}
    base |= {"line": {"width": 0, "shape": "hv"}}
    data = [{**base, "y": np.full(dates.size, -0.5), "showlegend": False}]
    edges = (yellow - 0.5, red - 0.5, np.full(dates.size, top))
    for zone, edge, text in zip(ZONES, edges, texts, strict=True):
        data.append({**base, "y": edge, "name": text, "fill": "tonexty", "fillcolor": style.ZONE_COLOURS[zone]})
    return data, top


def _title(asset: str, model: str) -> str:
    return f"{style.safe(asset)} · {style.safe(model)}"


def _hit_target(forecasts: Forecasts, target: Target | None) -> Target | None:
    """The VaR whose hits count: the one named, or the first."""
    known = [t for t in forecasts.targets if t.measure == "var"]
    if target is None:
        return known[0] if known else None
    require(target in known, f"target must be one of {[t.label for t in known]}, got {target.label}")
    return target


def _gives(rows: pd.DataFrame, target: Target) -> bool:
    """Whether any day has a forecast of the target."""
    return bool(rows[target.label].notna().any())


def _line(
    days: NDArray[Any], y: pd.Series, name: str, line: dict[str, Any], *, panel: int, **more: Any
) -> dict[str, Any]:
    trace = {"type": "scatter", "x": days, "y": y.to_numpy(dtype=np.float64), "name": name, "mode": "lines"}
    return {**trace, "line": line, "hovertemplate": "%{y:.2%}", **style.within(panel), **more}


def _target_lines(
    days: NDArray[Any], rows: pd.DataFrame, targets: tuple[Target, ...], hide_vars_but: Target | None = None
) -> list[dict[str, Any]]:
    """One line per target that has a value."""
    lines = []
    for target in (t for t in targets if bool(rows[t.label].notna().any())):
        extra = hide_vars_but is not None and target.measure == "var" and target != hide_vars_but
        name, look = style.target_text(target.measure, target.level), style.target_line(target, targets)
        lines.append(_line(days, rows[target.label], name, look, panel=1, **_HIDDEN if extra else {}))
    return lines


def _hits(days: NDArray[Any], rows: pd.DataFrame, target: Target) -> tuple[list[dict[str, Any]], str]:
    """Marks of the hits for both panels, and how many there are."""
    known = hit_series(rows, target).to_numpy()
    hit = known == 1.0
    name = style.target_text("var", target.level)
    marks = {
        "type": "scatter", "x": days[hit], "y": rows["loss"].to_numpy(dtype=np.float64)[hit], "mode": "markers",
        "name": f"hit: loss > {name}", "hovertemplate": "%{y:.2%}",
        "marker": {"size": 7, "symbol": "diamond", "color": style.HIT}, **style.within(1),
    }  # fmt: skip
    n, count = int(np.isfinite(known).sum()), int(hit.sum())
    text = f"{count} {'loss' if count == 1 else 'losses'} above {name} in {n:,} days"
    text += f", {n * (1 - target.level):.1f} expected"
    return [marks, *_strip(days[hit], 1, style.HIT, f"hit of {name}", None)], text


def _strip(days: NDArray[Any], lane: int, colour: str, name: str, text: NDArray[Any] | None) -> list[dict[str, Any]]:
    if days.size == 0:
        return []
    mark = {"symbol": "line-ns", "size": 11, "color": colour, "line": {"width": 1.4, "color": colour}}
    hover = {"hoverinfo": "skip"} if text is None else {"text": text, "hovertemplate": "%{text}"}
    trace = {"type": "scatter", "x": days, "y": np.full(days.size, lane), "mode": "markers", "marker": mark}
    return [{**trace, "name": name, "showlegend": False, **hover, **style.within(2)}]


def _cut_axis(rows: pd.DataFrame, labels: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A range that keeps a few wild forecasts from flattening the picture, and a note that the axis is cut."""
    lines, losses = (rows[c].to_numpy(dtype=np.float64) for c in (labels, "loss"))
    lines, losses = lines[np.isfinite(lines)], losses[np.isfinite(losses)]
    if lines.size == 0 or losses.size == 0:
        return {}, []
    limit = CUT * max(float(np.abs(losses).max()), float(np.quantile(np.abs(lines), 0.99)))
    beyond = int((np.abs(lines) > limit).sum())
    if beyond == 0:
        return {}, []
    inside = np.concatenate([losses, lines[np.abs(lines) <= limit]])
    pad = 0.05 * float(np.ptp(inside))
    note = {
        "text": f"axis cut: {beyond} {'forecast lies' if beyond == 1 else 'forecasts lie'} outside",
        "x": 1, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom", "showarrow": False,
        "font": {"size": 12, "color": style.NOT_OK},
    }  # fmt: skip
    return {"range": [float(inside.min()) - pad, float(inside.max()) + pad]}, [note]


def _date_axes(axes: dict[str, Any], days: pd.Index) -> dict[str, Any]:
    """Make the x axes those of `days`, with buttons for the last years of a long span; the margin they need."""
    dates: dict[str, Any] = {"type": "date", "hoverformat": "%a %d %b %Y"}
    if len(days) > 1:
        pad = (days[-1] - days[0]) * 0.01
        dates["range"] = [days[0] - pad, days[-1] + pad]
    for name in (n for n in axes if n.startswith("xaxis")):
        axes[name] |= dates
    if len(days) < 2 or (days[-1] - days[0]).days <= 2 * 365:
        return {}
    place = {"x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"}
    look = {"bgcolor": style.BUTTON, "activecolor": style.BUTTON_ON, "font": {"size": 11, "color": style.INK}}
    axes["xaxis"]["rangeselector"] = {"buttons": RANGES, **place, **look}
    return {"t": 94}  # below title and subtitle
