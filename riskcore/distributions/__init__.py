"""Standardised laws of losses: mean 0 and variance 1, or a sample as it is; and how levels of measures match."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from riskcore.distributions.base import Law
from riskcore.distributions.cornish_fisher import CornishFisher
from riskcore.distributions.extreme import TailGPD, threshold_path
from riskcore.distributions.levels import (
    equal_es_level,
    expectile_level,
    implied_var_level,
    matched_expectile_level,
)
from riskcore.distributions.mixture import Mixture
from riskcore.distributions.parametric import GED, Normal, ParametricLaw, StudentT
from riskcore.distributions.residual import ResidualLaw
from riskcore.distributions.rows import LawRows, law_rows, upper_second_moment
from riskcore.distributions.sample import AgeWeighted, Empirical, SampleLaw, SampleSettings, VolatilityWeighted
from riskcore.distributions.skewt import SkewT

LAWS: Mapping[str, Law] = MappingProxyType(
    {
        "normal": Normal(),
        "t": StudentT(),
        "skewt": SkewT(),
        "ged": GED(),
        "empirical": Empirical(),
        "age-weighted": AgeWeighted(),
        "hull-white": VolatilityWeighted(),
        "cornish-fisher": CornishFisher(),
        "tail-gpd": TailGPD(),
    }
)

__all__ = [
    "GED",
    "LAWS",
    "AgeWeighted",
    "CornishFisher",
    "Empirical",
    "Law",
    "LawRows",
    "Mixture",
    "Normal",
    "ParametricLaw",
    "ResidualLaw",
    "SampleLaw",
    "SampleSettings",
    "SkewT",
    "StudentT",
    "TailGPD",
    "VolatilityWeighted",
    "equal_es_level",
    "expectile_level",
    "implied_var_level",
    "law_rows",
    "matched_expectile_level",
    "threshold_path",
    "upper_second_moment",
]
