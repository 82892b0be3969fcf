"""Figures of a fit on one window: volatility, residuals, news impact, levels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from riskcore._types import FloatArray, Target
from riskcore.plots import style
from riskcore.plots.days import level_picture
from riskcore.plots.judged import pit_bars

if TYPE_CHECKING:
    import plotly.graph_objects as go

LAW_NAMES = {"normal": "normal", "t": "t", "skewt": "skewed t", "ged": "generalised error"}
LEVEL_TICKS = (0.9, 0.95, 0.99, 0.995, 0.999)
"""As many as have room for two lines each on a narrow screen."""
REGIME_COLOURS = (style.BAND, style.BAR, style.BAR_OUT)
"""From calm to wild."""


def conditional_volatility(series: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Losses of the window and the volatility that the model saw the day before each of them.

    Parameters
    ----------
    series : DataFrame
        `ModelFit.series`: by date, with columns loss and volatility.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        Losses alone, with the reason, where the model forecasts no volatility.

    Examples
    --------
    >>> conditional_volatility(fit.series)  # doctest: +SKIP
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(x=series.index, y=series["loss"], **style.loss_bars())
    known = bool(series["volatility"].notna().any())
    if known:
        figure.add_scatter(
            x=series.index, y=series["volatility"], name="volatility", mode="lines", hovertemplate="%{y:.2%}",
            line={"color": style.INK, "width": 1.6},
        )  # fmt: skip
    figure.update_yaxes(title_text="loss (positive hurts)", tickformat="~%")
    text = "parameters of the whole window" if known else "the model forecasts no volatility"
    return style.finish(figure, title=style.safe(title), subtitle=text, height=360)


def regime_probabilities(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Probabilities of the regimes over time, stacked to one; the calmest lies at the bottom.

    Parameters
    ----------
    table : DataFrame
        As `riskcore.diagnostics.regime_probabilities` returns it.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        Areas, one for each regime.

    Examples
    --------
    >>> regime_probabilities(rc.diagnostics.regime_probabilities(fit))  # doctest: +SKIP
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, colour in zip(table.columns, REGIME_COLOURS, strict=False):
        figure.add_scatter(
            x=table.index, y=table[name], name=str(name), mode="lines", stackgroup="regimes", fillcolor=colour,
            line={"width": 0.5, "color": colour}, hovertemplate="%{y:.1%}",
        )  # fmt: skip
    figure.update_yaxes(title_text="probability", tickformat=".0%", range=[0.0, 1.0])
    text = "given the losses up to each day; regime 1 is the calmest"
    return _with_legend_above(
        style.finish(figure, title=style.safe(title), subtitle=text, height=360, margin={"t": 100, "b": 44})
    )


def residual_qq(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Ordered residuals against the quantiles of their law, with the pointwise 95 % band of a known law.

    Parameters
    ----------
    table : DataFrame
        As `riskcore.diagnostics.residual_qq` returns it.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        Points outside the band have another colour and shape. Of a right model whose parameters were fitted less than
        1 % lie outside, not 5 %, see `riskcore.diagnostics.residual_qq`.

    Examples
    --------
    >>> residual_qq(rc.diagnostics.residual_qq(fit))  # doctest: +SKIP
    """
    import plotly.graph_objects as go

    x, z = (np.asarray(table[c], dtype=np.float64) for c in ("theoretical", "residual"))
    low, high = (np.asarray(table[c], dtype=np.float64) for c in ("low", "high"))
    outside = (z < low) | (z > high)
    law = LAW_NAMES.get(str(table["law"].iloc[0]), str(table["law"].iloc[0]))
    ends = [min(x[0], z[0]), max(x[-1], z[-1])]
    pad = 0.04 * (ends[1] - ends[0])
    figure = go.Figure()
    band = {"mode": "lines", "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=x, y=low, line={"width": 0, "color": style.BAND}, **band)
    band = {**band, "showlegend": True}
    figure.add_scatter(x=x, y=high, name="95 % band", fill="tonexty", fillcolor=style.BAND,
                       line={"width": 0, "color": style.BAND}, **band)  # fmt: skip
    figure.add_scatter(
        x=ends, y=ends, mode="lines", hoverinfo="skip", showlegend=False,
        line={"color": style.MUTED, "width": 1, "dash": "dash"},
    )  # fmt: skip
    for name, chosen, colour, symbol in (
        ("inside", ~outside, style.BAR, "circle"),
        ("outside", outside, style.BAR_OUT, "diamond"),
    ):
        day = pd.DatetimeIndex(table["date"])[chosen].strftime("%Y-%m-%d")
        figure.add_scatter(
            x=x[chosen], y=z[chosen], name=name, mode="markers", customdata=np.asarray(day, dtype=str),
            hovertemplate="%{customdata}: %{y:.2f} for %{x:.2f}<extra></extra>",
            marker={"size": 5, "color": colour, "symbol": symbol},
        )  # fmt: skip
    # The band of the outermost points is wider than all the rest: the axis shows the points.
    figure.update_yaxes(title_text="residual (positive: a loss)", range=[ends[0] - pad, ends[1] + pad])
    figure.update_xaxes(title_text=f"quantile of the {law} law")
    usual = math.ceil(len(table) / 100)
    text = f"{int(outside.sum()):,} of {len(table):,} outside; a right fit has fewer than {usual:,}"
    return _with_legend_above(
        style.finish(
            figure, title=style.safe(title), subtitle=text, height=440, hovermode="closest", margin={"t": 100, "b": 60}
        )
    )


def residual_acf(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Autocorrelations of residuals and of their squares with their 95 % band, and Ljung-Box's Q over all lags.

    Parameters
    ----------
    table : DataFrame
        As `riskcore.diagnostics.residual_acf` returns it.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        Two panels; bars outside the band are hatched.

    Examples
    --------
    >>> residual_acf(rc.diagnostics.residual_acf(fit))  # doctest: +SKIP
    """
    from plotly.subplots import make_subplots

    parts = [table[table["series"] == name] for name in ("residuals", "squares")]
    words = ("residuals", "squared residuals")
    headings = [_ljung_box_text(word, part) for word, part in zip(words, parts, strict=True)]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.14, subplot_titles=headings)
    figure.update_annotations(x=0, xanchor="left", align="left", font={"size": 12})
    top = max(1.15 * float(np.nanmax(np.append(np.abs(table["acf"]), table["band"]))), 0.1)
    for row, part in enumerate(parts, start=1):
        acf, band = np.asarray(part["acf"], dtype=np.float64), float(part["band"].iloc[0])
        outside = np.abs(acf) > band
        pattern = {"shape": np.where(outside, "/", ""), "size": 6, "fillmode": "overlay", "fgcolor": style.PAPER}
        figure.add_bar(
            x=part["lag"], y=acf, width=0.6, hovertemplate="lag %{x}: %{y:.3f}<extra></extra>",
            marker={"color": np.where(outside, style.BAR_OUT, style.BAR), "line": {"width": 0}, "pattern": pattern},
            row=row, col=1,
        )  # fmt: skip
        box = {"fillcolor": style.BAND, "opacity": 0.55, "line_width": 0, "layer": "below"}
        figure.add_hrect(y0=-band, y1=band, row=row, col=1, **box)
    figure.update_yaxes(title_text="autocorrelation", range=[-top, top], tickformat=".2f")
    figure.update_xaxes(title_text="lag in days", row=2, col=1)
    text = "hatched: outside the 95 % band"
    return style.finish(
        figure, title=style.safe(title), subtitle=text, height=460, legend=False, hovermode="closest", margin={"t": 108}
    )


def _ljung_box_text(word: str, part: pd.DataFrame) -> str:
    last = part.iloc[-1]
    if not math.isfinite(float(last["p_value"])):
        return f"<b>{word}</b>"
    p = float(last["p_value"])
    shown = "p &lt; 0.001" if p < 0.0005 else f"p = {p:.3f}"
    freedom = "" if last["df"] == last["lag"] else f", df {last['df']:.0f}"
    return f"<b>{word}</b> · Q({last['lag']}) = {last['statistic']:.1f}{freedom}, {shown}"


def news_impact(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Tomorrow's volatility against today's shock; the steeper the right side, the more losses frighten.

    Parameters
    ----------
    table : DataFrame
        As `riskcore.diagnostics.news_impact` returns it.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        A dashed line at the volatility that is held for today.

    Examples
    --------
    >>> news_impact(rc.diagnostics.news_impact(fit))  # doctest: +SKIP
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.add_scatter(
        x=table["shock"], y=table["volatility"], mode="lines", line={"color": style.INK, "width": 2},
        hovertemplate="shock %{x:.2%}: volatility %{y:.2%}<extra></extra>",
    )  # fmt: skip
    held = float(table["held"].iloc[0])
    which = "its level" if table["at"].iloc[0] == "unconditional" else "last day's"
    figure.add_hline(y=held, line={"color": style.MUTED, "width": 1, "dash": "dash"})
    figure.update_xaxes(title_text="today's shock (positive: a loss above the mean)", tickformat="~%")
    figure.update_yaxes(title_text="volatility tomorrow", tickformat="~%", rangemode="tozero")
    text = f"dashed: volatility held today, {held:.2%} ({which})"
    return style.finish(figure, title=style.safe(title), subtitle=text, height=360, legend=False, hovermode="closest")


def level_curve(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """VaR, ES and expectile VaR of the next day over the level; below the level of an expectile its loss-gain ratio.

    Parameters
    ----------
    table : DataFrame
        As `riskcore.diagnostics.level_curve` returns it.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        Levels so high that the VaR of a sample law is its largest loss are marked by a grey ground.

    Examples
    --------
    >>> level_curve(rc.diagnostics.level_curve(fit))  # doctest: +SKIP
    """
    import plotly.graph_objects as go

    level = np.asarray(table["level"], dtype=np.float64)
    x = -np.log10(1.0 - level)
    figure = go.Figure()
    shown = np.column_stack([level, table["loss_gain_ratio"]])
    names = {"var": "VaR", "es": "ES", "expectile": "expectile VaR"}
    for measure, name in names.items():
        ratio = ", loss-gain ratio %{customdata[1]:,.0f}" if measure == "expectile" else ""
        figure.add_scatter(
            x=x, y=table[measure], name=name, mode="lines", customdata=shown,
            hovertemplate=f"{name} at %{{customdata[0]:.5~g}}: %{{y:.2%}}{ratio}<extra></extra>",
            line={"color": style.MEASURE_COLOURS[measure][0], "dash": style.MEASURE_DASHES[measure], "width": 2},
        )  # fmt: skip
    beyond = np.asarray(table["beyond_sample"], dtype=bool)
    text = "an expectile's level is no probability"
    if beyond.any():
        figure.add_vrect(x0=x[beyond][0], x1=x[-1], fillcolor=style.BAND, opacity=0.4, line_width=0, layer="below")
        text = "grey: VaR is the largest of the sample"
    ticks = [t for t in LEVEL_TICKS if level[0] <= t <= level[-1]]
    labels = [f"{t:g}<br>{t / (1 - t):,.0f}" for t in ticks]
    figure.update_xaxes(
        title_text="level · loss-gain ratio of the expectile", tickvals=[-math.log10(1 - t) for t in ticks],
        ticktext=labels, range=[x[0] - 0.06, x[-1] + 0.12], ticklabeloverflow="allow",
        tickangle=0,
    )  # fmt: skip
    figure.update_yaxes(title_text="loss on the next day", tickformat="~%", rangemode="tozero")
    return _with_legend_above(
        style.finish(
            figure, title=style.safe(title), subtitle=text, height=440, hovermode="closest", margin={"t": 100, "b": 60}
        )
    )


def level_path(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """The expectile level of each day of a window and of the next, of a model whose level moves; as `daily_level`.

    Parameters
    ----------
    table : DataFrame
        As `riskcore.diagnostics.level_path` returns it.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        On an axis of 1 - level, logarithmic.

    Examples
    --------
    >>> level_path(rc.diagnostics.level_path(fit))  # doctest: +SKIP
    """
    target = Target("var", float(table["var_level"].iloc[0]))
    levels: FloatArray = table["level"].to_numpy(dtype=np.float64)
    return style.figure(
        level_picture(table.index, levels, target, style.target_line(target, (target,)), style.safe(title))
    )


def tail_thresholds(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Shape of a generalised Pareto tail over the number of losses above its threshold, with a 95 % band.

    Parameters
    ----------
    table : DataFrame
        As `riskcore.diagnostics.tail_thresholds` returns it.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        The threshold in use is marked.

    Examples
    --------
    >>> tail_thresholds(rc.diagnostics.tail_thresholds(fit))  # doctest: +SKIP
    """
    import plotly.graph_objects as go

    k, figure = table["excesses"], go.Figure()
    edge = {"mode": "lines", "hoverinfo": "skip", "line": {"width": 0, "color": style.BAND}}
    figure.add_scatter(x=k, y=table["low"], showlegend=False, **edge)
    figure.add_scatter(x=k, y=table["high"], name="95 % band", fill="tonexty", fillcolor=style.BAND, **edge)
    figure.add_scatter(
        x=k, y=table["xi"], name="shape of the tail", mode="lines", line={"color": style.INK, "width": 1.8},
        customdata=np.column_stack([table["threshold"], table["var"]]),
        hovertemplate="%{x} above %{customdata[0]:.2f}: shape %{y:.3f}, VaR %{customdata[1]:.2f}<extra></extra>",
    )  # fmt: skip
    used = table[table["used"]]
    figure.add_scatter(
        x=used["excesses"], y=used["xi"], name="in use", mode="markers", hoverinfo="skip",
        marker={"size": 11, "color": style.BAR_OUT, "symbol": "diamond"},
    )  # fmt: skip
    figure.update_xaxes(title_text="residuals above the threshold")
    figure.update_yaxes(title_text="shape (0.25: as t with 4 degrees of freedom)")
    text = "steady to both sides of the mark: the threshold does not matter much"
    finished = style.finish(
        figure, title=style.safe(title), subtitle=text, height=400, hovermode="closest", margin={"t": 100, "b": 60}
    )
    return _with_legend_above(finished)


def _with_legend_above(figure: go.Figure) -> go.Figure:
    """The legend between title and axes, where the axis below has a title or ticks of two lines."""
    figure.update_layout(legend={"y": 1.0, "yanchor": "bottom"})
    return figure


def fitted_pit(pit: npt.ArrayLike, *, title: str = "", bins: int = 20) -> go.Figure:
    """Histogram of the probability integral transform of a window's own losses, drawn as `pit_histogram`.

    Parameters
    ----------
    pit : array_like
        As `riskcore.diagnostics.pit_values` returns it.
    title : str
        Of the figure; shown as it is, not as markup.
    bins : int
        Number of bins, at least 2.

    Returns
    -------
    plotly Figure
        With the 95 % band of a uniform law, bin by bin. Parameters fitted to the same days draw the bins towards it.

    Examples
    --------
    >>> fitted_pit([0.1, 0.6], bins=2).data[0].y.tolist()
    [1, 1]
    """
    values: FloatArray = np.asarray(pit, dtype=np.float64)
    return style.figure(pit_bars(values, title=style.safe(title), bins=bins, days="days of the fit"))
