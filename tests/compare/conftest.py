"""Days whose law is known: losses, levels and quantiles of a t law with a moving scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from riskcore import defaults

LEVELS = np.array(defaults.TAIL_LEVELS)


@dataclass(frozen=True)
class Days:
    losses: np.ndarray
    scale: np.ndarray
    law: stats.distributions.rv_frozen
    tail: tuple[np.ndarray, np.ndarray]

    def var(self, level: float) -> np.ndarray:
        return self.scale * self.law.ppf(level)


def make(n: int, seed: int = 0, df: float = 5.0) -> Days:
    rng = np.random.default_rng(seed)
    scale = 0.01 * np.exp(0.4 * rng.standard_normal(n))
    law = stats.t(df)
    return Days(scale * law.rvs(n, random_state=rng), scale, law, (LEVELS, scale[:, None] * law.ppf(LEVELS)))


@pytest.fixture(scope="session")
def days() -> Callable[..., Days]:
    return make
