"""What there is: models and backtests by name, for the command line."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskcore.backtests import Backtest
    from riskcore.forecasters.base import Forecaster


def model_rows() -> list[tuple[str, str]]:
    """Name and description of every model in the registry."""
    from riskcore.forecasters import FORECASTERS
    from riskcore.volatility.exogenous import exog_names

    rows = []
    for name, forecaster in FORECASTERS.items():
        columns = exog_names(forecaster)
        reads = f"; reads the column {', '.join(columns)} (--exog)" if columns else ""
        rows.append((name, describe_model(forecaster) + reads))
    return rows


def model_card(name: str) -> str:
    """What an entry of the registry computes, when to use it, what it costs and how it fails, as text.

    Raises
    ------
    ConfigError
        For a name that is none of the registry's.
    """
    from riskcore.runs.cards import cards_of, cost_words
    from riskcore.walkforward.inputs import resolve_models

    forecaster = resolve_models([name])[name]
    lines = [f"{name}: {dict(model_rows())[name]}"]
    for card in cards_of(repr(forecaster)):
        lines += ["", card.title]
        for label, text in (("formula", card.formula), ("use", card.use), ("fails", card.fails)):
            lines.append(textwrap.fill(text, 100, initial_indent=f"  {label:9}", subsequent_indent=" " * 11))
    return "\n".join([*lines, "", f"  {'cost':9}{cost_words(name)}, of one processor on 1,000 losses"])


def without_exog() -> list[str]:
    """Names of the models that need nothing but losses; the dashboard offers these, as it takes no further columns."""
    from riskcore.forecasters import FORECASTERS
    from riskcore.volatility.exogenous import exog_names

    return [name for name, forecaster in FORECASTERS.items() if not exog_names(forecaster)]


_VOLATILITIES = {
    "ewma": "RiskMetrics EWMA",
    "garch": "GARCH(1,1)",
    "gjr": "GJR-GARCH(1,1)",
    "egarch": "EGARCH(1,1)",
    "constant": "constant volatility",
    "realized-garch": "Realized GARCH",
    "heavy": "HEAVY",
    "aparch": "APARCH(1,1)",
    "figarch": "FIGARCH(1,d,1)",
    "component": "component GARCH",
    "beta-t-egarch": "Beta-t-EGARCH",
    "rm2006": "RiskMetrics 2006",
    "arch-process": "another process of arch",
}
_MEASURES = {
    "absolute": "absolute losses",
    "square": "squared losses",
    "log-square": "the log of squared losses",
    "realized": "a realized variance",
    "log-realized": "the log of a realized variance",
}
_LAWS = {
    "normal": "normal law",
    "t": "Student t law",
    "skewt": "skewed t law",
    "ged": "generalised error law (GED)",
    "age-weighted": "age-weighted residuals",
    "cornish-fisher": "Cornish-Fisher law of the residuals",
    "tail-gpd": "generalised Pareto tail of the residuals (McNeil and Frey)",
}
_CARES = {
    "linear": "CARE: expectile regression on yesterday's loss (Kuan, Yeh and Hsu); VaR and ES follow (Taylor)",
    "sav": "CARE: expectile by symmetric absolute value recursion (Taylor); VaR and ES follow",
    "as": "CARE: expectile by asymmetric slope recursion (Taylor); VaR and ES follow",
    "ig": "CARE: expectile by indirect GARCH recursion (Taylor); VaR and ES follow",
}
_CAVIARS = {
    "sav": "CAViaR: VaR by symmetric absolute value recursion",
    "as": "CAViaR: VaR by asymmetric slope recursion",
    "ig": "CAViaR: VaR by indirect GARCH recursion",
    "adaptive": "CAViaR: VaR that steps up after a hit and down otherwise",
}
_SAMPLES = {
    "empirical": "historical simulation",
    "age-weighted": "age-weighted historical simulation (Boudoukh, Richardson and Whitelaw)",
    "cornish-fisher": "modified historical simulation (Cornish and Fisher)",
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
    from riskcore.forecasters import (
        CARE,
        FZGAS,
        BayesExpectile,
        CAViaR,
        DynamicLevel,
        ExpectileRegression,
        JointVaRES,
        LocationScale,
        MarkovSwitching,
    )
    from riskcore.volatility import HAR, MEANS, VOLATILITIES, ExogMean

    if isinstance(forecaster, CARE):
        return _CARES[forecaster.form]
    if isinstance(forecaster, CAViaR):
        es = {"none": "", "multiplicative": "; ES a multiple of it", "additive": "; ES an excess above it"}
        return f"{_CAVIARS[forecaster.form]} (Engle and Manganelli){es[forecaster.es]}"
    if isinstance(forecaster, JointVaRES):
        tail = {"as": "asymmetric slope", "sav": "symmetric absolute value"}[forecaster.form]
        beyond = {"multiplicative": "a multiple of it", "additive": "an excess above it"}[forecaster.excess]
        return f"VaR by {tail} recursion and ES as {beyond}, of least joint score (Taylor)"
    if isinstance(forecaster, FZGAS):
        return f"VaR and ES driven by their joint score, {forecaster.form} (Patton, Ziegel and Chen)"
    if isinstance(forecaster, DynamicLevel):
        rule = {"score": "chosen by score", "online": "moved by each hit"}[forecaster.rule]
        return f"expectile at a level that moves, {rule}; a VaR at {forecaster.level:g}"
    if isinstance(forecaster, ExpectileRegression):
        regressors = ", ".join(forecaster.regressors[1:]) or "a constant"
        return f"expectile regression on {regressors}; VaR and ES follow (Taylor)"
    if isinstance(forecaster, MarkovSwitching):
        lag = " and yesterday's loss in the mean" if forecaster.lags else ""
        law = _LAWS[_registry_name(forecaster.law, LAWS)]
        return f"{forecaster.regimes} Markov regimes with {law}{lag}; measures of their mixture"
    if isinstance(forecaster, BayesExpectile):
        return (
            "expectile regression on yesterday's loss, posterior mean (Kuan, Yeh and Hsu's equation); expectiles only"
        )
    if not isinstance(forecaster, LocationScale):
        return first_line(forecaster)
    volatility = _registry_name(forecaster.volatility, VOLATILITIES)
    law = _registry_name(forecaster.law, LAWS)
    if volatility == "constant" and law in _SAMPLES:
        return _SAMPLES[law]
    variance = _VOLATILITIES.get(volatility, volatility)
    if isinstance(forecaster.volatility, HAR):
        variance = f"HAR of {_MEASURES[forecaster.volatility.kind]}"
    mean = f"{_registry_name(forecaster.mean_used, MEANS)} mean".replace("ar1", "AR(1)")
    if isinstance(forecaster.mean, ExogMean):
        mean = f"mean by {', '.join(forecaster.mean.columns)}"
    if law == "empirical":
        return f"filtered historical simulation with {variance}, {mean}"
    if law == "hull-white":
        return f"volatility-weighted historical simulation (Hull and White) with {variance}, {mean}"
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
