"""What the estimators of joint VaR-ES models find in samples with known parameters."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from recovery.base import Study
from riskcore import Target
from riskcore._types import FloatArray
from riskcore.forecasters import FZGAS, JointVaRES

LEVEL = 0.95
FACTOR = {"b": 0.95, "g": 0.01, "A": 1.5, "B": 2.1}
SLOPE = {"b0": 0.05, "b1": 0.85, "b2": 0.1, "b3": 0.3, "g0": math.log(0.4)}


def shocks(rng: np.random.Generator, n: int, ratio: float) -> FloatArray:
    """Losses with a VaR of one and an ES of `ratio`: of t(5), where they lie above their VaR, stretched from there."""
    z = rng.standard_t(5, n)
    q = float(stats.t(5).ppf(LEVEL))
    es = float(stats.t(5).expect(lambda x: x, lb=q)) / (1.0 - LEVEL)
    stretch = (ratio - 1.0) / (es / q - 1.0)
    z /= q
    return np.where(z > 1.0, 1.0 + stretch * (z - 1.0), z)


def factor_losses(rng: np.random.Generator, n: int) -> FloatArray:
    """Losses whose VaR and ES are ``(A, B) exp(k)``, with k driven by their own hits."""
    z = shocks(rng, n, FACTOR["B"] / FACTOR["A"])
    out, k = np.empty(n), 0.0
    for t in range(n):
        v, e = FACTOR["A"] * math.exp(k), FACTOR["B"] * math.exp(k)
        out[t] = v * z[t]
        hit = out[t] / ((1.0 - LEVEL) * e) if z[t] > 1.0 else 0.0
        k = FACTOR["b"] * k + FACTOR["g"] * (hit - 1.0)
    return out


def slope_losses(rng: np.random.Generator, n: int) -> FloatArray:
    """Losses whose VaR is an asymmetric slope, with an ES in proportion."""
    z = shocks(rng, n, 1.0 + math.exp(SLOPE["g0"]))
    v = SLOPE["b0"] / (1.0 - SLOPE["b1"]) * 2.0
    out = np.empty(n)
    for t in range(n):
        out[t] = v * z[t]
        news = SLOPE["b2"] * max(-out[t], 0.0) + SLOPE["b3"] * max(out[t], 0.0)
        v = SLOPE["b0"] + SLOPE["b1"] * v + news
    return out


def estimates(model: FZGAS | JointVaRES, losses: FloatArray) -> tuple[dict[str, float], dict[str, float]]:
    """Parameters and standard errors without the level before their names."""
    fitted = model.fit(losses, [Target("es", LEVEL)])
    short = f"{LEVEL!r}."
    found, errors = (
        {n.removeprefix(short): x for n, x in part.items()} for part in (fitted.params, fitted.standard_errors)
    )
    return found, errors


STUDIES = (
    Study(
        model="fz-gas",
        setting="n = 2000, var and es 0.95, losses of scale exp(k) with a t(5) body",
        truth=FACTOR,
        simulate=lambda rng: factor_losses(rng, 2000),
        estimate=lambda sample: estimates(FZGAS(), sample),
        replications=500,
        slow=False,
    ),
    Study(
        model="al-var-es",
        setting="n = 2000, var and es 0.95, losses of scale v with a t(5) body",
        truth=SLOPE,
        simulate=lambda rng: slope_losses(rng, 2000),
        estimate=lambda sample: estimates(JointVaRES(), sample),
        replications=500,
        slow=True,
    ),
)
