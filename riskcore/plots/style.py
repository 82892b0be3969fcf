"""One look for all figures: palette, template, and the texts that name a target."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from riskcore._types import Target
from riskcore.errors import require
from riskcore.forecasts import Forecasts

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Spec = dict[str, Any]
"""A figure as plain values, ``data`` and ``layout``: the report writes it, `figure` makes a plotly figure of it."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, MUTED, GRID, PAPER = "#1b2733", "#5b6875", "#e3e8ed", "#ffffff"
LOSS, HIT, NOT_OK = "#7b8794", "#c8102e", "#8a6d00"
MEASURE_COLOURS = {
    "var": ("#00609c", "#4db1ea", "#9cc4e4"),
    "es": ("#c45500", "#e08a4a", "#efb98f"),
    "expectile": ("#006b52", "#45b394", "#93cdbd"),
}
HIT_RATE_COLOURS = ("#6f3596", "#b97fdb", "#d9bdeb")
"""Hit rates by rank of their VaR: none looks like a risk figure."""
MEASURE_DASHES = {"var": "solid", "es": "dash", "expectile": "dot"}
ZONE_COLOURS = {"green": "#cdeada", "yellow": "#f9e9b8", "red": "#f6cdd1"}
BAR, BAR_OUT, BAND = "#5f8fb8", "#c45501", "#cfd8e0"
NO_VALUE, BUTTON, BUTTON_ON = "#d5dbe1", "#eef1f4", "#cdd6de"
P_COLOURS = ("#b94e12", "#f3bd93", "#f8e6cf", "#dfeaf3")
"""Cells of p-values below 0.01, 0.05, 0.10 and above."""
P_LIMITS = (0.01, 0.05, 0.10)

CONFIG = {
    "displaylogo": False,
    "plotlyServerURL": "",
    "responsive": True,
    "doubleClickDelay": 400,
}
"""Settings for whoever shows a figure: nothing of it goes to a server."""
REMOVED_BUTTONS = ("sendChartToCloud", "sendDataToCloud", "select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d")
"""Left out of every figure's tool bar; the first two would upload the data."""

TITLES = {
    "traffic_light": "Traffic light (Basel)",
    "binomial": "Binomial (number of hits)",
    "kupiec": "Kupiec (number of hits)",
    "tuff": "Time until first failure",
    "christoffersen_independence": "Christoffersen independence",
    "christoffersen_coverage": "Christoffersen conditional coverage",
    "tbfi": "Waits for hits (Haas)",
    "tbf": "Number of hits and waits (Haas)",
    "weibull_duration": "Weibull duration (Christoffersen, Pelletier)",
    "gmm_duration": "GMM duration (Candelon and others)",
    "geometric_var": "Geometric-VaR (Pelletier, Wei)",
    "dynamic_quantile": "Dynamic quantile (Engle, Manganelli)",
    "var_quantile_regression": "Quantile regression on the VaR (Gaglianone and others)",
    "acerbi_szekely_z1": "Acerbi-Szekely Z1",
    "acerbi_szekely_z2": "Acerbi-Szekely Z2",
    "acerbi_szekely_z3": "Acerbi-Szekely Z3",
    "minimally_biased": "Minimally biased (Acerbi, Szekely)",
    "exceedance_residuals": "Exceedance residuals (McNeil, Frey)",
    "du_escanciano": "Du-Escanciano",
    "du_escanciano_conditional": "Du-Escanciano conditional",
    "costanzino_curran": "Costanzino-Curran",
    "berkowitz_tail": "Berkowitz tail",
    "multinomial": "Hits at several levels (Kratz, Lok, McNeil)",
    "multilevel": "Hits at all levels (Perignon, Smith)",
    "esr": "Regression of ES (Bayer, Dimitriadis)",
    "es_calibration": "Calibration of VaR and ES",
    "expectile_calibration": "Calibration of the expectile",
    "expectile_conditional_calibration": "Conditional calibration of the expectile",
    "expectile_realized_score": "Realised score of the expectile",
    "pit_uniformity": "Uniformity of the PIT",
    "e_var": "E-process of the VaR (any time)",
    "e_es": "E-process of VaR and ES (any time)",
    "e_expectile": "E-process of the expectile (any time, gains capped)",
    "berkowitz": "Berkowitz",
    "quantile": "Quantile score",
    "expectile": "Asymmetric squared error",
    "expectile_moving": "Asymmetric squared error at the day's level",
    "fz0": "FZ0 score of VaR and ES",
    "log_score": "Log score",
    "crps": "CRPS",
    "tail_crps": "CRPS weighted toward the upper tail",
}
"""What readers call the tests and scores of the tables."""

DARK = {
    INK: "#e6ebf0", MUTED: "#a3b0bc", GRID: "#323d48", PAPER: "#161c22",
    LOSS: "#8593a0", HIT: "#ff6b7d", NOT_OK: "#e0b93c",
    "#00609c": "#8fd0ff", "#4db1ea": "#2f8ad6", "#9cc4e4": "#2b5f87",
    "#c45500": "#ff9f5c", "#e08a4a": "#cc7434", "#efb98f": "#8f5226",
    "#006b52": "#86ecca", "#45b394": "#2aa07f", "#93cdbd": "#1f6a56",
    "#6f3596": "#cb7dff", "#b97fdb": "#8655c8", "#d9bdeb": "#6d4a87",
    "#cdeada": "#1c4430", "#f9e9b8": "#4d3f16", "#f6cdd1": "#54252d",
    BAR: "#5f93c2", BAR_OUT: "#ff9f5d", BAND: "#3a4753",
    NO_VALUE: "#2a333c", BUTTON: "#242d36", BUTTON_ON: "#3f4d5a",
    "#b94e12": "#b4571b", "#f3bd93": "#7d4a28", "#f8e6cf": "#54432f", "#dfeaf3": "#24384a",
}  # fmt: skip
"""Each colour's stand-in on a dark page; colours are unique so that a page can exchange them by name."""


def template(*, dark: bool = False) -> dict[str, Any]:
    """Layout defaults shared by all figures, as a plotly template."""
    ink, muted, grid, paper = (DARK[c] if dark else c for c in (INK, MUTED, GRID, PAPER))
    axis = {
        "gridcolor": grid, "linecolor": grid, "zerolinecolor": muted, "zerolinewidth": 1, "ticks": "outside",
        "ticklen": 4, "tickcolor": grid, "tickfont": {"color": muted, "size": 12}, "automargin": True,
        "title": {"font": {"color": muted, "size": 12}, "standoff": 8},
    }  # fmt: skip
    return {
        "layout": {
            "font": {"family": FONT, "size": 13, "color": ink},
            "title": {"font": {"size": 17}, "x": 0, "xref": "container", "xanchor": "left"},
            "paper_bgcolor": paper,
            "plot_bgcolor": paper,
            "hovermode": "x unified",
            "hoverlabel": {"bgcolor": paper, "bordercolor": grid, "font": {"color": ink, "size": 12}},
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "font": {"size": 12}},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": muted, "activecolor": ink},
            "margin": {"l": 60, "r": 20, "t": 64, "b": 48},
            "colorway": [DARK[c] if dark else c for c in ("#00609c", "#c45500", "#006b52", MUTED)],
            "xaxis": {**axis, "showgrid": False},
            "yaxis": axis,
        }
    }


def safe(name: object) -> str:
    """A name as plotly must get it to show it as it is: no tags, no TeX, no placeholders.

    >>> safe("<b>$x$</b> S&P")
    '&lt;b&gt;&#36;x&#36;&lt;/b&gt; S&amp;P'
    """
    text = re.sub(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", " ", str(name))
    return html.escape(text, quote=False).replace("$", "&#36;").replace("%{", "&#37;{")


def short(name: object, length: int = 22) -> str:
    """A name for the side of an axis: its beginning, if it is long.

    >>> short("garch-t"), short("a name of many letters", 10)
    ('garch-t', 'a name of…')
    """
    text = str(name)
    return safe(text if len(text) <= length else text[: length - 1].rstrip() + "…")


def level_text(level: float) -> str:
    """A probability level in percent.

    >>> level_text(0.975)
    '97.5 %'
    """
    return f"{100 * level:.10g} %"


def target_text(measure: str, level: float | None = None) -> str:
    """How a target is called in legends and tables; an expectile's level is never shown as a percentage.

    >>> [target_text("var", 0.99), target_text("expectile", 0.99855), target_text("density")]
    ['VaR 99 %', 'expectile VaR τ = 0.99855', 'density']
    >>> target_text("var"), target_text("expectile")
    ('VaR, all levels', "expectile VaR at the day's level")
    """
    if level is None or level != level:
        own = {"var": "VaR, all levels", "es": "ES", "expectile": "expectile VaR at the day's level"}
        return own.get(measure, measure)
    if measure == "expectile":
        return f"expectile VaR τ = {level:.10g}"
    name = {"var": "VaR", "es": "ES"}.get(measure, measure)
    return f"{name} {level_text(level)}"


def title(name: object) -> str:
    """A test or score in words; an unknown one keeps its name.

    >>> title("tuff"), title("my_test")
    ('Time until first failure', 'my test')
    """
    return TITLES.get(str(name), str(name).replace("_", " "))


def target_line(target: Target, targets: tuple[Target, ...]) -> dict[str, Any]:
    """Colour and dash of a target: its measure's, the first of a measure strongest."""
    rank = [t for t in targets if t.measure == target.measure].index(target)
    shades = MEASURE_COLOURS[target.measure]
    return {"color": shades[min(rank, len(shades) - 1)], "dash": MEASURE_DASHES[target.measure], "width": 1.6}


def loss_bars() -> dict[str, Any]:
    """How daily losses are drawn: bars from zero as one shape, which is drawn at once however many days there are.

    The line keeps days visible that are narrower than a pixel.
    """
    return {
        "name": "loss", "mode": "lines", "line": {"color": LOSS, "width": 0.5, "shape": "hvh"}, "fill": "tozeroy",
        "hovertemplate": "%{y:.2%}",
    }  # fmt: skip


def hit_rate_line(target: Target, targets: tuple[Target, ...]) -> dict[str, Any]:
    """Colour of the hit rate of a VaR, by its rank."""
    rank = [t for t in targets if t.measure == "var"].index(target)
    return {"color": HIT_RATE_COLOURS[min(rank, len(HIT_RATE_COLOURS) - 1)], "width": 1.4}


def only(forecasts: Forecasts, asset: str, model: str) -> Forecasts:
    """The rows of one asset and model as a table of their own."""
    if forecasts.units == [(asset, model)]:
        return forecasts
    place = forecasts.frame.index.get_loc((asset, model))  # rows of a unit stand together
    rows: pd.DataFrame = forecasts.frame.iloc[place]  # type: ignore[assignment]  # a slice: a frame
    return Forecasts(rows, forecasts.targets)


def pick(forecasts: Forecasts, asset: str | None, model: str | None) -> tuple[str, str]:
    """The asset and model to draw: the only ones, or those named."""
    chosen = []
    assets, models = (list(dict.fromkeys(unit[i] for unit in forecasts.units)) for i in (0, 1))
    for word, value, known in (("asset", asset, assets), ("model", model, models)):
        if value is None and len(known) == 1:
            value = known[0]
        require(value in known, f"{word} must be one of {known}, got {value!r}")
        chosen.append(str(value))
    pair = (chosen[0], chosen[1])
    require(pair in forecasts.units, f"asset, model must be one of {forecasts.units}, got {pair!r}")
    return pair


def figure(spec: Spec) -> go.Figure:
    """A plotly figure, checked once as a whole: changed piece by piece it would be checked with every piece."""
    import plotly.graph_objects as go

    return go.Figure(spec)


def look(*, title: str, subtitle: str = "", height: int = 420, legend: bool = True, **layout: Any) -> dict[str, Any]:
    """The layout that all figures share, with `layout` above it."""
    # Room for labels and one row of legend: what does not fit makes plotly.js draw the whole figure a second time.
    room = {"l": 76, "r": 34, "b": 84 if legend else 60}
    place = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 12, "l": 8}}
    return {
        "template": template(),
        "title": {"text": title, "subtitle": {"text": subtitle, "font": {"size": 12, "color": MUTED}}, **place},
        "height": height,
        "showlegend": legend,
        "modebar": {"remove": list(REMOVED_BUTTONS)},
        **layout,
        "margin": {**room, **layout.get("margin", {})},
    }


def finish(figure: go.Figure, **layout: Any) -> go.Figure:
    """Give a figure the common look."""
    common = look(**layout)
    figure.layout.template = common.pop("template")  # an update would be merged into plotly's own template
    figure.update_layout(**common)
    return figure


def panels(heights: Sequence[float], spacing: float = 0.0, *, shared: bool = True) -> dict[str, Any]:
    """Axes of panels below each other, the first on top; `shared` panels move together and name x values once.

    >>> [panels([3.0, 1.0], 0.2)[name]["domain"] for name in ("yaxis", "yaxis2")]
    [[0.4, 1.0], [0.0, 0.2]]
    """
    room = 1.0 - spacing * (len(heights) - 1)
    sizes = [room * h / sum(heights) for h in heights]
    axes: dict[str, Any] = {}
    for i, size in enumerate(sizes, start=1):
        n, bottom = axis_number(i), sum(sizes[i:]) + spacing * (len(sizes) - i)
        follows = {"matches": f"x{len(sizes)}", "showticklabels": False} if shared and i < len(sizes) else {}
        axes["xaxis" + n] = {"anchor": "y" + n, "domain": [0.0, 1.0], **follows}
        axes["yaxis" + n] = {"anchor": "x" + n, "domain": [bottom, min(bottom + size, 1.0)]}  # a sum may round above 1
    return axes


def axis_number(panel: int) -> str:
    """What plotly puts behind the names of a panel's axes: the first has none."""
    return "" if panel == 1 else str(panel)


def within(panel: int) -> dict[str, str]:
    """The axes of a trace in a panel of `panels`."""
    return {"xaxis": f"x{axis_number(panel)}", "yaxis": f"y{axis_number(panel)}"}


def across(y0: float, y1: float, panel: int = 1, **shape: Any) -> dict[str, Any]:
    """A line, or a rectangle of no edge, over the whole width of a panel."""
    n = axis_number(panel)
    kind = {"type": "line"} if y0 == y1 else {"type": "rect"}
    return {**kind, "x0": 0, "x1": 1, "xref": f"x{n} domain", "y0": y0, "y1": y1, "yref": f"y{n}", **shape}


def empty(title: str, reason: str) -> Spec:
    """A figure that says why there is nothing to draw."""
    note = {"text": reason, "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
    notes = [{**note, "font": {"color": MUTED, "size": 14}}]
    hidden: dict[str, Any] = {"xaxis": {"visible": False}, "yaxis": {"visible": False}}
    return {"data": [], "layout": look(title=title, height=220, legend=False, annotations=notes, **hidden)}
