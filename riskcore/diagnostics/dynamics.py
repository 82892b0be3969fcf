"""How volatility answers a shock: persistence, half-life, the level it returns to, and the news impact curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.distributions import Law, SampleLaw
from riskcore.errors import require
from riskcore.forecasters import LocationScale
from riskcore.volatility import (
    APARCH,
    EGARCH,
    EWMA,
    FIGARCH,
    GARCH,
    GJR,
    ArchVolatility,
    BetaTEGARCH,
    ComponentGARCH,
    RiskMetrics2006,
    VolatilityFit,
)
from riskcore.volatility.twostep import TwoStep

if TYPE_CHECKING:
    from riskcore.diagnostics.fit import ModelFit

At = Literal["unconditional", "current"]
OTHERS = (APARCH, ComponentGARCH, BetaTEGARCH, ArchVolatility)
SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
EDGE = 1e-6
"""A persistence this near to one is one: the variance has no level of its own."""
IMPACT_SPAN, IMPACT_POINTS = 5.0, 201


@dataclass(frozen=True)
class Dynamics:
    """How the variance returns to its level after a shock; NaN, with the reason, where there is no such number.

    Parameters
    ----------
    persistence : float
        Share of a shock to the variance (EGARCH: to its logarithm) that is left a day later.
    half_life : float
        Days until half of it is left, ``ln 0.5 / ln persistence``.
    unconditional_volatility : float
        Root of the variance that forecasts return to, under the day's own law.
    reasons : dict
        Why one of these is NaN, by name.
    """

    persistence: float
    half_life: float
    unconditional_volatility: float
    reasons: dict[str, str]


def dynamics_of(fit: ModelFit) -> Dynamics:
    r"""Persistence and what follows from it.

    .. math:: \text{GARCH, GJR: } P = \alpha E z^2 + \beta + \gamma E z^2 1\{z>0\},\ \bar h = \omega/(1 - P),
              \qquad \text{EGARCH: } P = |\beta|

    with :math:`E z^2 = 1` for a law with a formula, and :math:`E z^2 1\{z>0\} = 1/2` where it is symmetric. Of a sample
    law both are means over the residuals, with their weights: what returns to :math:`\bar h` is the forecast by
    drawing from them.

    References
    ----------
    Bollerslev (1986), Journal of Econometrics 31. Glosten, Jagannathan & Runkle (1993), Journal of Finance 48.
    Nelson (1991), Econometrica 59.
    """
    lacking = _no_recursion(fit)
    estimate, settings = fit.estimate, fit.forecaster
    if lacking or estimate is None or not isinstance(settings, LocationScale):
        reasons = dict.fromkeys(("persistence", "half_life", "unconditional_volatility"), lacking)
        return Dynamics(math.nan, math.nan, math.nan, reasons)
    family = settings.volatility
    if isinstance(family, (EWMA, RiskMetrics2006)):
        name = "EWMA" if isinstance(family, EWMA) else "RiskMetrics 2006"
        never = f"{name} has no level to return to: a shock fades from the weights, not from the forecast"
        return Dynamics(1.0, math.nan, math.nan, {"half_life": never, "unconditional_volatility": never})
    if isinstance(family, FIGARCH):
        slow = "under FIGARCH shocks fade like a power of time, and the level is an artefact of the truncation"
        reasons = dict.fromkeys(("persistence", "half_life", "unconditional_volatility"), slow)
        return Dynamics(math.nan, math.nan, math.nan, reasons)
    assert isinstance(family, (GARCH, GJR, EGARCH, *OTHERS))
    persistence = _persistence(family, estimate, fit.law, fit.series["residual"].dropna())
    if not persistence < 1.0 - EDGE:
        never = "persistence is one: shocks do not fade, and the variance has no level"
        if persistence > 1.0 + EDGE:
            never = "persistence is above one: shocks grow in the forecasts, and the variance has no level"
        return Dynamics(persistence, math.nan, math.nan, {"half_life": never, "unconditional_volatility": never})
    half_life = math.log(0.5) / math.log(persistence) if persistence > 0 else 0.0
    if isinstance(family, (APARCH, ArchVolatility)):
        reason = "under APARCH the mean of the power delta has a closed form, that of the variance has none"
        if isinstance(family, ArchVolatility):
            reason = "not computed for arch's other processes"
        return Dynamics(persistence, half_life, math.nan, {"unconditional_volatility": reason})
    if isinstance(family, ComponentGARCH):
        level = math.sqrt(estimate.params["omega"] / (1.0 - persistence))
        return Dynamics(persistence, half_life, level, {})
    if isinstance(family, (EGARCH, BetaTEGARCH)):
        name = "EGARCH" if isinstance(family, EGARCH) else "Beta-t-EGARCH"
        reason = f"under {name} the mean of the variance's logarithm has a closed form, that of the variance has none"
        return Dynamics(persistence, half_life, math.nan, {"unconditional_volatility": reason})
    level = math.sqrt(estimate.params["omega"] / (1.0 - persistence))
    return Dynamics(persistence, half_life, level, {})


def _persistence(family: Any, estimate: VolatilityFit, law: Law | None, residuals: pd.Series[float]) -> float:
    """Share of a shock that is left a day later, under the law of the day."""
    p = estimate.params
    if isinstance(family, ArchVolatility):
        return family.persistence(p)
    if law is not None and law.is_sample and not isinstance(law, SampleLaw):
        law = SampleLaw.of(residuals)
    if isinstance(family, (APARCH, ComponentGARCH, BetaTEGARCH)):
        return float(family.persistence(p, law if isinstance(law, SampleLaw) else estimate.law))
    if isinstance(family, EGARCH) or not isinstance(law, SampleLaw):
        return float(family.persistence(p, estimate.law))
    squares = law.rows**2
    losses = np.where(law.rows > 0, squares, 0.0)
    whole, upper = (float(np.average(x, weights=law.weights)) for x in (squares, losses))
    return p["alpha"] * whole + p["beta"] + p.get("gamma", 0.0) * upper


def _no_recursion(fit: ModelFit) -> str:
    """Why a fit has no volatility recursion; empty where it has one."""
    if fit.failure:
        return f"the estimation failed: {fit.failure}"
    if fit.chain is not None:
        return (
            f"the volatility of {fit.model} moves with the probabilities of its regimes, not by a recursion on shocks"
        )
    if fit.estimate is None or not isinstance(fit.forecaster, LocationScale):
        return f"{fit.model} models the risk figures themselves and forecasts no volatility"
    if isinstance(fit.forecaster.volatility, TwoStep):
        return "the volatility is driven by a measure of the day's variance, not by the shock alone"
    if not isinstance(fit.forecaster.volatility, (EWMA, RiskMetrics2006, FIGARCH, GARCH, GJR, EGARCH, *OTHERS)):
        return "the volatility is that of the window as a whole: one day's shock hardly moves it"
    return ""


def no_news_impact(fit: ModelFit) -> str:
    """Why a fit has no news impact curve; empty where it has one."""
    lacking = _no_recursion(fit)
    if not lacking and not isinstance(getattr(fit.forecaster, "volatility", None), (EWMA, GARCH, GJR, EGARCH, APARCH)):
        return "tomorrow's volatility depends on more than today's: no one curve shows it"
    return lacking


def news_impact(fit: ModelFit, *, at: At | None = None) -> pd.DataFrame:
    r"""Tomorrow's volatility as a function of today's shock, all else held (Engle & Ng).

    .. math:: h_{t+1}(u) = \omega + (\alpha + \gamma 1\{u > 0\}) u^2 + \beta \bar h, \qquad
              \ln h_{t+1}(u) = \omega + \alpha(|u|/\sqrt{\bar h} - \sqrt{2/\pi}) + \gamma u/\sqrt{\bar h}
              + \beta \ln \bar h

    Parameters
    ----------
    fit : ModelFit
        A fit with EWMA, GARCH, GJR, EGARCH or APARCH volatility.
    at : {"unconditional", "current"}, optional
        Today's variance that is held: the one that forecasts return to (EGARCH: the exponential of the mean of its
        logarithm), or that of the last day. By default the first, where it exists and a shock's half-life is not
        longer than the window: from such a window that level is hardly known.

    Returns
    -------
    DataFrame
        Columns shock (a loss above its mean is positive), variance, volatility, `held`, the volatility held today,
        and `at`, which of the two it is.

    Raises
    ------
    ConfigError
        If the model has no volatility recursion, or no unconditional variance is there to be held.

    References
    ----------
    Engle & Ng (1993), Journal of Finance 48(5), 1749-1778, doi:10.1111/j.1540-6261.1993.tb05127.x.
    """
    lacking = no_news_impact(fit)
    require(not lacking, f"model must have a volatility recursion to have a news impact curve, got none: {lacking}")
    assert fit.estimate is not None
    assert isinstance(fit.forecaster, LocationScale)
    level = _level(fit)
    known = not math.isnan(level) and not fit.dynamics.half_life > fit.window
    chosen = at or ("unconditional" if known else "current")
    require(chosen in ("unconditional", "current"), f"at must be one of unconditional, current, got {at!r}")
    held = float(fit.series["volatility"].iloc[-1]) ** 2 if chosen == "current" else level
    require(math.isfinite(held), "at must be current for a variance that returns to no level, got 'unconditional'")
    shock = np.linspace(-IMPACT_SPAN, IMPACT_SPAN, IMPACT_POINTS) * math.sqrt(held)
    variance = _impact(fit.forecaster, fit.estimate, held)(shock)
    return pd.DataFrame(
        {"shock": shock, "variance": variance, "volatility": np.sqrt(variance), "held": math.sqrt(held), "at": chosen}
    )


def _level(fit: ModelFit) -> float:
    """The variance that is held for an average day; NaN where there is none."""
    assert fit.estimate is not None
    assert isinstance(fit.forecaster, LocationScale)
    found = fit.dynamics
    family, p = fit.forecaster.volatility, fit.estimate.params
    if isinstance(family, APARCH):
        usable = found.persistence < 1.0 - EDGE
        return (p["omega"] / (1.0 - found.persistence)) ** (2.0 / p["delta"]) if usable else math.nan
    if not isinstance(family, EGARCH):
        return found.unconditional_volatility**2
    if fit.law is None or not found.persistence < 1.0 - EDGE:
        return math.nan
    size = float(fit.law.upm(0.0)) + float(fit.law.lpm(0.0))
    drift = p["omega"] + p["alpha"] * (size - SQRT_2_OVER_PI) + p["gamma"] * float(fit.law.mean())
    return math.exp(drift / (1.0 - p["beta"]))


def _impact(settings: LocationScale, estimate: VolatilityFit, held: float) -> Callable[[FloatArray], FloatArray]:
    """Tomorrow's variance as a function of the shock."""
    p, family = estimate.params, settings.volatility
    if isinstance(family, EWMA):
        decay = family.decay
        return lambda u: decay * held + (1.0 - decay) * u**2
    if isinstance(family, APARCH):
        power = p["delta"]
        before = p["beta"] * held ** (0.5 * power)
        return lambda u: (p["omega"] + p["alpha"] * (np.abs(u) + p["gamma"] * u) ** power + before) ** (2.0 / power)
    if isinstance(family, EGARCH):
        root = math.sqrt(held)
        return lambda u: np.exp(
            p["omega"] + p["alpha"] * (np.abs(u) / root - SQRT_2_OVER_PI) + p["gamma"] * u / root
            + p["beta"] * math.log(held)
        )  # fmt: skip
    gamma = p.get("gamma", 0.0)
    return lambda u: p["omega"] + (p["alpha"] + gamma * (u > 0)) * u**2 + p["beta"] * held
