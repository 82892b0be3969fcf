"""A small run that needs no optimiser: 400 losses of two assets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore.runs import Run, run_backtest

PLAN = rc.WalkForward(window=250, refit_every=50)
MODELS = ("historical", "ewma")
TARGETS = (rc.Target("var", 0.99), rc.Target("es", 0.975), rc.Target("expectile", 0.99))


@pytest.fixture(scope="session")
def losses() -> pd.DataFrame:
    days = pd.date_range("2020-01-01", periods=400, freq="B", name="date")
    values = 0.01 * np.random.default_rng(20).standard_t(5, size=(400, 2))
    frame = pd.DataFrame(values, days, columns=["S&P 500", "=A1"])
    frame.iloc[:30, 1] = np.nan  # each asset lives on its own dates
    return frame


@pytest.fixture
def walk(losses: pd.DataFrame) -> Any:
    """Run the small backtest into a folder; keyword arguments change it."""

    def run(out: Path, **changes: Any) -> Run:
        settings: dict[str, Any] = {"models": MODELS, "targets": TARGETS, "plan": PLAN, "losses": losses} | changes
        return run_backtest(
            settings.pop("losses"),
            settings.pop("models"),
            settings.pop("targets"),
            settings.pop("plan"),
            out,
            **settings,
        )

    return run


@pytest.fixture
def contents() -> Any:
    """Bytes of every file of a run but the manifest, by name."""

    def read(folder: Path) -> dict[str, bytes]:
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "manifest.json"]
        return {str(p.relative_to(folder)): p.read_bytes() for p in files}

    return read
