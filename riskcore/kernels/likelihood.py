"""Likelihood and gradient of GARCH(1,1), GJR(1,1) and EGARCH(1,1) on a window in each lane, by the adjoint.

A point is ``(mu, level, gain, loss, beta, p, q)``. GARCH and GJR: level is omega, gain alpha, loss alpha + gamma.
EGARCH: level is omega, gain alpha, loss gamma. p and q belong to the law (t: 1/nu; skewed t: 1/nu and
lambda; GED: the shape). Losses are scaled to a standard deviation of one.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray
from riskcore.kernels.lanes import WIDTH, exp, exp2, load, log, root, size, spread, store, where_positive, within

GJR, EGARCH = 0, 1
NORMAL, STUDENT_T, SKEW_T, GED = 0, 1, 2, 3
N_FULL = 7
N_WORK = 4
"""Vectors of work space for each day."""
N_LAW = 10
"""Vectors of constants of the laws."""
N_SUMS = 5
"""Vectors of sums: logs of the variances, logs of the law's factors, and three of the law's own."""
LOG_2PI = 1.8378770664093453
LOG_GAMMA_HALF = 0.5723649429247001
SQRT_2_OVER_PI = 0.7978845608028654
FACTORS = 24
"""Factors to one logarithm: variances of scaled losses lie within 1e-10..1e12."""
LARGEST = 1e300
STATE = -0.5 / math.log(2.0)
"""EGARCH's state over the log variance."""


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
def law_constants(law: int, point: FloatArray, out: FloatArray) -> None:
    """What the law's parameters in `point` say once for all days, lane by lane."""
    for k in range(WIDTH):
        p, q = point[5 * WIDTH + k], point[6 * WIDTH + k]
        if law == GED:
            one, three = 1.0 / p, 3.0 / p
            log_scale = 0.5 * (math.lgamma(one) - math.lgamma(three))
            by_shape = 0.5 * (three * digamma(three) - one * digamma(one)) / p  # d ln scale / d shape
            out[k] = p
            out[WIDTH + k] = log_scale
            out[2 * WIDTH + k] = math.log(0.5 * p) - log_scale - math.lgamma(one)
            out[3 * WIDTH + k] = one - by_shape + digamma(one) / (p * p)
            out[4 * WIDTH + k] = by_shape
        elif law != NORMAL:
            nu = 1.0 / p
            half = 0.5 * nu
            constant = math.lgamma(half + 0.5) - math.lgamma(half) - LOG_GAMMA_HALF - 0.5 * math.log(nu - 2.0)
            by_nu = 0.5 * (digamma(half + 0.5) - digamma(half) - 1.0 / (nu - 2.0))
            out[k] = 1.0 / (nu - 2.0)
            out[WIDTH + k] = (nu + 1.0) / (nu - 2.0)
            out[2 * WIDTH + k] = constant
            out[3 * WIDTH + k] = by_nu
            if law == SKEW_T:
                c, ratio = math.exp(constant), (nu - 2.0) / (nu - 1.0)
                a = 4.0 * q * c * ratio
                b = math.sqrt(1.0 + 3.0 * q * q - a * a)
                a_nu = 4.0 * q * c * (by_nu * ratio + 1.0 / ((nu - 1.0) * (nu - 1.0)))
                out[2 * WIDTH + k] = constant + math.log(b)
                out[4 * WIDTH + k] = a
                out[5 * WIDTH + k] = b
                out[6 * WIDTH + k] = a_nu
                out[7 * WIDTH + k] = -a * a_nu / b
                out[8 * WIDTH + k] = 4.0 * c * ratio
                out[9 * WIDTH + k] = (3.0 * q - a * 4.0 * c * ratio) / b


@njit(cache=True, error_model="numpy")
def log_density(
    law: int, n: int, lane: int, point: FloatArray, constants: FloatArray, sums: FloatArray
) -> tuple[float, float, float]:
    """Sum of the log-densities of the standardised shocks of one lane, and its derivatives by p and q."""
    constant, slope = constants[2 * WIDTH + lane], constants[3 * WIDTH + lane]
    logs, first, second, third = (
        sums[WIDTH + lane],
        sums[2 * WIDTH + lane],
        sums[3 * WIDTH + lane],
        sums[4 * WIDTH + lane],
    )
    if law == NORMAL:
        return -0.5 * (n * LOG_2PI + first), 0.0, 0.0
    if law == GED:
        return n * constant - first, n * slope - second, 0.0
    nu = 1.0 / point[5 * WIDTH + lane]
    tail = constants[lane]
    value = n * constant - 0.5 * (nu + 1.0) * logs
    by_nu = n * slope - 0.5 * logs + 0.5 * first * tail
    if law == STUDENT_T:
        return value, -nu * nu * by_nu, 0.0
    b = constants[5 * WIDTH + lane]
    by_nu += n * constants[7 * WIDTH + lane] / b - second
    return value, -nu * nu * by_nu, n * constants[9 * WIDTH + lane] / b - third


@njit(cache=True, error_model="numpy")
def forward(
    law: int,
    x: FloatArray,
    point: FloatArray,
    first: FloatArray,
    constants: FloatArray,
    work: FloatArray,
    sums: FloatArray,
) -> None:
    """GJR's recursion: fills `work` with variance, minus d log f / d shock, and the variance's own derivative."""
    n = x.size // WIDTH
    mu, omega, gain, loss, beta = (
        load(point, 0),
        load(point, WIDTH),
        load(point, 2 * WIDTH),
        load(point, 3 * WIDTH),
        load(point, 4 * WIDTH),
    )
    c0, c1, c4, c5 = load(constants, 0), load(constants, WIDTH), load(constants, 4 * WIDTH), load(constants, 5 * WIDTH)
    c6, c7, c8, c9 = (
        load(constants, 6 * WIDTH),
        load(constants, 7 * WIDTH),
        load(constants, 8 * WIDTH),
        load(constants, 9 * WIDTH),
    )
    zero, one = spread(0.0), spread(1.0)
    above, below = one / (1.0 + load(point, 6 * WIDTH)), one / (1.0 - load(point, 6 * WIDTH))
    log_h, log_f, total, second, third, wrong = zero, zero, zero, zero, zero, zero
    now = load(first, 0)
    at = 0
    for block in range(0, n, FACTORS):
        product_h, product_f = one, one
        for t in range(block, min(block + FACTORS, n)):
            e = load(x, t * WIDTH) - mu
            h, square = now, e * e
            now = omega + beta * h + where_positive(e, loss, gain) * square
            product_h = product_h * h
            if law == NORMAL:
                inverse = 1.0 / h
                direct = e * inverse
                pull = direct * e
                total = total + pull
            elif law == STUDENT_T:
                f = h + square * c0
                both = 1.0 / (h * f)
                inverse = both * f
                direct = c1 * (both * h) * e
                pull = direct * e
                total = total + pull
                product_f = product_f * f
            elif law == SKEW_T:
                deviation = root(h)
                y = c5 * e + c4 * deviation
                side = where_positive(y, above, below)
                u = y * side
                f = h + u * u * c0
                both = 1.0 / (h * f)
                inverse = both * f
                force = c1 * (both * h) * u  # minus d log f / du, divided by the deviation
                pressed = force * side
                direct = pressed * c5
                pull = direct * e
                total = total + force * u
                second = second + pressed * (c7 * e + c6 * deviation)
                third = third + pressed * (c9 * e + c8 * deviation - size(u))
                product_f = product_f * f
            else:
                inverse = 1.0 / h
                log_r = 0.5 * log(within(square * inverse, 1e-290, 1e290)) - c1
                power = exp(c0 * log_r)
                total = total + power
                second = second + power * (log_r - c0 * c4)
                pull = c0 * power
                direct = pull * e / within(square, 1e-290, 1e290)
            store(work, at, h)
            store(work, at + WIDTH, direct)
            store(work, at + 2 * WIDTH, (0.5 * pull - 0.5) * inverse)
            at += 3 * WIDTH
        wrong = wrong + where_positive(LARGEST - product_h * product_f, zero, one)
        log_h = log_h + log(within(product_h, 1e-300, LARGEST))
        if law in (STUDENT_T, SKEW_T):
            log_f = log_f + log(within(product_f, 1e-300, LARGEST))
    # the factor of a day is f / h
    store(sums, 0, log_h + where_positive(wrong, spread(np.inf), zero))
    store(sums, WIDTH, log_f - log_h)
    store(sums, 2 * WIDTH, total)
    store(sums, 3 * WIDTH, second)
    store(sums, 4 * WIDTH, third)


@njit(cache=True, error_model="numpy")
def backward(x: FloatArray, point: FloatArray, work: FloatArray, gradient: FloatArray) -> None:
    """GJR's adjoint: that of a day's variance is its own part and beta times that of the day after.

    Fills rows 0..4 of `gradient` with the log-likelihood's derivatives without the presample's part, and row 5 with
    the adjoint of the first variance.
    """
    n = x.size // WIDTH
    mu, gain, loss, beta = load(point, 0), load(point, 2 * WIDTH), load(point, 3 * WIDTH), load(point, 4 * WIDTH)
    zero = spread(0.0)
    adjoint, g_mu, g_omega, g_gain, g_loss, g_beta = zero, zero, zero, zero, zero, zero
    at = 3 * WIDTH * n
    for t in range(n - 1, -1, -1):
        at -= 3 * WIDTH
        e = load(x, t * WIDTH) - mu
        push = adjoint * e
        square = push * e
        g_omega = g_omega + adjoint
        g_beta = g_beta + adjoint * load(work, at)
        g_gain = g_gain + square
        g_loss = g_loss + where_positive(e, square, zero)
        g_mu = g_mu + (load(work, at + WIDTH) - 2.0 * (where_positive(e, loss, gain) * push))
        adjoint = load(work, at + 2 * WIDTH) + beta * adjoint
    store(gradient, 0, g_mu)
    store(gradient, WIDTH, g_omega)
    store(gradient, 2 * WIDTH, g_gain - g_loss)
    store(gradient, 3 * WIDTH, g_loss)
    store(gradient, 4 * WIDTH, g_beta)
    store(gradient, 5 * WIDTH, adjoint)


@njit(cache=True, error_model="numpy")
def forward_log(
    law: int,
    x: FloatArray,
    point: FloatArray,
    first: FloatArray,
    constants: FloatArray,
    work: FloatArray,
    sums: FloatArray,
) -> None:
    """EGARCH's recursion: fills `work` with z, the state, the inverse volatility and minus d log f / dz.

    The state is log2 of the inverse volatility, so that a day waits for one power of two and one sum.
    """
    n = x.size // WIDTH
    mu, alpha, gamma, beta = load(point, 0), load(point, 2 * WIDTH), load(point, 3 * WIDTH), load(point, 4 * WIDTH)
    omega = (load(point, WIDTH) - SQRT_2_OVER_PI * alpha) * STATE
    after_loss, after_gain = (gamma + alpha) * STATE, (gamma - alpha) * STATE
    c0, c1, c4, c5 = load(constants, 0), load(constants, WIDTH), load(constants, 4 * WIDTH), load(constants, 5 * WIDTH)
    c6, c7, c8, c9 = (
        load(constants, 6 * WIDTH),
        load(constants, 7 * WIDTH),
        load(constants, 8 * WIDTH),
        load(constants, 9 * WIDTH),
    )
    zero, one = spread(0.0), spread(1.0)
    above, below = one / (1.0 + load(point, 6 * WIDTH)), one / (1.0 - load(point, 6 * WIDTH))
    states, log_f, total, second, third, wrong = zero, zero, zero, zero, zero, zero
    now = load(first, 0) * STATE
    at = 0
    for block in range(0, n, FACTORS):
        product = one
        for t in range(block, min(block + FACTORS, n)):
            e = load(x, t * WIDTH) - mu
            inverse = exp2(now)
            z = e * inverse
            store(work, at, z)
            store(work, at + WIDTH, now)
            store(work, at + 2 * WIDTH, inverse)
            states = states + now
            now = (omega + beta * now) + where_positive(e, after_loss, after_gain) * e * inverse
            if law == NORMAL:
                force = z
                total = total + z * z
            elif law == STUDENT_T:
                f = 1.0 + z * z * c0
                force = c1 * z / f
                total = total + force * z
                product = product * f
            elif law == SKEW_T:
                y = c5 * z + c4
                side = where_positive(y, above, below)
                u = y * side
                f = 1.0 + u * u * c0
                bare = c1 * u / f
                pressed = bare * side
                force = pressed * c5
                total = total + bare * u
                second = second + pressed * (c7 * z + c6)
                third = third + pressed * (c9 * z + c8 - size(u))
                product = product * f
            else:
                square = within(z * z, 1e-290, 1e290)
                log_r = 0.5 * log(square) - c1
                power = exp(c0 * log_r)
                total = total + power
                second = second + power * (log_r - c0 * c4)
                force = c0 * power * z / square
            store(work, at + 3 * WIDTH, force)
            at += 4 * WIDTH
        wrong = wrong + where_positive(LARGEST - product, zero, one)
        if law in (STUDENT_T, SKEW_T):
            log_f = log_f + log(within(product, 1e-300, LARGEST))
    log_h = states * (1.0 / STATE)
    # a log variance that ran away, where `exp` and `within` cut what would have said so
    wrong = wrong + where_positive(1e3 * n - size(log_h), zero, one) + where_positive(1e100 - total, zero, one)
    store(sums, 0, log_h + where_positive(wrong, spread(np.inf), zero))
    store(sums, WIDTH, log_f)
    store(sums, 2 * WIDTH, total)
    store(sums, 3 * WIDTH, second)
    store(sums, 4 * WIDTH, third)


@njit(cache=True, error_model="numpy")
def backward_log(n: int, point: FloatArray, work: FloatArray, gradient: FloatArray) -> None:
    """EGARCH's adjoint, by the log variance; rows of `gradient` as in `backward`, row 1 by omega."""
    alpha, gamma, beta = load(point, 2 * WIDTH), load(point, 3 * WIDTH), load(point, 4 * WIDTH)
    zero = spread(0.0)
    adjoint, g_mu, g_omega, g_alpha, g_gamma, g_beta = zero, zero, zero, zero, zero, zero
    at = 4 * WIDTH * n
    for _ in range(n):
        at -= 4 * WIDTH
        z, force = load(work, at), load(work, at + 3 * WIDTH)
        slope = where_positive(z, gamma + alpha, gamma - alpha)
        g_omega = g_omega + adjoint
        g_beta = g_beta + adjoint * load(work, at + WIDTH)
        g_alpha = g_alpha + adjoint * size(z)
        g_gamma = g_gamma + adjoint * z
        g_mu = g_mu + (force - adjoint * slope) * load(work, at + 2 * WIDTH)
        adjoint = (0.5 * (force * z) - 0.5) + (beta - 0.5 * (slope * z)) * adjoint
    store(gradient, 0, g_mu)
    store(gradient, WIDTH, g_omega)
    store(gradient, 2 * WIDTH, g_alpha - SQRT_2_OVER_PI * g_omega)
    store(gradient, 3 * WIDTH, g_gamma)
    store(gradient, 4 * WIDTH, g_beta * (1.0 / STATE))
    store(gradient, 5 * WIDTH, adjoint)


@njit(cache=True, error_model="numpy")
def cost(
    family: int,
    law: int,
    x: FloatArray,
    point: FloatArray,
    presample: FloatArray,
    drift: FloatArray,
    constants: FloatArray,
    work: FloatArray,
    sums: FloatArray,
    values: FloatArray,
    gradient: FloatArray,
    wanted: bool,
) -> None:
    """Minus the log-likelihoods of a point in each lane, inf where there is none, and if `wanted` their gradients.

    `x` holds the windows side by side, `presample` their presample variances and `drift` the derivatives of those by
    the mean. All arrays are flat, `WIDTH` entries to a row.
    """
    n = x.size // WIDTH
    law_constants(law, point, constants)
    for k in range(WIDTH):
        gain, loss, beta, v = point[2 * WIDTH + k], point[3 * WIDTH + k], point[4 * WIDTH + k], presample[k]
        if family == GJR:
            values[k] = point[WIDTH + k] + (0.5 * (gain + loss) + beta) * v
        else:
            values[k] = point[WIDTH + k] + beta * math.log(v)
    if family == GJR:
        forward(law, x, point, values, constants, work, sums)
    else:
        forward_log(law, x, point, values, constants, work, sums)
    if wanted:
        if family == GJR:
            backward(x, point, work, gradient)
        else:
            backward_log(n, point, work, gradient)
    for k in range(WIDTH):
        value, by_p, by_q = log_density(law, n, k, point, constants, sums)
        value = 0.5 * sums[k] - value
        gain, loss, beta, v = point[2 * WIDTH + k], point[3 * WIDTH + k], point[4 * WIDTH + k], presample[k]
        positive = family == EGARCH or (point[WIDTH + k] > 0.0 and min(gain, loss, beta) >= 0.0)
        values[k] = value if positive and value < np.inf else np.inf
        if wanted:
            adjoint = gradient[5 * WIDTH + k]
            if family == GJR:
                gradient[k] += adjoint * (0.5 * (gain + loss) + beta) * drift[k]
                gradient[WIDTH + k] += adjoint
                gradient[2 * WIDTH + k] += 0.5 * adjoint * v
                gradient[3 * WIDTH + k] += 0.5 * adjoint * v
                gradient[4 * WIDTH + k] += adjoint * v
            else:
                gradient[k] += adjoint * beta / v * drift[k]
                gradient[WIDTH + k] += adjoint
                gradient[4 * WIDTH + k] += adjoint * math.log(v)
            gradient[5 * WIDTH + k], gradient[6 * WIDTH + k] = by_p, by_q
            for row in range(N_FULL):
                gradient[row * WIDTH + k] = -gradient[row * WIDTH + k]
