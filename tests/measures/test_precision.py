"""Standard errors and intervals against closed forms, enumeration and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

import riskcore.measures as rm
from riskcore.errors import ConfigError, DataError

LOSSES = np.random.default_rng(11).standard_t(5, 2000)


@pytest.mark.parametrize(("n", "level"), [(10, 0.5), (250, 0.99), (1000, 0.99), (500, 0.975), (40, 0.05), (1, 0.5)])
def test_interval_by_enumeration(n: int, level: float) -> None:
    found = rm.value_at_risk_interval(np.arange(1.0, n + 1.0), level, coverage=0.9)
    below = stats.binom(n, level)
    i = max((k for k in range(n + 1) if below.cdf(k - 1) <= 0.05), default=0)
    j = min((k for k in range(1, n + 2) if below.sf(k - 1) <= 0.05), default=n + 1)
    assert found.low == (-math.inf if i == 0 else i)
    assert found.high == (math.inf if j == n + 1 else j)
    assert found.coverage == pytest.approx(below.cdf(j - 1) - below.cdf(i - 1), abs=1e-12)
    assert found.coverage >= 0.9


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, truth = np.random.default_rng(3), stats.t.ppf(0.95, 4)
    inside, n_samples = 0, 2000
    for _ in range(n_samples):
        found = rm.value_at_risk_interval(rng.standard_t(4, 100), 0.95, coverage=0.9)
        inside += found.low <= truth < found.high
    spread = math.sqrt(found.coverage * (1 - found.coverage) / n_samples)
    assert abs(inside / n_samples - found.coverage) < 4 * spread


def test_var_standard_error_at_the_centre_of_the_normal_law() -> None:
    losses = special.ndtri((np.arange(20_000) + 0.5) / 20_000)
    truth = 0.5 / math.sqrt(20_000) / stats.norm.pdf(0.0)
    assert rm.value_at_risk_standard_error(losses, 0.5) == pytest.approx(truth, rel=0.02)
    truth = math.sqrt(0.05 * 0.95 / 20_000) / stats.norm.pdf(stats.norm.ppf(0.95))
    assert rm.value_at_risk_standard_error(losses, 0.95) == pytest.approx(truth, rel=0.05)
    assert math.isnan(rm.value_at_risk_standard_error([2.0, 2.0], 0.9))
    assert rm.value_at_risk_standard_error([0.0] * 20 + [1.0], 0.5) > 0.0  # no spread between the quartiles


def test_es_standard_error_is_the_formula() -> None:
    level, n = 0.975, LOSSES.size
    v, es = rm.value_at_risk(LOSSES, level), rm.expected_shortfall(LOSSES, level)
    formula = math.sqrt((LOSSES[v < LOSSES].var() + level * (es - v) ** 2) / (n * (1 - level)))
    assert rm.expected_shortfall_standard_error(LOSSES, level) == pytest.approx(formula, rel=1e-12)
    assert rm.expected_shortfall_standard_error([1.0] * 9, level) == 0.0


def test_expectile_standard_error_against_the_normal_law(golden) -> None:
    losses = special.ndtri((np.arange(400_000) + 0.5) / 400_000)  # a grid of quantiles stands for the law
    cases = [c for name, c in golden("normal_levels").items() if name.startswith("asymptotics")]
    assert len(cases) == 4
    for case in cases:
        found = rm.expectile_standard_error(losses, case["input"]["expectile_level"]) * math.sqrt(losses.size)
        assert found == pytest.approx(case["expected"]["asymptotic_sd_of_sqrt_n_error"], rel=2e-3)
    assert rm.expectile_standard_error(losses, 0.5) * math.sqrt(losses.size) == pytest.approx(1.0, rel=1e-4)


def test_lags_give_the_bartlett_long_run_variance() -> None:
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    for function, values in (
        (rm.expectile_standard_error, _psi(LOSSES, 0.9)),
        (
            rm.expected_shortfall_standard_error,
            np.maximum(LOSSES - rm.value_at_risk(LOSSES, 0.9), 0.0) / 0.1,
        ),
    ):
        centred = values - values.mean()
        long_run = float(S_hac_simple(centred[:, None], nlags=7)[0, 0]) / LOSSES.size
        assert function(LOSSES, 0.9, lags=7) == pytest.approx(math.sqrt(long_run / LOSSES.size), rel=1e-10)
        assert function(LOSSES, 0.9, lags=0) == function(LOSSES, 0.9)


def _psi(losses: np.ndarray, level: float) -> np.ndarray:
    m = rm.expectile(losses, level)
    pull = np.where(losses > m, level, 1 - level)
    return pull * (losses - m) / pull.mean()


def test_diagnostics() -> None:
    found = rm.expectile_diagnostics(LOSSES, 0.99)
    above = LOSSES[found.expectile < LOSSES]
    assert found.n_obs == 2000
    assert found.n_above == above.size
    assert found.largest_share == pytest.approx((above.max() - found.expectile) / (above - found.expectile).sum())
    assert found.gain_loss_ratio == 99.0
    assert rm.expectile_diagnostics(LOSSES, 0.99855).gain_loss_ratio == pytest.approx(688.655, abs=1e-3)
    assert rm.expected_shortfall(LOSSES, found.equal_es_level) == pytest.approx(found.expectile, rel=1e-12)
    assert not found.thin
    assert rm.expectile_diagnostics(LOSSES[:250], 0.99855).thin


def test_diagnostics_where_nothing_lies_above() -> None:
    flat = rm.expectile_diagnostics([0.1, 0.1], 0.9)
    assert (flat.n_above, flat.implied_var_level) == (0, 1.0)
    assert math.isnan(flat.largest_share)
    assert math.isnan(flat.equal_es_level)
    assert math.isnan(rm.expectile_diagnostics([0.0, 1.0], 0.2).equal_es_level)
    single = rm.expectile_diagnostics([0.0, 1.0], 0.75)
    assert single.equal_es_level == pytest.approx(1.0 / 3.0)  # ES_q = 0.5/(1 - q) = 3/4


def test_errors() -> None:
    for function in (rm.expected_shortfall_standard_error, rm.expectile_standard_error):
        for lags in (-1, 3, 1.5, True):
            with pytest.raises(ConfigError, match=r"lags must be a whole number in \[0, 2\], got "):
                function([1.0, 2.0, 3.0], 0.9, lags=lags)
    with pytest.raises(ConfigError, match=r"coverage must lie in \(0, 1\), got 95"):
        rm.value_at_risk_interval([1.0], 0.9, coverage=95)
    with pytest.raises(DataError, match="sample must be finite, got 1 entries"):
        rm.expectile_diagnostics([1.0, math.nan], 0.9)
