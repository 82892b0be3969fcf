"""The table of sizes is about each test as it is called by default: other forms do not take their null from it."""

from __future__ import annotations

import numpy as np
import pytest

from riskcore import backtests as bt
from riskcore.backtests import nulls

RANDOM = np.random.default_rng(3)
N = 600
LOSSES, VAR = RANDOM.standard_normal(N), 1.6 + 0.1 * np.sin(np.arange(N))
ES, PIT = 1.3 * VAR, RANDOM.random(N)
OTHERS = [
    ("gmm_duration", {"form": "independence"}),
    ("gmm_duration", {"moments": 5}),
    ("es_calibration", {"form": "general"}),
    ("es_calibration", {"alternative": "understated"}),
    ("exceedance_residuals", {"form": "plain"}),
    ("du_escanciano_conditional", {"lags": 1}),
    ("berkowitz", {"lags": 2}),
]


def made(name: str, **options):
    columns = {"var": VAR, "es": ES, "pit": PIT}
    test = bt.BACKTESTS[name]
    first = () if "pit" in test.needs else (LOSSES,)
    level = () if test.measure == "density" else (0.95,)
    return test.run(*first, *(columns[x] for x in test.needs), *level, n_simulations=19, **options).p_method


@pytest.mark.parametrize(("name", "options"), OTHERS)
def test_another_form_is_simulated_where_the_usual_one_is_asymptotic(name, options, monkeypatch):
    monkeypatch.setattr(nulls, "asymptotic_holds", lambda name, n_obs, level: bool(name))
    assert made(name) == "asymptotic"
    assert made(name, **options) != "asymptotic"


@pytest.mark.parametrize("name", ["tbf", "tbfi", "weibull_duration", "geometric_var", "expectile_realized_score"])
def test_some_limits_are_never_taken(name, monkeypatch):
    """Those of waits get worse as samples grow; that of geometric-VaR depends on the VaR, which the table does not."""
    monkeypatch.setattr(nulls, "asymptotic_holds", lambda name, n_obs, level: bool(name))
    columns = {"var": VAR, "expectile": VAR}
    (need,) = bt.BACKTESTS[name].needs
    result = bt.BACKTESTS[name].run(LOSSES, columns[need], 0.95, n_simulations=19)
    assert result.p_method != "asymptotic"


def test_other_forms_of_the_multinomial_test(monkeypatch):
    monkeypatch.setattr(nulls, "asymptotic_holds", lambda name, n_obs, level: bool(name))
    pit = RANDOM.random(20_000)  # too many outcomes to enumerate
    assert bt.multinomial(pit, 0.975, n_simulations=19).p_method == "asymptotic"
    for options in ({"form": "lr"}, {"n_levels": 5}):
        assert bt.multinomial(pit, 0.975, n_simulations=19, **options).p_method == "simulated: Bernoulli hits"
