from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from riskcore import Target
from riskcore.errors import ConfigError, DataError
from riskcore.forecasts import Forecasts
from riskcore.indicators import exception_table, severity

VAR, ES = Target("var", 0.99), Target("es", 0.99)
DAYS = pd.date_range("2024-01-01", periods=7)


def table(loss: list[float], var: float | list[float] = 0.02, **more: object) -> Forecasts:
    index = pd.MultiIndex.from_product([["A"], ["m"], DAYS[: len(loss)]], names=["asset", "model", "date"])
    columns = {
        "origin": DAYS[: len(loss)] - pd.Timedelta(days=1),
        "loss": loss,
        "status": "ok",
        "var_0.99": var,
        **more,
    }
    return Forecasts(pd.DataFrame(columns, index), [VAR, *([ES] if "es_0.99" in more else [])])


def test_exceptions_by_hand() -> None:
    found = exception_table(table([0.03, 0.02, 0.05, -0.5, math.nan], **{"es_0.99": 0.025}), "A", "m", VAR)
    assert found["date"].tolist() == [DAYS[2], DAYS[0]]  # newest first; a loss equal to the VaR is none
    assert found["origin"].tolist() == [DAYS[1], DAYS[0] - pd.Timedelta(days=1)]
    np.testing.assert_allclose(
        found[["loss", "var", "excess", "es"]], [[0.05, 0.02, 0.03, 0.025], [0.03, 0.02, 0.01, 0.025]]
    )


def test_a_missing_forecast_is_no_exception() -> None:
    found = exception_table(table([0.03, 0.03], [math.nan, 0.02]), "A", "m", VAR)
    assert found["date"].tolist() == [DAYS[1]]
    assert found["es"].isna().all()


def test_severity_by_hand() -> None:
    loss = [0.03, 0.04, math.nan, 0.06, 0.0, 0.03, 0.01]
    found = severity(table(loss, **{"es_0.99": 0.03}), "A", "m", VAR)
    assert (found.n_hits, found.n_obs) == (4, 6)
    assert found.longest_run == 3  # a day without loss is left out
    assert found.mean_excess == pytest.approx((0.01 + 0.02 + 0.04 + 0.01) / 4)
    assert found.largest_excess == pytest.approx(0.04)
    assert (found.mean_loss, found.mean_es) == (pytest.approx(0.04), pytest.approx(0.03))


def test_mean_loss_and_mean_es_are_over_the_same_days() -> None:
    """A day without an ES counts as exception, but in neither mean; without any ES the losses still have a mean."""
    found = severity(table([0.03, 0.09, 0.05], **{"es_0.99": [0.03, math.nan, 0.04]}), "A", "m", VAR)
    assert found.n_hits == 3
    assert (found.mean_loss, found.mean_es) == (pytest.approx(0.04), pytest.approx(0.035))
    assert (found.mean_excess, found.largest_excess) == (pytest.approx(0.11 / 3), pytest.approx(0.07))
    without = severity(table([0.03, 0.09, 0.05]), "A", "m", VAR)
    assert without.mean_loss == pytest.approx(0.17 / 3)
    assert math.isnan(without.mean_es)


def test_no_exception() -> None:
    forecasts = table([0.0, 0.01])
    assert exception_table(forecasts, "A", "m", VAR).empty
    found = severity(forecasts, "A", "m", VAR)
    assert (found.n_hits, found.longest_run) == (0, 0)
    assert all(math.isnan(x) for x in (found.mean_excess, found.largest_excess, found.mean_loss, found.mean_es))


def test_only_a_var_has_exceptions() -> None:
    with pytest.raises(ConfigError, match=r"target must be a VaR, got es_0\.99"):
        exception_table(table([0.0]), "A", "m", ES)
    with pytest.raises(DataError, match="asset, model must be one of"):
        severity(table([0.0]), "B", "m", VAR)
