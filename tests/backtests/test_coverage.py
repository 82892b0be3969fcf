"""Coverage tests against published values, exact enumeration and the defects of other packages."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore.backtests.coverage import distance, markov
from riskcore.backtests.hit_laws import _markov_classes, exact_law, independence_law, lr_independence
from riskcore.backtests.nulls import Hits
from riskcore.errors import ConfigError, DataError


def series(n: int, days: list[int]) -> np.ndarray:
    """Losses whose hits against a VaR of 0.5 fall on the given days (1-based)."""
    losses = np.zeros(n)
    losses[np.array(days, dtype=int) - 1] = 1.0
    return losses


@pytest.fixture(scope="module")
def matlab(golden):
    case = golden("coverage_matlab_normal95")["normal95"]
    inputs = case["input"]
    return series(inputs["T"], inputs["exception_days_1_based"]), inputs["level"], case["expected"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("binomial", "binomial"),
        ("kupiec", "kupiec_pof"),
        ("tuff", "tuff"),
        ("christoffersen_independence", "christoffersen_independence"),
        ("christoffersen_coverage", "conditional_coverage"),
    ],
)
def test_published_example(matlab, name, key):
    losses, level, expected = matlab
    result = bt.BACKTESTS[name].run(losses, 0.5, level, p_value="asymptotic")
    assert_allclose(
        [result.statistic, result.p_value], [expected[key]["statistic"], expected[key]["p_value"]], rtol=1e-10
    )
    assert result.details["hits"] == expected["exceptions"]
    assert_allclose(result.details["expected_hits"], expected["expected_exceptions"], rtol=1e-14)
    assert result.rejects(0.01) is (expected["verdicts_at_test_level_99"][key] == "reject")
    if "n00" in result.details:
        assert {k: result.details[k] for k in ("n00", "n01", "n10", "n11")} == expected["transitions"]


def test_published_example_from_its_data(shared_data, matlab):
    table = np.genfromtxt(shared_data / "more" / "matlab_normal95.csv.gz", delimiter=",", skip_header=1)
    _losses, level, expected = matlab
    assert_allclose(
        bt.kupiec(-table[:, 1], table[:, 2], level).statistic, expected["kupiec_pof"]["statistic"], rtol=1e-10
    )
    assert_allclose(bt.tuff(-table[:, 1], table[:, 2], level).statistic, expected["tuff"]["statistic"], rtol=1e-10)


def test_kupiec_published_reports(golden):
    for case in golden("kupiec_rugarch").values():
        n, x, level = (case["input"][k] for k in ("T", "exceptions", "level"))
        result = bt.kupiec(series(n, list(range(1, x + 1))), 0.5, level, p_value="asymptotic")
        assert_allclose(result.statistic, case["expected"]["kupiec_lr"], rtol=1e-10)
        assert_allclose(result.p_value, case["expected"]["p_value"], rtol=1e-10)


def test_kupiec_exact_size(golden):
    for case in golden("kupiec_exact_size").values():
        n, level, size = (case["input"][k] for k in ("T", "level", "nominal_size"))
        counts = range(min(n, 120) + 1)
        run = lambda x, n=n, level=level: bt.kupiec(  # noqa: E731
            series(n, list(range(1, x + 1))), 0.5, level, p_value="asymptotic"
        )
        rejected = [run(x).rejects(size) for x in counts]
        mass = stats.binom.pmf(np.flatnonzero(rejected), n, 1 - level).sum()
        assert_allclose(mass, case["expected"]["exact_size"], rtol=0, atol=1e-10)
        accepted = np.flatnonzero(~np.array(rejected))
        assert accepted.min() == case["expected"]["accept_min"]
        assert accepted.max() == case["expected"]["accept_max"]


def test_kupiec_exact_p_value_is_conservative():
    counts = np.arange(30)
    p = np.array([bt.kupiec(series(250, list(range(1, x + 1))), 0.5, 0.99, p_value="exact").p_value for x in counts])
    size = stats.binom.pmf(counts[p < 0.05], 250, 0.01).sum()
    assert_allclose(size, 0.0137, atol=5e-5)
    assert_allclose(p[0], 0.095, atol=5e-4)


@pytest.mark.parametrize(("n", "x", "level"), [(250, 6, 0.99), (250, 0, 0.99), (100, 9, 0.95), (30, 30, 0.9)])
def test_binomial_exact_against_scipy(n, x, level):
    result = bt.binomial(series(n, list(range(1, x + 1))), 0.5, level, p_value="exact")
    assert_allclose(result.p_value, stats.binomtest(x, n, 1 - level).pvalue, rtol=1e-9)


def test_binomial_with_levels_by_day():
    level = np.array([0.9, 0.95, 0.99, 0.9, 0.975])
    result = bt.binomial(series(5, [2]), 0.5, level)
    assert_allclose(result.statistic, (1 - (1 - level).sum()) / np.sqrt((level * (1 - level)).sum()))
    assert (
        bt.binomial(series(5, [2]), 0.5, level, p_value="exact").reason == "the exact law needs one level for all days"
    )
    assert bt.kupiec(series(5, [2]), 0.5, level).reason == "needs one level for all days"


def test_exact_conditional_coverage(golden):
    case = golden("exact_conditional_coverage")["T300_level95_seven_isolated"]
    losses = series(300, [20, 60, 100, 140, 180, 220, 260])
    exact = bt.christoffersen_coverage(losses, 0.5, 0.95, p_value="exact")
    expected = case["expected"]
    assert_allclose(exact.details["lr_coverage"], expected["lr_uc"], rtol=1e-8)
    assert_allclose(exact.details["lr_independence"], expected["lr_ind"], rtol=1e-8)
    assert_allclose([exact.statistic, exact.p_value], [expected["lr_cc"], expected["p_exact"]], rtol=1e-8)
    assert_allclose(
        bt.christoffersen_coverage(losses, 0.5, 0.95, p_value="asymptotic").p_value, expected["p_chi2"], rtol=1e-8
    )


@pytest.mark.parametrize("name", ["christoffersen_independence", "christoffersen_coverage"])
def test_exact_p_values_by_brute_force(name):
    level, run = 0.7, bt.BACKTESTS[name].run
    paths = np.array(list(itertools.product([0.0, 1.0], repeat=9)))
    statistics = np.array([run(path, 0.5, level).statistic for path in paths])
    chance = np.prod(np.where(paths > 0, 1 - level, level), axis=1)
    hits = paths.sum(axis=1)
    for i in range(0, len(paths), 7):
        alike = chance * (hits == hits[i]) if name == "christoffersen_independence" else chance  # given the hits
        expected = alike[statistics >= statistics[i] - 1e-9].sum() / alike.sum()
        assert_allclose(run(paths[i], 0.5, level, p_value="exact").p_value, expected, rtol=1e-9)


@pytest.mark.parametrize(("n", "level"), [(250, 0.99), (60, 0.95), (1, 0.9)])
def test_exact_wait_against_the_geometric_law(n, level):
    """Given that there is a hit within n days."""
    waits = np.arange(1, n + 1)
    chance = stats.geom.pmf(waits, 1 - level) / stats.geom.cdf(n, 1 - level)
    results = [bt.tuff(series(n, [wait]), 0.5, level) for wait in waits]
    statistics = np.array([r.statistic for r in results])
    for result in results[:: max(n // 9, 1)]:
        assert result.p_method == "exact"
        assert_allclose(result.p_value, chance[statistics >= result.statistic - 1e-9].sum(), rtol=1e-10)
        above = chance[statistics > result.statistic + 1e-9].sum()
        assert_allclose(result.details["mid_p"], 0.5 * (above + result.p_value), rtol=1e-10)


@pytest.mark.parametrize(
    "name", ["binomial", "kupiec", "tuff", "christoffersen_independence", "christoffersen_coverage"]
)
def test_exact_p_values_keep_their_size(name):
    """All sequences of ten days: P(p < size) is what `details` say, and the largest one attainable below the size."""
    level, run = 0.8, bt.BACKTESTS[name].run
    paths = np.array(list(itertools.product([0.0, 1.0], repeat=10)))
    results = [run(path, 0.5, level) for path in paths]
    p, mid = np.array([(r.p_value, r.details.get("mid_p", np.nan)) for r in results]).T
    chance = np.prod(np.where(paths > 0, 1 - level, level), axis=1)[np.isfinite(p)]
    chance, mid, p = chance / chance.sum(), mid[np.isfinite(p)], p[np.isfinite(p)]
    for size in (0.01, 0.05, 0.1, 0.3, 0.7):
        assert chance[p <= size].sum() <= size + 1e-12
    if name != "christoffersen_independence":  # its law is given the number of hits
        assert_allclose(chance[p < 0.05].sum(), results[-1].details["attained_size"], rtol=1e-9)
    assert_allclose(chance @ mid, 0.5, rtol=1e-9)  # the mean of a mid-p is one half


@pytest.mark.parametrize("name", ["binomial", "christoffersen_independence"])
def test_simulated_agrees_with_the_law_of_iid_hits(name):
    losses = series(250, [20, 60, 61, 140, 180, 220, 230, 240])
    exact = exact_law(name, 250, 0.99).tail(bt.christoffersen_independence(losses, 0.5, 0.99).statistic)
    drawn = bt.BACKTESTS[name].run(losses, 0.5, 0.99, p_value="simulated", n_simulations=20_000)
    assert drawn.p_method == "simulated: Bernoulli hits"
    # |z| takes two counts at equal distance together, the exact test orders them by their probability
    expected = exact if name == "christoffersen_independence" else stats.binom.sf(7, 250, 0.01)
    assert_allclose(drawn.p_value, expected, atol=4 * np.sqrt(expected / 20_000))


def test_batches_are_their_paths():
    """The statistics behind simulated nulls, on all sequences of seven days at once."""
    paths = np.array(list(itertools.product([False, True], repeat=7)))
    chain, count = (f(Hits.of(paths), np.full(7, 0.9), ()) for f in (markov, distance))
    assert_allclose(chain, [direct_independence(path) for path in paths], atol=1e-9)
    assert_allclose(count, np.abs(paths.sum(axis=1) - 0.7) / np.sqrt(0.63), rtol=1e-12)


def test_levels_by_day_are_simulated():
    level = np.linspace(0.9, 0.99, 300)
    losses = series(300, [5, 6, 100, 200, 290])
    drawn = bt.binomial(losses, 0.5, level, n_simulations=20_000)
    spread = np.sum((1 - level) * level)
    assert drawn.p_method == "simulated: Bernoulli hits"
    assert_allclose(drawn.statistic, (5 - (1 - level).sum()) / np.sqrt(spread))
    law = np.ones(1)  # of the sum of independent hits, one day after the other
    for rate in 1 - level:
        law = np.convolve(law, [1 - rate, rate])
    far = np.abs(np.arange(301) - (1 - level).sum()) >= abs(5 - (1 - level).sum()) - 1e-9
    assert_allclose(drawn.p_value, law[far].sum(), atol=4 * np.sqrt(law[far].sum() / 20_000))
    chain = bt.christoffersen_independence(losses, 0.5, level)
    assert chain.p_method == "simulated: Bernoulli hits"
    for name, p_value in [
        ("christoffersen_independence", "asymptotic"),
        ("christoffersen_coverage", "auto"),
        ("tuff", "auto"),
    ]:
        assert bt.BACKTESTS[name].run(losses, 0.5, level, p_value=p_value).reason == "needs one level for all days"


def test_exact_laws_of_long_series():
    """At 20,000 days the law is still enumerated: it is a law, and near its chi-square limit."""
    n, level = 20_000, 0.95
    law = exact_law("christoffersen_coverage", n, level)
    assert_allclose(law.tails[0], 1.0, rtol=1e-12)
    assert law.tails[-1] < 1e-14
    assert_allclose(law.tail(stats.chi2.isf([0.5, 0.05, 0.01], 2)), [0.5, 0.05, 0.01], rtol=0.05)
    assert bt.christoffersen_coverage(np.zeros(100_001), 0.5, 0.99).p_method == "asymptotic"
    told = bt.christoffersen_coverage(np.zeros(100_001), 0.5, 0.99, p_value="exact")
    assert told.reason == "the exact law is enumerated up to 100,000 days"


def direct_independence(hits: np.ndarray) -> float:
    """Likelihood ratio as the maximum over both models, day by day."""

    def log_likelihood(rates: dict[int, float]) -> float:
        p = np.array([rates[int(a)] if b else 1 - rates[int(a)] for a, b in itertools.pairwise(hits)])
        return float(np.log(p[p < 1]).sum()) if (p > 0).all() else -np.inf

    after = {a: [int(y) for x, y in itertools.pairwise(hits) if x == a] for a in (0, 1)}
    free = {a: float(np.mean(v)) if v else 0.0 for a, v in after.items()}
    pooled = float(np.mean(hits[1:]))
    return 2 * (log_likelihood(free) - log_likelihood({0: pooled, 1: pooled}))


@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_independence_against_the_definition(hits):
    array = np.array(hits)
    result = bt.christoffersen_independence(array.astype(float), 0.5, 0.9)
    assert_allclose(result.statistic, direct_independence(array), atol=1e-9)


@given(st.lists(st.booleans(), min_size=5, max_size=60), st.sampled_from([0.9, 0.975, 0.99]), st.floats(0.1, 1e6))
def test_properties(hits, level, scale):
    losses = np.array(hits, float) + 0.25
    for name in ("kupiec", "binomial", "christoffersen_independence", "christoffersen_coverage", "traffic_light"):
        run = bt.BACKTESTS[name].run
        one, other = run(losses, 0.5, level), run(losses * scale, 0.5 * scale, level)
        assert 0 <= one.p_value <= 1
        assert one.statistic >= 0 or name == "binomial"
        assert one == other
    coverage = bt.christoffersen_coverage(losses, 0.5, level)
    parts = bt.kupiec(losses, 0.5, level).statistic + bt.christoffersen_independence(losses, 0.5, level).statistic
    assert_allclose(coverage.statistic, parts, rtol=1e-12)


def test_kupiec_without_hits_says_the_side():
    result = bt.kupiec(np.zeros(250), 0.5, 0.99)
    assert_allclose(result.statistic, -2 * 250 * np.log(0.99), rtol=1e-13)
    assert result.details["side"] == "too few hits"
    assert_allclose(bt.kupiec(np.ones(250), 0.5, 0.99).statistic, -2 * 250 * np.log(0.01), rtol=1e-13)


@pytest.mark.parametrize("level", [0.95, 0.975, 0.99])
@pytest.mark.parametrize("x", [0, 1, 700])
def test_long_series_do_not_underflow(level, x):
    """Raw powers give 0/0 for 20,000 days."""
    losses = series(20_000, list(range(5, 5 + 25 * x, 25)))
    for name in ("kupiec", "christoffersen_independence", "christoffersen_coverage"):
        result = bt.BACKTESTS[name].run(losses, 0.5, level)
        assert np.isfinite(result.statistic)
        assert np.isfinite(result.p_value)


@pytest.mark.parametrize("day", [1, 250])
def test_only_hit_on_the_first_or_last_day(day):
    result = bt.christoffersen_independence(series(250, [day]), 0.5, 0.99)
    assert_allclose(result.statistic, 0.0 if day == 1 else direct_independence(series(250, [day]) > 0), atol=1e-9)
    assert np.isfinite(bt.christoffersen_coverage(series(250, [day]), 0.5, 0.99).p_value)


def test_no_hit_at_all():
    """Not "reject with an infinite statistic"."""
    result = bt.christoffersen_independence(np.zeros(100), 0.5, 0.99)
    assert (result.statistic, result.p_value) == (0.0, 1.0)
    wait = bt.tuff(np.zeros(100), 0.5, 0.99)
    assert wait.reason == "no hit"
    assert_allclose(wait.details["tail_probability"], 0.99**100, rtol=1e-13)
    assert_allclose(bt.tuff(series(9, [1]), 0.5, 0.99).statistic, -2 * np.log(0.01), rtol=1e-12)


def test_transitions_keep_their_order():
    """n01 counts a hit after a quiet day (one package has n01 and n10 swapped)."""
    details = bt.christoffersen_independence([0.0, 1.0, 1.0], 0.5, 0.9).details
    assert (details["n01"], details["n10"], details["n11"]) == (1, 0, 1)
    assert_allclose(lr_independence(0, 1, 0, 1), 0.0, atol=1e-12)


def test_equality_is_no_hit():
    assert bt.kupiec([0.5, 0.5, 0.6], 0.5, 0.9).details["hits"] == 1


def test_missing_days_by_policy():
    losses = np.array([0.0, np.nan, 1.0, 0.0])
    dropped, counted = (bt.kupiec(losses, 0.5, 0.9, nan=policy) for policy in ("drop", "hit"))
    assert (dropped.n_obs, dropped.details["hits"], dropped.details["missing"]) == (3, 1, 1)
    assert (counted.n_obs, counted.details["hits"], counted.details["missing"]) == (4, 2, 1)
    with pytest.raises(DataError, match="losses and forecasts must not be NaN with nan='raise', got 1 such days"):
        bt.kupiec(losses, 0.5, 0.9, nan="raise")


def test_errors_name_the_argument():
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\), got 0.01; typical values: 0.975, 0.99"):
        bt.kupiec([1.0], 0.5, 0.01)
    with pytest.raises(ConfigError, match="nan must be one of drop, raise, hit, got 'skip'"):
        bt.kupiec([1.0], 0.5, 0.99, nan="skip")
    with pytest.raises(ConfigError, match="p_value must be one of auto, exact, asymptotic, got 'fast'"):
        bt.kupiec([1.0], 0.5, 0.99, p_value="fast")
    with pytest.raises(DataError, match=r"var must have the shape of losses, got \(2,\) and \(3,\)"):
        bt.kupiec([1.0, 2.0, 3.0], [1.0, 2.0], 0.99)


def test_a_missing_level_is_not_a_hit():
    level = np.full(100, 0.95)
    level[3] = np.nan
    with pytest.raises(DataError, match="level"):
        bt.christoffersen_independence(series(100, [10]), 0.5, level, nan="hit")
    assert bt.christoffersen_independence(series(100, [10]), 0.5, level).n_obs == 99


@pytest.mark.parametrize(("times", "share"), [(2, 0.278), (3, 0.628)])
def test_independent_hits_at_a_wrong_rate_are_not_taken_for_dependence(times, share):
    """Given the number of hits the size holds at any rate; with the rate 1 - level it is as wrong as documented."""
    law = exact_law("christoffersen_independence", 250, 0.99)
    hits, statistics, chances, _ = _markov_classes(250, 1 - 0.01 * times)
    assert abs(chances[law.tail(statistics) < 0.05].sum() - share) < 5e-4
    given = np.array([independence_law(250, int(x)).tail(s) for x, s in zip(hits, statistics, strict=True)])
    assert 0.01 < chances[given < 0.05].sum() < 0.05


def test_laws_given_the_number_of_hits_add_up():
    hits, statistics, chances, _ = _markov_classes(60, 0.9)
    for x in (0, 1, 5, 12):
        law, alike = independence_law(60, x), hits == x
        for observed in (0.0, 0.5, 3.0):
            expected = chances[alike][statistics[alike] >= observed - 1e-9].sum() / chances[alike].sum()
            assert_allclose(law.tail(observed), expected, rtol=1e-9)
    assert independence_law(60, 60).tail(0.0) == 1.0


def test_a_negative_seed_is_refused_by_name():
    with pytest.raises(ConfigError, match="seed"):
        bt.binomial(series(100, [10]), 0.5, 0.95, p_value="simulated", rng=-1)
