"""Kernels of moments and outcomes against their definitions, window by window."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from riskcore.kernels.moments import row_means, sliding_means, sliding_squares
from riskcore.kernels.outcomes import row_outcomes, sliding_outcomes
from riskcore.measures.rolling import age_weights

RNG = np.random.default_rng(23)
HEAVY = RNG.standard_t(3, 400)
SERIES = {
    "heavy": HEAVY,
    "shifted": 1e8 + HEAVY,
    "constant": np.full(400, 0.1),
    "outlier": np.where(np.arange(400) == 150, 1e20, HEAVY),
    "ties": np.round(HEAVY),
}
each = pytest.mark.parametrize("name", SERIES)


@each
@pytest.mark.parametrize("n", [1, 2, 33, 399, 400])
def test_means_are_the_exact_ones_rounded(name, n) -> None:
    z = SERIES[name]
    found = sliding_means(z, n)
    wanted = [float(sum(map(Fraction, z[i : i + n].tolist())) / n) for i in range(400 - n + 1)]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(row_means(np.lib.stride_tricks.sliding_window_view(z, n).copy()), wanted)


@each
@pytest.mark.parametrize("n", [1, 2, 33, 400])
def test_mean_squares(name, n) -> None:
    z = SERIES[name]
    means = sliding_means(z, n)
    found = sliding_squares(z, n, means)
    for i in range(0, 400 - n + 1, 7):
        exact = [(Fraction(x) - Fraction(means[i])) ** 2 for x in z[i : i + n].tolist()]
        assert found[i] == pytest.approx(float(sum(exact) / n), rel=1e-14, abs=0)
    if name == "constant":
        assert not found.any()


def test_a_gap_stays_in_its_windows() -> None:
    z = HEAVY.copy()
    z[100] = np.nan
    inside = np.isnan(sliding_means(z, 30))
    np.testing.assert_array_equal(np.flatnonzero(inside), np.arange(71, 101))


def plain(sample: np.ndarray, w: np.ndarray, x: float) -> list[float]:
    """Shares, partial moments and half of the mean difference by comparing all with all."""
    pairs = w[:, None] * w * np.abs(sample[:, None] - sample)
    return [
        w[sample < x].sum(),
        w[sample <= x].sum(),
        (w * np.maximum(x - sample, 0)).sum(),
        (w * np.maximum(sample - x, 0)).sum(),
        0.5 * pairs.sum(),
    ]


@pytest.mark.parametrize("decay", [None, 0.9])
@pytest.mark.parametrize("name", ["heavy", "ties", "constant"])
@pytest.mark.parametrize("n", [1, 5, 64])
def test_outcomes(name, decay, n) -> None:
    z = SERIES[name][:200]
    k = z.size - n + 1
    ages = np.empty(0) if decay is None else age_weights(n, decay)
    w = np.full(n, 1 / n) if decay is None else ages
    shift, scale = RNG.standard_normal(k), 0.5 + RNG.random(k)
    x = (RNG.permutation(z)[:k] - shift) / scale  # outcomes that tie with losses of some windows
    x[::5] = RNG.standard_normal(x[::5].size)
    x[:3] = -99.0, 99.0, (z[2] - shift[2]) / scale[2]
    order = np.argsort(z[:n], kind="stable")
    found = sliding_outcomes(z, order, ages, x, shift, scale, True)
    samples = np.lib.stride_tricks.sliding_window_view(z, n)
    scaled = (samples - shift[:, None]) / scale[:, None]
    for i in range(k):
        np.testing.assert_allclose(found[i], plain(scaled[i], w, x[i]), rtol=1e-12, atol=2e-13)
    ranks = sliding_outcomes(z, order, ages, x, shift, scale, False)
    np.testing.assert_array_equal(ranks[:, :2], found[:, :2])
    orders = np.argsort(scaled, axis=1, kind="stable")
    weights = np.empty((k, 0)) if decay is None else ages[orders]
    rows = row_outcomes(np.take_along_axis(scaled, orders, 1), weights, x, True)
    np.testing.assert_allclose(rows[:, :2], found[:, :2], rtol=0, atol=0 if decay is None else 1e-15)
    np.testing.assert_allclose(rows[:, 2:], found[:, 2:], rtol=1e-12, atol=2e-13)
    single = row_outcomes(np.sort(scaled[:1]), weights[:1], x, True)
    np.testing.assert_array_equal(single[0], rows[0])
    np.testing.assert_allclose(single[-1], plain(scaled[0], w, x[-1]), rtol=1e-12, atol=2e-13)


def test_outcomes_know_nothing_but_their_window() -> None:
    n, ages = 50, age_weights(50, 0.95)
    for w in (np.empty(0), ages):
        ones, zeros = np.ones(351), np.zeros(351)
        whole = sliding_outcomes(HEAVY, np.argsort(HEAVY[:n]), w, HEAVY[n - 1 :], zeros, ones, True)
        late = HEAVY[123:]
        part = sliding_outcomes(late, np.argsort(late[:n]), w, late[n - 1 :], zeros, ones, True)
        np.testing.assert_array_equal(whole[123:], part)
