"""Tables on a whole table of forecasts: scores, tests, and what was observed."""

from riskcore.tables.judging import ADJUSTMENTS, BACKTEST_COLUMNS, backtest_table, benjamini_yekutieli, holm
from riskcore.tables.scoring import SCORE_COLUMNS, pointwise_score, score_table
from riskcore.tables.summary import SUMMARY_COLUMNS, summary_table

__all__ = [
    "ADJUSTMENTS",
    "BACKTEST_COLUMNS",
    "SCORE_COLUMNS",
    "SUMMARY_COLUMNS",
    "backtest_table",
    "benjamini_yekutieli",
    "holm",
    "pointwise_score",
    "score_table",
    "summary_table",
]
