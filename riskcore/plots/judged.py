"""Figures of judgements: PIT histogram, scores against the best, and p-values by model and test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.errors import require
from riskcore.forecasts import Forecasts
from riskcore.plots import style

if TYPE_CHECKING:
    import plotly.graph_objects as go

DIFFERENCE_SCORES = ("fz0", "log")
"""Scores whose ratio means nothing, as they change by a constant with the unit of the losses."""

NOT_COMPARABLE = "scored on different days: not comparable"
MOVING, NOT_ACROSS = "expectile_moving", "at levels that move: not comparable across models"
"""Score of forecasts at the day's own expectile level, and what is to be said of it; it ranks nothing."""


def pit_histogram(
    forecasts: Forecasts, asset: str | None = None, model: str | None = None, *, bins: int = 20
) -> go.Figure:
    """Histogram of the probability integral transform with the 95 % band of a uniform law, bin by bin.

    Parameters
    ----------
    forecasts : Forecasts
        The table of forecasts.
    asset, model : str, optional
        Names in the table; needed where it has several.
    bins : int
        Number of bins, at least 2.

    Returns
    -------
    plotly Figure
        One that says why, where the model has no law. Of 20 bins one lies outside the band by chance.

    Raises
    ------
    ConfigError
        If asset or model is not named among several, or is unknown, or `bins` is below 2.

    References
    ----------
    Diebold, Gunther, Tay (1998), International Economic Review 39(4).

    Examples
    --------
    >>> pit_histogram(forecasts, "S&P 500", "garch-t")  # doctest: +SKIP
    """
    return style.figure(pit_spec(forecasts, asset, model, bins=bins))


def pit_spec(forecasts: Forecasts, asset: str | None = None, model: str | None = None, *, bins: int = 20) -> style.Spec:
    """`pit_histogram` as plain values."""
    require(bins >= 2, f"bins must be at least 2, got {bins!r}; typical values: 10, 20")
    asset, model = style.pick(forecasts, asset, model)
    title = f"{style.safe(asset)} · {style.safe(model)}"
    rows = forecasts.unit(asset, model)
    pit = rows["pit"].to_numpy(dtype=np.float64) if "pit" in rows else np.full(len(rows), np.nan)
    pit = pit[np.isfinite(pit) & rows["loss"].notna().to_numpy()]
    if pit.size == 0:
        return style.empty(title, f"{style.safe(model)} has no law of the loss, so no PIT")
    return pit_bars(pit, title=title, bins=bins)


def pit_bars(pit: FloatArray, *, title: str, bins: int = 20, days: str = "days") -> style.Spec:
    """Histogram of finite PIT values with the 95 % band of a uniform law, bin by bin; `title` must be safe to show.

    >>> pit_bars(np.array([0.1, 0.6]), title="", bins=2)["data"][0]["y"].tolist()
    [1, 1]
    """
    from riskcore.backtests import pit_band

    require(bins >= 2, f"bins must be at least 2, got {bins!r}; typical values: 10, 20")
    counts, edges = np.histogram(pit, bins=bins, range=(0.0, 1.0))
    stays = pit_band(max(pit.size, 1), bins=bins, simultaneous=False)
    low, high = int(stays.lower[0]), int(stays.upper[0])
    outside = (counts < low) | (counts > high)
    colours, shapes = np.where(outside, style.BAR_OUT, style.BAR), np.where(outside, "/", "")
    hatch = {"size": 6, "fillmode": "overlay", "fgcolor": style.PAPER}
    hover = "PIT %{customdata[0]:.2f} to %{customdata[1]:.2f}: %{y} days<extra></extra>"
    bar = {
        "type": "bar", "x": (edges[:-1] + edges[1:]) / 2, "y": counts, "width": np.diff(edges) * 0.94,
        "hovertemplate": hover, "customdata": np.column_stack([edges[:-1], edges[1:]]),
        "marker": {"color": colours, "line": {"width": 0}, "pattern": {**hatch, "shape": shapes}},
    }  # fmt: skip
    band = style.across(low, high, fillcolor=style.BAND, opacity=0.55, line={"width": 0}, layer="below")
    expected = pit.size / bins
    line = style.across(expected, expected, line={"color": style.MUTED, "width": 1, "dash": "dash"})
    axes = {
        "xaxis": {"title": {"text": "PIT: 1 is a loss beyond all forecast"}, "range": [0, 1], "tickformat": ".1f"},
        "yaxis": {"title": {"text": "days"}, "rangemode": "tozero"},
    }
    look: dict[str, Any] = {"height": 320, "legend": False, "hovermode": "closest", "shapes": [band, line], **axes}
    text = f"{pit.size:,} {days}; hatched: outside the 95 % band"
    return {"data": [bar], "layout": style.look(title=title, subtitle=text, **look)}


def score_bars(score_table: pd.DataFrame, *, asset: str | None = None) -> go.Figure:
    """Mean scores against the best model, one panel per score and target; shorter is better.

    Parameters
    ----------
    score_table : DataFrame
        As `riskcore.score_table` returns it.
    asset : str, optional
        A name in the table; needed where it has several.

    Returns
    -------
    plotly Figure
        Excess over the best in percent; for FZ0 and log scores, whose ratio means nothing, the difference.
        Where it says so, the means are over different days and do not compare. Scores at levels that move from day to
        day compare with none, and are left out.

    Raises
    ------
    ConfigError
        If the asset is not named among several, or is unknown.

    Examples
    --------
    >>> score_bars(rc.score_table(forecasts), asset="S&P 500")  # doctest: +SKIP
    """
    return style.figure(score_spec(score_table, asset=asset))


def score_spec(score_table: pd.DataFrame, *, asset: str | None = None) -> style.Spec:
    """`score_bars` as plain values."""
    asset = _asset(score_table, asset)
    rows = score_table[score_table["asset"] == asset]
    known = {key: part for key, part in by_score(rows).items() if any(r["mean"] == r["mean"] for r in part)}
    panels = [(key, part) for key, part in known.items() if key[2] != MOVING]
    if not panels:
        return style.empty(style.safe(asset), "no scores that compare models" if known else "no scores")
    sizes = [len(part) for _, part in panels]
    height = 130 + sum(46 + 24 * n for n in sizes)
    axes = style.panels(sizes, min(46 / height, 0.9 / len(panels)), shared=False)
    data, notes = [], []
    place = {"x": 0, "xref": "paper", "xanchor": "left", "xshift": -60, "align": "left"}  # over the names
    for i, (key, part) in enumerate(panels, start=1):
        bars, x_axis, y_axis = _bars(part[::-1], key[2], panel=i)
        n = style.axis_number(i)
        axes["xaxis" + n] |= x_axis
        axes["yaxis" + n] |= y_axis
        top = {"y": axes["yaxis" + n]["domain"][1], "yref": "paper", "yanchor": "bottom"}
        notes.append({"text": _panel_title(key, part), "font": {"size": 13}, "showarrow": False, **place, **top})
        data.append(bars)
    title = f"{style.safe(asset)}: mean scores"
    subtitle = "against the best model, which is 0; lower is better"
    look: dict[str, Any] = {
        "height": height,
        "legend": False,
        "hovermode": "closest",
        "margin": {"t": 104},
        "annotations": notes,
    }
    return {"data": data, "layout": style.look(title=title, subtitle=subtitle, **look, **axes)}


def excess_over_best(means: pd.Series, score: str) -> pd.Series:
    """Mean scores against the lowest: in shares of it, or the difference for FZ0 and log scores; NaN if none compare.

    >>> excess_over_best(pd.Series([2.0, 3.0]), "quantile").tolist()
    [0.0, 0.5]
    >>> excess_over_best(pd.Series([2.0, 3.0]), "expectile_moving").tolist()
    [nan, nan]
    """
    if score == MOVING:
        return pd.Series(math.nan, index=means.index)
    best = float(means.min())
    excess: pd.Series = means / best - 1.0 if _is_relative(score) and best > 0 else means - best
    return excess


def excess_text(excess: float, score: str) -> str:
    """An excess of `excess_over_best` as text, empty for NaN.

    >>> [excess_text(x, "quantile") for x in (0.0, 0.031)], excess_text(0.02, "fz0")
    (['best', '+3.1 %'], '+0.0200')
    """
    if not math.isfinite(excess):
        return ""
    return "best" if excess == 0 else f"+{100 * excess:.1f} %" if _is_relative(score) else f"+{excess:.4f}"


def p_value_heatmap(backtest_table: pd.DataFrame, *, asset: str | None = None) -> go.Figure:
    """P-values by test and model; each cell shows p and, where the test counts them, hits / expected hits.

    Parameters
    ----------
    backtest_table : DataFrame
        As `riskcore.backtest_table` returns it.
    asset : str, optional
        A name in the table; needed where it has several.

    Returns
    -------
    plotly Figure
        Cells without a p-value are grey and say the reason when pointed at.

    Raises
    ------
    ConfigError
        If the asset is not named among several, or is unknown.

    Examples
    --------
    >>> p_value_heatmap(rc.backtest_table(forecasts), asset="S&P 500")  # doctest: +SKIP
    """
    return style.figure(heatmap_spec(backtest_table, asset=asset))


def heatmap_spec(backtest_table: pd.DataFrame, *, asset: str | None = None) -> style.Spec:
    """`p_value_heatmap` as plain values."""
    asset = _asset(backtest_table, asset)
    rows = backtest_table[backtest_table["asset"] == asset]
    if rows.empty:
        return style.empty(style.safe(asset), "no tests")
    rows = rows.assign(
        missing=missing_as_hits(rows),
        row=[
            f"{style.safe(style.title(t))}<br>{style.target_text(m, x)}"
            for t, m, x in rows[["test", "measure", "level"]].values
        ],
        column=rows["model"].map(style.safe),
    )
    tests, models = list(dict.fromkeys(rows["row"]))[::-1], list(dict.fromkeys(rows["column"]))
    shape = (len(tests), len(models))
    p, text, hover = np.full(shape, np.nan), np.full(shape, "", object), np.full(shape, "", object)
    for record in rows.to_dict("records"):
        cell = tests.index(record["row"]), models.index(record["column"])
        p[cell], text[cell], hover[cell] = record["p_value"], _cell_text(record), _cell_hover(record)
    shade = np.where(np.isnan(p), -1.0, np.searchsorted(style.P_LIMITS, np.nan_to_num(p), side="right"))
    colours = (style.NO_VALUE, *style.P_COLOURS)
    scale = [[(i + j) / len(colours), c] for i, c in enumerate(colours) for j in (0, 1)]
    heat = {
        "type": "heatmap", "z": shade, "x": models, "y": tests, "text": text, "texttemplate": "%{text}",
        "customdata": hover, "zmin": -1.5, "zmax": 3.5, "colorscale": scale, "showscale": False, "xgap": 2, "ygap": 2,
        "hovertemplate": "%{customdata}<extra></extra>", "textfont": {"size": 11},
    }  # fmt: skip
    labels = {"tickvals": models, "ticktext": [style.short(m) for m in dict.fromkeys(rows["model"])]}
    common = {"type": "category", "showgrid": False, "ticks": ""}
    axes = {"xaxis": {**common, "side": "top", **labels}, "yaxis": {**common, "tickfont": {"size": 11}}}
    subtitle = "p-value, hits / expected; stronger colour: p below 0.10, 0.05, 0.01; grey: none"
    if bool((rows["missing"] > 0).any()):
        subtitle += "; missing: days without forecast, which the test counts as hits"
    title = f"{style.safe(asset)}: p-values"
    look: dict[str, Any] = {
        "height": 150 + 38 * len(tests),
        "legend": False,
        "hovermode": "closest",
        "margin": {"t": 104},
        **axes,
    }
    return {"data": [heat], "layout": style.look(title=title, subtitle=subtitle, **look)}


def missing_as_hits(backtest_table: pd.DataFrame) -> pd.Series:
    """How many of a test's hits are days without forecast: what it counts beyond the binomial test, in hits and days.

    >>> rows = {"asset": "A", "model": "m", "measure": "var", "level": 0.99, "test": ["traffic_light", "binomial"]}
    >>> missing_as_hits(pd.DataFrame({**rows, "hits": [9, 5], "n_obs": [254, 250]})).tolist()
    [4, 0]
    """
    keys = ["asset", "model", "measure", "level"]
    names = list(zip(*(backtest_table[key].tolist() for key in keys), strict=True))
    counts = backtest_table[["hits", "n_obs"]].to_numpy(dtype=np.float64, na_value=np.nan)
    plain: dict[Any, FloatArray] = {}
    for name, test, count in zip(names, backtest_table["test"].tolist(), counts, strict=True):
        if test == "binomial":
            plain.setdefault(name, count)
    unknown = np.full(2, np.nan)
    more = counts - np.array([plain.get(name, unknown) for name in names]).reshape(counts.shape)
    hits, days = more.T
    missing = np.where((hits == days) & (hits > 0), hits, 0).astype(int)
    return pd.Series(missing, index=backtest_table.index, name="missing")


def hits_text(hits: object, missing: int) -> str:
    """A count of hits, those that are days without forecast apart.

    >>> hits_text(159, 100), hits_text(12, 0), hits_text(float("nan"), 0)
    ('59 + 100 missing', '12', '–')
    """
    if missing and isinstance(hits, (int, float, np.number)):
        return f"{_number(hits - missing, ',.0f')} + {missing:,} missing"
    return _number(hits, ",.0f")


def reason_words(reason: object, size: str = "The asymptotic p-value rejects too many right forecasts.") -> str:
    """Why a test has no p-value, in words of a reader who calls no function; `size` says what the asymptotic one does.

    >>> reason_words("the model has no law to simulate from")
    'the model gives no law of the loss to simulate from'
    >>> reason_words("no hits"), reason_words(float("nan"))
    ('no hits', 'no reason is known')
    """
    if not isinstance(reason, str) or not reason:
        return "no reason is known"
    if not without_law(reason):
        return reason
    words = "the model gives no law of the loss to simulate from"
    if "on request" not in reason:
        return words
    asked = "riskcore.backtest_table(forecasts, p_value='asymptotic')"
    return f"{words}. {size.removesuffix('.')}; in Python {asked} gives it"


def without_law(reason: object) -> bool:
    """Whether a p-value is missing because the model gives no law.

    >>> without_law("the model has no law to simulate from"), without_law(float("nan"))
    (True, False)
    """
    return isinstance(reason, str) and reason.startswith("the model has no law")


def _asset(table: pd.DataFrame, asset: str | None) -> str:
    known = list(dict.fromkeys(table["asset"]))
    if asset is None and len(known) == 1:
        asset = known[0]
    require(asset in known, f"asset must be one of {known}, got {asset!r}")
    return str(asset)


def _is_relative(score: str) -> bool:
    return not any(word in score.lower() for word in DIFFERENCE_SCORES)


def by_score(scores: pd.DataFrame) -> dict[tuple[str, float | None, str], list[dict[Any, Any]]]:
    """Rows of a score table by measure, level (None for a density) and score, in their order."""
    found: dict[tuple[str, float | None, str], list[dict[Any, Any]]] = {}
    for record in scores.to_dict("records"):
        level = None if record["level"] != record["level"] else record["level"]
        found.setdefault((record["measure"], level, str(record["score"])), []).append(record)
    return found


def _panel_title(key: tuple[str, float | None, str], part: list[dict[Any, Any]]) -> str:
    measure, level, score = key
    target = "" if measure == "density" else f" · {style.target_text(measure, level)}"
    # what the score's name says is left out: a phone has room for about 40 letters
    target = target.replace("ES ", "") if score == "fz0" else target.replace("expectile VaR ", "")
    title = f"<b>{style.safe(style.title(score))}</b>{target}"
    if not _is_relative(score):
        title += " (difference)"
    note = score_note(score, part)
    return title + (f"<br>{note}" if note else "")


def score_note(score: str, part: Iterable[Mapping[Any, Any]]) -> str:
    """Why the means of a score are not to be compared; empty where they are."""
    if score == MOVING:
        return NOT_ACROSS
    return "" if same_days(part) else NOT_COMPARABLE


def same_days(part: Iterable[Mapping[Any, Any]]) -> bool:
    """Whether all means of a score rest on as many days."""
    return len({record["n_obs"] for record in part if record["mean"] == record["mean"]}) <= 1


def _bars(
    part: list[dict[Any, Any]], score: str, *, panel: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The bars of a score, its x and its y axis."""
    excess = excess_over_best(pd.Series([r["mean"] for r in part], dtype="float64"), score)
    names = [style.safe(r["model"]) for r in part]
    bars = {
        "type": "bar", "x": excess.fillna(0.0).to_numpy(), "y": names, "orientation": "h", "textposition": "outside",
        "text": [excess_text(x, score) or "no score" for x in excess], "cliponaxis": False,
        "customdata": [[_number(r["mean"], ".5g"), _number(r["n_obs"], ",.0f")] for r in part],
        "hovertemplate": "%{y}: mean %{customdata[0]}, n = %{customdata[1]}<extra></extra>",
        "marker": {"color": style.BAR}, **style.within(panel),
    }  # fmt: skip
    top = float(excess.max())
    labels = {"tickvals": names, "ticktext": [style.short(r["model"]) for r in part]}
    x_axis = {"visible": False, "range": [0, 1.3 * top if top > 0 else 1.0]}
    return bars, x_axis, {"type": "category", "showgrid": False, "ticks": "", **labels}


def _number(value: object, spec: str) -> str:
    ok = isinstance(value, (int, float, np.number)) and math.isfinite(value)
    return format(value, spec) if ok else "–"


def _cell_text(record: dict[Any, Any]) -> str:
    p, hits = _number(record["p_value"], ".3f"), hits_text(record["hits"], record["missing"])
    if p != "–" and float(record["p_value"]) < 0.001:
        p = "&lt;0.001"
    return p if hits == "–" else f"{p}<br>{hits} / {_number(record['expected_hits'], '.1f')}"


def _cell_hover(record: dict[Any, Any]) -> str:
    head = f"<b>{record['column']}</b>, {record['row'].replace('<br>', ', ')}"
    if _number(record["p_value"], "g") == "–":
        return f"{head}<br>no p-value: {style.safe(reason_words(record['reason']))}"
    lines = [
        f"p = {_number(record['p_value'], '.4g')} ({style.safe(record['p_method'])})",
        f"adjusted p = {_number(record['p_adjusted'], '.4g')}",
        f"statistic = {_number(record['statistic'], '.4g')}, n = {_number(record['n_obs'], ',.0f')}",
    ]
    return "<br>".join([head, *lines])
