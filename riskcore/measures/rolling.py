"""VaR, ES and expectile of every window of a series, and of many samples at once, by the kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from riskcore._types import BoolArray, FloatArray, Measure, Target
from riskcore.errors import DataError, require
from riskcore.measures.rows import exact_level, quantile_rank, tail_probability

if TYPE_CHECKING:
    import pandas as pd

Asked = Sequence[tuple[Measure, float]]
"""Measures at levels in (0, 1), all answered in one pass."""
_KINDS = {"var": 0, "es": 1, "expectile": 2}


def rolling_measures(
    losses: npt.ArrayLike, targets: Iterable[Target | str], window: int, *, decay: float | None = None
) -> pd.DataFrame:
    r"""VaR, ES and expectile of the last `window` losses, for every day: one pass, exact.

    .. math:: \rho(L_{t-n+1}, \dots, L_t), \qquad w_s \propto \lambda^{t-s} \text{ with a decay } \lambda

    Row `t` uses the losses up to day `t`: it is the forecast of historical simulation for the day after. The figures
    are those of `value_at_risk`, `expected_shortfall` and `expectile` of each window.

    Parameters
    ----------
    losses : array_like or Series
        Losses, one dimension, in time order.
    targets : sequence of Target or str
        Measures with their levels, e.g. ``["var:0.99", "es:0.975"]``.
    window : int
        Number of losses, at least 1. Typical values: 250, 1000.
    decay : float, optional
        Weight of a day against the day after it, in (0, 1); by default all days weigh the same.

    Returns
    -------
    DataFrame
        The index of `losses`, one column per target. NaN before the first whole window, and where the window has a
        loss that is not finite.

    Raises
    ------
    DataError
        If the losses are not numbers in one dimension.
    ConfigError
        If a target, `window` or `decay` is outside its range.

    References
    ----------
    Boudoukh, Richardson and Whitelaw (1998), The best of both worlds, Risk 11(5), for the decay.

    Examples
    --------
    >>> rolling_measures([4.0, -1.0, 2.0, 1.0, 3.0], ["var:0.75", "expectile:0.8"], window=4).round(6)
       var_0.75  expectile_0.8
    0       NaN            NaN
    1       NaN            NaN
    2       NaN            NaN
    3       2.0       2.571429
    4       2.0       2.000000
    """
    import pandas as pd

    wanted = [Target.parse(t) if isinstance(t, str) else t for t in targets]
    require(
        isinstance(window, (int, np.integer)) and not isinstance(window, bool) and window >= 1,
        f"window must be a whole number of at least 1, got {window!r}; typical values: 250, 1000",
    )
    require(decay is None or 0.0 < decay < 1.0, f"decay must lie in (0, 1), got {decay!r}; typical value: 0.99")
    try:
        z = np.asarray(losses, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"losses must be numbers, got {error}") from error
    require(z.ndim == 1, f"losses must have one dimension, got shape {z.shape}", DataError)
    out = np.empty((z.size, len(wanted)))
    out[: window - 1] = np.nan
    if z.size >= window:
        known = np.isfinite(z)
        complete = bool(known.all())
        weights = None if decay is None else age_weights(window, decay)
        asked: Asked = [(t.measure, t.level) for t in wanted]
        window_measures(z if complete else np.where(known, z, 0.0), window, asked, weights, out[window - 1 :])
        if not complete:
            out[window - 1 :][~all_known(known, window)] = np.nan
    index = losses.index if isinstance(losses, pd.Series) else None
    return pd.DataFrame(out, index=index, columns=_columns(tuple(t.label for t in wanted)).copy(), copy=False)


@lru_cache(maxsize=64)
def _columns(labels: tuple[str, ...]) -> pd.Index:
    """Labels as pandas keeps them: making these of strings takes it longer than the figures of a short series."""
    import pandas as pd

    return pd.Index(list(labels))


def age_weights(window: int, decay: float) -> FloatArray:
    """Weights of a window's losses in time order, summing to one.

    >>> age_weights(3, 0.5) * 7
    array([1., 2., 4.])
    """
    weights = float(decay) ** np.arange(window - 1.0, -1.0, -1.0)
    return np.asarray(weights / weights.sum())


def all_known(known: BoolArray, window: int) -> BoolArray:
    """Whether all entries of each window are True.

    >>> all_known(np.array([True, False, True, True]), 2)
    array([False, False,  True])
    """
    gaps = np.concatenate([[0], np.cumsum(~known)])
    return np.asarray(gaps[window:] == gaps[:-window])


def window_measures(
    z: FloatArray, window: int, asked: Asked, weights: FloatArray | None = None, out: FloatArray | None = None
) -> FloatArray:
    """Measures (k, m) of every window of finite losses; `weights` are those of its days from old to new.

    They go into `out` if that is given.

    >>> window_measures(np.array([4.0, -1.0, 2.0, 1.0]), 3, [("var", 0.5), ("expectile", 0.5)])
    array([[2.        , 1.66666667],
           [1.        , 0.66666667]])
    """
    z = np.require(z, requirements=["C", "W"])  # numba compiles anew for what must not be written

    def run(sign: float, part: Asked, into: FloatArray) -> None:
        from riskcore.kernels import moments, rolling, weighted

        x = z if sign > 0 else -z
        kind, above, gain, mass = _requests(part, window, weights is not None)
        if weights is not None:
            weighted.sliding_weighted(x, weights, kind, gain, mass, into)
            return
        means = moments.sliding_means(x, window) if bool((kind == _KINDS["expectile"]).any()) else np.empty(0)
        rolling.sliding_measures(x, window, means, kind, above, gain, mass, into)

    return _by_side(np.empty((z.size - window + 1, len(asked))) if out is None else out, asked, run)


def row_measures(rows: FloatArray, asked: Asked, weights: FloatArray | None = None) -> FloatArray:
    """Measures (k, m) of rows (k, n) that ascend, with weights (k, n) that sum to one.

    >>> row_measures(np.array([[-1.0, 2.0, 4.0], [-1.0, 1.0, 2.0]]), [("var", 0.5), ("es", 0.5)])
    array([[2.        , 3.33333333],
           [1.        , 1.66666667]])
    """

    def run(sign: float, part: Asked, into: FloatArray) -> None:
        from riskcore.kernels import moments, rolling, weighted

        x, w = rows, weights
        if sign < 0:
            x, w = -rows[:, ::-1], None if weights is None else np.ascontiguousarray(weights[:, ::-1])
        kind, above, gain, mass = _requests(part, rows.shape[1], weights is not None)
        if w is not None:
            into[:] = weighted.row_weighted(x, w, kind, gain, mass)
            return
        means = moments.row_means(x) if bool((kind == _KINDS["expectile"]).any()) else np.empty(0)
        into[:] = rolling.row_measures(x, means, kind, above, gain, mass)

    return _by_side(np.empty((len(rows), len(asked))), asked, run)


def _requests(asked: Asked, n: int, weighted: bool) -> tuple[Any, ...]:
    """Kind, losses above the VaR, 2 tau - 1, and the probability beyond the level, times `n` without weights."""
    rows = [_request(measure, level, n, weighted) for measure, level in asked]
    kind, above = np.array([row[:2] for row in rows], dtype=np.int64).reshape(-1, 2).T.copy()
    gain, mass = np.array([row[2:] for row in rows], dtype=np.float64).reshape(-1, 2).T.copy()
    return kind, above, gain, mass


@lru_cache(maxsize=256)
def _request(measure: Measure, level: float, n: int, weighted: bool) -> tuple[int, int, float, float]:
    """One entry of each; the exact arithmetic of levels takes longer than a short series."""
    mass = tail_probability(level) if weighted else float(n * (1 - exact_level(level)))
    return _KINDS[measure], n - quantile_rank(n, level), 2.0 * level - 1.0, mass


def _by_side(out: FloatArray, asked: Asked, run: Callable[[float, Asked, FloatArray], None]) -> FloatArray:
    """Run on the losses, and for expectile levels under one half on minus the losses, whose other tail they are."""
    asked = [(measure, float(level)) for measure, level in asked]
    low = np.array([measure == "expectile" and level < 0.5 for measure, level in asked], dtype=bool)
    if not low.any():
        run(1.0, asked, out)
        return out
    for sign, here in ((1.0, np.flatnonzero(~low)), (-1.0, np.flatnonzero(low))):
        part: Asked = [asked[j] if sign > 0 else ("expectile", tail_probability(asked[j][1])) for j in here]
        if part:
            found = np.empty((len(out), here.size))
            run(sign, part, found)
            out[:, here] = sign * found
    return out
