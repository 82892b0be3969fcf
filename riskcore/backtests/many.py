"""Any test on many series at once, or on a window that moves through one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from riskcore._types import FloatArray
from riskcore.backtests.base import NONE, BacktestResult, Seed, Tail, seed_of
from riskcore.backtests.nulls import AUTO
from riskcore.errors import DataError, require

PANEL_COLUMNS = ("series", "test", "statistic", "p_value", "p_method", "n_obs", "hits", "expected_hits", "reason")
ROLLING_COLUMNS = ("statistic", "p_value", "p_method", "n_obs", "hits", "reason")


def panel(
    losses: Any,
    level: float | None = None,
    *,
    tests: Sequence[str] | None = None,
    p_value: str = AUTO,
    nan: str = "drop",
    rng: Seed = None,
    n_simulations: int | None = None,
    **forecasts: Any,
) -> pd.DataFrame:
    """Every test that the given columns allow, on every column of losses.

    `coverage_panel` does four tests of hits for thousands of series in one pass.

    Parameters
    ----------
    losses : DataFrame or array (n, k)
        Losses, one series a column; a column alone serves all series, as where several models forecast one asset.
    level : float, optional
        In (0.5, 1); without it only tests of the whole law are made.
    tests : sequence of str, optional
        Names in `BACKTESTS`; without it all whose needs are given.
    p_value : str
        Asked of each test that lets one choose.
    nan : {"drop", "raise"}
        What a missing value means; `traffic_light` counts a missing day as a hit whatever is said here.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``; every test draws from the same seed.
    n_simulations : int, optional
        Simulated paths where a null is simulated; without it the test's own default.
    **forecasts : DataFrame, array (n, k) or (n,)
        By name: var, es, expectile, volatility, pit.

    Returns
    -------
    DataFrame
        Columns series, test, statistic, p_value, p_method, n_obs, hits, expected_hits, reason, one row per series and
        test. NaN with a reason where a test cannot be computed.

    Raises
    ------
    ConfigError, DataError
        For an unknown name, or a shape or level that cannot be used.

    References
    ----------
    As each test.

    Examples
    --------
    >>> losses = np.zeros((500, 2))
    >>> losses[:10, 0] = 1.0
    >>> table = panel(losses, 0.99, tests=["kupiec"], p_value="asymptotic", var=0.5)
    >>> table[["series", "hits", "statistic"]].round(3).values.tolist()
    [[0.0, 10.0, 3.914], [1.0, 0.0, 10.05]]
    """
    known = ("var", "es", "expectile", "volatility", "pit")
    for name in forecasts:
        require(name in known, f"forecasts must be named {', '.join(known)}, got {name!r}")
    series, columns = _columns({"losses": losses, **forecasts})
    chosen = _chosen(tests, set(columns), level)
    seed = seed_of(rng)
    records = []
    for i, label in enumerate(series):
        for name in chosen:
            options = {"nan": nan, "p_value": p_value, "rng": seed, "n_simulations": n_simulations}
            result = _run(name, {k: x[:, i] for k, x in columns.items()}, level, options)
            records.append({"series": label, "test": name, **_facts(result)})
    return pd.DataFrame(records, columns=list(PANEL_COLUMNS))


def rolling_backtest(
    name: str,
    losses: Any,
    level: float | None = None,
    *,
    window: int = 250,
    step: int = 1,
    p_value: str = AUTO,
    tail: Tail | None = None,
    rng: Seed = None,
    n_simulations: int | None = None,
    **forecasts: Any,
) -> pd.DataFrame:
    """One test on each window of days: how the verdict moves through the sample.

    Windows overlap, so their p-values are no independent findings; nulls that depend on the number of days and the
    level alone are drawn once for all windows.

    Parameters
    ----------
    name : str
        A name in `BACKTESTS`.
    losses : Series or array (n,)
        Losses in order of time.
    level : float, optional
        In (0.5, 1); none for tests of the whole law.
    window, step : int
        Days of a window, at least 2, and days from one window to the next, at least 1.
    p_value : str
        Asked of the test, if it lets one choose.
    tail : (levels, quantiles), optional
        Levels (Q,) and quantiles (n, Q) of each day's own law, for tests that use it.
    rng : numpy.random.Generator or int, optional
        None means ``default_rng(0)``.
    n_simulations : int, optional
        Simulated paths where a null is simulated; without it the test's own default.
    **forecasts : Series or array (n,)
        By name: var, es, expectile, volatility, pit.

    Returns
    -------
    DataFrame
        Columns statistic, p_value, p_method, n_obs, hits, reason; one row per window, at its last day (the index of
        the losses, or the day's number). No row where there are fewer days than `window`. NaN with a reason where the
        test cannot be computed; missing days are left out of their windows, but `traffic_light` counts them as hits.

    Raises
    ------
    ConfigError, DataError
        For an unknown name, a missing column, or a shape, level or window that cannot be used.

    References
    ----------
    As the test.

    Examples
    --------
    >>> losses = np.zeros(500)
    >>> losses[490:] = 1.0
    >>> rolling_backtest("kupiec", losses, 0.99, step=125, p_value="asymptotic", var=0.5)["hits"].tolist()
    [0, 0, 10]
    """
    from riskcore.backtests import BACKTESTS

    require(isinstance(window, int) and window >= 2, f"window must be a whole number of at least 2, got {window!r}")
    require(isinstance(step, int) and step >= 1, f"step must be a whole number of at least 1, got {step!r}")
    index = losses.index if isinstance(losses, pd.Series) else None
    _, columns = _columns({"losses": losses, **forecasts})
    _chosen([name], set(columns), level)
    n = columns["losses"].shape[0]
    columns = {k: np.ascontiguousarray(x[:, 0]) for k, x in columns.items()}
    seed, uses_tail = seed_of(rng), "tail" in BACKTESTS[name].uses
    ends = range(window, n + 1, step) if step == 1 else range(window + (n - window) % step, n + 1, step)
    records = []
    for end in ends:
        days = slice(end - window, end)
        options: dict[str, Any] = {"p_value": p_value, "rng": seed, "n_simulations": n_simulations}
        if uses_tail and tail is not None:
            options["tail"] = (tail[0], np.asarray(tail[1])[days])
        result = _run(name, {k: x[days] for k, x in columns.items()}, level, options)
        facts = _facts(result)
        records.append({key: facts[key] for key in ROLLING_COLUMNS})
    last = [end - 1 for end in ends]
    return pd.DataFrame(records, pd.Index(last) if index is None else index[last], columns=list(ROLLING_COLUMNS))


def _columns(given: Mapping[str, Any]) -> tuple[list[Any], dict[str, FloatArray]]:
    """Names of the series and columns (n, k) of one shape."""
    arrays = {name: np.asarray(x, dtype=np.float64) for name, x in given.items()}
    for name, x in arrays.items():
        require(x.ndim <= 2, f"{name} must have one or two dimensions, got shape {x.shape}", DataError)
    require(arrays["losses"].ndim >= 1, "losses must have one or two dimensions, got a number", DataError)
    arrays = {name: x[:, None] if x.ndim == 1 else x for name, x in arrays.items()}
    n = arrays["losses"].shape[0]
    k = max(x.shape[1] for x in arrays.values() if x.ndim == 2)
    for name, x in arrays.items():
        ok = x.ndim == 0 or (x.shape[0] == n and x.shape[1] in (1, k))
        require(ok, f"{name} must have {n} rows and 1 or {k} columns, got shape {x.shape}", DataError)
    labels = [x.columns for x in given.values() if isinstance(x, pd.DataFrame) and x.shape[1] == k]
    same = all(x.equals(labels[0]) for x in labels[1:])
    require(same, "all frames must have the same columns in the same order", DataError)
    names = list(labels[0]) if labels else list(range(k))
    return names, {name: np.broadcast_to(x, (n, k)) for name, x in arrays.items()}


def _chosen(tests: Sequence[str] | None, given: set[str], level: float | None) -> list[str]:
    from riskcore.backtests import BACKTESTS

    if tests is None:
        return [
            name
            for name, test in BACKTESTS.items()
            if set(test.needs) <= given and (level is not None or test.measure == "density")
        ]
    for name in tests:
        require(name in BACKTESTS, f"tests must be names of BACKTESTS, got {name!r}; see `riskcore backtests`")
        missing = [need for need in BACKTESTS[name].needs if need not in given]
        require(
            not missing, f"{name} needs {', '.join(missing)}, got {', '.join(sorted(given - {'losses'})) or 'none'}"
        )
        ok = level is not None or BACKTESTS[name].measure == "density"
        require(ok, f"level must be given for {name}, got none; typical values: 0.975, 0.99")
    return list(tests)


def _run(
    name: str, columns: Mapping[str, FloatArray], level: float | None, options: Mapping[str, Any]
) -> BacktestResult:
    """The test on columns (n,), with those of the options that it knows."""
    from riskcore.backtests import BACKTESTS

    test = BACKTESTS[name]
    first = () if "pit" in test.needs else (columns["losses"],)
    levels = () if test.measure == "density" else (level,)
    known = test.run.__kwdefaults__ or {}
    own = {"p_value": AUTO, "n_simulations": None}  # what leaves a test its own default
    keywords = {key: x for key, x in options.items() if key in known and not (key in own and x == own[key])}
    if name == "traffic_light":
        keywords.pop("nan", None)
    if "volatility" in test.uses and "volatility" in columns:
        keywords["volatility"] = columns["volatility"]
    return test.run(*first, *(columns[need] for need in test.needs), *levels, **keywords)


def _facts(result: BacktestResult) -> dict[str, Any]:
    return {
        "statistic": result.statistic,
        "p_value": result.p_value,
        "p_method": result.p_method or NONE,
        "n_obs": result.n_obs,
        "hits": result.details.get("hits", pd.NA),
        "expected_hits": result.details.get("expected_hits", np.nan),
        "reason": result.reason,
    }
