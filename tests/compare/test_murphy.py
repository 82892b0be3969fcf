"""Murphy curves against the elementary scores, their integrals and golden values; bands against closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from riskcore import compare, scores
from riskcore.errors import ConfigError, DataError

ELEMENTARY = {"var": scores.elementary_quantile_score, "expectile": scores.elementary_expectile_score}
PROPER = {"var": scores.quantile_score, "expectile": scores.expectile_score}


def sample(n: int, seed: int, decimals: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Losses and two forecasts; few decimals make ties of all kinds."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.5, 2, n)
    losses = scale * rng.standard_t(4, n)
    forecasts = np.column_stack([1.5 * scale, np.full(n, 1.8)]) + 0.1 * rng.standard_normal((n, 2))
    return np.round(losses, decimals), np.round(forecasts, decimals)


def at(curves: pd.DataFrame, model: int, theta: np.ndarray) -> np.ndarray:
    """A curve at any thresholds: straight from the value at one grid point to the left limit at the next."""
    grid = curves["theta"].to_numpy()[::2]
    left, value = curves[model].to_numpy().reshape(-1, 2).T
    i = np.searchsorted(grid, theta, side="right") - 1
    inside = (i >= 0) & (i < grid.size - 1)
    j = np.clip(i, 0, grid.size - 2)
    w = (theta - grid[j]) / (grid[j + 1] - grid[j])
    return np.where(inside, value[j] + w * (left[j + 1] - value[j]), 0.0)


@pytest.mark.parametrize("measure", ["var", "expectile"])
@pytest.mark.parametrize(("n", "decimals"), [(1, 9), (7, 0), (60, 1), (300, 9)])
def test_curves_are_mean_elementary_scores(measure, n, decimals):
    x, f = sample(n, n, decimals)
    curves = compare.murphy(x, f, 0.95, measure=measure)
    grid = np.unique(np.concatenate([x, f.ravel()]))
    assert_array_equal(curves["theta"], np.repeat(grid, 2))
    assert_array_equal(curves["limit"], ["left", "value"] * grid.size)
    between = np.random.default_rng(0).uniform(grid[0] - 1, grid[-1] + 1, 200)
    for model in (0, 1):
        expected = ELEMENTARY[measure](x, f[:, model], 0.95, grid).mean(axis=1)
        assert_allclose(curves[model][1::2], expected, rtol=1e-12, atol=1e-15)
        just_below = ELEMENTARY[measure](x, f[:, model], 0.95, grid - 1e-9).mean(axis=1)
        assert_allclose(curves[model][::2], just_below, rtol=1e-7, atol=1e-8)
        expected = ELEMENTARY[measure](x, f[:, model], 0.95, between).mean(axis=1)
        assert_allclose(at(curves, model, between), expected, rtol=1e-11, atol=1e-14)


def test_golden_thresholds(golden):
    """All three days together; the curve at thresholds between its grid points."""
    for case in golden("murphy_expectile_small").values():
        given = case["input"]
        curves = compare.murphy(given["losses"], given["forecasts"], given["level"], measure="expectile")
        found = at(curves, 0, np.array([given["theta"]]))[0]
        assert_allclose(found, np.mean(case["expected"]["scores"]), rtol=0, atol=case["tolerance"]["abs"])


@pytest.mark.parametrize("measure", ["var", "expectile"])
@pytest.mark.parametrize("scale", [1.0, 1e-8])
def test_integrals_are_the_scores(measure, scale):
    x, f = (scale * a + 3 * scale for a in sample(500, 3))
    curves = compare.murphy(x, f, 0.99, measure=measure)
    width = np.diff(curves["theta"].to_numpy()[::2])
    for model in (0, 1):
        left, value = curves[model].to_numpy().reshape(-1, 2).T
        integral = np.sum(width * (value[:-1] + left[1:]) / 2)
        factor = 1 if measure == "var" else 2
        assert_allclose(factor * integral, PROPER[measure](x, f[:, model], 0.99).mean(), rtol=1e-12)


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_twenty_thousand_days(measure):
    x, f = sample(20_000, 8)
    curves = compare.murphy(x, f, 0.99, measure=measure)
    assert len(curves) == 2 * np.unique(np.concatenate([x, f.ravel()])).size
    some = np.random.default_rng(0).choice(curves["theta"].to_numpy(), 5)
    expected = ELEMENTARY[measure](x, f[:, 0], 0.99, some).mean(axis=1)
    assert_allclose(curves.loc[curves["limit"] == "value"].set_index("theta").loc[some, 0], expected, rtol=1e-9)
    assert (curves[[0, 1]] >= 0).all(axis=None)


def test_labels_and_missing_days():
    x, f = sample(50, 1)
    f[4, 0], x[7] = np.nan, np.nan
    kept = np.isfinite(x + f.sum(axis=1))
    curves = compare.murphy(x, pd.DataFrame(f, columns=["a", "b"]), 0.95)
    expected = compare.murphy(x[kept], f[kept], 0.95)
    assert list(curves.columns) == ["theta", "limit", "a", "b"]
    assert_array_equal(curves[["a", "b"]], expected[[0, 1]])
    assert compare.murphy([np.nan], [1.0], 0.95).empty
    with pytest.raises(DataError, match="must not be NaN with nan='raise', got 2 such days"):
        compare.murphy(x, f, 0.95, nan="raise")


def test_dominance_in_words():
    x = np.tile([3.0, 0.0], 200)
    for measure in ("var", "expectile"):
        better = compare.murphy_difference(x, 2.5, 2.0, 0.95, measure=measure, names=("A", "B"), n_simulations=99)
        assert (better.verdict, better.shown, better.share_first) == ("first", "first", 1.0)
        text = "A is at least as good as B under every consistent score; beyond chance A is better somewhere and worse"
        assert better.text.startswith(text)
        assert (better.table["difference"] <= 0).all()
        turned = compare.murphy_difference(x, 2.0, 2.5, 0.95, measure=measure, n_simulations=99)
        assert (turned.verdict, turned.shown, turned.share_second) == ("second", "second", 1.0)
    equal = compare.murphy_difference(x, 2.0, 2.0, 0.95)
    assert (equal.verdict, equal.shown, len(equal.table)) == ("equal", "nothing", 0)
    assert equal.text == "first and second have the same curve: no consistent score tells them apart"
    nothing = compare.murphy_difference([np.nan], 1.0, 2.0, 0.95)
    assert (nothing.verdict, nothing.n_obs, nothing.missing) == ("equal", 0, 1)


@pytest.mark.parametrize("measure", ["var", "expectile"])
def test_verdict_reads_the_exact_curves(measure):
    """The largest and the smallest difference on a fine grid, and the share of thresholds by counting them."""
    seen = set()
    for seed in range(12):
        x, f = sample(40, seed)
        f[:, 1] = f[:, 0] + (0.3 + 0.3 * (seed % 2 == 0) * np.random.default_rng(seed).standard_normal(40))
        result = compare.murphy_difference(x, f[:, 0], f[:, 1], 0.75, measure=measure, n_simulations=9)
        theta = np.linspace(f.min(), f.max(), 40_001)
        first, second = (ELEMENTARY[measure](x, f[:, i], 0.75, theta).mean(axis=1) for i in (0, 1))
        d = first - second
        signs = (bool((d < -1e-12).any()), bool((d > 1e-12).any()))
        verdict = {(True, False): "first", (False, True): "second", (True, True): "neither"}[signs]
        assert result.verdict == verdict
        share = np.sum(d < -1e-12) / np.sum(np.abs(d) > 1e-12)
        assert_allclose(result.share_first, share, atol=2e-3)
        assert_allclose(result.share_first + result.share_second, 1.0, rtol=1e-12)
        seen.add(verdict)
    assert len(seen) >= 2


def test_bands_of_independent_days_are_the_normal_ones():
    """With blocks of one day the band of a threshold is mean +- 1.96 sd / sqrt n, up to the samples drawn."""
    x, f = sample(1000, 5)
    result = compare.murphy_difference(x, f[:, 0], f[:, 1], 0.95, block=1, n_simulations=2000)
    table = result.table
    theta = table["theta"].to_numpy()
    daily = np.subtract(*(ELEMENTARY["var"](x, f[:, i], 0.95, theta) for i in (0, 1)))
    assert_allclose(table["difference"], daily.mean(axis=1), rtol=1e-12, atol=1e-16)
    busy = np.count_nonzero(daily, axis=1) > 200
    assert busy.sum() > 20
    half = stats.norm.ppf(0.975) * daily.std(axis=1) / np.sqrt(1000)
    for name, sign in (("low", -1), ("high", 1)):
        assert_allclose(((table[name] - table["difference"]) / half)[busy], sign, atol=0.12)
    wider = (table["high_all"] - table["low_all"]) / (table["high"] - table["low"])
    assert wider[busy].min() > 1.2
    few = np.count_nonzero(daily, axis=1) < 10
    assert table.loc[few, ["low", "high", "low_all", "high_all"]].isna().all(axis=None)
    assert (result.block, result.seed, result.n_obs, result.coverage) == (1, 0, 1000, 0.95)
    again = compare.murphy_difference(x, f[:, 0], f[:, 1], 0.95, block=1, n_simulations=2000, coverage=0.5)
    assert ((again.table["high"] - again.table["low"]) < 0.6 * (table["high"] - table["low"]))[busy].all()


def test_errors():
    x = np.ones(5)
    with pytest.raises(ConfigError, match="measure must be one of var, expectile, got 'es'"):
        compare.murphy(x, x, 0.95, measure="es")
    with pytest.raises(ConfigError, match="level must be one number for all days"):
        compare.murphy(x, x, [0.95] * 5)
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\)"):
        compare.murphy(x, x, 0.05)
    with pytest.raises(DataError, match="forecasts must have one or two dimensions"):
        compare.murphy(x, np.ones((5, 1, 1)), 0.95)
    with pytest.raises(DataError, match="must have the shape of losses"):
        compare.murphy(x, np.ones((4, 2)), 0.95)
    with pytest.raises(DataError, match=r"second must have the shape of losses, got \(4,\) and \(5,\)"):
        compare.murphy_difference(x, x, x[:4], 0.95)
    with pytest.raises(ConfigError, match=r"coverage must lie in \(0, 1\), got 95"):
        compare.murphy_difference(x, x, x, 0.95, coverage=95)
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        compare.murphy_difference(x, x, x, 0.95, n_simulations=0)


@pytest.mark.nightly
def test_simultaneous_band_covers():
    """Two forecasts that err alike: their expected curves differ by what 10^6 days say."""
    rng = np.random.default_rng(1)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        f = 1.65 + 0.2 * rng.standard_normal((n, 2))
        return rng.standard_normal(n), f

    covered = []
    for _ in range(300):
        x, f = draw(1000)
        table = compare.murphy_difference(x, f[:, 0], f[:, 1], 0.95, block=2, n_simulations=499).table.dropna()
        covered.append(bool(((table["low_all"] <= 0) & (table["high_all"] >= 0)).all()))  # equal by symmetry
    print(f"murphy_difference: simultaneous band covers {np.mean(covered):.1%} (nominal 95 %)")
    assert 0.88 < np.mean(covered) <= 1.0
