"""Sizes of the default p-values of tests of the PIT and of exceedance residuals, where the model is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from riskcore import backtests as bt
from riskcore import defaults

N, P = 250, 0.975
LEVELS = np.array(defaults.TAIL_LEVELS)
T5 = stats.t(5)
VOL = np.exp(0.3 * np.random.default_rng(99).standard_normal(N))
TAIL = (LEVELS, VOL[:, None] * T5.ppf(LEVELS))
VAR = VOL * T5.ppf(P)
ES = VOL * float((5 + T5.ppf(P) ** 2) / 4 * T5.pdf(T5.ppf(P)) / (1 - P))


def of_pit(name: str, *level: float, **options) -> Callable[[np.ndarray, int], bt.BacktestResult]:
    return lambda z, draws: bt.BACKTESTS[name].run(T5.cdf(z), *level, n_simulations=draws, **options)


DEFAULTS = {
    "costanzino_curran": of_pit("costanzino_curran", P),
    "du_escanciano": of_pit("du_escanciano", P),
    "du_escanciano, two-sided": of_pit("du_escanciano", P, alternative="two-sided"),
    "du_escanciano, simulated": of_pit("du_escanciano", P, p_value="simulated"),
    "du_escanciano_conditional": of_pit("du_escanciano_conditional", P),
    "du_escanciano_conditional, 0.99": of_pit("du_escanciano_conditional", 0.99),
    "berkowitz": of_pit("berkowitz"),
    "berkowitz_tail": of_pit("berkowitz_tail", P),
    "pit_uniformity": of_pit("pit_uniformity"),
    "pit_uniformity, independence": of_pit("pit_uniformity", form="independence"),
    "acerbi_szekely_z3": of_pit("acerbi_szekely_z3", P, tail=TAIL),
    "exceedance_residuals": lambda z, draws: bt.exceedance_residuals(
        VOL * z, VAR, ES, P, VOL, tail=TAIL, n_simulations=draws
    ),
}


def rates(name: str, replications: int, draws: int, seed: int) -> tuple[np.ndarray, int]:
    """Shares of p-values up to 1, 5 and 10 % among the samples that have one."""
    rng = np.random.default_rng(seed)
    p = np.array([DEFAULTS[name](rng.standard_t(5, N), draws).p_value for _ in range(replications)])
    known = p[np.isfinite(p)]
    return np.array([np.mean(known <= a) for a in (0.01, 0.05, 0.10)]), known.size


@pytest.mark.parametrize("name", DEFAULTS)
def test_size_quick(name):
    """Loose: 300 samples against 999 draws; a chi-square limit of the conditional test would give 11 %."""
    found, count = rates(name, 300, 999, 4)
    assert np.all(
        np.abs(found - [0.01, 0.05, 0.10]) < 3.5 * np.sqrt([0.0099, 0.0475, 0.09]) * np.sqrt(1 / count + 1e-3)
    )


@pytest.mark.nightly
@pytest.mark.parametrize("name", DEFAULTS)
def test_size(name):
    found, count = rates(name, 10_000, 19_999, 5)
    print(f"{name}: {100 * found} % at 1, 5, 10 %, {count} samples")
    assert np.all(np.abs(found - [0.01, 0.05, 0.10]) < 3 * np.sqrt([0.0099, 0.0475, 0.09]) * np.sqrt(1 / count + 5e-5))


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("n", "lags", "low", "high"), [(250, 5, 0.11, 0.13), (1000, 5, 0.09, 0.10), (250, 1, 0.057, 0.057)]
)
def test_asymptotic_conditional_test_is_oversized(n, lags, low, high):
    """Figures measured independently of this package."""
    rng = np.random.default_rng(6)
    run = bt.du_escanciano_conditional
    p = np.array([run(rng.random(n), P, lags=lags, p_value="asymptotic").p_value for _ in range(20_000)])
    rate = float(np.mean(p[np.isfinite(p)] < 0.05))
    assert low - 0.006 < rate < high + 0.006


@pytest.mark.nightly
@pytest.mark.parametrize(("alternative", "printed"), [("understated", 0.062), ("prudent", 0.029)])
def test_asymptotic_unconditional_test_is_skew(alternative, printed):
    rng = np.random.default_rng(7)
    u = np.array([bt.du_escanciano(rng.random(250), P, p_value="asymptotic").statistic for _ in range(20_000)])
    side = u if alternative == "understated" else -u
    assert abs(np.mean(side > stats.norm.ppf(0.95)) - printed) < 0.005
