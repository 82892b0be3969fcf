"""Several floats side by side: each operation is numpy's, and no lane hears of another."""

from __future__ import annotations

import numpy as np
import pytest
from llvmlite import binding
from numba import njit

from riskcore.kernels.lanes import WIDTH, exp, exp2, load, log, root, size, spread, store, where_positive, within

PLUS, MINUS, TIMES, OVER, SIZE, ROOT, LOG, EXP, EXP2, WITHIN, WHERE, FLOATS, SPREAD = range(13)


@njit
def apply(what, a, b, out):
    for i in range(0, a.size, WIDTH):
        x, y = load(a, i), load(b, i)
        if what == PLUS:
            x = x + y
        elif what == MINUS:
            x = x - y
        elif what == TIMES:
            x = x * y
        elif what == OVER:
            x = x / y
        elif what == SIZE:
            x = size(x)
        elif what == ROOT:
            x = root(x)
        elif what == LOG:
            x = log(x)
        elif what == EXP:
            x = exp(x)
        elif what == EXP2:
            x = exp2(x)
        elif what == WITHIN:
            x = within(x, -1.5, 2.5)
        elif what == WHERE:
            x = where_positive(x, y, spread(-7.0))
        elif what == FLOATS:
            x = (3.0 - x) * 2.0 + (1.0 / y - 0.25) / 3.0
        else:
            x = spread(a[i])
        store(out, i, x)


def result(what, a, b=None):
    a = np.ascontiguousarray(a, dtype=np.float64)
    out = np.empty_like(a)
    apply(what, a, np.ones_like(a) if b is None else np.ascontiguousarray(b), out)
    return out


def ulps(got, want):
    return np.abs(got - want) / np.spacing(np.abs(want))


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(1)
    return rng.normal(size=(2, 50 * WIDTH)) * 10.0 ** rng.integers(-5, 5, (2, 50 * WIDTH))


@pytest.mark.parametrize(
    ("what", "by_numpy"), [(PLUS, np.add), (MINUS, np.subtract), (TIMES, np.multiply), (OVER, np.divide)]
)
def test_operators_are_numpys(pair, what, by_numpy):
    np.testing.assert_array_equal(result(what, *pair), by_numpy(*pair))


def test_floats_stand_on_either_side(pair):
    a, b = pair
    np.testing.assert_allclose(result(FLOATS, a, b), (3.0 - a) * 2.0 + (1.0 / b - 0.25) / 3.0, rtol=1e-13)


def test_size_and_root_are_numpys(pair):
    np.testing.assert_array_equal(result(SIZE, pair[0]), np.abs(pair[0]))
    np.testing.assert_array_equal(result(ROOT, np.abs(pair[0])), np.sqrt(np.abs(pair[0])))
    assert np.isnan(result(ROOT, -np.ones(WIDTH))).all()


def test_spread_fills_all_lanes(pair):
    np.testing.assert_array_equal(result(SPREAD, pair[0]), np.repeat(pair[0][::WIDTH], WIDTH))


def test_load_and_store_leave_the_neighbours_alone():
    @njit
    def shift(a, out, begin):
        store(out, begin, load(a, 3))

    a, out = np.arange(20.0), np.zeros(20)
    shift(a, out, 5)
    np.testing.assert_array_equal(out, [*np.zeros(5), *a[3 : 3 + WIDTH], *np.zeros(15 - WIDTH)])


def test_where_positive_takes_no_for_zero_and_nan():
    sign = np.array([1.0, -1.0, 0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324])
    want = np.where(sign > 0, 4.0, -7.0)
    np.testing.assert_array_equal(result(WHERE, sign, np.full(sign.size, 4.0)), want)


def test_within_cuts_and_takes_its_lower_end_for_nan():
    a = np.array([-2.0, -1.5, 0.0, 2.5, 2.6, np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(result(WITHIN, a), [-1.5, -1.5, 0.0, 2.5, 2.5, 2.5, -1.5, -1.5])


def test_log_over_the_whole_range():
    """Within 2 units in the last place of the result; of half a unit in the logarithm of two around one."""
    rng = np.random.default_rng(2)
    x = np.exp(rng.uniform(-690.0, 690.0, 20_000 * WIDTH))
    assert ulps(result(LOG, x), np.log(x)).max() <= 2
    ends = np.array([1e-300, 1e300, np.sqrt(0.5), np.sqrt(2.0), 1.0, 2.0, 0.5, np.nextafter(np.sqrt(0.5), 0)])
    np.testing.assert_allclose(result(LOG, ends), np.log(ends), rtol=5e-16, atol=0)


def test_log_around_one():
    x = 1.0 + np.concatenate([np.linspace(-0.5, 1.0, 9_999), [1e-15]])
    x = np.concatenate([x, 1.0 + np.logspace(-15, -3, 5_000), 1.0 - np.logspace(-15, -3, 5_000)])
    x = x[x != 1.0]
    x = x[: x.size - x.size % WIDTH]
    assert ulps(result(LOG, x), np.log(x)).max() <= 3


def test_exp_over_the_whole_range():
    x = np.random.default_rng(3).uniform(-690.0, 690.0, 20_000 * WIDTH)
    assert ulps(result(EXP, x), np.exp(x)).max() <= 2
    small = np.concatenate([np.logspace(-20, 0, 4_000), -np.logspace(-20, 0, 4_000)])
    assert ulps(result(EXP, small), np.exp(small)).max() <= 2


def test_exp_cuts_its_argument():
    x = np.array([-1e9, -691.0, -690.0, 0.0, 690.0, 691.0, np.inf, -np.inf])
    np.testing.assert_allclose(result(EXP, x), np.exp(np.clip(x, -690.0, 690.0)), rtol=5e-16)
    assert result(EXP, np.zeros(WIDTH))[0] == 1.0


def test_exp2_over_the_whole_range():
    x = np.random.default_rng(4).uniform(-995.0, 995.0, 20_000 * WIDTH)
    assert ulps(result(EXP2, x), np.exp2(x)).max() <= 2
    whole = np.arange(-992.0, 992.0)
    np.testing.assert_array_equal(result(EXP2, whole), np.exp2(whole))


def test_exp2_cuts_its_argument():
    x = np.array([-1e9, -996.0, -995.0, 0.0, 995.0, 996.0, np.inf, -np.inf])
    np.testing.assert_array_equal(result(EXP2, x), np.exp2(np.clip(x, -995.0, 995.0)))


@pytest.mark.parametrize("what", [PLUS, TIMES, OVER, ROOT, LOG, EXP, EXP2, WITHIN, WHERE, FLOATS])
def test_a_lane_does_not_hear_of_the_others(what):
    """Bit for bit, whatever stands in the other lanes, and in whichever lane it stands."""
    rng = np.random.default_rng(what)
    a, b = np.exp(rng.uniform(-5.0, 5.0, (2, WIDTH)))
    alone = result(what, a, b)
    for lane in range(WIDTH):
        for other in (np.nan, np.inf, 0.0, 1e300, -1.0):
            x, y = np.full(WIDTH, other), np.full(WIDTH, other)
            x[lane], y[lane] = a[lane], b[lane]
            assert result(what, x, y)[lane] == alone[lane]
    turned = result(what, np.roll(a, 3), np.roll(b, 3))
    np.testing.assert_array_equal(turned, np.roll(alone, 3))


def test_there_are_as_many_as_the_processor_takes():
    wide = binding.get_host_cpu_features().get("avx512f", False)
    assert (WIDTH == 8) == wide
    assert WIDTH in (4, 8)
