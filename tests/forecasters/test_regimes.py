"""Markov regimes against statsmodels, enumeration of all paths, and the definition written out."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from riskcore import FORECASTERS, Status, Target
from riskcore.distributions import SkewT, StudentT
from riskcore.errors import ConfigError, FitError
from riskcore.forecasters import MarkovSwitching
from riskcore.forecasters.regimes import FLOOR, lagged, long_run_shares, sorted_days
from riskcore.kernels import regimes as kernel

TARGETS = (Target("var", 0.99), Target("es", 0.975), Target("expectile", 0.99))


def draw(rng, n, moves, means, sigmas, nu=None, phi=0.0):
    state, out, last = rng.choice(len(means), p=long_run_shares(np.array(moves))), np.empty(n), 0.0
    for t in range(n):
        z = rng.standard_normal() if nu is None else rng.standard_t(nu) * np.sqrt((nu - 2) / nu)
        last = out[t] = means[state] + phi * last + sigmas[state] * z
        state = rng.choice(len(means), p=moves[state])
    return out


@pytest.fixture(scope="module")
def losses():
    moves = [[0.98, 0.02], [0.06, 0.94]]
    return draw(np.random.default_rng(4), 800, moves, [-0.0005, 0.001], [0.007, 0.02])


def by_statsmodels(fitted, losses):
    """The same model in statsmodels, and its parameters: first columns of P by regime, means, slopes, variances."""
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    k, p, moves = fitted.settings.regimes, fitted.params, fitted.transitions
    before = None
    if fitted.settings.lags:
        before = np.append(fitted.centre, losses[:-1])[:, None]
    model = MarkovRegression(losses, k_regimes=k, trend="c", exog=before, switching_variance=True)
    numbers = range(1, k + 1)
    point = [*moves[:, : k - 1].T.ravel(), *(p[f"mu{j}"] for j in numbers)]
    point += [p[f"phi{j}"] for j in numbers] if fitted.settings.lags else []
    return model, np.array([*point, *(p[f"sigma{j}"] ** 2 for j in numbers)])


@pytest.mark.parametrize(("regimes", "lags"), [(2, 0), (3, 0), (2, 1)])
def test_likelihood_and_filter_are_those_of_statsmodels(regimes, lags, losses):
    fitted = MarkovSwitching(regimes=regimes, lags=lags).fit(losses, TARGETS)
    model, point = by_statsmodels(fitted, losses)
    theirs = model.smooth(point)
    np.testing.assert_allclose(fitted.log_likelihood, theirs.llf, rtol=1e-11)
    np.testing.assert_allclose(fitted.filtered(losses), theirs.filtered_marginal_probabilities, atol=1e-9)
    np.testing.assert_allclose(fitted.predicted(losses)[:-1], theirs.predicted_marginal_probabilities, atol=1e-9)
    np.testing.assert_allclose(fitted.smoothed(losses), theirs.smoothed_marginal_probabilities, atol=1e-8)


def test_the_optimum_is_no_lower_than_that_of_statsmodels(losses):
    fitted = MarkovSwitching().fit(losses, TARGETS)
    scaled = (losses - losses.mean()) / losses.std()
    from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

    model = MarkovRegression(scaled, k_regimes=2, trend="c", switching_variance=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = model.fit(search_reps=20, disp=False)
    assert fitted.log_likelihood >= theirs.llf - losses.size * np.log(losses.std()) - 1e-8


def test_errors_are_the_sandwich_of_statsmodels(losses):
    fitted = MarkovSwitching().fit(losses, TARGETS)
    scaled = (losses - fitted.centre) / fitted.scale
    again = MarkovSwitching().fit(scaled, TARGETS)
    model, point = by_statsmodels(again, scaled)
    theirs = model.smooth(point, cov_type="robust")
    names = ["p11", "p21", "mu1", "mu2", "s1", "s2"]
    errors = dict(zip(names, np.sqrt(np.diag(theirs.cov_params())), strict=True))
    ours, p = again.standard_errors, again.params
    found = [
        ours["p12"],
        ours["p21"],
        ours["mu1"],
        ours["mu2"],
        *(2 * p[f"sigma{j}"] * ours[f"sigma{j}"] for j in (1, 2)),
    ]
    np.testing.assert_allclose(found, [errors[n] for n in names], rtol=2e-3)
    for name, error in fitted.standard_errors.items():
        unit = 1.0 if name.startswith("p") else fitted.scale
        np.testing.assert_allclose(error, unit * ours[name], rtol=1e-5)


@pytest.mark.parametrize("shapes", [0, 2])
def test_all_paths_of_a_short_series(shapes):
    """Likelihood, smoothed probabilities and expected log of a mixture over all 3 ** 7 paths."""
    rng, k, n = np.random.default_rng(8), 3, 7
    y, nu = rng.normal(size=n), 6.0 if shapes else 0.0
    x = rng.normal(0, 0.7, k * 3 + k * (k - 1))
    parts, moves = np.empty((k, 4)), np.empty((k, k))
    kernel.unpack(x, 1, 0, FLOOR, nu, parts, moves)
    predicted, filtered, smoothed, terms = kernel.probabilities(x, y, lagged(y), k, 1, 0, FLOOR, nu)
    law = stats.norm() if not shapes else stats.t(nu, scale=np.sqrt((nu - 2) / nu))
    mean = parts[:, 0] + parts[:, 1] * lagged(y)[:, None]
    density = law.pdf((y[:, None] - mean) / np.sqrt(parts[:, 2])) / np.sqrt(parts[:, 2])
    shares = np.linalg.matrix_power(moves, 400)[0]
    weight, seen = 0.0, np.zeros((n, k))
    for path in itertools.product(range(k), repeat=n):
        chance = shares[path[0]] * np.prod([moves[a, b] for a, b in itertools.pairwise(path)])
        chance *= np.prod(density[np.arange(n), path])
        weight += chance
        seen[np.arange(n), path] += chance
    np.testing.assert_allclose(terms.sum(), np.log(weight), rtol=1e-12)
    np.testing.assert_allclose(smoothed, seen / weight, atol=1e-12)
    np.testing.assert_allclose(filtered[-1], seen[-1] / weight, atol=1e-12)
    np.testing.assert_allclose(predicted[-1], filtered[-1] @ moves, atol=1e-13)


@pytest.mark.parametrize(("k", "lags", "shapes"), [(2, 0, 0), (2, 1, 2), (3, 1, 1), (3, 0, 3)])
def test_gradient(k, lags, shapes, losses):
    y = (losses - losses.mean()) / losses.std()
    x = np.random.default_rng(k + shapes).normal(0, 0.4, k * (2 + lags) + shapes + k * (k - 1))
    arguments = (y, lagged(y), k, lags, shapes, FLOOR, 8.0 if shapes else 0.0)
    gradient, other, spread = np.empty(x.size), np.empty(x.size), np.empty(x.size)
    kernel.cost(x, *arguments, gradient, spread)
    assert (spread > 0).all()
    for c in range(x.size):
        step = np.zeros(x.size)
        step[c] = 1e-5
        up, down = (kernel.cost(x + s, *arguments, other, spread) for s in (step, -step))
        np.testing.assert_allclose((up - down) / 2e-5, gradient[c], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("law", [StudentT(), StudentT(6.0)], ids=repr)
@pytest.mark.parametrize("common", [True, False])
def test_likelihood_of_t_regimes_written_out(law, common):
    rng = np.random.default_rng(12)
    losses = draw(rng, 700, [[0.97, 0.03], [0.06, 0.94]], [0.0, 0.0], [0.006, 0.02], nu=5)
    fitted = MarkovSwitching(law=law, common_nu=common).fit(losses, TARGETS)
    p, moves = fitted.params, fitted.transitions
    nu = [law.nu or p.get("nu", p.get(f"nu{j}")) for j in (1, 2)]
    laws = [stats.t(nu[j], p[f"mu{j + 1}"], p[f"sigma{j + 1}"] * np.sqrt((nu[j] - 2) / nu[j])) for j in (0, 1)]
    density = np.column_stack([each.pdf(losses) for each in laws])
    weights, likelihood, filtered = fitted.shares, 0.0, []
    for row in density:
        likelihood += np.log(weights @ row)
        filtered.append(weights * row / (weights @ row))
        weights = filtered[-1] @ moves
    np.testing.assert_allclose(fitted.log_likelihood, likelihood, rtol=1e-11)
    np.testing.assert_allclose(fitted.filtered(losses), filtered, atol=1e-10)
    day = fitted.predictive(losses, 1)
    for level in (0.01, 0.99):
        q = day.mean[0] + day.volatility[0] * day.law.ppf(level)[0]
        np.testing.assert_allclose(sum(w * c.cdf(q) for w, c in zip(weights, laws, strict=True)), level, rtol=1e-9)
    assert len(p) == len(fitted.settings.parameter_names)
    assert set(fitted.standard_errors) == set(p)


@pytest.mark.parametrize("name", ["regime", "regime-3", "regime-t"])
def test_a_top_in_order_of_scale(name, losses):
    """No direction rises, regimes stand by scale, and neither `start` nor units matter."""
    settings = FORECASTERS[name]
    fitted = settings.fit(losses, TARGETS)
    again = settings.fit(losses, TARGETS, start=fitted)
    assert again.params == fitted.params
    sigmas = [fitted.params[f"sigma{j + 1}"] for j in range(settings.regimes)]
    assert sigmas == sorted(sigmas)
    gradient, spread = np.empty(fitted.point.size), np.empty(fitted.point.size)
    kernel.cost(fitted.point, *fitted._arguments(losses), gradient, spread)
    inside = np.abs(fitted.point) < kernel.FARTHEST - 0.5
    assert np.abs(gradient[inside]).max() < 1e-4
    np.testing.assert_allclose(fitted.transitions.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(fitted.shares @ fitted.transitions, fitted.shares, rtol=1e-12)
    np.testing.assert_allclose(fitted.durations, 1 / (1 - np.diag(fitted.transitions)), rtol=1e-9)


def test_tomorrow_is_the_mixture_and_no_mean_of_measures(losses):
    fitted = FORECASTERS["regime"].fit(losses, TARGETS)
    p, weights = fitted.params, fitted.filtered(losses)[-1] @ fitted.transitions
    parts = [stats.norm(p[f"mu{j}"], p[f"sigma{j}"]) for j in (1, 2)]
    var, es, expectile = fitted.predict(losses, TARGETS, 1)[0]
    np.testing.assert_allclose(sum(w * c.sf(var) for w, c in zip(weights, parts, strict=True)), 0.01, rtol=1e-9)
    excess = sum(w * c.expect(lambda x: x - expectile, lb=expectile) for w, c in zip(weights, parts, strict=True))
    mean = sum(w * c.mean() for w, c in zip(weights, parts, strict=True))
    np.testing.assert_allclose(excess / (2 * excess + expectile - mean), 0.01, rtol=1e-6)
    assert es > var
    day = fitted.predictive(losses, 3)
    np.testing.assert_allclose(day.mean[-1], mean, rtol=1e-10)
    spread = sum(w * (c.var() + (c.mean() - mean) ** 2) for w, c in zip(weights, parts, strict=True))
    np.testing.assert_allclose(day.volatility[-1], np.sqrt(spread), rtol=1e-10)
    np.testing.assert_allclose(fitted.in_sample(losses).volatility[-2:], day.volatility[:2], rtol=1e-13)


def test_equal_losses_do_not_make_a_regime_of_their_own(losses):
    stuck = losses.copy()
    stuck[100:112] = 0.001
    fitted = FORECASTERS["regime"].fit(stuck, TARGETS)
    assert min(fitted.params["sigma1"], fitted.params["sigma2"]) > 0.3 * stuck.std()
    half = losses.copy()
    half[:400] = 0.001
    fitted = FORECASTERS["regime"].fit(half, TARGETS)
    assert fitted.status == Status.boundary
    assert fitted.params["sigma1"] >= np.sqrt(FLOOR) * half.std()


def test_ways_to_sort_days():
    y = np.random.default_rng(0).normal(size=200)
    for k in (2, 3):
        rows = sorted_days(y, k)
        assert len({tuple(row) for row in rows}) == len(rows)
        assert all(set(row) == set(range(k)) for row in rows)
    assert sorted_days(np.append(y, 1e6), 2).max() == 1


@pytest.mark.nightly
def test_parameters_are_found_again():
    """Bias below 0.35 standard deviations (transitions have some at this length), and errors that match the spread."""
    truth = {"mu1": -0.0005, "sigma1": 0.007, "mu2": 0.001, "sigma2": 0.02, "p12": 0.02, "p21": 0.06}
    rng, found, errors = np.random.default_rng(31), [], []
    for _ in range(200):
        sample = draw(rng, 2000, [[0.98, 0.02], [0.06, 0.94]], [-0.0005, 0.001], [0.007, 0.02])
        fitted = MarkovSwitching().fit(sample, TARGETS)
        found.append([fitted.params[n] for n in truth])
        errors.append([fitted.standard_errors[n] for n in truth])
    spread = np.std(found, axis=0, ddof=1)
    bias = (np.mean(found, axis=0) - list(truth.values())) / spread
    assert np.abs(bias).max() < 0.35
    np.testing.assert_allclose(np.median(errors, axis=0), spread, rtol=0.2)


def test_errors_of_settings():
    with pytest.raises(ConfigError, match=r"regimes must be 2 or 3, got 4"):
        MarkovSwitching(regimes=4)
    with pytest.raises(ConfigError, match=r"lags must be 0 or 1, got 2"):
        MarkovSwitching(lags=2)
    with pytest.raises(ConfigError, match=r"law must be Normal or StudentT, got SkewT"):
        MarkovSwitching(law=SkewT())
    with pytest.raises(FitError, match=r"losses must have at least 45 rows, got 44"):
        MarkovSwitching(regimes=3).fit(np.arange(44.0), TARGETS)
    with pytest.raises(FitError, match=r"losses must be finite"):
        MarkovSwitching().fit(np.full(60, np.nan), TARGETS)
    with pytest.raises(FitError, match=r"losses are constant"):
        MarkovSwitching().fit(np.full(60, 0.01), TARGETS)
