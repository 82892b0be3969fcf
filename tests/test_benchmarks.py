"""The benchmarks run in their short form; evaluations per refit and the quality of the optima are as they must be."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import make_references, peer, refits, sections, timing
from benchmarks.peer import EVERY_WINDOW, PAIRS
from benchmarks.series import SERIES

ROOT = Path(__file__).resolve().parents[1]
MOST_EVALUATIONS = 3.5
PARTLY_REFERENCED = [name for name in PAIRS if name not in EVERY_WINDOW]
OF_PROJECT = [name for name in SERIES if name not in ("ftse100", "bitcoin")]
"""Series that need no file from outside the project."""


@pytest.fixture(scope="module")
def sp500() -> Any:
    return SERIES["sp500"].make()


def test_helpers_of_the_table() -> None:
    assert doctest.testmod(timing) == (0, 3)
    row = timing.Row("a", "b", 2e-6, "c", 3e-3, "1x; 2x", "d")
    assert timing.table([row]).splitlines()[-1] == "| a | 2 us | b | c | 3 ms | 1,500x | 1x; 2x | d |"
    assert timing.Row("a", "b", 1.0).ratio is None


def test_calls_are_interleaved_and_the_first_turn_is_not_timed() -> None:
    heard: list[str] = []
    calls = {name: (lambda name=name: heard.append(name)) for name in ("ours", "theirs")}
    taken = timing.interleaved(calls, 3)
    assert heard == ["ours", "theirs"] * 4
    assert set(taken) == {"ours", "theirs"}


@pytest.mark.parametrize("name", [name for name in sections.NAMES if name != "runs"])
def test_a_section_runs_in_its_short_form(name: str) -> None:
    (text,) = sections.parts([name], short=True)
    head, rule, *lines = text.splitlines()
    assert lines
    assert {line.count(" | ") for line in (head, *lines)} == {head.count(" | ")}
    assert set(rule) <= set("| -")
    assert "nan" not in text


def test_the_command_runs_whole_backtests(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks", "--short", "runs"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.count("\n| ") == 4
    assert "peak memory" in done.stdout
    wrong = subprocess.run([*words, "nonsense"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert wrong.returncode == 2
    assert "NAME must be one of refits" in wrong.stderr


@pytest.mark.parametrize("name", PAIRS)
def test_our_likelihood_is_that_of_arch(name: str, sp500: Any) -> None:
    losses = sp500[2000:3000]
    fit = peer.arch_fit(PAIRS[name], losses)
    assert fit is not None
    assert PAIRS[name].log_likelihood(losses, fit.values) == pytest.approx(fit.log_likelihood, abs=1e-8)


def test_a_point_outside_the_constraints_is_moved_inside(sp500: Any) -> None:
    assert doctest.testmod(peer) == (0, 1)
    pair, losses = PAIRS["garch-n"], sp500[:1000]
    inside, outside, on_bound = (np.array([0.0, 0.02, 0.1, beta]) for beta in (0.8999, 0.91, 0.9))
    assert pair.log_likelihood(losses, outside) == pair.log_likelihood(losses, on_bound)
    assert pair.log_likelihood(losses, inside) != pair.log_likelihood(losses, on_bound)
    negative, none = (np.array([0.0, 1.0, alpha, 0.0]) for alpha in (-1e-6, 0.0))
    assert pair.log_likelihood(losses, negative) == pair.log_likelihood(losses, none)


def test_the_warm_loop_hands_on_its_optimum(sp500: Any) -> None:
    pair, windows = PAIRS["garch-n"], SERIES["sp500"].windows()[:3]
    warm, cold = (peer.arch_loop(pair, sp500, windows, warm=warm) for warm in (True, False))
    last = warm[0]
    assert last is not None
    for found, window in zip(warm[1:], windows[1:], strict=True):
        again = peer.arch_fit(pair, sp500[window], last.values)
        assert found is not None
        assert again is not None
        np.testing.assert_array_equal(found.values, again.values)
        last = found
    assert any(
        a is not None and b is not None and (a.values != b.values).any() for a, b in zip(warm, cold, strict=True)
    )


def test_the_hard_series_are_what_they_are_called() -> None:
    sizes = {name: SERIES[name].make().size for name in OF_PROJECT}
    assert sizes.pop("sp500") == sizes.pop("sp500-250") == 5030
    assert set(sizes.values()) == {1500}
    assert len(SERIES) == 13
    assert np.max(np.abs(SERIES["outlier"].make())) == 40.0
    assert np.mean(SERIES["zeros"].make() == 0.0) == pytest.approx(0.4, abs=0.03)
    early, late = np.split(SERIES["level-break"].make(), 2)
    assert late.std() / early.std() == pytest.approx(3.0, rel=0.1)
    assert [len(SERIES[name].windows()) for name in ("sp500", "sp500-250", "no-arch")] == [4031, 4781, 501]


@pytest.mark.parametrize("name", PAIRS)
def test_references_cover_what_they_should(name: str) -> None:
    for series, (windows, best) in refits.references(name).items():
        wanted = np.arange(0, len(SERIES[series].windows()), make_references.STEP)
        share = 0.9 if name == "egarch-t" else 0.99  # arch itself fails now and then
        assert np.intersect1d(windows, wanted).size >= share * wanted.size
        assert np.isfinite(best).all()


def test_references_are_those_of_arch(sp500: Any) -> None:
    windows, best = refits.references("gjr-t")["sp500"]
    for place in np.linspace(0, windows.size - 1, 4).astype(int).tolist():
        window = slice(int(windows[place]), int(windows[place]) + 1000)
        fit = peer.arch_fit(PAIRS["gjr-t"], sp500[window])
        assert fit is not None
        found = PAIRS["gjr-t"].log_likelihood(sp500[window], fit.values)
        assert best[place] >= found - 1e-4  # the better of cold and warm


def test_references_of_other_losses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refits, "digest", lambda losses: "0" * 16)
    with pytest.raises(ValueError, match="belong to other losses of sp500: run make_references again"):
        refits.references("garch-n")


@pytest.mark.parametrize("series", ["sp500", "sp500-250", "no-arch", "zeros", "integrated-t3", "level-break"])
@pytest.mark.parametrize("name", EVERY_WINDOW)
def test_no_optimum_is_lower_than_arch_s(name: str, series: str) -> None:
    found = refits.quality(name, series, most=400)
    assert found.below == 0, found.cells()


@pytest.mark.parametrize("name", PARTLY_REFERENCED)
def test_no_optimum_of_the_other_pairs_is_lower(name: str) -> None:
    found = refits.quality(name, "sp500", most=300)
    assert found.below == 0, found.cells()


@pytest.mark.nightly
@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", PAIRS)
def test_no_optimum_is_lower_anywhere(name: str, series: str) -> None:
    if series not in refits.references(name):
        pytest.skip(f"no losses of {series} here")
    found = refits.quality(name, series)
    assert found.below == 0, found.cells()


@pytest.mark.parametrize("name", EVERY_WINDOW)
def test_refits_need_few_evaluations(name: str) -> None:
    found = refits.quality(name, "sp500").fits
    assert found.warm <= MOST_EVALUATIONS
    assert np.median(found.evaluations) <= MOST_EVALUATIONS


@pytest.mark.parametrize(("name", "windows"), [("gjr-t", (20, 90, 130, 140)), ("gjr-skewt", (0, 10))])
def test_a_single_cold_fit_beside_an_outlier_is_not_lower_than_arch(name: str, windows: tuple[int, ...]) -> None:
    """There the curvature that a descent has built up leads astray: once more with a new one finds the top."""
    pair, losses = PAIRS[name], SERIES["outlier"].make()
    known, best = refits.references(name)["outlier"]
    for i in windows:
        fit = pair.volatility.fit(losses[i : i + 1000].copy(), mean=peer.MEAN, law=pair.law)
        assert fit.log_likelihood >= float(best[known == i][0]) - refits.BELOW
