"""Measures of many samples at once: arrays (..., W) that ascend along the last axis, nothing checked.

These are the only implementations; the public functions and the sample laws call them, so that historical simulation
equals the sample measure. Every sum runs along the last axis of a contiguous array: a row gives the same bits alone
or among others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from riskcore._types import FloatArray, IntArray

_EPS = float(np.finfo(np.float64).eps)
_BLOCK = 1 << 16  # entries of a block, half a megabyte


@lru_cache(maxsize=4096)
def exact_level(level: float) -> Fraction:
    """The level as the fraction that its shortest decimal form says: 0.55 is 11/20.

    >>> exact_level(0.55)
    Fraction(11, 20)
    """
    return Fraction(str(level))


def tail_probability(level: float) -> float:
    """``1 - level`` without the rounding of the subtraction.

    >>> tail_probability(0.99)
    0.01
    """
    return float(1 - exact_level(level))


def quantile_rank(n_obs: int, level: float) -> int:
    r"""Rank, ascending from 1, of the sample VaR: :math:`\lceil n\tau \rceil`, the lower quantile of the losses.

    Through the level's decimal form: ``100 * 0.55`` is 55.00000000000001 and would give 56.

    Parameters
    ----------
    n_obs : int
        Number of losses, at least 1.
    level : float
        In (0, 1).

    Returns
    -------
    int
        In [1, n_obs].

    Examples
    --------
    >>> quantile_rank(100, 0.55)
    55
    """
    return math.ceil(n_obs * exact_level(level))


def beyond_sample(n_obs: int, level: float) -> bool:
    """Whether fewer than one of `n_obs` losses is expected above the level: VaR and ES are then the largest loss.

    Parameters
    ----------
    n_obs : int
        Number of losses, at least 1.
    level : float
        In (0, 1).

    Returns
    -------
    bool
        ``n_obs * (1 - level) < 1``, in exact arithmetic.

    Examples
    --------
    >>> beyond_sample(100, 0.99), beyond_sample(99, 0.99)
    (False, True)
    """
    return n_obs * (1 - exact_level(level)) < 1


def sorted_var(rows: FloatArray, level: float, *, weights: FloatArray | None = None) -> FloatArray:
    r"""VaR of every row, :math:`\min\{x : F_n(x) \ge p\}`.

    >>> sorted_var(np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 9.0]]), 0.75)
    array([3., 1.])
    """
    n = rows.shape[-1]
    if weights is None:
        return np.array(rows[..., quantile_rank(n, level) - 1])
    # The cumulated weights carry rounding of up to n eps; without the slack equal weights could miss the exact rank.
    below = np.cumsum(weights, axis=-1) < float(level) - 4.0 * n * _EPS
    return _pick(rows, np.minimum(np.count_nonzero(below, axis=-1), n - 1))


def sorted_es(rows: FloatArray, level: float, *, weights: FloatArray | None = None) -> FloatArray:
    r"""ES of every row in its coherent form, :math:`v + \sum_i w_i (L_i - v)^+ / (1-p)` with `v` the VaR.

    Equal to the sum of the `j` largest plus the fraction of the next one, and never below `v` by rounding.

    >>> sorted_es(np.array([1.0, 2.0, 3.0, 4.0]), 0.6).round(6)
    np.float64(3.625)
    """
    n = rows.shape[-1]
    v = sorted_var(rows, level, weights=weights)
    if weights is None:
        excess = (rows[..., quantile_rank(n, level) :] - v[..., None]).sum(axis=-1)
        mean_excess = excess / float(n * (1 - exact_level(level)))
    else:
        mean_excess = (weights * np.maximum(rows - v[..., None], 0.0)).sum(axis=-1) / tail_probability(level)
    # Rounding must not carry the mean of a tail past its largest loss.
    return np.asarray(np.minimum(v + mean_excess, rows[..., -1]))


def sorted_expectile(rows: FloatArray, level: float, *, weights: FloatArray | None = None) -> FloatArray:
    r"""Expectile of every row: the root of :math:`\tau E(L-m)^+ = (1-\tau) E(m-L)^+`, exact.

    >>> sorted_expectile(np.array([-1.0, 1.0, 2.0, 4.0]), 0.8).round(6)
    np.float64(2.571429)
    """
    return sorted_expectiles(rows, (level,), weights=weights)[..., 0]


def sorted_expectiles(
    rows: FloatArray, levels: Sequence[float] | FloatArray, *, weights: FloatArray | None = None
) -> FloatArray:
    """Expectiles (..., m) of every row at `m` levels: the sums are cumulated once.

    The expectile lies between the order statistics where the level of ``b_i``, nondecreasing in `i`, is crossed; there
    it is a ratio of partial sums. Centring, and a last weighted mean of the remainders, take away the sums' rounding.
    """
    n = rows.shape[-1]
    flat = rows.reshape(-1, n)
    out = np.empty((len(flat), len(levels)))
    step = max(1, _BLOCK // n)  # blocks that stay in the cache: three times faster than one pass over all rows
    for first in range(0, len(flat), step):
        block = slice(first, first + step)
        out[block] = _expectiles(flat[block], levels, None if weights is None else weights.reshape(-1, n)[block])
    return out.reshape(*rows.shape[:-1], len(levels))


def _expectiles(rows: FloatArray, levels: Sequence[float] | FloatArray, weights: FloatArray | None) -> FloatArray:
    """Expectiles (k, m) of rows (k, n)."""
    n = rows.shape[-1]
    centre = _mean(rows, weights)
    x = rows - centre[:, None]
    cum_w = None if weights is None else np.cumsum(weights, axis=-1)
    cum_wx = np.cumsum(x if weights is None else weights * x, axis=-1)
    total_w = np.float64(n) if cum_w is None else cum_w[:, -1]
    total_wx = cum_wx[:, -1]
    start = np.arange(len(rows)) * n

    def partial(index: IntArray) -> tuple[FloatArray, FloatArray]:
        at = start + index
        w = np.asarray(index + 1, dtype=np.float64) if cum_w is None else cum_w.ravel()[at]
        return w, cum_wx.ravel()[at]

    def under(index: IntArray) -> npt.NDArray[np.bool_]:
        """Whether ``b_i = low_i / (low_i + up_i)``, the level whose expectile is the loss `i`, is at most tau."""
        (w, wx), at = partial(index), x.ravel()[start + index]
        return np.asarray(tail * (w * at - wx) <= tau * ((total_wx - wx) - (total_w - w) * at))

    out = np.empty((len(rows), len(levels)))
    for j, level in enumerate(levels):
        tau, tail = float(level), tail_probability(level)
        w, wx = partial(_last_true(under, len(rows), n))
        m = (tau * (total_wx - wx) + tail * wx) / (tau * (total_w - w) + tail * w)
        remainder = x - m[:, None]
        pull = np.where(remainder > 0.0, tau, tail)
        if weights is not None:
            pull *= weights
        remainder *= pull
        m += remainder.sum(axis=-1) / pull.sum(axis=-1)
        out[:, j] = np.clip(centre + m, rows[:, 0], rows[:, -1])
    return out


def _last_true(holds: Callable[[IntArray], npt.NDArray[np.bool_]], k: int, n: int) -> IntArray:
    """Last index at which a condition holds that holds at 0, then somewhere turns and fails at ``n - 1``; `k` rows."""
    low, high = np.zeros(k, dtype=np.int64), np.full(k, n - 1, dtype=np.int64)
    for _ in range((n - 1).bit_length()):
        mid = (low + high) // 2
        ok = holds(mid) | (mid == low)
        low, high = np.where(ok, mid, low), np.where(ok, high, mid)
    return low


def _mean(rows: FloatArray, weights: FloatArray | None) -> FloatArray:
    """Mean of every row; centring needs no more than its neighbourhood."""
    return np.asarray(rows.mean(axis=-1) if weights is None else (weights * rows).sum(axis=-1))


def _pick(rows: FloatArray, index: IntArray) -> FloatArray:
    """Entry `index` of every row."""
    return np.take_along_axis(rows, np.asarray(index)[..., None], axis=-1)[..., 0]
