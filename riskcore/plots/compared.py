"""Figures of comparisons: Murphy diagrams, the three zones and reliability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from riskcore.plots import style

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from riskcore.compare import Decomposition, MurphyDifference, ThreeZones

COLOURS = ("#00609c", "#c45500", "#006b52", style.HIT_RATE_COLOURS[0], style.LOSS)
"""Models in the order of the table; those beyond the last take turns with another dash."""
DASHES = ("solid", "dash", "dot", "dashdot")
ZONES = ("green", "yellow", "red")


def murphy_diagram(curves: pd.DataFrame, difference: MurphyDifference | None = None, *, title: str = "") -> go.Figure:
    """Mean elementary scores over all thresholds, one curve a model, and the difference of two of them with its bands.

    Parameters
    ----------
    curves : DataFrame
        As `riskcore.compare.murphy` returns it.
    difference : MurphyDifference, optional
        As `riskcore.compare.murphy_difference` returns it; it has a panel of its own.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        A curve below another everywhere is better under every consistent score. One that says why, without a day.

    References
    ----------
    Ehm, Gneiting, Jordan and Krueger (2016), JRSS B 78(3), doi:10.1111/rssb.12154.

    Examples
    --------
    >>> murphy_diagram(rc.compare.murphy(losses, panel, 0.99))  # doctest: +SKIP
    """
    return style.figure(murphy_spec(curves, difference, title=title))


def murphy_spec(curves: pd.DataFrame, difference: MurphyDifference | None = None, *, title: str = "") -> style.Spec:
    """`murphy_diagram` as plain values."""
    shown = style.safe(title)
    if curves.empty:
        return style.empty(shown, "no day on which all models have a forecast")
    theta = curves["theta"].to_numpy()
    data: list[dict[str, Any]] = []
    for i, model in enumerate(c for c in curves.columns if c not in ("theta", "limit")):
        line = {"color": COLOURS[i % len(COLOURS)], "dash": DASHES[i // len(COLOURS) % len(DASHES)], "width": 1.6}
        data.append(
            {"type": "scatter", "mode": "lines", "x": theta, "y": curves[model].to_numpy(), "name": style.safe(model),
             "line": line, "hovertemplate": "%{y:.4g}"}
        )  # fmt: skip
    apart = difference is not None and len(difference.table) > 0
    axes = style.panels([1.0, 0.8], 0.12) if apart else style.panels([1.0])
    axes["yaxis"] |= {"title": {"text": "mean elementary score"}, "rangemode": "tozero"}
    bottom = "xaxis2" if apart else "xaxis"
    axes[bottom] |= {"title": {"text": "threshold"}}
    subtitle = "lower is better; a curve below another everywhere is better under every consistent score"
    if difference is not None:
        subtitle = style.safe(difference.text)
    if difference is not None and apart:
        data += _difference(difference)
        a, b = (style.safe(name) for name in difference.names)
        axes["yaxis2"] |= {"title": {"text": f"{a} less {b}"}, "zeroline": True}
    height = 620 if apart else 420
    return {"data": data, "layout": style.look(title=shown, subtitle=subtitle, height=height, **axes)}


def _difference(difference: MurphyDifference) -> list[dict[str, Any]]:
    """The curve of a difference over its two bands."""
    table = difference.table
    x, share = table["theta"].to_numpy(), f"{difference.coverage:.0%}"
    common = {"type": "scatter", "mode": "lines", "x": x, **style.within(2)}
    traces: list[dict[str, Any]] = []
    for suffix, name, opacity in (("_all", f"{share} band, all thresholds", 0.5), ("", f"{share} band, each", 1.0)):
        edge = {**common, "line": {"width": 0, "color": style.BAND}, "hoverinfo": "skip", "opacity": opacity}
        traces.append({**edge, "y": table["low" + suffix].to_numpy(), "showlegend": False})
        fill = {"fill": "tonexty", "fillcolor": style.BAND, "name": name}
        traces.append({**edge, "y": table["high" + suffix].to_numpy(), **fill})
    line = {"color": style.INK, "width": 1.6}
    curve = {**common, "y": table["difference"].to_numpy(), "line": line, "name": "difference"}
    return [*traces, {**curve, "hovertemplate": "%{y:.4g}"}]


def three_zone_matrix(zones: ThreeZones, *, size: float = 0.05, title: str = "") -> go.Figure:
    """Zones of internal models (columns) against standard ones (rows); each cell shows the zone and the statistic.

    Parameters
    ----------
    zones : ThreeZones
        As `riskcore.compare.three_zone` returns it.
    size : float
        Of the tests.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        Cells without a test are grey and say the reason when pointed at.

    References
    ----------
    Nolde and Ziegel (2017), Annals of Applied Statistics 11(4), doi:10.1214/17-AOAS1041.

    Examples
    --------
    >>> three_zone_matrix(rc.compare.three_zone(forecasts, "var:0.99"))  # doctest: +SKIP
    """
    return style.figure(three_zone_spec(zones, size=size, title=title))


def three_zone_spec(zones: ThreeZones, *, size: float = 0.05, title: str = "") -> style.Spec:
    """`three_zone_matrix` as plain values."""
    shown = style.safe(title)
    if len(zones.models) < 2:
        return style.empty(shown, "zones need two models")
    matrix = zones.matrix(size)
    names = [style.safe(model) for model in zones.models]
    facts = {(row["standard"], row["internal"]): row for row in zones.table.to_dict("records")}
    shape = (len(names), len(names))
    shade, text, hover = np.zeros(shape), np.full(shape, "", object), np.full(shape, "", object)
    for i, standard in enumerate(zones.models):
        for j, internal in enumerate(zones.models):
            row = facts.get((standard, internal))
            if row is None:
                continue
            zone = str(matrix.iloc[i, j])
            shade[i, j] = 1.0 + ZONES.index(zone) if zone else 0.0
            text[i, j] = f"{zone}<br>{row['statistic']:.2f}" if zone else "–"
            hover[i, j] = _zone_hover(row)
    colours = (style.NO_VALUE, *(style.ZONE_COLOURS[z] for z in ZONES))
    scale = [[(i + j) / len(colours), c] for i, c in enumerate(colours) for j in (0, 1)]
    heat = {
        "type": "heatmap", "z": shade[::-1], "x": names, "y": names[::-1], "text": text[::-1],
        "customdata": hover[::-1], "texttemplate": "%{text}", "textfont": {"size": 11},
        "hovertemplate": "%{customdata}<extra></extra>",
        "zmin": -0.5, "zmax": 3.5, "colorscale": scale, "showscale": False, "xgap": 2, "ygap": 2,
    }  # fmt: skip
    labels = {"tickvals": names, "ticktext": [style.short(m) for m in zones.models]}
    common = {"type": "category", "showgrid": False, "ticks": "", **labels}
    axes = {"xaxis": {**common, "side": "top", "title": {"text": "internal model"}},
            "yaxis": {**common, "title": {"text": "standard model"}}}  # fmt: skip
    subtitle = f"green: the internal model scores better beyond chance (size {size:g}); red: the standard one does"
    look: dict[str, Any] = {
        "height": 170 + 44 * len(names),
        "legend": False,
        "hovermode": "closest",
        "margin": {"t": 128},
        **axes,
    }
    return {"data": [heat], "layout": style.look(title=shown, subtitle=subtitle, **look)}


def _zone_hover(row: dict[Any, Any]) -> str:
    head = f"<b>{style.safe(row['internal'])}</b> against {style.safe(row['standard'])}"
    if not math.isfinite(row["statistic"]):
        return f"{head}<br>no test: {style.safe(row['reason'])}"
    worse, better = row["p_internal_worse"], row["p_internal_better"]
    lines = [
        f"statistic = {row['statistic']:.4g} (negative: it scores lower), n = {row['n_obs']:,}",
        f"p that it is worse = {worse:.4g}, that it is better = {better:.4g}",
    ]
    return "<br>".join([head, *lines, *([style.safe(row["reason"])] if row["reason"] else [])])


def reliability_diagram(decomposition: Decomposition, *, title: str = "") -> go.Figure:
    """Recalibrated values against the forecasts; on the diagonal a forecast says what it should.

    Parameters
    ----------
    decomposition : Decomposition
        As `riskcore.compare.decompose` returns it.
    title : str
        Of the figure; shown as it is, not as markup.

    Returns
    -------
    plotly Figure
        Above the diagonal risk is understated. With a law, a band in which 95 % of the values of a right model lie,
        point by point.

    References
    ----------
    Gneiting and Resin (2023), Electronic Journal of Statistics 17(2), doi:10.1214/23-EJS2180.

    Examples
    --------
    >>> reliability_diagram(rc.compare.decompose(losses, var, 0.99, tail=tail))  # doctest: +SKIP
    """
    return style.figure(reliability_spec(decomposition, title=title))


def reliability_spec(decomposition: Decomposition, *, title: str = "") -> style.Spec:
    """`reliability_diagram` as plain values."""
    d, shown = decomposition, style.safe(title)
    if d.reliability.empty:
        return style.empty(shown, style.safe(d.reason))
    x, y, n = (d.reliability[c].to_numpy() for c in ("forecast", "recalibrated", "n"))
    data: list[dict[str, Any]] = []
    if not d.band.empty:
        edge = {"type": "scatter", "mode": "lines", "x": d.band["forecast"].to_numpy(), "hoverinfo": "skip",
                "line": {"width": 0, "color": style.BAND}}  # fmt: skip
        data.append({**edge, "y": d.band["low"].to_numpy(), "showlegend": False})
        fill = {"fill": "tonexty", "fillcolor": style.BAND, "name": "95 % band of a right model"}
        data.append({**edge, "y": d.band["high"].to_numpy(), **fill})
    ends = [float(x.min()), float(x.max())]
    dashed = {"color": style.MUTED, "width": 1, "dash": "dash"}
    data.append({"type": "scatter", "mode": "lines", "x": ends, "y": ends, "line": dashed, "hoverinfo": "skip",
                 "showlegend": False})  # fmt: skip
    colour = style.MEASURE_COLOURS[d.measure][0]
    hover = "forecast %{x:.4g}: recalibrated %{y:.4g}, %{customdata} days<extra></extra>"
    data.append({"type": "scatter", "mode": "lines+markers", "x": x, "y": y, "customdata": n, "name": "recalibrated",
                 "line": {"color": colour, "width": 1.6}, "marker": {"size": 4, "color": colour},
                 "hovertemplate": hover})  # fmt: skip
    target = style.target_text(d.measure, d.level)
    axes = {"xaxis": {"title": {"text": f"forecast {target}"}}, "yaxis": {"title": {"text": f"recalibrated {target}"}}}
    parts = f"miscalibration {d.mcb:.3g}, discrimination {d.dsc:.3g}, uncertainty {d.unc:.3g}"
    chance = f"; p = {d.p_value:.3f} (by chance {d.null_mean:.3g})" if math.isfinite(d.p_value) else ""
    look: dict[str, Any] = {"height": 440, "hovermode": "closest", **axes}
    return {"data": data, "layout": style.look(title=shown, subtitle=parts + chance, **look)}
