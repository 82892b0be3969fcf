"""What there is: models and backtests by name, for the command line."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskcore.backtests import Backtest
    from riskcore.forecasters.base import Forecaster


def model_rows() -> list[tuple[str, str]]:
    """Name and description of every model in the registry."""
    from riskcore.forecasters import FORECASTERS

    return [(name, describe_model(forecaster)) for name, forecaster in FORECASTERS.items()]


_VOLATILITIES = {
    "ewma": "RiskMetrics EWMA",
    "garch": "GARCH(1,1)",
    "gjr": "GJR-GARCH(1,1)",
    "egarch": "EGARCH(1,1)",
    "constant": "constant volatility",
    "aparch": "APARCH(1,1)",
    "figarch": "FIGARCH(1,d,1)",
    "component": "component GARCH",
    "beta-t-egarch": "Beta-t-EGARCH",
    "rm2006": "RiskMetrics 2006",
    "arch-process": "another process of arch",
}
_LAWS = {
    "normal": "normal law",
    "t": "Student t law",
    "skewt": "skewed t law",
    "ged": "generalised error law (GED)",
    "age-weighted": "age-weighted residuals",
}
_SAMPLES = {
    "empirical": "historical simulation",
    "age-weighted": "age-weighted historical simulation (Boudoukh, Richardson and Whitelaw)",
}


def describe_model(forecaster: Forecaster) -> str:
    """One line on a model, in the words of the trade.

    >>> from riskcore.forecasters import FORECASTERS
    >>> describe_model(FORECASTERS["historical"]), describe_model(FORECASTERS["ewma"])
    ('historical simulation', 'RiskMetrics EWMA with normal law, zero mean')
    >>> describe_model(FORECASTERS["gjr-fhs"])
    'filtered historical simulation with GJR-GARCH(1,1), constant mean'
    """
    from riskcore.distributions import LAWS
    from riskcore.forecasters import CARE, LocationScale
    from riskcore.volatility import MEANS, VOLATILITIES

    if isinstance(forecaster, CARE):
        return "CARE: expectile regression on yesterday's loss (Kuan, Yeh and Hsu); VaR and ES follow (Taylor)"
    if not isinstance(forecaster, LocationScale):
        return first_line(forecaster)
    volatility = _registry_name(forecaster.volatility, VOLATILITIES)
    law = _registry_name(forecaster.law, LAWS)
    if volatility == "constant" and law in _SAMPLES:
        return _SAMPLES[law]
    variance = _VOLATILITIES.get(volatility, volatility)
    mean = f"{_registry_name(forecaster.mean_used, MEANS)} mean".replace("ar1", "AR(1)")
    if law == "empirical":
        return f"filtered historical simulation with {variance}, {mean}"
    return f"{variance} with {_LAWS.get(law, law)}, {mean}"


def _registry_name(part: object, registry: Mapping[str, Any]) -> str:
    return next((name for name, known in registry.items() if type(known) is type(part)), type(part).__name__)


def first_line(thing: object) -> str:
    """First line of a docstring.

    >>> first_line(first_line)
    'First line of a docstring.'
    """
    return (thing.__doc__ or "").strip().partition("\n")[0]


LETTERS = (
    "L: loss; v, e, m: the day's VaR, ES and expectile VaR; I: 1 on a day with a hit (L > v), else 0; PIT: the model's "
    "probability of a loss up to L.\nV: I less its rate (V1), or what an ES or expectile of the day is off by (V2, V)."
)
"""What the letters in the null hypotheses stand for."""


def entries() -> dict[str, Backtest]:
    """The backtests of the registry, and that of several levels at once, which needs more than one VaR."""
    from riskcore.backtests import BACKTESTS, Backtest, multilevel

    return {**BACKTESTS, "multilevel": Backtest(multilevel, ("var",), "var")}


def backtest_rows() -> list[tuple[str, str, str]]:
    """Name, needed columns and null hypothesis of every backtest."""
    return [(name, ", ".join(entry.needs), null_of(entry)) for name, entry in entries().items()]


def null_of(entry: Backtest) -> str:
    """The null hypothesis in words: what the test's own result says, on a sample too short to test."""
    import numpy as np

    missing = np.full(2, np.nan)
    if entry.run.__name__ == "multilevel":
        return entry.run(missing, np.full((2, 2), np.nan), [0.975, 0.99]).null
    leading = [] if entry.needs == ("pit",) else [missing]
    result = entry.run(
        *leading, *(missing for _ in entry.needs), **({} if entry.measure == "density" else {"level": 0.99})
    )
    return result.null


def reference_of(thing: object) -> str:
    """The section "References" of a docstring on one line; empty without one.

    >>> from riskcore.backtests import BACKTESTS
    >>> reference_of(BACKTESTS["kupiec"].run)
    'Kupiec (1995), Journal of Derivatives 3(2), 73-84.'
    """
    _, _, rest = inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\nReferences\n----------\n")
    return " ".join(rest.partition("\n\n")[0].split())
