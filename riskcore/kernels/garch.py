"""Maximum likelihood of GARCH(1,1) and GJR(1,1) on one window and on chains of windows: gradient by the adjoint, SQP.

A point is ``(mu, omega, alpha_gain, alpha_loss, beta, p, q)``: alpha_loss is alpha + gamma, p and q belong to the law
(t: 1/nu; skewed t: 1/nu and lambda; GED: the shape). Losses are scaled to a standard deviation of one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

Slots = IntArray

NORMAL, STUDENT_T, SKEW_T, GED = 0, 1, 2, 3
N_FULL = 7
LOG_2PI = 1.8378770664093453
LOG_GAMMA_HALF = 0.5723649429247001
MOST = 150
"""Evaluations of a descent from the grid at most."""
NEARLY = 1e-5
"""Gain of a step below which a descent that cannot go on has arrived: a GED's likelihood has kinks in the mean."""


@njit(cache=True, error_model="numpy")
def digamma(x: float) -> float:
    """Derivative of ln Gamma, for x > 0: recurrence up to 8, then the asymptotic series."""
    shift = 0.0
    while x < 8.0:
        shift -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * (691 / 32760 - y / 12))))))
    return shift + math.log(x) - 0.5 / x - series


@njit(cache=True, error_model="numpy")
def sum_of_logs(y: FloatArray) -> float:
    """Sum of ln y, eight factors to a logarithm; entries within 1e-38..1e38."""
    n = y.size
    whole = n - n % 8
    total = 0.0
    for i in range(0, whole, 8):
        near = (y[i] * y[i + 1]) * (y[i + 2] * y[i + 3])
        far = (y[i + 4] * y[i + 5]) * (y[i + 6] * y[i + 7])
        total += math.log(near * far)
    rest = 1.0
    for i in range(whole, n):
        rest *= y[i]
    return float(total + math.log(rest))


@njit(cache=True, error_model="numpy")
def variances(x: FloatArray, point: FloatArray, v: float, h: FloatArray, news: FloatArray) -> float:
    """Fill `h` with the variances of the window's days; the variance of the day after is returned."""
    n = x.size
    mu, omega, gain, loss, beta = point[0], point[1], point[2], point[3], point[4]
    for t in range(n):
        e = x[t] - mu
        up, down = 0.5 * (e + abs(e)), 0.5 * (e - abs(e))
        news[t] = omega + loss * up * up + gain * down * down
    now = omega + (0.5 * (gain + loss) + beta) * v
    for t in range(n):
        h[t] = now
        now = news[t] + beta * now
    return float(now)


@njit(cache=True, error_model="numpy")
def law_terms(
    x: FloatArray, point: FloatArray, law: int, h: FloatArray, direct: FloatArray, own: FloatArray, factor: FloatArray
) -> tuple[float, float, float]:
    """Log-densities under `law` without -ln(h)/2, and what the adjoint needs.

    Fills `direct` with minus d log f / d shock and `own` with the partial derivative of the log-likelihood by the
    variance; returns the sum of the log-densities and its derivatives by the law's two parameters.
    """
    n = x.size
    mu = point[0]
    if law == NORMAL:
        total = 0.0
        for t in range(n):
            e = x[t] - mu
            inverse = 1.0 / h[t]
            direct[t] = e * inverse
            own[t] = 0.5 * (e * e * inverse - 1.0) * inverse
        for t in range(n):
            total += direct[t] * (x[t] - mu)
        return -0.5 * (n * LOG_2PI + total), 0.0, 0.0
    if law == GED:
        shape = point[5]
        one, three = 1.0 / shape, 3.0 / shape
        scale = math.exp(0.5 * (math.lgamma(one) - math.lgamma(three)))
        scale_shape = 0.5 * (three * digamma(three) - one * digamma(one)) / shape  # d ln scale / d shape
        constant = math.log(shape) - math.log(2.0 * scale) - math.lgamma(one)
        constant_shape = one - scale_shape + digamma(one) / (shape * shape)
        total, slope = 0.0, 0.0
        for t in range(n):
            e = x[t] - mu
            inverse = 1.0 / h[t]
            log_r = math.log(max(abs(e) * math.sqrt(inverse) / scale, 1e-150))
            power = math.exp(shape * log_r)
            total += power
            slope += power * (log_r - shape * scale_shape)
            pull = shape * power / e if e != 0.0 else 0.0
            direct[t] = pull
            own[t] = 0.5 * (pull * e - 1.0) * inverse
        return n * constant - total, n * constant_shape - slope, 0.0
    nu = 1.0 / point[5]
    constant = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - LOG_GAMMA_HALF - 0.5 * math.log(nu - 2.0)
    constant_nu = 0.5 * (digamma(0.5 * (nu + 1.0)) - digamma(0.5 * nu) - 1.0 / (nu - 2.0))
    tail = 1.0 / (nu - 2.0)
    if law == STUDENT_T:
        weight = (nu + 1.0) * tail
        bend = 0.0
        for t in range(n):
            e = x[t] - mu
            inverse = 1.0 / h[t]
            q = e * e * inverse * tail
            factor[t] = 1.0 + q
            pull = weight / (1.0 + q) * inverse
            direct[t] = pull * e
            own[t] = 0.5 * (pull * e * e - 1.0) * inverse
        for t in range(n):
            bend += direct[t] * (x[t] - mu)  # (nu + 1) q / (1 + q)
        logs = sum_of_logs(factor)
        slope = n * constant_nu - 0.5 * logs + 0.5 * bend * tail
        return n * constant - 0.5 * (nu + 1.0) * logs, -nu * nu * slope, 0.0
    skew = point[6]
    c, k = math.exp(constant), (nu - 2.0) / (nu - 1.0)
    a = 4.0 * skew * c * k
    b = math.sqrt(1.0 + 3.0 * skew * skew - a * a)
    a_skew = 4.0 * c * k
    a_nu = 4.0 * skew * c * (constant_nu * k + 1.0 / ((nu - 1.0) * (nu - 1.0)))
    b_skew, b_nu = (3.0 * skew - a * a_skew) / b, -a * a_nu / b
    above, below = 1.0 / (1.0 + skew), 1.0 / (1.0 - skew)
    bend, by_nu, by_skew = 0.0, 0.0, 0.0
    for t in range(n):
        e = x[t] - mu
        root = 1.0 / math.sqrt(h[t])
        z = e * root
        y = b * z + a
        side = above if y >= 0.0 else below
        u = y * side
        q = u * u * tail
        factor[t] = 1.0 + q
        force = (nu + 1.0) * u * tail / (1.0 + q)  # minus d log f / du
        direct[t] = force * b * side * root
        own[t] = 0.5 * (direct[t] * e - 1.0) * root * root
        pressed = force * side
        bend += force * u
        by_nu += pressed * (b_nu * z + a_nu)
        by_skew += pressed * (b_skew * z + a_skew - abs(u))
    logs = sum_of_logs(factor)
    slope = n * (constant_nu + b_nu / b) - 0.5 * logs + 0.5 * bend * tail - by_nu
    value = n * (constant + math.log(b)) - 0.5 * (nu + 1.0) * logs
    return value, -nu * nu * slope, n * b_skew / b - by_skew


@njit(cache=True, error_model="numpy")
def presample_of(x: FloatArray, mu: float) -> tuple[float, float]:
    """Mean squared shock, and its derivative by the mean."""
    total, square = 0.0, 0.0
    for t in range(x.size):
        e = x[t] - mu
        total += e
        square += e * e
    return square / x.size, -2.0 * total / x.size


@njit(cache=True, error_model="numpy")
def cost(
    x: FloatArray, point: FloatArray, law: int, presample: float, moving: bool, work: FloatArray, gradient: FloatArray
) -> float:
    """Minus the log-likelihood, and its gradient by one pass back through the recursion; inf where there is none.

    `work` is (5, n). With `moving` the presample variance is the mean squared shock and moves with the mean.
    """
    n = x.size
    h, news, direct, own, factor = work[0], work[1], work[2], work[3], work[4]
    mu, gain, loss, beta = point[0], point[2], point[3], point[4]
    v, drift = presample, 0.0
    if moving:
        v, drift = presample_of(x, mu)
    last = variances(x, point, v, h, news)
    low, high = np.inf, 0.0
    for t in range(n):
        low, high = min(low, h[t]), max(high, h[t])
    if not (low > 1e-30 and high < 1e30 and last < 1e30):
        return np.inf
    value, g_p, g_q = law_terms(x, point, law, h, direct, own, factor)
    value -= 0.5 * sum_of_logs(h)
    # back: the adjoint of a day's variance is its own part and beta times that of the day after
    adjoint = 0.0
    g_mu, g_omega, g_gain, g_loss, g_beta = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(n - 1, -1, -1):
        e = x[t] - mu
        up, down = 0.5 * (e + abs(e)), 0.5 * (e - abs(e))
        g_omega += adjoint
        g_beta += adjoint * h[t]
        g_loss += adjoint * (up * up)
        g_gain += adjoint * (down * down)
        g_mu += direct[t] - 2.0 * adjoint * (loss * up + gain * down)
        adjoint = own[t] + beta * adjoint
    gradient[0] = -(g_mu + adjoint * (0.5 * (gain + loss) + beta) * drift)
    gradient[1] = -(g_omega + adjoint)
    gradient[2] = -(g_gain + 0.5 * adjoint * v)
    gradient[3] = -(g_loss + 0.5 * adjoint * v)
    gradient[4] = -(g_beta + adjoint * v)
    gradient[5], gradient[6] = -g_p, -g_q
    return -value if value == value else np.inf


@njit(cache=True, error_model="numpy")
def cholesky(matrix: FloatArray, lower: FloatArray) -> bool:
    """Lower factor of a symmetric matrix; False where it is not positive definite."""
    d = matrix.shape[0]
    for i in range(d):
        for j in range(i + 1):
            rest = matrix[i, j]
            for k in range(j):
                rest -= lower[i, k] * lower[j, k]
            if i == j:
                if not rest > 1e-14 * abs(matrix[i, i]) or not rest < np.inf:
                    return False
                lower[i, i] = math.sqrt(rest)
            else:
                lower[i, j] = rest / lower[j, j]
    return True


@njit(cache=True, error_model="numpy")
def solve(lower: FloatArray, right: FloatArray, out: FloatArray) -> None:
    """Solve ``lower lower' out = right``."""
    d = right.size
    for i in range(d):
        rest = right[i]
        for k in range(i):
            rest -= lower[i, k] * out[k]
        out[i] = rest / lower[i, i]
    for i in range(d - 1, -1, -1):
        rest = out[i]
        for k in range(i + 1, d):
            rest -= lower[k, i] * out[k]
        out[i] = rest / lower[i, i]


@njit(cache=True, error_model="numpy")
def quadratic_step(
    curvature: FloatArray, gradient: FloatArray, rows: FloatArray, slack: FloatArray, step: FloatArray
) -> bool:
    """The step that minimises ``g'p + p'Bp/2`` under ``rows p >= -slack``, by an active set; False if B is no good."""
    d, m = gradient.size, slack.size
    lower = np.empty((d, d))
    if not cholesky(curvature, lower):
        return False
    free = np.empty(d)
    solve(lower, -gradient, free)
    active = np.zeros(m, dtype=np.bool_)
    for i in range(m):
        active[i] = slack[i] <= 1e-13
    step[:] = 0.0
    back = np.empty((m, d))
    for i in range(m):
        solve(lower, rows[i], back[i])
    for _ in range(4 * m + 4):
        order = np.flatnonzero(active)
        k = order.size
        target = free.copy()
        multiplier = np.zeros(m)
        if k > 0:
            small, right = np.empty((k, k)), np.empty(k)
            for i in range(k):
                for j in range(k):
                    small[i, j] = np.sum(rows[order[i]] * back[order[j]])
                right[i] = -slack[order[i]] - np.sum(rows[order[i]] * free)
            factor, found = np.empty((k, k)), np.empty(k)
            if not cholesky(small, factor):
                active[order[k - 1]] = False  # depends on the others
                continue
            solve(factor, right, found)
            for i in range(k):
                multiplier[order[i]] = found[i]
                for j in range(d):
                    target[j] += found[i] * back[order[i], j]
        share, block = 1.0, -1
        for i in range(m):
            if not active[i]:
                there = np.sum(rows[i] * target) + slack[i]
                if there < -1e-15:
                    here = np.sum(rows[i] * step) + slack[i]
                    part = max(here, 0.0) / (max(here, 0.0) - there)
                    if part < share:
                        share, block = part, i
        for j in range(d):
            step[j] += share * (target[j] - step[j])
        if block >= 0:
            active[block] = True
            continue
        worst, place = -1e-10, -1
        for i in range(k):
            if multiplier[order[i]] < worst:
                worst, place = multiplier[order[i]], order[i]
        if place < 0:
            return True
        active[place] = False
    return True


@njit(cache=True, error_model="numpy")
def spread_out(y: FloatArray, slots: Slots, tied: bool, point: FloatArray) -> None:
    """Put the free coordinates into the whole point; GARCH has one alpha for gains and losses."""
    for i in range(y.size):
        point[slots[i]] = y[i]
    if tied:
        point[3] = point[2]


@njit(cache=True, error_model="numpy")
def evaluate(
    x: FloatArray,
    y: FloatArray,
    slots: Slots,
    tied: bool,
    law: int,
    presample: float,
    moving: bool,
    point: FloatArray,
    work: FloatArray,
    full: FloatArray,
    gradient: FloatArray,
) -> float:
    """`cost` by the free coordinates."""
    spread_out(y, slots, tied, point)
    value = cost(x, point, law, presample, moving, work, full)
    for i in range(y.size):
        gradient[i] = full[slots[i]]
        if tied and slots[i] == 2:
            gradient[i] += full[3]
    return value


@njit(cache=True, error_model="numpy")
def descend(
    x: FloatArray,
    y: FloatArray,
    curvature: FloatArray,
    rows: FloatArray,
    limits: FloatArray,
    slots: Slots,
    tied: bool,
    law: int,
    presample: float,
    moving: bool,
    point: FloatArray,
    work: FloatArray,
    tolerance: float,
    most: int,
) -> tuple[float, int, bool]:
    """Minimise from `y`, changed in place with its curvature: the cost, the evaluations, whether it converged.

    The last step is taken without looking: its gain is below `tolerance` and known from the quadratic.
    """
    d, m = y.size, limits.size
    gradient, after, full, step, slack = np.empty(d), np.empty(d), np.empty(N_FULL), np.empty(d), np.empty(m)
    value = evaluate(x, y, slots, tied, law, presample, moving, point, work, full, gradient)
    count = 1
    if not value < np.inf:
        return value, count, False
    bent = np.empty(d)
    while count < most:
        for i in range(m):
            slack[i] = max(np.sum(rows[i] * y) - limits[i], 0.0)
        if not quadratic_step(curvature, gradient, rows, slack, step):
            return value, count, False
        down = np.sum(gradient * step)
        for i in range(d):
            bent[i] = np.sum(curvature[i] * step)
        gain = -down - 0.5 * np.sum(step * bent)
        if gain < tolerance:
            if gain > 0.0:
                y += step
                value -= gain
            return value, count, True
        share = 1.0
        before = y.copy()
        while True:
            for i in range(d):
                y[i] = before[i] + share * step[i]
            there = evaluate(x, y, slots, tied, law, presample, moving, point, work, full, after)
            count += 1
            if there <= value + 1e-4 * share * down + 1e-11 * abs(value):
                break
            if count >= most or share < 1e-8:
                y[:] = before
                return value, count, bool(gain < NEARLY)
            if there < np.inf:
                share *= min(max(-0.5 * share * down / (there - value - share * down), 0.1), 0.5)
            else:
                share *= 0.1
        # BFGS, damped so that the curvature stays positive
        s_bent, s_y = 0.0, 0.0
        for i in range(d):
            bent[i] *= share
            step[i] *= share
            s_bent += step[i] * bent[i]
            s_y += step[i] * (after[i] - gradient[i])
        theta = 1.0 if s_y >= 0.1 * s_bent else 0.9 * s_bent / (s_bent - s_y)
        s_r = theta * s_y + (1.0 - theta) * s_bent
        if s_bent > 0.0 and s_r > 0.0:
            for i in range(d):
                full[i] = theta * (after[i] - gradient[i]) + (1.0 - theta) * bent[i]
            for i in range(d):
                for j in range(d):
                    curvature[i, j] += full[i] * full[j] / s_r - bent[i] * bent[j] / s_bent
        gradient[:] = after
        value = there
    return value, count, False


@njit(cache=True, error_model="numpy")
def curvature_at(
    x: FloatArray,
    y: FloatArray,
    rows: FloatArray,
    limits: FloatArray,
    slots: Slots,
    tied: bool,
    law: int,
    presample: float,
    moving: bool,
    point: FloatArray,
    work: FloatArray,
    out: FloatArray,
) -> int:
    """Hessian of the cost by differences of the gradient, made positive definite; returns the number of evaluations."""
    d = y.size
    full, centre, moved = np.empty(N_FULL), np.empty(d), np.empty(d)
    evaluate(x, y, slots, tied, law, presample, moving, point, work, full, centre)
    z = y.copy()
    for i in range(d):
        size = 1e-5 * max(abs(y[i]), 1e-3)
        if slots[i] == 0:
            size = 1e-5
        for sign in (1.0, -1.0):
            z[i] = y[i] + sign * size
            fits = True
            for k in range(limits.size):
                if np.sum(rows[k] * z) < limits[k]:
                    fits = False
            if fits:
                size *= sign
                break
        z[i] = y[i] + size
        evaluate(x, z, slots, tied, law, presample, moving, point, work, full, moved)
        z[i] = y[i]
        for j in range(d):
            out[i, j] = (moved[j] - centre[j]) / size
    root = np.empty(d)
    for i in range(d):
        for j in range(i):
            out[i, j] = out[j, i] = 0.5 * (out[i, j] + out[j, i])
    for i in range(d):
        root[i] = math.sqrt(max(abs(out[i, i]), 1.0))
    lower, ridge = np.empty((d, d)), 0.0
    for _ in range(12):
        trial = out.copy()
        for i in range(d):
            trial[i, i] += ridge * root[i] * root[i]
        if cholesky(trial, lower):
            out[:] = trial
            return d + 1
        ridge = max(4.0 * ridge, 1e-3)
    out[:] = 0.0
    for i in range(d):
        out[i, i] = root[i] * root[i]
    return d + 1


@njit(cache=True, error_model="numpy")
def search(
    x: FloatArray,
    starts: FloatArray,
    keep: int,
    rows: FloatArray,
    limits: FloatArray,
    slots: Slots,
    tied: bool,
    law: int,
    presample: float,
    moving: bool,
    base: FloatArray,
    work: FloatArray,
    tolerance: float,
    ys: FloatArray,
    curvatures: FloatArray,
    values: FloatArray,
) -> tuple[int, int]:
    """Distinct optima reached from `starts`, best first; returns how many and the evaluations.

    All starts are looked at; the last of them and the best of the others descend, `keep` in all.
    """
    n_starts, d = starts.shape
    count = 0
    first, full, gradient = np.empty(n_starts), np.empty(N_FULL), np.empty(d)
    for i in range(n_starts):
        first[i] = evaluate(x, starts[i], slots, tied, law, presample, moving, base, work, full, gradient)
        count += 1
    first[n_starts - 1] = min(first[n_starts - 1], -1e300)
    order = np.argsort(first)
    found, y, bend, gap = 0, np.empty(d), np.empty((d, d)), np.empty(d)
    tried = 0
    for i in range(n_starts):
        if tried == keep or not first[order[i]] < np.inf:
            break
        tried += 1
        y[:] = starts[order[i]]
        count += curvature_at(x, y, rows, limits, slots, tied, law, presample, moving, base, work, bend)
        value, used, good = descend(
            x, y, bend, rows, limits, slots, tied, law, presample, moving, base, work, 1e-9, 150
        )
        count += used
        if not good:
            continue
        place = -1
        for k in range(found):
            gap[:] = y - ys[k]
            far = 0.0
            for a in range(d):
                far += gap[a] * np.sum(bend[a] * gap)
            if far < 1e-3 and abs(values[k] - value) < 1e-3:
                place = k
        if place < 0:
            place = found
            found += 1
            values[place] = np.inf
        if value < values[place]:
            ys[place], values[place] = y, value
            curvatures[place] = bend
    for k in range(1, found):  # best first
        j = k
        while j > 0 and values[j] < values[j - 1]:
            for a in range(d):
                ys[j, a], ys[j - 1, a] = ys[j - 1, a], ys[j, a]
                for b in range(d):
                    curvatures[j, a, b], curvatures[j - 1, a, b] = curvatures[j - 1, a, b], curvatures[j, a, b]
            values[j], values[j - 1] = values[j - 1], values[j]
            j -= 1
    return found, count
