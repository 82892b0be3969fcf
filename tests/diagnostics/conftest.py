"""Losses with changing volatility, and fits of them that several tests read."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore.diagnostics import ModelFit

TARGETS = ("var:0.99", "es:0.975", "expectile:0.99", "expectile:0.99855")
Fit = Callable[..., ModelFit]


def simulated(n: int = 1200, seed: int = 3) -> pd.Series:
    """A GJR process with t(6) shocks: alpha 0.04, gamma 0.10, beta 0.85, daily volatility 1 %."""
    rng = np.random.default_rng(seed)
    z = rng.standard_t(6, n) * np.sqrt(4 / 6)
    h, level = np.empty(n), 1e-4
    h[0] = level
    loss = np.empty(n)
    for t in range(n):
        loss[t] = np.sqrt(h[t]) * z[t]
        if t + 1 < n:
            h[t + 1] = 0.06 * level + (0.04 + 0.10 * (loss[t] > 0)) * loss[t] ** 2 + 0.85 * h[t]
    return pd.Series(loss - 0.0003, pd.bdate_range("2015-01-05", periods=n), name="A")


@pytest.fixture(scope="session")
def losses() -> pd.Series:
    return simulated()


@pytest.fixture(scope="session")
def fit(losses: pd.Series) -> Fit:
    """``fit("garch-t")``: the model on the last 800 losses, fitted once."""

    @lru_cache
    def fitted(model: object, window: int = 800) -> ModelFit:
        return rc.fit_model(losses, model, TARGETS, window=window)  # type: ignore[arg-type]

    return fitted
