"""The exponential moving average: one gain, one documented start, NaN keeps the state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from riskcore._types import FloatArray, IntArray
from riskcore.errors import DataError, require
from riskcore.kernels.ema import ema_panel, ema_rows

Start = Literal["first", "mean"]
Settings = float | Sequence[float]
"""One span, half-life or decay, or several."""


def ema_gain(*, span: float | None = None, halflife: float | None = None, decay: float | None = None) -> float:
    r"""Gain of an exponential moving average, the weight of the newest value.

    .. math:: g = 2/(span + 1) = 1 - 2^{-1/halflife} = 1 - decay

    Parameters
    ----------
    span, halflife, decay : float, optional
        Exactly one: `span` >= 1, `halflife` > 0 in observations, `decay` in [0, 1). Typical values: span 20,
        halflife 21, decay 0.94.

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    ConfigError
        If not exactly one is given, or it lies outside its range.

    Examples
    --------
    >>> ema_gain(span=3)
    0.5
    >>> ema_gain(halflife=1)
    0.5
    """
    given = {k: v for k, v in (("span", span), ("halflife", halflife), ("decay", decay)) if v is not None}
    require(len(given) == 1, f"exactly one of span, halflife, decay must be given, got {given or 'none'}")
    if span is not None:
        require(math.isfinite(span) and span >= 1, f"span must be at least 1, got {span!r}; typical values: 10, 20, 60")
        return 2.0 / (span + 1.0)
    if halflife is not None:
        ok = math.isfinite(halflife) and halflife > 0
        require(ok, f"halflife must be above 0, got {halflife!r}; typical values: 11, 21, 63")
        return -math.expm1(-math.log(2.0) / halflife)
    assert decay is not None
    require(0 <= decay < 1, f"decay must lie in [0, 1), got {decay!r}; typical values: 0.94, 0.97")
    return 1.0 - decay


@overload
def ema(
    x: pd.Series,
    *,
    span: float | None = ...,
    halflife: float | None = ...,
    decay: float | None = ...,
    start: Start = ...,
    bias_corrected: bool = ...,
) -> pd.Series: ...
@overload
def ema(
    x: pd.DataFrame,
    *,
    span: Settings | None = ...,
    halflife: Settings | None = ...,
    decay: Settings | None = ...,
    start: Start = ...,
    bias_corrected: bool = ...,
) -> pd.DataFrame: ...
@overload
def ema(
    x: pd.Series,
    *,
    span: Sequence[float] | None = ...,
    halflife: Sequence[float] | None = ...,
    decay: Sequence[float] | None = ...,
    start: Start = ...,
    bias_corrected: bool = ...,
) -> pd.DataFrame: ...
@overload
def ema(
    x: npt.ArrayLike,
    *,
    span: Settings | None = ...,
    halflife: Settings | None = ...,
    decay: Settings | None = ...,
    start: Start = ...,
    bias_corrected: bool = ...,
) -> FloatArray: ...
def ema(
    x: pd.Series | pd.DataFrame | npt.ArrayLike,
    *,
    span: Settings | None = None,
    halflife: Settings | None = None,
    decay: Settings | None = None,
    start: Start = "first",
    bias_corrected: bool = False,
) -> pd.Series | pd.DataFrame | FloatArray:
    r"""Exponential moving average; the value at t uses data up to t, so a signal for t + 1 is shifted by one.

    .. math:: m_t = m_{t-1} + g\,(x_t - m_{t-1})

    The mean lag is (1 - g)/g observations, the variance of white noise shrinks to g/(2 - g). Bias-corrected means
    normalised weights, :math:`m_t = \sum_j (1-g)^j x_{t-j} / \sum_j (1-g)^j`: no value at the start counts more than
    its age allows.

    Parameters
    ----------
    x : Series, DataFrame or array of one or two dimensions
        Finite values or NaN, time downwards.
    span, halflife, decay : float or sequence of float, optional
        Exactly one of them, see `ema_gain`; several values give as many averages in one pass.
    start : {"first", "mean"}
        The state begins at the first value, or at the mean of the first `span` values (rounded up; NaN before).
    bias_corrected : bool
        Normalise the weights instead; goes with ``start="first"`` only.

    Returns
    -------
    Series, DataFrame or array
        As `x`. With several values one more axis at the end: a Series becomes a DataFrame with the values as columns,
        a DataFrame gets columns (column, value). A NaN in `x` leaves the state as it was and shows it: the next value
        gets the weight it would have had without the gap. That is ``ewm(ignore_na=True)`` in pandas; its default ages
        the state over the gap. NaN before the first value.

    Raises
    ------
    ConfigError
        If not exactly one gain is given, one is out of range, or the start is unknown.
    DataError
        If `x` has an infinite value or more than two dimensions.

    Examples
    --------
    >>> ema([1.0, 2.0, float("nan"), 4.0], span=3)
    array([1.  , 1.5 , 1.5 , 2.75])
    >>> ema([1.0, 2.0, 6.0, 4.0], span=3, start="mean").tolist()
    [nan, nan, 3.0, 3.5]
    >>> ema([1.0, 2.0, 4.0], span=[1, 3])
    array([[1.  , 1.  ],
           [2.  , 1.5 ],
           [4.  , 2.75]])
    """
    name, settings, several = _settings(span, halflife, decay)
    gains = np.array([ema_gain(**{name: value}) for value in settings])
    require(start in ("first", "mean"), f"start must be 'first' or 'mean', got {start!r}")
    require(start == "first" or not bias_corrected, "bias_corrected must be False with start='mean', got True")
    values = np.asarray(x, dtype=np.float64)
    require(values.ndim in (1, 2), f"x must have one or two dimensions, got {values.ndim}", DataError)
    panel = _fixed(values if values.ndim == 2 else values[:, None])
    by_column = panel.flags.f_contiguous and panel.shape[1] > 1  # as pandas keeps a table
    if gains.size == 1 and start == "first" and not bias_corrected and by_column:
        rows = np.empty(panel.shape[::-1])
        _check(ema_rows(panel.T, float(gains[0]), rows), values)
        smooth = rows.T[..., None]
    else:
        smooth = _panel_averages(panel, gains, start, bias_corrected, values).reshape(*values.shape, gains.size)
    return _dressed(x, smooth if several else smooth[..., 0], name, settings)


def _fixed(values: FloatArray) -> FloatArray:
    """A view that cannot be written: numba compiles once for it and once more for others, and tables give such."""
    view = values.view()
    view.flags.writeable = False
    return view


def _panel_averages(
    panel: FloatArray, gains: FloatArray, start: Start, bias_corrected: bool, values: FloatArray
) -> FloatArray:
    """All averages of each column of `panel`, (n, columns, gains)."""
    panel = _fixed(np.ascontiguousarray(panel))
    starts = _starts(gains, start)
    smooth = np.empty((*panel.shape, gains.size) if len(starts) > 1 else 0)
    for first, chosen in starts:
        columns = panel if chosen.size == 1 else _fixed(np.repeat(panel, chosen.size, axis=1))
        out = np.empty(columns.shape)
        _check(ema_panel(columns, np.tile(gains[chosen], panel.shape[1]), first, bias_corrected, out), values)
        if chosen.size == gains.size:
            return out
        smooth[..., chosen] = out.reshape(*panel.shape, chosen.size)
    return smooth


def _check(states: FloatArray, values: FloatArray) -> None:
    """Refuse infinite values, which the last states tell."""
    infinite = bool(np.isinf(states).any()) and bool(np.isinf(values).any())
    require(not infinite, "x must be finite or NaN, got an infinite value", DataError)


def _settings(
    span: Settings | None, halflife: Settings | None, decay: Settings | None
) -> tuple[str, list[float], bool]:
    """Name and values of the one setting that is given, and whether it is a sequence."""
    given = {k: v for k, v in (("span", span), ("halflife", halflife), ("decay", decay)) if v is not None}
    require(len(given) == 1, f"exactly one of span, halflife, decay must be given, got {given or 'none'}")
    name, value = given.popitem()
    several = np.ndim(value) == 1
    values = list(value) if several else [value]  # type: ignore[arg-type]  # a sequence or a number
    require(bool(values), f"{name} must have at least one value, got none")
    return name, values, several  # type: ignore[return-value]  # numbers


def _starts(gains: FloatArray, start: Start) -> list[tuple[int, IntArray]]:
    """Number of values whose mean begins the state, and the gains that begin so."""
    if start == "first":
        return [(1, np.arange(gains.size))]
    # A span of 2.9999999999 that was meant as 3 must not need a fourth value.
    firsts = np.maximum(1, np.ceil(np.round(2.0 / gains - 1.0, 9))).astype(np.int64)
    return [(int(first), np.flatnonzero(firsts == first)) for first in np.unique(firsts)]


def _dressed(x: object, smooth: FloatArray, name: str, settings: list[float]) -> pd.Series | pd.DataFrame | FloatArray:
    """`smooth` with the labels of `x`."""
    if isinstance(x, pd.Series):
        if smooth.ndim == 1:
            return pd.Series(smooth, index=x.index, name=x.name)
        return pd.DataFrame(smooth, index=x.index, columns=pd.Index(settings, name=name), copy=False)
    if isinstance(x, pd.DataFrame):
        if smooth.ndim == 2:
            return pd.DataFrame(smooth, index=x.index, columns=x.columns, copy=False)
        columns = pd.MultiIndex.from_product([x.columns, settings], names=[x.columns.name, name])
        return pd.DataFrame(smooth.reshape(len(x), -1), index=x.index, columns=columns, copy=False)
    return smooth
