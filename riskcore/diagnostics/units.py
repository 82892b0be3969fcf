"""Units of the parameters of models that are no product of mean, volatility and law."""

from __future__ import annotations

from collections.abc import Iterable

from riskcore.forecasters import (
    CARE,
    FZGAS,
    BayesExpectile,
    CAViaR,
    DynamicLevel,
    ExpectileRegression,
    Forecaster,
    JointVaRES,
    LocationScale,
)
from riskcore.forecasters.regimes import MarkovSwitching

WORDS = {1: "a loss (0.01 is 1 %)", 2: "a squared loss", -1: "one over a loss", -2: "one over a squared loss"}
SPECIAL = "a power of a loss, or a loss per unit of a column"
REGRESSION = {"c0": 1, "c2": -1, "c3": -1}


def loss_power(forecaster: Forecaster, parameter: str) -> int | None:
    """The power of a loss in a parameter's unit: losses k times as large make it k to this power as large.

    Parameters
    ----------
    forecaster : Forecaster
        A model other than a product of mean, volatility and law.
    parameter : str
        Name in the table of parameters.

    Returns
    -------
    int, optional
        0 without a unit; None for a coefficient of an exogenous column, and where the power is itself estimated.

    Examples
    --------
    >>> [loss_power(CARE("linear"), f"var_0.99.c{i}") for i in range(4)]
    [1, 0, -1, -1]
    """
    name = parameter.rpartition(".")[2]
    form = getattr(forecaster, "form", "")
    powers: dict[str, int | None] = {"omega": 2, "mu": 1, "const": 1}
    if isinstance(forecaster, BayesExpectile) or (isinstance(forecaster, CARE) and form == "linear"):
        name, powers = name.partition("_")[0], {**powers, **REGRESSION}
    elif isinstance(forecaster, (CARE, CAViaR, JointVaRES)):
        powers = {"b1": 1} if form == "adaptive" else {"b0": 2 if form == "ig" else 1}
        if "additive" in (getattr(forecaster, "es", ""), getattr(forecaster, "excess", "")):
            powers["g0"] = 1
    elif isinstance(forecaster, FZGAS):
        scale = None if form == "hybrid" else 1
        powers = {"A": scale, "B": scale, "w_v": 1, "w_e": 1}
    elif isinstance(forecaster, ExpectileRegression):
        columns = dict.fromkeys(forecaster.exog, None)
        powers = {**powers, "constant": 1, "variance": -1, **columns}
    elif isinstance(forecaster, MarkovSwitching):
        name, powers = name.rstrip("0123456789"), {"mu": 1, "sigma": 1}
    elif isinstance(forecaster, DynamicLevel):
        powers = {**powers, "d2": -2, "d3": -1}
    return powers.get(name, 0)


def unit_words(forecaster: Forecaster, parameters: Iterable[str]) -> str:
    """Units of parameters as a sentence; empty for a product of mean, volatility and law, and without parameters.

    >>> unit_words(CARE("sav"), ["var_0.99.level", "var_0.99.b0", "var_0.99.b1"])
    'b0 is a loss (0.01 is 1 %); level, b1 have no unit.'
    """
    if isinstance(forecaster, LocationScale):
        return ""
    found: dict[int | None, dict[str, None]] = {}
    for parameter in parameters:
        found.setdefault(loss_power(forecaster, parameter), {})[parameter.rpartition(".")[2]] = None
    parts = [_part(names, SPECIAL if power is None else WORDS[power]) for power, names in found.items() if power != 0]
    if 0 in found:
        parts.append(f"{', '.join(found[0])} {'has' if len(found[0]) == 1 else 'have'} no unit")
    return f"{'; '.join(parts)}." if parts else ""


def _part(names: Iterable[str], words: str) -> str:
    listed = list(names)
    return f"{', '.join(listed)} {'is' if len(listed) == 1 else 'are'} {words}"
