"""Everything riskcore raises on purpose.

::

    RiskcoreError
    ├── DataError    the file or frame cannot be used (also a ValueError)
    ├── ConfigError  a setting is outside its range (also a ValueError)
    └── FitError     an estimation found no acceptable optimum (also a RuntimeError)
"""

from __future__ import annotations


class RiskcoreError(Exception):
    """Everything riskcore raises on purpose."""


class DataError(RiskcoreError, ValueError):
    """The file or frame cannot be used; the text lists every fault found, and `findings` holds those of a file."""

    findings: tuple[object, ...] = ()


class ConfigError(RiskcoreError, ValueError):
    """A setting is outside its range; the text names the argument, the rule and the value."""


class FitError(RiskcoreError, RuntimeError):
    """An estimation found no acceptable optimum on its window."""


def require(ok: bool, message: str, error: type[RiskcoreError] = ConfigError) -> None:
    """Raise `error` with `message` unless `ok`.

    >>> require(0 < 0.5 < 1, "decay must lie in (0, 1), got 0.5")
    """
    if not ok:
        raise error(message)
