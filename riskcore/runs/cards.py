"""Model cards: what a model computes, when to use it, what a refit costs and how it fails."""

from __future__ import annotations

import ast
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

COSTS = Path(__file__).with_name("costs.csv")
"""Seconds of one processor by registry name, measured by ``python -m benchmarks.models``."""
LETTERS = (
    "L: a loss (positive hurts), u = L - mu, z = u / sigma, h = sigma^2; m: an expectile, v: a VaR, e: an ES; "
    "a prime: tomorrow's."
)
"""What the letters of the formulas stand for."""


@dataclass(frozen=True)
class Card:
    """A model, or a part of one: its title, formula, when to use it and how it fails."""

    title: str
    formula: str
    use: str
    fails: str


SAMPLES: Mapping[str, Card] = MappingProxyType(
    {
        "Empirical": Card(
            "Historical simulation",
            "the measures of the last n losses themselves",
            "the benchmark that every other model has to beat; nothing to estimate",
            "slow to see a change of volatility: hits come in clusters",
        ),
        "AgeWeighted": Card(
            "Age-weighted historical simulation",
            "the same with weights that fall by 0.99 a day of age",
            "a sample that forgets",
            "few losses carry the weight: noisy ES and expectiles",
        ),
        "CornishFisher": Card(
            "Modified historical simulation",
            "x(z) = z + (z^2 - 1) s/6 + (z^3 - 3z) k/24 - (2z^3 - 5z) s^2/36 at normal z; s, k solved so that the law "
            "has the sample's skewness and kurtosis",
            '"modified VaR" done right, for comparison',
            "one outlier moves the fourth moment; moments out of reach are clipped",
        ),
    }
)
"""Laws of the losses themselves, where the volatility is constant."""

VOLATILITIES: Mapping[str, Card] = MappingProxyType(
    {
        "Constant": Card(
            "Constant volatility",
            "sigma^2 = mean of u^2 in the window",
            "to see what a law does without a volatility that moves",
            "slow to see a change of volatility: hits come in clusters",
        ),
        "EWMA": Card(
            "RiskMetrics EWMA",
            "h' = 0.94 h + 0.06 u^2",
            "the simplest model that follows volatility",
            "no way back to a mean, no leverage; with the normal law hits at 0.99 are about double the expected",
        ),
        "GARCH": Card(
            "GARCH(1,1)",
            "h' = omega + alpha u^2 + beta h",
            "the standard",
            "no leverage: too low before falls, too high after rises",
        ),
        "GJR": Card(
            "GJR-GARCH(1,1)",
            "h' = omega + alpha u^2 + gamma u^2 1{u > 0} + beta h",
            "indices and shares, where falls raise volatility more than rises",
            "alpha is often 0 (status boundary, harmless)",
        ),
        "EGARCH": Card(
            "EGARCH(1,1)",
            "ln h' = omega + alpha (abs(z) - sqrt(2/pi)) + gamma z + beta ln h",
            "leverage without bounds on signs",
            "in calm windows alpha is negative, the filter is not invertible and the likelihood rough: status retry, "
            "estimates uncertain",
        ),
        "APARCH": Card(
            "APARCH(1,1)",
            "sigma'^d = omega + alpha (abs(u) + gamma u)^d + beta sigma^d",
            "the power itself is of interest",
            "mean zero or constant only (cusps in the mean for d near 1; an autoregression with a set d of 1.2 or "
            "more), no error of the mean there; gamma at its bound on indices (boundary); 2 of 48 windows a little "
            "below arch",
        ),
        "FIGARCH": Card(
            "FIGARCH(1,d,1)",
            "h' = omega / (1 - beta) + sum of lambda_j u^2 over the last 1,000 days, lambda_j falling as j^(-1-d)",
            "long memory in volatility",
            "level and finite variance depend on the truncation",
        ),
        "ComponentGARCH": Card(
            "Component GARCH",
            "q' = qbar + rho (q - qbar) + phi (u^2 - h); h' = q' + alpha (u^2 - q) + beta (h - q)",
            "two time scales: a long-run level q and what passes",
            "several optima: once in 100 windows a refit from nothing finds another one",
        ),
        "BetaTEGARCH": Card(
            "Beta-t-EGARCH",
            "ln sigma' = w + phi (ln sigma - w) + kappa s + kappa2 sgn(u) (s + 1), s the score of the t law",
            "outliers that should not raise volatility much",
            "with a Student t or sample law only",
        ),
        "RiskMetrics2006": Card(
            "RiskMetrics 2006",
            "a mixture of EWMAs over 4 to 1,560 days, weights falling with the logarithm of the days",
            "long memory without estimation",
            "no leverage; with the normal law hits at 0.99 are about double the expected",
        ),
        "HAR": Card(
            "HAR",
            "x' = b0 + b1 x + b5 (mean of 5 days) + b22 (mean of 22 days); h = c f(x), c so that z has variance 1",
            "long memory by simple means; with a realized variance (column rv) it reacts within a day",
            "abs(u) and u^2 are noisy regressors; clipped to the window's range; a realized variance must be positive, "
            "a missing one is forecast by the model, for ten days at most",
        ),
        "RealizedGARCH": Card(
            "Realized GARCH",
            "ln h' = omega + beta ln h + g ln x; ln x = xi + delta ln h + t1 z + t2 (z^2 - 1) + w",
            "where a realized variance x exists (column rv): reacts within a day",
            "needs a positive rv; a missing one is forecast by the model, for ten days at most",
        ),
        "HEAVY": Card(
            "HEAVY",
            "h' = w + a x + b h; mu' = wR + aR x + bR mu, the forecast of x",
            "where a realized variance x exists (column rv): reacts within a day",
            "needs a positive rv; a missing one is forecast by the model, for ten days at most",
        ),
        "ArchVolatility": Card(
            "Another process of arch",
            "as arch has it: ARCH, HARCH, MIDAS, higher orders of GARCH and EGARCH",
            "what none of the others has",
            "50 to 500 ms a fit, from arch's own start",
        ),
    }
)

LAWS: Mapping[str, Card] = MappingProxyType(
    {
        "Normal": Card(
            "Normal law",
            "z ~ N(0, 1)",
            "to see what a tail adds",
            "too few losses far out: hits at 0.99 come too often",
        ),
        "StudentT": Card(
            "Student t law",
            "z ~ t(nu), scaled to variance 1",
            "fat tails, as nearly all losses have",
            "both tails alike; below nu = 4 the fourth moment is infinite",
        ),
        "SkewT": Card(
            "Skewed t law",
            "Hansen's t with nu and a skewness lambda",
            "tails that differ: falls larger than rises",
            "skewness is uncertain on 1,000 losses",
        ),
        "GED": Card(
            "Generalised error law",
            "density of z falls as exp(-abs(z / s)^nu / 2)",
            "moderate tails",
            "its far tail is thin; on many zeros its peak is infinite",
        ),
        "Empirical": Card(
            "Filtered historical simulation",
            "the sample of the window's z",
            "no assumption on the tail within the sample",
            "nothing beyond the largest residual",
        ),
        "AgeWeighted": Card(
            "Age-weighted residuals",
            "the sample of z with weights that fall by 0.99 a day of age",
            "residuals whose law changes",
            "few residuals carry the weight",
        ),
        "VolatilityWeighted": Card(
            "Hull and White's volatility weights",
            "each loss of the window times today's volatility over its own",
            "filtered historical simulation with the mean left in",
            "nothing beyond the largest of them",
        ),
        "CornishFisher": Card(
            "Cornish-Fisher law",
            "a normal quantile bent by the skewness and kurtosis of z",
            "a smooth tail by moments",
            "one outlier moves the fourth moment; moments out of reach are clipped",
        ),
        "TailGPD": Card(
            "Generalised Pareto tail (McNeil and Frey)",
            "the sample of z up to its 90 % quantile, beyond it P(z > s) = 0.1 (1 + xi (s - q) / beta)^(-1/xi)",
            "levels above 0.99",
            "the shape is uncertain (standard error about 0.12); the tab Threshold of the Modelling page shows whether "
            "it is steady",
        ),
    }
)

TAILS: Mapping[str, Card] = MappingProxyType(
    {
        "CARE.linear": Card(
            "CARE, linear (Kuan, Yeh and Hsu)",
            "m' = c0 + c1 L + c2 (L-)^2 + c3 (L+)^2, least asymmetric squares; VaR and ES by Taylor's identity",
            "the literature's expectile model",
            "wild after crashes (implausible); a VaR at 0.99 needs more than 400 losses",
        ),
        "CARE.recursive": Card(
            "CARE by recursion (Taylor)",
            "sav: m' = b0 + b1 m + b2 abs(L); as: gains and losses apart; ig: m'^2 = b0 + b1 m^2 + b2 L^2",
            "expectiles that follow volatility without a law",
            "flat optima; standard errors too short at 0.99",
        ),
        "CAViaR": Card(
            "CAViaR (Engle and Manganelli)",
            "sav: v' = b0 + b1 v + b2 abs(L); as: gains and losses apart; ig: v'^2 = b0 + b1 v^2 + b2 L^2; least "
            "quantile score; e a multiple of v or an excess above it (Taylor 2019)",
            "VaR without a law",
            "several optima nearly as good: see how many starts agree; nothing at 0.99 on 250 losses",
        ),
        "CAViaR.adaptive": Card(
            "Adaptive CAViaR",
            "v' = v + b (smoothed hit - (1 - p))",
            "a controller rather than a model",
            "ignores the size of losses; levels cross",
        ),
        "ExpectileRegression": Card(
            "Expectile regression",
            "m' = a + sum of b_i L_{t-i} + sum of g_j x_j: lags, EWMA or GARCH variance, averages, columns such as VIX",
            "the core paper's equation 14, with the right signs",
            "standard errors leave out that the variance is itself estimated",
        ),
        "BayesExpectile": Card(
            "Bayesian expectile regression",
            "the equation of linear CARE; posterior mean under the asymmetric normal working likelihood",
            "to see the uncertainty of the coefficients; bands rescaled by the sandwich",
            "expectiles only; the effective sample is small at 0.99855",
        ),
        "JointVaRES": Card(
            "VaR and ES jointly (Taylor)",
            "v' by asymmetric slope; e = (1 + exp g) v; least joint score FZ0",
            "VaR and ES together, without a law",
            "overfits at 0.99 on 1,000 losses: three times the expected hits were seen",
        ),
        "FZGAS": Card(
            "Score-driven VaR and ES (Patton, Ziegel and Chen)",
            "v = a exp(k), e = b exp(k), k' = beta k + gamma (1{L > v} L / ((1 - p) e) - 1); two-factor: v and e "
            "apart; hybrid: adds d ln abs(L)",
            "VaR and ES driven by their own joint score",
            "the score jumps in the parameters; two factors: nearly always status retry",
        ),
        "DynamicLevel.score": Card(
            "Expectile at a level chosen by score",
            "logit tau' = d0 + d1 logit tau + d2 h + d3 abs(L), d by the quantile score of days past",
            '"threshold determination" made visible',
            "overfits: worse than filtered historical simulation on the S&P 500; scores at moving levels do not "
            "compare",
        ),
        "DynamicLevel.online": Card(
            "Expectile at a level moved by each hit",
            "logit tau' = logit tau + g (1{L > m} - (1 - p))",
            "a VaR by construction, self-correcting",
            "its level says nothing about the model, and scores at moving levels do not compare",
        ),
        "MarkovSwitching.2": Card(
            "Two Markov regimes",
            "L = mu_j + sigma_j z in regime j, a hidden chain between them; measures of the mixture, exactly",
            "calm and stress as states with probabilities",
            "two regimes are a crude volatility: changes within a regime are missed",
        ),
        "MarkovSwitching.3": Card(
            "Three Markov regimes",
            "L = mu_j + sigma_j z in regime j, a hidden chain between them; measures of the mixture, exactly",
            "a crash as a state of its own",
            "a transition that never happens (boundary as a rule); the best optimum is missed in 9 % of windows",
        ),
    }
)


def cards_of(settings: str) -> list[Card]:
    """The cards of a model by the text of its settings, ``repr(forecaster)``: volatility and law, or the model itself.

    A forecaster that riskcore does not know has none.

    Examples
    --------
    >>> from riskcore import FORECASTERS
    >>> [card.title for card in cards_of(repr(FORECASTERS["garch-evt"]))]
    ['GARCH(1,1)', 'Generalised Pareto tail (McNeil and Frey)']
    >>> [card.title for card in cards_of(repr(FORECASTERS["historical"]))]
    ['Historical simulation']
    >>> cards_of("Mine(x=1)")
    []
    """
    name, parts = _call(settings)
    if name == "LocationScale":
        volatility, law = (_call(parts.get(key, ""))[0] for key in ("volatility", "law"))
        if volatility == "Constant" and law in SAMPLES:
            return [SAMPLES[law]]
        return [cards[key] for cards, key in ((VOLATILITIES, volatility), (LAWS, law)) if key in cards]
    given = {key: text.strip("'") for key, text in parts.items()}
    form = {
        "CARE": "linear" if given.get("form") == "linear" else "recursive",
        "DynamicLevel": given.get("rule", ""),
        "MarkovSwitching": given.get("regimes", ""),
        "CAViaR": "adaptive" if given.get("form") == "adaptive" else "",
    }.get(name, "")
    card = TAILS.get(f"{name}.{form}" if form else name)
    return [card] if card is not None else []


def _call(text: str) -> tuple[str, dict[str, str]]:
    """Name and keywords of a call; nothing of other text."""
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return "", {}
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return "", {}
    return call.func.id, {k.arg: ast.unparse(k.value) for k in call.keywords if k.arg}


@lru_cache(maxsize=1)
def costs() -> dict[str, tuple[float, float]]:
    """Seconds of one processor by registry name: a fit from nothing, and a refit of a daily walk with its forecasts."""
    with COSTS.open(encoding="utf-8", newline="") as file:
        return {row["model"]: (float(row["fit"]), float(row["refit"])) for row in csv.DictReader(file)}


def cost_words(name: str) -> str:
    """The measured cost of an entry of the registry in words; empty for another model.

    >>> "a refit" in cost_words("garch-t"), cost_words("mine")
    (True, '')
    """
    if name not in costs():
        return ""
    fit, refit = costs()[name]
    return f"{duration(refit)} a refit day by day, {duration(fit)} a fit from nothing"


def duration(seconds: float) -> str:
    """Two digits with a unit.

    >>> duration(2.41e-5), duration(0.0137), duration(0.4)
    ('24 us', '14 ms', '400 ms')
    """
    size, unit = (1e-6, "us") if seconds < 1e-3 else (1e-3, "ms")
    value = seconds / size
    digits = 1 if value < 10 else 0
    return f"{float(f'{value:.2g}'):.{digits}f} {unit}"
