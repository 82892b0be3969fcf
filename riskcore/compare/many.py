"""Which of many models are best? Model confidence set and superior predictive ability, by the stationary bootstrap."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray, IntArray
from riskcore.backtests.base import BOOTSTRAP, NONE, BacktestResult, Detail, Seed, choice, seed_of
from riskcore.errors import DataError, require
from riskcore.kernels.simulate import stationary_means

FEWEST_DAYS = 5
FLAT = 1e-14
"""A difference that varies by less than this share of its size does not vary."""
STATISTICS = ("range", "max")
NOT_WORSE = "no model has a lower expected score than the benchmark"
DRAWN = "n_simulations must be at least 1, got {}"


@dataclass(frozen=True)
class ModelConfidenceSet:
    """The models by the order in which they left, with their p-values; the reader brings the size.

    Parameters
    ----------
    table : DataFrame
        One row a model in the order of elimination, the best last: model, step, statistic and p_step (the test of the
        set from which the model was taken), p_value (the largest p_step so far).
    statistic : str
        ``range`` or ``max``.
    n_obs, missing : int
        Days used, and days left out as a model had no score.
    block, n_simulations, seed : int
        The bootstrap: mean block length in days, samples, seed.
    reason : str
        Why the p-values are NaN, or an empty string.

    Examples
    --------
    >>> model_confidence_set(np.array([[1.0, 2.0], [2.0, 4.0]] * 50)).included()
    [0]
    """

    table: pd.DataFrame
    statistic: str
    n_obs: int
    missing: int
    block: int
    n_simulations: int
    seed: int
    reason: str = ""

    def included(self, size: float = 0.10) -> list[Hashable]:
        """The models of the confidence set of level ``1 - size``: a p-value of at least `size`; best first."""
        return list(self.table.loc[self.table["p_value"] >= size, "model"])[::-1]


def model_confidence_set(
    scores: Any,
    *,
    statistic: str = "range",
    block: int | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> ModelConfidenceSet:
    r"""Take the worst model away until the rest are equally good, and give each model its p-value.

    .. math:: t_{ij} = \frac{\bar S_i - \bar S_j}{\hat s(\bar S_i - \bar S_j)}, \quad T_R = \max_{i,j} |t_{ij}|;
              \qquad t_i = \frac{\bar S_i - \bar S_.}{\hat s(\bar S_i - \bar S_.)}, \quad T_{max} = \max_i t_i

    The model with the largest :math:`t_{ij}` (or :math:`t_i`) leaves. Variances and the law of the statistic come
    from the stationary bootstrap of the centred scores; a step's p-value is the share of samples whose statistic is
    at least the observed one, a model's p-value the largest of the steps up to its own, and that of the last is 1.

    Parameters
    ----------
    scores : DataFrame or array (n, k)
        Scores per day, lower is better; one column a model.
    statistic : {"range", "max"}
        See above.
    block : int, optional
        Mean length of the blocks in days; None means the root of the number of days.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Bootstrap samples.
    nan : {"drop", "raise"}
        What a missing score means; a day is dropped for all models.

    Returns
    -------
    ModelConfidenceSet
        Models that are exactly equally bad leave together, with one p-value, whatever the order of the columns. One
        model alone has p-value 1. NaN below 5 days, and where a difference of scores does not vary but is not 0; then
        with a reason.

    Raises
    ------
    ConfigError, DataError
        For a choice or a shape that cannot be used.

    References
    ----------
    Hansen, Lunde and Nason (2011), Econometrica 79(2), 453-497, doi:10.3982/ECTA5771.
    Politis and Romano (1994), Journal of the American Statistical Association 89(428), 1303-1313.

    Examples
    --------
    >>> score = np.random.default_rng(1).random((500, 3)) + [0.0, 0.0, 0.2]
    >>> result = model_confidence_set(score)
    >>> sorted(result.included()), int(result.table["model"].iloc[0])
    ([0, 1], 2)
    """
    choice("statistic", statistic, STATISTICS)
    x, labels, missing = _columns(scores, "scores", nan)
    n, k = x.shape
    require(k >= 1, "scores must have at least one column, got none", DataError)
    require(n_simulations >= 1, DRAWN.format(n_simulations))
    used, seed = block_length(block, n), seed_of(rng)
    facts = (statistic, n, missing, used, n_simulations, seed)
    if n < FEWEST_DAYS:
        return _unknown(labels, facts, f"{n} usable days, at least {FEWEST_DAYS} needed")
    mean, drawn = bootstrap_means(x, used, seed, n_simulations)
    tiny = FLAT * float(np.max(np.abs(x)))
    steps = _by_range(mean, drawn, tiny) if statistic == "range" else _by_max(mean, drawn, tiny)
    if isinstance(steps, _Flat):
        against = f"model {labels[steps.other]}" if steps.other >= 0 else "the mean of the models left"
        text = f"the difference of model {labels[steps.model]} from {against} does not vary"
        return _unknown(labels, facts, text)
    order = np.concatenate([s.models for s in steps])
    rows = [(s.statistic, s.p_value) for s in steps for _ in s.models]
    step = np.repeat(np.arange(1, len(steps) + 1), [s.models.size for s in steps])
    value, p_step = np.array(rows).T
    table = {"model": [labels[i] for i in order], "step": step, "statistic": value, "p_step": p_step}
    return ModelConfidenceSet(pd.DataFrame(table | {"p_value": np.maximum.accumulate(p_step)}), *facts)


def _unknown(labels: list[Hashable], facts: tuple[str, int, int, int, int, int], reason: str) -> ModelConfidenceSet:
    columns = dict.fromkeys(("step", "statistic", "p_step", "p_value"), np.nan)
    return ModelConfidenceSet(pd.DataFrame({"model": labels, **columns}), *facts, reason)


def _columns(scores: Any, name: str, nan: str) -> tuple[FloatArray, list[Hashable], int]:
    """Scores of the days on which all models have one, the models' labels, and the number of other days."""
    choice("nan", nan, ("drop", "raise"))
    x = np.asarray(scores, dtype=np.float64)
    require(x.ndim == 2, f"{name} must have two dimensions, got shape {x.shape}", DataError)
    known = np.isfinite(x).all(axis=1)
    missing = int(np.count_nonzero(~known))
    require(
        nan != "raise" or missing == 0, f"{name} must not be NaN with nan='raise', got {missing} such days", DataError
    )
    return x[known], _labels(scores, x.shape[1]), missing


def _labels(scores: Any, k: int) -> list[Hashable]:
    return list(scores.columns) if isinstance(scores, pd.DataFrame) else list(range(k))


def block_length(block: int | None, n: int) -> int:
    """The block length to use: the root of the number of days if none is given."""
    ok = block is None or (isinstance(block, int) and block >= 1)
    require(ok, f"block must be a whole number of at least 1, got {block!r}; typical values: 5, 20, 60")
    return max(1, math.isqrt(n)) if block is None else block


def bootstrap_means(x: FloatArray, block: int, seed: int, n_simulations: int) -> tuple[FloatArray, FloatArray]:
    """Means of the columns, and those of the samples less them."""
    mean = x.mean(axis=0)
    prefix = np.zeros((x.shape[0] + 1, x.shape[1]))
    np.cumsum(x - mean, axis=0, out=prefix[1:])
    drawn = np.empty((n_simulations, x.shape[1]))
    stationary_means(prefix, float(block), int(np.random.default_rng(seed).integers(2**63)), drawn)
    return mean, drawn


@dataclass(frozen=True)
class _Step:
    """The models that leave at a step, the statistic of the set with them, and its p-value."""

    models: IntArray
    statistic: float
    p_value: float


@dataclass(frozen=True)
class _Flat:
    """A model whose difference from another (-1: from the mean) is not 0 and the same in all samples."""

    model: int
    other: int


def t_ratio(difference: FloatArray, spread: FloatArray) -> FloatArray:
    """t statistics; 0 for equal models."""
    return np.divide(difference, spread, out=np.zeros(np.broadcast(difference, spread).shape), where=spread > 0)


def _by_range(mean: FloatArray, drawn: FloatArray, tiny: float) -> list[_Step] | _Flat:
    """Steps by the range statistic.

    Who leaves when does not depend on the samples, so the sets are gone through from the last to the first, and the
    largest statistic of each sample only ever grows by the pairs of the models that join.
    """
    k = mean.size
    gap = mean[:, None] - mean
    by_model = np.ascontiguousarray(drawn.T)
    spread = np.array([np.sqrt(np.mean((by_model - one) ** 2, axis=1)) for one in by_model])
    flat = np.argwhere((spread <= tiny) & (gap != 0))
    if flat.size:
        return _Flat(*sorted(int(i) for i in flat[0]))
    spread[spread <= tiny] = 0.0
    t = t_ratio(gap, spread)
    left, groups, tops = np.arange(k), [], []
    while left.size:
        worst = t[np.ix_(left, left)].max(axis=1)
        top = float(worst.max())
        groups.append(left[worst == top])
        tops.append(top)
        left = left[worst < top]
    steps, inside = [], np.empty(0, np.int64)
    largest = np.zeros(drawn.shape[0])
    for models, top in zip(reversed(groups), reversed(tops), strict=True):
        for i in models:
            pairs = t_ratio(np.abs(by_model[inside] - by_model[i]), spread[i, inside][:, None])
            largest = np.maximum(largest, pairs.max(axis=0, initial=0.0))
            inside = np.append(inside, i)
        steps.append(_Step(models, top, float(np.mean(largest >= top))))
    return steps[::-1]


def _by_max(mean: FloatArray, drawn: FloatArray, tiny: float) -> list[_Step] | _Flat:
    """Steps by the max statistic: differences from the mean of the models that are left."""
    by_model = np.ascontiguousarray(drawn.T)
    left, steps = np.arange(mean.size), []
    while left.size:
        sample = by_model[left] - by_model[left].mean(axis=0)
        spread = np.sqrt(np.mean(sample**2, axis=1))
        gap = mean[left] - mean[left].mean()
        still = spread <= tiny
        apart = still & (np.abs(gap) > tiny)
        if apart.any():
            return _Flat(int(left[np.argmax(apart)]), -1)
        spread[still] = 0.0
        t = t_ratio(gap, spread)
        top = float(t.max())
        p_value = float(np.mean(t_ratio(sample, spread[:, None]).max(axis=0) >= top))
        steps.append(_Step(left[t == top], top, p_value))
        left = left[t < top]
    return steps


def superior_predictive_ability(
    benchmark: Any,
    models: Any,
    *,
    studentised: bool = True,
    block: int | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether any of many models beats a benchmark, with regard to how many were tried.

    .. math:: d_{k,t} = S_{0,t} - S_{k,t}, \quad T = \max\{0, \max_k \sqrt n\, \bar d_k / \hat\omega_k\}, \quad
              Z_{k,t}^* = d_{k,t}^* - g(\bar d_k)

    with the stationary bootstrap's own variance :math:`\hat\omega_k^2 = \hat\gamma_0 + 2 \sum_i \kappa_i
    \hat\gamma_i`. A model that is clearly worse should not count: :math:`g(\bar d) = \max(\bar d, 0)` (lower),
    :math:`\bar d\,1\{\bar d \ge -\hat\omega \sqrt{2 \ln \ln n / n}\}` (consistent) or :math:`\bar d` (upper).

    Parameters
    ----------
    benchmark : array_like (n,)
        Scores of the benchmark per day, lower is better.
    models : DataFrame or array (n, k)
        Scores of the models.
    studentised : bool
        Divide by :math:`\hat\omega_k`, as Hansen does; without it the model with the widest differences decides.
    block, rng, n_simulations, nan
        As in `model_confidence_set`.

    Returns
    -------
    BacktestResult
        `p_value` is the consistent one, a share of samples whose statistic is at least the observed one. `details`:
        p_lower, p_upper, best (the model with the largest term), mean_difference (its), block, studentised, seed,
        n_simulations, missing. No model better than the benchmark in the sample: statistic 0, p-values 1. NaN below
        5 days, and where a difference does not vary but is not 0.

    Raises
    ------
    ConfigError, DataError
        For a choice or a shape that cannot be used.

    References
    ----------
    Hansen (2005), Journal of Business and Economic Statistics 23(4), 365-380, doi:10.1198/073500105000000063.

    Examples
    --------
    >>> scores = np.random.default_rng(1).random((500, 3))
    >>> superior_predictive_ability(scores[:, 0] + 0.2, scores[:, 1:]).rejects(0.05)
    True
    """
    name = "superior_predictive_ability"
    against = against_benchmark(benchmark, models, block, rng, n_simulations, nan)
    d, n = against.d, against.d.shape[0]
    details: dict[str, Detail] = {"block": against.block, "studentised": int(studentised), "missing": against.missing}
    details |= {"seed": against.seed, "n_simulations": n_simulations}
    if against.reason:
        return BacktestResult(name, NOT_WORSE, np.nan, np.nan, NONE, n, details | {"reason": against.reason})
    mean, drawn = bootstrap_means(d, against.block, against.seed, n_simulations)
    omega = np.sqrt(bootstrap_variance(d - mean, against.block))
    statistic, p_values, best = _spa(mean, drawn, omega, n, studentised)
    details |= {"p_lower": p_values[0], "p_upper": p_values[2]}
    details |= {"best": str(against.labels[best]), "mean_difference": float(mean[best])}
    return BacktestResult(name, NOT_WORSE, statistic, p_values[1], BOOTSTRAP, n, details)


@dataclass(frozen=True)
class Against:
    """Differences of a benchmark's scores and those of models, with what the bootstrap needs."""

    d: FloatArray
    labels: list[Hashable]
    missing: int
    block: int
    seed: int
    reason: str


def against_benchmark(
    benchmark: Any, models: Any, block: int | None, rng: Seed, n_simulations: int, nan: str
) -> Against:
    """Check the scores of a benchmark and of models; `reason` is set where nothing can be tested."""
    lead = np.asarray(benchmark, dtype=np.float64)
    others = models if isinstance(models, pd.DataFrame) else np.asarray(models, dtype=np.float64)
    require(others.ndim == 2, f"models must have two dimensions, got shape {others.shape}", DataError)
    text = f"benchmark must have a score for each row of models, got {lead.shape} and {others.shape}"
    require(lead.shape == others.shape[:1], text, DataError)
    require(others.shape[1] >= 1, "models must have at least one column, got none", DataError)
    require(n_simulations >= 1, DRAWN.format(n_simulations))
    x, _, missing = _columns(np.column_stack([lead, others]), "benchmark and models", nan)
    labels, n = _labels(others, others.shape[1]), x.shape[0]
    used, seed = block_length(block, n), seed_of(rng)
    d = x[:, [0]] - x[:, 1:]
    reason = f"{n} usable days, at least {FEWEST_DAYS} needed" if n < FEWEST_DAYS else ""
    if not reason:
        flat = (np.ptp(d, axis=0) <= FLAT * float(np.max(np.abs(x)))) & (d[0] != 0)
        reason = f"the difference from {labels[int(np.argmax(flat))]} does not vary" if flat.any() else ""
    return Against(d, labels, missing, used, seed, reason)


def _spa(
    mean: FloatArray, drawn: FloatArray, omega: FloatArray, n: int, studentised: bool
) -> tuple[float, list[float], int]:
    """Statistic, its lower, consistent and upper p-values, and the best model."""
    root, scale = math.sqrt(n), omega if studentised else np.where(omega > 0, 1.0, 0.0)
    terms = t_ratio(root * mean, scale)
    statistic = max(0.0, float(terms.max()))
    shifts = (np.minimum(mean, 0.0), consistent_shift(mean, omega, n), np.zeros(mean.size))
    largest = (t_ratio(root * (drawn + shift), scale).max(axis=1, initial=0.0) for shift in shifts)
    return statistic, [float(np.mean(draws >= statistic)) for draws in largest], int(np.argmax(terms))


def consistent_shift(mean: FloatArray, omega: FloatArray, n: int) -> FloatArray:
    """What is added to the centred samples: the mean of a model that is clearly worse, else 0."""
    return np.where(mean < -omega * math.sqrt(2.0 * math.log(math.log(n)) / n), mean, 0.0)


def bootstrap_variance(centred: FloatArray, block: int) -> FloatArray:
    """n times the variance of a stationary-bootstrap mean.

    The autocovariance of lag i round the end counts ``(1 - i/n)(1 - 1/block)**i``, on both sides.
    """
    n = centred.shape[0]
    spectrum = np.abs(np.fft.rfft(centred, axis=0)) ** 2
    covariances = np.fft.irfft(spectrum, n, axis=0) / n
    lags = np.arange(n)
    weights = (1.0 - lags / n) * (1.0 - 1.0 / block) ** lags
    weights[1:] *= 2.0
    return np.asarray(np.maximum(weights @ covariances, 0.0))
