"""Settings of a run: the command line over a TOML file over the defaults."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from riskcore import defaults
from riskcore._types import Target, WalkForward
from riskcore.errors import ConfigError, require
from riskcore.returns import check_weights
from riskcore.runs.pool import check_jobs

if TYPE_CHECKING:
    from riskcore.forecasters.base import Forecaster
    from riskcore.returns import ReturnKind

INGEST: Mapping[str, str] = {
    "values": "a text",
    "date_format": "a text",
    "layout": "a text",
    "decimal": "a text",
    "sheet": "a text",
    "columns": "a list of texts or a table of texts",
    "name": "a text",
    "header_row": "a whole number",
    "date_column": "a text",
    "asset_column": "a text",
    "price_column": "a text",
    "max_missing": "a number",
}
KEYS: Mapping[str, str] = {
    "models": "a list of texts",
    "targets": "a list of texts",
    "window": "a whole number",
    "refit_every": "a whole number",
    "expanding": "true or false",
    "from": "a date",
    "to": "a date",
    "jobs": "a whole number",
    "kind": "a text",
    "weights": "a table of numbers",
    "exog": "a text",
    **INGEST,
    "model": "a table of tables",
}
Part = TypeVar("Part")
MAX_BYTES = 1_000_000
MAX_MODELS = 500
MAX_TARGETS = 100
MAX_COLUMNS = 10_000
MAX_TEXT = 200


@dataclass(frozen=True)
class Settings:
    """Everything that the command ``riskcore backtest`` needs besides its files, checked."""

    models: tuple[str | Forecaster, ...]
    targets: tuple[Target, ...]
    plan: WalkForward
    from_date: str | None
    to_date: str | None
    jobs: int
    kind: ReturnKind
    ingest: Mapping[str, Any]
    weights: Mapping[str, float] | None = None
    exog: str | None = None

    @property
    def values(self) -> Literal["prices", "returns"]:
        """What the reader gives for the files: percent, too, come out of it as returns."""
        return "prices" if self.ingest.get("values", "prices") == "prices" else "returns"


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a TOML file and check the names and types of its keys.

    Raises
    ------
    ConfigError
        For a file that is no TOML, an unknown key (with the closest known one) or a value of another type.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        require(size <= MAX_BYTES, f"config must have at most {MAX_BYTES} bytes, got {size}")
        config = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"config must be a file that can be read, got {str(file)!r}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"config must be TOML, got {str(file)!r}: {error}") from error
    check_keys(config, file.name)
    return config


def check_keys(config: Mapping[str, Any], where: str = "") -> None:
    """Raise a ConfigError for a key that is not in `KEYS`, or a value of another type than it says.

    >>> check_keys({"window": "500"})
    Traceback (most recent call last):
    riskcore.errors.ConfigError: window must be a whole number, got '500'
    """
    place = f" in {where}" if where else ""
    for name, value in config.items():
        known_name(name, KEYS, "config key")
        require(_fits(value, KEYS[name]), f"{name} must be {KEYS[name]}, got {_shown(value)}{place}")


def known_name(name: str, known: Collection[str], what: str) -> None:
    """Raise unless `name` is known, with the closest known name as a hint.

    >>> known_name("windw", ["window"], "config key")
    Traceback (most recent call last):
    riskcore.errors.ConfigError: config key must be one of window, got 'windw'; did you mean 'window'?
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    require(name in known, f"{what} must be one of {', '.join(known)}, got {_shown(name)}{hint}")


def _fits(value: object, kind: str) -> bool:
    if kind == "a list of texts or a table of texts":
        return _fits(value, "a list of texts") or (isinstance(value, dict) and _fits([*value.values()], kind))
    if kind == "a list of texts":
        return isinstance(value, (list, tuple)) and all(isinstance(x, str) and len(x) <= MAX_TEXT for x in value)
    if kind == "a table of numbers":
        return isinstance(value, dict) and all(_fits(x, "a number") for x in value.values())
    if kind == "a whole number":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "a number":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if kind == "true or false":
        return isinstance(value, bool)
    if kind == "a date":
        return isinstance(value, str) or (isinstance(value, date) and not isinstance(value, datetime))
    if kind == "a table of tables":
        return isinstance(value, dict) and all(isinstance(x, dict) for x in value.values())
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def settings(command_line: Mapping[str, Any], config: Mapping[str, Any]) -> Settings:
    """Merge the command line over `config` over the defaults, and check every value.

    Parameters
    ----------
    command_line : mapping
        By the keys of the file; None means "not given". `models`, `targets` and `columns` may be texts with commas,
        `weights` a text such as ``A=0.6,B=0.4``.
    config : mapping
        As :func:`read_config` returns it; keys and types are checked here too. None means "not given".

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """
    config = {name: value for name, value in config.items() if value is not None}
    check_keys(config)
    given = {**config, **{name: value for name, value in command_line.items() if value is not None}}
    tables = config.get("model", {})
    require(len(tables) <= MAX_MODELS, f"model must hold at most {MAX_MODELS} tables, got {len(tables)}")
    defined = {name: define_model(name, table) for name, table in tables.items()}
    names = _texts(given.get("models", list(defined) or list(defaults.MODELS)), "models", MAX_MODELS)
    targets = _texts(given.get("targets", list(defaults.TARGETS)), "targets", MAX_TARGETS)
    plan = WalkForward(
        window=given.get("window", defaults.WINDOW),
        refit_every=given.get("refit_every", defaults.REFIT_EVERY),
        expanding=given.get("expanding", False),
    )
    kind = given.get("kind", defaults.RETURN_KIND)
    require(kind in ("log", "simple"), f"kind must be one of log, simple, got {_shown(kind)}")
    ingest = {name: given[name] for name in INGEST if name in given}
    if "columns" in ingest:
        ingest["columns"] = _columns(ingest["columns"])
    jobs = given.get("jobs", -1)
    check_jobs(jobs)
    return Settings(
        models=tuple(_model(name, defined) for name in names),
        targets=tuple(Target.parse(text) for text in targets),
        plan=plan,
        from_date=_day(given.get("from"), "from"),
        to_date=_day(given.get("to"), "to"),
        jobs=jobs,
        kind=kind,
        ingest=ingest,
        weights=_weights(given.get("weights")),
        exog=given.get("exog"),
    )


def _texts(value: str | list[str], name: str, most: int) -> list[str]:
    texts = value.split(",") if isinstance(value, str) else list(value)
    texts = [text.strip() for text in texts if text.strip()]
    require(0 < len(texts) <= most, f"{name} must list 1 to {most} entries, got {len(texts)}")
    return texts


def _columns(value: str | list[str] | Mapping[str, str]) -> list[str] | dict[str, str]:
    """Columns to read; a table gives each its asset's name."""
    if not isinstance(value, Mapping):
        return _texts(value, "columns", MAX_COLUMNS)
    require(0 < len(value) <= MAX_COLUMNS, f"columns must list 1 to {MAX_COLUMNS} entries, got {len(value)}")
    return dict(value)


def _weights(value: str | Mapping[str, float] | None) -> dict[str, float] | None:
    """Asset to weight; whether the assets exist is seen when the file is read."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        weights = {name: float(weight) for name, weight in value.items()}
    else:
        weights = {}
        for part in value.split(","):
            name, _, number = part.rpartition("=")
            fault = f"weights must be asset=weight pairs such as A=0.6,B=0.4, got {_shown(part.strip())}"
            require(name.strip() != "" and name.strip() not in weights, fault)
            try:
                weights[name.strip()] = float(number)
            except ValueError as error:
                raise ConfigError(fault) from error
    require(0 < len(weights) <= MAX_COLUMNS, f"weights must name 1 to {MAX_COLUMNS} assets, got {len(weights)}")
    check_weights(weights)
    return weights


def _day(value: str | date | None, name: str) -> str | None:
    if value is None:
        return None
    try:
        return (date.fromisoformat(value) if isinstance(value, str) else value).isoformat()
    except ValueError as error:
        raise ConfigError(f"{name} must be a date such as 2005-01-31, got {_shown(value)}") from error


def _model(name: str, defined: Mapping[str, Forecaster]) -> str | Forecaster:
    """A model that the file defines, or the name of one in the registry."""
    from riskcore.forecasters import FORECASTERS

    if name in defined:
        return defined[name]
    known_name(name, [*defined, *FORECASTERS], "model")
    return name


def define_model(name: str, table: Mapping[str, Any]) -> Forecaster:
    """Build the model of a table ``[model.<name>]``.

    Keys `mean`, `volatility` and `law` (each a name from its registry, or a table of ``kind`` and parameters) give a
    LocationScale; another `kind`, such as ``"care"``, gives that model of `TAIL_MODELS` with the settings it has.

    Raises
    ------
    ConfigError
        For an unknown key, name or parameter, or a value outside its range.

    Examples
    --------
    >>> define_model("mine", {"volatility": "gjr", "law": {"kind": "t", "nu": 4}}).name
    'mine'
    """
    from riskcore.distributions import LAWS
    from riskcore.forecasters import TAIL_MODELS, LocationScale
    from riskcore.volatility import MEANS, VOLATILITIES, ExogMean

    where = f"model.{name}"
    require(0 < len(name) <= MAX_TEXT, f"model names must have 1 to {MAX_TEXT} characters, got {len(name)}")
    kind = table.get("kind", "location-scale")
    known_name(str(kind), ("location-scale", *TAIL_MODELS), f"{where}.kind")
    rest = {key: value for key, value in table.items() if key != "kind"}
    means = {**MEANS, "exog": ExogMean(("exog",))}
    registries: dict[str, Mapping[str, Any]] = {"mean": means, "volatility": VOLATILITIES, "law": LAWS}
    parts = {}
    if kind in TAIL_MODELS:
        for key in rest:
            known_name(key, _parameters(TAIL_MODELS[kind]), f"{where} key")
        plain = {key: value for key, value in rest.items() if key not in registries}
        model: Any = _with(TAIL_MODELS[kind], {**plain, "name": name}, where)
        parts = {k: _part(v, registries[k], f"{where}.{k}") for k, v in rest.items() if k in registries}
        tail: Forecaster = _replaced(model, parts, where)
        return tail
    for key, value in rest.items():
        known_name(key, ("kind", *registries), f"{where} key")
        parts[key] = _part(value, registries[key], f"{where}.{key}")
    require("volatility" in parts or "law" in parts, f"{where} must set volatility or law, got neither")
    return LocationScale(**parts, name=name)


def _part(value: object, registry: Mapping[str, Any], where: str) -> Any:
    """An entry of a registry, with the parameters that the table sets."""
    chosen = {"kind": value} if isinstance(value, str) else value
    named = isinstance(chosen, dict) and isinstance(chosen.get("kind"), str)
    require(
        named, f'{where} must be a name or a table such as {{kind = "{next(iter(registry))}"}}, got {_shown(value)}'
    )
    assert isinstance(chosen, dict)  # said by `named`
    known_name(chosen["kind"], registry, where)
    part = registry[chosen["kind"]]
    parameters = {key: x for key, x in chosen.items() if key != "kind"}
    for key in parameters:
        known_name(key, _parameters(part) or ["kind"], f"{where} parameter")
    return _with(part, parameters, where)


def _plain(value: object) -> bool:
    number = isinstance(value, (int, float)) and math.isfinite(value)
    return number or (isinstance(value, str) and len(value) <= MAX_TEXT)


def _parameters(part: Any) -> list[str]:
    return [f.name for f in fields(part) if f.init and f.name not in ("name", "kind")]


def _with(part: Part, parameters: Mapping[str, Any], where: str) -> Part:
    """`part` with other parameters; its own checks give the bounds. Lists are taken where there are tuples."""
    for key, value in parameters.items():
        listed = (
            isinstance(getattr(part, key), tuple) and isinstance(value, (list, tuple)) and len(value) <= MAX_TARGETS
        )
        sound = all(map(_plain, value)) if listed else _plain(value)
        require(sound, f"{where}.{key} must be a finite number or a text, got {_shown(value)}")
    return _replaced(part, {k: tuple(v) if isinstance(v, list) else v for k, v in parameters.items()}, where)


def _replaced(part: Part, given: Mapping[str, Any], where: str) -> Part:
    try:
        return replace(part, **given)  # type: ignore[type-var]  # all are frozen dataclasses
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where} cannot be set: {error}") from error
