"""Maximum likelihood on many windows: each lane descends on one job, and takes the next when it has arrived.

A job is a window, a start and a curvature. Steps are those of sequential quadratic programming with damped BFGS under
linear constraints ``rows @ y >= limits``. What a job gives depends on the job alone, whatever the other lanes do.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from numba import njit

from riskcore._types import BoolArray, FloatArray, IntArray
from riskcore.kernels.lanes import WIDTH
from riskcore.kernels.likelihood import N_FULL, N_LAW, N_SUMS, N_WORK, cost

Model = namedtuple("Model", "family law moving tied slots base rows limits")  # numba knows this kind
"""What is estimated: family, law, whether the presample moves with the mean, whether gains and losses share one alpha,
places of the free coordinates in a whole point, a whole point, and the constraints."""
Windows = namedtuple("Windows", "losses n factors centres presamples")
"""Losses, length of a window, and for each row that a window may begin at: one over its standard deviation, its mean
and its presample variance, both of scaled losses."""
Space = namedtuple("Space", "lower free back small factor right found active ready order")
"""Work space of the quadratic step; `free` has a row for the step without constraints and one for that with some."""
Lane = namedtuple("Lane", "x point presample drift constants work sums values full held")
"""Work space of an evaluation in each lane; `held` are the windows that `x` holds."""

ROUNDING = 1e-12
"""Losses whose standard deviation is this small beside the largest of them are constant."""
NEARLY = 1e-5
"""Gain of a step below which a descent that cannot go on has arrived: a GED's likelihood has kinks in the mean."""


@njit(cache=True, error_model="numpy")
def cholesky(matrices: FloatArray, j: int, lower: FloatArray, d: int) -> bool:
    """Lower factor of the symmetric matrix number `j`; False where it is not positive definite."""
    for a in range(d):
        for b in range(a + 1):
            rest = matrices[j, a, b]
            for c in range(b):
                rest -= lower[a, c] * lower[b, c]
            if a == b:
                if not rest > 1e-14 * abs(matrices[j, a, a]) or not rest < np.inf:
                    return False
                lower[a, a] = math.sqrt(rest)
            else:
                lower[a, b] = rest / lower[b, b]
    return True


@njit(cache=True, error_model="numpy")
def solve(lower: FloatArray, right: FloatArray, out: FloatArray, row: int, d: int) -> None:
    """Solve ``lower lower' x = right`` into a row of `out`."""
    for a in range(d):
        rest = right[row, a]
        for c in range(a):
            rest -= lower[a, c] * out[row, c]
        out[row, a] = rest / lower[a, a]
    for a in range(d - 1, -1, -1):
        rest = out[row, a]
        for c in range(a + 1, d):
            rest -= lower[c, a] * out[row, c]
        out[row, a] = rest / lower[a, a]


@njit(cache=True, error_model="numpy")
def dot(a: FloatArray, i: int, b: FloatArray, j: int, d: int) -> float:
    """Inner product of a row with a row. (Rows are named by number: a view costs as much as the product.)"""
    total = 0.0
    for c in range(d):
        total += a[i, c] * b[j, c]
    return total


@njit(cache=True, error_model="numpy")
def room(d: int, m: int) -> Space:
    """Work space for `d` coordinates and `m` constraints."""
    return Space(
        np.empty((d, d)),
        np.empty((2, d)),
        np.empty((m, d)),
        np.empty((1, m, m)),
        np.empty((m, m)),
        np.empty((2, m)),
        np.empty((2, m)),
        np.empty(m, dtype=np.bool_),
        np.empty(m, dtype=np.bool_),
        np.empty(m, dtype=np.int64),
    )


@njit(cache=True, error_model="numpy")
def quadratic_step(
    curvatures: FloatArray,
    j: int,
    gradients: FloatArray,
    k: int,
    rows: FloatArray,
    slack: FloatArray,
    steps: FloatArray,
    space: Space,
) -> bool:
    """The step that minimises ``g'p + p'Bp/2`` under ``rows p >= -slack``; False if B is not positive definite.

    False too where active constraints that depend on each other send it round in circles.
    B is curvature `j`, g minus gradient `k`, and p goes to row `k` of `steps`.
    """
    d, m = rows.shape[1], slack.size
    if not cholesky(curvatures, j, space.lower, d):
        return False
    for c in range(d):
        space.free[1, c] = -gradients[k, c]
    solve(space.lower, space.free[1:], space.free, 0, d)
    inside = True
    for i in range(m):
        if dot(rows, i, space.free, 0, d) + slack[i] < 0.0:
            inside = False
            break
    for c in range(d):
        steps[k, c] = space.free[0, c] if inside else 0.0
    if inside:
        return True
    for i in range(m):
        space.active[i], space.ready[i] = slack[i] <= 1e-13, False
    for _ in range(4 * m + 4):
        n = 0
        for i in range(m):
            if space.active[i]:
                if not space.ready[i]:
                    solve(space.lower, rows, space.back, i, d)
                    space.ready[i] = True
                space.order[n] = i
                n += 1
        if not _project(rows, slack, space, d, n):
            space.active[space.order[n - 1]] = False  # depends on the others
            continue
        share, block = 1.0, -1
        for i in range(m):
            if not space.active[i]:
                there = dot(rows, i, space.free, 1, d) + slack[i]
                if there < -1e-15:
                    here = max(dot(rows, i, steps, k, d) + slack[i], 0.0)
                    part = here / (here - there)
                    if part < share:
                        share, block = part, i
        for c in range(d):
            steps[k, c] += share * (space.free[1, c] - steps[k, c])
        if block >= 0:
            space.active[block] = True
            continue
        worst, place = -1e-10, -1
        for i in range(n):
            if space.found[0, i] < worst:
                worst, place = space.found[0, i], space.order[i]
        if place < 0:
            return True
        space.active[place] = False
    return False


@njit(cache=True, error_model="numpy")
def _project(rows: FloatArray, slack: FloatArray, space: Space, d: int, n: int) -> bool:
    """The free step moved onto the first `n` active constraints, into row 1 of `free`; multipliers into `found`."""
    for i in range(n):
        for k in range(n):
            space.small[0, i, k] = dot(rows, space.order[i], space.back, space.order[k], d)
        space.found[0, i] = 0.0
    if not cholesky(space.small, 0, space.factor, n):
        return False
    for c in range(d):
        space.free[1, c] = space.free[0, c]
    for _ in range(2):  # the second time for the rounding of the first: a free step may be long
        for i in range(n):
            space.right[1, i] = -slack[space.order[i]] - dot(rows, space.order[i], space.free, 1, d)
        solve(space.factor, space.right, space.found, 1, n)
        for i in range(n):
            space.found[0, i] += space.found[1, i]
            for c in range(d):
                space.free[1, c] += space.found[1, i] * space.back[space.order[i], c]
    return True


@njit(cache=True, error_model="numpy")
def settle(rows: FloatArray, limits: FloatArray, points: FloatArray, j: int) -> None:
    """Move point `j` onto each constraint that it breaks, which a sound step does by its rounding only."""
    d = rows.shape[1]
    for _ in range(50):
        worst = 0.0
        for i in range(limits.size - 1, -1, -1):  # bounds of one coordinate come first, and have the last word
            short = limits[i] - dot(rows, i, points, j, d)
            if short > 0.0:
                worst = max(worst, short)
                short /= dot(rows, i, rows, i, d)
                for c in range(d):
                    points[j, c] += short * rows[i, c]
        if worst < 1e-12:
            break


@njit(cache=True, error_model="numpy")
def lane_room(n: int) -> Lane:
    """Work space of an evaluation in each lane on windows of `n` losses."""
    return Lane(
        np.zeros(n * WIDTH),
        np.zeros(N_FULL * WIDTH),
        np.ones(WIDTH),
        np.zeros(WIDTH),
        np.zeros(N_LAW * WIDTH),
        np.empty(N_WORK * n * WIDTH),
        np.empty(N_SUMS * WIDTH),
        np.empty(WIDTH),
        np.zeros(N_FULL * WIDTH),
        np.full(WIDTH, -1),
    )


@njit(cache=True, error_model="numpy")
def place(model: Model, windows: Windows, lane: Lane, k: int, begin: int, points: FloatArray, j: int) -> None:
    """Put the window that begins at `begin` and point `j` into lane `k`."""
    if lane.held[k] != begin:
        factor = windows.factors[begin]
        for t in range(windows.n):
            lane.x[t * WIDTH + k] = windows.losses[begin + t] * factor
        lane.held[k] = begin
        lane.presample[k], lane.drift[k] = windows.presamples[begin], 0.0
        for row in range(N_FULL):
            lane.point[row * WIDTH + k] = model.base[row]
    for i in range(model.slots.size):
        lane.point[model.slots[i] * WIDTH + k] = points[j, i]
    if model.tied:
        lane.point[3 * WIDTH + k] = lane.point[2 * WIDTH + k]
    if model.moving:  # mean squared shock, of losses with variance one
        away = windows.centres[begin] - lane.point[k]
        lane.presample[k], lane.drift[k] = 1.0 + away * away, -2.0 * away


@njit(cache=True, error_model="numpy")
def slope(model: Model, lane: Lane, k: int, out: FloatArray, j: int) -> None:
    """Gradient of lane `k` by the free coordinates, into row `j`."""
    for i in range(model.slots.size):
        out[j, i] = lane.full[model.slots[i] * WIDTH + k]
        if model.tied and model.slots[i] == 2:
            out[j, i] += lane.full[3 * WIDTH + k]


@njit(cache=True, error_model="numpy")
def bend(
    curvatures: FloatArray, j: int, steps: FloatArray, k: int, changes: FloatArray, share: float, bent: FloatArray
) -> None:
    """BFGS of curvature `j`, damped so that it stays positive; step `k` was taken to the extent `share`.

    `changes` holds in row `k` the gradient before, in row 8 the gradient after.
    """
    d = steps.shape[1]
    s_bent, s_y = 0.0, 0.0
    for a in range(d):
        total = 0.0
        for b in range(d):
            total += curvatures[j, a, b] * steps[k, b]
        bent[a] = share * total
        s_bent += share * steps[k, a] * bent[a]
        s_y += share * steps[k, a] * (changes[WIDTH, a] - changes[k, a])
    theta = 1.0 if s_y >= 0.1 * s_bent else 0.9 * s_bent / (s_bent - s_y)
    s_r = theta * s_y + (1.0 - theta) * s_bent
    if s_bent > 0.0 and s_r > 0.0:
        for a in range(d):
            left = theta * (changes[WIDTH, a] - changes[k, a]) + (1.0 - theta) * bent[a]
            for b in range(a + 1):
                right = theta * (changes[WIDTH, b] - changes[k, b]) + (1.0 - theta) * bent[b]
                curvatures[j, a, b] += left * right / s_r - bent[a] * bent[b] / s_bent
                curvatures[j, b, a] = curvatures[j, a, b]


@njit(cache=True, error_model="numpy")
def descend(
    model: Model,
    windows: Windows,
    lane: Lane,
    begins: IntArray,
    points: FloatArray,
    curvatures: FloatArray,
    tolerance: float,
    most: int,
    values: FloatArray,
    counts: IntArray,
    good: BoolArray,
    gradients: FloatArray,
) -> None:
    """Minimise from each of `points`, changed in place with their curvatures: costs, evaluations, whether it converged.

    The last step of a descent is taken without looking: its gain is below `tolerance` and known from the quadratic.
    With `most` zero nothing moves: the costs at the points, and the gradients where `gradients` has rows. Then a job's
    lane is its number modulo `WIDTH`, and a lane that keeps its window from job to job does not copy it again.
    """
    wanted = most > 0 or gradients.shape[0] > 0
    jobs, d = points.shape
    if jobs == 0:
        return
    m = model.limits.size
    space, slack = room(d, m), np.empty(m)
    job, share, down, gain = np.full(WIDTH, -1), np.zeros(WIDTH), np.zeros(WIDTH), np.zeros(WIDTH)
    slopes, before, steps = np.zeros((WIDTH + 1, d)), np.zeros((WIDTH, d)), np.zeros((WIDTH, d))
    bent = np.empty(d)
    given = busy = 0
    for k in range(WIDTH):
        if given < jobs:
            job[k], busy = given, busy + 1
            counts[given] = 0
            given += 1
            place(model, windows, lane, k, begins[job[k]], points, job[k])
        elif lane.held[k] < 0:  # an idle lane needs a window to work on
            place(model, windows, lane, k, begins[0], points, 0)
    while busy > 0:
        cost(
            model.family, model.law, lane.x, lane.point, lane.presample, lane.drift,
            lane.constants, lane.work, lane.sums, lane.values, lane.full, wanted,
        )  # fmt: skip
        for k in range(WIDTH):
            j = job[k]
            if j < 0:
                continue
            value = lane.values[k]
            counts[j] += 1
            state = 0  # 0 go on with a step, 1 try a shorter one, 2 arrived, 3 given up
            if most == 0:
                state = 2
                values[j] = value
                if wanted:
                    slope(model, lane, k, gradients, j)
            elif counts[j] == 1:
                state = 0 if value < np.inf else 3
                values[j] = value
            elif value <= values[j] + 1e-4 * share[k] * down[k] + 1e-11 * abs(values[j]):
                slope(model, lane, k, slopes, WIDTH)
                bend(curvatures, j, steps, k, slopes, share[k], bent)
            else:
                state = 1
                if counts[j] >= most or share[k] < 1e-8:
                    for i in range(d):
                        points[j, i] = before[k, i]
                    state = 2 if gain[k] < NEARLY else 3
                elif value < np.inf:
                    cut = -0.5 * share[k] * down[k] / (value - values[j] - share[k] * down[k])
                    share[k] *= min(max(cut, 0.1), 0.5)
                else:
                    share[k] *= 0.1
            if state == 0:
                values[j] = value
                slope(model, lane, k, slopes, k)
                for i in range(m):
                    slack[i] = max(dot(model.rows, i, points, j, d) - model.limits[i], 0.0)
                if counts[j] >= most or not quadratic_step(curvatures, j, slopes, k, model.rows, slack, steps, space):
                    state = 3
                else:
                    down[k] = dot(slopes, k, steps, k, d)
                    gain[k] = -down[k]
                    for a in range(d):
                        for b in range(d):
                            gain[k] -= 0.5 * steps[k, a] * curvatures[j, a, b] * steps[k, b]
                    if gain[k] < tolerance:
                        state = 2
                        if gain[k] > 0.0:
                            for i in range(d):
                                points[j, i] += steps[k, i]
                            settle(model.rows, model.limits, points, j)
                            values[j] -= gain[k]
                    for i in range(d):
                        before[k, i] = points[j, i]
                    share[k] = 1.0
            if state >= 2:
                good[j] = state == 2
                job[k] = -1
                busy -= 1
                if given < jobs:
                    job[k], busy = given, busy + 1
                    counts[given] = 0
                    place(model, windows, lane, k, begins[given], points, given)
                    given += 1
                continue
            for i in range(d):
                points[j, i] = before[k, i] + share[k] * steps[k, i]
            settle(model.rows, model.limits, points, j)
            place(model, windows, lane, k, begins[j], points, j)


@njit(cache=True, error_model="numpy")
def make_positive(matrices: FloatArray) -> None:
    """Add to the diagonal of each symmetric matrix, in its own scale, until it is positive definite."""
    d = matrices.shape[1]
    lower, trial, scale = np.empty((d, d)), np.empty((1, d, d)), np.empty(d)
    for w in range(matrices.shape[0]):
        for i in range(d):
            for j in range(i):
                middle = 0.5 * (matrices[w, i, j] + matrices[w, j, i])
                matrices[w, i, j] = matrices[w, j, i] = middle
            scale[i] = max(abs(matrices[w, i, i]), 1.0)
        ridge, keep = 0.0, 1.0
        for attempt in range(13):
            if attempt == 12:  # nothing but the diagonal's size
                ridge, keep = 1.0, 0.0
            for i in range(d):
                for j in range(d):
                    trial[0, i, j] = keep * matrices[w, i, j]
                trial[0, i, i] += ridge * scale[i]
            if cholesky(trial, 0, lower, d):
                break
            ridge = max(4.0 * ridge, 1e-3)
        for i in range(d):
            for j in range(d):
                matrices[w, i, j] = trial[0, i, j]


@njit(cache=True, error_model="numpy")
def moments(
    losses: FloatArray,
    begins: IntArray,
    n: int,
    weights: FloatArray,
    zero_mean: bool,
    means: FloatArray,
    scales: FloatArray,
    presamples: FloatArray,
) -> None:
    """Mean, standard deviation and presample variance of windows; `weights` of the first squared shocks sum to one.

    A standard deviation that is nothing but rounding is zero.
    """
    for w in range(begins.size):
        begin = begins[w]
        total = 0.0
        for t in range(n):
            total += losses[begin + t]
        mean = total / n
        square, largest = 0.0, 0.0
        for t in range(n):
            away = losses[begin + t] - mean
            square += away * away
            largest = max(largest, abs(losses[begin + t]))
        scale = math.sqrt(square / n)
        means[w], scales[w] = mean, scale if scale > ROUNDING * largest else 0.0
        first = 0.0
        for t in range(weights.size):
            away = losses[begin + t] - (0.0 if zero_mean else mean)
            first += weights[t] * away * away
        presamples[w] = first


@njit(cache=True, error_model="numpy")
def scaled_moments(
    losses: FloatArray, begins: IntArray, n: int, weights: FloatArray, zero_mean: bool,
    scales: FloatArray, centres: FloatArray, presamples: FloatArray, by_row: FloatArray,
) -> None:  # fmt: skip
    """Standard deviations of windows, and means and presample variances of the losses divided by them.

    By the rows that windows begin at too: one over the standard deviation, mean and presample variance.
    """
    moments(losses, begins, n, weights, zero_mean, centres, scales, presamples)
    for w in range(begins.size):
        row = begins[w]
        centres[w] /= scales[w]
        presamples[w] /= scales[w] * scales[w]
        by_row[0, row], by_row[1, row], by_row[2, row] = 1.0 / scales[w], centres[w], presamples[w]


@njit(cache=True, error_model="numpy")
def keep_best(
    order: IntArray,
    owner: IntArray,
    points: FloatArray,
    curvatures: FloatArray,
    costs: FloatArray,
    rival: float,
    near: float,
    place: float,
    kept_points: FloatArray,
    kept_curvatures: FloatArray,
    kept_costs: FloatArray,
) -> None:
    """The best distinct optima of each window, from all in `order` (by window, best first).

    Optima are one where their costs differ by at most `near`, and their places by less than `place` in the distance
    of the curvature; those more than `rival` above the best are dropped. `kept_costs` comes in infinite.
    """
    d, most = points.shape[1], kept_costs.shape[1]
    filled, window = 0, -1
    for i in order:
        w = owner[i]
        if w != window:
            window, filled = w, 0
        cost_here = costs[i]
        if filled == most or not cost_here < np.inf or (filled > 0 and cost_here > kept_costs[w, 0] + rival):
            continue
        distinct = True
        for k in range(filled):
            if abs(kept_costs[w, k] - cost_here) <= near:
                far = 0.0
                for a in range(d):
                    for b in range(d):
                        gap_a, gap_b = points[i, a] - kept_points[w, k, a], points[i, b] - kept_points[w, k, b]
                        far += gap_a * curvatures[i, a, b] * gap_b
                distinct = distinct and not far < place
        if distinct:
            kept_costs[w, filled] = cost_here
            for a in range(d):
                kept_points[w, filled, a] = points[i, a]
                for b in range(d):
                    kept_curvatures[w, filled, a, b] = curvatures[i, a, b]
            filled += 1
