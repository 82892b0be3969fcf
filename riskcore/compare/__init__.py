"""Is one model better than another? Tests on differences of scores."""

from riskcore.compare.many import ModelConfidenceSet, model_confidence_set, superior_predictive_ability
from riskcore.compare.pairs import diebold_mariano, dm_matrix, lag_weights, score_panel

__all__ = [
    "ModelConfidenceSet",
    "diebold_mariano",
    "dm_matrix",
    "lag_weights",
    "model_confidence_set",
    "score_panel",
    "superior_predictive_ability",
]
