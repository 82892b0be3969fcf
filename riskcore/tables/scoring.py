"""Mean scores of a whole table of forecasts, one row per asset, model, target and score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from riskcore._types import FloatArray, Status, Target
from riskcore.forecasts import Forecasts
from riskcore.scores import SCORES, Score, expectile_score

SCORE_COLUMNS = ("asset", "model", "measure", "level", "score", "mean", "n_obs", "share_not_ok", "note")
DENSITY = "density"
MOVING = "expectile_moving"
"""Score of a VaR that is forecast as the expectile at a level that moves, at the day's level."""
NOT_ACROSS = "not comparable across models"
"""What the column `note` says of the scores of `MOVING`."""


def column(rows: pd.DataFrame, label: str) -> FloatArray:
    """Values of a column, NaN where the table has none."""
    if label not in rows.columns:
        return np.full(len(rows), np.nan)
    return rows[label].to_numpy(dtype=np.float64)


def pointwise_score(rows: pd.DataFrame, target: Target, score: Score | None = None) -> FloatArray:
    """Scores per row for a target; NaN where a loss or forecast is missing, or where an ES is not positive.

    Without `score` the first entry of `SCORES` for the target's measure: quantile, fz0 (with the VaR) or expectile.
    """
    score = score or next(s for s in SCORES.values() if s.measure == target.measure)
    labels = [Target(need, target.level).label for need in score.needs]  # type: ignore[arg-type]  # measures
    columns = [column(rows, label) for label in ("loss", *labels)]
    ok = np.isfinite(np.column_stack(columns)).all(axis=1)
    if "es" in score.needs:
        ok &= columns[1 + score.needs.index("es")] > 0
    out = np.full(len(rows), np.nan)
    if ok.any():
        out[ok] = score.run(*(c[ok] for c in columns), target.level)
    return out


def moving_score(forecasts: Forecasts, rows: pd.DataFrame) -> FloatArray | None:
    """Asymmetric squared error at the day's own level, NaN where something is missing; None for a model without one."""
    moving = forecasts.moving(rows)
    if moving is None:
        return None
    target, levels = moving
    out, columns = (
        np.full(len(rows), np.nan),
        np.column_stack([column(rows, "loss"), column(rows, target.label), levels]),
    )
    ok = np.isfinite(columns).all(axis=1)
    out[ok] = expectile_score(*columns[ok].T)
    return out


def density_score(forecasts: Forecasts, rows: pd.DataFrame, name: str) -> FloatArray:
    """Scores of the day's law: the column of the table, or from the law's quantiles; NaN where there is no law."""
    score = SCORES[name]
    if score.needs != ("tail",):
        return column(rows, name)
    tail = forecasts.tail(rows)
    return np.full(len(rows), np.nan) if tail is None else score.run(column(rows, "loss"), *tail)


def score_table(forecasts: Forecasts) -> pd.DataFrame:
    """Mean scores per asset, model and target; lower is better.

    A VaR is judged by the quantile score, ES with its VaR by FZ0, an expectile by the asymmetric squared error, and
    where there is a law the density by log score, CRPS and CRPS weighted toward the upper tail (measure "density",
    level NaN). A VaR that a model forecasts as the expectile at a level that moves is judged as a VaR, and by the
    asymmetric squared error at the day's own level too (measure "expectile", level NaN, score "expectile_moving"): such
    scores are not comparable across models.

    Parameters
    ----------
    forecasts : Forecasts
        The table; the row of the next day is left out.

    Returns
    -------
    DataFrame
        Columns asset, model, measure, level, score, mean, n_obs, share_not_ok, note. `n_obs` counts the days used;
        `mean` is NaN with n_obs 0 where nothing is offered. `share_not_ok` is the share of the model's days that are
        implausible or worse. `note` is "not comparable across models" for the score "expectile_moving", else empty.

    References
    ----------
    Gneiting (2011), Journal of the American Statistical Association 106(494), 746-762,
    doi:10.1198/jasa.2011.r10138.

    Examples
    --------
    >>> from riskcore import Forecasts, Target
    >>> days = pd.date_range("2024-01-02", periods=2, name="date")
    >>> index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    >>> frame = pd.DataFrame({"origin": days - pd.Timedelta(days=1), "loss": [0.0, 3.0], "status": "ok"}, index)
    >>> table = score_table(Forecasts(frame.assign(**{"var_0.75": 1.0}), [Target("var", 0.75)]))
    >>> table[["score", "mean", "n_obs"]].iloc[:1].values.tolist()
    [['quantile', 0.875, 2]]
    """
    records: list[dict[str, Any]] = []
    for asset, model in forecasts.units:
        rows = forecasts.judged(asset, model)
        codes = rows["status"].cat.codes.to_numpy()
        share = float(np.mean(codes >= Status.implausible)) if codes.size else np.nan
        values: list[tuple[str, float, str, FloatArray]] = [
            (t.measure, t.level, name, pointwise_score(rows, t, score))
            for t in forecasts.targets
            for name, score in SCORES.items()
            if score.measure == t.measure
        ]
        density = [name for name, score in SCORES.items() if score.measure == DENSITY]
        values += [(DENSITY, np.nan, name, density_score(forecasts, rows, name)) for name in density]
        moving = moving_score(forecasts, rows)
        if moving is not None:
            values.append(("expectile", np.nan, MOVING, moving))
        for measure, level, score, points in values:
            used = points[np.isfinite(points)]
            mean = float(used.mean()) if used.size else np.nan
            note = NOT_ACROSS if score == MOVING else ""
            cells = (asset, model, measure, level, score, mean, used.size, share, note)
            records.append(dict(zip(SCORE_COLUMNS, cells, strict=True)))
    return pd.DataFrame(records, columns=list(SCORE_COLUMNS))
