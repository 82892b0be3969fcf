"""Isotonic recalibration: the nondecreasing values of least quantile or expectile score, by one pass with a heap.

Groups of losses come in the order of their forecasts. The least score of the groups so far, as a function of the value
that the last of them gets at most, has a derivative that rises from below zero to zero. It is kept by its bends: the
largest on top of a heap. A new group adds its own derivative, whatever then lies above zero is cut off, and where it
is cut is the largest value that this group may get. Going back, a group gets the smaller of that and of its follower's.
This equals pooling adjacent violators, without a sort of every pool.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray


@njit(cache=True, error_model="numpy")
def push(keys: FloatArray, places: IntArray, size: int, key: float, place: int) -> None:
    """Put a key with the place of its weight into a heap of `size` entries; the largest key is on top."""
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if keys[parent] >= key:
            break
        keys[i], places[i] = keys[parent], places[parent]
        i = parent
    keys[i], places[i] = key, place


@njit(cache=True, error_model="numpy")
def pop(keys: FloatArray, places: IntArray, size: int) -> None:
    """Take the top away from a heap of `size` entries."""
    last = size - 1
    key, place = keys[last], places[last]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= last:
            break
        if child + 1 < last and keys[child + 1] > keys[child]:
            child += 1
        if keys[child] <= key:
            break
        keys[i], places[i] = keys[child], places[child]
        i = child
    keys[i], places[i] = key, place


@njit(cache=True, error_model="numpy")
def spread_back(caps: FloatArray, first: IntArray, out: FloatArray) -> None:
    """Give the losses of each group the least of the caps from theirs on."""
    value = np.inf
    for g in range(caps.size - 1, -1, -1):
        value = min(value, caps[g])
        for i in range(first[g], first[g + 1]):
            out[i] = value


@njit(cache=True, error_model="numpy")
def isotonic_quantile(losses: FloatArray, first: IntArray, above: int, whole: int, out: FloatArray) -> None:
    """Fill `out` (paths, n) with isotonic lower quantiles at level ``1 - above / whole``, in whole numbers.

    `losses` are (paths, n) in the order of the forecasts; group g has the places ``first[g]`` to ``first[g + 1]``.
    """
    n, groups = losses.shape[1], first.size - 1
    keys, places, mass = np.empty(n + 1), np.empty(n + 1, np.int64), np.empty(n, np.int64)
    caps = np.empty(groups)
    for b in range(losses.shape[0]):
        size = 0
        for g in range(groups):
            for i in range(first[g], first[g + 1]):
                mass[i] = whole
                push(keys, places, size, losses[b, i], i)
                size += 1
            cut = above * (first[g + 1] - first[g])
            while cut > 0:
                top = places[0]
                if mass[top] > cut:
                    mass[top] -= cut
                    break
                cut -= mass[top]
                pop(keys, places, size)
                size -= 1
            caps[g] = keys[0]
        spread_back(caps, first, out[b])


@njit(cache=True, error_model="numpy")
def isotonic_expectile(losses: FloatArray, first: IntArray, level: float, out: FloatArray) -> None:
    """Fill `out` (paths, n) with isotonic expectiles; arguments as in `isotonic_quantile`.

    The derivative is a broken line: ``1 - level`` upward from a loss and `level` downward from it, until it is cut.
    """
    n, groups = losses.shape[1], first.size - 1
    keys, places = np.empty(n + groups + 1), np.empty(n + groups + 1, np.int64)
    bend = np.empty(n + groups + 1)  # slope above less slope below
    caps = np.empty(groups)
    for b in range(losses.shape[0]):
        size = 0
        for g in range(groups):
            slope, level_sum = 0.0, 0.0
            top = -np.inf if size == 0 else keys[0]
            for i in range(first[g], first[g + 1]):
                bend[i] = 1.0 - 2.0 * level
                push(keys, places, size, losses[b, i], i)
                size += 1
                top = max(top, losses[b, i])
            for i in range(first[g], first[g + 1]):
                slope += 1.0 - level
                level_sum += (1.0 - level) * (top - losses[b, i])
            # from the top bend, where the derivative is level_sum >= 0, down to where it is zero
            at, value = top, level_sum
            while size > 0:
                below = keys[0]
                fallen = value - slope * (at - below)
                if fallen <= 0.0:
                    break
                at, value = below, fallen
                slope -= bend[places[0]]
                pop(keys, places, size)
                size -= 1
            root = at - value / slope
            bend[n + g] = -slope
            push(keys, places, size, root, n + g)
            size += 1
            caps[g] = root
        spread_back(caps, first, out[b])
