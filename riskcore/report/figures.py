"""Figures as small JSON: arrays that many figures share are stored once, numbers to seven digits."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskcore.plots import style

SHARED_FROM = 40
"""Arrays of at least this many entries are stored apart."""


class FigureStore:
    """Collects figures for a page; `json` is safe inside a script element.

    Doubles become single precision (seven digits, more than a screen shows) and whole days become dates without time;
    nothing is thinned out. Title, subtitle and template are left to the page.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Any] = {}
        self._figures: list[dict[str, Any]] = []

    def add(self, spec: style.Spec) -> dict[str, Any]:
        """Store a figure given as plain values; its number, height and subtitle."""
        layout = {k: v for k, v in spec["layout"].items() if k not in ("template", "title")}
        self._figures.append({"data": self._small(spec["data"]), "layout": self._small(layout)})
        caption = html.unescape(spec["layout"]["title"]["subtitle"]["text"])
        return {"id": len(self._figures) - 1, "height": int(spec["layout"]["height"]), "caption": caption}

    def json(self) -> str:
        """Everything as JSON without ``<``, ``>``, ``&`` or line separators."""
        themes = {name: style.template(dark=name == "dark") for name in ("light", "dark")}
        content = {"arrays": self._arrays, "figures": self._figures, "themes": themes}
        content |= {"dark": style.DARK, "config": style.CONFIG}
        text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    def _small(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return self._shared(value)
        if isinstance(value, Mapping):
            return {k: self._small(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._small(v) for v in value]
        if isinstance(value, np.generic):
            return value.item()
        return value.isoformat() if hasattr(value, "isoformat") else value

    def _shared(self, values: NDArray[Any]) -> Any:
        """A large array as ``{"ref": key}``, kept under a key of its content."""
        if values.size < SHARED_FROM:
            return _plain(values)
        content = repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
        key = hashlib.sha256(f"{values.dtype.str}{values.shape}".encode() + content).hexdigest()[:12]
        if key not in self._arrays:
            self._arrays[key] = _plain(values)
        return {"ref": key}


def _plain(values: NDArray[Any]) -> Any:
    """An array as JSON knows it: numbers as plotly.js unpacks them, days without their time where all are midnights."""
    if values.dtype.kind == "M":
        whole = bool(np.all(values == values.astype("M8[D]")))
        return np.datetime_as_string(values, unit="D" if whole else "s").tolist()
    if values.dtype.kind not in "iuf" or values.size == 0:
        return values.tolist()
    kind = np.dtype("<f4")
    if values.dtype.kind in "iu":
        kind = np.result_type(*(np.min_scalar_type(x) for x in (values.min(), values.max())))
    packed = base64.b64encode(values.astype(kind).tobytes()).decode()
    shape = {"shape": ", ".join(map(str, values.shape))} if values.ndim > 1 else {}
    return {"dtype": kind.str[1:], "bdata": packed, **shape}
