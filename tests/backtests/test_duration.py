"""Duration tests against published values, scipy's optimisers, other forms of the same law, and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize, special, stats

from riskcore import backtests as bt
from riskcore.backtests import duration, geometric
from riskcore.backtests.nulls import Hits, draw_hits
from riskcore.errors import ConfigError

CLUSTERED = [4, 5, 7, 51, 52, 91]


def series(n: int, days) -> np.ndarray:
    """Losses whose hits against a VaR of 0.5 fall on the given days (1-based)."""
    losses = np.zeros(n)
    losses[np.array(days, dtype=int) - 1] = 1.0
    return losses


@pytest.mark.parametrize(("name", "key"), [("tbfi", "haas_tbfi"), ("tbf", "haas_tbf")])
def test_haas_published_example(golden, name, key):
    case = golden("coverage_matlab_normal95")["normal95"]
    inputs, expected = case["input"], case["expected"][key]
    losses = series(inputs["T"], inputs["exception_days_1_based"])
    result = bt.BACKTESTS[name].run(losses, 0.5, inputs["level"], p_value="asymptotic")
    assert_allclose([result.statistic, result.p_value], [expected["statistic"], expected["p_value"]], rtol=1e-10)
    assert result.details["df"] == expected["df"]
    haas = case["expected"]["haas_tbfi"]
    assert (result.details["shortest"], result.details["longest"]) == (haas["gap_min"], haas["gap_max"])


def test_haas_is_a_sum_of_waits():
    """Days after the last hit do not count; each wait is that of `tuff`."""
    losses = series(60, [1, 4, 20])
    parts = [bt.tuff(series(30, [wait]), 0.5, 0.9).statistic for wait in (1, 3, 16)]
    assert_allclose(bt.tbfi(losses, 0.5, 0.9).statistic, sum(parts), rtol=1e-12)
    assert_allclose(bt.tbfi(losses[:20], 0.5, 0.9).statistic, sum(parts), rtol=1e-12)
    assert bt.tbfi(np.zeros(60), 0.5, 0.9).reason == "no hit"
    assert bt.tbf(losses, 0.5, np.linspace(0.9, 0.95, 60)).reason == "needs one level for all days"


def spells(n: int, days) -> tuple[np.ndarray, np.ndarray]:
    """Complete waits, and the spells before the first and after the last hit, with their (1-based) days."""
    complete = np.diff(days).astype(float)
    ends = [days[0]] if days[0] > 1 else []
    ends += [n - days[-1]] if days[-1] < n else []
    return complete, np.array(ends, float)


def weibull_by_scipy(n: int, days) -> tuple[float, float]:
    """Both parameters by a search that knows nothing of the profile; the density as scipy.stats has it."""
    complete, ends = spells(n, days)

    def log_likelihood(log_scale: float, shape: float) -> float:
        z, outer = (complete / np.exp(log_scale)) ** shape, (ends / np.exp(log_scale)) ** shape
        return float(np.sum(np.log(shape) - log_scale + (shape - 1) * (np.log(complete) - log_scale) - z) - outer.sum())

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    start = np.log(np.mean(complete))
    law = stats.weibull_min(0.7, scale=np.exp(start))
    assert_allclose(log_likelihood(start, 0.7), law.logpdf(complete).sum() + law.logsf(ends).sum(), rtol=1e-12)
    free = optimize.minimize(
        lambda x: -log_likelihood(x[0], np.exp(x[1])), [start, 0.0], method="Nelder-Mead", options=options
    )
    one = optimize.minimize_scalar(lambda x: -log_likelihood(x, 1.0), (start, start + 1), options={"xtol": 1e-12})
    return 2 * (one.fun - free.fun), float(np.exp(free.x[1]))


@pytest.mark.parametrize(
    ("n", "days"),
    [
        (100, CLUSTERED),
        (100, [1, 5, 7, 51, 52, 91]),  # the first spell is complete: it is not there
        (91, CLUSTERED),  # so is the last
        (91, [1, 20, 58, 91]),
        (250, [100, 130]),
        (250, [100, 101]),
        (1000, [*range(17, 900, 41), 970, 971]),
    ],
)
def test_weibull_against_scipy(n, days):
    result = bt.weibull_duration(series(n, days), 0.5, 0.95, p_value="asymptotic")
    statistic, shape = weibull_by_scipy(n, days)
    assert_allclose(result.statistic, statistic, rtol=1e-7, atol=1e-9)
    assert_allclose(result.details["shape"], shape, rtol=1e-5)
    assert_allclose(result.p_value, stats.chi2.sf(result.statistic, 1), rtol=1e-12)


def test_equal_waits_stop_at_the_bound():
    """With all d equal the log-likelihood is m log b: closed form at b = 10."""
    result = bt.weibull_duration(series(101, range(1, 102, 20)), 0.5, 0.95)
    assert result.details["shape"] == duration.STEEPEST
    assert_allclose(result.statistic, 2 * 5 * np.log(10.0), rtol=1e-12)
    assert "bound" in result.details["note"]


def test_meixner_polynomials():
    """The recursion gives the Meixner polynomials with beta = 1, by their hypergeometric form; orthonormal."""
    days, rate = np.arange(1.0, 4000.0), 0.05
    rows = duration._moments(days, rate, 5)
    for j, row in enumerate(rows, start=1):
        closed = (1 - rate) ** (j / 2) * special.hyp2f1(-j, -(days - 1), 1.0, 1 - 1 / (1 - rate))
        assert_allclose(row[:200], closed[:200], rtol=1e-8, atol=1e-9)
    chance = stats.geom.pmf(days, rate)
    gram = np.array([[np.sum(chance * a * b) for a in rows] for b in rows])
    assert_allclose(gram, np.eye(5), atol=1e-9)


@pytest.mark.parametrize("form", ["conditional", "coverage", "independence"])
def test_gmm_from_its_definition(form):
    days = np.diff(CLUSTERED)
    rate = 1 / days.mean() if form == "independence" else 0.05
    first, last = (1, 1) if form == "coverage" else (1, 4)
    total = 0.0
    for j in range(first, last + 1):
        values = (1 - rate) ** (j / 2) * special.hyp2f1(-j, -(days - 1.0), 1.0, 1 - 1 / (1 - rate))
        total += values.sum() ** 2 / days.size
    result = bt.gmm_duration(series(100, CLUSTERED), 0.5, 0.95, form=form, moments=4, p_value="asymptotic")
    df = {"conditional": 4, "coverage": 1, "independence": 3}[form]
    assert_allclose(result.statistic, total, rtol=1e-9)
    assert result.details["df"] == df
    assert_allclose(result.p_value, stats.chi2.sf(total, df), rtol=1e-8)


def direct_hazard(hits: np.ndarray, v: np.ndarray, form: str) -> float:
    """Log-likelihood at its maximum, day by day, by scipy's optimiser under the constraint of a hazard below one."""
    d = np.empty(hits.size)
    wait = 1
    for t, hit in enumerate(hits):
        d[t] = wait
        wait = 1 if hit else wait + 1
    v = v / v.mean()

    def cost(x):
        chance = np.exp(np.minimum(x[0] + (x[1] - 1) * np.log(d) - x[2] * v, -1e-9))
        return -float(np.log(np.where(hits, chance, 1 - chance)).sum())

    top = 300.0 if form == "full" else 0.0
    low = 1.0 if form == "coverage" else 0.0
    found = []
    for b, c in itertools.product([0.5 + 0.5 * low, 1.0], [0.0, min(top, 1.0)]):
        start = [np.log(hits.mean()) - (b - 1) + c, b, c]
        bounds = [(-50, 400), (low, 1), (0, top)]
        options = {"maxiter": 4000, "xatol": 1e-8, "fatol": 1e-10}
        found.append(optimize.minimize(cost, start, method="Nelder-Mead", bounds=bounds, options=options).fun)
    return -min(found)


@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_geometric_var_against_scipy(seed):
    rng = np.random.default_rng(seed)
    n, level = 300, 0.95
    v = np.exp(0.4 * np.sin(np.arange(n) / 20) + 0.1 * rng.standard_normal(n))
    chance = 0.05 * np.exp(-1.5 * (v - v.mean())) * (1 + 3 * (rng.random(n) < 0.1)) if seed % 2 else np.full(n, 0.05)
    hits = rng.random(n) < chance
    if seed == 4:
        hits = np.isin(np.arange(n), [40, 41, 42, 43, 100, 101, 103])
    losses = np.where(hits, 2 * v, 0.0)
    x = hits.sum()
    null = x * np.log(1 - level) + (n - x) * np.log(level)
    best = {form: direct_hazard(hits, v, form) for form in ("coverage", "duration", "full")}
    expected = {
        "full": 2 * (best["full"] - null),
        "coverage": 2 * (best["coverage"] - null),
        "duration": 2 * (best["duration"] - best["coverage"]),
        "var": 2 * (best["full"] - best["duration"]),
    }
    for form, value in expected.items():
        result = bt.geometric_var(losses, v, level, form=form, p_value="asymptotic")
        assert_allclose(result.statistic, value, rtol=1e-7, atol=1e-6)


def test_geometric_var_is_nested():
    losses, v = series(300, CLUSTERED), np.linspace(0.5, 0.6, 300)
    by = {form: bt.geometric_var(losses, v, 0.95, form=form, p_value="asymptotic") for form in geometric.FORMS}
    parts = sum(by[form].statistic for form in ("coverage", "duration", "var"))
    assert_allclose(by["full"].statistic, parts, rtol=1e-9)
    kupiec = bt.kupiec(losses, v, 0.95, p_value="asymptotic")
    assert_allclose([by["coverage"].statistic, by["coverage"].p_value], [kupiec.statistic, kupiec.p_value], rtol=1e-12)
    x = by["full"].statistic
    mixture = 0.25 * stats.chi2.sf(x, 1) + 0.5 * stats.chi2.sf(x, 2) + 0.25 * stats.chi2.sf(x, 3)
    assert_allclose(by["full"].p_value, mixture, rtol=1e-12)


def test_geometric_var_does_not_depend_on_units_or_sign():
    """Scaling and shifting the VaR (a negative one too) only changes a and the unit of c."""
    rng = np.random.default_rng(3)
    v = rng.random(400) + 1.0
    losses = v + np.where(rng.random(400) < 0.05, 1.0, -1.0)
    one = bt.geometric_var(losses, v, 0.95)
    other = bt.geometric_var(1000 * losses - 9000, 1000 * v - 9000, 0.95)
    assert_allclose(one.statistic, other.statistic, rtol=1e-7)
    assert one.p_value == other.p_value
    assert bt.geometric_var(losses, losses.max() - 0.5, 0.95).reason == "the VaR does not move"
    assert np.isfinite(bt.geometric_var(losses, losses.max() - 0.5, 0.95, form="duration").p_value)


@pytest.mark.parametrize(
    "days",
    [[], [1], [250], [1, 2, 3], [248, 249, 250], [100, 101, 102, 103], list(range(1, 251)), list(range(1, 250)), [60]],
)
def test_awkward_hits(days):
    v = 0.5 - 0.1 * np.random.default_rng(0).random(250)
    for form in geometric.FORMS:
        result = bt.geometric_var(series(250, days), v, 0.99, form=form, n_simulations=99)
        assert np.isfinite(result.statistic)
        assert result.statistic >= 0
        assert 0 < result.p_value <= 1
    for name in ("weibull_duration", "gmm_duration"):
        result = bt.BACKTESTS[name].run(series(250, days), v, 0.99, n_simulations=99)
        assert (result.reason != "") == (len(days) < 2)
    adjacent = bt.gmm_duration(series(250, days), v, 0.99, form="independence", n_simulations=99)
    assert (adjacent.reason != "") == (len(days) < 2 or len(set(np.diff(days))) == 1)


def test_hits_on_the_calmest_day_only():
    """One hit where the VaR is lowest: the likelihood rises with c without end, which stops at its bound."""
    v = np.full(250, 2.0)
    v[100] = 1.0
    result = bt.geometric_var(np.where(v == 1.0, 1.5, 0.0), v, 0.99, p_value="asymptotic")
    assert 0 < result.details["c"] <= geometric.STEEPEST
    assert result.statistic <= -2 * (np.log(0.01) + 249 * np.log(0.99)) + 1e-9
    assert result.statistic > -2 * (np.log(0.01) + 249 * np.log(0.99)) - 0.01


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(0, 5))
def test_a_batch_is_its_paths(hits, seed):
    """Each path of a batch has the statistic that it has alone."""
    others = np.random.default_rng(seed).random((3, len(hits))) < 0.2
    rows = np.vstack([others[:1], hits, others[1:]])
    level, w = np.full(len(hits), 0.9), np.random.default_rng(seed).standard_normal(len(hits)).tobytes()
    for batch, options in [
        (duration.haas, (0,)),
        (duration.haas, (1,)),
        (duration.weibull, ()),
        (duration.gmm, ("conditional", 3)),
        (duration.gmm, ("independence", 3)),
        (geometric.geometric, ("full", w)),
        (geometric.geometric, ("duration", b"")),
    ]:
        together = batch(Hits.of(rows), level, options)
        alone = [batch(Hits.of(row), level, options)[0] for row in rows]
        assert_allclose(together, alone, rtol=1e-12, atol=1e-12)


DURATIONS = ["tbfi", "tbf", "weibull_duration", "gmm_duration", "geometric_var"]


@pytest.mark.parametrize("name", DURATIONS)
def test_long_series(name):
    rng = np.random.default_rng(0)
    n = 20_000
    result = bt.BACKTESTS[name].run(
        (rng.random(n) < 0.05).astype(float), 0.4 + 0.1 * rng.random(n), 0.95, n_simulations=49
    )
    assert np.isfinite(result.statistic)
    assert 0.02 <= result.p_value <= 1
    assert result.p_method == "simulated: Bernoulli hits"


@pytest.mark.parametrize("name", DURATIONS)
def test_simulated_null_keeps_its_size(name):
    """Ranks of true samples among the simulated ones are uniform: each statistic is the same function for both."""
    v = 0.4 + 0.1 * np.random.default_rng(1).random(250)
    drawn = draw_hits(77, 600, np.full(250, 0.975))
    run = bt.BACKTESTS[name].run
    p = np.empty(600)
    for i in range(600):
        losses = np.zeros(250)
        losses[drawn.where[drawn.first[i] : drawn.first[i + 1]]] = 1.0
        p[i] = run(losses, v, 0.975, n_simulations=999).p_value
    p = p[np.isfinite(p)]
    for size in (0.01, 0.05, 0.10):
        error = np.sqrt(size * (1 - size) * (1 / p.size + 1 / 999))
        assert np.mean(p <= size) <= size + 3 * error
    assert abs(np.mean(p <= 0.1) - 0.1) < 0.05  # statistics are nearly continuous


@pytest.mark.parametrize("name", DURATIONS)
def test_power_against_clusters(name):
    """Hits that come in pairs and triples with the right rate are found out."""
    days = sorted({d + i for d in range(20, 980, 75) for i in (0, 1, 2, 4)})
    v = 0.4 + 0.1 * np.random.default_rng(1).random(1000)
    assert bt.BACKTESTS[name].run(series(1000, days), v, 0.95).p_value < 0.01


def test_levels_by_day():
    level = np.linspace(0.9, 0.97, 200)
    losses = series(200, CLUSTERED)
    assert bt.weibull_duration(losses, 0.5, level).p_method == "simulated: Bernoulli hits"
    assert bt.gmm_duration(losses, 0.5, level, form="independence").p_method == "simulated: Bernoulli hits"
    for result in (
        bt.weibull_duration(losses, 0.5, level, p_value="asymptotic"),
        bt.gmm_duration(losses, 0.5, level),
        bt.geometric_var(losses, np.linspace(0.4, 0.5, 200), level),
    ):
        assert result.reason == "needs one level for all days"


def test_errors_name_the_argument():
    with pytest.raises(ConfigError, match="form must be one of conditional, coverage, independence, got 'all'"):
        bt.gmm_duration([1.0], 0.5, 0.99, form="all")
    with pytest.raises(ConfigError, match="moments must be a whole number from 2 to 5, got 9"):
        bt.gmm_duration([1.0], 0.5, 0.99, moments=9)
    with pytest.raises(ConfigError, match="p_value must be one of auto, simulated, asymptotic, got 'exact'"):
        bt.weibull_duration([1.0], 0.5, 0.99, p_value="exact")
    with pytest.raises(ConfigError, match="form must be one of full, coverage, duration, var, got 'uc'"):
        bt.geometric_var([1.0], 0.5, 0.99, form="uc")
