"""How well a model fits one window: parameters, residuals, PIT, news impact, levels."""

from riskcore.diagnostics.bands import ExpectileBand, expectile_band
from riskcore.diagnostics.dynamics import Dynamics, news_impact
from riskcore.diagnostics.fit import ModelFit, fit_model
from riskcore.diagnostics.levels import level_curve
from riskcore.diagnostics.regimes import regime_probabilities, regime_table
from riskcore.diagnostics.residuals import pit_values, residual_acf, residual_qq
from riskcore.diagnostics.tables import PARTS, comparison, why_not
from riskcore.diagnostics.thresholds import tail_thresholds
from riskcore.diagnostics.uncertainty import expectile_bands

__all__ = [
    "PARTS",
    "Dynamics",
    "ExpectileBand",
    "ModelFit",
    "comparison",
    "expectile_band",
    "expectile_bands",
    "fit_model",
    "level_curve",
    "news_impact",
    "pit_values",
    "regime_probabilities",
    "regime_table",
    "residual_acf",
    "residual_qq",
    "tail_thresholds",
    "why_not",
]
