"""The table of parameters, and how many of them a likelihood has to pay for."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any

import pandas as pd

from riskcore._types import FloatArray
from riskcore.diagnostics.coverage import too_short
from riskcore.distributions import Normal
from riskcore.forecasters import BayesExpectile, DynamicLevel, Fitted, Forecaster, LocationScale
from riskcore.forecasters.location_scale import FittedLocationScale
from riskcore.volatility import Constant, ExogMean, log_likelihood
from riskcore.volatility.base import gaussian_if_sample
from riskcore.volatility.twostep import TwoStep

COLUMNS = ("name", "role", "estimate", "standard_error", "t", "p_value", "note")
ROLES = ("estimated", "searched", "fixed")
"""Estimated from the window; an expectile level found for a VaR or ES, or a rule that moves it; set beforehand."""
ON_EDGE = ("omega", "alpha", "beta", "w", "a", "b", "wR", "aR", "bR")
"""Zero is the bound of these in a variance recursion, so a two-sided p-value is a rough guide."""
NO_ZERO = ("nu", "shape", "s2", "c")
"""Zero lies outside the range of these, so there is nothing to test."""
OF_RULE = ("d0", "d1", "d2", "d3", "g", "first_level")
"""Numbers of the rule that moves an expectile level: a choice, and no parameters of the data."""
OF_REGIMES = re.compile(r"(sigma|nu|p)\d+")
"""Scales, degrees of freedom and transitions of regimes, of which the same holds or zero is the end of the range."""
BY_LAW, NOT_MAXIMISED, QUASI = "law", "law, not maximised", "normal quasi-likelihood"
"""Kinds of likelihood."""


def parameter_table(forecaster: Forecaster, fitted: Fitted | None) -> pd.DataFrame:
    r"""Estimates with robust standard errors, :math:`t = \hat\theta/s` and its two-sided normal p-value.

    Parameters
    ----------
    forecaster : Forecaster
        The settings.
    fitted : Fitted, optional
        What its `fit` returned.

    Returns
    -------
    DataFrame
        Columns name, role, estimate, standard_error, t, p_value, note. NaN where the fit gives no error, and for the
        test of a parameter whose range does not hold zero. Of a posterior the error is its standard deviation,
        rescaled by the sandwich, and there is no test. Settings that are fixed stand last.
    """
    if fitted is None:
        return _frame([])
    errors, log_variance = fitted.standard_errors, _log_variance(forecaster)
    fixed, posterior = _fixed(forecaster), isinstance(forecaster, BayesExpectile)
    rows: list[tuple[object, ...]] = []
    for name, estimate in fitted.params.items():
        if name in fixed:
            continue
        error = errors.get(name, math.nan)
        error = error if math.isfinite(error) and error > 0 else math.nan
        testable = name not in NO_ZERO and not OF_REGIMES.fullmatch(name) and not posterior
        t = estimate / error if testable else math.nan
        note = "zero is the limit of its range: p is a rough guide" if name in ON_EDGE and not log_variance else ""
        note = note if math.isfinite(t) else ""
        short = too_short(forecaster, name) if math.isfinite(error) else ""
        note = "; ".join(part for part in (note, short) if part)
        rows.append((name, _role(forecaster, name), estimate, error, t, _two_sided(t), note))
    rows += [(name, "fixed", value, math.nan, math.nan, math.nan, "") for name, value in fixed.items()]
    return _frame(rows)


def _frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    numbers = dict.fromkeys(("estimate", "standard_error", "t", "p_value"), "float64")
    texts = dict.fromkeys(("name", "role", "note"), "str")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({**numbers, **texts})


def _two_sided(t: float) -> float:
    return math.erfc(abs(t) / math.sqrt(2.0))


def _role(forecaster: Forecaster, name: str) -> str:
    if isinstance(forecaster, DynamicLevel) and name in OF_RULE:
        return "fixed" if name == "g" and forecaster.gain is not None else "searched"
    if not name.endswith(".level"):
        return "estimated"
    return "fixed" if name.startswith("expectile") else "searched"


def _log_variance(forecaster: Forecaster) -> bool:
    logs = ("egarch", "beta-t-egarch", "realized-garch")
    return isinstance(forecaster, LocationScale) and forecaster.volatility.short in logs


def _fixed(forecaster: Forecaster) -> dict[str, float]:
    """Numbers of the settings that are not estimated: decays, and parameters of the law that are given.

    Where volatility and law have one of the same name, both stand with the part they belong to.
    """
    if not isinstance(forecaster, LocationScale):
        return {}
    volatility, law = _numbers(forecaster.volatility), _numbers(forecaster.law)
    both = volatility.keys() & law.keys()
    return {
        f"{part}.{name}" if name in both else name: value
        for part, found in (("volatility", volatility), ("law", law))
        for name, value in found.items()
    }


def _numbers(part: Any) -> dict[str, float]:
    """Settings of a part, a dataclass, that are numbers."""
    values = {f.name: getattr(part, f.name) for f in fields(part)}
    return {name: value for name, value in values.items() if isinstance(value, float)}


def likelihood_kind(forecaster: Forecaster, fitted: Fitted | None) -> str:
    """What the log-likelihood is one of: the law (maximised or not), the normal quasi-likelihood, or nothing."""
    if fitted is None or not math.isfinite(fitted.log_likelihood):
        return ""
    if isinstance(forecaster, LocationScale) and forecaster.law.is_sample:
        return QUASI
    return NOT_MAXIMISED if _by_moments(forecaster) else BY_LAW


def _by_moments(forecaster: Forecaster) -> bool:
    """Whether mean, volatility and law are not estimated together, so that the law's likelihood is not maximised."""
    if not isinstance(forecaster, LocationScale):
        return False
    if isinstance(forecaster.volatility, TwoStep) or isinstance(forecaster.mean, ExogMean):
        return True
    if forecaster.volatility.estimated:
        return False
    constant = isinstance(forecaster.volatility, Constant)
    moments = constant or bool(forecaster.mean_used.names)  # an EWMA round a zero mean has the law's parameters alone
    return moments and not (constant and isinstance(forecaster.law, Normal))  # there the moments are the maximum


def n_estimated(forecaster: Forecaster, fitted: Fitted | None) -> int:
    """Parameters that the information criteria pay for: those of mean, volatility and law that were estimated.

    A constant volatility counts as one, an EWMA's decay, which is set, not at all; nor do the parameters of a realized
    variance's own equation, which the likelihood of the losses does not know. 0 without a likelihood.
    """
    if fitted is None or not likelihood_kind(forecaster, fitted):
        return 0
    if not isinstance(forecaster, LocationScale):
        return len(fitted.params)
    fixed = 0 if forecaster.law.is_sample else len(forecaster.law.params)
    beside = getattr(forecaster.volatility, "beside", ())
    return len(fitted.params) - fixed - len(beside) - len(getattr(forecaster.volatility, "fixed", {}))


def window_likelihood(fitted: Fitted | None, losses: FloatArray, exog: FloatArray | None = None) -> float:
    r"""Log-likelihood of every loss of the window, :math:`\sum_t \log f(z_t) - \log \sigma_t`; NaN without one.

    That of the estimation, plus the first loss where an autoregressive mean with an estimated volatility only
    conditions on it: it is judged under the long-run mean and the presample variance. So all models are judged on the
    same days.
    """
    if fitted is None:
        return math.nan
    if not isinstance(fitted, FittedLocationScale) or not fitted.settings.volatility.estimated:
        return fitted.log_likelihood
    held = fitted.estimate.mean.hold
    if held == 0:
        return fitted.log_likelihood
    mean, volatility = (x[:held] for x in fitted.paths(losses, exog))
    first = log_likelihood(losses[:held] - mean, volatility, gaussian_if_sample(fitted.estimate.law))
    return fitted.log_likelihood + first
