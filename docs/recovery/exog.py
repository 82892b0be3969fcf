"""Recovery studies of Realized GARCH, HEAVY, HAR and expectile regression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from recovery.base import Study
from riskcore import HAR, HEAVY, ConstantMean, ExogMean, ExpectileRegression, RealizedGARCH, Target, ZeroMean
from riskcore._types import FloatArray
from riskcore.distributions import Normal, StudentT

Sample = tuple[np.ndarray, np.ndarray]
N, WARM = 1000, 300
REALIZED_GARCH = {
    "omega": 0.06, "beta": 0.55, "g": 0.42, "xi": -0.18, "delta": 1.0, "t1": 0.07, "t2": 0.07, "s2": 0.16,
}  # fmt: skip
HEAVY_TRUE = {"w": 0.05, "a": 0.4, "b": 0.6, "wR": 0.05, "aR": 0.4, "bR": 0.5}
HAR_TRUE = {"b0": -0.05, "b1": 0.35, "b5": 0.35, "b22": 0.2}
NU = 6.0
SIZE = float(StudentT(NU).upm(0.0)) * 2.0
"""Mean of |z| of the unit t(6)."""
HAR_SIZE = {"b0": 0.001, "b1": 0.1, "b5": 0.3, "b22": 0.45, "c": SIZE**-2.0, "nu": NU}
LEVEL = 0.9
EXPECTILE = StudentT(5).expectile(LEVEL)
LINE = {"constant": 0.002 + 0.010 * EXPECTILE, "x": 0.001 + 0.004 * EXPECTILE}
"""L = 0.002 + 0.001 x + (0.010 + 0.004 x) Z with Z of unit t(5): its expectiles are lines in x."""


def shocks_of(rng: np.random.Generator, n: int, nu: float | None) -> FloatArray:
    """Normal shocks, or t with a variance of one."""
    return rng.normal(size=n) if nu is None else rng.standard_t(nu, n) * math.sqrt((nu - 2.0) / nu)


def simulate_realized_garch(rng: np.random.Generator, nu: float | None = None) -> Sample:
    """Losses, and realized variances with their measurement error."""
    p = REALIZED_GARCH
    k = (p["omega"] + p["g"] * p["xi"]) / (1.0 - p["beta"] - p["g"] * p["delta"])
    u, x = np.empty(N + WARM), np.empty(N + WARM)
    z, w = shocks_of(rng, N + WARM, nu), math.sqrt(p["s2"]) * rng.normal(size=N + WARM)
    for t in range(N + WARM):
        u[t] = math.exp(k / 2.0) * z[t]
        y = p["xi"] + p["delta"] * k + p["t1"] * z[t] + p["t2"] * (z[t] ** 2 - 1.0) + w[t]
        x[t] = math.exp(y)
        k = p["omega"] + p["beta"] * k + p["g"] * y
    return u[WARM:], x[WARM:]


def simulate_heavy(rng: np.random.Generator, nu: float | None = None) -> Sample:
    """Losses, and realized variances round their own expectation."""
    p, h, mu = HEAVY_TRUE, 1.0, 0.5
    u, x = np.empty(N + WARM), np.empty(N + WARM)
    z, e = shocks_of(rng, N + WARM, nu), np.exp(0.4 * rng.normal(size=N + WARM) - 0.08)
    for t in range(N + WARM):
        u[t], x[t] = math.sqrt(h) * z[t], mu * e[t]
        h, mu = p["w"] + p["a"] * x[t] + p["b"] * h, p["wR"] + p["aR"] * x[t] + p["bR"] * mu
    return u[WARM:], x[WARM:]


def simulate_har(rng: np.random.Generator, nu: float | None = None) -> Sample:
    """The log of a realized variance by its means over a day, a week and a month."""
    p, y = HAR_TRUE, np.full(N + WARM, HAR_TRUE["b0"] / 0.1)
    e = 0.4 * rng.standard_t(6, size=N + WARM)
    for t in range(22, N + WARM):
        y[t] = p["b0"] + p["b1"] * y[t - 1] + p["b5"] * y[t - 5 : t].mean() + p["b22"] * y[t - 22 : t].mean() + e[t]
    return np.exp(y[WARM:] / 2.0) * shocks_of(rng, N, nu), np.exp(y[WARM:])


def simulate_har_size(rng: np.random.Generator) -> FloatArray:
    """Losses of t(6) whose mean size is a line in the mean sizes of a day, a week and a month."""
    p, n = HAR_SIZE, 2 * N + WARM
    z = rng.standard_t(NU, n) * math.sqrt((NU - 2.0) / NU)
    u = p["b0"] / 0.15 * z / SIZE
    for t in range(22, n):
        size = np.abs(u[t - 22 : t])
        u[t] = (p["b0"] + p["b1"] * size[-1] + p["b5"] * size[-5:].mean() + p["b22"] * size.mean()) / SIZE * z[t]
    return np.asarray(u[WARM:])


def simulate_line(rng: np.random.Generator) -> Sample:
    """A heteroskedastic linear model: the regressor of the day before scales mean and spread."""
    x = np.abs(rng.normal(size=N))
    z = rng.standard_t(5, size=N) * math.sqrt(3.0 / 5.0)
    before = np.concatenate([[0.0], x[:-1]])
    return 0.002 + 0.001 * before + (0.010 + 0.004 * before) * z, x


def simulate_mean(rng: np.random.Generator) -> Sample:
    """Losses whose mean and spread follow the regressor of the day before, and whose lag matters."""
    x, losses = rng.normal(size=N), np.zeros(N)
    z = rng.standard_t(6, size=N) * math.sqrt(2.0 / 3.0)
    for t in range(1, N):
        losses[t] = 0.1 + 0.3 * x[t - 1] + 0.1 * losses[t - 1] + math.sqrt(0.5 + 0.5 * x[t - 1] ** 2) * z[t]
    return losses, x


def volatility_estimates(
    volatility: Any, names: Mapping[str, float], *, student: bool = False
) -> Callable[[Sample], Any]:
    """Estimates and standard errors of a volatility's parameters; `student` as in the registry, with mean and law."""
    mean, law = (ConstantMean(), StudentT()) if student else (ZeroMean(), Normal())

    def estimate(sample: Sample) -> tuple[dict[str, float], dict[str, float]]:
        fit = volatility.fit(sample[0], mean=mean, law=law, exog=sample[1][:, None])
        errors = fit.errors()
        return {n: fit.all_params[n] for n in names}, {n: errors[n] for n in names if n in errors}

    return estimate


def har_size_estimates(losses: FloatArray) -> tuple[dict[str, float], dict[str, float]]:
    """Regression of the absolute losses, what makes a variance of its square, and the law of what is left."""
    fit = HAR().fit(losses, mean=ConstantMean(), law=StudentT())
    return dict(fit.all_params), dict(fit.errors())


def line_estimates(sample: Sample) -> tuple[dict[str, float], dict[str, float]]:
    """Intercept and slope of an expectile."""
    target = Target("expectile", LEVEL)
    model = ExpectileRegression(lags=0, variance="none", exog=("x",))
    fit = model.fit(sample[0], [target], exog=sample[1][:, None])
    errors = fit.standard_errors
    return ({n: fit.params[f"{target.label}.{n}"] for n in LINE}, {n: errors[f"{target.label}.{n}"] for n in LINE})


def mean_estimates(sample: Sample) -> tuple[dict[str, float], dict[str, float]]:
    """The first step of `LocationScale` with a mean by columns."""
    fit = ExogMean(("x",), lag=True).fit(sample[0], sample[1][:, None])
    return dict(fit.params), dict(fit.standard_errors)


STUDIES = (
    Study(
        model="realized-garch",
        setting="n = 1000, normal z and measurement error",
        truth=REALIZED_GARCH,
        simulate=simulate_realized_garch,
        estimate=volatility_estimates(RealizedGARCH(), REALIZED_GARCH),
        replications=2000,
        slow=False,
    ),
    Study(
        model="heavy",
        setting="n = 1000, normal z, lognormal realized variance",
        truth=HEAVY_TRUE,
        simulate=simulate_heavy,
        estimate=volatility_estimates(HEAVY(), HEAVY_TRUE),
        replications=2000,
        slow=False,
    ),
    Study(
        model="har",
        setting="n = 1000, log of a realized variance, t(6) errors",
        truth=HAR_TRUE,
        simulate=simulate_har,
        estimate=volatility_estimates(HAR("log-realized"), HAR_TRUE),
        replications=2000,
        slow=False,
    ),
    Study(
        model="realized-garch-t",
        setting="n = 1000, t(6) shocks, normal measurement error, constant mean",
        truth=REALIZED_GARCH | {"nu": NU},
        simulate=lambda rng: simulate_realized_garch(rng, NU),
        estimate=volatility_estimates(RealizedGARCH(), REALIZED_GARCH | {"nu": NU}, student=True),
        replications=2000,
        slow=False,
    ),
    Study(
        model="heavy-t",
        setting="n = 1000, t(6) shocks, lognormal realized variance, constant mean",
        truth=HEAVY_TRUE | {"nu": NU},
        simulate=lambda rng: simulate_heavy(rng, NU),
        estimate=volatility_estimates(HEAVY(), HEAVY_TRUE | {"nu": NU}, student=True),
        replications=2000,
        slow=False,
    ),
    Study(
        model="har-rv-t",
        setting="n = 1000, t(6) shocks, log of a realized variance with t(6) errors, constant mean",
        truth=HAR_TRUE,  # the day's variance has an error that no forecast knows: residuals are of no known nu
        simulate=lambda rng: simulate_har(rng, NU),
        estimate=volatility_estimates(HAR("log-realized"), HAR_TRUE, student=True),
        replications=2000,
        slow=False,
    ),
    Study(
        model="har-t",
        setting="n = 2000, absolute losses of t(6)",
        truth=HAR_SIZE,
        simulate=simulate_har_size,
        estimate=har_size_estimates,
        replications=2000,
        slow=False,
    ),
    Study(
        model="expectile-regression",
        setting="n = 1000, expectile 0.9, heteroskedastic t(5) errors, one exogenous regressor",
        truth=LINE,
        simulate=simulate_line,
        estimate=line_estimates,
        replications=2000,
        slow=False,
    ),
    Study(
        model="mean by columns",
        setting="n = 1000, heteroskedastic t(6) errors, one column and the lag",
        truth={"const": 0.1, "gamma.x": 0.3, "phi": 0.1},
        simulate=simulate_mean,
        estimate=mean_estimates,
        replications=2000,
        slow=False,
    ),
)
