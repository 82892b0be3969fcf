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

HYBRID = {"b": 0.9, "g": 0.01, "A": 1.5, "B": 2.1, "d": 0.05}
PAIR = {
    "w_v": 0.075, "w_e": 0.105, "b_v": 0.95, "b_e": 0.95, "a_vv": 0.2, "a_ve": 0.003, "a_ev": 0.1, "a_ee": 0.005,
}  # fmt: skip
BURN = 300


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


def hybrid_losses(rng: np.random.Generator, n: int) -> FloatArray:
    """The same with the logarithm of the loss in k."""
    p, z = HYBRID, shocks(rng, n + BURN, HYBRID["B"] / HYBRID["A"])
    logs = np.log(np.abs(z)) + math.log(p["A"])
    out, k = np.empty(z.size), p["d"] * float(logs.mean()) / (1.0 - p["b"] - p["d"])
    for t in range(z.size):
        out[t] = p["A"] * math.exp(k) * z[t]
        hit = out[t] / ((1.0 - LEVEL) * p["B"] * math.exp(k)) if z[t] > 1.0 else 0.0
        k = p["b"] * k + p["g"] * (hit - 1.0) + p["d"] * (logs[t] + k)
    return out[BURN:]


def pair_losses(rng: np.random.Generator, n: int) -> FloatArray:
    """Losses whose VaR and ES each follow their own recursion, so that the stretch beyond the VaR changes by day."""
    p, z = PAIR, rng.standard_t(5, n + BURN)
    q = float(stats.t(5).ppf(LEVEL))
    beyond = float(stats.t(5).expect(lambda x: x, lb=q)) / (1.0 - LEVEL) / q - 1.0
    z /= q
    out, v, e = np.empty(z.size), p["w_v"] / (1.0 - p["b_v"]), p["w_e"] / (1.0 - p["b_e"])
    for t in range(z.size):
        hit = z[t] > 1.0
        out[t] = v * (1.0 + (e / v - 1.0) / beyond * (z[t] - 1.0)) if hit else v * z[t]
        of_v, of_e = v * (hit - (1.0 - LEVEL)), hit * out[t] / (1.0 - LEVEL) - e
        v, e = (
            p["w_v"] + p["b_v"] * v + p["a_vv"] * of_v + p["a_ve"] * of_e,
            p["w_e"] + p["b_e"] * e + p["a_ev"] * of_v + p["a_ee"] * of_e,
        )
    return out[BURN:]


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
        model="fz-gas-hybrid",
        setting="n = 2000, var and es 0.95, losses of scale exp(k) with a t(5) body",
        truth=HYBRID,
        simulate=lambda rng: hybrid_losses(rng, 2000),
        estimate=lambda sample: estimates(FZGAS("hybrid"), sample),
        replications=2000,
        slow=True,
    ),
    Study(
        model="fz-gas-2f",
        setting="n = 2000, var and es 0.95, losses of two factors with a t(5) body",
        truth=PAIR,
        simulate=lambda rng: pair_losses(rng, 2000),
        estimate=lambda sample: estimates(FZGAS("two-factor"), sample),
        replications=2000,
        slow=True,
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
