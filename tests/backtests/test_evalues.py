"""E-processes against published figures, the definition in plain Python, and Ville's bound by simulation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize, stats

from riskcore import backtests as bt
from riskcore.backtests.evalues import FORMS
from riskcore.errors import ConfigError, DataError

P = 0.975
T5 = stats.t(5)
VAR = float(T5.ppf(P))
ES = float((5 + VAR**2) / 4 * T5.pdf(VAR) / (1 - P))


def van_der_corput(n: int) -> np.ndarray:
    return np.array([sum(int(d) / 2 ** (i + 1) for i, d in enumerate(bin(k)[:1:-1])) for k in range(1, n + 1)])


def test_published_figures(golden):
    case = golden("eprocess_es")["es_level_0.975"]
    given_, expected = case["input"], case["expected"]
    losses = stats.norm.ppf(van_der_corput(given_["n"]))
    found = {f: bt.e_es(losses, given_["var"], given_["es"], given_["level"], form=f) for f in FORMS}
    names = {"constant": "constant", "gree": "GREE", "grel": "GREL", "grem": "GREM"}
    for form, name in names.items():
        details = found[form].details
        assert_allclose(details["final"], expected[f"final_{name}"], rtol=1e-9)
        assert_allclose(found[form].statistic, np.log(expected[f"final_{name}"]), rtol=1e-9)
        assert details["hits"] == expected["exceedances_of_var"]
    for form in ("constant", "gree"):
        details, name = found[form].details, names[form]
        assert_allclose(details["maximum"], expected[f"maximum_{name}"], rtol=1e-9)
        assert_allclose(found[form].p_value, 1 / expected[f"maximum_{name}"], rtol=1e-9)
        first = expected[f"first_day_{name}_at_or_above"]
        assert {c: details[f"crossing_{c}"] for c in ("2", "5", "10", "20")} == {
            c: first[c] for c in first if c != "3.2"
        }


def e_value(measure, loss, level, v, e, cap):
    """The definitions, one day at a time."""
    if measure == "var":
        return float(loss > v) / (1 - level)
    if measure == "es":
        return max(loss - v, 0) / ((1 - level) * (e - v))
    return 1 + (level * max(loss - v, 0) - (1 - level) * max(v - loss, 0)) / ((1 - level) * (v + cap))


def plain_process(measure, form, losses, level, v, e, cap, bet=0.01):
    days = range(len(losses))
    one = lambda s, t: e_value(measure, losses[s], level[t], v[t], e[t], cap)  # noqa: E731
    if form == "grem":
        return sum(plain_process(measure, f, losses, level, v, e, cap) for f in ("gree", "grel")) / 2
    wealth, path = 1.0, []
    for t in days:
        if form == "constant":
            b = bet
        elif t == 0:
            b = 0.0
        else:
            past = np.array([one(s, s if form == "gree" else t) for s in range(t)])
            spread = np.mean((past - 1) ** 2)
            b = float(np.clip((past.mean() - 1) / spread, 0, 0.5)) if spread > 0 else 0.0
        wealth *= 1 - b + b * one(t, t)
        path.append(wealth)
    return np.array(path)


def moving_sample(n=120, seed=2):
    rng = np.random.default_rng(seed)
    vol = np.exp(0.4 * rng.standard_normal(n))
    losses = np.maximum(vol * rng.standard_t(5, n), -9.0)
    return losses, np.linspace(0.9, 0.8, n), 1.1 * vol, 1.9 * vol


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("measure", ["var", "es", "expectile"])
def test_definition_with_moving_forecasts_and_levels(measure, form):
    losses, level, v, e = moving_sample()
    forecasts = {"var": {"var": v}, "es": {"var": v, "es": e}, "expectile": {"expectile": v, "gain_cap": 9.0}}[measure]
    process = bt.e_process(losses, level, form=form, **forecasts)
    expected = plain_process(measure, form, losses, level, v, e, 9.0)
    assert_allclose(process.path, expected, rtol=1e-9)
    assert_allclose(process.p_value, 1 / max(1.0, expected.max()), rtol=1e-9)
    for c, day in process.crossings.items():
        reached = np.flatnonzero(expected >= c)
        assert day == (reached[0] + 1 if reached.size else None)
    assert process.bets.shape == ((120, 2) if form == "grem" else (120,))
    assert np.all((process.bets >= 0) & (process.bets <= 0.5))
    assert form == "constant" or np.all(process.bets[0] == 0)
    cap = {"gain_cap": forecasts.pop("gain_cap")} if measure == "expectile" else {}
    result = getattr(bt, f"e_{measure}")(losses, *forecasts.values(), level, form=form, **cap)
    assert (result.p_value, result.details["final"]) == (process.p_value, process.path[-1])
    assert result.p_method == "anytime-valid (Ville)"


def test_bets_of_var_by_the_papers_formula():
    """clip((1-p)(p-c)/(p^2+(1-2p)c), 0, 1/2), c the share of past losses at or below their VaR."""
    losses = np.where(np.random.default_rng(4).random(300) < 0.06, 2.0, 0.0)
    c = np.cumsum(losses <= 1.0)[:-1] / np.arange(1, 300)
    expected = np.clip((1 - P) * (P - c) / (P**2 + (1 - 2 * P) * c), 0, 0.5)
    bets = bt.e_process(losses, P, var=1.0, form="gree").bets
    assert_allclose(bets[1:], expected, rtol=1e-9, atol=1e-14)
    assert expected.max() > 0.005
    assert_allclose(bets, bt.e_process(losses, P, var=1.0, form="grel").bets, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cut", [1, 2, 50, 119])
def test_a_path_never_looks_ahead(form, cut):
    losses, level, v, e = moving_sample()
    whole = bt.e_process(losses, level, var=v, es=e, form=form)
    part = bt.e_process(losses[:cut], level[:cut], var=v[:cut], es=e[:cut], form=form)
    np.testing.assert_array_equal(part.path, whole.path[:cut])
    losses[cut] *= 1e9  # the bet of a day does not know its loss
    np.testing.assert_array_equal(
        bt.e_process(losses, level, var=v, es=e, form=form).bets[: cut + 1], whole.bets[: cut + 1]
    )


@lru_cache
def bounded_law(level: float) -> tuple[float, float]:
    """Expectile of a skewed law on [-1, 1] (2 Beta(2, 5) - 1) by integration, and its cap."""
    law = stats.beta(2, 5, loc=-1, scale=2)
    up = lambda m: law.expect(lambda x: x - m, lb=m, ub=1)  # noqa: E731
    down = lambda m: law.expect(lambda x: m - x, lb=-1, ub=m)  # noqa: E731
    return float(optimize.brentq(lambda m: level * up(m) - (1 - level) * down(m), -1, 1)), 1.0


def test_e_values_of_the_expectile_have_mean_one_at_it_and_less_above():
    level = 0.99
    m, cap = bounded_law(level)
    draws = stats.beta(2, 5, loc=-1, scale=2).rvs(400_000, random_state=3)
    for at, low, high in ((m, -3, 3), (m + 0.1, -np.inf, -20), (m - 0.1, 20, np.inf)):
        e = bt.e_process(draws, level, expectile=at, gain_cap=cap, form="constant").e_values
        assert e.min() >= 0
        assert low < (e.mean() - 1) / (e.std() / np.sqrt(e.size)) < high


def true_model(measure, rng, n):
    """Losses of a true model and what it forecasts."""
    vol = np.exp(0.3 * np.sin(np.arange(n) / 20))
    if measure == "expectile":
        m, cap = bounded_law(0.95)
        losses = vol * (2 * rng.beta(2, 5, n) - 1)
        return losses, 0.95, {"expectile": vol * m, "gain_cap": vol * cap}
    forecasts = {"var": vol * VAR} if measure == "var" else {"var": vol * VAR, "es": vol * ES}
    return vol * rng.standard_t(5, n), P, forecasts


def shares_that_cross(measure, form, replications, n=250):
    rng, low = np.random.default_rng(7), []
    for _ in range(replications):
        losses, level, forecasts = true_model(measure, rng, n)
        low.append(bt.e_process(losses, level, form=form, **forecasts).p_value)
    p = np.array(low)
    return {size: float(np.mean(p <= size)) for size in (0.01, 0.05, 0.1, 0.5)}


def holds_ville(measure, form, replications):
    shares = shares_that_cross(measure, form, replications)
    print(f"{measure} {form} T=250: " + ", ".join(f"P(p<={a:g}) = {100 * x:.2f} %" for a, x in shares.items()))
    assert all(x <= a + 3 * np.sqrt(a * (1 - a) / replications) for a, x in shares.items())


@pytest.mark.parametrize("measure", ["var", "es", "expectile"])
def test_villes_bound_quick(measure):
    holds_ville(measure, "grem", 400)


@pytest.mark.nightly
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("measure", ["var", "es", "expectile"])
def test_villes_bound(measure, form):
    holds_ville(measure, form, 5_000)


def test_understated_risk_is_found():
    rng = np.random.default_rng(8)
    losses = 2.0 * rng.standard_t(5, 1000)
    for result in (bt.e_var(losses, VAR, P), bt.e_es(losses, VAR, ES, P)):
        assert result.p_value < 0.01
        assert result.details["crossing_2"] <= result.details["crossing_20"] <= 1000
    m, cap = bounded_law(0.95)
    shifted = 2 * rng.beta(5, 2, 1000) - 1
    assert bt.e_expectile(shifted, m, 0.95, gain_cap=cap).p_value < 0.01


def test_a_prudent_var_under_a_right_es_breaks_the_null():
    """Mean of E for a normal law, e right: v too high by 0.1 / 0.2 gives 1.04 / 1.23, too low by 0.15 gives 1.05."""
    z = np.random.default_rng(9).standard_normal(2_000_000)
    v, e = stats.norm.ppf(P), stats.norm.pdf(stats.norm.ppf(P)) / (1 - P)
    for shift, mean in ((0.0, 1.0), (0.1, 1.04), (0.2, 1.23), (-0.15, 1.05)):
        e_values = bt.e_process(z, P, var=v + shift, es=e, form="constant").e_values
        assert_allclose(e_values.mean(), mean, atol=0.005 + 3 * e_values.std() / np.sqrt(z.size))
    assert "the pair is wrong" in bt.e_es(z[:9], v, e, P).null


@pytest.mark.parametrize("form", FORMS)
def test_no_number_of_hits_overflows(form):
    n = 20_000
    some = np.linspace(0.5, 1.0, n)
    for result in (bt.e_var(some, 0.4, 0.99, form=form), bt.e_es(some, 0.4, 0.4 + 1e-9, 0.99, form=form)):
        assert np.isfinite([result.statistic, *(result.details[k] for k in ("final", "maximum"))]).all()
        assert result.statistic > 1e4
        assert 0 <= result.p_value < 1e-100
    quiet = bt.e_var(np.zeros(n), 0.0, 0.99, form=form)
    assert quiet.p_value == 1.0
    assert quiet.details["maximum"] == 1.0
    assert quiet.statistic == pytest.approx(n * np.log(0.99) if form == "constant" else 0.0)


def test_pairs_without_e_values():
    assert bt.e_es([1.0, 2.0], 0.5, 0.4, P).reason == "es must not lie below var, does on 2 days"
    above = bt.e_es([1.0, 2.0], 1.5, 1.5, P)
    assert above.reason == "a loss above a VaR that equals the ES: its e-value is infinite"
    assert np.isnan([above.statistic, above.p_value]).all()
    equal = bt.e_es([1.0, 1.5], 1.5, 1.5, P, form="constant")
    assert (equal.p_value, equal.details["final"]) == (1.0, pytest.approx(0.99**2))
    # today's pair is flat: past losses above it give no bet
    flat = bt.e_process([0.0, 9.0, 1.0], 0.9, var=[1.0, 1.0, 1.0], es=[2.0, 2.0, 1.0], form="grel")
    assert flat.bets.tolist() == [0.0, 0.0, 0.0]


def test_expectile_needs_a_cap_that_holds():
    losses = np.array([-1.0, 0.5, 2.0])
    assert bt.e_expectile(losses, 1.0, 0.9).reason.startswith("no gain cap declared")
    void = bt.e_expectile(losses, 1.0, 0.9, gain_cap=0.99)
    assert (void.reason, void.p_method) == ("gains beyond the declared cap on 1 days: the process is void", "none")
    assert bt.e_expectile(losses, 1.0, 0.9, gain_cap=1.0).details["bounded"] == "gains capped"
    moving = bt.e_expectile(losses, 1.0, 0.9, gain_cap=[1.0, 0.1, 0.1])
    assert 0 < moving.p_value <= 1
    assert (
        bt.e_expectile(losses, -2.0, 0.9, gain_cap=1.5).reason
        == "gain_cap must lie above -expectile, does not on 3 days"
    )


def test_missing_days_are_dropped_and_named():
    losses = np.array([0.0, np.nan, 3.0, 3.0])
    process = bt.e_process(losses, 0.9, var=2.0, form="constant", bet=0.5)
    assert process.days.tolist() == [0, 2, 3]
    assert process.crossings == {2: 2, 5: 3, 10: 3, 20: None}
    result = bt.e_var(losses, 2.0, 0.9, form="constant", bet=0.5)
    assert (result.n_obs, result.details["missing"], result.details["crossing_2"]) == (3, 1, 2)
    assert "crossing_20" not in result.details
    empty = bt.e_process([np.nan], 0.9, var=2.0)
    assert empty.reason == "0 usable days, at least 1 needed"
    assert np.isnan(empty.p_value)


def test_wrong_arguments():
    for bet in (0.0, 0.6):
        with pytest.raises(ConfigError, match=r"bet must lie in \(0, 0.5\], got"):
            bt.e_var([1.0], 1.0, P, form="constant", bet=bet)
    with pytest.raises(ConfigError, match="form must be one of constant, gree, grel, grem, got 'best'"):
        bt.e_var([1.0], 1.0, P, form="best")
    for forecasts in ({}, {"es": 1.0}, {"var": 1.0, "expectile": 1.0}):
        with pytest.raises(DataError, match="forecasts must be of one measure"):
            bt.e_process([1.0], P, **forecasts)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(*[st.floats(-9, 9)] * 2, st.floats(0.01, 5)), min_size=1, max_size=40),
    st.sampled_from(FORMS),
    st.sampled_from([0.6, 0.9, 0.99]),
)
def test_any_sample_against_the_definition(rows, form, level):
    losses, v, gap = (np.round(x, 2) for x in np.array(rows).T)
    gap = np.maximum(gap, 0.01)
    found = bt.e_process(losses, level, var=v, es=v + gap, form=form).path
    expected = plain_process("es", form, losses, np.full(losses.size, level), v, v + gap, 0.0)
    assert_allclose(found, expected, rtol=1e-7, atol=1e-300)
