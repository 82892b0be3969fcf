"""A run on disk: a folder of immutable files, one for each asset and model, and a manifest."""

from riskcore.runs.plan import RunInterrupted
from riskcore.runs.run import Run, open_run, rebuild_run, run_backtest, verify_run

__all__ = ["Run", "RunInterrupted", "open_run", "rebuild_run", "run_backtest", "verify_run"]
