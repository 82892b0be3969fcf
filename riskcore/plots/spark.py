"""Small drawings of a course, as SVG text: a page shows seven of them at once, which seven interactive charts slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from riskcore._types import FloatArray
from riskcore.errors import require
from riskcore.plots.style import DARK

Form = Literal["line", "steps", "bars", "area"]
FORMS: tuple[Form, ...] = ("line", "steps", "bars", "area")
WIDTH, HEIGHT = 300, 56
_PAD = 4.0
_DOT = 3.0


def sparkline(values: Sequence[float], *, form: Form = "line", colour: str, dark: bool = False) -> str:
    """The course of a figure without axes: a line, steps, bars or an area, with a dot on the last value.

    Parameters
    ----------
    values : sequence of float
        Evenly spaced, oldest first; NaN are gaps.
    form : {"line", "steps", "bars", "area"}
        Bars and areas stand on zero, lines and steps fill the height.
    colour : str
        Of `riskcore.plots.style`.
    dark : bool
        Exchange the colour for its stand-in of `riskcore.plots.style.DARK`.

    Returns
    -------
    str
        An SVG of `WIDTH` × `HEIGHT` that scales; empty where fewer than two values are finite.

    Raises
    ------
    ConfigError
        If `form` is none of its choices.

    Examples
    --------
    >>> "".join(sparkline([1.0, 3.0, 2.0], colour="#00609c").splitlines()[1:2])
    '<path d="M4 52 150 4 296 28" fill="none" stroke="#00609c" stroke-width="1.8" stroke-linejoin="round"/>'
    """
    require(form in FORMS, f"form must be one of {list(FORMS)}, got {form!r}")
    y = np.asarray(values, dtype=np.float64)
    known = np.isfinite(y)
    if int(known.sum()) < 2:
        return ""
    drawn = DARK.get(colour, colour) if dark else colour
    low, high = float(y[known].min()), float(y[known].max())
    if form in ("bars", "area"):
        low, high = min(low, 0.0), max(high, 0.0)
    span = high - low
    x = _PAD + np.arange(y.size) * (WIDTH - 2 * _PAD) / max(y.size - 1, 1)
    height = HEIGHT - _PAD - (y - low) / (span or 1.0) * (HEIGHT - 2 * _PAD)
    if span == 0.0:
        height = np.where(known, HEIGHT / 2, np.nan)
    zero = HEIGHT - _PAD + low / (span or 1.0) * (HEIGHT - 2 * _PAD)
    runs = _runs(known)
    parts = [_part(form, x, height, zero, drawn, runs)]
    if form != "bars":
        last = int(np.flatnonzero(known)[-1])
        parts.append(f'<circle cx="{x[last]:.4g}" cy="{height[last]:.4g}" r="{_DOT:g}" fill="{drawn}"/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
    return "\n".join([head, *parts, "</svg>"])


def _runs(known: np.ndarray[Any, Any]) -> list[slice]:
    """Stretches without a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _part(form: Form, x: FloatArray, y: FloatArray, zero: float, colour: str, runs: list[slice]) -> str:
    if form == "bars":
        path = "".join(f"M{a:.4g} {zero:.4g}V{b:.4g}" for run in runs for a, b in zip(x[run], y[run], strict=True))
        width = min(max(0.6, 0.7 * (WIDTH - 2 * _PAD) / max(x.size - 1, 1)), 2 * _PAD)
        return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:.2g}"/>'
    line = "".join(_line(x[run], y[run], steps=form == "steps") for run in runs)
    stroke = f'stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"'
    if form != "area":
        return f'<path d="{line}" fill="none" {stroke}/>'
    closed = "".join(
        f"{_line(x[run], y[run], steps=False)}L{x[run][-1]:.4g} {zero:.4g}H{x[run][0]:.4g}Z" for run in runs
    )
    return f'<path d="{closed}" fill="{colour}" fill-opacity="0.2"/>\n<path d="{line}" fill="none" {stroke}/>'


def _line(x: FloatArray, y: FloatArray, *, steps: bool) -> str:
    if steps:
        first = f"M{x[0]:.4g} {y[0]:.4g}"
        return first + "".join(f"H{a:.4g}V{b:.4g}" for a, b in zip(x[1:], y[1:], strict=True))
    return "M" + " ".join(f"{a:.4g} {b:.4g}" for a, b in zip(x, y, strict=True))
