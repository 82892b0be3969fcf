"""Studies of the volatilities: known parameters, 2000 days, sandwich errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from recovery.base import Study
from riskcore import (
    APARCH,
    EGARCH,
    FIGARCH,
    GARCH,
    GED,
    GJR,
    BetaTEGARCH,
    ComponentGARCH,
    ConstantMean,
    Empirical,
    Normal,
    SkewT,
    StudentT,
)
from riskcore._types import FloatArray
from riskcore.distributions import Law
from riskcore.volatility import Volatility

N_DAYS, BURN, NU, MU = 2000, 1000, 6.0, 0.0003
SKEW, SHAPE = 0.1, 1.4
Parameters = Mapping[str, float]


def _shocks(rng: np.random.Generator, law: Law) -> FloatArray:
    """Student's t, also where the law is a sample; by their quantiles where numpy draws no such law."""
    n = N_DAYS + BURN
    if isinstance(law, Normal):
        return rng.standard_normal(n)
    if isinstance(law, SkewT):
        return np.asarray(SkewT(NU, SKEW).ppf(rng.random(n)))
    if isinstance(law, GED):
        return np.asarray(GED(SHAPE).ppf(rng.random(n)))
    return np.asarray(rng.standard_t(NU, n) * np.sqrt((NU - 2.0) / NU))


def _gjr(p: Parameters, z: FloatArray) -> FloatArray:
    """GARCH where gamma is missing."""
    gamma, out = p.get("gamma", 0.0), np.empty(z.size)
    h = p["omega"] / (1.0 - p["alpha"] - p["beta"] - 0.5 * gamma)
    for t in range(z.size):
        out[t] = np.sqrt(h) * z[t]
        h = p["omega"] + (p["alpha"] + gamma * (z[t] > 0)) * out[t] ** 2 + p["beta"] * h
    return out


def _egarch(p: Parameters, z: FloatArray) -> FloatArray:
    out = np.empty(z.size)
    log_h = p["omega"] / (1.0 - p["beta"])
    for t in range(z.size):
        out[t] = np.exp(0.5 * log_h) * z[t]
        log_h = p["omega"] + p["alpha"] * (abs(z[t]) - np.sqrt(2.0 / np.pi)) + p["gamma"] * z[t] + p["beta"] * log_h
    return out


def _aparch(p: Parameters, z: FloatArray) -> FloatArray:
    out, s = np.empty(z.size), p["omega"] / (1.0 - p["alpha"] - p["beta"])
    for t in range(z.size):
        out[t] = s ** (1.0 / p["delta"]) * z[t]
        s = p["omega"] + p["alpha"] * (abs(out[t]) + p["gamma"] * out[t]) ** p["delta"] + p["beta"] * s
    return out


def _figarch(p: Parameters, z: FloatArray) -> FloatArray:
    weights = FIGARCH().weights(p)[::-1]
    m = weights.size
    level = p["omega"] / (1.0 - p["beta"])
    squares = np.full(m + z.size, level / (1.0 - weights.sum()))
    out = np.empty(z.size)
    for t in range(z.size):
        out[t] = np.sqrt(level + weights @ squares[t : t + m]) * z[t]
        squares[m + t] = out[t] ** 2
    return out


def _component(p: Parameters, z: FloatArray) -> FloatArray:
    out = np.empty(z.size)
    q = h = p["omega"] / (1.0 - p["rho"])
    for t in range(z.size):
        out[t] = np.sqrt(h) * z[t]
        slow = p["omega"] + p["rho"] * q + p["varphi"] * (out[t] ** 2 - h)
        h = slow + p["alpha"] * (out[t] ** 2 - q) + p["beta"] * (h - q)
        q = slow
    return out


def _beta_t(p: Parameters, z: FloatArray) -> FloatArray:
    out, level = np.empty(z.size), p["omega"]
    for t in range(z.size):
        out[t] = np.exp(level) * np.sqrt(NU / (NU - 2.0)) * z[t]
        square = out[t] ** 2
        score = (NU + 1.0) * square / (NU * np.exp(2.0 * level) + square) - 1.0
        level = p["omega"] + p["varphi"] * (level - p["omega"]) + p["kappa"] * score
        level += p["kappa2"] * np.sign(out[t]) * (score + 1.0)
    return out


@dataclass(frozen=True)
class _Simulate:
    path: Callable[[Parameters, FloatArray], FloatArray]
    params: Parameters
    law: Law

    def __call__(self, rng: np.random.Generator) -> FloatArray:
        return MU + self.path(self.params, _shocks(rng, self.law))[BURN:]


@dataclass(frozen=True)
class _Estimate:
    volatility: Volatility
    law: Law

    def __call__(self, sample: FloatArray) -> tuple[dict[str, float], dict[str, float]]:
        fit = self.volatility.fit(sample, mean=ConstantMean(), law=self.law)
        return dict(fit.all_params), dict(fit.errors())


Path = Callable[[Parameters, FloatArray], FloatArray]
LAWS: Mapping[str, tuple[Law, str, Parameters]] = {
    "t": (StudentT(), "Student t shocks, constant mean, joint maximum likelihood", {"nu": NU}),
    "normal": (Normal(), "normal shocks, constant mean, joint maximum likelihood", {}),
    "skewt": (SkewT(), "skewed t shocks, constant mean, joint maximum likelihood", {"nu": NU, "skew": SKEW}),
    "ged": (GED(), "GED shocks, constant mean, joint maximum likelihood", {"shape": SHAPE}),
    "fhs": (Empirical(), "Student t shocks, constant mean, normal quasi-likelihood (as with every sample law)", {}),
}
"""Law, setting and the law's own parameters."""
SLOW = ("figarch-t", "aparch-t", "component-t", "gjr-skewt", "egarch-skewt")


def _study(model: str, volatility: Volatility, path: Path, params: Parameters, law: str = "t") -> Study:
    shocks, setting, own = LAWS[law]
    return Study(
        model=model,
        setting=f"n = {N_DAYS}, {setting}",
        truth={"mu": MU, **params, **own},
        simulate=_Simulate(path, params, shocks),
        estimate=_Estimate(volatility, shocks),
        replications=2000,
        slow=model in SLOW,
    )


FIRST: Mapping[str, tuple[Volatility, Path, Parameters]] = {
    "garch": (GARCH(), _gjr, {"omega": 2e-6, "alpha": 0.08, "beta": 0.9}),
    "gjr": (GJR(), _gjr, {"omega": 2e-6, "alpha": 0.03, "gamma": 0.1, "beta": 0.9}),
    "egarch": (EGARCH(), _egarch, {"omega": -0.18, "alpha": 0.15, "gamma": 0.08, "beta": 0.98}),
}
"""Volatilities that are studied with every law."""
STUDIES = (
    *(_study(f"{name}-{law}", *FIRST[name], law) for law in LAWS for name in FIRST),
    _study("aparch-t", APARCH(), _aparch, {"omega": 2e-5, "alpha": 0.08, "gamma": 0.4, "beta": 0.9, "delta": 1.5}),
    _study("figarch-t", FIGARCH(), _figarch, {"omega": 3e-6, "varphi": 0.2, "d": 0.45, "beta": 0.55}),
    _study(
        "component-t", ComponentGARCH(), _component,
        {"omega": 1e-6, "alpha": 0.07, "beta": 0.8, "rho": 0.99, "varphi": 0.03},
    ),
    _study("beta-t-egarch", BetaTEGARCH(), _beta_t, {"omega": -4.8, "varphi": 0.98, "kappa": 0.05, "kappa2": 0.03}),
)  # fmt: skip
