"""Recovery of the coefficients of CAViaR and CARE on processes whose tails follow their recursions exactly.

The loss is ``L = s z`` with a scale that follows the recursion, so a tail of z, q, gives the tail ``q s``: the same
recursion with constant and news times q.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import stats

from recovery.base import Study
from riskcore import CARE, CAViaR, StudentT, Target
from riskcore._types import FloatArray
from riskcore.distributions import threshold_path

NU, N, BURN = 6.0, 1000, 300
SCALE = {"sav": (0.05, 0.85, 0.12, 0.12), "as": (0.05, 0.85, 0.04, 0.20), "ig": (0.05, 0.85, 0.1, 0.1)}
"""Constant, memory, news of a gain and of a loss of the scale; with "ig" of its square, by squares."""
LAW = StudentT(NU)


def simulate(form: str, n: int) -> Callable[[np.random.Generator], FloatArray]:
    """Losses of a scale that follows the recursion, Student t(6) with variance one times it."""
    constant, memory, gain, loss = SCALE[form]

    def draw(rng: np.random.Generator) -> FloatArray:
        z = rng.standard_t(NU, BURN + n) * math.sqrt((NU - 2.0) / NU)
        out, scale = np.empty(z.size), 0.35
        for t, shock in enumerate(z):
            out[t] = scale * shock
            if form == "ig":
                scale = math.sqrt(constant + memory * scale**2 + gain * out[t] ** 2)
            else:
                scale = constant + memory * scale + (loss if shock > 0 else gain) * abs(out[t])
        return out[BURN:]

    return draw


def truth(form: str, tail: float) -> dict[str, float]:
    """Coefficients of the tail that is `tail` times the scale."""
    constant, memory, gain, loss = SCALE[form]
    if form == "ig":
        tail *= tail
    found = {"b0": tail * constant, "b1": memory, "b2": tail * gain}
    return found | ({"b3": tail * loss} if form == "as" else {})


def estimate(model: CAViaR | CARE, target: Target) -> Callable[[FloatArray], tuple[dict[str, float], dict[str, float]]]:
    """Fit, and take what belongs to the target."""

    def run(losses: FloatArray) -> tuple[dict[str, float], dict[str, float]]:
        fitted = model.fit(losses, [target])
        return _of(target, fitted.params), _of(target, fitted.standard_errors)

    return run


def _of(target: Target, named: Mapping[str, float]) -> dict[str, float]:
    lead = f"{target.label}."
    return {k.removeprefix(lead): v for k, v in named.items() if k.startswith(lead) and not k.endswith(".level")}


def _study(model: str, form: str, measure: Any, level: float, n: int) -> Study:
    target = Target(measure, level)
    tail = float(LAW.ppf(level)) if measure == "var" else float(LAW.expectile(level))
    kind = CAViaR(form, "none") if model == "caviar" else CARE(form)
    setting = f"n = {n}, {measure} {level}, scale by the {form} recursion, t({NU:g}) losses"
    return Study(
        model=f"{model}-{form}", setting=setting, truth=truth(form, tail), simulate=simulate(form, n),
        estimate=estimate(kind, target), replications=2000, slow=False,
    )  # fmt: skip


LINEAR = {"c0": 1.0, "c1": 0.1, "c2": 0.05, "c3": 0.08}
"""Coefficients of the linear form's expectile; losses are that times z over the expectile of z."""


def simulate_linear(level: float, n: int) -> Callable[[np.random.Generator], FloatArray]:
    """Losses whose expectile is the linear form. z is uniform on (-1, 1): under an unbounded law squares explode."""
    ratio = math.sqrt((1.0 - level) / level)
    tail = (1.0 - ratio) / (1.0 + ratio)  # where level (1 - e)^2 = (1 - level) (1 + e)^2
    c0, c1, c2, c3 = LINEAR.values()

    def draw(rng: np.random.Generator) -> FloatArray:
        z = rng.uniform(-1.0, 1.0, BURN + n) / tail
        out, expectile = np.empty(z.size), c0
        for t, shock in enumerate(z):
            out[t] = loss = expectile * shock
            expectile = c0 + c1 * loss + c2 * min(loss, 0.0) ** 2 + c3 * max(loss, 0.0) ** 2
        return out[BURN:]

    return draw


def _linear(level: float, n: int) -> Study:
    target = Target("expectile", level)
    return Study(
        model="care-linear", setting=f"n = {n}, expectile {level}, scale by the linear form, uniform losses",
        truth=LINEAR, simulate=simulate_linear(level, n), estimate=estimate(CARE("linear"), target),
        replications=2000, slow=False,
    )  # fmt: skip


ADAPTIVE = {0.95: (0.2, 8.0), 0.99: (0.1, 13.0)}
"""Step of the adaptive VaR and its sharpness per unit of the losses."""
PRESSED = 0.2


def simulate_adaptive(level: float, n: int) -> Callable[[np.random.Generator], FloatArray]:
    """Losses whose VaR v follows the adaptive recursion: ``v z`` with a VaR of z of one.

    z is t(6) over its VaR, pressed together beyond one: of other laws v has no level to come back to. The sharpness
    that the model takes is ten over the window's standard deviation, so gains, which are so far from the VaR that they
    do not move it, are scaled until that is the true one. A sample without such a scale is drawn again.
    """
    step, sharpness = ADAPTIVE[level]
    quantile = float(stats.t(NU).ppf(level))

    def draw(rng: np.random.Generator) -> FloatArray:
        while True:
            z = rng.standard_t(NU, BURN + n) / quantile
            z = np.where(z > 1.0, 1.0 + PRESSED * (z - 1.0), z)
            out, v = np.empty(z.size), 1.0
            for t, shock in enumerate(z):
                out[t] = v * shock
                v += step * (1.0 / (1.0 + math.exp(min(sharpness * (v - out[t]), 700.0))) - (1.0 - level))
            gains, losses = np.minimum(out[BURN:], 0.0), np.maximum(out[BURN:], 0.0)
            product = 2.0 * float(np.cov(gains, losses, bias=True)[0, 1])
            roots = np.roots(np.array([np.var(gains), product, np.var(losses) - (10.0 / sharpness) ** 2]))
            factor = float(np.max(roots.real))
            if np.isreal(roots).all() and factor > 0.0:
                return np.asarray(factor * gains + losses)

    return draw


def _adaptive(level: float, n: int) -> Study:
    return Study(
        model="caviar-adaptive", setting=f"n = {n}, var {level}, losses in proportion to the adaptive VaR",
        truth={"b1": ADAPTIVE[level][0]}, simulate=simulate_adaptive(level, n),
        estimate=estimate(CAViaR("adaptive", "none"), Target("var", level)), replications=2000, slow=False,
    )  # fmt: skip


def _shortfall(form: Any, level: float, n: int) -> Study:
    """The second step of CAViaR: an ES in proportion to the VaR."""
    q = float(LAW.ppf(level))
    return Study(
        model=f"caviar-{form}",
        setting=f"n = {n}, es beyond var {level}, scale by the {form} recursion, t({NU:g}) losses",
        truth={"g0": math.log(float(LAW.es(level)) / q - 1.0)}, simulate=simulate(form, n),
        estimate=estimate(CAViaR(form), Target("es", level)), replications=2000, slow=False,
    )  # fmt: skip


XI, BODY = 0.2, 0.8
"""Shape of a generalised Pareto tail of scale one, and the share of the losses below it."""


def simulate_tail(n: int) -> Callable[[np.random.Generator], FloatArray]:
    """Independent losses: uniform on (-3, 0) or, the last fifth, generalised Pareto."""

    def draw(rng: np.random.Generator) -> FloatArray:
        u = rng.random(n)
        tail = ((np.maximum(1.0 - u, 1e-300) / (1.0 - BODY)) ** -XI - 1.0) / XI
        return np.where(u > BODY, tail, 3.0 * (u / BODY - 1.0))

    return draw


def estimate_tail(losses: FloatArray) -> tuple[dict[str, float], dict[str, float]]:
    """The shape with a tenth of the losses above the threshold, as `TailGPD` has it."""
    count = losses.size // 10
    row = threshold_path(losses, least=count, most=(count + 0.5) / losses.size)[0]
    return {"xi": float(row[2])}, {"xi": float(row[3])}


def _tail(n: int) -> Study:
    return Study(
        model="tail-gpd", setting=f"n = {n}, independent losses, the last fifth generalised Pareto, a tenth used",
        truth={"xi": XI}, simulate=simulate_tail(n), estimate=estimate_tail, replications=2000, slow=False,
    )  # fmt: skip


STUDIES = (
    *(_study("caviar", form, "var", level, N) for form in ("sav", "as", "ig") for level in (0.95, 0.99)),
    *(_adaptive(level, N) for level in (0.95, 0.99)),
    *(_shortfall(form, level, N) for form in ("sav", "as", "ig") for level in (0.95, 0.99)),
    *(_study("care", form, "expectile", level, N) for form in ("sav", "as", "ig") for level in (0.95, 0.99)),
    *(_linear(level, N) for level in (0.95, 0.99)),
    *(_tail(n) for n in (1000, 4000)),
)
