"""The likelihood kernel of GARCH and GJR: the laws' own densities, its gradient by differences, its step by scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

from riskcore.distributions import GED, Normal, SkewT, StudentT
from riskcore.kernels import garch as kernel
from riskcore.kernels.variance import gjr_variance

LAWS = [
    (kernel.NORMAL, Normal(), (0.0, 0.0)),
    (kernel.STUDENT_T, StudentT(5.0), (0.2, 0.0)),
    (kernel.SKEW_T, SkewT(5.0, 0.2), (0.2, 0.2)),
    (kernel.SKEW_T, SkewT(8.0, -0.4), (0.125, -0.4)),
    (kernel.GED, GED(1.3), (1.3, 0.0)),
]
CASES = [(*law, moving) for law in LAWS for moving in (False, True)]
IDS = [f"{law!r}-{'moving' if moving else 'fixed'}" for _, law, _, moving in CASES]
POINT = (0.05, 0.03, 0.04, 0.12, 0.87)  # mu, omega, alpha for gains and for losses, beta
PRESAMPLE = 1.1


@pytest.fixture(scope="module")
def x():
    return 0.8 * np.random.default_rng(1).standard_t(5, 1003)


def cost(x, point, code, moving):
    gradient = np.empty(kernel.N_FULL)
    return kernel.cost(x, np.array(point), code, PRESAMPLE, moving, np.empty((5, x.size)), gradient), gradient


@pytest.mark.parametrize(("code", "law", "shape", "moving"), CASES, ids=IDS)
def test_cost_is_minus_the_sum_of_log_densities(x, code, law, shape, moving):
    shocks = x - POINT[0]
    presample = float(np.mean(shocks**2)) if moving else PRESAMPLE
    variance = gjr_variance(shocks, 0.03, 0.04, 0.08, 0.87, presample, 0)[:-1]
    want = np.sum(law.logpdf(shocks / np.sqrt(variance))) - 0.5 * np.sum(np.log(variance))
    assert cost(x, [*POINT, *shape], code, moving)[0] == pytest.approx(-want, abs=1e-9)


@pytest.mark.parametrize(("code", "law", "shape", "moving"), CASES, ids=IDS)
def test_gradient_by_differences(x, code, law, shape, moving):
    point = np.array([*POINT, *shape])
    gradient = cost(x, point, code, moving)[1]
    for i in range(5 + len(law.params)):
        step = np.zeros(point.size)
        step[i] = 1e-6
        slope = (cost(x, point + step, code, moving)[0] - cost(x, point - step, code, moving)[0]) / 2e-6
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-4), i


@pytest.mark.parametrize("point", [(0.0, -1.0, 0.1, 0.1, 0.2, 0, 0), (0.0, 1.0, 9.0, 9.0, 9.0, 0, 0)])
def test_a_point_without_likelihood_costs_infinity(x, point):
    assert cost(x, point, kernel.NORMAL, False)[0] == np.inf


def test_digamma_is_scipys():
    at = np.array([1e-3, 0.1, 0.5, 1.0, 2.5, 7.9, 8.0, 50.0, 400.0])
    np.testing.assert_allclose([kernel.digamma(v) for v in at], special.digamma(at), rtol=1e-13)


@pytest.mark.parametrize("size", [1, 7, 8, 9, 1000])
def test_sum_of_logs(size):
    y = np.random.default_rng(size).lognormal(0, 3, size)
    assert kernel.sum_of_logs(y) == pytest.approx(np.log(y).sum(), abs=1e-10)


@pytest.mark.parametrize("seed", range(40))
def test_quadratic_step_is_slsqps(seed):
    """A random convex quadratic under random linear constraints, the start on some of them."""
    rng = np.random.default_rng(seed)
    d, m = 4, 6
    root = rng.normal(size=(d, d))
    curvature, gradient = root @ root.T + 0.1 * np.eye(d), 3 * rng.normal(size=d)
    rows, slack = rng.normal(size=(m, d)), np.where(rng.random(m) < 0.4, 0.0, rng.random(m))
    step = np.empty(d)
    assert kernel.quadratic_step(curvature, gradient, rows, slack, step)
    assert (rows @ step + slack).min() > -1e-9

    def value(p):
        return gradient @ p + 0.5 * p @ curvature @ p

    want = optimize.minimize(
        value,
        np.zeros(d),
        jac=lambda p: gradient + curvature @ p,
        method="SLSQP",
        constraints=[{"type": "ineq", "fun": lambda p: rows @ p + slack, "jac": lambda p: rows}],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert value(step) <= want.fun + 1e-7


def test_a_curvature_that_is_not_positive_gives_no_step():
    step = np.empty(2)
    assert not kernel.quadratic_step(np.diag([1.0, -1.0]), np.ones(2), np.eye(2), np.ones(2), step)
