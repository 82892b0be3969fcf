"""Acerbi-Szekely Z3 against the definition, the law of order statistics and quadrature."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, special, stats

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.backtests.realised_es import _drawn_weights, _expected_weights
from riskcore.errors import ConfigError

P = 0.975
LEVELS = np.array(defaults.TAIL_LEVELS)
KNOTS = np.log(LEVELS / (1 - LEVELS))
T5 = stats.t(5)


def quantile(q: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The day's law: linear in the logit, also beyond the outermost levels."""
    y = np.log(u / (1 - u))
    inside = np.interp(y, KNOTS, q)
    low, high = ((q[i + 1] - q[i]) / (KNOTS[i + 1] - KNOTS[i]) for i in (0, -2))
    beyond = np.where(y > KNOTS[-1], q[-1] + high * (y - KNOTS[-1]), inside)
    return np.where(y < KNOTS[0], q[0] + low * (y - KNOTS[0]), beyond)


def definition(pit: np.ndarray, quantiles: np.ndarray, k: int) -> float:
    """The paper's Z3, for losses: one integral for each day."""
    n, worst = pit.size, np.sort(pit)[-k:]
    ratios = []
    for q in quantiles:
        f = lambda s, q=q: special.betainc(n - k, k, s) * quantile(q, np.array(s))  # noqa: E731
        parts = [0, *LEVELS, 1 - 1e-7, 1 - 1e-9, 1 - 1e-12]
        mean = sum(integrate.quad(f, a, b, epsabs=1e-13, epsrel=1e-11)[0] for a, b in itertools.pairwise(parts))
        ratios.append(quantile(q, worst).mean() / (n / k * mean))
    return 1 - float(np.mean(ratios))


@pytest.mark.parametrize("level", [0.9, 0.975])
def test_statistic_by_the_definition(level):
    rng = np.random.default_rng(1)
    pit = rng.random(80)
    laws = np.stack([T5.ppf(LEVELS), stats.norm.ppf(LEVELS) * 2 + 0.1, stats.gamma(2).ppf(LEVELS)])
    quantiles = laws[np.arange(80) % 3]
    result = bt.acerbi_szekely_z3(pit, level, tail=(LEVELS, quantiles))
    weights = np.bincount(np.arange(80) % 3) / 80
    each = [definition(pit, law[None, :], result.details["worst"]) for law in laws]
    assert result.details["worst"] == int(80 * (1 - level) + 1e-9)
    assert_allclose(result.statistic, weights @ each, rtol=1e-7, atol=1e-9)


def test_expected_mean_of_the_largest_of_a_known_law():
    """Logistic losses: the logit of the i-th largest of n uniforms has mean digamma(n - i + 1) - digamma(i)."""
    for n, k in ((4, 1), (250, 6), (20_000, 500)):
        expected = np.mean([special.digamma(n - i + 1) - special.digamma(i) for i in range(1, k + 1)])
        weights = _expected_weights(n, k, LEVELS.tobytes())
        assert_allclose([weights.sum(), weights @ KNOTS], [1.0, expected], rtol=1e-9)


def test_drawn_order_statistics():
    """The knots' weights give the mean logit back: against the largest of plain uniforms."""
    n, k = 100, 3
    drawn = _drawn_weights(n, k, LEVELS.tobytes(), 0, 20_000) @ KNOTS
    u = np.sort(np.random.default_rng(2).random((20_000, n)), axis=1)[:, -k:]
    assert stats.ks_2samp(drawn, np.log(u / (1 - u)).mean(axis=1)).pvalue > 0.001
    few = _drawn_weights(4, 2, LEVELS.tobytes(), 0, 20_000) @ KNOTS
    assert_allclose(few.mean(), (11 / 6 + 1 / 2) / 2, atol=4 * few.std() / np.sqrt(20_000))  # of four: 11/6 and 1/2


def test_simulated_null_against_plain_draws():
    rng = np.random.default_rng(3)
    n = 250
    quantiles = np.exp(0.3 * rng.standard_normal(n))[:, None] * T5.ppf(LEVELS)
    result = bt.acerbi_szekely_z3(rng.random(n), P, tail=(LEVELS, quantiles), n_simulations=9999)
    tail = (LEVELS, quantiles)
    others = [bt.acerbi_szekely_z3(rng.random(n), P, tail=tail, n_simulations=1).statistic for _ in range(500)]
    share = np.mean(np.array(others) <= result.statistic)
    assert abs(result.p_value - share) < 4 * np.sqrt(share * (1 - share) * (1 / 500 + 1 / 9999))
    assert_allclose(np.mean(others), 0.0, atol=4 * np.std(others) / np.sqrt(500))  # expected 0 under the null
    assert result.p_method == "simulated: own law"


def test_understated_risk_is_found():
    losses = np.random.default_rng(4).standard_t(5, 500)
    law = stats.norm(scale=np.sqrt(5 / 3))
    result = bt.acerbi_szekely_z3(law.cdf(losses), P, tail=(LEVELS, np.tile(law.ppf(LEVELS), (500, 1))))
    assert result.statistic < 0
    assert result.p_value < 0.01


def test_what_cannot_be_computed():
    pit, laws = np.linspace(0.01, 0.99, 60), (LEVELS, np.tile(T5.ppf(LEVELS), (60, 1)))
    assert bt.acerbi_szekely_z3(pit, P).reason == "needs the law of each day"
    assert bt.acerbi_szekely_z3(pit, 0.99, tail=laws).reason == "60 days, too few for one beyond the level"
    moving = bt.acerbi_szekely_z3(pit, np.linspace(0.9, 0.95, 60), tail=laws)
    assert moving.reason == "needs one level for all days"
    negative = bt.acerbi_szekely_z3(pit, P, tail=(LEVELS, laws[1] - 10))
    assert negative.reason == "the expected ES of the day's law must be positive, is not on 60 days"
    assert "do not increase" in bt.acerbi_szekely_z3(pit, P, tail=(LEVELS, -laws[1])).reason
    whole = bt.acerbi_szekely_z3(np.append(pit, 1.0), P, tail=(LEVELS, np.tile(T5.ppf(LEVELS), (61, 1))))
    assert np.isfinite(whole.statistic)
    assert whole.details["at_bounds"] == 1
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        bt.acerbi_szekely_z3(pit, P, tail=laws, n_simulations=0)


def test_number_of_the_worst_has_no_rounding():
    """100 * (1 - 0.9) is 9.999999999999998."""
    laws = (LEVELS, np.tile(T5.ppf(LEVELS), (100, 1)))
    assert bt.acerbi_szekely_z3(np.linspace(0.001, 0.999, 100), 0.9, tail=laws).details["worst"] == 10
