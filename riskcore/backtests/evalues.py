"""Tests that stay valid however often one looks: e-processes of VaR, ES and expectile VaR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from riskcore import defaults
from riskcore._types import FloatArray, IntArray, Measure
from riskcore.backtests.base import ANYTIME, BacktestResult, Detail, Sample, choice, hit_details, prepare, undefined
from riskcore.errors import DataError, require
from riskcore.kernels.excess import past_excess

FORMS = ("constant", "gree", "grel", "grem")
THRESHOLDS = (2, 5, 10, 20)
"""Values of the process whose first crossing is reported: 20 is a test of size 5 % at any time."""
LARGEST_BET = 0.5
LARGEST = float(np.finfo(np.float64).max)
INFINITE = "a loss above a VaR that equals the ES: its e-value is infinite"
NO_CAP = "no gain cap declared: V of an expectile is unbounded below, so it has no e-value without one"


@dataclass(frozen=True, eq=False)
class EProcess:
    r"""Wealth of a bet against forecasts, day by day: :math:`M_t = M_{t-1} (1 - b_t + b_t E_t)`, :math:`M_0 = 1`.

    If the forecasts are right its mean never exceeds 1, and by Ville's inequality it ever reaches c with a chance of
    at most 1/c, however often one looks and whenever one stops.

    Parameters
    ----------
    measure : {"var", "es", "expectile"}
        What is judged.
    form : {"constant", "gree", "grel", "grem"}
        How bets are placed; see `e_es`.
    days : array of int (n,)
        Positions of the used days among those given, from 0.
    e_values : array (n,)
        E of each day; of mean at most 1 if the forecast is right.
    bets : array (n,) or (n, 2)
        b of each day; for "grem" those of "gree" and "grel", whose processes are averaged.
    log_path : array (n,)
        Natural logarithm of M, which no number of days overflows; NaN where there is a `reason`.
    reason : str
        Why there is no process, or an empty string.

    References
    ----------
    Ville (1939), Étude critique de la notion de collectif, Gauthier-Villars.
    """

    measure: Measure
    form: str
    days: IntArray
    e_values: FloatArray
    bets: FloatArray
    log_path: FloatArray
    reason: str = ""

    @property
    def path(self) -> FloatArray:
        """M of each day, at most the largest number there is."""
        return np.exp(np.minimum(self.log_path, np.log(LARGEST)))

    @property
    def p_value(self) -> float:
        """Ville's bound min(1, 1 / max M): below a size with a chance of at most that size, at any time."""
        if self.reason:
            return float("nan")
        return float(np.exp(-max(float(self.log_path.max()), 0.0)))

    @property
    def crossings(self) -> dict[int, int | None]:
        """First of the used days, counted from 1, on which M is at least 2, 5, 10 and 20; None where it never is."""
        reached = {c: np.flatnonzero(self.log_path >= np.log(c)) for c in THRESHOLDS}
        return {c: int(found[0]) + 1 if found.size else None for c, found in reached.items()}


def e_process(
    losses: Any,
    level: Any,
    *,
    var: Any = None,
    es: Any = None,
    expectile: Any = None,
    gain_cap: Any = None,
    form: str = "grem",
    bet: float = defaults.BET,
    nan: str = "drop",
) -> EProcess:
    r"""The whole path behind `e_var` (give `var`), `e_es` (`var` and `es`) or `e_expectile` (`expectile`, `gain_cap`).

    .. math:: M_t = M_{t-1} (1 - b_t + b_t E_t), \quad M_0 = 1

    Parameters
    ----------
    losses, level, form, bet, nan
        As in `e_es`.
    var, es, expectile, gain_cap : array_like
        Forecasts of one measure; see there for what each needs.

    Returns
    -------
    EProcess
        With a `reason` and a path of NaN where the process is not defined.

    Raises
    ------
    ConfigError, DataError
        For forecasts of no measure or of two, and as `e_es`.

    References
    ----------
    Wang, Wang and Ziegel (2022), E-backtesting, arXiv:2209.00991.

    Examples
    --------
    >>> process = e_process([0.0, 3.0, 0.0, 3.0, 3.0], 0.9, var=2.0, form="constant", bet=0.5)
    >>> process.path.round(2).tolist(), process.crossings[5]
    ([0.5, 2.75, 1.38, 7.56, 41.59], 4)
    """
    known = (var is not None, es is not None, expectile is not None)
    measures: dict[tuple[bool, ...], Measure] = {
        (True, False, False): "var",
        (True, True, False): "es",
        (False, False, True): "expectile",
    }
    text = "give var, or var and es, or expectile: forecasts must be of one measure"
    require(known in measures, text, DataError)
    measure = measures[known]
    columns = {"var": var, "es": es, "expectile": expectile, "gain_cap": gain_cap}
    given = {name: x for name, x in columns.items() if x is not None}
    return _run(measure, losses, given, level, form, bet, nan)[1]


def e_var(
    losses: Any, var: Any, level: Any, *, form: str = "grem", bet: float = defaults.BET, nan: str = "drop"
) -> BacktestResult:
    r"""Test by betting whether a VaR is high enough, at any time.

    .. math:: E_t = 1\{L_t > v_t\} / (1 - p)

    Parameters
    ----------
    losses, var : array_like
        Losses and VaR forecasts; a hit is ``loss > var``.
    level, form, bet, nan
        As in `e_es`.

    Returns
    -------
    BacktestResult
        As `e_es`. One-sided: a VaR that is too high never rejects.

    Raises
    ------
    ConfigError, DataError
        As `e_es`.

    References
    ----------
    Wang, Wang and Ziegel (2022), E-backtesting, arXiv:2209.00991.

    Examples
    --------
    >>> result = e_var([0.0] * 50 + [1.0] * 10, 0.5, 0.99)
    >>> round(result.p_value, 4), result.details["crossing_20"]
    (0.0042, 57)
    """
    null = "the VaR is at least the true one on every day"
    return _judge("e_var", null, "var", losses, {"var": var}, level, form, bet, nan)


def e_es(
    losses: Any, var: Any, es: Any, level: Any, *, form: str = "grem", bet: float = defaults.BET, nan: str = "drop"
) -> BacktestResult:
    r"""Test by betting whether a pair of VaR and ES is right, at any time.

    .. math:: E_t = \frac{(L_t - v_t)^+}{(1-p)(e_t - v_t)}, \quad M_t = M_{t-1} (1 - b_t + b_t E_t), \quad M_0 = 1

    The null is :math:`e_t \ge v_t + E(L_t - v_t)^+/(1-p)`. It holds if the VaR is right and the ES at least the true
    one, or if v and e - v are both at least the true ones. A prudent VaR under a right ES breaks it, and so does a
    VaR that is too low: a rejection says that the pair is wrong, not that the ES is too low. One-sided: a pair that
    is prudent throughout never rejects.

    Parameters
    ----------
    losses, var, es : array_like
        Losses and forecasts of VaR and ES at the same level.
    level : float or array_like
        In (0.5, 1).
    form : {"grem", "gree", "grel", "constant"}
        Bets: ``bet`` each day; the best one for the e-values seen so far, :math:`\overline{(E-1)} /
        \overline{(E-1)^2}` within [0, 1/2] (gree); the same for past losses against today's forecasts (grel); or the
        average of these two processes (grem). The adaptive ones bet nothing on the first day.
    bet : float
        The constant bet, in (0, 1/2].
    nan : {"drop", "raise"}
        What a missing loss or forecast means.

    Returns
    -------
    BacktestResult
        `statistic` is the natural logarithm of the last M. `p_value` is Ville's bound min(1, 1/max M): it may be
        looked at on any day. `details`: hits, expected_hits, missing, form, final and maximum (of M), crossing_2,
        crossing_5, crossing_10 and crossing_20 (first such day of those used, from 1) where M crosses. NaN where an ES
        lies below its VaR, or equals it under a loss above.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice, a bet or a shape that cannot be used.

    References
    ----------
    Wang, Wang and Ziegel (2022), E-backtesting, arXiv:2209.00991.

    Examples
    --------
    >>> result = e_es([0.0, 3.0, 1.0, 5.0], 2.0, 4.0, 0.75, form="constant", bet=0.5)
    >>> round(result.details["final"], 6), round(result.p_value, 4)
    (1.3125, 0.7619)
    """
    null = "e - v is at least E(L - v)+ / (1 - level) on every day; a rejection says that the pair is wrong"
    return _judge("e_es", null, "es", losses, {"var": var, "es": es}, level, form, bet, nan)


def e_expectile(
    losses: Any,
    expectile: Any,
    level: Any,
    *,
    gain_cap: Any = None,
    form: str = "grem",
    bet: float = defaults.BET,
    nan: str = "drop",
) -> BacktestResult:
    r"""Test by betting whether an expectile VaR is high enough, given a bound on gains that was declared beforehand.

    .. math:: E_t = 1 + \frac{\tau (L_t - m_t)^+ - (1-\tau)(m_t - L_t)^+}{(1-\tau)(m_t + B_t)}, \quad L_t \ge -B_t

    At a gain of B it is 0, so it is never negative. Its mean is at most 1 if m is at least the expectile, as the
    numerator's mean falls in m and is 0 at the expectile. A gain beyond the cap voids the process. This bounded form
    is riskcore's own, not one of the literature; the cap B must be known before the day, as a limit of the market or
    of a position is, and a wide one costs power.

    Parameters
    ----------
    losses, expectile : array_like
        Losses and expectile forecasts.
    level, form, bet, nan
        As in `e_es`.
    gain_cap : float or array_like, optional
        B, the largest gain there can be on a day, in units of the losses; above ``-expectile``.

    Returns
    -------
    BacktestResult
        As `e_es`, without expected_hits; `details` has ``bounded`` = "gains capped". NaN without a cap, after a gain
        beyond it, and where a cap is not above ``-expectile``.

    Raises
    ------
    ConfigError, DataError
        As `e_es`.

    References
    ----------
    Ville (1939), Étude critique de la notion de collectif, Gauthier-Villars; for bets as in
    Wang, Wang and Ziegel (2022), E-backtesting, arXiv:2209.00991.

    Examples
    --------
    >>> result = e_expectile([-1.0, 3.0, 0.0], 1.0, 0.75, gain_cap=1.0, form="constant", bet=0.5)
    >>> round(result.details["final"], 6)
    0.9375
    """
    null = "the expectile is at least the true one on every day, and no gain exceeds the declared cap"
    columns = {"expectile": expectile} | ({} if gain_cap is None else {"gain_cap": gain_cap})
    return _judge("e_expectile", null, "expectile", losses, columns, level, form, bet, nan)


def _judge(
    name: str,
    null: str,
    measure: Measure,
    losses: Any,
    columns: dict[str, Any],
    level: Any,
    form: str,
    bet: float,
    nan: str,
) -> BacktestResult:
    sample, process = _run(measure, losses, columns, level, form, bet, nan)
    threshold = sample.columns["expectile" if measure == "expectile" else "var"]
    details = hit_details(sample, np.count_nonzero(sample.columns["losses"] > threshold)) | {"form": form}
    if measure == "expectile":
        del details["expected_hits"]  # it is that of the day's law, which this test does not need
        details["bounded"] = "gains capped"
    if process.reason:
        return undefined(name, null, sample, process.reason, details)
    path = process.path
    facts: dict[str, Detail] = {"final": float(path[-1]), "maximum": max(1.0, float(path.max()))}
    crossed: dict[str, Detail] = {f"crossing_{c}": day for c, day in process.crossings.items() if day is not None}
    details |= facts | crossed
    return BacktestResult(name, null, float(process.log_path[-1]), process.p_value, ANYTIME, sample.n_obs, details)


def _run(
    measure: Measure, losses: Any, columns: dict[str, Any], level: Any, form: str, bet: float, nan: str
) -> tuple[Sample, EProcess]:
    choice("form", form, FORMS)
    require(0 < bet <= LARGEST_BET, f"bet must lie in (0, {LARGEST_BET}], got {bet!r}; typical value: {defaults.BET}")
    losses = np.asarray(losses, dtype=np.float64)
    sample = prepare(nan, {"losses": losses, **columns, "day": np.arange(float(losses.size))}, level)
    days = sample.columns["day"].astype(np.int64)
    reason = sample.reason or _flaw(measure, sample)
    if not reason:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            e_values = _e_values(measure, sample)
            reason = (
                "" if np.isfinite(e_values).all() else "a loss above a VaR that equals the ES: its e-value is infinite"
            )
    if reason:
        nothing = np.full(sample.n_obs, np.nan)
        return sample, EProcess(measure, form, days, nothing, nothing, nothing, reason)
    bets = [_bets(measure, one, e_values, sample, bet) for one in (("gree", "grel") if form == "grem" else (form,))]
    paths = [np.cumsum(np.log1p(b * (e_values - 1.0))) for b in bets]
    both = len(bets) == 2
    log_path = np.logaddexp(*paths) - np.log(2.0) if both else paths[0]
    return sample, EProcess(measure, form, days, e_values, np.stack(bets, axis=1) if both else bets[0], log_path)


def _flaw(measure: Measure, sample: Sample) -> str:
    """Why these forecasts have no e-values, or an empty string."""
    columns = sample.columns
    if measure == "es":
        below = int(np.count_nonzero(columns["es"] < columns["var"]))
        return f"es must not lie below var, does on {below} days" if below else ""
    if measure == "expectile":
        if "gain_cap" not in columns:
            return NO_CAP
        breaches = int(np.count_nonzero(columns["losses"] < -columns["gain_cap"]))
        if breaches:
            return f"gains beyond the declared cap on {breaches} days: the process is void"
        low = int(np.count_nonzero(columns["expectile"] + columns["gain_cap"] <= 0))
        return f"gain_cap must lie above -expectile, does not on {low} days" if low else ""
    return ""


def _scale(measure: Measure, sample: Sample) -> FloatArray:
    """What a loss's part of e is divided by."""
    q, columns = 1.0 - sample.level, sample.columns
    if measure == "var":
        return q
    if measure == "es":
        return np.asarray(q * (columns["es"] - columns["var"]))
    return np.asarray(q * (columns["expectile"] + columns["gain_cap"]))


def _e_values(measure: Measure, sample: Sample) -> FloatArray:
    columns, scale = sample.columns, _scale(measure, sample)
    gap = columns["losses"] - columns["expectile" if measure == "expectile" else "var"]
    if measure == "var":
        return (gap > 0) / scale
    if measure == "es":
        return np.where(gap > 0, gap / scale, 0.0)
    weight = np.where(gap > 0, sample.level, 1.0 - sample.level)
    return np.maximum(1.0 + weight * gap / scale, 0.0)


def _bets(measure: Measure, form: str, e_values: FloatArray, sample: Sample, bet: float) -> FloatArray:
    """Bets known before each day: constant, or best for what was seen, by sums of e - 1 and its square."""
    if form == "constant":
        return np.full(e_values.size, bet)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if form == "gree":
            first, second = (_before(x) for x in (e_values - 1.0, (e_values - 1.0) ** 2))
        else:
            first, second = _against_today(measure, sample)
        best = first / second
    # nothing seen, as on the first day, is 0/0: no bet
    return np.clip(np.where(np.isfinite(best), best, 0.0), 0.0, LARGEST_BET)


def _before(x: FloatArray) -> FloatArray:
    """Sums of the days before each day; the day itself has no part, not even by rounding."""
    return np.concatenate([[0.0], np.cumsum(x)[:-1]])


def _against_today(measure: Measure, sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Sums over past losses of e - 1 and its square, with today's forecasts."""
    losses, p, scale = sample.columns["losses"], sample.level, _scale(measure, sample)
    threshold = sample.columns["expectile" if measure == "expectile" else "var"]
    hits, above, above_2 = past_excess(losses, threshold)
    past = np.arange(float(losses.size))
    if measure == "expectile":
        total, squares = (_before(x) for x in (losses, losses**2))
        below = above - (total - past * threshold)
        below_2 = squares - 2.0 * threshold * total + past * threshold**2 - above_2
        q = 1.0 - p
        return (p * above - q * below) / scale, (p**2 * above_2 + q**2 * below_2) / scale**2
    one, two = (hits, hits) if measure == "var" else (above, above_2)
    mean, square = one / scale, two / scale**2
    return mean - past, square - 2.0 * mean + past
