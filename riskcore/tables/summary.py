"""What was observed beside what was expected: one row per asset, model and VaR."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from riskcore._types import FloatArray, Target
from riskcore.forecasts import Forecasts
from riskcore.measures.rows import tail_probability
from riskcore.tables.scoring import column

SUMMARY_COLUMNS = (
    "asset", "model", "measure", "level", "observed_level", "n_obs", "hits", "expected_hits", "ratio",
    "first_hit", "missing", "mean_excess", "largest_excess", "observed_severity", "expected_severity",
)  # fmt: skip


def summary_table(forecasts: Forecasts) -> pd.DataFrame:
    r"""Hits and their size beside what the forecasts expect, for every VaR and every ES.

    .. math:: \text{severity} = \frac{1}{x} \sum_{L_t > v_t} \frac{L_t}{v_t}
              \quad\text{against}\quad \frac{1}{x} \sum_{L_t > v_t} \frac{e_t}{v_t}

    Parameters
    ----------
    forecasts : Forecasts
        The table; the row of the next day is left out.

    Returns
    -------
    DataFrame
        Columns asset, model, measure, level, observed_level (share of days without a hit), n_obs (days with a loss and
        a forecast), hits, expected_hits, ratio (hits to expected hits), first_hit (the day of the first hit, counted
        from 1; missing without one), missing (days with a loss but no forecast), mean_excess and largest_excess (of
        loss less VaR over the hits), observed_severity and expected_severity. An ES has the hits of the VaR at its
        level and an expected severity; a VaR has NaN there. Sizes are NaN without a hit, and severities where a VaR
        on a day with a hit is not positive.

    References
    ----------
    Acerbi and Szekely (2014), Backtesting expected shortfall, Risk, December 2014.

    Examples
    --------
    >>> days = pd.date_range("2024-01-02", periods=4, name="date")
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": [0.0, 3.0, 1.0, 5.0], "status": "ok",
    ...                       "var_0.75": 2.0}, index)
    >>> table = summary_table(Forecasts(frame, [Target("var", 0.75)]))
    >>> table[["observed_level", "hits", "ratio", "first_hit", "mean_excess", "observed_severity"]].values.tolist()
    [[0.5, 2, 2.0, 2, 2.0, 2.0]]
    """
    records: list[dict[str, Any]] = []
    for asset, model in forecasts.units:
        rows = forecasts.judged(asset, model)
        losses = column(rows, "loss")
        for target in forecasts.targets:
            if target.measure in ("var", "es"):
                var = column(rows, Target("var", target.level).label)
                es = column(rows, target.label) if target.measure == "es" else None
                head = {"asset": asset, "model": model, "measure": target.measure, "level": target.level}
                records.append(head | _observed(losses, var, es, target.level))
    table = pd.DataFrame(records, columns=list(SUMMARY_COLUMNS))
    return table.astype({"n_obs": np.int64, "hits": np.int64, "missing": np.int64, "first_hit": "Int64"})


def _observed(losses: FloatArray, var: FloatArray, es: FloatArray | None, level: float) -> dict[str, Any]:
    known = np.isfinite(losses) & np.isfinite(var) & (True if es is None else np.isfinite(es))
    x, v = losses[known], var[known]
    hits = x > v
    count, n = int(hits.sum()), x.size
    expected = n * tail_probability(level)
    excess, over = (x - v)[hits], bool(count) and bool(np.all(v[hits] > 0))
    return {
        "observed_level": 1.0 - count / n if n else np.nan,
        "n_obs": n,
        "hits": count,
        "expected_hits": expected,
        "ratio": count / expected if n else np.nan,
        "first_hit": int(np.argmax(hits)) + 1 if count else pd.NA,
        "missing": losses.size - n,
        "mean_excess": float(excess.mean()) if count else np.nan,
        "largest_excess": float(excess.max()) if count else np.nan,
        "observed_severity": float((x / v)[hits].mean()) if over else np.nan,
        "expected_severity": float((es[known] / v)[hits].mean()) if over and es is not None else np.nan,
    }
