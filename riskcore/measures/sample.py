"""What users call on one sample of losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray
from riskcore.errors import DataError, require
from riskcore.measures.rows import sorted_es, sorted_expectiles, sorted_var

QuantileMethod = Literal["lower", "linear", "hazen"]
Levels = Sequence[float] | npt.NDArray[np.floating[Any]]


@overload
def value_at_risk(
    sample: npt.ArrayLike, level: float, *, method: QuantileMethod = ..., weights: npt.ArrayLike | None = ...
) -> float: ...
@overload
def value_at_risk(
    sample: npt.ArrayLike, level: Levels, *, method: QuantileMethod = ..., weights: npt.ArrayLike | None = ...
) -> FloatArray: ...
def value_at_risk(
    sample: npt.ArrayLike,
    level: float | Levels,
    *,
    method: QuantileMethod = "lower",
    weights: npt.ArrayLike | None = None,
) -> float | FloatArray:
    r"""Value at Risk of a sample of losses: the smallest loss whose share of losses at or below it reaches the level.

    .. math:: v = \min\{x : F_n(x) \ge p\} = L_{(\lceil n p\rceil)}

    Parameters
    ----------
    sample : array_like
        Losses, one dimension, in any order.
    level : float or sequence of float
        In (0, 1); typical values: 0.975, 0.99. Ranks follow the decimal form of the level, not its binary rounding.
    method : {"lower", "linear", "hazen"}
        The order statistic above (the default, coherent with `expected_shortfall`), numpy's linear interpolation, or
        Hazen's (MATLAB's default).
    weights : array_like, optional
        Non-negative, one for each loss; scaled to sum to one. Only with ``method="lower"``.

    Returns
    -------
    float or ndarray
        A float for one level, an array for a sequence. Where fewer than one loss is expected above the level the VaR
        is the largest loss (or, by interpolation, below it), see `beyond_sample`. No NaN is returned.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional, or has entries that are not finite.
    ConfigError
        If a level lies outside (0, 1), or the method is unknown or cannot take weights.

    References
    ----------
    Hyndman and Fan (1996), Sample quantiles in statistical packages, The American Statistician 50(4): types 1, 7, 5.

    Examples
    --------
    >>> value_at_risk([4.0, -1.0, 2.0, 1.0], 0.75)
    2.0
    >>> value_at_risk([4.0, -1.0, 2.0, 1.0], [0.5, 0.99])
    array([1., 4.])
    """
    require(
        method in get_args(QuantileMethod),
        f"method must be one of {', '.join(get_args(QuantileMethod))}, got {method!r}",
    )
    require(method == "lower" or weights is None, f'method must be "lower" where weights are given, got {method!r}')
    rows, ordered = sorted_sample(sample, weights)

    def run(at: list[float]) -> FloatArray:
        if method == "lower":
            return np.array([sorted_var(rows, x, weights=ordered) for x in at])
        return np.asarray(np.quantile(rows, at, method=method))

    return over_levels(run, level)


@overload
def expected_shortfall(sample: npt.ArrayLike, level: float, *, weights: npt.ArrayLike | None = ...) -> float: ...
@overload
def expected_shortfall(sample: npt.ArrayLike, level: Levels, *, weights: npt.ArrayLike | None = ...) -> FloatArray: ...
def expected_shortfall(
    sample: npt.ArrayLike, level: float | Levels, *, weights: npt.ArrayLike | None = None
) -> float | FloatArray:
    r"""Expected Shortfall of a sample of losses, in the weighted form that is coherent.

    .. math:: \mathrm{ES}_p = \frac{1}{1-p}\int_p^1 \mathrm{VaR}_u\,du
              = \frac{L_{(n)} + \dots + L_{(n-j+1)} + f L_{(n-j)}}{n(1-p)}, \qquad n(1-p) = j + f,\ 0 \le f < 1

    The plain mean of the losses at or above the VaR is not subadditive; this form is.

    Parameters
    ----------
    sample : array_like
        Losses, one dimension, in any order.
    level : float or sequence of float
        In (0, 1); typical value: 0.975.
    weights : array_like, optional
        Non-negative, one for each loss; scaled to sum to one.

    Returns
    -------
    float or ndarray
        A float for one level, an array for a sequence; never below `value_at_risk`. No NaN is returned.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional, or has entries that are not finite.
    ConfigError
        If a level lies outside (0, 1).

    References
    ----------
    Rockafellar and Uryasev (2002), Journal of Banking & Finance 26(7), doi:10.1016/S0378-4266(02)00271-6.
    Acerbi and Tasche (2002), Journal of Banking & Finance 26(7), doi:10.1016/S0378-4266(02)00283-2.

    Examples
    --------
    >>> expected_shortfall([4.0, -1.0, 2.0, 1.0], 0.5)
    3.0
    """
    rows, ordered = sorted_sample(sample, weights)
    return over_levels(lambda at: np.array([sorted_es(rows, x, weights=ordered) for x in at]), level)


@overload
def expectile(sample: npt.ArrayLike, level: float, *, weights: npt.ArrayLike | None = ...) -> float: ...
@overload
def expectile(sample: npt.ArrayLike, level: Levels, *, weights: npt.ArrayLike | None = ...) -> FloatArray: ...
def expectile(
    sample: npt.ArrayLike, level: float | Levels, *, weights: npt.ArrayLike | None = None
) -> float | FloatArray:
    r"""Expectile of a sample of losses, exact: the level balances the mean excess above it against that below.

    .. math:: \tau\, E(L-m)^+ = (1-\tau)\, E(m-L)^+

    Equivalently the minimiser of :math:`E|\tau - 1\{L \le m\}|(L-m)^2`; at 0.5 it is the mean. One sort serves all
    levels. In the far tail few losses decide: look at `expectile_diagnostics`.

    Parameters
    ----------
    sample : array_like
        Losses, one dimension, in any order.
    level : float or sequence of float
        In (0, 1); coherent from 0.5 on. Typical values: 0.99, and 0.99855, where the normal expectile equals VaR 0.99.
    weights : array_like, optional
        Non-negative, one for each loss; scaled to sum to one.

    Returns
    -------
    float or ndarray
        A float for one level, an array for a sequence; between the smallest and the largest loss. No NaN is returned.

    Raises
    ------
    DataError
        If the sample is empty, not one-dimensional, or has entries that are not finite.
    ConfigError
        If a level lies outside (0, 1).

    References
    ----------
    Newey and Powell (1987), Econometrica 55(4), doi:10.2307/1911031.
    Bellini, Klar, Mueller and Rosazza Gianin (2014), Insurance: Mathematics and Economics 54,
    doi:10.1016/j.insmatheco.2013.10.015.

    Examples
    --------
    >>> round(expectile([1, 4, 2, -1], 0.8), 6)
    2.571429
    """
    rows, ordered = sorted_sample(sample, weights)
    return over_levels(lambda at: sorted_expectiles(rows, at, weights=ordered), level)


def sorted_sample(sample: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> tuple[FloatArray, FloatArray | None]:
    """The checked losses, ascending, and their weights in the same order, summing to one."""
    losses = checked_sample(sample)
    if weights is None:
        return np.sort(losses), None
    w = _numbers(weights, "weights")
    require(w.shape == losses.shape, f"weights must have the shape of sample {losses.shape}, got {w.shape}", DataError)
    require(bool(np.all(w >= 0.0)) and bool(w.sum() > 0.0), "weights must be non-negative and not all zero", DataError)
    losses, w = losses[w > 0.0], w[w > 0.0]
    order = np.argsort(losses, kind="stable")
    w = w[order] / w.max()  # two steps: the sum of huge weights must not overflow
    return losses[order], w / w.sum()


def checked_sample(sample: npt.ArrayLike, name: str = "sample") -> FloatArray:
    """The losses as a one-dimensional array of finite numbers, at least one; order kept."""
    losses = _numbers(sample, name)
    require(losses.size > 0, f"{name} must have at least one loss, got none", DataError)
    return losses


def checked_level(level: float, name: str = "level") -> float:
    """The level as a float in (0, 1)."""
    ok = isinstance(level, (int, float, np.floating, np.integer)) and not isinstance(level, bool) and 0.0 < level < 1.0
    require(ok, f"{name} must lie in (0, 1), got {level!r}; typical values: 0.975, 0.99")
    return float(str(level))  # through the decimal form: float32 0.99 means 0.99


def over_levels(run: Callable[[list[float]], FloatArray], level: float | Levels) -> float | FloatArray:
    """Run on the checked levels: a float for a float, an array for a sequence."""
    if np.ndim(level) == 0:
        return float(run([checked_level(level)])[0])  # type: ignore[arg-type]  # the check refuses what is no number
    require(np.ndim(level) == 1, f"level must be a number or a sequence of numbers, got shape {np.shape(level)}")
    levels = [checked_level(x) for x in level]  # type: ignore[union-attr]
    return run(levels) if levels else np.empty(0)


def _numbers(values: npt.ArrayLike, name: str) -> FloatArray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be numbers, got {error}") from error
    require(array.ndim == 1, f"{name} must have one dimension, got shape {array.shape}", DataError)
    bad = ~np.isfinite(array)
    n_bad = int(bad.sum())
    first = int(np.argmax(bad)) if n_bad else 0
    require(
        n_bad == 0,
        f"{name} must be finite, got {n_bad} entries that are not, the first at position {first}; "
        "drop or fill them first",
        DataError,
    )
    return array
