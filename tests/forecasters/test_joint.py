"""Joint VaR-ES forecasters: settings, search, reported parameters, recovery."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import differential_evolution

from riskcore import FORECASTERS, Status, Target
from riskcore.errors import ConfigError, FitError
from riskcore.forecasters import FZGAS, JointVaRES
from riskcore.scores import fz0_score

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))
import lookahead as la

VAR, ES = Target("var", 0.95), Target("es", 0.95)
ALL = [FZGAS(form) for form in FZGAS.forms] + [
    JointVaRES(form, excess) for form in ("as", "sav") for excess in ("multiplicative", "additive")
]


QUANTILE = float(stats.t(5).ppf(0.95))
RATIO = float(stats.t(5).expect(lambda x: x, lb=QUANTILE)) / 0.05 / QUANTILE
"""ES over VaR of t(5) at 0.95."""


def factor_losses(rng, n):
    """Losses of t(5) times a scale, whose VaR 0.95 and ES are ``(1.5, 1.5 RATIO) exp(k)``, k driven by their hits."""
    out, k = np.empty(n), 0.0
    for t in range(n):
        v = 1.5 * math.exp(k)
        out[t] = v * rng.standard_t(5) / QUANTILE
        hit = out[t] / (0.05 * RATIO * v) if out[t] > v else 0.0
        k = 0.95 * k + 0.01 * (hit - 1.0)
    return out


def slope_losses(rng, n):
    """Losses of t(5) times a scale, whose VaR 0.95 is an asymmetric slope."""
    out, v = np.empty(n), 1.0
    for t in range(n):
        out[t] = v * rng.standard_t(5) / QUANTILE
        v = 0.05 + 0.85 * v + 0.1 * max(-out[t], 0.0) + 0.3 * max(out[t], 0.0)
    return out


@pytest.fixture(scope="module")
def losses():
    return la.series(400, seed=2)


def plain(model, p, losses, training):
    """VaR and ES of every day and the next from the parameters reported, in the units of the losses."""
    names = {n.removeprefix("0.95."): x for n, x in p.items()}
    sd, out = float(np.std(training)), []
    if isinstance(model, FZGAS) and model.form != "two-factor":
        d, floor = names.get("d", 0.0), 1e-3 * sd
        k = d * float(np.mean(np.log(np.maximum(np.abs(training), floor)))) / (1 - names["b"])
        for loss in [*losses, math.nan]:
            v, e = names["A"] * math.exp(k), names["B"] * math.exp(k)
            out.append((v, e))
            score = (loss / (0.05 * e) if loss > v else 0.0) - 1.0
            k = names["b"] * k + names["g"] * score + d * math.log(max(abs(loss), floor))
    elif isinstance(model, FZGAS):
        v, e = np.sort(training)[379], np.sort(training)[380:].mean()  # the 380th of 400, and those above it
        for loss in [*losses, math.nan]:
            out.append((v, e))
            hit = float(loss > v)
            of_v, of_e = v * (hit - 0.05), hit * loss / 0.05 - e
            v, e = (
                names["w_v"] + names["b_v"] * v + names["a_vv"] * of_v + names["a_ve"] * of_e,
                names["w_e"] + names["b_e"] * e + names["a_ev"] * of_v + names["a_ee"] * of_e,
            )
    else:
        early = np.sort(training[:300])
        v, x = early[284], float(np.mean(early[285:]) - early[284])
        for loss in [*losses, math.nan]:
            x = math.exp(names["g0"]) * v if model.excess == "multiplicative" else x
            out.append((v, v + x))
            if model.excess == "additive" and loss >= v:
                x = names["g0"] + names["g1"] * (loss - v) + names["g2"] * x
            up, down = names["b2"], names.get("b3", names["b2"])
            v = names["b0"] + names["b1"] * v + up * max(-loss, 0.0) + down * max(loss, 0.0)
    return np.array(out)


@pytest.mark.parametrize("model", ALL, ids=lambda m: m.kind)
def test_forecasts_follow_from_the_reported_parameters(model, losses):
    """Also on days that the fit has not seen, in percent and in parts."""
    for unit in (1.0, 100.0):
        seen = unit * la.series(430, seed=2)
        fitted = model.fit(seen[:400], [VAR, ES])
        got = fitted.predict(seen, [VAR, ES], 31)
        want = plain(model, fitted.params, seen, seen[:400])
        np.testing.assert_allclose(got, want[-31:], rtol=1e-6)  # losses enter at nine digits
        whole = plain(model, fitted.params, seen[:400], seen[:400])[:-1]
        np.testing.assert_allclose(fitted.scores[0.95], fz0_score(seen[:400], *whole.T, 0.95).mean(), rtol=1e-6)
        assert set(fitted.standard_errors) == set(fitted.params)


def test_search_finds_what_differential_evolution_finds():
    """SAV's score has corners but no jumps. With one factor it jumps, and neither is sure of the least."""
    from riskcore.forecasters.joint import KINDS, _logs, _scaled
    from riskcore.kernels import joint

    bounds = {
        "sav-multiplicative": [(-0.5, 1.0), (0.0, 0.995), (-0.5, 1.0), (-4.0, 2.0)],
        "one-factor": [(0.5, 0.999), (1e-4, 0.05), (-1.0, 2.0), (-1.0, -0.01)],
    }
    none = (np.empty(0), np.empty((0, 0)), np.empty((0, 0, 0)))
    for model, slack in ((JointVaRES("sav"), 1e-5), (FZGAS(), 1e-4)):
        for seed in (1,):
            sample = la.series(400, seed=seed)
            fitted = model.fit(sample, [ES])
            x, found = _scaled(sample, fitted.scale), fitted.levels[0.95]
            logs, first = _logs(x), found.first

            def objective(q, x=x, logs=logs, first=first, model=model):
                return min(joint.score(x, logs, KINDS[model.kind][0], 0.95, joint.EXACT, q, first, *none), 1e3)

            least = differential_evolution(
                objective, bounds[model.kind], rng=np.random.default_rng(1), popsize=15, maxiter=80, tol=1e-10,
                polish=False,
            ).fun  # fmt: skip
            assert found.score <= least + slack


def test_raw_losses_with_a_mean_give_the_es_and_not_the_es_less_the_mean():
    """FZ0, not the asymmetric Laplace likelihood of raw losses: N(-0.5, 1) without dynamics."""
    rng = np.random.default_rng(4)
    x = rng.normal(-0.5, 1.0, 8000)
    fitted = JointVaRES("sav").fit(x, [Target("es", 0.975)])
    v, e = fitted.predict(x, [Target("var", 0.975), Target("es", 0.975)], 2000).mean(axis=0)
    assert abs(v - 1.45996) < 0.08
    assert abs(e - 1.83780) < 0.1  # phi(1.95996)/0.025 - 0.5; the other criterion aims at 2.338


@pytest.mark.nightly
def test_one_factor_recovers_what_made_the_losses():
    rng = np.random.default_rng(8)
    errors = []
    for _ in range(20):
        x = factor_losses(rng, 4000)
        p = FZGAS().fit(x, [ES]).params
        errors.append([p["0.95.b"] - 0.95, p["0.95.g"] - 0.01, p["0.95.A"] / 1.5 - 1, p["0.95.B"] / (1.5 * RATIO) - 1])
    middle = np.median(errors, axis=0)
    assert abs(middle[0]) < 0.03
    assert abs(middle[1]) < 0.003
    assert (np.abs(middle[2:]) < 0.05).all()


def test_one_factor_and_slope_are_near_what_made_the_losses():
    p = FZGAS().fit(factor_losses(np.random.default_rng(3), 8000), [ES]).params
    assert abs(p["0.95.b"] - 0.95) < 0.05
    assert abs(p["0.95.g"] - 0.01) < 0.005
    assert abs(p["0.95.A"] / 1.5 - 1) < 0.1
    assert abs(p["0.95.B"] / (1.5 * RATIO) - 1) < 0.1
    p = JointVaRES("as").fit(slope_losses(np.random.default_rng(3), 8000), [ES]).params
    assert abs(p["0.95.b1"] - 0.85) < 0.05
    assert abs(p["0.95.b3"] - 0.3) < 0.1
    assert abs(p["0.95.g0"] - math.log(RATIO - 1)) < 0.1


def test_levels_are_estimated_apart_and_few_losses_give_nan():
    x = la.series(250, seed=6)
    targets = [Target("var", 0.99), Target("var", 0.975), Target("es", 0.975)]
    fitted = FZGAS().fit(x, targets)
    row = fitted.predict(x, targets, 1)[0]
    assert np.isnan(row[0])  # 2.5 losses are expected beyond it, 3 are needed
    assert row[2] > row[1] > 0
    alone = FZGAS().fit(x, targets[1:]).predict(x, targets[1:], 1)[0]
    np.testing.assert_array_equal(alone, row[1:])


def test_a_start_is_not_heard():
    x = la.series(300, seed=6)
    before = FZGAS().fit(x[:-1], [ES])
    a, b = (FZGAS().fit(x, [ES], start=s).predict(x, [ES], 3) for s in (None, before))
    np.testing.assert_array_equal(a, b)


def test_offers_and_settings():
    for name in ("al-var-es", "fz-gas", "fz-gas-2f", "fz-gas-hybrid"):
        model = FORECASTERS[name]
        assert model.offers(VAR)
        assert model.offers(ES)
        assert not model.offers(Target("expectile", 0.99))
    with pytest.raises(ConfigError, match="form must be 'as' or 'sav', got 'ig'"):
        JointVaRES("ig")
    with pytest.raises(ConfigError, match="excess must be 'multiplicative' or 'additive', got 'none'"):
        JointVaRES("as", "none")
    with pytest.raises(ConfigError, match="form must be one of"):
        FZGAS("three-factor")
    with pytest.raises(FitError, match="losses are constant or too few"):
        FZGAS().fit(np.full(300, 0.01), [ES])
    with pytest.raises(FitError, match="no level of"):
        FZGAS().fit(la.series(100), [Target("es", 0.99)])


def test_statuses_say_what_happened(losses):
    fitted = JointVaRES("as").fit(losses, [ES])
    assert fitted.status in (Status.ok, Status.retry, Status.boundary)
    assert fitted.attempts == 4
    assert math.isnan(fitted.log_likelihood)
    assert fitted.predictive(losses, 1) is None


def test_a_parameter_on_its_bound_has_no_error_and_the_others_hold_it_fixed():
    losses = np.random.default_rng(1).standard_normal(800)
    fitted = JointVaRES("sav").fit(losses, [ES])
    (level,) = fitted.levels
    errors, params = fitted.standard_errors, fitted.params
    assert fitted.status == Status.boundary
    assert params[f"{level}.b1"] == pytest.approx(0.995, abs=1e-3)
    assert math.isnan(errors[f"{level}.b1"])
    v, e = fitted.path(losses, level)[:, :-1]
    scale, rest, b1 = np.std(losses), 1 - level, params[f"{level}.b1"]
    dv = np.zeros((3, 800))  # by b0, b2 and g0; the recursion by hand
    for t in range(799):
        dv[:, t + 1] = b1 * dv[:, t] + [1.0, abs(losses[t]), 0.0]
    de = dv * e / v + np.outer([0.0, 0.0, 1.0], e - v)
    by_v = (1 - (losses > v) / rest) / e
    by_e = (1 - v / e - np.maximum(losses - v, 0) / (rest * e)) / e
    scores, width = by_v * dv + by_e * de, scale * 800 ** (-1 / 3)
    density = (np.abs(losses - v) < width) / (2 * width)
    bread = (density / (rest * e) * dv) @ dv.T / 800 + (de / e**2) @ de.T / 800
    covariance = np.linalg.inv(bread) @ (scores @ scores.T / 800) @ np.linalg.inv(bread) / 800
    want = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose([errors[f"{level}.{n}"] for n in ("b0", "b2", "g0")], want, rtol=1e-5)


def test_what_moves_with_a_parameter_on_its_bound_has_no_error():
    losses = np.random.default_rng(1).standard_normal(800)
    fitted = FZGAS("one-factor").fit(losses, [ES])
    (level,) = fitted.levels
    covariance = np.diag([1.0, 1.0, 1.0, np.nan])  # the last is ln(A/B), on which only A depends
    held = replace(fitted.levels[level], covariance=covariance)
    errors = replace(fitted, levels={level: held}).standard_errors
    assert [math.isnan(errors[f"{level}.{n}"]) for n in ("b", "g", "A", "B")] == [False, False, True, False]
