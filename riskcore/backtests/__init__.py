"""Statistical tests of forecasts: each returns facts, the reader brings the size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from riskcore.backtests.attribution import PnlAttribution, pnl_attribution
from riskcore.backtests.base import BacktestResult
from riskcore.backtests.calibration import es_calibration
from riskcore.backtests.coverage import binomial, christoffersen_coverage, christoffersen_independence, kupiec, tuff
from riskcore.backtests.density import PitBand, pit_band, pit_uniformity
from riskcore.backtests.duration import gmm_duration, tbf, tbfi, weibull_duration
from riskcore.backtests.es_regression import esr
from riskcore.backtests.evalues import EProcess, e_es, e_expectile, e_process, e_var
from riskcore.backtests.expectile import expectile_calibration
from riskcore.backtests.expectile_conditional import expectile_conditional_calibration
from riskcore.backtests.expectile_zones import expectile_zone
from riskcore.backtests.geometric import geometric_var
from riskcore.backtests.hit_panel import coverage_panel
from riskcore.backtests.in_sample import dynamic_quantile_in_sample
from riskcore.backtests.many import panel, rolling_backtest
from riskcore.backtests.normal_quantiles import berkowitz, berkowitz_tail
from riskcore.backtests.pit_tail import costanzino_curran, du_escanciano, du_escanciano_conditional
from riskcore.backtests.realised_es import acerbi_szekely_z3
from riskcore.backtests.realized import expectile_realized_score
from riskcore.backtests.regression import dynamic_quantile, var_quantile_regression
from riskcore.backtests.regulatory import traffic_light
from riskcore.backtests.residuals import exceedance_residuals
from riskcore.backtests.several_levels import multilevel, multinomial
from riskcore.backtests.shortfall import acerbi_szekely_z1, acerbi_szekely_z2, minimally_biased
from riskcore.backtests.supervision import (
    BankMultiplier,
    DeskEligibility,
    ExceptionCount,
    bank_multiplier,
    desk_eligibility,
    exceptions_log,
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
    asymptotic : bool
        Whether it has an asymptotic p-value, by request.
    """

    run: Callable[..., BacktestResult]
    needs: tuple[Need, ...]
    measure: str
    uses: tuple[Need, ...] = ()
    primary: bool = False
    asymptotic: bool = True


BACKTESTS: Mapping[str, Backtest] = MappingProxyType(
    {
        "traffic_light": Backtest(traffic_light, ("var",), "var"),
        "binomial": Backtest(binomial, ("var",), "var"),
        "kupiec": Backtest(kupiec, ("var",), "var"),
        "tuff": Backtest(tuff, ("var",), "var"),
        "christoffersen_independence": Backtest(christoffersen_independence, ("var",), "var"),
        "christoffersen_coverage": Backtest(christoffersen_coverage, ("var",), "var", primary=True),
        "tbfi": Backtest(tbfi, ("var",), "var"),
        "tbf": Backtest(tbf, ("var",), "var"),
        "weibull_duration": Backtest(weibull_duration, ("var",), "var"),
        "gmm_duration": Backtest(gmm_duration, ("var",), "var"),
        "geometric_var": Backtest(geometric_var, ("var",), "var"),
        "dynamic_quantile": Backtest(dynamic_quantile, ("var",), "var"),
        "var_quantile_regression": Backtest(var_quantile_regression, ("var",), "var", ("tail",)),
        "acerbi_szekely_z1": Backtest(acerbi_szekely_z1, ("var", "es"), "es", ("tail",), asymptotic=False),
        "acerbi_szekely_z2": Backtest(
            acerbi_szekely_z2, ("var", "es"), "es", ("tail",), primary=True, asymptotic=False
        ),
        "acerbi_szekely_z3": Backtest(acerbi_szekely_z3, ("pit",), "es", ("tail",), asymptotic=False),
        "minimally_biased": Backtest(minimally_biased, ("var", "es"), "es", ("tail",), asymptotic=False),
        "exceedance_residuals": Backtest(exceedance_residuals, ("var", "es"), "es", ("volatility", "tail")),
        "du_escanciano": Backtest(du_escanciano, ("pit",), "es"),
        "du_escanciano_conditional": Backtest(du_escanciano_conditional, ("pit",), "es"),
        "costanzino_curran": Backtest(costanzino_curran, ("pit",), "es"),
        "berkowitz_tail": Backtest(berkowitz_tail, ("pit",), "es"),
        "multinomial": Backtest(multinomial, ("pit",), "es"),
        "esr": Backtest(esr, ("var", "es"), "es", ("tail",)),
        "es_calibration": Backtest(es_calibration, ("var", "es"), "es", ("volatility", "tail")),
        "expectile_calibration": Backtest(
            expectile_calibration, ("expectile",), "expectile", ("volatility", "tail"), primary=True
        ),
        "expectile_conditional_calibration": Backtest(
            expectile_conditional_calibration, ("expectile",), "expectile", ("volatility", "tail")
        ),
        "expectile_realized_score": Backtest(
            expectile_realized_score, ("expectile",), "expectile", ("volatility", "tail")
        ),
        "pit_uniformity": Backtest(pit_uniformity, ("pit",), "density"),
        "berkowitz": Backtest(berkowitz, ("pit",), "density", primary=True),
        "e_var": Backtest(e_var, ("var",), "var", asymptotic=False),
        "e_es": Backtest(e_es, ("var", "es"), "es", asymptotic=False),
        "e_expectile": Backtest(e_expectile, ("expectile",), "expectile", asymptotic=False),
    }
)

__all__ = [
    "BACKTESTS",
    "Backtest",
    "BacktestResult",
    "BankMultiplier",
    "DeskEligibility",
    "EProcess",
    "ExceptionCount",
    "Need",
    "PitBand",
    "PnlAttribution",
    "bank_multiplier",
    "coverage_panel",
    "desk_eligibility",
    "dynamic_quantile_in_sample",
    "e_process",
    "exceptions_log",
    "expectile_zone",
    "multilevel",
    "panel",
    "pit_band",
    "pnl_attribution",
    "rolling_backtest",
    *BACKTESTS,
]
