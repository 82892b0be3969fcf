"""Joint models of VaR and ES: paths, the FZ0 score with its gradient, and a search of many starts.

Losses are scaled to a standard deviation near one. Natural parameters `q` of the models:

- GAS ``(b, g, ln B, ln(A/B))``, HYBRID the same with ``d`` behind them;
- PAIR ``(w_v, w_e, b_v, b_e, a_vv, a_ve, a_ev, a_ee)``;
- SAV ``(b0, b1, b2, g0)``, AS ``(b0, b1, b2, b3, g0)``; with an additive ES ``g0, g1, g2`` stand in place of ``g0``.

`first` holds what a path starts from: the VaR, the ES (or its excess over the VaR) and the mean of ln|L|.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from riskcore._types import FloatArray, IntArray

GAS, HYBRID, PAIR, SAV, AS, SAV_ADDED, AS_ADDED = 0, 1, 2, 3, 4, 5, 6
SIZES = (4, 5, 8, 4, 5, 6, 7)
LARGEST = 8
EXACT = -1.0
"""Sharpness of the hit that stands for the step itself."""
SOFT, SHARP = 5.0, 20.0
"""Sharpness of the smoothed hit, per standard deviation of the losses, in the two descents before the polish."""
NEGLIGIBLE = 20.0
"""Smoothed hits further below the VaR than this over their sharpness are none."""
LARGEST_DECAY = 0.995
"""Bound of b1 in the CAViaR part, as in the kernels of CAViaR."""
FREE, SHARE, POSITIVE, BELOW = 0, 1, 2, 3
"""What a coordinate may be: any number, in (0, 1), positive, negative (the logarithm of a share)."""
FARTHEST = 15.0
"""Bound of the transformed coordinates: shares and positive numbers down to 3e-7."""
DECAYS = (0.8, 0.92, 0.97, 0.99)
NEWS = (0.05, 0.15, 0.4)
TILTS = (0.5, 0.9)
"""The grid of a search: decays, what a hit adds, and by the model the offset or the part of the losses in the news."""
DESCENT = 60
"""Evaluations of a descent at most."""
BUILD, REFLECT, EXPAND, CONTRACT, SHRINK = 0, 1, 2, 3, 4
SMALLEST, SAME = 1e-6, 1e-9
"""A simplex has settled when no transformed coordinate, or no score, spreads by more."""


@njit(cache=True, error_model="numpy")
def hit_of(gap: float, sharp: float) -> tuple[float, float]:
    """The hit and its slope by the gap ``L - v``: a step, or the logistic function of ``sharp * gap``."""
    if sharp < 0.0:
        return (1.0 if gap > 0.0 else 0.0), 0.0
    z = sharp * gap
    if z < -NEGLIGIBLE:
        return 0.0, 0.0
    hit = 1.0 / (1.0 + math.exp(-z))
    return hit, sharp * hit * (1.0 - hit)


@njit(cache=True, error_model="numpy")
def factor_exact(
    x: FloatArray, logs: FloatArray, hybrid: bool, level: float, q: FloatArray, first: FloatArray
) -> float:
    """`factor_score` of hits as they are, without slopes: powers are taken on days of hits only."""
    rest, total, hits = 1.0 - level, 0.0, 0
    b, g, s, r = q[0], q[1], q[2], q[3]
    d = q[4] if hybrid else 0.0
    k = d * first[2] / (1.0 - b)
    ratio = math.exp(r)
    constant = ratio + s - 1.0
    for t in range(x.size):
        total += k
        news = d * logs[t] - g
        if logs[t] > s + r + k and x[t] > 0.0:
            share = x[t] * math.exp(-s - k) / rest
            total += share - ratio / rest
            news += g * share
            hits += 1
        k = b * k + news
    feasible = ratio < 1.0 and hits > 0 and math.isfinite(total)
    return total / x.size + constant if feasible else np.inf


@njit(cache=True, error_model="numpy")
def factor_score(
    x: FloatArray, logs: FloatArray, hybrid: bool, level: float, sharp: float, q: FloatArray, first: FloatArray,
    gradient: FloatArray, path: FloatArray, slopes: FloatArray,
) -> float:  # fmt: skip
    """Mean FZ0 of one factor, ``v = A exp(k), e = B exp(k)``; see `score`."""
    if sharp < 0.0 and gradient.size == 0 and path.size == 0:
        return factor_exact(x, logs, hybrid, level, q, first)
    n, rest, total, hits = x.size, 1.0 - level, 0.0, 0
    b, g, s, r = q[0], q[1], q[2], q[3]
    d, k, k0, k1, k2, k3, k4 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if hybrid:
        d = q[4]
        k = d * first[2] / (1.0 - b)
        k0, k4 = k / (1.0 - b), first[2] / (1.0 - b)
    wanted, keep, ratio = gradient.size > 0, path.size > 0, math.exp(r)
    sums = np.zeros(5)
    for t in range(n):
        e = math.exp(s + k)
        v = ratio * e
        gap = x[t] - v
        hit, steep = hit_of(gap, sharp)
        if sharp < 0.0:  # to the last bit as without slopes
            hit = 1.0 if logs[t] > s + r + k and x[t] > 0.0 else 0.0
        if gap > 0.0:
            hits += 1
        share = x[t] / (rest * e)
        total += hit * gap / (rest * e) + ratio + s + k - 1.0
        if keep:
            path[0, t], path[1, t] = v, e
        if wanted:
            by_v = 1.0 / e - (hit + steep * gap) / (rest * e)
            by_e = (1.0 - ratio - hit * gap / (rest * e)) / e
            both = by_v * v + by_e * e  # slope by k and by s
            sums[0] += both * k0
            sums[1] += both * k1
            sums[2] += both * (k2 + 1.0)
            sums[3] += both * k3 + by_v * v
            sums[4] += both * k4
            if slopes.size > 0:
                slopes[0, 0, t], slopes[1, 0, t] = v * k0, e * k0
                slopes[0, 1, t], slopes[1, 1, t] = v * k1, e * k1
                slopes[0, 2, t], slopes[1, 2, t] = v * (k2 + 1.0), e * (k2 + 1.0)
                slopes[0, 3, t], slopes[1, 3, t] = v * (k3 + 1.0), e * k3
                if hybrid:
                    slopes[0, 4, t], slopes[1, 4, t] = v * k4, e * k4
            own = g * share * steep * v
            carry = b - own - g * share * hit
            k0 = carry * k0 + k
            k1 = carry * k1 + share * hit - 1.0
            k2 = carry * k2 - own - g * share * hit
            k3 = carry * k3 - own
            k4 = carry * k4 + logs[t]
        k = b * k + g * (hit * share - 1.0) + d * logs[t]
    if keep:
        path[1, n] = math.exp(s + k)
        path[0, n] = ratio * path[1, n]
    for i in range(gradient.size):
        gradient[i] = sums[i] / n
    feasible = ratio < 1.0 and hits > 0 and math.isfinite(total)
    return total / n if feasible else np.inf


@njit(cache=True, error_model="numpy")
def pair_score(
    x: FloatArray, level: float, sharp: float, q: FloatArray, first: FloatArray, gradient: FloatArray,
    path: FloatArray, slopes: FloatArray,
) -> float:  # fmt: skip
    """Mean FZ0 of two factors; see `score`."""
    n, rest, total, hits, feasible = x.size, 1.0 - level, 0.0, 0, True
    v, e, product, inverse = first[0], first[1], 1.0, 1.0 / rest
    wanted, keep = gradient.size > 0, path.size > 0
    dv, de, sums, own = np.zeros(8), np.zeros(8), np.zeros(8), np.zeros(8)
    for t in range(n):
        if not (e > v and v > 0.0):
            feasible = False
            if not keep:
                return np.inf
        gap = x[t] - v
        hit, steep = hit_of(gap, sharp)
        if gap > 0.0:
            hits += 1
        if feasible:
            total += (hit * gap * inverse + v) / e - 1.0
            product *= e
            if not 1e-100 < product < 1e100:  # one logarithm for many days
                total += math.log(product)
                product = 1.0
        if keep:
            path[0, t], path[1, t] = v, e
        of_v, of_e = v * (hit - rest), hit * x[t] * inverse - e
        if wanted:
            by_v = (1.0 - (hit + steep * gap) / rest) / e
            by_e = (1.0 - v / e - hit * gap / (rest * e)) / e
            own[0], own[2], own[4], own[5] = 1.0, v, of_v, of_e
            own[1], own[3], own[6], own[7] = 1.0, e, of_v, of_e
            slope_v, slope_e = hit - rest - v * steep, -steep * x[t] / rest
            for i in range(8):
                sums[i] += by_v * dv[i] + by_e * de[i]
                if slopes.size > 0:
                    slopes[0, i, t], slopes[1, i, t] = dv[i], de[i]
                force_v, force_e = slope_v * dv[i], slope_e * dv[i] - de[i]
                upper = i == 0 or i == 2 or i == 4 or i == 5
                new = q[2] * dv[i] + q[4] * force_v + q[5] * force_e + (own[i] if upper else 0.0)
                de[i] = q[3] * de[i] + q[6] * force_v + q[7] * force_e + (0.0 if upper else own[i])
                dv[i] = new
        v, e = q[0] + q[2] * v + q[4] * of_v + q[5] * of_e, q[1] + q[3] * e + q[6] * of_v + q[7] * of_e
    if keep:
        path[0, n], path[1, n] = v, e
    for i in range(gradient.size):
        gradient[i] = sums[i] / n
    total += math.log(product)
    feasible = feasible and hits > 0 and math.isfinite(total)
    return total / n if feasible else np.inf


@njit(cache=True, error_model="numpy")
def caviar_score(
    x: FloatArray, slope: bool, added: bool, level: float, sharp: float, q: FloatArray, first: FloatArray,
    gradient: FloatArray, path: FloatArray, slopes: FloatArray,
) -> float:  # fmt: skip
    """Mean FZ0 of a CAViaR with an ES beyond it; see `score`."""
    n, rest, total, hits, feasible = x.size, 1.0 - level, 0.0, 0, True
    m = 4 if slope else 3
    size = m + (3 if added else 1)
    v, beyond, product, inverse = first[0], first[1], 1.0, 1.0 / rest
    factor = 0.0 if added else math.exp(q[m])
    wanted, keep = gradient.size > 0, path.size > 0
    dv, dx, sums = np.zeros(8), np.zeros(8), np.zeros(8)
    for t in range(n):
        if not added:
            beyond = factor * v
        e = v + beyond
        if not (beyond > 0.0 and v > 0.0):
            feasible = False
            if not keep:
                return np.inf
        gap = x[t] - v
        hit, steep = hit_of(gap, sharp)
        if gap > 0.0:
            hits += 1
        if feasible:
            total += (hit * gap * inverse + v) / e - 1.0
            product *= e
            if not 1e-100 < product < 1e100:  # one logarithm for many days
                total += math.log(product)
                product = 1.0
        if keep:
            path[0, t], path[1, t] = v, e
        if slope:
            left, right = max(-x[t], 0.0), max(x[t], 0.0)
        else:
            left, right = abs(x[t]), 0.0
        moved = hit  # the ES moves on days of losses at or above the VaR
        if sharp < 0.0 and gap >= 0.0:
            moved = 1.0
        target = q[m] + q[m + 1] * gap + q[m + 2] * beyond if added else 0.0
        if wanted:
            by_v = (1.0 - (hit + steep * gap) / rest) / e
            by_e = (1.0 - v / e - hit * gap / (rest * e)) / e
            if not added:
                for i in range(m):
                    dx[i] = factor * dv[i]
                dx[m] = beyond
            for i in range(size):
                sums[i] += (by_v + by_e) * dv[i] + by_e * dx[i]
                if slopes.size > 0:
                    slopes[0, i, t], slopes[1, i, t] = dv[i], dv[i] + dx[i]
            if added:
                for i in range(size):
                    own = -q[m + 1] * dv[i] + q[m + 2] * dx[i]
                    if i == m:
                        own += 1.0
                    elif i == m + 1:
                        own += gap
                    elif i == m + 2:
                        own += beyond
                    dx[i] = moved * own + (1.0 - moved) * dx[i] - steep * dv[i] * (target - beyond)
            for i in range(m):
                dv[i] *= q[1]
            dv[0] += 1.0
            dv[1] += v
            dv[2] += left
            if slope:
                dv[3] += right
        if added:
            beyond = moved * target + (1.0 - moved) * beyond
        v = q[0] + q[1] * v + q[2] * left + (q[3] * right if slope else 0.0)
    if keep:
        path[0, n], path[1, n] = v, v + (beyond if added else factor * v)
    for i in range(gradient.size):
        gradient[i] = sums[i] / n
    total += math.log(product)
    feasible = feasible and hits > 0 and math.isfinite(total)
    return total / n if feasible else np.inf


@njit(cache=True, error_model="numpy")
def score(
    x: FloatArray, logs: FloatArray, model: int, level: float, sharp: float, q: FloatArray, first: FloatArray,
    gradient: FloatArray, path: FloatArray, slopes: FloatArray,
) -> float:  # fmt: skip
    """Mean FZ0 of a path; infinite without a hit, with a VaR that is not positive or an ES not above it.

    `gradient` gets its slopes by `q`, `path` (2, n + 1) VaR and ES with the next day's, and `slopes` (2, size, n) their
    slopes by `q`; each is left out where it is empty. With ``sharp > 0`` hits are smoothed, in score and path.
    """
    if model == PAIR:
        return pair_score(x, level, sharp, q, first, gradient, path, slopes)
    if model in (GAS, HYBRID):
        return factor_score(x, logs, model == HYBRID, level, sharp, q, first, gradient, path, slopes)
    slope = model in (AS, AS_ADDED)
    added = model in (SAV_ADDED, AS_ADDED)
    return caviar_score(x, slope, added, level, sharp, q, first, gradient, path, slopes)


@njit(cache=True, error_model="numpy")
def coordinates(model: int, level: float, kinds: IntArray, units: FloatArray) -> int:
    """Fill what each coordinate may be and the unit it is measured in; returns their number."""
    size = SIZES[model]
    kinds[:], units[:] = FREE, 1.0
    if model in (GAS, HYBRID):
        kinds[0], kinds[1], kinds[3] = SHARE, POSITIVE, BELOW
        if model == HYBRID:
            kinds[4] = POSITIVE
    elif model == PAIR:
        kinds[2], kinds[3] = SHARE, SHARE
        units[0], units[1], units[4], units[6] = 0.05, 0.05, 0.1, 0.1
        units[5], units[7] = 0.2 * (1.0 - level), 0.2 * (1.0 - level)
    else:
        m = 4 if model in (AS, AS_ADDED) else 3
        kinds[1], units[0], units[1], units[2] = SHARE, 0.1, LARGEST_DECAY, 0.1
        if m == 4:
            units[3] = 0.1
        if size > m + 1:
            kinds[m], kinds[m + 1], kinds[m + 2] = POSITIVE, POSITIVE, SHARE
    return size


@njit(cache=True, error_model="numpy")
def natural(theta: FloatArray, kinds: IntArray, units: FloatArray, q: FloatArray, by: FloatArray) -> bool:
    """Fill natural parameters and their slopes by the transformed ones; False outside of the bounds."""
    for i in range(theta.size):
        if not abs(theta[i]) <= FARTHEST and kinds[i] != FREE:
            return False
        if kinds[i] == FREE:
            q[i], by[i] = units[i] * theta[i], units[i]
        elif kinds[i] == POSITIVE:
            q[i] = units[i] * math.exp(theta[i])
            by[i] = q[i]
        else:
            share = 1.0 / (1.0 + math.exp(-theta[i]))
            if kinds[i] == SHARE:
                q[i], by[i] = units[i] * share, units[i] * share * (1.0 - share)
            else:
                q[i], by[i] = math.log(share), 1.0 - share
    return True


@njit(cache=True, error_model="numpy")
def transformed(q: FloatArray, kinds: IntArray, units: FloatArray, theta: FloatArray) -> None:
    """Undo `natural`, inside of its bounds."""
    for i in range(theta.size):
        value = q[i] / units[i]
        if kinds[i] == POSITIVE:
            value = math.log(value)
        elif kinds[i] != FREE:
            share = math.exp(value) if kinds[i] == BELOW else value
            value = math.log(share / (1.0 - share))
        if kinds[i] != FREE:
            value = min(max(value, -FARTHEST), FARTHEST)
        theta[i] = value


@njit(cache=True, error_model="numpy")
def descend(
    x: FloatArray, logs: FloatArray, model: int, level: float, sharp: float, first: FloatArray, kinds: IntArray,
    units: FloatArray, theta: FloatArray,
) -> tuple[float, int]:  # fmt: skip
    """Minimise the smoothed score from `theta`, changed in place, by BFGS: the score and the evaluations."""
    size, none, nothing = theta.size, np.empty((0, 0)), np.empty((0, 0, 0))
    q, by, gradient, ahead = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    there, step, change, inverse = np.empty(size), np.empty(size), np.empty(size), np.eye(size)
    image = np.empty(size)
    if not natural(theta, kinds, units, q, by):
        return np.inf, 0
    value = score(x, logs, model, level, sharp, q, first, gradient, none, nothing)
    gradient *= by
    count, fresh = 1, True
    if not math.isfinite(value):
        return np.inf, count
    while count < DESCENT:
        downhill, longest = 0.0, 0.0
        for i in range(size):
            step[i] = 0.0
            for j in range(size):
                step[i] -= inverse[i, j] * gradient[j]
            downhill += step[i] * gradient[i]
            longest = max(longest, abs(step[i]))
        if not downhill < -1e-13:
            if fresh or not math.isfinite(downhill):
                break
            inverse[:] = np.eye(size)
            fresh = True
            continue
        most = 0.2 if fresh else 1.0
        length, after, moved = min(1.0, most / longest), np.inf, False
        for _ in range(12):
            for i in range(size):
                there[i] = theta[i] + length * step[i]
            after = np.inf
            if natural(there, kinds, units, q, by):
                after = score(x, logs, model, level, sharp, q, first, ahead, none, nothing)
                count += 1
            if after <= value + 1e-4 * length * downhill:
                moved = True
                break
            length *= 0.3
        if not moved:
            if fresh:
                break
            inverse[:] = np.eye(size)
            fresh = True
            continue
        ahead *= by
        curve, norm = 0.0, 0.0
        for i in range(size):
            step[i] = there[i] - theta[i]
            change[i] = ahead[i] - gradient[i]
            curve += step[i] * change[i]
            norm += change[i] * change[i]
        if curve > 1e-12:
            if fresh:
                inverse *= curve / norm
                fresh = False
            bend = 0.0
            for i in range(size):
                image[i] = 0.0
                for j in range(size):
                    image[i] += inverse[i, j] * change[j]
                bend += image[i] * change[i]
            for i in range(size):
                for j in range(size):
                    inverse[i, j] += (1.0 + bend / curve) * step[i] * step[j] / curve - (
                        image[i] * step[j] + step[i] * image[j]
                    ) / curve
        gain = value - after
        theta[:], gradient[:], value = there, ahead, after
        if gain < 1e-9:
            break
    return value, count


@njit(cache=True, error_model="numpy")
def polish(
    x: FloatArray, logs: FloatArray, model: int, level: float, first: FloatArray, kinds: IntArray, units: FloatArray,
    theta: FloatArray, width: float, most: int,
) -> tuple[float, int, bool]:  # fmt: skip
    """Minimise the score itself by Nelder and Mead's simplex from `theta`, changed in place.

    The score jumps where a hit changes the path, so that no slope leads to its minimum. Returns the score, the
    evaluations and whether the simplex settled. One place evaluates, whatever for: `stage` says what to make of it.
    """
    size, count, low, high, second = theta.size, 0, 0, 0, 0
    points, values = np.empty((size + 1, size)), np.empty(size + 1)
    q, by, centre, there, back = np.empty(size), np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    none, empty, nothing = np.empty(0), np.empty((0, 0)), np.empty((0, 0, 0))
    grow, shrink, less = 1.0 + 2.0 / size, 0.75 - 0.5 / size, 1.0 - 1.0 / size
    stage, place, reflected, settled = BUILD, 0, np.inf, False
    there[:] = theta
    while True:
        value = np.inf
        if natural(there, kinds, units, q, by):
            value = score(x, logs, model, level, EXACT, q, first, none, empty, nothing)
        count += 1
        again = False
        if stage in (BUILD, SHRINK):
            points[place], values[place] = there, value
            place += 1
            if stage == SHRINK and place == low:
                place += 1
            again = place <= size
        elif stage == REFLECT:
            back[:], reflected = there, value
            if value < values[low]:
                there[:] = centre + grow * (back - centre)
                stage = EXPAND
                again = True
            elif value < values[second]:
                points[high], values[high] = there, value
            else:
                if value < values[high]:
                    points[high], values[high] = there, value
                there[:] = centre + shrink * (points[high] - centre)
                stage = CONTRACT
                again = True
        elif stage == EXPAND:
            if value < reflected:
                points[high], values[high] = there, value
            else:
                points[high], values[high] = back, reflected
        elif value < values[high]:
            points[high], values[high] = there, value
        else:
            stage, place = SHRINK, 1 if low == 0 else 0
            again = True
        if again:
            if stage == BUILD:
                there[:] = theta
                there[place - 1] += width
            elif stage == SHRINK:
                there[:] = points[low] + less * (points[place] - points[low])
            continue
        order = np.argsort(values)
        low, high, second = order[0], order[size], order[size - 1]
        spread = 0.0
        for i in range(size):
            for j in range(size + 1):
                spread = max(spread, abs(points[j, i] - points[low, i]))
        settled = spread < SMALLEST or values[high] - values[low] < SAME
        if settled or count >= most:
            break
        for i in range(size):
            centre[i] = -points[high, i] / size
            for j in range(size + 1):
                centre[i] += points[j, i] / size
            there[i] = 2.0 * centre[i] - points[high, i]
        stage = REFLECT
    theta[:] = points[low]
    return values[low], count, settled


@njit(cache=True, error_model="numpy")
def grid(x: FloatArray, model: int, level: float, first: FloatArray, v: float, e: float) -> FloatArray:
    """Natural points around the sample's VaR and ES, decay by decay."""
    rest, count = 1.0 - level, 0
    points = np.empty((len(DECAYS) * len(NEWS) * len(TILTS), SIZES[model]))
    mean_loss = max(float(np.mean(np.maximum(x, 0.0))), 1e-8)
    mean_gain = max(float(np.mean(np.maximum(-x, 0.0))), 1e-8)
    for decay in DECAYS:
        for news in NEWS:
            for tilt in TILTS:
                p = points[count]
                if model in (GAS, HYBRID):
                    p[0], p[1] = decay, news * rest
                    p[2], p[3] = math.log(e), math.log(v / e)
                    if model == HYBRID:
                        p[4] = tilt * (1.0 - decay)
                        p[2] -= p[4] * first[2] / (1.0 - decay)
                    else:
                        p[2] += 0.6 * (tilt - 0.5)
                elif model == PAIR:
                    p[0], p[1], p[2], p[3] = (1.0 - decay) * v, (1.0 - decay) * e, decay, decay
                    p[4], p[5], p[6], p[7] = 0.0, news * rest * v / e, 0.0, news * rest
                    if tilt > 0.5:
                        p[4], p[5] = 0.5 * news, 0.5 * p[5]
                else:
                    part = 2.0 * news
                    push = part * (1.0 - decay) * v
                    p[0], p[1] = (1.0 - part) * (1.0 - decay) * v, min(decay, 0.99 * LARGEST_DECAY)
                    m = 3
                    if model in (AS, AS_ADDED):
                        p[2], p[3], m = (1.0 - tilt) * push / mean_gain, tilt * push / mean_loss, 4
                    else:
                        p[2] = (1.0 if tilt > 0.5 else 0.6) * push / (mean_gain + mean_loss)
                    if model in (SAV, AS):
                        p[m] = math.log(max(e / v - 1.0, 1e-3))
                    else:
                        p[m], p[m + 1], p[m + 2] = 0.2 * (e - v), 0.1, 0.7
                count += 1
    return points
