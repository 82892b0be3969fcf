"""Sample laws against the measures of the raw sample, brute force and their own rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import riskcore.measures as rm
from riskcore import Target
from riskcore.distributions import AgeWeighted, Empirical, Law, SampleLaw, StudentT
from riskcore.errors import ConfigError, FitError

Z = np.random.default_rng(21).standard_t(4, 160)
DECAYS = pytest.mark.parametrize("decay", [None, 0.97])
LEVELS = [0.05, 0.5, 0.9, 0.975, 0.99]


def weights_of(n: int, decay: float | None) -> np.ndarray | None:
    return None if decay is None else decay ** np.arange(n - 1.0, -1.0, -1.0)


@DECAYS
def test_rolling_laws_are_the_measures_of_their_windows(decay) -> None:
    window, last = 100, 20
    law = SampleLaw.rolling(Z, window, last, decay)
    assert law.rows.shape == (last, window)
    for i in range(last):
        raw = Z[Z.size - last + i + 1 - window : Z.size - last + i + 1]
        w = weights_of(window, decay)
        for level in LEVELS:
            assert law.ppf(level)[i] == rm.value_at_risk(raw, level, weights=w)
            assert law.es(level)[i] == pytest.approx(rm.expected_shortfall(raw, level, weights=w), rel=1e-14)
            assert law.expectile(level)[i] == pytest.approx(rm.expectile(raw, level, weights=w), rel=1e-13)
        alone = SampleLaw.of(raw, decay=decay)
        settings = Empirical() if decay is None else AgeWeighted(decay)
        np.testing.assert_array_equal(settings.fit(raw).rows, alone.rows)
        for name in ("cdf", "lpm", "upm", "pit", "crps"):
            x = np.linspace(-2.0, 2.0, last)
            assert getattr(law, name)(x)[i] == getattr(alone, name)(float(x[i]))
        assert law.mean()[i] == pytest.approx(alone.mean(), abs=1e-15)
        assert law.mean()[i] == pytest.approx(np.average(raw, weights=w), abs=1e-15)


@DECAYS
def test_brute_force(decay) -> None:
    raw = np.round(Z[:60], 1)  # with ties
    w = np.full(60, 1 / 60) if decay is None else weights_of(60, decay) / weights_of(60, decay).sum()
    law = SampleLaw.of(raw, decay=decay)
    points = np.concatenate([raw[:5], [-9.0, 0.05, 9.0]])
    half_gini = 0.5 * (w[:, None] * w * np.abs(raw[:, None] - raw)).sum()
    for x, cdf, lpm, upm, pit, crps in zip(
        points, law.cdf(points), law.lpm(points), law.upm(points), law.pit(points), law.crps(points), strict=True
    ):
        assert cdf == pytest.approx(w[raw <= x].sum(), abs=1e-14)
        assert lpm == pytest.approx((w * np.maximum(x - raw, 0)).sum(), abs=1e-14)
        assert upm == pytest.approx((w * np.maximum(raw - x, 0)).sum(), abs=1e-14)
        rank = 60 * (w[raw < x].sum() + 0.5 * w[raw == x].sum())
        assert pit == pytest.approx((rank + 0.5) / 61, abs=1e-14)
        assert 0 < pit < 1
        assert crps == pytest.approx((w * np.abs(raw - x)).sum() - half_gini, abs=1e-13)
    assert law.crps(2.0) == pytest.approx(2 * law.lpm(2.0) - 2.0 + law.mean() - half_gini, abs=1e-13)


def test_crps_is_the_integral_of_its_definition() -> None:
    raw = np.array([-1.0, 0.5, 2.0])
    grid = np.linspace(-4.0, 4.0, 800_001)
    law = SampleLaw.of(raw)
    for x in (-2.0, 0.7, 3.0):
        squared = (np.searchsorted(raw, grid, side="right") / 3 - (x <= grid)) ** 2
        assert law.crps(x) == pytest.approx(squared.sum() * 1e-5, abs=1e-4)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=30), st.integers(-10, 10))
def test_equal_weights_and_copies(sample, x) -> None:
    plain = SampleLaw.of(sample)
    n = len(sample)
    weighted = SampleLaw(plain.rows, np.full(n, 1 / n))
    for name in ("cdf", "lpm", "upm", "pit", "crps"):
        assert getattr(weighted, name)(x) == pytest.approx(getattr(plain, name)(x), abs=1e-13)
    doubled = SampleLaw.of(sample * 2)
    for name in ("cdf", "lpm", "upm", "crps"):
        assert getattr(doubled, name)(x) == pytest.approx(getattr(plain, name)(x), abs=1e-13)
    assert plain.crps(x) >= -1e-15


def test_shapes() -> None:
    one, many = SampleLaw.of(Z), SampleLaw.rolling(Z, 100, 7)
    assert type(one.ppf(0.9)) is float
    assert type(one.crps(0.1)) is float
    assert one.expectile(LEVELS).shape == (5,)
    assert one.cdf(np.zeros((2, 3))).shape == (2, 3)
    assert many.ppf(0.9).shape == (7,)
    assert many.es(LEVELS).shape == (7, 5)
    np.testing.assert_array_equal(many.es(LEVELS)[:, 2], many.es(LEVELS[2]))
    assert many.pit(0.0).shape == (7,)
    assert np.isnan(many.logpdf(np.zeros(7))).all()
    assert many.logpdf(np.zeros(7)).shape == (7,)
    assert math.isnan(one.logpdf(0.0))
    assert math.isnan(one.pit(math.nan))
    assert math.isnan(one.crps(math.nan))
    with pytest.raises(ConfigError, match=r"x must have one entry for each of the samples \(7,\), got shape \(3,\)"):
        many.cdf(np.zeros(3))
    with pytest.raises(ConfigError, match=r"level must be a number or a sequence of numbers, got shape \(1, 1\)"):
        many.es([[0.9]])
    with pytest.raises(ConfigError, match=r"p must lie in \(0, 1\), got 1.0"):
        one.ppf(1.0)
    assert repr(many) == "SampleLaw(7 x 100)"
    assert repr(SampleLaw.of(Z, decay=0.9)) == "SampleLaw(160, weighted)"
    assert one.value(Target("es", 0.975)) == one.es(0.975)
    assert one.fit([1.0]) is one
    assert one.params == {}
    assert one.free == ()


@DECAYS
def test_standardised_windows_are_those_of_the_standardised_losses(decay) -> None:
    window, last = 40, 30
    rng = np.random.default_rng(4)
    shift, scale = rng.standard_normal(last), 0.5 + rng.random(last)
    law = SampleLaw.rolling(np.round(Z, 1), window, last, decay).standardised(shift, scale)
    alone = SampleLaw(law.rows, law.weights)
    assert law.rows.shape == (last, window)
    np.testing.assert_array_equal(np.sort(law.rows), law.rows)
    x = law.rows[np.arange(last), np.arange(last)]  # ties with a loss of the window
    for name in ("cdf", "pit"):
        np.testing.assert_allclose(getattr(law, name)(x), getattr(alone, name)(x), rtol=0, atol=1e-15)
    for name in ("lpm", "upm", "crps"):
        np.testing.assert_allclose(getattr(law, name)(x), getattr(alone, name)(x), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(law.ppf(LEVELS), alone.ppf(LEVELS))
    for name in ("es", "expectile"):
        np.testing.assert_allclose(getattr(law, name)(LEVELS), getattr(alone, name)(LEVELS), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(law.mean(), alone.mean(), rtol=0, atol=1e-14)


def test_many_targets_in_one_pass() -> None:
    targets = [Target("es", 0.975), Target("var", 0.9), Target("expectile", 0.99), Target("es", 0.9)]
    for law in (SampleLaw.of(Z), SampleLaw.rolling(Z, 60, 9), SampleLaw.rolling(Z, 60, 9, 0.95)):
        found = law.values(targets)
        assert found.shape == ((4,) if law.rows.ndim == 1 else (9, 4))
        for j, target in enumerate(targets):
            np.testing.assert_array_equal(found[..., j], law.value(target))


@DECAYS
def test_each_row_in_its_own_right(decay) -> None:
    samples = Z.reshape(8, 20)
    law = SampleLaw.each(samples, decay=decay)
    for i, sample in enumerate(samples):
        assert law.expectile(0.9)[i] == SampleLaw.of(sample, decay=decay).expectile(0.9)
        assert law.crps(0.3)[i] == SampleLaw.of(sample, decay=decay).crps(0.3)


def test_no_outcomes() -> None:
    assert SampleLaw.of(Z).cdf(np.empty(0)).shape == (0,)


def test_ages() -> None:
    law = AgeWeighted(0.5).fit([4.0, 1.0, 2.0])
    np.testing.assert_allclose(law.rows, [1.0, 2.0, 4.0])
    np.testing.assert_allclose(law.weights, np.array([2.0, 4.0, 1.0]) / 7.0)
    for bad in (0.0, 1.0, 94, math.nan, None):
        with pytest.raises(ConfigError, match=r"decay must lie in \(0, 1\), got "):
            AgeWeighted(bad)
    assert AgeWeighted().params == {"decay": 0.99}


def test_settings_without_a_sample_say_what_to_do() -> None:
    for law in (Empirical(), AgeWeighted()):
        assert isinstance(law, Law)
        for name in ("cdf", "ppf", "es", "expectile", "lpm", "upm", "logpdf", "pit", "crps", "value"):
            with pytest.raises(ConfigError, match=rf"must have a sample before {name} is asked; call fit\(z\) first"):
                getattr(law, name)(0.9)
        with pytest.raises(ConfigError, match="before mean is asked"):
            law.mean()
    assert Empirical().params == {}
    assert repr(Empirical()) == "Empirical()"
    assert repr(AgeWeighted()) == "AgeWeighted(decay=0.99)"
    assert isinstance(StudentT(), Law)
    assert isinstance(SampleLaw.of([1.0]), Law)


def test_bad_samples() -> None:
    with pytest.raises(FitError, match="z must be finite, got 1 entries that are not"):
        SampleLaw.rolling([0.0, 1.0, math.nan], 2, 1)
    np.testing.assert_array_equal(SampleLaw.rolling([math.nan, 1.0, 0.0], 2, 1).rows, [[0.0, 1.0]])
    with pytest.raises(ConfigError, match=r"z must have at least window \+ last - 1 = 4 entries, got 3"):
        SampleLaw.rolling([0.0, 1.0, 2.0], 3, 2)
    with pytest.raises(ConfigError, match="window and last must be at least 1, got 0 and 1"):
        SampleLaw.rolling([0.0], 0, 1)
    with pytest.raises(FitError, match="z must have at least 1 entries, got 0"):
        SampleLaw.of([])
