"""Is one model better than another? Tests on differences of scores."""

from riskcore.compare.decomposition import Decomposition, decompose, decomposition_table
from riskcore.compare.encompassing import encompassing, encompassing_table, rationality
from riskcore.compare.many import ModelConfidenceSet, model_confidence_set, superior_predictive_ability
from riskcore.compare.murphy import MurphyDifference, murphy, murphy_difference
from riskcore.compare.pairs import diebold_mariano, dm_matrix, forecast_panel, lag_weights, score_panel
from riskcore.compare.stepwise import SuperiorModels, stepwise_superiority
from riskcore.compare.zones import ThreeZones, three_zone

__all__ = [
    "Decomposition",
    "ModelConfidenceSet",
    "MurphyDifference",
    "SuperiorModels",
    "ThreeZones",
    "decompose",
    "decomposition_table",
    "diebold_mariano",
    "dm_matrix",
    "encompassing",
    "encompassing_table",
    "forecast_panel",
    "lag_weights",
    "model_confidence_set",
    "murphy",
    "murphy_difference",
    "rationality",
    "score_panel",
    "stepwise_superiority",
    "superior_predictive_ability",
    "three_zone",
]
