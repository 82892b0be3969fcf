"""Figures as a page shows them: on dark paper, and small enough to be sent on every rerun."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from riskcore.plots import style

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_POINTS = 20_000
"""Lines of more points are thinned to about so many."""
_MS = np.timedelta64(1, "ms")


def darkened(figure: go.Figure) -> go.Figure:
    """The same figure for a dark page: every colour's stand-in of `riskcore.plots.style.DARK`, and the dark template.

    Parameters
    ----------
    figure : plotly Figure
        Made with the colours of `riskcore.plots.style`; a colour that is not of them stays as it is.

    Returns
    -------
    plotly Figure
        A new one; data, texts and layout are those of `figure`.

    Examples
    --------
    >>> darkened(style.figure(style.empty("A", "no scores"))).layout.annotations[0].font.color
    '#a3b0bc'
    """
    import plotly.graph_objects as go

    raw = figure.to_dict()
    layout = {key: _exchanged(value) for key, value in raw["layout"].items() if key != "template"}
    dark = go.Figure({"data": _exchanged(raw["data"]), "layout": layout})
    dark.layout.template = style.template(dark=True)
    return dark


def compact(figure: go.Figure) -> go.Figure:
    """The same figure at about a fifth of the size: days as numbers, values at seven digits, very long lines thinned.

    Parameters
    ----------
    figure : plotly Figure
        With dates, where it has some, along x.

    Returns
    -------
    plotly Figure
        A new one. Days are milliseconds since 1970 on an axis of type date; doubles along y are single precision. Of
        lines beyond `MAX_POINTS` points the lowest and the highest of each stretch are kept, and markers beyond it the
        same; what marks hits is shorter and stays whole. NaN stay gaps.

    Examples
    --------
    >>> import pandas as pd
    >>> import plotly.graph_objects as go
    >>> days = pd.date_range("1970-01-01", periods=3)
    >>> compact(go.Figure(go.Scatter(x=days, y=[1.0, 2.0, 3.0]))).data[0].x["dtype"]
    'f8'
    """
    import plotly.graph_objects as go

    raw = figure.to_dict()
    for trace in raw["data"]:
        _thin(trace)
        if _is_days(trace.get("x")):
            trace["x"] = _packed((np.asarray(trace["x"]) - np.datetime64(0, "ms")) / _MS, "f8")
            axis = raw["layout"].setdefault("xaxis" + str(trace.get("xaxis", "x"))[1:], {})
            axis.setdefault("type", "date")
        y = trace.get("y")
        y = _unpacked(y) if isinstance(y, Mapping) and "shape" not in y else y
        if isinstance(y, np.ndarray) and y.dtype == np.float64:
            trace["y"] = _packed(y, "f4")
    return go.Figure(raw)


def steady(figure: go.Figure) -> go.Figure:
    """The same figure in a form that plotly.js does not draw twice when it is given a copy of it.

    A page that keeps its figures as JSON hands plotly.js a fresh copy with each rendering. It is taken for the same
    figure only if arrays are plain lists under a `datarevision`, and if there is no template, which is compared by
    identity. So a figure with other data has to be drawn in a new place, as Streamlit does.

    Parameters
    ----------
    figure : plotly Figure
        With a template of `riskcore.plots.style` or none.

    Returns
    -------
    plotly Figure
        A new one that looks the same: the template's settings stand in the layout; NaN of arrays are None.

    Examples
    --------
    >>> import plotly.graph_objects as go
    >>> steady(compact(go.Figure(go.Scatter(y=[1.0, float("nan"), 0.1])))).data[0].y
    (1.0, None, 0.1)
    """
    import plotly.graph_objects as go

    raw = figure.to_dict()
    layout = raw["layout"]
    usual = layout.pop("template", {}).get("layout", {})
    axes = {"xaxis", "yaxis"} | {name for name in layout if name.startswith(("xaxis", "yaxis"))}
    for name, value in usual.items():
        for place in sorted(axes) if name in ("xaxis", "yaxis") else [name]:
            if place.startswith(name):
                layout[place] = _beneath(layout.get(place), value)
    found = go.Figure({"data": _listed(raw["data"]), "layout": _listed(layout)})
    found.layout.template = None
    found.layout.datarevision = 1
    return found


def _beneath(given: Any, usual: Any) -> Any:
    """A setting with the template's below it: what is given stays."""
    if isinstance(given, Mapping) and isinstance(usual, Mapping):
        return {**usual, **{key: _beneath(value, usual.get(key)) for key, value in given.items()}}
    return usual if given is None else given


def _listed(value: Any) -> Any:
    """Every array as a list; single precision by its seven digits."""
    if isinstance(value, Mapping):
        if "bdata" not in value:
            return {key: _listed(part) for key, part in value.items()}
        cells = _unpacked(value)
        if "shape" in value:
            cells = cells.reshape([int(n) for n in str(value["shape"]).split(",")])
        return _listed(cells)
    if isinstance(value, (list, tuple)):
        return [_listed(part) for part in value]
    if not isinstance(value, np.ndarray):
        return None if isinstance(value, float) and value != value else value
    if value.ndim > 1 or value.dtype.kind not in "f":
        return [_listed(part) for part in value] if value.ndim > 1 else _listed(value.tolist())
    finite = np.isfinite(value)
    if bool(np.all(finite & (value == np.round(value)))):  # days, counts
        return value.astype(np.int64).tolist()
    numbers = [float(f"{x:.7g}") for x in value.tolist()] if value.itemsize == 4 else value.tolist()
    return [x if known else None for x, known in zip(numbers, finite.tolist(), strict=True)]


def _exchanged(value: Any) -> Any:
    if isinstance(value, str):
        return style.DARK.get(value.lower(), value) if len(value) == 7 and value[0] == "#" else value
    if isinstance(value, Mapping):
        return value if "bdata" in value else {key: _exchanged(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exchanged(x) for x in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        return np.array([_exchanged(x) for x in value.tolist()], dtype=object) if value.ndim == 1 else value
    return value


def _is_days(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "M"


def _unpacked(spec: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    return np.frombuffer(base64.b64decode(spec["bdata"]), dtype=f"<{spec['dtype']}")


def _packed(values: np.ndarray[Any, Any], dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "bdata": base64.b64encode(values.astype(f"<{dtype}").tobytes()).decode()}


def _thin(trace: dict[str, Any]) -> None:
    """Leave the lowest and highest value of each stretch of a trace that is too long to be told apart on a screen."""
    y = trace.get("y")
    values = _unpacked(y) if isinstance(y, Mapping) and "shape" not in y else y
    if trace.get("type") != "scatter" or not isinstance(values, np.ndarray) or values.size <= MAX_POINTS:
        return
    kept = stretches(values.astype(np.float64))
    for name in ("x", "y", "text", "customdata"):
        part = trace.get(name)
        if isinstance(part, Mapping):
            cells = _unpacked(part)
            shape = [int(n) for n in str(part["shape"]).split(",")] if "shape" in part else [cells.size]
            trace[name] = np.ascontiguousarray(cells.reshape(shape)[kept])
        elif isinstance(part, (np.ndarray, list, tuple)) and len(part) == values.size:
            trace[name] = np.asarray(part)[kept]


def stretches(values: np.ndarray[Any, Any], most: int = MAX_POINTS) -> np.ndarray[Any, Any]:
    """Places of the lowest and highest value of each stretch, of the ends, and of the first NaN of each gap, in order.

    >>> stretches(np.array([0.0, 5.0, 1.0, 2.0, -3.0, 0.0, np.nan, np.nan, 1.0]), most=4).tolist()
    [0, 1, 4, 6, 8]
    """
    missing = np.isnan(values)
    cuts = np.linspace(0, values.size, max(most // 2, 1) + 1).astype(int)[:-1]
    kept = np.zeros(values.size, dtype=bool)
    kept[[0, -1]] = True
    for filled, extreme in ((np.inf, np.minimum), (-np.inf, np.maximum)):
        known = np.where(missing, filled, values)
        best = np.repeat(extreme.reduceat(known, cuts), np.diff([*cuts, values.size]))
        places = np.flatnonzero((known == best) & ~missing)
        stretch = np.searchsorted(cuts, places, side="right")
        kept[places[np.unique(stretch, return_index=True)[1]]] = True
    kept |= missing & ~np.concatenate([[False], missing[:-1]])
    return np.flatnonzero(kept)
