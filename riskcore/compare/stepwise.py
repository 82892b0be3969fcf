"""Which models beat a benchmark? The stepwise multiple test, with a p-value for each model."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import Seed, choice
from riskcore.compare.many import against_benchmark, bootstrap_means, bootstrap_variance, consistent_shift, t_ratio

RECENTRINGS = ("all", "consistent")


@dataclass(frozen=True)
class SuperiorModels:
    """Models against a benchmark, the best first, with adjusted p-values; the reader brings the size.

    Parameters
    ----------
    table : DataFrame
        One row a model, by falling statistic: model, mean_difference (the benchmark's score less its own), statistic,
        p_value (adjusted for all models tried).
    recentring : str
        ``all`` or ``consistent``.
    n_obs, missing, block, seed, n_simulations : int
        Days used and left out; the bootstrap.
    reason : str
        Why the p-values are NaN, or an empty string.

    Examples
    --------
    >>> score = np.random.default_rng(1).random((500, 3))
    >>> stepwise_superiority(score[:, 0] + [0.2], score[:, 1:]).superior()
    [0, 1]
    """

    table: pd.DataFrame
    recentring: str
    n_obs: int
    missing: int
    block: int
    seed: int
    n_simulations: int
    reason: str = ""

    def superior(self, size: float = defaults.SIZE) -> list[Hashable]:
        """Models that beat the benchmark; the chance that any of them does not is at most `size`."""
        return list(self.table.loc[self.table["p_value"] < size, "model"])


def stepwise_superiority(
    benchmark: Any,
    models: Any,
    *,
    studentised: bool = True,
    recentring: str = "all",
    block: int | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> SuperiorModels:
    r"""Find the models that beat a benchmark, with regard to how many were tried (StepM).

    .. math:: t_k = \sqrt n\, \bar d_k / \hat\omega_k, \quad t_{(1)} \ge t_{(2)} \ge \dots, \quad
              p_{(j)} = \max_{i \le j} P^*\Big(\max_{k \ge i} t^*_{(k)} \ge t_{(i)}\Big)

    with d the benchmark's score less the model's. A model is superior at a size if its p-value lies below it: what
    StepM finds when it takes superior models away and tests the rest until none is found, for every size at once.

    Parameters
    ----------
    benchmark, models, studentised, block, rng, n_simulations, nan
        As in `superior_predictive_ability`.
    recentring : {"all", "consistent"}
        Romano and Wolf centre all bootstrap samples at the sample's mean. "consistent" lets models that are clearly
        worse not count, as Hansen does; it has more power.

    Returns
    -------
    SuperiorModels
        P-values are NaN below 5 days, and where a difference does not vary but is not 0; then with a reason. A model
        not better than the benchmark in the sample can have any p-value, but not a small one.

    Raises
    ------
    ConfigError, DataError
        For a choice or a shape that cannot be used.

    References
    ----------
    Romano and Wolf (2005), Econometrica 73(4), 1237-1282, doi:10.1111/j.1468-0262.2005.00615.x.
    Hsu, Hsu and Kuan (2010), Journal of Empirical Finance 17(3), 471-484.

    Examples
    --------
    >>> score = np.random.default_rng(1).random((500, 3)) - [0.0, 0.2, 0.0]
    >>> stepwise_superiority(score[:, 0], score[:, 1:]).superior(0.05)
    [0]
    """
    choice("recentring", recentring, RECENTRINGS)
    against = against_benchmark(benchmark, models, block, rng, n_simulations, nan)
    d, n = against.d, against.d.shape[0]
    facts = (recentring, n, against.missing, against.block, against.seed, n_simulations)
    if against.reason:
        empty = dict.fromkeys(("mean_difference", "statistic", "p_value"), np.nan)
        return SuperiorModels(pd.DataFrame({"model": against.labels, **empty}), *facts, against.reason)
    mean, drawn = bootstrap_means(d, against.block, against.seed, n_simulations)
    omega = np.sqrt(bootstrap_variance(d - mean, against.block))
    shift = consistent_shift(mean, omega, n) if recentring == "consistent" else np.zeros(mean.size)
    scale = omega if studentised else np.where(omega > 0, 1.0, 0.0)
    statistic = t_ratio(math.sqrt(n) * mean, scale)
    order = np.argsort(-statistic, kind="stable")
    p_values = _stepdown(statistic[order], t_ratio(math.sqrt(n) * (drawn + shift), scale)[:, order])
    labels = [against.labels[i] for i in order]
    columns = {"model": labels, "mean_difference": mean[order], "statistic": statistic[order], "p_value": p_values}
    return SuperiorModels(pd.DataFrame(columns), *facts)


def _stepdown(statistic: FloatArray, drawn: FloatArray) -> FloatArray:
    """Adjusted p-values of falling statistics: equal ones are tested in one step."""
    largest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
    first = np.searchsorted(-statistic, -statistic, side="left")
    return np.maximum.accumulate(np.mean(largest[:, first] >= statistic, axis=0))
