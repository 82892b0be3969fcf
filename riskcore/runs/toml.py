"""Settings as a TOML file that ``riskcore backtest --config`` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from riskcore.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(settings: Mapping[str, Any]) -> str:
    """Write settings, by the keys of a run file, so that reading them gives the same again.

    Parameters
    ----------
    settings : mapping
        Texts, numbers, truth values, lists and mappings of them; None means "not set".

    Raises
    ------
    ConfigError
        For a value that TOML does not know.

    Examples
    --------
    >>> print(to_toml({"window": 500, "models": ["ewma", "mine"], "model": {"mine": {"law": {"kind": "t", "nu": 4}}}}))
    window = 500
    models = ["ewma", "mine"]
    <BLANKLINE>
    [model.mine]
    law = {kind = "t", nu = 4}
    <BLANKLINE>
    """
    given = {name: value for name, value in settings.items() if value is not None}
    tables = {name: value for name, value in given.items() if isinstance(value, Mapping)}
    parts = ["\n".join(_lines({name: value for name, value in given.items() if name not in tables}))]
    for name, table in tables.items():
        if table and all(isinstance(value, Mapping) for value in table.values()):
            parts += [_table(f"{_key(name)}.{_key(inner)}", content) for inner, content in table.items()]
        else:
            parts.append(_table(_key(name), table))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(title: str, content: Mapping[str, Any]) -> str:
    return "\n".join([f"[{title}]", *_lines(content)])


def _lines(content: Mapping[str, Any]) -> list[str]:
    return [f"{_key(name)} = {_value(value)}" for name, value in content.items() if value is not None]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(_lines(value)) + "}"
    raise ConfigError(f"settings must be texts, numbers, lists and tables, got {value!r}")
