"""Score and backtest tables on a small hand-made table of forecasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from riskcore import Forecasts, Target, backtests, defaults, scores
from riskcore.backtests.power import hits_to_reject
from riskcore.tables import (
    BACKTEST_COLUMNS,
    SCORE_COLUMNS,
    backtest_table,
    benjamini_yekutieli,
    holm,
    score_table,
)

TARGETS = [Target("var", 0.99), Target("var", 0.975), Target("es", 0.975), Target("expectile", 0.99)]
N = 300


def law_columns(vol: np.ndarray) -> dict[str, np.ndarray]:
    return {f"tail_{x!r}": vol * stats.norm.ppf(x) for x in defaults.TAIL_LEVELS}


@pytest.fixture(scope="module")
def forecasts() -> Forecasts:
    rng = np.random.default_rng(1)
    days = pd.bdate_range("2020-01-01", periods=N + 1)
    vol = 0.01 * np.exp(0.2 * rng.standard_normal(N + 1))
    losses = vol * rng.standard_normal(N + 1)
    losses[-1] = np.nan
    full = {"var_0.99": vol * 2.3263, "var_0.975": vol * 1.96, "es_0.975": vol * 2.3378, "expectile_0.99": vol * 1.717}
    density = {"mean": 0.0, "volatility": vol, "pit": stats.norm.cdf(losses / vol), "log_score": 1.5, "crps": 0.25}
    failing = {k: np.where(np.arange(N + 1) < 30, np.nan, x) for k, x in full.items()}
    failing["es_0.975"] = np.where(np.arange(N + 1) == 40, -0.01, failing["es_0.975"])
    models = {
        "law": full | density | law_columns(vol),
        "plain": full,
        "only expectile": {"expectile_0.99": full["expectile_0.99"]},
        "failing": failing,
    }
    frames = []
    for model, columns in models.items():
        index = pd.MultiIndex.from_product([["A"], [model], days], names=["asset", "model", "date"])
        status = np.where((np.arange(N + 1) < 30) & (model == "failing"), "failed", "ok")
        lead = {"origin": days - pd.Timedelta(days=1), "loss": losses, "status": status}
        frames.append(pd.DataFrame(lead | columns, index))
    return Forecasts(pd.concat(frames), TARGETS)


@pytest.fixture(scope="module")
def table(forecasts) -> pd.DataFrame:
    return backtest_table(forecasts, n_simulations=199)


def test_scores(forecasts):
    table = score_table(forecasts)
    assert tuple(table.columns) == SCORE_COLUMNS
    rows = forecasts.judged("A", "law")
    picked = table[table.model == "law"].set_index(["measure", "level", "score"])["mean"]
    losses, var, es = (rows[c].to_numpy() for c in ("loss", "var_0.975", "es_0.975"))
    assert_allclose(picked[("es", 0.975, "fz0")], scores.fz0_score(losses, var, es, 0.975).mean(), rtol=1e-12)
    assert_allclose(picked[("var", 0.975, "quantile")], scores.quantile_score(losses, var, 0.975).mean(), rtol=1e-12)
    assert picked[("density", np.nan, "log_score")].item() == 1.5
    assert (table[table.model == "law"].n_obs == N).all()


def test_scores_count_what_was_used(forecasts):
    table = score_table(forecasts)

    def rows(model: str, measure: str) -> pd.DataFrame:
        return table[(table.model == model) & (table.measure == measure)]

    assert (rows("failing", "var").n_obs == N - 30).all()
    assert (rows("failing", "es").n_obs == N - 31).all()
    assert_allclose(rows("failing", "es").share_not_ok, 30 / N)
    nothing = rows("only expectile", "es")
    assert nothing.n_obs.item() == 0
    assert np.isnan(nothing["mean"].item())
    assert rows("plain", "density")["mean"].isna().all()


def test_every_test_of_every_target(table):
    assert tuple(table.columns) == BACKTEST_COLUMNS
    by_measure = {
        m: sum(t.measure == m for t in backtests.BACKTESTS.values()) for m in ("var", "es", "expectile", "density")
    }
    per_unit = (
        2 * by_measure["var"] + by_measure["es"] + by_measure["expectile"] + by_measure["density"] + 1 - 1
    )  # one of all levels, none of e_expectile
    assert (table.groupby("model").size() == per_unit).all()
    assert (table.p_value.isna() == (table.reason != "")).all()
    assert table.p_value.dropna().between(0, 1).all()


def test_rows_are_the_functions(forecasts, table):
    rows = forecasts.judged("A", "law")
    picked = table[table.model == "law"].set_index(["measure", "level", "test"])
    losses, var = rows["loss"].to_numpy(), rows["var_0.99"].to_numpy()
    kupiec = backtests.kupiec(losses, var, 0.99)
    row = picked.loc[("var", 0.99, "kupiec")]
    assert (row.statistic, row.p_value, row.hits) == (kupiec.statistic, kupiec.p_value, kupiec.details["hits"])
    assert_allclose(row.expected_hits, 3.0)
    z2 = backtests.acerbi_szekely_z2(
        losses, rows["var_0.975"], rows["es_0.975"], 0.975, tail=forecasts.tail(rows), n_simulations=199
    )
    assert picked.loc[("es", 0.975, "acerbi_szekely_z2"), "p_value"] == z2.p_value
    expectile = picked.loc[("expectile", 0.99, "expectile_calibration")]
    assert expectile.p_method == "simulated: own law"
    assert_allclose(expectile.expected_hits, N * stats.norm.sf(1.717), rtol=0.02)


def test_models_without_a_law(table):
    plain = table[table.model == "plain"].set_index(["measure", "level", "test"])
    assert plain.loc[("es", 0.975, "acerbi_szekely_z2"), "p_method"] == "simulated: exponential excess"
    row = plain.loc[("expectile", 0.99, "expectile_calibration")]
    assert np.isfinite(row.statistic)
    assert np.isnan(row.p_value)
    assert row.reason.startswith("the model has no law")
    other = table[(table.model == "only expectile") & (table.measure == "var")]
    assert (other.reason == "not offered, or failed on every day").all()
    assert (other.n_obs == 0).all()


def test_failed_days_are_exceptions_for_the_supervisor_only(table):
    failing = table[(table.model == "failing") & (table.level == 0.99)].set_index("test")
    assert failing.loc["kupiec", "n_obs"] == N - 30
    assert failing.loc["traffic_light", "n_obs"] == N
    assert failing.loc["traffic_light", "hits"] == failing.loc["kupiec", "hits"] + 30
    es = table[(table.model == "failing") & (table.test == "acerbi_szekely_z2")]
    assert es.reason.item() == "es must be positive, is not on 1 days"


def test_diagnostic_tests_are_adjusted_within_a_model_and_primary_ones_across_assets(forecasts, table):
    diagnostic = table[~table.primary]
    for _, unit in diagnostic.groupby("model"):
        p = unit.p_value.dropna().sort_values()
        m = len(p)
        expected = np.minimum(np.maximum.accumulate(p.to_numpy() * np.arange(m, 0, -1)), 1.0)
        assert_allclose(unit.p_adjusted[p.index], expected)
        assert (unit.p_adjusted.isna() == unit.p_value.isna()).all()
    alone = table[table.primary]
    assert_allclose(alone.p_adjusted, alone.p_value)
    one = forecasts.frame.xs("law", level="model", drop_level=False)
    other = one.assign(**{c: 0.8 * one[c] for c in one.columns if c.startswith("var")}).rename(
        {"A": "B"}, level="asset"
    )
    two = backtest_table(Forecasts(pd.concat([one, other]), TARGETS), n_simulations=19)
    pair = two[(two.test == "christoffersen_coverage") & (two.level == 0.975)].p_value.to_numpy()
    found = two[(two.test == "christoffersen_coverage") & (two.level == 0.975)].p_adjusted.to_numpy()
    low, high = np.argsort(pair)
    assert_allclose(found[low], min(2 * pair[low], 1.0))
    assert_allclose(found[high], min(max(2 * pair[low], pair[high]), 1.0))
    assert pair[low] < pair[high]


def test_each_measure_has_one_primary_test():
    primary = [t.measure for t in backtests.BACKTESTS.values() if t.primary]
    assert sorted(primary) == ["density", "es", "expectile", "var"]


def test_what_a_test_could_have_found(table):
    row = table[(table.model == "law") & (table.level == 0.99) & (table.test == "traffic_light")].iloc[0]
    fewest = min(x for x in range(N) if stats.binom.sf(x - 1, N, 0.01) < 0.05)
    assert row.hits_to_reject == fewest
    rate = stats.t(5).sf(0.8 * stats.t(5).ppf(0.99))
    assert_allclose(row.power, stats.binom.sf(fewest - 1, N, rate), rtol=1e-9)
    kupiec = table[(table.model == "law") & (table.level == 0.99) & (table.test == "kupiec")].iloc[0]
    at = [backtests.kupiec([1.0] * x + [0.0] * (N - x), 0.5, 0.99).p_value for x in range(N + 1)]
    assert kupiec.hits_to_reject == min(x for x in range(4, N) if at[x] < 0.05)
    assert_allclose(kupiec.power, stats.binom.pmf(np.flatnonzero(np.array(at) < 0.05), N, rate).sum(), rtol=1e-9)
    assert table[table.measure == "es"].hits_to_reject.isna().all()


@pytest.mark.parametrize("name", ["kupiec", "binomial", "traffic_light", "christoffersen_coverage"])
@pytest.mark.parametrize(("n", "level"), [(4, 0.99), (50, 0.999), (100, 0.99), (125, 0.975)])
def test_fewest_hits_to_reject_where_less_than_one_is_expected(name, n, level):
    run, known = getattr(backtests, name), range(int(round(n * (1 - level), 9)) + 1, n + 1)
    spread = [np.isin(np.arange(n), np.floor((np.arange(x) + 0.5) * n / x)) for x in known]
    found = next(x for x, hits in zip(known, spread, strict=True) if run(1.0 * hits, 0.5, level).p_value < 0.05)
    assert hits_to_reject(name, n, level) == found


def test_benjamini_yekutieli():
    p = np.array([0.01, 0.04, 0.03, 0.005, np.nan])
    known = stats.false_discovery_control(p[:4], method="by")
    assert_allclose(benjamini_yekutieli(p), [*known, np.nan])
    assert np.isnan(benjamini_yekutieli(np.array([np.nan]))).all()


def test_holm():
    assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_seed(forecasts, table):
    pd.testing.assert_frame_equal(backtest_table(forecasts, rng=0, n_simulations=199), table)
    other = backtest_table(forecasts, rng=1, n_simulations=199)
    assert not other.p_value.equals(table.p_value)


def test_units_of_losses_do_not_matter(forecasts, table):
    frame = forecasts.frame.copy()
    same = {"origin", "status", "pit", "log_score", "crps"}
    scaled = [c for c in frame.columns if c not in same]
    frame[scaled] = frame[scaled] * 128.0
    other = backtest_table(Forecasts(frame, TARGETS), n_simulations=199)
    assert_allclose(other.p_value, table.p_value, rtol=1e-9)


def test_all_levels_of_the_var_at_once(forecasts, table):
    row = table[(table.model == "law") & (table.test == "multilevel")].iloc[0]
    rows = forecasts.judged("A", "law")
    var = rows[["var_0.975", "var_0.99"]].to_numpy()
    single = backtests.multilevel(rows["loss"].to_numpy(), var, [0.975, 0.99], n_simulations=199)
    assert (row.statistic, row.p_value, row.p_method) == (single.statistic, single.p_value, single.p_method)
    assert np.isnan(row.level)
    nothing = table[(table.model == "only expectile") & (table.test == "multilevel")].iloc[0]
    assert nothing.reason == "not offered, or failed on every day"


def test_processes_do_not_matter(forecasts, table):
    pd.testing.assert_frame_equal(backtest_table(forecasts, n_simulations=199, jobs=2), table)


def test_asymptotic_p_values_only(forecasts):
    found = backtest_table(forecasts, p_value="asymptotic")
    kinds = set(found.p_method)
    assert kinds <= {"asymptotic", "exact", "none"}  # the traffic light has nothing but its exact law
    assert set(found[found.p_method == "exact"].test) == {"traffic_light"}
    asked = {name for name, test in backtests.BACKTESTS.items() if test.asymptotic} | {"multilevel"}
    assert set(found.test) == asked
