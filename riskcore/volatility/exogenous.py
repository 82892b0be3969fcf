"""Exogenous columns: which of them a model reads, and what a window of them must be."""

from __future__ import annotations

import numpy as np

from riskcore._types import BoolArray, FloatArray
from riskcore.errors import FitError, require

LONGEST_GAP = 10
"""Days of losses in a row for which a realized variance may be missing: its forecasts stand in."""


def exog_names(part: object) -> tuple[str, ...]:
    """Names of the exogenous columns that a forecaster, volatility or mean reads, in its order; as a rule none.

    >>> exog_names(object())
    ()
    """
    return tuple(getattr(part, "needs_exog", ()))


def fresh_names(part: object) -> tuple[str, ...]:
    """Names of those columns that are not carried forward where they are missing; as a rule none.

    >>> fresh_names(object())
    ()
    """
    return tuple(getattr(part, "fresh_exog", ()))


def too_long(missing: BoolArray) -> BoolArray:
    """Rows that are missing, as are at least the `LONGEST_GAP` rows before them.

    >>> np.flatnonzero(too_long(np.arange(20) > 7)).tolist()
    [18, 19]
    """
    last = np.maximum.accumulate(np.where(missing, -1, np.arange(missing.size)))
    return np.asarray(np.arange(missing.size) - last > LONGEST_GAP)


def known_window(
    exog: FloatArray | None, names: tuple[str, ...], n_rows: int, fresh: tuple[str, ...] = ()
) -> FloatArray:
    """The window's columns, checked.

    Parameters
    ----------
    exog : array, shape (n, m)
        One row per loss of the window.
    names : tuple of str
        Names of its columns.
    n_rows : int
        Number of losses.
    fresh : tuple of str
        Names of those that may be missing for up to `LONGEST_GAP` days in a row: the model forecasts them.

    Raises
    ------
    FitError
        For a column that is not known on every day of the window, or missing for too long.
    """
    shape = None if exog is None else exog.shape
    ok = exog is not None and shape == (n_rows, len(names))
    require(
        ok, f"exog must have shape {(n_rows, len(names))} for the columns {', '.join(names)}, got {shape}", FitError
    )
    assert exog is not None  # said by `ok`
    for name, column in zip(names, exog.T, strict=True):
        unknown = ~np.isfinite(column)
        if name in fresh:
            long = bool(too_long(unknown).any()) or bool(unknown.all())
            require(not long, f"exog column `{name}` must not be missing for more than {LONGEST_GAP} days of losses in "
                    "a row in a window, got a longer gap", FitError)  # fmt: skip
            unknown = np.isinf(column)
        missing = int(unknown.sum())
        require(missing == 0, f"exog column `{name}` must be known on every day of the window, got {missing} without",
                FitError)  # fmt: skip
    return exog
