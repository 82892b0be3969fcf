"""Asymmetric least squares by window against the plain definition: least squares by numpy, bisection step by step."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from riskcore.kernels import asymmetric

GIVEN = np.array([0.01, 0.025, 0.99, 0.99855, 0.3])
BY_SHARE = np.array([True, True, False, False, False])


def plain_fit(response, design, level):
    """Weighted least squares until no loss changes sides, halved where the cost would rise."""

    def cost(residual):
        return np.where(residual > 0, level, 1 - level) @ residual**2

    solution = np.linalg.lstsq(design, response)[0]
    residual = response - design @ solution
    for _ in range(200):
        root = np.sqrt(np.where(residual > 0, level, 1 - level))
        full = np.linalg.lstsq(root[:, None] * design, root * response)[0]
        moved, length = response - design @ full, 1.0
        if np.array_equal(moved > 0, residual > 0):
            return full
        while cost(moved) > cost(residual) * (1 + 1e-14) and length > 1e-10:
            length *= 0.5
            moved = response - design @ (solution + length * (full - solution))
        solution, residual = solution + length * (full - solution), moved
    raise AssertionError("did not settle")


def plain_level(response, design, share):
    """Bisection of the logarithm of the tail, thirty times, each fit from the start."""

    def within(log_tail):
        above = response > design @ plain_fit(response, design, 1 - math.exp(log_tail))
        return np.count_nonzero(above) <= share * response.size + 1e-9

    low, high = math.log(1e-6), math.log(0.5)
    if not within(low):
        return math.nan
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if within(middle) else (low, middle)
    return 1 - math.exp(low)


def care_design(losses):
    past = losses[:-1]
    return np.column_stack([np.ones(past.size), past, np.minimum(past, 0) ** 2, np.maximum(past, 0) ** 2])


def windows(response, design, starts, size, given=GIVEN, by_share=BY_SHARE, cold_every=25):
    starts = np.asarray(starts)
    return asymmetric.expectile_windows(
        response,
        np.ascontiguousarray(design.T),
        starts,
        starts + size,
        np.arange(starts.size) % cold_every == 0,
        given,
        by_share,
        np.full((given.size, design.shape[1]), np.nan),
    )


def check(response, design, starts, size, **options):
    given, by_share = options.get("given", GIVEN), options.get("by_share", BY_SHARE)
    levels, coefficients, state = windows(response, design, starts, size, **options)
    assert (state == asymmetric.FINE).all()
    for w, start in enumerate(starts):
        y, x = response[start : start + size], design[start : start + size]
        for j, value in enumerate(given):
            level = plain_level(y, x, value) if by_share[j] else value
            np.testing.assert_allclose(1 - levels[w, j], 1 - level, rtol=1e-12)
            if math.isnan(level):
                assert np.isnan(coefficients[w, j]).all()
                continue
            want = x @ plain_fit(y, x, level)
            np.testing.assert_allclose(x @ coefficients[w, j], want, rtol=1e-9, atol=1e-10 * np.abs(y).max())


def simulated(kind, n=420):
    rng = np.random.default_rng(5)
    if kind == "zeros":
        return np.where(rng.random(n) < 0.4, 0.0, rng.standard_t(3, n))
    if kind == "grid":
        return np.round(2 * rng.standard_t(3, n)) / 2
    if kind == "outlier":
        out = rng.standard_normal(n)
        out[n // 2] = 60.0
        return out
    return 1e-3 * rng.standard_cauchy(n) if kind == "cauchy" else 0.01 * rng.standard_t(4, n)


@pytest.mark.parametrize("kind", ["t", "zeros", "grid", "outlier", "cauchy"])
def test_windows_are_the_definition(kind):
    losses = simulated(kind)
    check(losses[1:], care_design(losses), [0, 1, 60], 340)


def test_windows_of_real_losses_are_the_definition(sample_data):
    prices = pd.read_csv(sample_data / "indices.csv")["S&P 500"].dropna().to_numpy()
    losses = -np.diff(np.log(prices))
    check(losses[1:], care_design(losses), [0, 1, 2500], 999)


def test_windows_too_short_for_a_level_give_nan_there():
    losses = simulated("t")
    levels, coefficients, state = windows(losses[1:], care_design(losses), [0, 1], 249)
    assert np.isnan(levels[:, 0]).all()
    assert np.isnan(coefficients[:, 0]).all()
    assert np.isfinite(coefficients[:, 1:]).all()
    assert (state == asymmetric.FINE).all()


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_any_number_of_regressors(k):
    rng = np.random.default_rng(k)
    design = np.column_stack([np.ones(300), 10.0 ** rng.uniform(-4, 4, k) * rng.standard_normal((300, k))])[:, :k]
    design[:, -1] += 1.0
    response = 0.3 * design[:, -1] / np.abs(design[:, -1]).max() + rng.standard_t(4, 300)
    check(response, design, [0, 7], 280, given=GIVEN[1:], by_share=BY_SHARE[1:])


def test_nearly_collinear_regressors_keep_their_digits():
    rng = np.random.default_rng(3)
    x = rng.standard_normal(300)
    design = np.column_stack([np.ones(300), x, x + 1e-7 * rng.standard_normal(300)])
    response = x + rng.standard_normal(300)
    _, found, state = windows(response, design, [0], 300, given=np.array([0.9]), by_share=np.array([False]))
    assert state[0] == asymmetric.FINE
    want = plain_fit(response, design, 0.9)
    rounding = np.finfo(float).eps * np.abs(design) @ np.abs(want)  # of a product with coefficients of 1e7
    assert np.abs(design @ found[0, 0] - design @ want).max() <= 20 * rounding.max()


def test_dependent_regressors_are_said_to_be():
    rng = np.random.default_rng(4)
    x = rng.standard_normal(100)
    response = rng.standard_normal(100)
    designs = [
        np.column_stack([np.ones(100), x, 3 * x - 2]),
        np.column_stack([np.ones(100), x, 0 * x]),
        np.column_stack([x, np.ones(100), np.full(100, 0.1)]),
    ]
    for design in designs:
        *_, state = windows(response, design, [0], 100)
        assert state[0] == asymmetric.DEFICIENT
    *_, state = windows(response, rng.standard_normal((100, 4)), [0, 1], 3)
    assert (state == asymmetric.DEFICIENT).all()


def test_bits_do_not_depend_on_the_window_before():
    losses = simulated("t")
    design = care_design(losses)
    starts = np.arange(80)
    chain = windows(losses[1:], design, starts, 330, cold_every=25)
    alone = windows(losses[1:], design, starts, 330, cold_every=1)
    late = windows(losses[1:], design, starts[50:], 330, cold_every=25)
    for warm, cold, part in zip(chain, alone, late, strict=True):
        np.testing.assert_array_equal(warm, cold)
        np.testing.assert_array_equal(warm[50:], part)


def test_a_failed_window_does_not_hurt_those_after_it():
    losses = simulated("t")
    losses[100:160] = np.abs(losses[100:160])  # no gains: a column of zeros
    design = care_design(losses)
    starts = np.arange(40, 200)
    _, chain, state = windows(losses[1:], design, starts, 50, cold_every=1000)
    _, alone, _ = windows(losses[1:], design, starts, 50, cold_every=1)
    assert 0 < (state == asymmetric.DEFICIENT).sum() < starts.size
    # a single gain in a window lies on its fit, on a side that rounding decides: no more bits for bits
    np.testing.assert_allclose(chain, alone, rtol=1e-8, atol=1e-10 * np.nanmax(np.abs(alone)))


def test_the_solution_has_no_slope():
    losses = simulated("t")
    design = care_design(losses)
    levels, found, _ = windows(losses[1:], design, [0], 400)
    for level, c in zip(levels[0], found[0], strict=True):
        residual = losses[1:401] - design[:400] @ c
        pull = np.where(residual > 0, level, 1 - level) * residual
        assert (np.abs(design[:400].T @ pull) <= 1e-12 * np.abs(design[:400]).T @ np.abs(pull)).all()


def test_moments_of_windows():
    losses = simulated("t")
    starts, stops = np.array([0, 5]), np.array([200, 300])
    got = asymmetric.window_moments(losses, starts, stops)
    want = [[x.mean(), x.std(), np.abs(x).max()] for x in (losses[0:200], losses[5:300])]
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-18)
