"""Dynamic expectile level: its path against the definition, its search, and its levels up to the report."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import riskcore as rc
from riskcore import Target, WalkForward, expectile, forecast, plots
from riskcore.errors import ConfigError, FitError
from riskcore.forecasters import DynamicLevel
from riskcore.forecasts import LEVEL, Forecasts
from riskcore.kernels.levels import level_of, upper_expectile
from riskcore.report import html_report, matrix, view
from riskcore.runs.store import Unit, decode, encode
from riskcore.scores import expectile_score, quantile_score
from riskcore.volatility import GARCH

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))
import lookahead as la

VAR = Target("var", 0.95)


def plain(model, fitted, losses):
    """Levels and forecasts of every day and the next by the formulas, sample measures and scipy."""
    n, begin = fitted.window, fitted.window // 2
    logistic = model.transform == "logistic"
    forward = (lambda y: 1 / (1 + math.exp(-y))) if logistic else stats.norm.cdf
    back = (lambda t: math.log(t / (1 - t))) if logistic else stats.norm.ppf
    variance = [float(np.mean(losses[:75] ** 2))]
    for loss in losses:
        variance.append(0.94 * variance[-1] + 0.06 * loss**2)
    sigma, p = np.sqrt(variance), fitted.params
    z = losses / sigma[:-1]
    tau, levels, values = p["first_level"], {}, {}
    for t in range(begin, losses.size + 1):
        levels[t] = tau
        values[t] = sigma[t] * expectile(z[max(0, t - n) : t], tau)
        if t == losses.size:
            break
        if model.rule == "online":
            y = back(tau) + p["g"] * (float(losses[t] > values[t]) - (1 - model.level))
        else:
            y = p["d0"] + p["d1"] * back(tau) + p["d2"] * variance[t] + p["d3"] * abs(losses[t])
        tau = min(max(forward(y), 0.5 + 1e-5), 1 - 1e-5)
    return np.array(list(levels.values())), np.array(list(values.values()))


@pytest.mark.parametrize("rule", ["score", "online"])
@pytest.mark.parametrize("transform", ["logistic", "normal"])
def test_path_is_the_definition(rule, transform):
    losses = la.series(330, seed=4)
    model = DynamicLevel(0.95, rule, transform)
    fitted = model.fit(losses[:300], [VAR])
    levels, values = plain(model, fitted, losses)
    np.testing.assert_allclose(fitted.levels(losses, 31), levels[-31:], rtol=1e-9)
    np.testing.assert_allclose(fitted.predict(losses, [VAR], 31)[:, 0], values[-31:], rtol=1e-9)
    assert np.ptp(levels) > 1e-3


@pytest.mark.parametrize("level", [0.5, 0.6, 0.95, 0.99855, 0.99999])
def test_upper_expectile_is_the_sample_expectile(level):
    rng = np.random.default_rng(2)
    for sample in (rng.standard_t(4, 400), rng.integers(0, 4, 50).astype(float), np.array([1.0, 2.0]), np.array([3.0])):
        x = np.sort(sample)
        got = upper_expectile(x, x.size, float(x.sum()), level, 1.0 - level)
        np.testing.assert_allclose(got, expectile(x, level), rtol=1e-11, atol=1e-13)


def test_levels_of_y():
    for y in (-3.0, 0.0, 2.5, 6.0):
        np.testing.assert_allclose(level_of(y, False), 1 / (1 + math.exp(-y)), rtol=1e-14)
        np.testing.assert_allclose(level_of(y, True), stats.norm.cdf(y), rtol=1e-13)


def test_search_is_no_worse_than_levels_that_stay():
    """The grid holds constant levels, so its score on the second half is at most theirs."""
    losses = la.series(400, seed=9)
    model = DynamicLevel(0.95)
    fitted = model.fit(losses, [VAR])
    _, values = plain(model, fitted, losses)
    mine = quantile_score(losses[200:], values[:-1], 0.95).mean()
    p = fitted.params
    base = -math.log(1 / model_start(losses) - 1)
    for shift in (-0.8, -0.4, 0.0, 0.4, 0.8):
        tau = 1 / (1 + math.exp(-(base + shift)))
        still = type("Still", (), {"window": 400, "params": {**p, "first_level": tau, "d0": math.log(tau / (1 - tau)),
                                                             "d1": 0.0, "d2": 0.0, "d3": 0.0}})  # fmt: skip
        _, constant = plain(model, still, losses)
        assert mine <= quantile_score(losses[200:], constant[:-1], 0.95).mean() * (1 + 1e-8)


def model_start(losses):
    """Level whose expectile is the VaR 0.95 of the first half's residuals, by bisection."""
    variance, z = float(np.mean(losses[:75] ** 2)), []
    for loss in losses[:200]:
        z.append(loss / math.sqrt(variance))
        variance = 0.94 * variance + 0.06 * loss**2
    low, high, target = 0.5, 1 - 1e-9, np.sort(z)[189]  # the 190th of 200
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if expectile(z, middle) < target else (low, middle)
    return low


def test_online_levels_hold_the_share_of_hits():
    """Also where losses double after the window: the long-run share stays near 1 - p, which a fixed level misses."""
    rng = np.random.default_rng(12)
    losses = pd.Series(rng.standard_t(4, 3000), pd.date_range("2000-01-03", periods=3000, freq="B"), name="A")
    losses.iloc[1000:] *= np.tile([0.5, 2.5], 1000)  # faster than any EWMA follows
    table = forecast(
        losses, [DynamicLevel(0.95, "online", gain=0.1, name="online")], ["var:0.95"], WalkForward(500, 250)
    )
    rows = table.unit("A", "online")
    share = float((rows["loss"] > rows["var_0.95"]).mean())
    assert abs(share - 0.05) < 0.006


def test_garch_below_and_settings():
    losses = la.series(300, seed=1)
    fitted = DynamicLevel(0.95, volatility=GARCH()).fit(losses, [VAR])
    assert np.isfinite(fitted.predict(losses, [VAR], 5)).all()
    assert {"d0", "d3", "beta", "mu"} <= set(fitted.params)
    with pytest.raises(ConfigError, match=r"level must lie in \(0.5, 1\), got 1.2"):
        DynamicLevel(1.2)
    with pytest.raises(ConfigError, match="rule must be 'score' or 'online', got 'x'"):
        DynamicLevel(rule="x")
    with pytest.raises(ConfigError, match="transform must be 'logistic' or 'normal', got 'x'"):
        DynamicLevel(transform="x")
    with pytest.raises(ConfigError, match="gain must be positive or None, got -1"):
        DynamicLevel(rule="online", gain=-1)
    with pytest.raises(ConfigError, match="gain must be None where the rule is 'score'"):
        DynamicLevel(gain=0.1)
    with pytest.raises(FitError, match="losses must vary and be at least 60, got 40"):
        DynamicLevel().fit(losses[:40], [Target("var", 0.99)])


@pytest.fixture(scope="module")
def table() -> Forecasts:
    days = pd.date_range("2000-01-03", periods=700, freq="B")
    losses = pd.Series(la.series(700, seed=3), days, name="A")
    models = ["historical", DynamicLevel(0.95, name="moving")]
    return forecast(losses, models, ["var:0.95", "expectile:0.99"], WalkForward(300, 100), ahead=True)


def test_the_table_has_the_level_of_that_model_alone(table):
    assert LEVEL in table.frame.columns
    rows = table.unit("A", "moving")
    assert rows[LEVEL].between(0.5, 1).all()
    assert table.unit("A", "historical")[LEVEL].isna().all()
    assert table.moving(table.unit("A", "historical")) is None
    target, levels = table.moving(rows)
    assert target == VAR
    np.testing.assert_array_equal(levels, rows[LEVEL])
    without = forecast(
        pd.Series(la.series(320), pd.date_range("2000-01-03", periods=320, freq="B"), name="A"), ["historical"],
        ["var:0.95"], WalkForward(300, 20),
    )  # fmt: skip
    assert LEVEL not in without.frame.columns


def test_scores_and_tests_at_the_days_level(table):
    scores = rc.score_table(table)
    rows = table.judged("A", "moving")
    moving = scores[(scores["model"] == "moving") & (scores["score"] == "expectile_moving")].iloc[0]
    want = expectile_score(rows["loss"], rows["var_0.95"], rows[LEVEL]).mean()
    np.testing.assert_allclose(moving["mean"], want, rtol=1e-12)
    assert moving["measure"] == "expectile"
    assert math.isnan(moving["level"])
    assert not (scores[scores["model"] == "historical"]["score"] == "expectile_moving").any()
    tests = rc.backtest_table(table, p_value="asymptotic")
    own = tests[(tests["model"] == "moving") & (tests["measure"] == "expectile") & tests["level"].isna()]
    calibration = own[own["test"] == "expectile_calibration"].iloc[0]
    m, x, tau = (rows[c].to_numpy() for c in ("var_0.95", "loss", LEVEL))
    v = np.abs((x <= m) - tau) * (m - x) / m
    statistic = math.sqrt(v.size) * v.mean() / math.sqrt((v**2).mean())
    np.testing.assert_allclose(calibration["statistic"], statistic, rtol=1e-10)
    np.testing.assert_allclose(calibration["p_value"], 2 * stats.norm.sf(abs(statistic)), rtol=1e-9)


def test_the_level_is_drawn_and_said_not_to_be_compared(table):
    figure = plots.FIGURES["daily_level"].draw(table, "A", "moving")
    np.testing.assert_allclose(np.asarray(figure.data[0].customdata, dtype=float), table.unit("A", "moving")[LEVEL])
    assert "not comparable" in figure.layout.title.subtitle.text
    assert "by construction" not in figure.layout.title.subtitle.text  # only of the online rule
    other = plots.FIGURES["daily_level"].draw(table, "A", "historical")
    assert len(other.data) == 0
    scores, tests = rc.score_table(table), rc.backtest_table(table)
    html = html_report(table, scores=scores, backtests=tests)
    assert html.count("Expectile level of each day") >= 1
    blocks = {b["score"]: b for b in view.score_blocks(scores, "A")}
    block = blocks["Asymmetric squared error at the day's level"]
    assert block["note"] == "at levels that move: not comparable across models"
    assert [(line["best"], line["excess"]) for line in block["lines"]] == [(False, "")]
    twice = pd.concat([scores, scores[scores["model"] == "moving"].assign(model="other", mean=lambda x: x["mean"] / 2)])
    block = next(b for b in view.score_blocks(twice, "A") if "day's level" in b["score"])
    assert [(line["model"], line["best"], line["excess"]) for line in block["lines"]] == [
        ("moving", False, ""),
        ("other", False, ""),
    ]
    lone = view.lone_scores(twice, "A")
    assert lone.columns.tolist() == ["model", "mean", "days", "not ok"]
    assert lone["model"].tolist() == ["moving", "other"]
    assert not view.score_rows(twice, "A")["score"].str.contains("day's level").any()
    panels = [a.text for a in plots.score_bars(twice).layout.annotations]
    assert not any("day's level" in text for text in panels)
    only = twice[twice["score"] == "expectile_moving"]
    assert plots.score_bars(only).layout.annotations[0].text == "no scores that compare models"
    assert (scores["note"] != "").equals(scores["score"] == "expectile_moving")
    assert scores.loc[scores["note"] != "", "note"].tolist() == ["not comparable across models"]


def test_a_test_without_law_says_so_in_words(table):
    tests = rc.backtest_table(table)
    own = matrix.matrix_of(tests, "A").of("expectile VaR at the day's level")
    row = own.texts.index.get_loc("Calibration of the expectile")
    assert own.texts["moving"].iloc[row] == "– no law"
    record = own.records[(row, "moving")]
    verdict = matrix.explain(record, n_tests=1).verdict
    assert "gives no law of the loss to simulate from" in verdict
    assert "rejects 7 to 45 in 100 right forecasts instead of 5" in verdict
    assert f"The statistic is {record['statistic']:.2f}".replace("-", "−") in verdict
    told = [line["method"] for b in view.backtest_blocks(tests, "A") for line in b["lines"]]
    assert not any("on request" in text for text in [verdict, *told])
    by = rc.backtest_table(table, p_value="asymptotic")  # the way that the verdict names
    again = by[(by["model"] == "moving") & (by["test"] == "expectile_calibration") & by["level"].isna()]
    assert again["p_value"].notna().all()


def test_a_units_file_keeps_the_level(table):
    rows = table.frame.loc[["A"]].query("model == 'moving'")
    stored = decode(encode(Unit("A", "moving", {"asset": "A", "model": "moving"}), rows), "x")
    np.testing.assert_array_equal(stored.frame[LEVEL], rows[LEVEL])


def test_a_run_file_defines_such_models():
    from riskcore.runs.config import define_model

    model = define_model("mine", {"kind": "dynamic-level", "level": 0.975, "rule": "online", "gain": 0.1})
    assert model == DynamicLevel(0.975, "online", gain=0.1, name="mine")
    assert define_model("j", {"kind": "al-var-es", "form": "sav"}) == rc.JointVaRES("sav", name="j")
    assert define_model("g", {"kind": "fz-gas", "form": "hybrid"}) == rc.FZGAS("hybrid", name="g")
    garch = define_model("x", {"kind": "dynamic-level", "volatility": {"kind": "garch"}})
    assert garch == DynamicLevel(volatility=rc.GARCH(), name="x")
    with pytest.raises(ConfigError, match="volatility must be"):
        define_model("x", {"kind": "dynamic-level", "volatility": 3})


def test_the_terminal_says_what_a_moving_level_is(table):
    from riskcore.runs.summary import _scores, _tests

    scores = _scores(rc.score_table(table))
    assert "expectile moving" in scores
    assert "not comparable across models" in scores
    assert "expectile VaR, day's level" in _tests(rc.backtest_table(table, p_value="asymptotic"))


def test_the_first_half_must_have_a_loss_beyond_the_level():
    losses = la.series(200, seed=4)
    with pytest.raises(FitError, match=r"losses must be at least 200 for the VaR at 0.99 of their first half, got 199"):
        DynamicLevel(0.99).fit(losses[:199], [Target("var", 0.99)])
    assert np.isfinite(DynamicLevel(0.99).fit(losses, [Target("var", 0.99)]).first)
