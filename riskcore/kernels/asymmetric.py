"""Asymmetric least squares on one window and on many: orthonormal regressors, weighted steps, the level at a share.

In an orthonormal basis Q of the window's regressors the weighted normal equations at level tau are
``((1-tau) I + (2 tau-1) Q_A'Q_A) d = (1-tau) Q'y + (2 tau-1) Q_A'y_A`` with A the losses above the fit. Few losses are
above in the tail, so a step costs one pass for the residuals. `reassoc` lets sums be vectorised; it leaves NaN alone.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray, IntArray

MAX_STEPS = 200
SHORTEST = 1e-10
ROUNDING = 1e-14
N_BISECTIONS = 30
SMALLEST_TAIL = 1e-6
"""Beyond it a regression only bounds the largest losses: VaR and ES would coincide."""
CLOSE = 128
"""Losses at most that a level search looks at by themselves."""
EPSILON = 2.220446049250313e-16
FINE, DEFICIENT, UNSETTLED = 0, 1, 2


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def orthonormal(design: FloatArray, first: int, n: int, q: FloatArray, r: FloatArray, lever: FloatArray) -> bool:
    """Fill rows of `q` and the triangle `r` with design[:, first:first+n] = r'q, and `lever` with the columns' squares.

    Gram-Schmidt, a second time where a row has lost its length: as accurate as Householder's reflections. False where a
    row depends on those before it.
    """
    k = design.shape[0]
    least = EPSILON * max(n, k)
    lever[:n] = 0.0
    for j in range(k):
        own, before = q[j], 0.0
        for t in range(n):
            v = design[j, first + t]
            own[t] = v
            before += v * v
        whole, after = before, before
        for i in range(k):
            r[i, j] = 0.0
        for _ in range(3):
            for i in range(j):
                other, along = q[i], 0.0
                for t in range(n):
                    along += other[t] * own[t]
                for t in range(n):
                    own[t] -= along * other[t]
                r[i, j] += along
            after = 0.0
            for t in range(n):
                after += own[t] * own[t]
            if after > 0.01 * before:
                break
            before = after
        if not after > least * least * whole:
            return False
        r[j, j] = math.sqrt(after)
        inverse = 1.0 / r[j, j]
        for t in range(n):
            v = inverse * own[t]
            own[t] = v
            lever[t] += v * v
    return True


@njit(cache=True, error_model="numpy")
def back(r: FloatArray, d: FloatArray, out: FloatArray) -> None:
    """Coefficients of the regressors themselves: solve r out = d."""
    k = d.size
    for i in range(k - 1, -1, -1):
        v = d[i]
        for j in range(i + 1, k):
            v -= r[i, j] * out[j]
        out[i] = v / r[i, i]


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def project(y: FloatArray, q: FloatArray, n: int, out: FloatArray) -> None:
    """Fill `out` with q y."""
    for i in range(out.size):
        total = 0.0
        for t in range(n):
            total += q[i, t] * y[t]
        out[i] = total


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def residuals(y: FloatArray, q: FloatArray, n: int, d: FloatArray, above: FloatArray, e: FloatArray) -> float:
    """Fill `e` with y - q'd; returns the number of losses that are on another side than `above` says."""
    k = d.size
    a, row = d[0], q[0]
    b, second = (d[1], q[1]) if k > 1 else (0.0, row)
    c, third = (d[2], q[2]) if k > 2 else (0.0, row)
    f, fourth = (d[3], q[3]) if k > 3 else (0.0, row)
    for t in range(n):
        e[t] = y[t] - (a * row[t] + b * second[t]) - (c * third[t] + f * fourth[t])
    for i in range(4, k):
        a, row = d[i], q[i]
        for t in range(n):
            e[t] -= a * row[t]
    total = 0.0
    for t in range(n):
        total += abs((1.0 if e[t] > 0.0 else 0.0) - above[t])
    return total


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def cost(e: FloatArray, n: int, level: float) -> float:
    """Sum of the asymmetric squares of the residuals."""
    total, upper = 0.0, 0.0
    for t in range(n):
        up = max(e[t], 0.0)
        total += e[t] * e[t]
        upper += up * up
    return (1.0 - level) * total + (2.0 * level - 1.0) * upper


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def change_sides(
    y: FloatArray, q: FloatArray, n: int, e: FloatArray, above: FloatArray, gram: FloatArray, moment: FloatArray
) -> None:
    """Move the losses that have changed sides into or out of the sums over those above; moment[k] is their number."""
    k = gram.shape[0]
    for begin in range(0, n, 32):
        end = min(begin + 32, n)
        total = 0.0
        for t in range(begin, end):
            total += abs((1.0 if e[t] > 0.0 else 0.0) - above[t])
        if total > 0.0:
            for t in range(begin, end):
                now = 1.0 if e[t] > 0.0 else 0.0
                sign = now - above[t]
                if sign != 0.0:
                    above[t] = now
                    moment[k] += sign
                    for i in range(k):
                        v = sign * q[i, t]
                        moment[i] += v * y[t]
                        for j in range(i + 1):
                            gram[i, j] += v * q[j, t]


@njit(cache=True, error_model="numpy")
def solve(gram: FloatArray, right: FloatArray, level: float, factor: FloatArray, out: FloatArray) -> None:
    """Solve ((1-level) I + (2 level-1) gram) out = right by Cholesky; `gram` is a part of I, so it always succeeds."""
    k = right.size
    a, b = 1.0 - level, 2.0 * level - 1.0
    for i in range(k):
        for j in range(i):
            v = b * gram[i, j]
            for m in range(j):
                v -= factor[i, m] * factor[j, m]
            factor[i, j] = v * factor[j, j]
        v = a + b * gram[i, i]
        for m in range(i):
            v -= factor[i, m] * factor[i, m]
        factor[i, i] = 1.0 / math.sqrt(v)  # the inverse: divisions are slow
        v = right[i]
        for m in range(i):
            v -= factor[i, m] * out[m]
        out[i] = v * factor[i, i]
    for i in range(k - 1, -1, -1):
        v = out[i]
        for m in range(i + 1, k):
            v -= factor[m, i] * out[m]
        out[i] = v * factor[i, i]


@njit(cache=True, error_model="numpy")
def settle(
    y: FloatArray, q: FloatArray, n: int, along: FloatArray, level: float, above: FloatArray, gram: FloatArray,
    moment: FloatArray, d: FloatArray, e: FloatArray, work: FloatArray,
) -> int:  # fmt: skip
    """Minimise from the sides in `above`: `d` and its residuals `e`; returns the steps, 0 where they did not settle.

    A weighted least-squares solution is a full Newton step of a convex, piecewise quadratic cost; it is halved where
    the cost would rise (far in the tail full steps may cycle), so the iteration ends at the minimum.
    """
    k = d.size
    factor, right, full = work[:k], work[k], work[k + 1]
    before, stalled = np.inf, 0
    for step in range(1, MAX_STEPS + 1):
        for i in range(k):
            right[i] = (1.0 - level) * along[i] + (2.0 * level - 1.0) * moment[i]
        solve(gram, right, level, factor, full)
        if residuals(y, q, n, full, above, e) == 0.0:
            d[:] = full
            return step
        there = cost(e, n, level)
        slack = ROUNDING * before
        if abs(there - before) <= slack:
            stalled += 1
            if stalled == 3:  # a loss on the fit itself, whose side rounding decides: it does not matter
                d[:] = full
                return step
        length = 1.0
        while there > before + slack and length > SHORTEST:
            length *= 0.5
            for i in range(k):
                right[i] = d[i] + length * (full[i] - d[i])
            residuals(y, q, n, right, above, e)
            there = cost(e, n, level)
        for i in range(k):
            d[i] = full[i] if length == 1.0 else right[i]
        before = there
        change_sides(y, q, n, e, above, gram, moment)
    return 0


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def sides_of(
    y: FloatArray, q: FloatArray, n: int, d: FloatArray, e: FloatArray, above: FloatArray, gram: FloatArray,
    moment: FloatArray,
) -> None:  # fmt: skip
    """Start afresh from `d`: its residuals, the losses above it, and the sums over them."""
    residuals(y, q, n, d, above, e)
    above[:n] = 0.0
    gram[:] = 0.0
    moment[:] = 0.0
    change_sides(y, q, n, e, above, gram, moment)


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def refine(
    y: FloatArray, q: FloatArray, n: int, along: FloatArray, level: float, above: FloatArray, gram: FloatArray,
    moment: FloatArray, d: FloatArray, e: FloatArray, work: FloatArray,
) -> None:  # fmt: skip
    """Solve once more from the sides alone, with a correction: the result is the same bits whatever the way there."""
    k = d.size
    factor, right, full = work[:k], work[k], work[k + 1]
    for t in range(n):
        e[t] = 2.0 * above[t] - 1.0
    above[:n] = 0.0
    gram[:] = 0.0
    moment[:] = 0.0
    change_sides(y, q, n, e, above, gram, moment)
    for i in range(k):
        right[i] = (1.0 - level) * along[i] + (2.0 * level - 1.0) * moment[i]
    solve(gram, right, level, factor, d)
    residuals(y, q, n, d, above, e)
    for t in range(n):
        e[t] *= (1.0 - level) + (2.0 * level - 1.0) * above[t]
    project(e, q, n, right)
    solve(gram, right, level, factor, full)
    for i in range(k):
        d[i] += full[i]


@njit(cache=True, error_model="numpy")
def distance(a: FloatArray, b: FloatArray) -> float:
    """Square of the distance of two fits."""
    total = 0.0
    for i in range(a.size):
        total += (a[i] - b[i]) * (a[i] - b[i])
    return total


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def close_by(
    y: FloatArray, q: FloatArray, n: int, lever: FloatArray, e: FloatArray, reach: float, rows: IntArray,
    close: FloatArray,
) -> int:  # fmt: skip
    """Losses that may change sides while the fit moves by less than sqrt(reach): their number, -1 if too many.

    A residual moves by at most the fit's distance times sqrt(lever). `rows` and the columns of `close`, regressors and
    loss, are filled.
    """
    k, count = q.shape[0], 0
    for begin in range(0, n, 32):
        end = min(begin + 32, n)
        total = 0.0
        for t in range(begin, end):
            total += 1.0 if e[t] * e[t] <= reach * lever[t] else 0.0
        if total > 0.0:
            for t in range(begin, end):
                if e[t] * e[t] <= reach * lever[t]:
                    if count == rows.size:
                        return -1
                    rows[count] = t
                    for i in range(k):
                        close[i, count] = q[i, t]
                    close[k, count] = y[t]
                    count += 1
    return count


@njit(cache=True, error_model="numpy")
def settle_close(
    rows: IntArray, close: FloatArray, count: int, along: FloatArray, level: float, above: FloatArray,
    gram: FloatArray, moment: FloatArray, work: FloatArray,
) -> bool:  # fmt: skip
    """`settle` by full steps in which only the `count` losses close by may change sides; the fit goes to work[k+1]."""
    k = along.size
    factor, right, full = work[:k], work[k], work[k + 1]
    for _ in range(20):
        for i in range(k):
            right[i] = (1.0 - level) * along[i] + (2.0 * level - 1.0) * moment[i]
        solve(gram, right, level, factor, full)
        settled = True
        for c in range(count):
            own = close[k, c]
            for i in range(k):
                own -= full[i] * close[i, c]
            now = 1.0 if own > 0.0 else 0.0
            sign = now - above[rows[c]]
            if sign != 0.0:
                settled = False
                above[rows[c]] = now
                moment[k] += sign
                for i in range(k):
                    v = sign * close[i, c]
                    moment[i] += v * close[k, c]
                    for j in range(i + 1):
                        gram[i, j] += v * close[j, c]
        if settled:
            return True
    return False


@njit(cache=True, error_model="numpy")
def level_at_share(
    y: FloatArray, q: FloatArray, n: int, lever: FloatArray, along: FloatArray, allowed: float, above: FloatArray,
    gram: FloatArray, moment: FloatArray, d: FloatArray, e: FloatArray, work: FloatArray, first: FloatArray,
) -> tuple[float, int]:  # fmt: skip
    """Smallest level found by bisection of the log tail with at most `allowed` losses above: level, state.

    NaN where even the smallest tail leaves more above, or where every level above 1/2 meets the share. The fit at the
    smallest tail goes to `first`, a start for the next window; `above` belongs to a level near the one returned. Once
    few losses can change sides between the ends, only those are looked at; a fit that moves too far for that is settled
    on all losses.
    """
    k = d.size
    rows, close, ends = np.empty(CLOSE, dtype=np.int64), np.empty((k + 1, CLOSE)), np.empty((2, k))
    low, high = math.log(SMALLEST_TAIL), math.log(0.5)
    if settle(y, q, n, along, 1.0 - math.exp(low), above, gram, moment, d, e, work) == 0:
        return np.nan, UNSETTLED
    first[:] = d
    if moment[k] > allowed:
        return np.nan, FINE
    ends[0] = d
    ends[1] = np.inf
    count, reach = -1, np.inf
    for _ in range(N_BISECTIONS):
        middle = 0.5 * (low + high)
        level = 1.0 - math.exp(middle)
        known = False
        if count >= 0 and settle_close(rows, close, count, along, level, above, gram, moment, work):
            known = distance(d, work[k + 1]) < reach
        if not known and settle(y, q, n, along, level, above, gram, moment, d, e, work) == 0:
            return np.nan, UNSETTLED
        if moment[k] <= allowed:
            low = middle
            ends[0] = work[k + 1]
        else:
            high = middle
            ends[1] = work[k + 1]
        if not known:
            count, reach = -1, 1.2 * distance(ends[0], ends[1])
            if reach < np.inf:
                count = close_by(y, q, n, lever, e, reach, rows, close)
    return 1.0 - math.exp(low) if ends[1, 0] < np.inf else np.nan, FINE


@njit(cache=True, error_model="numpy")
def expectile_windows(
    losses: FloatArray, design: FloatArray, starts: IntArray, stops: IntArray, cold: BoolArray, given: FloatArray,
    by_share: BoolArray, near: FloatArray,
) -> tuple[FloatArray, FloatArray, IntArray]:  # fmt: skip
    """Expectile regressions of rows [start, stop) of every window: levels (windows, m), coefficients (.., k), state.

    Problem j is the expectile at level ``given[j]``, or where `by_share` the expectile at the smallest level whose fit
    is exceeded by at most a share ``given[j]`` of the rows. A window that is not `cold` begins at the solutions of the
    window before, the first one at `near` unless it is cold; the results do not depend on that.
    """
    n_windows, m, k = starts.size, given.size, design.shape[0]
    longest = max(1, np.max(stops - starts))
    levels = np.full((n_windows, m), np.nan)
    coefficients = np.full((n_windows, m, k), np.nan)
    state = np.zeros(n_windows, dtype=np.int64)
    q, r, y = np.empty((k, longest)), np.empty((k, k)), np.empty(longest)
    e, above, lever = np.empty(longest), np.empty(longest), np.empty(longest)
    gram, moment, along, d, work = np.empty((k, k)), np.empty(k + 1), np.empty(k), np.empty(k), np.empty((k + 2, k))
    first = np.empty(k)
    warm = near.copy()
    for w in range(n_windows):
        n = stops[w] - starts[w]
        if not orthonormal(design, starts[w], n, q, r, lever):
            state[w] = DEFICIENT
            continue
        y[:n] = losses[starts[w] : stops[w]]
        project(y, q, n, along)
        for j in range(m):
            is_cold = cold[w] or np.isnan(warm[j, 0])
            for i in range(k):
                d[i] = along[i]
                if not is_cold:
                    d[i] = 0.0
                    for o in range(i, k):
                        d[i] += r[i, o] * warm[j, o]
            sides_of(y, q, n, d, e, above, gram, moment)
            level = given[j]
            if by_share[j]:
                allowed = given[j] * n + 1e-9
                level, found = level_at_share(
                    y, q, n, lever, along, allowed, above, gram, moment, d, e, work,
                    first,
                )  # fmt: skip
                back(r, first, warm[j])
                if np.isnan(level):
                    state[w] = max(state[w], found)
                    continue
            if settle(y, q, n, along, level, above, gram, moment, d, e, work) == 0:
                state[w] = UNSETTLED
                continue
            refine(y, q, n, along, level, above, gram, moment, d, e, work)
            levels[w, j] = level
            back(r, d, coefficients[w, j])
            if not by_share[j]:
                warm[j] = coefficients[w, j]
    return levels, coefficients, state


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def window_moments(losses: FloatArray, starts: IntArray, stops: IntArray) -> FloatArray:
    """Rows (mean, standard deviation, largest absolute loss) of windows."""
    out = np.empty((starts.size, 3))
    for w in range(starts.size):
        n = stops[w] - starts[w]
        total, squares, largest = 0.0, 0.0, 0.0
        for t in range(starts[w], stops[w]):
            total += losses[t]
            largest = max(largest, abs(losses[t]))
        mean = total / n
        for t in range(starts[w], stops[w]):
            squares += (losses[t] - mean) * (losses[t] - mean)
        out[w, 0], out[w, 1], out[w, 2] = mean, math.sqrt(squares / n), largest
    return out
