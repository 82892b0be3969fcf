"""StepM against the arch package on the same samples, and against the procedure step by step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import SPA, StepM
from numpy.testing import assert_allclose

from riskcore import compare
from riskcore.compare import stepwise
from riskcore.errors import ConfigError


def panel(n: int = 400, k: int = 7, seed: int = 1, step: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((n + 2, k)) * (1 + np.arange(k) / k) + rng.standard_normal((n + 2, 1))
    return 5 + e[2:] + 0.5 * e[1:-1] + step * np.arange(k)[::-1]


@pytest.mark.parametrize("seed", [0, 1, 2, 4])  # with 3 all models are superior in two steps, where arch fails
def test_superior_models_are_archs_on_the_same_samples(monkeypatch, seed):
    """arch's size is fixed beforehand and its critical values are interpolated between samples."""
    x = panel(seed=seed)
    settings = {"block_size": 10, "reps": 400, "seed": seed}
    bootstrap = SPA(x[:, 0], x[:, 1:], **settings).bootstrap
    indices = [np.asarray(bootstrap.update_indices()) for _ in range(400)]  # the same seed draws the same again

    def drawn(d: np.ndarray, *_: int) -> tuple[np.ndarray, np.ndarray]:
        mean = d.mean(axis=0)
        return mean, np.array([(d - mean)[i].mean(axis=0) for i in indices])

    monkeypatch.setattr(stepwise, "bootstrap_means", drawn)
    ours = compare.stepwise_superiority(
        x[:, 0], x[:, 1:], studentised=False, recentring="consistent", block=10, n_simulations=400
    )
    found = []
    for size in (0.01, 0.05, 0.1, 0.2, 0.5):
        step = StepM(x[:, 0], x[:, 1:], size=size, **settings)
        step.compute()
        assert (np.abs(ours.table["p_value"] - size) > 1 / 400).all(), "no model at the edge, where the rules differ"
        assert sorted(ours.superior(size)) == step.superior_models
        found.append(len(step.superior_models))
    assert found[0] < found[-1]  # something was at stake


def by_steps(statistic: np.ndarray, drawn: np.ndarray, size: float) -> list[int]:
    """Romano and Wolf: take away all whose statistic no larger share of maxima reaches, until none is."""
    left, found = list(range(statistic.size)), []
    while left:
        maxima = drawn[:, left].max(axis=1)
        better = [k for k in left if np.mean(maxima >= statistic[k]) < size]
        if not better:
            break
        found += better
        left = [k for k in left if k not in better]
    return sorted(found)


def test_p_values_say_what_the_steps_find_at_every_size():
    x = panel(seed=9, step=0.05)
    d = x[:, [0]] - x[:, 1:]
    drawn = stepwise.bootstrap_means(d, 8, 3, 500)[1]
    omega = np.sqrt(stepwise.bootstrap_variance(d - d.mean(axis=0), 8))
    t, star = 20 * d.mean(axis=0) / omega, 20 * drawn / omega
    ours = compare.stepwise_superiority(x[:, 0], x[:, 1:], block=8, rng=3, n_simulations=500)
    assert_allclose(ours.table["statistic"], np.sort(t)[::-1], rtol=1e-12)
    sizes = np.arange(0.0005, 1.0, 0.003)
    lists = [by_steps(t, star, size) for size in sizes]
    assert [sorted(ours.superior(size)) for size in sizes] == lists
    assert len({tuple(x) for x in lists}) >= 4
    assert (ours.block, ours.seed, ours.n_obs, ours.recentring) == (8, 3, 400, "all")


def test_consistent_recentring_has_no_larger_p_values():
    x = np.column_stack([panel(k=4, step=0.1), panel(k=3, seed=2) + 4])
    plain = compare.stepwise_superiority(x[:, 0], x[:, 1:]).table["p_value"]
    other = compare.stepwise_superiority(x[:, 0], x[:, 1:], recentring="consistent").table["p_value"]
    assert (other <= plain).all()
    assert (other < plain).any()


def test_labels_ties_and_degenerate_cases():
    x = panel(k=3, step=0.3)
    twins = compare.stepwise_superiority(x[:, 0], pd.DataFrame(x[:, [2, 1, 2]], columns=list("abc"))).table
    p = twins.set_index("model")["p_value"]
    assert p["a"] == p["c"]
    assert twins["model"].iloc[-1] == "b"
    same = compare.stepwise_superiority(x[:, 0], x[:, [0]])
    assert same.table["p_value"].tolist() == [1.0]
    worse = compare.stepwise_superiority(x[:, 0] - 3, x[:, 1:])
    assert worse.table["p_value"].min() > 0.9
    short = compare.stepwise_superiority([1.0], [[2.0]])
    assert (short.reason, short.superior()) == ("1 usable days, at least 5 needed", [])
    assert compare.stepwise_superiority(x[:, 0], x[:, [0]] - 1.0).reason == "the difference from 0 does not vary"
    x[3, 1] = np.nan
    assert compare.stepwise_superiority(x[:, 0], x[:, 1:]).missing == 1
    with pytest.raises(ConfigError, match="recentring must be one of all, consistent, got 'none'"):
        compare.stepwise_superiority(x[:, 0], x[:, 1:], recentring="none")
    with pytest.raises(ConfigError, match="n_simulations must be at least 1, got 0"):
        compare.stepwise_superiority(x[:, 0], x[:, 1:], n_simulations=0)


@pytest.mark.nightly
def test_family_wise_error():
    rng, any_found = np.random.default_rng(5), 0
    for i in range(1000):
        x = rng.standard_normal((250, 6))
        any_found += bool(
            compare.stepwise_superiority(x[:, 0], x[:, 1:], n_simulations=299, block=2, rng=i).superior(0.05)
        )
    print(f"stepwise_superiority: any of five equal models found in {any_found / 10:.1f} % (nominal 5 %)")
    assert 0.025 < any_found / 1000 < 0.085
