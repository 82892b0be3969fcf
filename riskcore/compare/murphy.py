"""Murphy diagrams: forecasts compared under every consistent score at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from riskcore import defaults
from riskcore._types import FloatArray
from riskcore.backtests.base import Seed, choice, prepare, seed_of
from riskcore.compare.many import DRAWN, block_length, bootstrap_means
from riskcore.errors import DataError, require
from riskcore.scores import elementary_expectile_score, elementary_quantile_score

MEASURES = ("var", "expectile")
POINTS = 200
"""Thresholds of the band."""
FEWEST_DAYS = 10
"""Days on which the two scores differ at a threshold, below which a band there would mean nothing."""
NOTHING = 1e-12
"""A difference of less than this share of the curves is rounding."""


def murphy(losses: Any, forecasts: Any, level: float, *, measure: str = "var", nan: str = "drop") -> pd.DataFrame:
    r"""Mean elementary scores of one or more models over all thresholds, exact.

    .. math:: \bar S(\theta) = \frac1n \sum_t S_\theta(x_t, L_t)

    Every consistent score is a mixture of the elementary ones, so a model whose curve lies nowhere above another's is
    at least as good under all of them. Curves only jump or bend at forecasts and losses: with their values and left
    limits there they are known everywhere. The integral of a VaR's curve is the mean pinball score, twice that of an
    expectile's the mean asymmetric squared error.

    Parameters
    ----------
    losses : array_like (n,)
        Losses.
    forecasts : DataFrame or array (n, k) or (n,)
        Forecasts of one or more models.
    level : float
        In (0.5, 1).
    measure : {"var", "expectile"}
        What was forecast.
    nan : {"drop", "raise"}
        What a missing day means; it is dropped for all models.

    Returns
    -------
    DataFrame
        Columns theta, limit, then one a model. Each threshold has two rows, ``limit`` "left" and "value"; between
        thresholds the curves are straight. No rows without a day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Ehm, Gneiting, Jordan and Krueger (2016), JRSS B 78(3), 505-562, doi:10.1111/rssb.12154.

    Examples
    --------
    >>> curve = murphy([3.0, 0.0], [1.0, 2.0], 0.75)
    >>> curve[curve["limit"] == "value"].drop(columns="limit").values.tolist()
    [[0.0, 0.125], [1.0, 0.5], [2.0, 0.375], [3.0, 0.0]]
    """
    names, x, models, _ = _panel(losses, forecasts, level, measure, nan)
    if x.size == 0:
        return pd.DataFrame({"theta": [], "limit": [], **{name: [] for name in names}})
    grid = np.unique(np.concatenate([x, models.ravel()]))
    curves = {name: _curve(x, models[:, i], float(level), measure, grid).ravel() for i, name in enumerate(names)}
    head = {"theta": np.repeat(grid, 2), "limit": np.tile(["left", "value"], grid.size)}
    return pd.concat([pd.DataFrame(head), pd.DataFrame(curves)], axis=1)


def _panel(
    losses: Any, forecasts: Any, level: float, measure: str, nan: str
) -> tuple[list[Any], FloatArray, FloatArray, int]:
    """Labels of the models, losses and forecasts (n, k) of the days on which nothing is missing, and the other days."""
    choice("measure", measure, MEASURES)
    require(np.ndim(level) == 0, f"level must be one number for all days, got shape {np.shape(level)}")
    values = np.asarray(forecasts, dtype=np.float64)
    require(values.ndim in (1, 2), f"forecasts must have one or two dimensions, got shape {values.shape}", DataError)
    names = list(forecasts.columns) if isinstance(forecasts, pd.DataFrame) else list(range(values[..., None].shape[1]))
    columns = dict(enumerate(values.reshape(len(values), -1).T))
    sample = prepare(nan, {"losses": losses, **{f"forecasts[{i}]": v for i, v in columns.items()}}, level)
    models = [sample.columns[f"forecasts[{i}]"] for i in columns]
    return names, sample.columns["losses"], np.stack(models, axis=1), sample.missing


def _curve(x: FloatArray, f: FloatArray, level: float, measure: str, grid: FloatArray) -> FloatArray:
    """Left limits and values (G, 2) of the mean elementary score at ascending thresholds that hold all x and f.

    A day counts for thresholds in [min(x, f), max(x, f)). Between neighbours of the grid its score is w for a VaR and
    w |x - theta| for an expectile, w the level above the forecast and one minus it below.
    """
    start, stop = np.searchsorted(grid, np.minimum(x, f)), np.searchsorted(grid, np.maximum(x, f))
    centre = float(np.median(x))

    def inside(which: FloatArray) -> FloatArray:
        """Sum of `which` over the days that count between each threshold and the next."""
        return np.cumsum(np.bincount(start, which, minlength=grid.size) - np.bincount(stop, which, minlength=grid.size))

    over = x > f
    above, below = inside(over.astype(np.float64)), inside((x < f).astype(np.float64))  # whole numbers: exact
    if measure == "var":
        cell = (level * above + (1.0 - level) * below) / x.size
        return np.stack([np.append(0.0, cell[:-1]), cell], axis=1)
    lost, won = inside(np.where(over, x - centre, 0.0)), inside(np.where(over, 0.0, x - centre))

    def at(theta: FloatArray, cell: slice) -> FloatArray:
        t = theta - centre
        up = np.where(above[cell] > 0, np.maximum(lost[cell] - above[cell] * t, 0.0), 0.0)
        down = np.where(below[cell] > 0, np.maximum(below[cell] * t - won[cell], 0.0), 0.0)
        return np.asarray((level * up + (1.0 - level) * down) / x.size)

    left = np.append(0.0, at(grid[1:], slice(0, -1)))
    return np.stack([left, at(grid, slice(None))], axis=1)


@dataclass(frozen=True)
class MurphyDifference:
    """Difference of two Murphy curves, first less second, with bands of the stationary bootstrap.

    Parameters
    ----------
    table : DataFrame
        Columns theta, difference, low, high (each threshold by itself), low_all, high_all (all thresholds together).
        Below 0 the first forecast is better at that threshold. Bands are NaN at thresholds where the two scores differ
        on fewer than 10 days.
    verdict : str
        ``first``, ``second``: its curve lies nowhere above the other's and somewhere below; ``equal``; ``neither``.
    shown : str
        What the simultaneous band says: ``first``, ``second`` (better somewhere and worse nowhere beyond chance),
        ``both`` (each better somewhere) or ``nothing``.
    text : str
        Both in words.
    share_first, share_second : float
        Shares, of the range of thresholds on which the curves differ, where the first or the second is the lower one.
    n_obs, missing, block, seed, n_simulations : int
        Days used and left out; the bootstrap.

    Examples
    --------
    >>> murphy_difference([3.0, 0.0] * 50, 2.0, 2.5, 0.75, n_simulations=99).verdict
    'second'
    """

    table: pd.DataFrame
    verdict: str
    shown: str
    text: str
    share_first: float
    share_second: float
    n_obs: int
    missing: int
    block: int
    seed: int
    n_simulations: int
    coverage: float = 0.95
    names: tuple[str, str] = field(default=("first", "second"))


def murphy_difference(
    losses: Any,
    first: Any,
    second: Any,
    level: float,
    *,
    measure: str = "var",
    coverage: float = 0.95,
    names: tuple[str, str] = ("first", "second"),
    block: int | None = None,
    rng: Seed = None,
    n_simulations: int = defaults.N_SIMULATIONS,
    nan: str = "drop",
) -> MurphyDifference:
    r"""Which of two forecasts dominates: the difference of their Murphy curves, and how sure it is.

    .. math:: \bar D(\theta) = \frac1n \sum_t S_\theta(x_t, L_t) - S_\theta(y_t, L_t)

    The verdict reads the exact curves. The bands come from the stationary bootstrap at 200 thresholds spread over the
    forecasts, outside of which the curves are equal: pointwise by percentiles, and for all thresholds together by the
    largest studentised deviation.

    Parameters
    ----------
    losses, first, second : array_like
        Losses and the two forecasts.
    level, measure
        As in `murphy`.
    coverage : float
        Of the bands.
    names : tuple of str
        What the text calls the two.
    block, rng, n_simulations
        As in `model_confidence_set`.
    nan : {"drop", "raise"}
        What a missing day means.

    Returns
    -------
    MurphyDifference
        An empty table and the verdict "equal" for forecasts that are equal on all days, or without a day.

    Raises
    ------
    ConfigError, DataError
        For a level, a choice or a shape that cannot be used.

    References
    ----------
    Ehm, Gneiting, Jordan and Krueger (2016), JRSS B 78(3), 505-562, doi:10.1111/rssb.12154.
    Politis and Romano (1994), Journal of the American Statistical Association 89(428), 1303-1313.

    Examples
    --------
    >>> difference = murphy_difference([3.0, 0.0] * 50, 2.0, 2.5, 0.75, n_simulations=99)
    >>> difference.share_second, difference.text.split(";")[0]
    (1.0, 'second is at least as good as first under every consistent score')
    """
    require(0.0 < coverage < 1.0, f"coverage must lie in (0, 1), got {coverage!r}; typical values: 0.90, 0.95")
    x = np.asarray(losses, dtype=np.float64)
    require(x.ndim == 1, f"losses must be one-dimensional, got shape {x.shape}", DataError)
    sides = []
    for name, value in (("first", first), ("second", second)):
        side = np.asarray(value, dtype=np.float64)
        ok = side.ndim == 0 or side.shape == x.shape
        require(ok, f"{name} must have the shape of losses, got {side.shape} and {x.shape}", DataError)
        sides.append(np.broadcast_to(side, x.shape))
    _, x, pair, missing = _panel(x, np.stack(sides, axis=1), level, measure, nan)
    require(n_simulations >= 1, DRAWN.format(n_simulations))
    used, seed = block_length(block, len(x)), seed_of(rng)
    verdict, shares = _dominance(x, pair, float(level), measure)
    table = _bands(x, pair, float(level), measure, coverage, used, seed, n_simulations)
    shown = _beyond_chance(table)
    text = _in_words(verdict, shown, shares, names)
    counts = (len(x), missing, used, seed, n_simulations)
    return MurphyDifference(table, verdict, shown, text, *shares, *counts, coverage=coverage, names=names)


def _dominance(x: FloatArray, pair: FloatArray, level: float, measure: str) -> tuple[str, tuple[float, float]]:
    """Who dominates, and the shares of the thresholds' range on which each curve is the lower one."""
    if x.size == 0:
        return "equal", (0.0, 0.0)
    grid = np.unique(np.concatenate([x, pair.ravel()]))
    first, second = (_curve(x, pair[:, i], level, measure, grid) for i in (0, 1))
    difference = first - second
    difference[np.abs(difference) <= NOTHING * float(np.max(np.maximum(first, second)))] = 0.0
    better, worse = bool((difference < 0).any()), bool((difference > 0).any())
    # on each cell the difference is a straight line from the value at its start to the left limit at its end
    start, stop, width = difference[:-1, 1], difference[1:, 0], np.diff(grid)
    turn = np.abs(start) + np.abs(stop)
    below = np.divide(np.maximum(-start, 0) + np.maximum(-stop, 0), turn, out=np.zeros(turn.size), where=turn > 0)
    total = float(np.sum(width[turn > 0]))
    share = float(np.sum(below * width)) / total if total > 0 else 0.0
    verdict = {(True, False): "first", (False, True): "second", (True, True): "neither"}.get((better, worse), "equal")
    return verdict, (share, 1.0 - share if total > 0 else 0.0)


def _bands(
    x: FloatArray, pair: FloatArray, level: float, measure: str, coverage: float, block: int, seed: int, n_draws: int
) -> pd.DataFrame:
    columns = ("theta", "difference", "low", "high", "low_all", "high_all")
    apart = pair[:, 0] != pair[:, 1]
    if not apart.any():
        return pd.DataFrame(columns=list(columns), dtype=np.float64)
    theta = np.unique(np.quantile(pair[apart], np.linspace(0.0, 1.0, POINTS)))
    run = elementary_quantile_score if measure == "var" else elementary_expectile_score
    scores = (run(x[apart], pair[apart, i], level, theta) for i in (0, 1))
    daily = np.zeros((x.size, theta.size))
    daily[apart] = np.subtract(*scores).T
    enough = np.count_nonzero(daily, axis=0) >= FEWEST_DAYS
    mean = daily.mean(axis=0)
    table = pd.DataFrame(dict.fromkeys(columns, np.full(theta.size, np.nan)) | {"theta": theta, "difference": mean})
    if not enough.any():
        return table
    drawn = bootstrap_means(daily[:, enough], block, seed, n_draws)[1]
    spread = np.sqrt(np.mean(drawn**2, axis=0))
    side = (1.0 - coverage) / 2.0
    low, high = np.quantile(drawn, [side, 1.0 - side], axis=0)
    ratio = np.divide(np.abs(drawn), spread, out=np.zeros_like(drawn), where=spread > 0)
    reach = float(np.quantile(ratio.max(axis=1), coverage)) * spread
    bands = (mean[enough] + low, mean[enough] + high, mean[enough] - reach, mean[enough] + reach)
    for name, band in zip(columns[2:], bands, strict=True):
        table.loc[enough, name] = band
    return table


def _beyond_chance(table: pd.DataFrame) -> str:
    first, second = bool((table["high_all"] < 0).any()), bool((table["low_all"] > 0).any())
    return {(True, False): "first", (False, True): "second", (True, True): "both"}.get((first, second), "nothing")


def _in_words(verdict: str, shown: str, shares: tuple[float, float], names: tuple[str, str]) -> str:
    a, b = names
    heads = {
        "equal": f"{a} and {b} have the same curve: no consistent score tells them apart",
        "first": f"{a} is at least as good as {b} under every consistent score",
        "second": f"{b} is at least as good as {a} under every consistent score",
        "neither": f"which is better depends on the score: {a} at {shares[0]:.0%} and {b} at {shares[1]:.0%} "
        "of the thresholds",
    }
    tails = {
        "first": f"beyond chance {a} is better somewhere and worse nowhere",
        "second": f"beyond chance {b} is better somewhere and worse nowhere",
        "both": "beyond chance each is better somewhere",
        "nothing": "no threshold shows a difference beyond chance",
    }
    return heads[verdict] if verdict == "equal" else f"{heads[verdict]}; {tails[shown]}"
