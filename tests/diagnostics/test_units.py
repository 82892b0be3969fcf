"""A parameter's unit by what it does when the losses are measured in another unit."""

from __future__ import annotations

import pandas as pd
import pytest

import riskcore as rc
from riskcore.diagnostics import loss_power, unit_words
from riskcore.forecasters import CARE, FORECASTERS, FZGAS, CAViaR, DynamicLevel, ExpectileRegression, JointVaRES
from riskcore.forecasters.regimes import MarkovSwitching

MODELS = {
    "care-linear": CARE("linear", lags=2),
    "care-sav": CARE("sav"),
    "care-ig": CARE("ig"),
    "caviar-as": CAViaR("as"),
    "caviar-ig": CAViaR("ig"),
    "caviar-adaptive": CAViaR("adaptive"),
    "caviar-additive": CAViaR("sav", es="additive"),
    "joint-additive": JointVaRES(excess="additive"),
    "fz-gas": FZGAS(),
    "fz-gas-2f": FZGAS("two-factor"),
    "regression": ExpectileRegression(lags=1, variance="garch", averages=(10.0,)),
    "regime": MarkovSwitching(lags=1),
    "bayes": FORECASTERS["bayes-expectile"],
    "score": DynamicLevel(0.95),
    "online": DynamicLevel(0.95, "online"),
}


@pytest.mark.parametrize("name", MODELS)
def test_twice_the_losses_tell_the_unit(losses: pd.Series, name: str) -> None:
    model, targets = MODELS[name], ["var:0.95", "es:0.95", "expectile:0.95"]
    small, large = (
        rc.fit_model(x, model, targets, window=800).parameters.set_index("name")["estimate"]
        for x in (losses, 2.0 * losses)
    )
    assert len(small)
    for parameter, estimate in small.items():
        power = loss_power(model, str(parameter))
        assert power is not None
        assert large[parameter] == pytest.approx(estimate * 2.0**power, rel=1e-3, abs=1e-6)
    assert {loss_power(model, str(p)) for p in small.index} != {0} or name == "online"


def test_the_words() -> None:
    bayes = unit_words(FORECASTERS["bayes-expectile"], [f"expectile_0.99.c{i}" for i in range(4)])
    assert bayes == "c0 is a loss (0.01 is 1 %); c2, c3 are one over a loss; c1 has no unit."
    score = unit_words(DynamicLevel(), ["d0", "d1", "d2", "d3", "first_level"])
    assert score == "d2 is one over a squared loss; d3 is one over a loss; d0, d1, first_level have no unit."
    assert unit_words(MarkovSwitching(), ["mu1", "sigma1", "p12"]) == (
        "mu1, sigma1 are a loss (0.01 is 1 %); p12 has no unit."
    )
    assert unit_words(FORECASTERS["garch-t"], ["mu"]) == ""
    assert unit_words(CARE(), []) == ""
    hybrid = unit_words(FZGAS("hybrid"), ["0.95.b", "0.95.A"])
    assert hybrid == "A is a power of a loss, or a loss per unit of a column; b has no unit."
    assert loss_power(ExpectileRegression(exog=("vix",)), "var_0.99.vix") is None
