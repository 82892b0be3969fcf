"""The manifest of a run as a table for readers."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from typing import Any

from riskcore._types import Target
from riskcore.errors import RiskcoreError
from riskcore.plots.style import target_text
from riskcore.runs.cards import cards_of, cost_words

WORDS = {
    "StudentT": "Student t",
    "SkewT": "skewed t",
    "Empirical": "empirical",
    "AgeWeighted": "age-weighted empirical",
    "CornishFisher": "Cornish-Fisher",
    "TailGPD": "generalised Pareto tail",
    "VolatilityWeighted": "volatility-weighted empirical",
    "Normal": "normal",
    "Constant": "constant",
    "ConstantMean": "constant",
    "ZeroMean": "zero",
}
VERSIONS = ("riskcore", "engine")


def settings_rows(manifest: Mapping[str, Any] | None) -> list[tuple[str, list[str]]]:
    """What was run, on what and with which versions: a name and its lines; what is unknown is left out.

    >>> settings_rows({"settings": {"window": 1000, "refit_every": 20}})
    [('Window', ['1,000 days']), ('Refit', ['every 20 days'])]
    """
    known = manifest or {}
    settings = _mapping(known.get("settings"))
    rows = [
        ("Window", _window(settings)),
        ("Refit", _refit(settings)),
        ("Forecasts", _span(settings)),
        ("Targets", [", ".join(_target(t) for t in _list(settings.get("targets")))]),
        ("Models", _models(settings.get("models"))),
        ("Exogenous columns", [_exog(settings.get("exog"))]),
        ("Returns", [_returns(_mapping(known.get("notes")))]),
        ("Portfolio", [_weights(_mapping(known.get("notes")).get("weights"))]),
        ("Prices", [_prices(name, part) for name, part in _mapping(known.get("data")).items()]),
        ("Files", [_file(part) for part in _list(known.get("inputs"))]),
        ("Versions", _versions(known)),
        ("Computed", _computed(_mapping(known.get("timings")))),
    ]
    kept = [(name, [line for line in lines if line]) for name, lines in rows]
    return [(name, lines) for name, lines in kept if lines]


def model_rows(manifest: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The run's models with their cards and measured cost; those that riskcore knows nothing of are left out."""
    models = _mapping(_mapping((manifest or {}).get("settings")).get("models"))
    rows = [{"name": name, "cards": cards_of(str(text)), "cost": cost_words(name)} for name, text in models.items()]
    return [row for row in rows if row["cards"]]


def raw_manifest(manifest: Mapping[str, Any] | None) -> str:
    """The manifest as indented JSON, empty without one."""
    return json.dumps(manifest, indent=1, ensure_ascii=False, default=str) if manifest else ""


def describe(text: str) -> str:
    """A model's settings, written as a call, in words.

    >>> describe("LocationScale(mean=None, volatility=GARCH(start='backcast'), law=StudentT(nu=None), name=None)")
    'GARCH volatility (start: backcast), Student t law'
    >>> describe("CARE(form='linear', level=None, name=None)")
    'CARE (form: linear)'
    >>> describe("not a call(")
    'not a call('
    """
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return text
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return text
    parts = {k.arg: k.value for k in call.keywords if k.arg and not _is_none(k.value)}
    if call.func.id != "LocationScale":
        return _call(call)
    words = [f"{_call(parts[k], k)}" for k in ("mean", "volatility", "law") if k in parts]
    return ", ".join(words)


def _call(node: ast.expr, role: str = "") -> str:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return " ".join(x for x in (ast.unparse(node), role) if x)
    name = " ".join(x for x in (WORDS.get(node.func.id, node.func.id), role) if x)
    settings = [f"{k.arg}: {_value(k.value)}" for k in node.keywords if k.arg != "name" and not _is_none(k.value)]
    return f"{name} ({', '.join(settings)})" if settings else name


def _value(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _whole(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _returns(notes: Mapping[str, Any]) -> str:
    """Kind of return, and what stands in the file where that is not prices.

    >>> _returns({"kind": "log"}), _returns({"kind": "simple", "values": "percent"})
    ('log', 'simple; the file holds returns in percent')
    """
    of_file = {"returns": "returns", "percent": "returns in percent"}.get(str(notes.get("values", "")))
    return f"{notes.get('kind', '')}; the file holds {of_file}" if of_file else str(notes.get("kind", ""))


def _weights(weights: object) -> str:
    return ", ".join(f"{asset} {100 * share:.6g} %" for asset, share in _mapping(weights).items())


def _exog(part: object) -> str:
    """Columns that models read beside the losses.

    >>> _exog({"columns": ["rv", "vix"], "known_from": "2011-03-07", "sha256": "0123456789abcdef"})
    'rv, vix, known from 2011-03-07 (sha256 0123456789ab)'
    """
    known = _mapping(part)
    if not known:
        return ""
    since = f", known from {known['known_from']}" if known.get("known_from") else ""
    return f"{', '.join(map(str, _list(known.get('columns'))))}{since} (sha256 {str(known.get('sha256', ''))[:12]})"


def _window(settings: Mapping[str, Any]) -> list[str]:
    if "window" not in settings:
        return []
    days = f"{_whole(settings['window'])} days"
    return [f"expanding, at least {days}" if settings.get("expanding") else days]


def _refit(settings: Mapping[str, Any]) -> list[str]:
    if "refit_every" not in settings:
        return []
    return ["every day" if settings["refit_every"] == 1 else f"every {_whole(settings['refit_every'])} days"]


def _span(settings: Mapping[str, Any]) -> list[str]:
    ends = [f"{word} {settings[word]}" for word in ("from", "to") if settings.get(word)]
    ahead = ["with the next day"] if settings.get("ahead") else []
    return [", ".join([" ".join(ends)] * bool(ends) + ahead)]


def _target(text: object) -> str:
    try:
        target = Target.parse(str(text))
    except RiskcoreError:
        return str(text)
    return target_text(target.measure, target.level)


def _models(models: object) -> list[str]:
    if isinstance(models, Mapping):
        return [f"{name}: {describe(str(text))}" for name, text in models.items()]
    return [str(name) for name in _list(models)]


def _prices(name: str, part: object) -> str:
    known = _mapping(part)
    return f"{name}: {_whole(known.get('rows', '–'))} days, {known.get('first', '–')} to {known.get('last', '–')}"


def _file(part: object) -> str:
    known = _mapping(part)
    size = f" ({_whole(known['bytes'])} bytes)" if "bytes" in known else ""
    return f"{known.get('name', '')}{size}"


def _versions(known: Mapping[str, Any]) -> list[str]:
    code, more = _mapping(known.get("code")), _mapping(known.get("dependencies"))
    lines = [{k: v for k, v in code.items() if k in VERSIONS}]
    lines += [{**{k: v for k, v in code.items() if k not in VERSIONS}, **more}]
    texts = [", ".join(f"{k} {v}" for k, v in line.items()) for line in lines]
    python = f"Python {known['python']}" if "python" in known else ""
    return [*texts, ", ".join(str(x) for x in (python, known.get("platform")) if x)]


def _computed(timings: Mapping[str, Any]) -> list[str]:
    if "started" not in timings:
        return []
    seconds = f", in {timings['seconds']:.0f} s" if isinstance(timings.get("seconds"), (int, float)) else ""
    return [f"{timings['started']}{seconds}"]
