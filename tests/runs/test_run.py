"""A run on disk: resumed, refused, verified, and the same whatever the number of jobs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import riskcore as rc
from riskcore import walkforward
from riskcore.errors import ConfigError, DataError, FitError, RiskcoreError
from riskcore.runs import RunInterrupted, open_run, rebuild_run, verify_run
from riskcore.runs.summary import summary


@pytest.fixture(scope="module")
def plain_forecasts(losses: pd.DataFrame) -> rc.Forecasts:
    plan = rc.WalkForward(window=250, refit_every=50)
    return rc.forecast(losses, ["historical", "ewma"], ["var:0.99", "es:0.975", "expectile:0.99"], plan, ahead=True)


def without_times(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del manifest["timings"]
    return manifest


def fail_with(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_files_hold_what_forecast_gives(walk: Any, tmp_path: Path, plain_forecasts: rc.Forecasts) -> None:
    run = walk(tmp_path / "run")
    again = open_run(tmp_path / "run").forecasts()
    pd.testing.assert_frame_equal(again.frame, plain_forecasts.frame, check_exact=True)
    assert again.targets == plain_forecasts.targets == run.targets
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "backtests.csv", "forecasts", "manifest.json", "scores.csv"
    ]  # fmt: skip
    assert len(list((tmp_path / "run" / "forecasts").iterdir())) == 4
    assert verify_run(tmp_path / "run") == []
    scores = pd.read_csv(tmp_path / "run" / "scores.csv")
    np.testing.assert_array_equal(scores["mean"], rc.score_table(plain_forecasts)["mean"])
    assert set(scores["asset"]) == {"S&P 500", "'=A1"}


def test_manifest_says_what_was_done(walk: Any, tmp_path: Path) -> None:
    source = tmp_path / "prices.csv"
    source.write_bytes(b"abc")
    run = walk(tmp_path / "run", inputs=[source], findings=[{"code": "x", "rows": (1, 2)}], notes={"kind": "log"})
    manifest = run.manifest
    assert manifest["state"] == "complete"
    assert manifest["settings"]["models"]["ewma"] == repr(walkforward.resolve_models(["ewma"])["ewma"])
    assert manifest["settings"]["window"] == 250
    assert manifest["data"]["=A1"]["rows"] == 370
    # sha256 of "abc": FIPS 180-2, appendix B.1
    assert manifest["inputs"][0]["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert manifest["inputs"][0]["name"] == "prices.csv"
    assert sum(manifest["status"].values()) == len(run.forecasts().frame)
    assert manifest["findings"] == [{"code": "x", "rows": [1, 2]}]
    assert manifest["notes"] == {"kind": "log"}
    assert str(tmp_path) not in json.dumps(manifest)
    assert {"started", "seconds", "peak_memory_mb"} <= set(manifest["timings"])


def test_jobs_do_not_matter(walk: Any, tmp_path: Path, contents: Any) -> None:
    walk(tmp_path / "one", jobs=1)
    walk(tmp_path / "two", jobs=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert without_times(tmp_path / "one") == without_times(tmp_path / "two")


def test_a_unit_does_not_depend_on_the_others(walk: Any, losses: pd.DataFrame, tmp_path: Path, contents: Any) -> None:
    whole = walk(tmp_path / "whole")
    alone = walk(tmp_path / "alone", losses=losses[["=A1"]], models=["ewma"])
    name = alone.manifest["units"][0]["file"]
    assert name in {unit["file"] for unit in whole.manifest["units"]}
    assert contents(tmp_path / "alone")[f"forecasts/{name}"] == contents(tmp_path / "whole")[f"forecasts/{name}"]


def test_missing_units_only_are_computed(walk: Any, tmp_path: Path, contents: Any, monkeypatch: Any) -> None:
    walk(tmp_path / "whole")
    out = tmp_path / "cut"
    calls: list[str] = []
    original = walkforward.forecast_unit

    def stop_after_two(*args: Any, **options: Any) -> pd.DataFrame:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(options["model"])
        return original(*args, **options)

    monkeypatch.setattr(walkforward, "forecast_unit", stop_after_two)
    with pytest.raises(RunInterrupted, match="2 of 4 units done") as stop:
        walk(out)
    assert (stop.value.done, stop.value.total) == (2, 4)
    assert open_run(out).state == "running"
    assert len(open_run(out).forecasts().units) == 2
    assert verify_run(out) == ["manifest.json: the run is not complete"]
    with pytest.raises(DataError, match="must be a complete run"):
        rebuild_run(out)
    calls.clear()

    def count(*args: Any, **options: Any) -> pd.DataFrame:
        calls.append(options["model"])
        return original(*args, **options)

    monkeypatch.setattr(walkforward, "forecast_unit", count)
    run = walk(out)
    assert len(calls) == 2
    assert run.manifest["timings"]["units_reused"] == 2
    assert contents(out) == contents(tmp_path / "whole")
    assert without_times(out) == without_times(tmp_path / "whole")


def test_damaged_files_are_computed_again_and_named(walk: Any, tmp_path: Path, contents: Any) -> None:
    out = tmp_path / "run"
    run = walk(out)
    before = contents(out)
    first, second = (out / "forecasts" / name for name in sorted(u["file"] for u in run.manifest["units"][:2]))
    broken = bytearray(first.read_bytes())
    broken[len(broken) // 2] ^= 1
    first.write_bytes(broken)
    second.write_bytes(second.read_bytes()[:-20])
    assert verify_run(out) == [f"forecasts/{first.name}: changed", f"forecasts/{second.name}: changed"]
    with pytest.raises(DataError, match=f"{first.name} must"):
        open_run(out).forecasts()
    with pytest.raises(DataError, match="as they were written"):
        rebuild_run(out)
    again = walk(out)
    assert sorted(again.manifest["timings"]["units_done_again"]) == [first.name, second.name]
    assert "computed again: s-p-500--historical" in summary(again)
    assert contents(out) == before
    assert verify_run(out) == []


def test_verify_names_what_is_missing_or_unknown(walk: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = walk(out)
    (out / "forecasts" / "other.parquet").write_bytes(b"x")
    (out / "scores.csv").write_text("changed", encoding="utf-8")
    gone = run.manifest["units"][0]["file"]
    (out / "forecasts" / gone).unlink()
    assert verify_run(out) == [
        f"forecasts/{gone}: missing",
        "scores.csv: changed",
        "forecasts/other.parquet: not in the manifest",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"plan": rc.WalkForward(200, 50)}, "window: 250 there, 200 here"),
        ({"models": ["historical"]}, r"model ewma \(only there\)"),
        ({"targets": [rc.Target("var", 0.99)]}, "targets: .* there, var_0.99 here"),
        ({"from_date": "2021-03-01"}, "from: None there, 2021-03-01 here"),
        ({"ahead": False}, "ahead: True there, False here"),
    ],
)
def test_other_settings_are_refused(
    walk: Any, tmp_path: Path, contents: Any, change: dict[str, Any], words: str
) -> None:
    out = tmp_path / "run"
    walk(out)
    before = contents(out)
    with pytest.raises(ConfigError, match=words):
        walk(out, **change)
    assert contents(out) == before
    assert verify_run(out) == []


def test_other_data_or_other_code_is_refused(
    walk: Any, losses: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(tmp_path / "run")
    other = losses.rename(columns={"=A1": "B"})
    other.iloc[7, 0] = 0.5
    with pytest.raises(
        ConfigError, match=r"data of =A1 \(only there\); data of B \(only here\); data of S&P 500 \(other"
    ):
        walk(tmp_path / "run", losses=other)
    monkeypatch.setattr("riskcore.runs.run.code_version", lambda: {"riskcore": "0.0.1"})
    with pytest.raises(ConfigError, match=r"version of riskcore: 0.1.0 there, 0.0.1 here"):
        walk(tmp_path / "run")


def test_a_folder_of_others_is_refused(walk: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"with other files: letter\.txt"):
        walk(tmp_path)
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="must be a manifest of format 1"):
        walk(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["letter.txt", "manifest.json"]


def test_a_folder_in_use_is_refused(walk: Any, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="in use by another process"):
            walk(tmp_path)
    finally:
        os.close(handle)


def test_every_failing_write_gives_a_clear_error_and_a_run_that_goes_on(
    walk: Any, losses: pd.DataFrame, tmp_path: Path, contents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The k-th fsync or rename fails, for every k of a run: folder fsyncs included."""
    walk = partial(walk, losses=losses[["=A1"]], targets=[rc.Target("var", 0.99)])
    walk(tmp_path / "whole")
    wanted = contents(tmp_path / "whole")
    for function in ("fsync", "replace"):
        original, failures = getattr(os, function), 0
        for k in range(1, 30):
            out, calls = tmp_path / f"{function}{k}", 0

            def faulty(*args: Any, original: Any = original, k: int = k) -> Any:
                nonlocal calls
                calls += 1
                if calls == k:
                    raise OSError(28, "No space left on device")
                return original(*args)

            with monkeypatch.context() as patch:
                patch.setattr(os, function, faulty)
                try:
                    walk(out)
                except ConfigError as error:
                    assert "must be a folder that can be written" in str(error)  # noqa: PT017
                    assert "No space left on device" in str(error)  # noqa: PT017
                    failures += 1
            if calls < k:
                break
            assert not list(out.rglob(".*.tmp"))
            walk(out)
            assert contents(out) == wanted
        assert failures == k - 1 >= 6


def test_out_below_a_file_is_refused(walk: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="must be a folder that can be written"):
        walk(tmp_path / "file" / "run")


def test_a_faulty_unit_does_not_cost_the_others(walk: Any, tmp_path: Path, monkeypatch: Any) -> None:
    original = walkforward.forecast_unit

    def faulty(*args: Any, **options: Any) -> pd.DataFrame:
        if options["model"] == "ewma" and options["asset"] == "=A1":
            raise ZeroDivisionError("of the model's own making")
        return original(*args, **options)

    monkeypatch.setattr(walkforward, "forecast_unit", faulty)
    run = walk(tmp_path)
    assert run.degraded
    reason = "ZeroDivisionError: of the model's own making"
    assert run.manifest["failed_units"] == [{"asset": "=A1", "model": "ewma", "reason": reason}]
    assert len(run.forecasts().units) == 3
    assert f"NOT DONE: =A1, ewma: {reason}" in summary(run)
    monkeypatch.setattr(walkforward, "forecast_unit", fail_with(FitError("never")))
    with pytest.raises(RiskcoreError, match="no unit could be computed: FitError: never"):
        walk(tmp_path / "none")
    monkeypatch.setattr(walkforward, "forecast_unit", fail_with(DataError("losses must be losses")))
    with pytest.raises(ConfigError, match="losses must be losses"):
        walk(tmp_path / "bad")


def test_settings_are_checked_before_anything_is_written(walk: Any, losses: pd.DataFrame, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(DataError, match=r"window 390 needs at least 391 losses per asset: =A1 has 370"):
        walk(out, plan=rc.WalkForward(390, 10))
    with pytest.raises(
        ConfigError, match=r"jobs must be a whole number in \[1, 1024\], or -1 for all processors, got 0"
    ):
        walk(out, jobs=0)
    with pytest.raises(ConfigError, match="from must be a date such as 2005-01-31, got '2005'"):
        walk(out, from_date="2005")
    with pytest.raises(ConfigError, match="from must not lie after to, got 2021-06-01 and 2021-01-01"):
        walk(out, from_date="2021-06-01", to_date="2021-01-01")
    with pytest.raises(ConfigError, match="'S&P 500' has forecasts from 2020-12-16 to 2021-07-14 only"):
        walk(out, from_date="2030-01-01")
    with pytest.raises(ConfigError, match=r"model 'c' offers none of the targets var_0\.99"):
        walk(out, models=[rc.CARE(level=0.99, name="c")], targets=[rc.Target("var", 0.99)])
    with pytest.raises(ConfigError, match="models must name at least one"):
        walk(out, models=[])
    assert not out.exists()


def test_bounds_are_on_forecast_dates(walk: Any, tmp_path: Path, plain_forecasts: rc.Forecasts) -> None:
    run = walk(tmp_path, from_date="2021-03-01", to_date="2021-04-30")
    rows = run.forecasts().frame
    dates = plain_forecasts.frame.index.get_level_values("date")
    inside = plain_forecasts.frame[(dates >= "2021-03-01") & (dates <= "2021-04-30")]
    assert len(inside) > 100
    pd.testing.assert_frame_equal(rows, inside, check_exact=True)


def test_report_is_written_and_rebuilt(walk: Any, tmp_path: Path, contents: Any) -> None:
    def report(forecasts: rc.Forecasts, *, scores: pd.DataFrame, backtests: pd.DataFrame, **rest: Any) -> str:
        assert set(rest) == {"title", "manifest", "findings"}
        assert "timings" not in rest["manifest"]
        return f"{rest['title']}: {len(forecasts.frame)} {len(scores)} {len(backtests) > 0}"

    run = walk(tmp_path, report=report)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("Backtest of S&P 500, =A1: 544 ")
    assert set(run.manifest["outputs"]) == {"scores.csv", "backtests.csv", "report.html"}
    before = contents(tmp_path)
    (tmp_path / "scores.csv").unlink()
    (tmp_path / "report.html").write_text("spoilt", encoding="utf-8")
    again = rebuild_run(tmp_path, report=report)
    assert contents(tmp_path) == before
    assert again.manifest == run.manifest
    assert "report.html" not in rebuild_run(tmp_path).manifest["outputs"]
    assert not (tmp_path / "report.html").exists()


def test_a_report_that_fails_does_not_cost_the_run(walk: Any, tmp_path: Path) -> None:
    walk(tmp_path, report=lambda *_, **__: "page")
    run = walk(tmp_path, report=fail_with(ZeroDivisionError("no paper")))
    assert run.report_error == open_run(tmp_path).report_error == "ZeroDivisionError: no paper"
    assert not run.degraded
    assert set(run.manifest["outputs"]) == {"scores.csv", "backtests.csv"}
    assert not (tmp_path / "report.html").exists()
    assert (
        f"REPORT FAILED: ZeroDivisionError: no paper; the tables are whole; try again: riskcore report {tmp_path}"
        in (summary(run))
    )
    assert verify_run(tmp_path) == []
    again = rebuild_run(tmp_path, report=lambda *_, **__: "page")
    assert again.report_error == ""
    assert "report_error" not in again.manifest
    assert "report.html" in again.manifest["outputs"]


def test_models_and_assets_keep_the_order_given(walk: Any, losses: pd.DataFrame, tmp_path: Path) -> None:
    run = walk(tmp_path, models=["ewma", "age-weighted", "historical"])
    table = run.forecasts()
    assert (table.assets, table.models) == (["S&P 500", "=A1"], ["ewma", "age-weighted", "historical"])
    assert list(pd.read_csv(tmp_path / "scores.csv")["model"].unique()) == table.models
    killed = {**run.manifest, "state": "running"}
    (tmp_path / "manifest.json").write_text(json.dumps(killed), encoding="utf-8")
    assert open_run(tmp_path).forecasts().models == table.models
    # the order says nothing on the numbers: the same run in another order is resumed
    other = walk(tmp_path, models=["historical", "ewma", "age-weighted"], losses=losses[["=A1", "S&P 500"]])
    assert other.manifest["timings"]["units_reused"] == 6
    assert (other.forecasts().assets, other.forecasts().models[0]) == (["=A1", "S&P 500"], "historical")


def test_progress_goes_from_nothing_to_all(walk: Any, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    walk(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 544)
    assert seen[-1] == (544, 544)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_open_run_wants_a_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"path must be the folder of a run \(with manifest.json\)"):
        open_run(tmp_path / "nothing")
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="must be readable JSON"):
        open_run(tmp_path)
