"""Likelihood, gradient and descent of one window for volatilities beyond GARCH, GJR and EGARCH, by the adjoint.

A point is ``(a, b, v0, v1, v2, v3, v4, p, q)``: constant and slope of the mean, the volatility, and the law (t: p is
1/nu; skewed t: 1/nu and lambda; GED: the shape). Losses are scaled to a standard deviation of one.

APARCH: omega, alpha, gamma, beta, delta. FIGARCH: omega, phi, d, beta. Component: omega, alpha, beta, rho, phi.
Beta-t-EGARCH: omega, phi, kappa, kappa2, and nu of the law.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from numba import njit

from riskcore._types import FloatArray
from riskcore.kernels.descent import NEARLY, bend, dot, make_positive, quadratic_step, room, settle
from riskcore.kernels.lanes import WIDTH
from riskcore.kernels.likelihood import GED, LOG_2PI, LOG_GAMMA_HALF, NORMAL, SKEW_T, STUDENT_T, digamma

APARCH, FIGARCH, COMPONENT, BETA_T = 0, 1, 2, 3
N_FULL = 9
FIRST, P, Q = 2, 7, 8
"""Places of the first coordinate of the volatility, and of the law's two."""
N_PATH, N_WORK = 5, 9
"""Rows of work space for a path, and for a gradient."""
LARGEST = 1e12
"""A variance of scaled losses beyond which there is no likelihood."""

Task = namedtuple("Task", "family law mean slots base rows limits presample truncation")  # numba knows this kind
"""What is estimated: family, law, number of the mean's coordinates, places of the free coordinates in a whole point,
a whole point, linear constraints ``rows @ y >= limits``, the presample variance and FIGARCH's last lag."""


@njit(cache=True, error_model="numpy")
def figarch_weights(phi: float, d: float, beta: float, weights: FloatArray, slopes: FloatArray) -> None:
    """Weights of the squared shocks at lags 1, 2, ..., and where `slopes` has rows their slopes by phi, d and beta."""
    delta, by_d = d, 1.0
    weights[0] = phi - beta + d
    if slopes.shape[0] > 0:
        slopes[0, 0], slopes[1, 0], slopes[2, 0] = 1.0, 1.0, -1.0
    for i in range(1, weights.size):
        factor = (i - d) / (i + 1)
        following = factor * delta
        weights[i] = beta * weights[i - 1] + (following - phi * delta)
        if slopes.shape[0] > 0:
            following_d = factor * by_d - delta / (i + 1)
            slopes[0, i] = beta * slopes[0, i - 1] - delta
            slopes[1, i] = beta * slopes[1, i - 1] + following_d - phi * by_d
            slopes[2, i] = beta * slopes[2, i - 1] + weights[i - 1]
            by_d = following_d
        delta = following


@njit(cache=True, error_model="numpy")
def add(to: FloatArray, factor: float, what: FloatArray) -> None:
    """Add a multiple of an array; a loop of this shape becomes vector instructions."""
    for t in range(to.size):
        to[t] += factor * what[t]


@njit(cache=True, error_model="numpy")
def variance_path(
    family: int, e: FloatArray, hold: int, point: FloatArray, presample: float, weights: FloatArray, work: FloatArray
) -> None:
    """Variances of rows hold..n into row 0 of `work`, and what the gradient needs into rows 1..4.

    Row t is known from rows before t; a loss is a positive shock.
    """
    n = e.size
    v0, v1, v2, v3, v4 = point[2], point[3], point[4], point[5], point[6]
    if family == APARCH:
        power = 2.0 / v4
        now = v0 + (v1 + v3) * presample ** (0.5 * v4)
        for t in range(hold, n + 1):
            log_now = math.log(now)
            work[0, t], work[1, t], work[4, t] = math.exp(power * log_now), log_now, now
            if t < n:
                base = abs(e[t]) + v2 * e[t]
                work[2, t] = math.log(base) if base > 0.0 else -math.inf
                work[3, t] = math.exp(v4 * work[2, t])
                now = v0 + v1 * work[3, t] + v3 * now
    elif family == FIGARCH:
        m = weights.size
        level, left = v0 / (1.0 - v3), 0.0
        for i in range(m):
            left += weights[i]
        for t in range(hold, n + 1):
            work[0, t] = level + presample * left
            if t < n:
                work[1, t] = e[t] * e[t]
            left = max(left - weights[t - hold], 0.0) if t - hold < m - 1 else 0.0
        for i in range(min(m, n - hold)):
            add(work[0, hold + i + 1 : n + 1], weights[i], work[1, hold : n - i])
    elif family == COMPONENT:
        q = h = presample
        for t in range(hold, n + 1):
            work[0, t], work[1, t] = h, q
            if t < n:
                square = e[t] * e[t]
                following = v0 + v3 * q + v4 * (square - h)
                h = following + v1 * (square - q) + v2 * (h - q)
                q = following
    else:
        nu = 1.0 / point[P]
        factor, state = nu / (nu - 2.0), v0
        for t in range(hold, n + 1):
            scale = math.exp(2.0 * state)
            work[0, t], work[1, t] = scale * factor, state
            if t < n:
                square = e[t] * e[t]
                share = square / (nu * scale + square)
                work[2, t] = share
                gain = v2 + v3 if e[t] > 0.0 else v2 - v3
                state = v0 + v1 * (state - v0) + gain * (nu + 1.0) * share - v2


@njit(cache=True, error_model="numpy")
def law_once(law: int, p: float, q: float, c: FloatArray) -> None:
    """What the law's parameters say once for all days."""
    c[:] = 0.0
    if law == NORMAL:
        c[2] = -0.5 * LOG_2PI
    elif law == GED:
        one, three = 1.0 / p, 3.0 / p
        log_scale = 0.5 * (math.lgamma(one) - math.lgamma(three))
        by_shape = 0.5 * (three * digamma(three) - one * digamma(one)) / p
        c[0], c[1] = p, log_scale
        c[2] = math.log(0.5 * p) - log_scale - math.lgamma(one)
        c[3] = one - by_shape + digamma(one) / (p * p)
        c[4] = by_shape
    else:
        nu = 1.0 / p
        half = 0.5 * nu
        c[0], c[1] = 1.0 / (nu - 2.0), (nu + 1.0) / (nu - 2.0)
        c[2] = math.lgamma(half + 0.5) - math.lgamma(half) - LOG_GAMMA_HALF - 0.5 * math.log(nu - 2.0)
        c[3] = 0.5 * (digamma(half + 0.5) - digamma(half) - 1.0 / (nu - 2.0))
        if law == SKEW_T:
            peak, ratio = math.exp(c[2]), (nu - 2.0) / (nu - 1.0)
            a = 4.0 * q * peak * ratio
            b = math.sqrt(1.0 + 3.0 * q * q - a * a)
            c[2] += math.log(b)
            c[4], c[5] = a, b
            c[6] = 4.0 * q * peak * (c[3] * ratio + 1.0 / ((nu - 1.0) * (nu - 1.0)))
            c[7] = -a * c[6] / b
            c[8] = 4.0 * peak * ratio
            c[9] = (3.0 * q - a * c[8]) / b


@njit(cache=True, error_model="numpy")
def law_of_day(law: int, p: float, q: float, c: FloatArray, z: float) -> tuple[float, float, float, float]:
    """Log density of a standardised loss, minus its derivative by the loss, and its derivatives by p and q."""
    if law == NORMAL:
        return c[2] - 0.5 * z * z, z, 0.0, 0.0
    if law == GED:
        if z == 0.0:
            return c[2], 0.0, c[3], 0.0
        log_r = math.log(abs(z)) - c[1]
        power = math.exp(c[0] * log_r)
        return c[2] - power, c[0] * power / z, c[3] - power * (log_r - c[0] * c[4]), 0.0
    nu = 1.0 / p
    if law == STUDENT_T:
        f = 1.0 + z * z * c[0]
        log_f, force = math.log(f), c[1] * z / f
        by_nu = c[3] - 0.5 * log_f + 0.5 * force * z * c[0]
        return c[2] - 0.5 * (nu + 1.0) * log_f, force, -nu * nu * by_nu, 0.0
    y = c[5] * z + c[4]
    side = 1.0 / (1.0 + q) if y > 0.0 else 1.0 / (1.0 - q)
    u = y * side
    f = 1.0 + u * u * c[0]
    log_f, bare = math.log(f), c[1] * u / f
    pressed = bare * side
    by_nu = c[3] + c[7] / c[5] - 0.5 * log_f + 0.5 * bare * u * c[0] - pressed * (c[7] * z + c[6])
    by_skew = c[9] / c[5] - pressed * (c[9] * z + c[8] - abs(u))
    return c[2] - 0.5 * (nu + 1.0) * log_f, pressed * c[5], -nu * nu * by_nu, by_skew


@njit(cache=True, error_model="numpy")
def cost(
    task: Task, x: FloatArray, point: FloatArray, work: FloatArray, lags: FloatArray, gradient: FloatArray, wanted: bool
) -> float:
    """Minus the log-likelihood at a whole point, inf where there is none, and if `wanted` its gradient.

    `work` takes in row 8 the log-likelihoods of the days; `lags` are FIGARCH's weights and their derivatives.
    """
    n = x.size
    hold = 1 if task.mean == 2 else 0
    family, law, p, q = task.family, task.law, point[P], point[Q]
    e, h, by_h, by_e = work[5, :n], work[0], work[6], work[7]
    for t in range(hold, n):
        e[t] = x[t] - point[0] - (point[1] * x[t - 1] if hold else 0.0)
    presample = task.presample
    if family == COMPONENT:
        presample = 0.0
        for t in range(hold, n):
            presample += e[t] * e[t]
        presample /= n - hold
    if family == FIGARCH:
        figarch_weights(point[3], point[4], point[5], lags[0], lags[1:] if wanted else lags[:0])
    variance_path(family, e, hold, point, presample, lags[0], work)
    c = np.empty(10)
    law_once(law, p, q, c)
    total, by_p, by_q = 0.0, 0.0, 0.0
    for t in range(hold, n):
        if not (h[t] > 0.0 and h[t] < LARGEST):
            return math.inf
        inverse = 1.0 / math.sqrt(h[t])
        z = e[t] * inverse
        value, force, day_p, day_q = law_of_day(law, p, q, c, z)
        work[8, t] = value - 0.5 * math.log(h[t])
        total += work[8, t]
        by_h[t] = 0.5 * (force * z - 1.0) / h[t]
        by_e[t] = -force * inverse
        by_p += day_p
        by_q += day_q
    if not (h[n] > 0.0 and abs(total) < math.inf):
        return math.inf
    if wanted:
        gradient[:] = 0.0
        gradient[P], gradient[Q] = by_p, by_q
        if family == APARCH:
            _aparch_back(e, hold, point, presample, work, gradient)
        elif family == FIGARCH:
            _figarch_back(e, hold, point, presample, lags, work, gradient)
        elif family == COMPONENT:
            _component_back(e, hold, point, work, gradient)
        else:
            _beta_t_back(e, hold, point, work, gradient)
        for t in range(hold, n):
            gradient[0] -= by_e[t]
            if hold:
                gradient[1] -= by_e[t] * x[t - 1]
        for i in range(N_FULL):
            gradient[i] = -gradient[i]
    return -total


@njit(cache=True, error_model="numpy")
def _aparch_back(
    e: FloatArray, hold: int, point: FloatArray, presample: float, work: FloatArray, gradient: FloatArray
) -> None:
    h, by_h, by_e = work[0], work[6], work[7]
    alpha, gamma, beta, delta = point[3], point[4], point[5], point[6]
    adjoint = 0.0
    for t in range(e.size - 1, hold - 1, -1):
        log_s, log_base, power, s = work[1, t], work[2, t], work[3, t], work[4, t]
        gradient[2] += adjoint
        gradient[3] += adjoint * power
        gradient[5] += adjoint * s
        if power > 0.0:
            push = adjoint * alpha * power
            gradient[6] += push * log_base
            push *= delta / (abs(e[t]) + gamma * e[t])
            gradient[4] += push * e[t]
            by_e[t] += push * (gamma + (1.0 if e[t] > 0.0 else -1.0))
        direct = by_h[t] * h[t] * (2.0 / delta)
        gradient[6] -= direct * log_s / delta
        adjoint = direct / s + beta * adjoint
    start = presample ** (0.5 * delta)
    gradient[2] += adjoint
    gradient[3] += adjoint * start
    gradient[5] += adjoint * start
    gradient[6] += adjoint * (alpha + beta) * start * 0.5 * math.log(presample)


@njit(cache=True, error_model="numpy")
def _figarch_back(
    e: FloatArray, hold: int, point: FloatArray, presample: float, lags: FloatArray, work: FloatArray,
    gradient: FloatArray,
) -> None:  # fmt: skip
    by_h, by_e, squares, back, turned = work[6], work[7], work[1], work[2], work[3]
    n, m = e.size, lags.shape[1]
    room_left, total = 1.0 - point[5], 0.0
    back[:] = 0.0
    for t in range(hold, n):
        total += by_h[t]
    gradient[2] = total / room_left
    gradient[5] = total * point[2] / (room_left * room_left)
    beyond = 0.0  # of the days whose lag i + 1 lies before the window
    for i in range(m):
        if i < n - hold:
            beyond += by_h[hold + i]
        lags[4, i] = beyond * presample
        if i < n - hold - 1:
            add(back[hold : n - i - 1], lags[0, i], by_h[hold + i + 1 : n])
    for t in range(hold, n):
        turned[n - 1 - t] = squares[t]
    for t in range(hold + 1, n):  # the square at lag i + 1 stands at n - t + i
        most = min(m, t - hold)
        add(lags[4, :most], by_h[t], turned[n - t : n - t + most])
    for i in range(m):
        gradient[3] += lags[4, i] * lags[1, i]
        gradient[4] += lags[4, i] * lags[2, i]
        gradient[5] += lags[4, i] * lags[3, i]
    for t in range(hold, n):
        by_e[t] += 2.0 * e[t] * back[t]


@njit(cache=True, error_model="numpy")
def _component_back(e: FloatArray, hold: int, point: FloatArray, work: FloatArray, gradient: FloatArray) -> None:
    h, q, by_h, by_e = work[0], work[1], work[6], work[7]
    alpha, beta, rho, phi = point[3], point[4], point[5], point[6]
    after_q, after_h = 0.0, 0.0
    n = e.size
    for t in range(n - 1, hold - 1, -1):
        square = e[t] * e[t]
        both = after_q + after_h
        gradient[2] += both
        gradient[3] += after_h * (square - q[t])
        gradient[4] += after_h * (h[t] - q[t])
        gradient[5] += both * q[t]
        gradient[6] += both * (square - h[t])
        by_e[t] += 2.0 * e[t] * (phi * both + alpha * after_h)
        after_q, after_h = rho * both - (alpha + beta) * after_h, by_h[t] + beta * after_h - phi * both
    start = 2.0 * (after_q + after_h) / (n - hold)
    for t in range(hold, n):
        by_e[t] += start * e[t]


@njit(cache=True, error_model="numpy")
def _beta_t_back(e: FloatArray, hold: int, point: FloatArray, work: FloatArray, gradient: FloatArray) -> None:
    h, states, shares, by_h, by_e = work[0], work[1], work[2], work[6], work[7]
    omega, phi, kappa, kappa2 = point[2], point[3], point[4], point[5]
    nu = 1.0 / point[P]
    adjoint, by_nu = 0.0, 0.0
    for t in range(e.size - 1, hold - 1, -1):
        share, sign = shares[t], 1.0 if e[t] > 0.0 else -1.0
        gain = (kappa + sign * kappa2) * (nu + 1.0)
        bend_ = gain * share * (1.0 - share)
        gradient[2] += adjoint * (1.0 - phi)
        gradient[3] += adjoint * (states[t] - omega)
        gradient[4] += adjoint * ((nu + 1.0) * share - 1.0)
        gradient[5] += adjoint * sign * (nu + 1.0) * share
        by_nu += adjoint * (gain / (nu + 1.0) * share - bend_ / nu)
        if e[t] != 0.0:
            by_e[t] += adjoint * 2.0 * bend_ / e[t]
        direct = by_h[t] * h[t]
        by_nu += direct * (1.0 / nu - 1.0 / (nu - 2.0))
        adjoint = 2.0 * direct + adjoint * (phi - 2.0 * bend_)
    gradient[2] += adjoint
    gradient[P] -= nu * nu * by_nu


@njit(cache=True, error_model="numpy")
def _whole(task: Task, points: FloatArray, j: int, point: FloatArray) -> None:
    point[:] = task.base
    for i in range(task.slots.size):
        point[task.slots[i]] = points[j, i]


@njit(cache=True, error_model="numpy")
def costs(task: Task, x: FloatArray, points: FloatArray, values: FloatArray, gradients: FloatArray) -> FloatArray:
    """Costs at points, gradients where `gradients` has rows; returns the log-likelihoods of the days at the last."""
    work, point, full = np.zeros((N_WORK, x.size + 1)), np.empty(N_FULL), np.empty(N_FULL)
    lags, wanted = np.zeros((5, task.truncation)), gradients.shape[0] > 0
    for j in range(points.shape[0]):
        _whole(task, points, j, point)
        values[j] = cost(task, x, point, work, lags, full, wanted)
        if wanted:
            for i in range(task.slots.size):
                gradients[j, i] = full[task.slots[i]]
    return work[8, : x.size]


@njit(cache=True, error_model="numpy")
def curvature(task: Task, x: FloatArray, points: FloatArray, step: float, sides: int) -> FloatArray:
    """Hessians of the cost by differences of the gradient, within the constraints, not yet positive.

    Differences are central with two `sides`, but next to a constraint.
    """
    d = points.shape[1]
    out, two, slopes, values = np.zeros((points.shape[0], d, d)), np.empty((2, d)), np.empty((2, d)), np.empty(2)
    centre = np.empty((1, d))
    for j in range(points.shape[0]):
        costs(task, x, points[j : j + 1], values, centre)
        for c in range(d):
            size = step * max(abs(points[j, c]), 1e-2)
            ahead, back = size, size if sides == 2 else 0.0
            for k in range(task.limits.size):
                slack = max(dot(task.rows, k, points, j, d) - task.limits[k], 0.0)
                if task.rows[k, c] * size < -slack:
                    ahead = 0.0
                elif -task.rows[k, c] * size < -slack:
                    back = 0.0
            if ahead + back == 0.0:
                back = size
            two[0], two[1] = points[j], points[j]
            two[0, c] += ahead
            two[1, c] -= back
            if ahead > 0.0:
                costs(task, x, two[:1], values, slopes[:1])
            if back > 0.0:
                costs(task, x, two[1:], values, slopes[1:])
            for a in range(d):
                value = (slopes[0, a] if ahead > 0.0 else centre[0, a]) - (slopes[1, a] if back > 0.0 else centre[0, a])
                value /= ahead + back
                out[j, c, a] = value if abs(value) < 1e150 else 0.0
    return out


@njit(cache=True, error_model="numpy")
def descend(
    task: Task, x: FloatArray, points: FloatArray, curvatures: FloatArray, fresh: bool, tolerance: float, most: int
) -> tuple[float, int, bool]:
    """Minimise from the only row of `points`, changed in place with its curvature: cost, evaluations, convergence.

    Steps are those of sequential quadratic programming with damped BFGS. The last step is taken without looking: its
    gain is below `tolerance` and known from the quadratic. With `fresh` the curvature is that of the start.
    """
    d, m = points.shape[1], task.limits.size
    work, point, full = np.zeros((N_WORK, x.size + 1)), np.empty(N_FULL), np.empty(N_FULL)
    lags = np.zeros((5, task.truncation))
    slopes, steps, before, bent = np.zeros((WIDTH + 1, d)), np.zeros((1, d)), np.empty(d), np.empty(d)
    space, slack = room(d, m), np.empty(m)
    _whole(task, points, 0, point)
    best = cost(task, x, point, work, lags, full, True)
    count = 1
    if not best < math.inf:
        return math.inf, count, False
    if fresh:
        curvatures[:] = curvature(task, x, points, 1e-5, 1)
        make_positive(curvatures)
        count += d + 1
    for i in range(d):
        slopes[0, i] = full[task.slots[i]]
    again = True
    while True:
        for i in range(m):
            slack[i] = max(dot(task.rows, i, points, 0, d) - task.limits[i], 0.0)
        if count >= most or not quadratic_step(curvatures, 0, slopes, 0, task.rows, slack, steps, space):
            return best, count, False
        down = dot(slopes, 0, steps, 0, d)
        gain = -down
        for a in range(d):
            for b in range(d):
                gain -= 0.5 * steps[0, a] * curvatures[0, a, b] * steps[0, b]
        for i in range(d):
            before[i] = points[0, i]
        if gain < tolerance:
            if gain > 0.0:
                for i in range(d):
                    points[0, i] += steps[0, i]
                settle(task.rows, task.limits, points, 0)
            return best - max(gain, 0.0), count, True
        share = 1.0
        while True:
            for i in range(d):
                points[0, i] = before[i] + share * steps[0, i]
            settle(task.rows, task.limits, points, 0)
            _whole(task, points, 0, point)
            value = cost(task, x, point, work, lags, full, True)
            count += 1
            if value <= best + 1e-4 * share * down + 1e-12 * abs(best):
                break
            if count >= most or share < 1e-8:
                for i in range(d):
                    points[0, i] = before[i]
                if gain >= NEARLY and again and count < most:  # the steps so far can lead the curvature astray
                    share = 0.0
                    break
                return best, count, gain < NEARLY
            if value < math.inf:
                share *= min(max(-0.5 * share * down / (value - best - share * down), 0.1), 0.5)
            else:
                share *= 0.1
        if share == 0.0:
            again = False
            curvatures[:] = curvature(task, x, points, 1e-5, 1)
            make_positive(curvatures)
            count += d + 1
            continue
        for i in range(d):
            slopes[WIDTH, i] = full[task.slots[i]]
        bend(curvatures, 0, steps, 0, slopes, share, bent)
        best = value
        for i in range(d):
            slopes[0, i] = slopes[WIDTH, i]
