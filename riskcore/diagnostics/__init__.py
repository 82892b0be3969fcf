"""How well a model fits one window: parameters, residuals, PIT, news impact, levels."""

from riskcore.diagnostics.bands import ExpectileBand, expectile_band
from riskcore.diagnostics.coherence import incoherent, levels_apart
from riskcore.diagnostics.coverage import coverage_words
from riskcore.diagnostics.dynamics import Dynamics, news_impact
from riskcore.diagnostics.fit import ModelFit, fit_model
from riskcore.diagnostics.levels import level_curve
from riskcore.diagnostics.moving import level_path
from riskcore.diagnostics.regimes import regime_probabilities, regime_table
from riskcore.diagnostics.residuals import pit_values, residual_acf, residual_qq
from riskcore.diagnostics.tables import PARTS, comparison, why_not
from riskcore.diagnostics.thresholds import tail_thresholds
from riskcore.diagnostics.uncertainty import expectile_bands
from riskcore.diagnostics.units import loss_power, unit_words

__all__ = [
    "PARTS",
    "Dynamics",
    "ExpectileBand",
    "ModelFit",
    "comparison",
    "coverage_words",
    "expectile_band",
    "expectile_bands",
    "fit_model",
    "incoherent",
    "level_curve",
    "level_path",
    "levels_apart",
    "loss_power",
    "news_impact",
    "pit_values",
    "regime_probabilities",
    "regime_table",
    "residual_acf",
    "residual_qq",
    "tail_thresholds",
    "unit_words",
    "why_not",
]
