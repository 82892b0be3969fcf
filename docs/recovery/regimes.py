"""Recovery of Markov regimes: means, volatilities, degrees of freedom and transition probabilities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recovery.base import Study
from riskcore.distributions import StudentT
from riskcore.forecasters import MarkovSwitching
from riskcore.forecasters.regimes import long_run_shares

TRUTH = {"mu1": -0.0005, "sigma1": 0.007, "mu2": 0.001, "sigma2": 0.02, "p12": 0.02, "p21": 0.06}
STUDENT = {"mu1": -0.0005, "sigma1": 0.007, "mu2": 0.001, "sigma2": 0.02, "nu": 6.0, "p12": 0.02, "p21": 0.06}
THREE = {
    "mu1": -0.0005, "sigma1": 0.005, "mu2": 0.0, "sigma2": 0.011, "mu3": 0.001, "sigma3": 0.026,
    "p12": 0.03, "p13": 0.01, "p21": 0.03, "p23": 0.02, "p31": 0.02, "p32": 0.06,
}  # fmt: skip


def simulate(rng: np.random.Generator, n: int) -> np.ndarray:
    """Losses of two normal regimes, the first day's drawn from the long-run shares."""
    uniforms, shocks = rng.random(n), rng.standard_normal(n)
    leave = (TRUTH["p12"], TRUTH["p21"])
    state, out = int(rng.random() < leave[0] / sum(leave)), np.empty(n)
    for t in range(n):
        out[t] = TRUTH[f"mu{state + 1}"] + TRUTH[f"sigma{state + 1}"] * shocks[t]
        state = 1 - state if uniforms[t] < leave[state] else state
    return out


def simulate_many(rng: np.random.Generator, n: int, truth: Mapping[str, float], regimes: int) -> np.ndarray:
    """Losses of any number of regimes, normal or of Student's t with a variance of one."""
    moves = np.array([[truth.get(f"p{i + 1}{j + 1}", 0.0) for j in range(regimes)] for i in range(regimes)])
    moves += np.diag(1.0 - moves.sum(axis=1))
    nu = truth.get("nu")
    shocks = rng.standard_normal(n) if nu is None else rng.standard_t(nu, n) * np.sqrt((nu - 2.0) / nu)
    state, out = int(rng.choice(regimes, p=long_run_shares(moves))), np.empty(n)
    steps = np.cumsum(moves, axis=1)
    for t, uniform in enumerate(rng.random(n)):
        out[t] = truth[f"mu{state + 1}"] + truth[f"sigma{state + 1}"] * shocks[t]
        state = min(int(np.searchsorted(steps[state], uniform, side="right")), regimes - 1)
    return out


def estimate(losses: np.ndarray, settings: MarkovSwitching | None = None) -> tuple[dict[str, float], dict[str, float]]:
    """Estimates and sandwich errors."""
    fitted = (settings or MarkovSwitching()).fit(losses, [])
    return dict(fitted.params), dict(fitted.standard_errors)


def _study(n: int) -> Study:
    return Study(
        model="regime",
        setting=f"n = {n}, two normal regimes, a quarter of the days in the second",
        truth=TRUTH,
        simulate=lambda rng: simulate(rng, n),
        estimate=estimate,
        replications=2000,
        slow=False,
    )


STUDIES = (
    _study(1000),
    _study(4000),
    Study(
        model="regime-t",
        setting="n = 2000, two regimes of Student t losses, a quarter of the days in the second",
        truth=STUDENT,
        simulate=lambda rng: simulate_many(rng, 2000, STUDENT, 2),
        estimate=lambda sample: estimate(sample, MarkovSwitching(law=StudentT())),
        replications=2000,
        slow=True,
    ),
    Study(
        model="regime-3",
        setting="n = 2000, three normal regimes",
        truth=THREE,
        simulate=lambda rng: simulate_many(rng, 2000, THREE, 3),
        estimate=lambda sample: estimate(sample, MarkovSwitching(regimes=3)),
        replications=2000,
        slow=True,
    ),
)
