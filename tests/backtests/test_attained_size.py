from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from riskcore.backtests import BACKTESTS, binomial, kupiec
from riskcore.backtests.size import attained_size
from riskcore.errors import ConfigError


@pytest.mark.parametrize(
    ("n", "level", "size"),
    [
        (250, 0.99, 9.48),
        (250, 0.975, 7.44),
        (250, 0.95, 5.85),
        (500, 0.99, 7.09),
        (1000, 0.99, 5.51),
        (1000, 0.975, 4.21),
    ],
)
def test_sizes_of_kupiec(n: int, level: float, size: float) -> None:
    """Figures of the enumeration of the binomial law (see the docstring of `kupiec`, which rounds them)."""
    assert 100 * attained_size("kupiec", n, level) == pytest.approx(size, abs=0.005)


@pytest.mark.parametrize(("level", "size"), [(0.99, 0.8), (0.975, 3.1), (0.95, 3.7)])
def test_sizes_of_conditional_coverage(level: float, size: float) -> None:
    """Rates of 10,000 independent samples of 250 days at nominal 5 %, measured outside this package."""
    assert 100 * attained_size("christoffersen_coverage", 250, level) == pytest.approx(
        size, abs=3 * (size / 100) ** 0.5
    )


@pytest.mark.parametrize("name", ["tuff", "christoffersen_independence", "christoffersen_coverage"])
def test_it_is_the_share_of_all_sequences_that_the_test_rejects(name) -> None:
    level, run = 0.8, BACKTESTS[name].run
    paths = np.array(list(itertools.product([0.0, 1.0], repeat=11)))
    p = np.array([run(path, 0.5, level, p_value="asymptotic").p_value for path in paths])
    chance = np.prod(np.where(paths > 0, 1 - level, level), axis=1)
    assert attained_size(name, 11, level) == pytest.approx(
        chance[p < 0.05].sum() / chance[np.isfinite(p)].sum(), rel=1e-9
    )


@pytest.mark.parametrize(("name", "test"), [("kupiec", kupiec), ("binomial", binomial)])
@pytest.mark.parametrize(("n", "level"), [(60, 0.95), (120, 0.99)])
def test_it_is_the_share_of_samples_that_the_test_rejects(name, test, n, level) -> None:
    rejected = [
        k for k in range(n + 1) if test([1.0] * k + [0.0] * (n - k), 0.5, level, p_value="asymptotic").p_value < 0.05
    ]
    assert attained_size(name, n, level) == pytest.approx(stats.binom.pmf(rejected, n, 1 - level).sum(), rel=1e-10)


def test_what_cannot_be_enumerated_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"name must be one of kupiec, binomial, tuff, .*, got 'dynamic_quantile'"):
        attained_size("dynamic_quantile", 250, 0.99)
    with pytest.raises(ConfigError, match="n_obs must be at least 1, got 0"):
        attained_size("kupiec", 0, 0.99)
    with pytest.raises(ConfigError, match="n_obs must be at most 100000 for christoffersen_coverage, got 200000"):
        attained_size("christoffersen_coverage", 200_000, 0.99)
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\), got 99"):
        attained_size("kupiec", 250, 99)
    with pytest.raises(ConfigError, match=r"size must lie in \(0, 1\), got 5"):
        attained_size("kupiec", 250, 0.99, size=5)
