"""Statistical tests of forecasts: each returns facts, the reader brings the size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from riskcore.backtests.base import BacktestResult
from riskcore.backtests.calibration import es_calibration
from riskcore.backtests.coverage import binomial, christoffersen_coverage, christoffersen_independence, kupiec, tuff
from riskcore.backtests.density import costanzino_curran, pit_uniformity
from riskcore.backtests.expectile import expectile_calibration, expectile_conditional_calibration
from riskcore.backtests.panel import coverage_panel
from riskcore.backtests.regression import dynamic_quantile
from riskcore.backtests.regulatory import traffic_light
from riskcore.backtests.shortfall import (
    acerbi_szekely_z1,
    acerbi_szekely_z2,
    exceedance_residuals,
    minimally_biased,
)

Need = Literal["var", "es", "expectile", "pit", "volatility", "tail"]


@dataclass(frozen=True)
class Backtest:
    """An entry of `BACKTESTS`: the function, what it needs, what it can use and the measure it judges.

    Parameters
    ----------
    run : callable
        Called as ``run(losses, *needs, level, **uses)``; tests of densities take ``(pit)`` or ``(pit, level)``.
    needs : tuple of {"var", "es", "expectile", "pit", "volatility", "tail"}
        Columns it cannot do without, in the order of its arguments.
    measure : {"var", "es", "expectile", "density"}
        What is judged; "density" tests have no level.
    uses : tuple
        Columns it takes as keywords where the model has them.
    primary : bool
        The one test of its measure that is named beforehand; all others are diagnostic.
    """

    run: Callable[..., BacktestResult]
    needs: tuple[Need, ...]
    measure: str
    uses: tuple[Need, ...] = ()
    primary: bool = False


BACKTESTS: Mapping[str, Backtest] = MappingProxyType(
    {
        "traffic_light": Backtest(traffic_light, ("var",), "var"),
        "binomial": Backtest(binomial, ("var",), "var"),
        "kupiec": Backtest(kupiec, ("var",), "var"),
        "tuff": Backtest(tuff, ("var",), "var"),
        "christoffersen_independence": Backtest(christoffersen_independence, ("var",), "var"),
        "christoffersen_coverage": Backtest(christoffersen_coverage, ("var",), "var", primary=True),
        "dynamic_quantile": Backtest(dynamic_quantile, ("var",), "var"),
        "acerbi_szekely_z1": Backtest(acerbi_szekely_z1, ("var", "es"), "es", ("tail",)),
        "acerbi_szekely_z2": Backtest(acerbi_szekely_z2, ("var", "es"), "es", ("tail",), primary=True),
        "minimally_biased": Backtest(minimally_biased, ("var", "es"), "es", ("tail",)),
        "exceedance_residuals": Backtest(exceedance_residuals, ("var", "es"), "es", ("volatility",)),
        "costanzino_curran": Backtest(costanzino_curran, ("pit",), "es"),
        "es_calibration": Backtest(es_calibration, ("var", "es"), "es", ("volatility", "tail")),
        "expectile_calibration": Backtest(
            expectile_calibration, ("expectile",), "expectile", ("volatility", "tail"), primary=True
        ),
        "expectile_conditional_calibration": Backtest(
            expectile_conditional_calibration, ("expectile",), "expectile", ("volatility", "tail")
        ),
        "pit_uniformity": Backtest(pit_uniformity, ("pit",), "density"),
    }
)

__all__ = ["BACKTESTS", "Backtest", "BacktestResult", "Need", "coverage_panel", *BACKTESTS]
