"""Exogenous columns: which of them a model reads, and what a window of them must be."""

from __future__ import annotations

import numpy as np

from riskcore._types import FloatArray
from riskcore.errors import FitError, require


def exog_names(part: object) -> tuple[str, ...]:
    """Names of the exogenous columns that a forecaster, volatility or mean reads, in its order; as a rule none.

    >>> exog_names(object())
    ()
    """
    return tuple(getattr(part, "needs_exog", ()))


def fresh_names(part: object) -> tuple[str, ...]:
    """Names of those columns whose last value may stand in for a few days only; as a rule none.

    >>> fresh_names(object())
    ()
    """
    return tuple(getattr(part, "fresh_exog", ()))


def known_window(exog: FloatArray | None, names: tuple[str, ...], n_rows: int) -> FloatArray:
    """The window's columns, checked.

    Parameters
    ----------
    exog : array, shape (n, m)
        One row per loss of the window.
    names : tuple of str
        Names of its columns.
    n_rows : int
        Number of losses.

    Raises
    ------
    FitError
        For a column that is not known on every day of the window.
    """
    shape = None if exog is None else exog.shape
    ok = exog is not None and shape == (n_rows, len(names))
    require(
        ok, f"exog must have shape {(n_rows, len(names))} for the columns {', '.join(names)}, got {shape}", FitError
    )
    assert exog is not None  # said by `ok`
    for name, column in zip(names, exog.T, strict=True):
        missing = int((~np.isfinite(column)).sum())
        require(missing == 0, f"exog column `{name}` must be known on every day of the window, got {missing} without",
                FitError)  # fmt: skip
    return exog
