"""The geometric-VaR test of Pelletier and Wei: does the chance of a hit depend on the last hit, or on the VaR."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import chdtrc

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import BacktestResult, Seed, choice, hit_details, prepare, undefined
from riskcore.backtests.coverage import BOTH, COVERAGE, ONE_LEVEL
from riskcore.backtests.duration import MEMORYLESS, OFFERED, judged
from riskcore.backtests.hit_laws import lr_coverage
from riskcore.backtests.nulls import AUTO, Hits
from riskcore.kernels.duration import hazard_ratios

FORMS = {
    "full": BOTH + " and do not depend on the VaR",
    "coverage": COVERAGE,
    "duration": MEMORYLESS,
    "var": "the chance of a hit does not depend on the VaR",
}
WEIGHTS = {"full": (0.0, 0.25, 0.5, 0.25), "coverage": (0.0, 1.0), "duration": (0.5, 0.5), "var": (0.5, 0.5)}
"""Weights of chi-square laws with 0, 1, 2, 3 degrees of freedom in the limit: b = 1 and c = 0 are bounds."""
STEEPEST = 20.0
"""Largest c, in units of one over the standard deviation of the VaR."""
VARIES = 1e-10
"""Smallest range of the VaR, as a share of its size, for which it counts as moving."""


def geometric_var(
    losses: Any,
    var: Any,
    level: Any,
    *,
    form: str = "full",
    p_value: str = AUTO,
    rng: Seed = None,
    n_simulations: int = defaults.N_SLOW,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test whether the chance of a hit depends on the days since the last hit, or on the VaR.

    .. math:: \lambda_t = a\, d_t^{b-1} e^{-c v_t}, \quad 0 \le b \le 1, \quad c \ge 0, \quad
              LR = 2(l(\hat a, \hat b, \hat c) - l(1-p, 1, 0)) = LR_{coverage} + LR_{duration} + LR_{var}

    d counts days since the last hit, from 1; the first day has d = 1. The log-likelihood is that of each day's hit
    with chance lambda (at most one), concave in (log a, b, c). The parts are nested: coverage (a against 1 - p with
    b = 1, c = 0: Kupiec's ratio), duration (b with a free, c = 0) and var (c with a and b free). As b = 1 and c = 0 are
    bounds, the limit is a mixture of chi-square laws: a quarter, a half and a quarter with 1, 2 and 3 degrees for the
    whole, a half each with 0 and 1 for duration and var. The simulated null draws iid hits and keeps the VaR.

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level : float or array_like
        In (0.5, 1); it may move by day for "duration" and "var".
    form : {"full", "coverage", "duration", "var"}
        The whole test, or one of its parts.
    p_value : {"auto", "simulated", "asymptotic"}
        Simulated null of iid hits, or the limit; "auto": simulated unless the limit keeps its size.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int
        Simulated hit sequences.
    nan : {"drop", "raise"}
        What a missing loss or forecast means; dropped days join their neighbours.

    Returns
    -------
    BacktestResult
        `details`: hits, expected_hits, missing, form, df (restrictions), a, b, c (of v less its mean, in units of its
        standard deviation; a is the chance at d = 1 and mean VaR). No hit or nothing else: duration and var 0. NaN
        without a usable day, and for "full" and "var" where the VaR does not move.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Pelletier and Wei (2016), Journal of Financial Econometrics 14(4), 725-745.

    Examples
    --------
    >>> losses, var = np.zeros(100), np.where(np.arange(100) < 50, 0.5, 0.9)
    >>> losses[[3, 4, 6, 20, 30, 90]] = 1.0
    >>> whole, *parts = (geometric_var(losses, var, 0.95, form=x, p_value="asymptotic").statistic
    ...                  for x in ("full", "coverage", "duration", "var"))
    >>> round(whole, 3), [round(x, 3) for x in parts]
    (3.351, [0.198, 1.551, 1.601])
    """
    name = "geometric_var"
    choice("form", form, tuple(FORMS))
    choice("p_value", p_value, (AUTO, *OFFERED))
    sample = prepare(nan, {"losses": losses, "var": var}, level)
    v = sample.columns["var"]
    hits = sample.columns["losses"] > v
    details = hit_details(sample, hits.sum()) | {"form": form}
    moving = ONE_LEVEL if form in ("full", "coverage") and np.isnan(sample.one_level) else ""
    reason = sample.reason or moving
    needs = form in ("full", "var")
    if not reason and needs and np.ptp(v) <= VARIES * np.abs(v).max():
        reason = "the VaR does not move"
    if reason:
        return undefined(name, FORMS[form], sample, reason, details)
    scaled = (v - v.mean()) / v.std() if needs else np.zeros(v.size)
    options = (form, scaled.tobytes() if needs else b"")
    batch = Hits.of(hits)
    statistic = float(geometric(batch, sample.level, options)[0])
    a, b, c = (float(x) for x in hazard_ratios(batch.where, batch.first, scaled, STEEPEST, needs)[0, 2:])
    details |= {"df": 3 if form == "full" else 1} | ({} if form == "coverage" else {"a": a, "b": b, "c": c})
    limit = sum(w * float(chdtrc(df, statistic)) for df, w in enumerate(WEIGHTS[form]) if df)
    limit = 1.0 if statistic <= 0.0 else limit  # all of the law lies at zero or above
    simulation = (geometric, statistic, options, "upper")
    return judged(name, FORMS[form], sample, statistic, limit, details, p_value, simulation, rng, n_simulations)


def geometric(hits: Hits, level: FloatArray, options: tuple[Any, ...]) -> FloatArray:
    """Statistic of each path, all under the same VaR."""
    form, scaled = options
    coverage = lr_coverage(hits.n, hits.counts, float(level[0])) if form in ("full", "coverage") else np.zeros(1)
    if form == "coverage":
        return coverage
    w = np.frombuffer(scaled).copy() if scaled else np.zeros(hits.n)  # a kernel is compiled for arrays that may change
    gains = hazard_ratios(hits.where, hits.first, w, STEEPEST, form != "duration")
    return np.asarray({"duration": gains[:, 0], "var": gains[:, 1] - gains[:, 0], "full": coverage + gains[:, 1]}[form])
