"""The likelihood of eight windows: the laws' own densities and recursions, and its gradient by differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import special

from riskcore.distributions import GED, Normal, SkewT, StudentT
from riskcore.kernels import likelihood as kernel
from riskcore.kernels.lanes import WIDTH
from riskcore.kernels.variance import egarch_variance, gjr_variance

N = 203
LAWS = [
    (kernel.NORMAL, Normal()),
    (kernel.STUDENT_T, StudentT(5.0)),
    (kernel.STUDENT_T, StudentT(2.06)),
    (kernel.STUDENT_T, StudentT(490.0)),
    (kernel.SKEW_T, SkewT(5.0, 0.2)),
    (kernel.SKEW_T, SkewT(2.06, -0.4)),
    (kernel.SKEW_T, SkewT(290.0, 0.97)),
    (kernel.SKEW_T, SkewT(3.0, -0.97)),
    (kernel.SKEW_T, SkewT(8.0, 0.0)),
    (kernel.GED, GED(1.3)),
    (kernel.GED, GED(1.02)),
    (kernel.GED, GED(9.0)),
]
FAMILIES = {
    # mu, omega, alpha of gains and of losses, beta; and mu, omega, alpha, gamma, beta
    kernel.GJR: np.array([0.05, 0.03, 0.04, 0.12, 0.87]),
    kernel.EGARCH: np.array([0.05, -0.01, 0.15, 0.06, 0.95]),
}
CASES = [(family, code, law) for family in FAMILIES for code, law in LAWS]
IDS = [f"{('gjr', 'egarch')[family]}-{law!r}" for family, _, law in CASES]
PRESAMPLE = np.linspace(0.7, 1.4, 8)[:WIDTH]


@pytest.fixture(scope="module")
def x():
    """Eight windows, a column each."""
    return 0.8 * np.random.default_rng(1).standard_t(5, (N, 8))[:, :WIDTH]


def shape(law):
    """The law's places in a point."""
    known = {
        "t": lambda: (1.0 / law.nu, 0.0),
        "skewt": lambda: (1.0 / law.nu, law.skew),
        "ged": lambda: (law.shape, 0.0),
    }
    return known.get(law.short, lambda: (0.0, 0.0))()


def points(family, law, seed=2):
    """A point for each lane, around the family's; the law's parameters are the same in all."""
    around = FAMILIES[family] * np.random.default_rng(seed).uniform(0.8, 1.05, (8, 5))[:WIDTH]
    return np.column_stack([around, np.tile(shape(law), (WIDTH, 1))])


def evaluate(x, at, family, code, presample=PRESAMPLE, drift=None):
    n = x.shape[0]
    values, gradient = np.empty(WIDTH), np.zeros(kernel.N_FULL * WIDTH)
    drift = np.zeros(WIDTH) if drift is None else drift
    room = (np.zeros(kernel.N_LAW * WIDTH), np.empty(kernel.N_WORK * n * WIDTH), np.empty(kernel.N_SUMS * WIDTH))
    flat = (np.ascontiguousarray(a, dtype=np.float64).ravel() for a in (x, at.T, presample, drift))
    kernel.cost(family, code, *flat, *room, values, gradient, True)
    return values, gradient.reshape(kernel.N_FULL, WIDTH).T


def definition(losses, point, family, law, presample):
    """Minus the sum of the law's log densities, with the recursions that forecast."""
    shocks = losses - point[0]
    if family == kernel.GJR:
        omega, gain, loss, beta = point[1:5]
        h = gjr_variance(shocks, omega, gain, loss - gain, beta, presample, 0)[:-1]
    else:
        omega, alpha, gamma, beta = point[1:5]
        h = egarch_variance(shocks, omega, alpha, gamma, beta, presample, 0)[:-1]
    return -np.sum(law.logpdf(shocks / np.sqrt(h))) + 0.5 * np.sum(np.log(h))


@pytest.mark.parametrize(("family", "code", "law"), CASES, ids=IDS)
@pytest.mark.parametrize("n", [1, 24, 25, N])
def test_cost_is_minus_the_sum_of_log_densities(x, n, family, code, law):
    at = points(family, law)
    got = evaluate(x[:n], at, family, code)[0]
    want = [definition(x[:n, k], at[k], family, law, PRESAMPLE[k]) for k in range(WIDTH)]
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-11 * n)


@pytest.mark.parametrize(("family", "code", "law"), CASES, ids=IDS)
def test_gradient_by_differences(x, family, code, law):
    """Of the fourth order; a point far enough from the kinks of a loss that is the mean."""
    at = points(family, law)
    gradient = evaluate(x, at, family, code)[1]
    for i in range(5 + len(law.params)):
        size = 2e-4 * np.maximum(np.abs(at[:, i]), 0.02) if i < 5 else np.full(WIDTH, step_of(law, i))
        if i == 0 and code == kernel.GED:
            size = np.full(WIDTH, 1e-6)  # no loss lies this near to the mean: its density has a kink there
        cost = []
        for share in (-2, -1, 1, 2):
            moved = at.copy()
            moved[:, i] += share * size
            cost.append(evaluate(x, moved, family, code)[0])
        slope = (8.0 * (cost[2] - cost[1]) - (cost[3] - cost[0])) / (12.0 * size)
        noise = 1e-13 * np.abs(cost[0]) / size
        assert (np.abs(gradient[:, i] - slope) <= 2e-6 * np.abs(slope) + 4.0 * noise + 1e-4).all(), i


def step_of(law, i):
    value = shape(law)[i - 5]
    if law.short == "ged":
        return 1e-4
    if i == 6:
        return 2e-5 * (1.0 - abs(value))  # the curvature by lambda has a jump where a loss is the mode
    return 1e-3 * min(value, 0.5 - value)


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("law", [StudentT(5.0), GED(1.3)], ids=repr)
def test_a_presample_that_moves_with_the_mean(x, family, law):
    """Its derivative by the mean counts in the gradient of the mean, and in no other."""
    code = kernel.STUDENT_T if law.short == "t" else kernel.GED
    at = points(family, law)

    def presample(mu):
        return np.mean((x - mu) ** 2, axis=0)

    drift = -2.0 * np.mean(x - at[:, 0], axis=0)
    moving = evaluate(x, at, family, code, presample(at[:, 0]), drift)[1]
    fixed = evaluate(x, at, family, code, presample(at[:, 0]))[1]
    np.testing.assert_array_equal(moving[:, 1:], fixed[:, 1:])
    up, down = at.copy(), at.copy()
    up[:, 0] += 1e-5
    down[:, 0] -= 1e-5
    rise = evaluate(x, up, family, code, presample(up[:, 0]))[0]
    fall = evaluate(x, down, family, code, presample(down[:, 0]))[0]
    np.testing.assert_allclose(moving[:, 0], (rise - fall) / 2e-5, rtol=1e-5, atol=2e-4)
    assert np.abs(moving[:, 0] - fixed[:, 0]).max() > 0.01


@pytest.mark.parametrize("code", [kernel.NORMAL, kernel.STUDENT_T, kernel.SKEW_T, kernel.GED])
@pytest.mark.parametrize(
    ("family", "point"),
    [
        (kernel.GJR, (0.0, 1.0, 9.0, 9.0, 9.0)),  # the variance runs away
        (kernel.GJR, (np.nan, 0.1, 0.1, 0.1, 0.8)),
        (kernel.EGARCH, (0.0, 0.1, np.nan, 0.1, 0.8)),
        (kernel.EGARCH, (0.0, np.inf, 0.1, 0.1, 0.8)),
    ],
)
def test_a_point_without_likelihood_costs_infinity(x, family, code, point):
    """And the other lanes do not notice."""
    law = {
        kernel.NORMAL: Normal(),
        kernel.STUDENT_T: StudentT(5.0),
        kernel.SKEW_T: SkewT(5.0, 0.2),
        kernel.GED: GED(1.3),
    }[code]
    at = points(family, law)
    want = evaluate(x, at, family, code)[0]
    at[3, :5] = point
    got = evaluate(x, at, family, code)[0]
    assert got[3] == np.inf
    np.testing.assert_array_equal(np.delete(got, 3), np.delete(want, 3))


@pytest.mark.parametrize(("family", "code", "law"), CASES, ids=IDS)
def test_a_lane_does_not_hear_of_the_others(x, family, code, law):
    """Bit for bit: alone among copies of itself, or in another lane."""
    at = points(family, law)
    values, gradient = evaluate(x, at, family, code)
    order = np.roll(np.arange(WIDTH), 3)[::-1].copy()
    turned, turned_gradient = evaluate(x[:, order], at[order], family, code, PRESAMPLE[order])
    np.testing.assert_array_equal(turned, values[order])
    np.testing.assert_array_equal(turned_gradient, gradient[order])
    same = np.full(WIDTH, 3)
    np.testing.assert_array_equal(evaluate(x[:, same], at[same], family, code, PRESAMPLE[same])[0], values[3])


@pytest.mark.parametrize(("code", "law"), LAWS, ids=[repr(law) for _, law in LAWS])
def test_a_log_variance_that_runs_away_costs_infinity(x, code, law):
    """A negative alpha sends it down without end once a shock is large; the day after it may have no loss at all."""
    quiet = x.copy()
    quiet[1::2] = 0.0
    at = np.tile([0.0, -10.0, -3.0, 0.05, 0.5, *shape(law)], (WIDTH, 1))
    for losses in (x, quiet):
        assert (evaluate(losses, at, kernel.EGARCH, code)[0] == np.inf).all()


def test_large_losses_in_one_day(x):
    """A loss of thirty standard deviations under the heaviest tail still has a likelihood."""
    wild = x.copy()
    wild[N // 2] = 30.0
    for family in FAMILIES:
        for code, law in (
            (kernel.STUDENT_T, StudentT(2.06)),
            (kernel.SKEW_T, SkewT(2.06, 0.9)),
            (kernel.GED, GED(1.02)),
        ):
            at = points(family, law)
            got = evaluate(wild, at, family, code)[0]
            want = [definition(wild[:, k], at[k], family, law, PRESAMPLE[k]) for k in range(WIDTH)]
            np.testing.assert_allclose(got, want, rtol=1e-11)


@pytest.mark.parametrize("code", [kernel.NORMAL, kernel.STUDENT_T, kernel.SKEW_T, kernel.GED])
def test_days_without_a_move(code):
    """Losses that are all zero, and variances down to the smallest omega."""
    law = {
        kernel.NORMAL: Normal(),
        kernel.STUDENT_T: StudentT(5.0),
        kernel.SKEW_T: SkewT(5.0, 0.2),
        kernel.GED: GED(1.3),
    }[code]
    x = np.zeros((N, WIDTH))
    at = np.tile([0.0, 1e-10, 0.1, 0.1, 0.5, *shape(law)], (WIDTH, 1))
    got, gradient = evaluate(x, at, kernel.GJR, code)
    np.testing.assert_allclose(got, [definition(x[:, k], at[k], kernel.GJR, law, PRESAMPLE[k]) for k in range(WIDTH)])
    assert np.isfinite(gradient).all()


def test_digamma_is_scipys():
    at = np.array([1e-3, 0.1, 0.5, 1.0, 2.5, 7.9, 8.0, 50.0, 400.0])
    np.testing.assert_allclose([kernel.digamma(v) for v in at], special.digamma(at), rtol=1e-13)


def test_digamma_rises():
    at = np.linspace(7.9, 8.1, 999)  # where its two formulas meet
    assert all(a < b for a, b in pairwise(kernel.digamma(v) for v in at))
