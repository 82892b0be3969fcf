"""The other processes of `arch`: the same paths, optima and errors, mirrored to losses."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from riskcore import AR1, ArchVolatility, ConstantMean, Empirical, Normal, SkewT, Status
from riskcore.errors import ConfigError, FitError
from riskcore.volatility import processes

PROCESSES = {
    "garch": ArchVolatility("garch", 1, 1, 2),
    "tarch": ArchVolatility("tarch", 1, 1, 1),
    "egarch": ArchVolatility("egarch", 2, 1, 1),
    "arch": ArchVolatility("arch", 3),
    "harch": ArchVolatility("harch"),
    "midas": ArchVolatility("midas", 15, 1),
}


@pytest.fixture(scope="module")
def losses():
    rng = np.random.default_rng(3)
    z = rng.standard_t(6, 700) * np.sqrt(4 / 6)
    variance, out = 1.0, np.empty(700)
    for t in range(700):
        out[t] = 0.02 + np.sqrt(variance) * z[t]
        variance = 0.06 + (0.05 + 0.15 * (z[t] > 0)) * (out[t] - 0.02) ** 2 + 0.8 * variance
    return out


def arch_result(losses, volatility, mean, law):
    import arch.univariate as au

    dist = {"normal": au.Normal, "skewt": au.SkewStudent}[law]()
    options = {"volatility": volatility, "distribution": dist, "rescale": False}
    model = au.ConstantMean(-losses, **options) if mean == "constant" else au.ARX(-losses, lags=1, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(disp="off", show_warning=False, options={"maxiter": 500})


@pytest.mark.parametrize("law", [Normal(), SkewT()], ids=lambda x: x.short)
@pytest.mark.parametrize("kind", list(PROCESSES))
def test_path_optimum_and_errors_are_those_of_arch(kind, law, losses):
    ours, mean = PROCESSES[kind], ConstantMean()
    result = arch_result(losses, ours.arch_volatility(), "constant", law.short)
    fit = ours.fit(losses, mean=mean, law=law)
    assert fit.log_likelihood >= result.loglikelihood - 1e-4
    assert fit.log_likelihood == pytest.approx(result.loglikelihood, abs=0.05)
    values = np.asarray(result.params)
    there = dict(zip(ours.names, ours.mirrored(values[1 : 1 + len(ours.names)]), strict=True))
    moved = replace(fit, mean_params=(-values[0],), params=there)
    _, sigma = ours.filter(losses, moved)
    np.testing.assert_allclose(sigma[:-1], np.asarray(result.conditional_volatility), rtol=1e-12)
    if fit.status == Status.ok:
        got = np.array(list(fit.errors().values()))
        np.testing.assert_allclose(got, result.std_err.to_numpy(), rtol=0.05)


@pytest.mark.parametrize("kind", list(PROCESSES))
def test_with_an_autoregressive_mean(kind, losses):
    ours, mean = PROCESSES[kind], AR1()
    result = arch_result(losses, ours.arch_volatility(), "ar1", "normal")
    fit = ours.fit(losses, mean=mean, law=Normal())
    assert fit.log_likelihood >= result.loglikelihood - 1e-4
    values = np.asarray(result.params)
    there = dict(zip(ours.names, ours.mirrored(values[2 : 2 + len(ours.names)]), strict=True))
    _, sigma = ours.filter(losses, replace(fit, mean_params=mean.mirrored((values[0], values[1])), params=there))
    np.testing.assert_allclose(sigma[1:-1], np.asarray(result.conditional_volatility)[1:], rtol=1e-12)


@pytest.mark.parametrize("kind", ["garch", "tarch", "egarch", "midas"])
def test_losses_raise_volatility_more(kind, losses):
    """The leverage is positive for losses, whatever arch calls it for returns."""
    fit = PROCESSES[kind].fit(losses, mean=ConstantMean(), law=Normal())
    turned = PROCESSES[kind].fit(-losses, mean=ConstantMean(), law=Normal())
    name = next(n for n in fit.params if n.startswith("gamma"))
    assert fit.params[name] > 0.05
    assert turned.params[name] < 0.0


@pytest.mark.parametrize("kind", list(PROCESSES))
def test_units_and_starts_do_not_matter(kind, losses):
    ours = PROCESSES[kind]
    cold = ours.fit(losses[50:], mean=ConstantMean(), law=Normal())
    before = ours.fit(losses[:-50], mean=ConstantMean(), law=Normal())
    warm = ours.fit(losses[50:], mean=ConstantMean(), law=Normal(), start=before)
    got, want = (ours.filter(losses[50:], f)[1][-1] for f in (warm, cold))
    assert got == pytest.approx(want, rel=1e-4)
    scaled = ours.fit(losses[50:] / 128, mean=ConstantMean(), law=Normal())
    for name, value in ours.rescaled(scaled.params, 128.0).items():
        assert value == pytest.approx(cold.params[name], rel=1e-9, abs=1e-12)


def test_a_simplex_where_others_fail(losses, monkeypatch):
    ours = PROCESSES["arch"]
    want = ours.fit(losses, mean=ConstantMean(), law=Empirical())
    monkeypatch.setattr(processes._Search, "_arch", lambda self: None)
    got = ours.fit(losses, mean=ConstantMean(), law=Empirical())
    assert got.status == Status.retry
    assert got.log_likelihood == pytest.approx(want.log_likelihood, abs=1e-4)
    monkeypatch.setattr(processes._Search, "_acceptable", lambda *_: False)
    with pytest.raises(FitError, match="no acceptable optimum after 2 optimisations on 700 losses"):
        ours.fit(losses, mean=ConstantMean(), law=Empirical())


def test_what_lies_on_a_bound_has_no_error_and_the_others_take_it_as_known():
    """ARCH(2) with the second coefficient at zero has the errors of ARCH(1)."""
    rng = np.random.default_rng(2)
    losses = np.empty(900)
    before = 0.0
    for t in range(losses.size):
        losses[t] = before = np.sqrt(0.6 + 0.3 * before**2) * rng.normal()
    two, one = (ArchVolatility("arch", p).fit(losses, mean=ConstantMean(), law=Normal()) for p in (2, 1))
    assert two.params["alpha2"] < 1e-6
    assert two.status == Status.boundary
    errors = two.errors()
    assert np.isnan(errors["alpha2"])
    for name, error in one.errors().items():
        assert errors[name] == pytest.approx(error, rel=1e-3)


def test_errors_are_for_people():
    with pytest.raises(ConfigError, match=r"process must be one of \('garch', .*\), got 'figarch'"):
        ArchVolatility("figarch")
    with pytest.raises(ConfigError, match=r"p must be a whole number in \[1, 250\], got 0"):
        ArchVolatility(p=0)
    with pytest.raises(ConfigError, match="medium must be smaller than long, got 30 and 22"):
        ArchVolatility("harch", medium=30)
    with pytest.raises(ConfigError, match="o must be 0 or 1 with midas, got 2"):
        ArchVolatility("midas", 22, 2)
    with pytest.raises(FitError, match="losses are constant"):
        ArchVolatility().fit(np.full(100, 0.02), mean=ConstantMean(), law=Normal())
