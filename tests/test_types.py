from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskcore import Forecasts, Status, Target, WalkForward
from riskcore._types import with_companions
from riskcore.errors import ConfigError, DataError


@pytest.mark.parametrize("text", ["var:0.99", " es_0.975 ", "expectile:0.99855"])
def test_targets_read_and_write(text):
    target = Target.parse(text)
    assert Target.parse(target.label) == target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("var", "measure:level such as var:0.99, got 'var'"),
        ("var:x", "measure:level"),
        ("evar:0.99", "measure must be one of var, es, expectile, got 'evar'"),
        ("var:99", r"level must lie in \(0.5, 1\), got 99.0"),
        ("var:0.5", r"got 0.5"),
        ("var:nan", "measure:level"),
    ],
)
def test_bad_targets(text, message):
    with pytest.raises(ConfigError, match=message):
        Target.parse(text)


def test_companions_keep_the_order_and_drop_repeats():
    targets = [Target("es", 0.975), Target("var", 0.99), Target("es", 0.975)]
    assert [t.label for t in with_companions(targets)] == ["var_0.975", "es_0.975", "var_0.99"]
    with pytest.raises(ConfigError, match="at least one target"):
        with_companions([])


@pytest.mark.parametrize(("window", "refit_every", "n"), [(3, 1, 7), (3, 2, 8), (3, 100, 9), (5, 2, 5)])
@pytest.mark.parametrize("expanding", [False, True])
def test_blocks_cover_every_row_once(window, refit_every, n, expanding):
    blocks = list(WalkForward(window, refit_every, expanding).blocks(n))
    rows = [r for b in blocks for r in range(b.test.start, b.test.stop)]
    assert rows == list(range(window, n))
    for b in blocks:
        assert b.train.stop == b.test.start == window + b.index * refit_every
        assert b.train.start == (0 if expanding else b.train.stop - window)


@pytest.mark.parametrize(
    ("name", "value"), [("window", 1), ("window", 2.5), ("refit_every", 0), ("window", 10**12), ("window", True)]
)
def test_plan_out_of_range(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be a whole number in"):
        WalkForward(**{name: value})


def frame(**changes):
    days = pd.date_range("2024-01-02", periods=3)
    index = pd.MultiIndex.from_product([["A"], ["m"], days], names=["asset", "model", "date"])
    columns = {"origin": days - pd.Timedelta(days=1), "loss": 0.0, "status": "ok", "var_0.99": 1.0} | changes
    return pd.DataFrame(columns, index)


def test_table_is_checked():
    targets = [Target("var", 0.99)]
    table = Forecasts(frame(status=["ok", "implausible", "failed"]), targets)
    assert table.share_not_ok() == pytest.approx(2 / 3)
    assert table.degraded
    assert table.tail(table.frame) is None
    assert not Forecasts(frame(), targets).degraded
    with pytest.raises(DataError, match="origin must lie before date"):
        Forecasts(frame(origin=pd.Timestamp("2024-01-03")), targets)
    with pytest.raises(DataError, match="one row per asset, model and date"):
        Forecasts(pd.concat([frame(), frame()]), targets)
    with pytest.raises(DataError, match=r"columns \['es_0.975'\]"):
        Forecasts(frame(), [Target("es", 0.975)])
    with pytest.raises(DataError, match="status must be one of"):
        Forecasts(frame(status="fine"), targets)
    with pytest.raises(DataError, match="indexed by"):
        Forecasts(frame().reset_index(), targets)


def test_statuses_run_from_good_to_bad():
    assert [s.name for s in sorted(Status)] == [
        "ok", "retry", "boundary", "implausible", "stale_params", "fallback", "failed",
    ]  # fmt: skip
    assert np.int8(Status.failed) == 6
