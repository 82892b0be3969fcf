"""Messages of the library in the words of the command line: options in place of Python's arguments."""

from __future__ import annotations

import re
import shlex

_NAMES = (
    "date_format", "date_column", "asset_column", "price_column", "header_row", "max_missing", "refit_every",
    "decimal", "layout", "sheet", "columns", "models", "targets", "window", "expanding", "jobs", "kind", "out",
    "values", "weights", "exog",
)  # fmt: skip
_VALUE = r"""'[^']*'|"[^"]*"|\[\.\.\.\]|\d+(?:\.\d+)?|\w+"""
_SET = re.compile(rf"(?<![\w.-])({'|'.join(_NAMES)})=({_VALUE})")
_FIRST = re.compile(rf"^({'|'.join(_NAMES)}|from|to) must (?=be|list|not lie|hold|lie|sum|name)")
# words that are plain English otherwise; neither quoted (a name in the file) nor in brackets (the code of a finding)
_BARE = re.compile(rf"(?<![\w\['\".-])({'|'.join(name for name in _NAMES if '_' in name)})(?![\w\]'\"=])")


def as_options(text: str) -> str:
    """`text` with the options of ``riskcore backtest`` for the arguments of Python.

    >>> as_options('2 dates fit both. Pass date_format="DMY" or date_format="MDY".')
    '2 dates fit both. Pass --date-format DMY or --date-format MDY.'
    >>> as_options('Pass decimal="." or decimal=",", or layout=\\'wide\\', or max_missing.')
    'Pass --decimal "." or --decimal ",", or --layout wide, or --max-missing.'
    """
    text = _SET.sub(lambda found: f"{_option(found[1])} {_word(found[2])}", text)
    text = _FIRST.sub(lambda found: f"{_option(found[1])} must ", text)
    return _BARE.sub(lambda found: _option(found[1]), text)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _word(value: str) -> str:
    """A value as a shell takes it."""
    if value == "[...]":
        return "A,B"
    inner = value[1:-1] if value[0] in "'\"" else value
    if re.fullmatch(r"[A-Za-z0-9_-]+", inner):
        return inner
    return shlex.quote(inner) if re.search(r'["$`\\!]', inner) else f'"{inner}"'
