"""The series of the benchmarks, as losses in percent: three real ones, and ten that are hard to fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from riskcore._types import FloatArray

ROOT = Path(__file__).resolve().parents[1]
N_SIMULATED = 1500
BURN_IN = 500


def shared_data() -> Path:
    """Folder of the real series that are not part of the project; it may be missing."""
    return Path(os.environ.get("RISKCORE_DATA", ROOT.parent / "shared" / "data"))


def losses_of(path: Path, column: str) -> FloatArray:
    """Minus the log returns of a column of prices, in percent."""
    prices = pd.read_csv(path)[column].dropna().to_numpy(dtype=np.float64)
    return np.asarray(-100.0 * np.diff(np.log(prices)))


def sp500() -> FloatArray:
    """S&P 500, 1999 to 2018, 5,030 losses."""
    return losses_of(ROOT / "sample_data" / "indices.csv", "S&P 500")


def ftse100() -> FloatArray:
    """FTSE 100, 1984 to 2025, 10,442 losses."""
    return losses_of(shared_data() / "ftse100_1984_2025.csv", "close")


def bitcoin() -> FloatArray:
    """Bitcoin in US dollars, 2014 to 2022, seven days a week, 2,722 losses."""
    return losses_of(shared_data() / "btc_usd_2014_2022.csv", "close")


def simulate(
    seed: int, z: Callable[[np.random.Generator, int], FloatArray], omega: float, gain: float, loss: float, beta: float
) -> FloatArray:
    """GJR losses with standardised shocks `z`; `gain` and `loss` are alpha after a gain and after a loss."""
    shocks = z(np.random.default_rng(seed), N_SIMULATED + BURN_IN)
    out, variance = np.empty(shocks.size), 1.0
    for t, shock in enumerate(shocks.tolist()):
        out[t] = variance**0.5 * shock
        variance = min(omega + (loss if shock > 0 else gain) * out[t] ** 2 + beta * variance, 1e8)
    return out[BURN_IN:]


def normal(rng: np.random.Generator, n: int) -> FloatArray:
    """Normal shocks."""
    return rng.standard_normal(n)


def student(nu: float) -> Callable[[np.random.Generator, int], FloatArray]:
    """Student t shocks of variance one."""
    return lambda rng, n: rng.standard_t(nu, n) * ((nu - 2.0) / nu) ** 0.5


def one_outlier() -> FloatArray:
    """GARCH with one day of forty standard deviations in the middle."""
    losses = simulate(5, normal, 0.05, 0.05, 0.05, 0.9)
    losses[750] = 40.0
    return losses


def zeros() -> FloatArray:
    """GARCH with t(5) shocks; four days in ten do not move."""
    losses = simulate(6, student(5.0), 0.05, 0.05, 0.05, 0.9)
    return np.where(np.random.default_rng(60).random(losses.size) < 0.4, 0.0, losses)


def level_break() -> FloatArray:
    """No GARCH at all, but three times the standard deviation from the middle on."""
    return simulate(7, normal, 1.0, 0.0, 0.0, 0.0) * np.where(np.arange(N_SIMULATED) < 750, 1.0, 3.0)


@dataclass(frozen=True)
class Series:
    """Losses and the length of the windows; `real` ones that do not ship with the project may be missing."""

    make: Callable[[], FloatArray]
    window: int = 1000
    real: bool = False

    def windows(self) -> list[slice]:
        """Every window, one day apart."""
        return [slice(i, i + self.window) for i in range(self.make().size - self.window + 1)]


SERIES: Mapping[str, Series] = MappingProxyType(
    {
        "sp500": Series(lru_cache(sp500), real=True),
        "ftse100": Series(lru_cache(ftse100), real=True),
        "bitcoin": Series(lru_cache(bitcoin), real=True),
        "no-arch": Series(lru_cache(lambda: simulate(1, normal, 1.0, 0.0, 0.0, 0.0))),
        "tiny-alpha": Series(lru_cache(lambda: simulate(2, student(6.0), 0.02, 0.01, 0.01, 0.97))),
        "near-integrated": Series(lru_cache(lambda: simulate(3, normal, 0.001, 0.05, 0.05, 0.949))),
        "heavy-tails": Series(lru_cache(lambda: simulate(4, student(2.3), 0.05, 0.08, 0.08, 0.85))),
        "outlier": Series(lru_cache(one_outlier)),
        "zeros": Series(lru_cache(zeros)),
        "sp500-250": Series(lru_cache(sp500), window=250, real=True),
        "level-break": Series(lru_cache(level_break)),
        "integrated-t3": Series(lru_cache(lambda: simulate(8, student(3.0), 0.02, 0.1, 0.1, 0.9))),
        "leverage-of-gains": Series(lru_cache(lambda: simulate(9, student(5.0), 0.05, 0.15, 0.01, 0.85))),
    }
)
