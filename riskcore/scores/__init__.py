"""Scores of forecasts, one value for each observation, lower is better; averaging is the caller's.

Each score rewards its own measure: never judge an expectile by the quantile score, nor VaR by the squared one. The
identification functions have mean zero under the truth. A level may be an array, one for each observation. Where an
input is NaN the score is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from riskcore._types import FloatArray, Measure
from riskcore.scores.density import crps_score, log_score
from riskcore.scores.elementary import elementary_expectile_score, elementary_quantile_score
from riskcore.scores.identification import es_identification, expectile_identification, var_identification
from riskcore.scores.pointwise import expectile_score, fz0_score, quantile_score
from riskcore.scores.weighted import quantile_weighted_crps, threshold_weighted_crps

__all__ = [
    "SCORES",
    "Score",
    "crps_score",
    "elementary_expectile_score",
    "elementary_quantile_score",
    "es_identification",
    "expectile_identification",
    "expectile_score",
    "fz0_score",
    "log_score",
    "quantile_score",
    "quantile_weighted_crps",
    "threshold_weighted_crps",
    "var_identification",
]


@dataclass(frozen=True)
class Score:
    """An entry of `SCORES`.

    Attributes
    ----------
    run : callable
        The pointwise function.
    measure : {"var", "es", "expectile", "density"}
        What it judges; ES always beside its VaR.
    needs : tuple of str
        What it reads of a table of forecasts: measures at one level, columns that hold the score already because it
        comes from the day's law, or "tail", the quantiles of that law.
    """

    run: Callable[..., FloatArray]
    measure: Measure | Literal["density"]
    needs: tuple[str, ...]


SCORES: Mapping[str, Score] = MappingProxyType(
    {
        "quantile": Score(quantile_score, measure="var", needs=("var",)),
        "expectile": Score(expectile_score, measure="expectile", needs=("expectile",)),
        "fz0": Score(fz0_score, measure="es", needs=("var", "es")),
        "log_score": Score(log_score, measure="density", needs=("log_score",)),
        "crps": Score(crps_score, measure="density", needs=("crps",)),
        "tail_crps": Score(quantile_weighted_crps, measure="density", needs=("tail",)),
    }
)
