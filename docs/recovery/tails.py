"""Recovery of the coefficients of CAViaR and CARE on processes whose tails follow their recursions exactly.

The loss is ``L = s z`` with a scale that follows the recursion, so a tail of z, q, gives the tail ``q s``: the same
recursion with constant and news times q.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from recovery.base import Study
from riskcore import CARE, CAViaR, StudentT, Target
from riskcore._types import FloatArray

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


STUDIES = (
    *(_study("caviar", form, "var", level, N) for form in ("sav", "as") for level in (0.95, 0.99)),
    *(_study("caviar", "ig", "var", level, N) for level in (0.95, 0.99)),
    *(_study("care", form, "expectile", level, N) for form in ("sav", "as", "ig") for level in (0.95, 0.99)),
    *(_linear(level, N) for level in (0.95, 0.99)),
)
