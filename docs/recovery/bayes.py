"""Coverage of Bayesian expectile regressions: the working posterior's own errors, and those of the rescaled draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recovery.base import Study
from riskcore.distributions import StudentT
from riskcore.forecasters import bayesian_expectile_regression

INTERCEPT, SLOPE = 0.0, 0.5
SPREAD, RISE = 0.5, 0.5
"""Scale of the shocks: ``SPREAD + RISE * x`` with x uniform on (0, 2)."""
N = 1000
Sample = tuple[np.ndarray, np.ndarray]


def simulate(rng: np.random.Generator) -> Sample:
    """Heteroskedastic t(5) losses and their regressors."""
    x = rng.uniform(0.0, 2.0, N)
    z = rng.standard_t(5, N) * np.sqrt(3 / 5)
    return INTERCEPT + SLOPE * x + (SPREAD + RISE * x) * z, np.column_stack([np.ones(N), x])


def truth(level: float) -> dict[str, float]:
    """The expectile is linear in x, with the expectile of the unit t(5) times the scale on top."""
    e = float(StudentT(5).expectile(level))
    return {"c0": INTERCEPT + SPREAD * e, "c1": SLOPE + RISE * e}


def _estimate(level: float, *, rescaled: bool) -> Callable[[Sample], tuple[dict[str, float], dict[str, float]]]:
    def estimate(sample: Sample) -> tuple[dict[str, float], dict[str, float]]:
        found = bayesian_expectile_regression(*sample, level, draws=2000)
        errors = found.errors if rescaled else found.raw_errors
        names = ("c0", "c1")
        return (
            dict(zip(names, found.coefficients.tolist(), strict=True)),
            dict(zip(names, errors.tolist(), strict=True)),
        )

    return estimate


STUDIES = tuple(
    Study(
        model="bayes-expectile",
        setting=f"n = {N}, level {level}, heteroskedastic t(5), {'rescaled' if rescaled else 'raw'} draws",
        truth=truth(level),
        simulate=simulate,
        estimate=_estimate(level, rescaled=rescaled),
        replications=2000,
        slow=False,
    )
    for level in (0.9, 0.95, 0.99)
    for rescaled in (False, True)
)
