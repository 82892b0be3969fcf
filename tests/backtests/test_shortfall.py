"""ES tests against hand arithmetic, direct formulas and their simulated nulls."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore import defaults
from riskcore.distributions import SampleLaw
from riskcore.errors import ConfigError, DataError

P = 0.975
LEVELS = np.array(defaults.TAIL_LEVELS)
LAW = stats.t(5, scale=np.sqrt(3 / 5))
VAR = float(LAW.ppf(P))
ES = float((5 + stats.t(5).ppf(P) ** 2) / 4 * stats.t(5).pdf(stats.t(5).ppf(P)) / (1 - P) * np.sqrt(3 / 5))


def model(n: int, seed: int, understated: float = 1.0):
    """Losses from t(5) with moving volatility, and forecasts that are `understated` times the right ones."""
    rng = np.random.default_rng(seed)
    vol = 0.01 * np.exp(0.3 * rng.standard_normal(n))
    losses = vol * LAW.rvs(n, random_state=rng)
    tail = (LEVELS, understated * vol[:, None] * LAW.ppf(LEVELS))
    return losses, understated * vol * VAR, understated * vol * ES, vol, tail


def test_hand_example(golden):
    case = golden("es_z1_z2_identity")["hand_example"]
    losses, var, es, level = (case["input"][k] for k in ("losses", "var", "es", "level"))
    z1 = bt.acerbi_szekely_z1(losses, var, es, level)
    z2 = bt.acerbi_szekely_z2(losses, var, es, level)
    assert_allclose(z1.statistic, case["expected"]["z1"], rtol=0, atol=1e-12)
    assert_allclose(z2.statistic, case["expected"]["z2"], rtol=0, atol=1e-12)
    assert z2.details["hits"] == case["expected"]["exceptions"]
    x, n = z2.details["hits"], z2.n_obs
    assert_allclose(z2.statistic, 1 - x / (n * (1 - level)) * (1 - z1.statistic), rtol=0, atol=1e-12)


def test_without_an_exception():
    z1 = bt.acerbi_szekely_z1(np.zeros(50), 1.0, 2.0, P)
    assert (z1.reason, np.isnan(z1.statistic)) == ("no exception", True)
    z2 = bt.acerbi_szekely_z2(np.zeros(50), 1.0, 2.0, P)
    assert (z2.statistic, z2.p_value) == (1.0, 1.0)


def test_minimally_biased_formulas():
    losses, var, es, _, tail = model(300, 1)
    gap = es - var - np.maximum(losses - var, 0) / (1 - P)
    assert_allclose(bt.minimally_biased(losses, var, es, P, tail=tail).statistic, np.mean(gap / es), rtol=1e-10)
    absolute = bt.minimally_biased(losses, var, es, P, form="absolute", tail=tail)
    assert_allclose(absolute.statistic, np.mean(gap), rtol=1e-10)


@pytest.mark.parametrize("name", ["acerbi_szekely_z1", "acerbi_szekely_z2", "minimally_biased", "es_calibration"])
@pytest.mark.parametrize("with_law", [True, False])
def test_understated_risk_is_found(name, with_law):
    run = bt.BACKTESTS[name].run
    rejected = {1.0: 0, 0.5: 0}
    for seed in range(20):
        for understated in rejected:
            losses, var, es, _, tail = model(1000, seed, understated)
            result = run(losses, var, es, P, tail=tail if with_law else None, n_simulations=199)
            rejected[understated] += result.rejects(0.05)
            assert result.p_method == ("simulated: own law" if with_law else "simulated: exponential excess")
            assert (result.details["seed"], result.details["n_simulations"]) == (0, 199)
    # binomial(20, 0.05): more than 4 in 3 of 1,000 cases. An exponential excess is not the law of these losses: its
    # size is up to 7.75 % (400 samples), where more than 5 come in 3 of 1,000
    assert rejected[1.0] <= (4 if with_law else 5)
    assert rejected[0.5] >= 19


def test_critical_value_of_z2_is_the_published_one():
    """-0.70 at 5 % for the normal law, 250 days, 0.975; t(5): -0.75."""
    for law, printed in ((stats.norm, -0.70), (LAW, -0.75)):
        tail = (LEVELS, np.tile(law.ppf(LEVELS), (250, 1)))
        var = float(law.ppf(P))
        es = float(law.expect(lambda x: x, lb=var, conditional=True))
        for z, side in ((printed - 0.06, "below"), (printed + 0.06, "above")):
            losses = np.zeros(250)
            losses[:5] = (1 - z) * 250 * (1 - P) * es / 5  # five equal losses that give this Z2
            p = bt.acerbi_szekely_z2(losses, var, es, P, tail=tail, n_simulations=9999).p_value
            assert (p < 0.05) == (side == "below")


def test_seed_and_generator():
    losses, var, es, _, tail = model(200, 6)
    runs = [bt.acerbi_szekely_z2(losses, var, es, P, tail=tail, rng=rng, n_simulations=299) for rng in (None, 0, 7)]
    assert runs[0] == runs[1]
    assert runs[2].details["seed"] == 7
    given = bt.acerbi_szekely_z2(losses, var, es, P, tail=tail, rng=np.random.default_rng(3), n_simulations=299)
    again = bt.acerbi_szekely_z2(losses, var, es, P, tail=tail, rng=given.details["seed"], n_simulations=299)
    assert given == again
    assert given.p_value == (1 + round(given.p_value * 300 - 1)) / 300


def test_bad_forecasts_give_a_reason():
    losses, var, es, _, tail = model(100, 9)
    for name in ("acerbi_szekely_z2", "es_calibration", "exceedance_residuals"):
        run = bt.BACKTESTS[name].run
        assert run(losses, var, np.where(es > es.min(), es, 0.0), P).reason == "es must be positive, is not on 1 days"
    assert bt.acerbi_szekely_z2(losses, var, var, P).reason == "es must lie above var to draw an excess"
    flat = (tail[0], np.ones_like(tail[1]))
    assert bt.acerbi_szekely_z2(losses, var, es, P, tail=flat).reason == "the day's law has no spread"
    falling = (tail[0], -tail[1])
    assert "do not increase" in bt.acerbi_szekely_z2(losses, var, es, P, tail=falling).reason
    with pytest.raises(DataError, match=r"tail must be \(levels \(Q,\), quantiles \(T, Q\)\)"):
        bt.acerbi_szekely_z2(losses, var, es, P, tail=(tail[0], tail[1][:5]))
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        bt.acerbi_szekely_z2(losses, var, es, P, n_simulations=0)


def test_esback_series(shared_data):
    """Published forecasts: the statistic by the direct formula on 4,527 days."""
    table = np.genfromtxt(shared_data / "more" / "esback_risk_forecasts.csv.gz", delimiter=",", skip_header=1)
    losses, var, es = -table[:, 1], -table[:, 2], -table[:, 3]
    z2 = bt.acerbi_szekely_z2(losses, var, es, P, n_simulations=199)
    assert_allclose(z2.statistic, 1 - np.sum((losses > var) * losses / es) / (losses.size * (1 - P)), rtol=1e-11)


def test_own_law_null_counts_every_draw_beyond_the_level_as_a_hit():
    """A sample law has an atom at its VaR; the null must still have 1 - level hits, or good models are rejected."""
    rng = np.random.default_rng(6)
    losses = rng.standard_t(5, 400)
    window, level = 60, 0.99
    law = SampleLaw.rolling(losses, window, losses.size - window + 1)
    quantiles = np.column_stack([law.ppf(p) for p in defaults.TAIL_LEVELS])[:-1]
    result = bt.acerbi_szekely_z2(
        losses[window:], law.ppf(level)[:-1], law.es(level)[:-1], level, tail=(defaults.TAIL_LEVELS, quantiles)
    )
    hits, expected = result.details["hits"], result.details["expected_hits"]
    assert abs(hits - expected) < 4
    assert result.p_value > 0.01
