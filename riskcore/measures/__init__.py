"""Value at Risk, Expected Shortfall and the expectile of samples of losses, and how precise they are.

`rows` works on sorted rows and checks nothing; `sample` is what users call; `rolling` asks the kernels for many
samples; `precision` has standard errors.
"""

from riskcore.measures.precision import (
    ExpectileDiagnostics,
    Interval,
    expected_shortfall_standard_error,
    expectile_diagnostics,
    expectile_standard_error,
    value_at_risk_interval,
    value_at_risk_standard_error,
)
from riskcore.measures.rolling import rolling_measures
from riskcore.measures.rows import beyond_sample, quantile_rank, sorted_es, sorted_expectile, sorted_var
from riskcore.measures.sample import expected_shortfall, expectile, value_at_risk
from riskcore.measures.table import loss_table

__all__ = [
    "ExpectileDiagnostics",
    "Interval",
    "beyond_sample",
    "expected_shortfall",
    "expected_shortfall_standard_error",
    "expectile",
    "expectile_diagnostics",
    "expectile_standard_error",
    "loss_table",
    "quantile_rank",
    "rolling_measures",
    "sorted_es",
    "sorted_expectile",
    "sorted_var",
    "value_at_risk",
    "value_at_risk_interval",
    "value_at_risk_standard_error",
]
