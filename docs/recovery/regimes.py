"""Recovery of two normal regimes: means, volatilities and transition probabilities."""

from __future__ import annotations

import numpy as np

from recovery.base import Study
from riskcore.forecasters import MarkovSwitching

TRUTH = {"mu1": -0.0005, "sigma1": 0.007, "mu2": 0.001, "sigma2": 0.02, "p12": 0.02, "p21": 0.06}


def simulate(rng: np.random.Generator, n: int) -> np.ndarray:
    """Losses of two normal regimes, the first day's drawn from the long-run shares."""
    uniforms, shocks = rng.random(n), rng.standard_normal(n)
    leave = (TRUTH["p12"], TRUTH["p21"])
    state, out = int(rng.random() < leave[0] / sum(leave)), np.empty(n)
    for t in range(n):
        out[t] = TRUTH[f"mu{state + 1}"] + TRUTH[f"sigma{state + 1}"] * shocks[t]
        state = 1 - state if uniforms[t] < leave[state] else state
    return out


def estimate(losses: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
    """Estimates and sandwich errors."""
    fitted = MarkovSwitching().fit(losses, [])
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


STUDIES = (_study(1000), _study(4000))
