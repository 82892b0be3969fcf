"""Figures as small JSON: arrays that many figures share are stored once, numbers to seven digits."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

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

    def add(self, figure: Any) -> dict[str, Any]:
        """Store `figure`; its number, height and subtitle."""
        raw = figure.to_plotly_json()
        layout = {k: v for k, v in raw["layout"].items() if k not in ("template", "title")}
        self._figures.append({"data": self._small(raw["data"]), "layout": self._small(layout)})
        caption = html.unescape(figure.layout.title.subtitle.text or "")
        return {"id": len(self._figures) - 1, "height": int(figure.layout.height), "caption": caption}

    def json(self) -> str:
        """Everything as JSON without ``<``, ``>``, ``&`` or line separators."""
        themes = {name: style.template(dark=name == "dark") for name in ("light", "dark")}
        content = {"arrays": self._arrays, "figures": self._figures, "themes": themes}
        content |= {"dark": style.DARK, "config": style.CONFIG}
        text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")

    def _small(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self._number_array(value) if "bdata" in value else {k: self._small(v) for k, v in value.items()}
        if isinstance(value, np.ndarray):
            return self._shared(_plain(value))
        if isinstance(value, (list, tuple)):
            return [self._small(v) for v in value]
        if isinstance(value, np.generic):
            return value.item()
        if hasattr(value, "isoformat"):
            return value.isoformat()
        return value

    def _number_array(self, spec: Mapping[str, Any]) -> Any:
        small = dict(spec)
        if spec["dtype"] == "f8":
            values = np.frombuffer(base64.b64decode(spec["bdata"]), dtype="<f8").astype("<f4")
            small |= {"dtype": "f4", "bdata": base64.b64encode(values.tobytes()).decode()}
        return self._shared(small) if len(small["bdata"]) > 4 * SHARED_FROM else small

    def _shared(self, value: Any) -> Any:
        """A reference ``{"ref": key}`` to a large array, kept under a key of its content."""
        if isinstance(value, list) and len(value) < SHARED_FROM:
            return value
        key = hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]
        self._arrays[key] = value
        return {"ref": key}


def _plain(values: np.ndarray[Any, Any]) -> list[Any]:
    """Lists as JSON knows them; stamps at midnight become dates."""
    if values.dtype.kind == "M":
        values = np.datetime_as_string(values, unit="s")
    if values.dtype.kind == "f":
        return [None if x != x else x for x in values.tolist()]
    plain = [x.isoformat() if hasattr(x, "isoformat") else x for x in values.tolist()]
    if plain and all(isinstance(x, str) and x[10:19] == "T00:00:00" and not x[19:].strip(".0") for x in plain):
        return [x[:10] for x in plain]
    return plain
