"""Panels and moving windows are the single tests, one after another."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import backtests as bt
from riskcore.errors import ConfigError, DataError

RNG = np.random.default_rng(3)
VOL = 0.01 * np.exp(0.2 * RNG.standard_normal(400))
LOSSES = VOL[:, None] * RNG.standard_normal((400, 3))
VAR, ES = VOL * stats.norm.ppf(0.975), VOL * stats.norm.pdf(stats.norm.ppf(0.975)) / 0.025
PIT = stats.norm.cdf(LOSSES / VOL[:, None])


def test_panel_is_the_single_tests():
    table = bt.panel(LOSSES, 0.975, var=VAR, es=np.tile(ES[:, None], 3), n_simulations=99).set_index(["series", "test"])
    for i in range(3):
        x = LOSSES[:, i]
        singles = (bt.kupiec(x, VAR, 0.975), bt.minimally_biased(x, VAR, ES, 0.975, n_simulations=99))
        for single in singles:
            row = table.loc[(i, single.name)]
            assert (row.statistic, row.p_value, row.p_method) == (single.statistic, single.p_value, single.p_method)
            assert row.hits == single.details["hits"]
    given = {
        name for name, test in bt.BACKTESTS.items() if set(test.needs) <= {"var", "es"} and test.measure != "density"
    }
    assert set(table.index.get_level_values("test")) == given


def test_panel_of_models_on_one_asset():
    models = pd.DataFrame({"right": VAR, "low": 0.7 * VAR})
    table = bt.panel(LOSSES[:, 0], 0.975, var=models, tests=["kupiec"]).set_index("series")
    assert table.loc["low", "hits"] > table.loc["right", "hits"]
    assert table.loc["low", "p_value"] < 0.01


def test_panel_of_densities_has_no_level():
    table = bt.panel(LOSSES, pit=PIT)
    assert set(table.test) == {name for name, test in bt.BACKTESTS.items() if test.measure == "density"}
    assert_allclose(table[table.test == "pit_uniformity"].p_value, [stats.kstest(u, "uniform").pvalue for u in PIT.T])


@pytest.mark.parametrize("step", [1, 37])
def test_rolling_is_the_single_test_on_each_window(step):
    days = pd.bdate_range("2020-01-01", periods=400)
    table = bt.rolling_backtest("christoffersen_coverage", pd.Series(LOSSES[:, 1], days), 0.975, step=step, var=VAR)
    assert table.index[-1] == days[-1]
    assert len(table) == (400 - 250) // step + 1
    for date, row in table.iloc[:: max(1, len(table) // 5)].iterrows():
        end = days.get_loc(date) + 1
        single = bt.christoffersen_coverage(LOSSES[end - 250 : end, 1], VAR[end - 250 : end], 0.975)
        assert (row.statistic, row.p_value) == (single.statistic, single.p_value)


def test_rolling_with_laws_and_of_densities():
    levels = np.array([0.01, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99, 0.999])
    tail = (levels, VOL[:, None] * stats.norm.ppf(levels))
    table = bt.rolling_backtest(
        "acerbi_szekely_z2", LOSSES[:, 0], 0.975, var=VAR, es=ES, tail=tail, step=150, n_simulations=99
    )
    last = bt.acerbi_szekely_z2(
        LOSSES[-250:, 0], VAR[-250:], ES[-250:], 0.975, tail=(levels, tail[1][-250:]), n_simulations=99
    )
    assert table.p_value.iloc[-1] == last.p_value
    assert table.p_method.iloc[-1] == "simulated: own law"
    assert list(table.index) == [249, 399]
    pit = bt.rolling_backtest("pit_uniformity", LOSSES[:, 0], pit=PIT[:, 0], step=150)
    assert_allclose(pit.statistic.iloc[0], stats.kstest(PIT[:250, 0], "uniform").statistic)


def test_too_few_days_and_missing_ones():
    assert bt.rolling_backtest("kupiec", LOSSES[:100, 0], 0.975, var=VAR[:100]).empty
    holes = np.where(np.arange(400) % 2 == 0, np.nan, LOSSES[:, 0])
    table = bt.rolling_backtest("kupiec", holes, 0.975, var=VAR, step=50)
    assert (table.n_obs == 125).all()


def test_errors():
    with pytest.raises(ConfigError, match="kupiec needs var, got es"):
        bt.panel(LOSSES, 0.975, tests=["kupiec"], es=ES)
    with pytest.raises(ConfigError, match="tests must be names of BACKTESTS, got 'kupieck'"):
        bt.panel(LOSSES, 0.975, tests=["kupieck"], var=VAR)
    with pytest.raises(ConfigError, match="forecasts must be named var, es"):
        bt.panel(LOSSES, 0.975, vare=VAR)
    with pytest.raises(ConfigError, match="level must be given for kupiec"):
        bt.rolling_backtest("kupiec", LOSSES[:, 0], var=VAR)
    with pytest.raises(ConfigError, match="window must be a whole number of at least 2, got 1"):
        bt.rolling_backtest("kupiec", LOSSES[:, 0], 0.975, var=VAR, window=1)
    with pytest.raises(ConfigError, match="step must be"):
        bt.rolling_backtest("kupiec", LOSSES[:, 0], 0.975, var=VAR, step=0)
    with pytest.raises(DataError, match=r"var must have 400 rows and 1 or 3 columns, got shape \(399, 1\)"):
        bt.panel(LOSSES, 0.975, var=VAR[1:])
    with pytest.raises(DataError, match="all frames must have the same columns"):
        bt.panel(pd.DataFrame(LOSSES, columns=list("abc")), 0.975, var=pd.DataFrame(LOSSES, columns=list("acb")))
