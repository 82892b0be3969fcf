"""What a table of losses looks like, asset by asset: size, span, moments and the worst day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from riskcore._types import FloatArray
from riskcore.errors import DataError, require

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "n_obs", "first", "last", "missing", "mean", "volatility", "worst", "worst_date", "skewness", "excess_kurtosis",
)  # fmt: skip


def loss_table(losses: pd.DataFrame) -> pd.DataFrame:
    r"""Sample size, span, moments and worst day of every column of losses.

    .. math:: s^2 = \frac{1}{n-1} \sum_t (L_t - \bar L)^2, \qquad
        g_1 = \frac{m_3}{m_2^{3/2}}, \qquad g_2 = \frac{m_4}{m_2^2} - 3

    with the central sample moments :math:`m_k = n^{-1} \sum_t (L_t - \bar L)^k`.

    Parameters
    ----------
    losses : DataFrame
        DatetimeIndex x assets, as of `riskcore.to_losses`.

    Returns
    -------
    DataFrame
        One row per asset: ``n_obs`` losses from ``first`` to ``last``; ``missing``, the share of the table's rows
        between the two on which the asset has no loss; ``mean`` and ``volatility`` (s) of one row, not annualised;
        ``worst``, the largest loss, and ``worst_date``, its first day; ``skewness`` (positive: the tail lies on the
        side of losses) and ``excess_kurtosis``. What too few or constant losses leave undefined is NaN or NaT.

    Raises
    ------
    DataError
        If `losses` is no DataFrame with a DatetimeIndex.

    References
    ----------
    Joanes, Gill (1998), The Statistician 47(1), doi:10.1111/1467-9884.00122: g_1 and g_2 as they are here.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> table = loss_table(pd.DataFrame({"A": [0.01, -0.01, np.nan, 0.03]}, index=days))
    >>> table.loc["A", ["n_obs", "missing", "mean", "worst"]].tolist()
    [3.0, 0.25, 0.01, 0.03]
    """
    import pandas as pd

    sound = isinstance(losses, pd.DataFrame) and isinstance(losses.index, pd.DatetimeIndex)
    require(sound, f"losses must be a DataFrame with a DatetimeIndex, got {type(losses).__name__}", DataError)
    index = pd.DatetimeIndex(losses.index)
    rows = [_row(losses.iloc[:, j].to_numpy(dtype=np.float64), index) for j in range(losses.shape[1])]
    return pd.DataFrame(rows, index=pd.Index([str(name) for name in losses.columns], name="asset"), columns=COLUMNS)


def _row(column: FloatArray, days: pd.DatetimeIndex) -> dict[str, object]:
    import pandas as pd

    where = np.flatnonzero(~np.isnan(column))
    own = column[where]
    row: dict[str, object] = dict.fromkeys(COLUMNS, np.nan)
    row |= {"n_obs": own.size, "first": pd.NaT, "last": pd.NaT, "worst_date": pd.NaT}
    if own.size == 0:
        return row
    worst = int(own.argmax())
    row |= {"first": days[where[0]], "last": days[where[-1]], "worst": own[worst], "worst_date": days[where[worst]]}
    row |= {"missing": 1.0 - own.size / (where[-1] - where[0] + 1), "mean": float(own.mean())}
    shocks = own - own.mean()
    size = float(np.abs(shocks).max()) or 1.0
    shocks /= size  # the powers of very small or large losses leave the range of numbers
    if own.size > 1:
        row["volatility"] = size * float(np.sqrt(np.sum(shocks**2) / (own.size - 1)))
    if float(np.ptp(own)) > 0.0:
        variance = float(np.mean(shocks**2))
        row["skewness"] = float(np.mean(shocks**3)) / variance**1.5
        row["excess_kurtosis"] = float(np.mean(shocks**4)) / variance**2 - 3.0
    return row
