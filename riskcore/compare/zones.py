"""Three zones: an internal model against the standard one, as a supervisor would compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from riskcore._types import FloatArray, Target
from riskcore.compare.pairs import diebold_mariano, score_panel
from riskcore.errors import DataError, require
from riskcore.forecasts import Forecasts

SIZES = (0.01, 0.05, 0.10)
COLUMNS = ("standard", "internal", "statistic", "p_internal_worse", "p_internal_better", "n_obs", "reason")


@dataclass(frozen=True)
class ThreeZones:
    """Comparisons of every pair of models; the reader brings the size.

    Parameters
    ----------
    table : DataFrame
        One row an ordered pair of models: standard, internal, statistic (negative: the internal model scores lower),
        p_internal_worse (small where the data speak against "the internal model is worse": green),
        p_internal_better (small where they speak against "the internal model is better": red), n_obs, reason.
    models : tuple
        In the order of the columns of scores.
    kernel : str
        Weights of the autocovariances.

    Examples
    --------
    >>> score = np.random.default_rng(1).random((500, 2)) + [0.0, 0.2]
    >>> three_zone(score).matrix(0.05).values.tolist()
    [['', 'red'], ['green', '']]
    """

    table: pd.DataFrame
    models: tuple[Any, ...]
    kernel: str

    def matrix(self, size: float = 0.05) -> pd.DataFrame:
        """Zones at a size, standard models in rows and internal ones in columns; empty where there is no test.

        Green: the internal model is better beyond chance; red: the standard one is; yellow: neither is.
        """
        require(0.0 < size < 0.5, f"size must lie in (0, 0.5), got {size!r}; typical values: 0.01, 0.05, 0.10")
        green, red = self.table["p_internal_worse"] <= size, self.table["p_internal_better"] <= size
        known = self.table["statistic"].notna()
        zones = np.select([~known, green, red], ["", "green", "red"], "yellow")
        matrix = pd.DataFrame("", index=list(self.models), columns=list(self.models), dtype=object)
        for standard, internal, zone in zip(self.table["standard"], self.table["internal"], zones, strict=True):
            matrix.loc[standard, internal] = str(zone)
        return matrix

    def zones(self, sizes: Sequence[float] = SIZES) -> pd.DataFrame:
        """The table with a column of zones for each size, ``zone_0.05``."""
        pairs = [(s, i) for s, i in self.table[["standard", "internal"]].itertuples(index=False)]
        matrices = {f"zone_{size!r}": self.matrix(size) for size in sizes}
        return self.table.assign(**{name: [m.loc[s, i] for s, i in pairs] for name, m in matrices.items()})


def three_zone(
    scores: Any, target: Target | str | None = None, asset: str | None = None, *, kernel: str = "parzen", **options: Any
) -> ThreeZones:
    r"""Put every internal model into a zone against every standard model.

    .. math:: d_t = S^{int}_t - S^{std}_t, \quad T = \sqrt n\, \bar d / s, \quad
              p_+ = \Phi(T), \quad p_- = 1 - \Phi(T)

    :math:`p_+` tests "the internal model is worse": at or below the size the zone is green. :math:`p_-` tests "it is
    better": at or below the size the zone is red. Between them it is yellow.

    Parameters
    ----------
    scores : Forecasts, DataFrame or array (n, k)
        A table of forecasts, or scores per day with one column a model, lower is better.
    target : Target or str, optional
        Of a table of forecasts: a VaR is compared by the quantile score, ES with its VaR by FZ0, an expectile by the
        asymmetric squared error.
    asset : str, optional
        Of a table of forecasts; None means the first.
    kernel : {"parzen", "bartlett"}
        Weights of the autocovariances.
    **options
        Further keywords of `diebold_mariano`; by default ``ceil(2 sqrt(n))`` lags.

    Returns
    -------
    ThreeZones
        Models are compared on the days both have. Equal scores on all days: yellow, with the reason; no zone below 5
        days or where the differences do not vary.

    Raises
    ------
    ConfigError, DataError
        For a choice, a shape, an asset or a target that cannot be used.

    References
    ----------
    Nolde and Ziegel (2017), Annals of Applied Statistics 11(4), 1833-1874, doi:10.1214/17-AOAS1041.
    Fissler, Ziegel and Gneiting (2016), Risk Magazine, January.

    Examples
    --------
    >>> score = np.random.default_rng(1).random((500, 2)) + [0.0, 0.2]
    >>> three_zone(score).zones()["zone_0.01"].tolist()
    ['red', 'green']
    """
    if isinstance(scores, Forecasts):
        require(target is not None, "target must be named for a table of forecasts, got None")
        scores = score_panel(scores, target, asset)  # type: ignore[arg-type]  # not None
    values: FloatArray = np.asarray(scores, dtype=np.float64)
    require(values.ndim == 2, f"scores must have two dimensions, got shape {values.shape}", DataError)
    models = tuple(scores.columns) if isinstance(scores, pd.DataFrame) else tuple(range(values.shape[1]))
    rows: list[tuple[Any, ...]] = []
    for i, standard in enumerate(models):
        for j in range(i + 1, len(models)):
            result = diebold_mariano(values[:, j], values[:, i], kernel=kernel, **options)
            t = result.statistic
            worse = float(result.details.get("p_a_better", ndtr(t)))
            better = float(result.details.get("p_b_better", ndtr(-t)))
            rows.append((standard, models[j], t, worse, better, result.n_obs, result.reason))
            rows.append((models[j], standard, 0.0 - t, better, worse, result.n_obs, result.reason))
    return ThreeZones(pd.DataFrame(rows, columns=list(COLUMNS)), models, kernel)
