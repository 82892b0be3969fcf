"""What the measures are by definition: coherent or not, elicitable, dual, monotone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize

import riskcore.measures as rm

MEASURES = (rm.value_at_risk, rm.expected_shortfall, rm.expectile)
values = st.floats(-1e3, 1e3).map(lambda x: round(x, 6))
samples = st.integers(1, 60).flatmap(lambda n: arrays(np.float64, n, elements=values))
pairs = st.integers(1, 40).flatmap(lambda n: arrays(np.float64, (2, n), elements=values))
upper = st.sampled_from([0.5, 0.6, 0.75, 0.9, 0.95, 0.975, 0.99, 0.99855])
any_level = st.sampled_from([0.001, 0.05, 0.3, 0.5, 0.7, 0.95, 0.99, 0.99855])
every = pytest.mark.parametrize("measure", MEASURES)


def near(found: float, wanted: float, sample: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * (1.0 + float(np.abs(sample).max())))


@every
@given(sample=samples, level=any_level, shift=values, scale=st.floats(1e-3, 1e3))
def test_translation_and_homogeneity(measure, sample, level, shift, scale) -> None:
    near(measure(sample + shift, level), measure(sample, level) + shift, np.abs(sample) + abs(shift))
    near(measure(scale * sample, level), scale * measure(sample, level), scale * sample)


@every
@given(pair=pairs, level=any_level)
def test_monotone_in_every_loss(measure, pair, level) -> None:
    low, high = pair.min(axis=0), pair.max(axis=0)
    assert measure(low, level) <= measure(high, level) + 1e-12 * (1 + np.abs(pair).max())


@every
@given(sample=samples)
def test_monotone_in_level_and_inside_the_range(measure, sample) -> None:
    found = measure(sample, [0.001, 0.05, 0.3, 0.5, 0.7, 0.95, 0.99, 0.99855])
    slack = 1e-12 * (1 + np.abs(sample).max())
    assert np.all(np.diff(found) >= -slack)
    assert np.all((sample.min() - slack <= found) & (found <= sample.max()))


@every
@given(sample=samples, level=any_level, seed=st.integers(0, 9))
def test_order_and_copies_do_not_matter(measure, sample, level, seed) -> None:
    shuffled = np.random.default_rng(seed).permutation(sample)
    assert measure(shuffled, level) == measure(sample, level)
    near(measure(np.repeat(sample, 3), level), measure(sample, level), sample)


@every
@given(sample=samples, level=any_level)
def test_a_copy_is_a_doubled_weight(measure, sample, level) -> None:
    near(measure(sample, level, weights=np.ones(sample.size)), measure(sample, level), sample)
    weights = np.where(np.arange(sample.size) == 0, 2.0, 1.0)
    near(measure(np.append(sample, sample[0]), level), measure(sample, level, weights=weights), sample)


@given(sample=samples, level=any_level)
def test_es_is_never_below_var(sample, level) -> None:
    assert rm.expected_shortfall(sample, level) >= rm.value_at_risk(sample, level)
    weights = 0.97 ** np.arange(sample.size)
    es = rm.expected_shortfall(sample, level, weights=weights)
    assert rm.value_at_risk(sample, level, weights=weights) <= es <= sample.max()


@pytest.mark.parametrize("measure", [rm.expected_shortfall, rm.expectile])
@given(pair=pairs, level=upper)
def test_subadditive(measure, pair, level) -> None:
    slack = 1e-12 * (1 + np.abs(pair).max())
    assert measure(pair.sum(axis=0), level) <= measure(pair[0], level) + measure(pair[1], level) + slack


def test_var_is_not_subadditive() -> None:
    first, second = np.zeros(100), np.zeros(100)
    first[:4], second[4:8] = 100.0, 100.0
    assert rm.value_at_risk(first, 0.95) + rm.value_at_risk(second, 0.95) < rm.value_at_risk(first + second, 0.95)


def test_the_plain_tail_mean_is_not_subadditive_where_the_weighted_es_is() -> None:
    def plain(x: np.ndarray) -> float:
        return float(x[x >= rm.value_at_risk(x, 0.6)].mean())

    rng, broken = np.random.default_rng(0), 0
    for _ in range(2000):
        x, y = rng.integers(0, 4, (2, 5)).astype(float)
        broken += plain(x + y) > plain(x) + plain(y) + 1e-12
        bound = rm.expected_shortfall(x, 0.6) + rm.expected_shortfall(y, 0.6)
        assert rm.expected_shortfall(x + y, 0.6) <= bound + 1e-12
    assert broken > 0


@given(pair=pairs, level=any_level)
def test_es_is_comonotone_additive(pair, level) -> None:
    x, y = np.sort(pair, axis=-1)
    near(rm.expected_shortfall(x + y, level), rm.expected_shortfall(x, level) + rm.expected_shortfall(y, level), pair)


def test_the_expectile_is_not_comonotone_additive() -> None:
    from scipy.special import ndtri

    u = (np.arange(200_000) + 0.5) / 200_000
    x, y = ndtri(u), np.exp(2.0 * ndtri(u))
    assert rm.expectile(x + y, 0.99) < rm.expectile(x, 0.99) + rm.expectile(y, 0.99) - 0.05


@every
@given(pair=pairs, level=upper)
def test_lipschitz(measure, pair, level) -> None:
    x, y = pair
    gap, slack = np.abs(x - y), 1e-12 * (1 + np.abs(pair).max())
    assert abs(measure(x, level) - measure(y, level)) <= gap.max() + slack
    if measure is not rm.value_at_risk:  # coherent: bounded by the measure of the distance
        assert abs(measure(x, level) - measure(y, level)) <= measure(gap, level) + slack
        beta = level / (1.0 - level) if measure is rm.expectile else 1.0 / (1.0 - level)
        assert abs(measure(x, level) - measure(y, level)) <= beta * gap.mean() * (1 + 1e-9) + slack


@given(sample=samples, level=any_level)
def test_expectile_identities(sample, level) -> None:
    m, scale = rm.expectile(sample, level), 1.0 + np.abs(sample).max()
    up, down = np.maximum(sample - m, 0).mean(), np.maximum(m - sample, 0).mean()
    assert abs(level * up - (1 - level) * down) <= 1e-14 * scale * np.log2(2 + sample.size)
    near(m - sample.mean(), (2 * level - 1) / (1 - level) * up, sample / (1 - level))
    near(rm.expectile(sample, 0.5), sample.mean(), sample)
    near(rm.expectile(-sample, level), -rm.expectile(sample, float(str(round(1 - level, 10)))), sample)


@given(sample=samples, level=upper)
def test_dual_form(sample, level) -> None:
    m = rm.expectile(sample, level)
    density = np.where(sample > m, level, 1 - level)
    near((density / density.mean() * sample).mean(), m, sample)
    # No other density with the same ratio of bounds does better.
    rng = np.random.default_rng(0)
    for _ in range(5):
        other = rng.uniform(1 - level, level, sample.size) if level > 0.5 else np.ones(sample.size)
        assert (other / other.mean() * sample).mean() <= m + 1e-10 * (1 + np.abs(sample).max())


@given(sample=samples)
def test_sign_of_the_expectile_is_the_gain_loss_ratio(sample) -> None:
    gain, loss = np.maximum(-sample, 0).sum(), np.maximum(sample, 0).sum()
    for level in (0.6, 0.9, 0.99855):
        if abs((1 - level) * gain - level * loss) > 1e-9:
            assert (rm.expectile(sample, level) <= 0) == ((1 - level) * gain >= level * loss)


@pytest.mark.parametrize("level", [0.6, 0.9, 0.975])
def test_elicitable(level: float) -> None:
    from riskcore import scores

    losses = np.random.default_rng(2).standard_t(5, 301) + 3.0
    span = (float(losses.min()), float(losses.max()))
    least = optimize.minimize_scalar(
        lambda m: scores.expectile_score(losses, m, level).mean(),
        bounds=span,
        method="bounded",
        options={"xatol": 1e-10},
    )
    np.testing.assert_allclose(least.x, rm.expectile(losses, level), atol=1e-6)
    quantile = [scores.quantile_score(losses, v, level).mean() for v in losses]
    assert losses[int(np.argmin(quantile))] == rm.value_at_risk(losses, level)
    v, es = rm.value_at_risk(losses, level), rm.expected_shortfall(losses, level)
    best = scores.fz0_score(losses, v, es, level).mean()
    for dv, de in ((0.1, 0.0), (-0.1, 0.0), (0.0, 0.1), (0.0, -0.1), (0.1, 0.1), (-0.2, 0.1)):
        assert scores.fz0_score(losses, v + dv, es + de, level).mean() > best
    least = optimize.minimize_scalar(
        lambda e: scores.fz0_score(losses, v, e, level).mean(), bounds=(0.5, 20.0), method="bounded"
    )
    np.testing.assert_allclose(least.x, es, atol=1e-4)
