"""What a run says on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import riskcore as rc
from riskcore.runs.summary import summary
from riskcore.runs.tomorrow import next_day


def test_the_answer_comes_first(walk: Any, tmp_path: Path) -> None:
    """The model of each asset's sentence and star has the lowest mean quantile score, by a count of its own."""
    run = walk(tmp_path)
    table = run.forecasts()
    lines = summary(run).splitlines()
    for line, asset in zip(lines, table.assets, strict=False):
        means = {}
        for model in table.models:
            rows = table.judged(asset, model)
            gap = rows["loss"] - rows["var_0.99"]
            means[model] = float(np.mean(np.where(gap > 0, 0.99 * gap, -0.01 * gap)))
        best = min(means, key=lambda model: means[model])
        row = table.next_day().loc[(asset, best)].iloc[0]
        assert line == (
            f"{asset}, next trading day after {row['origin']:%Y-%m-%d}: VaR 0.99 {100 * row['var_0.99']:.2f} %, "
            f"ES 0.975 {100 * row['es_0.975']:.2f} % ({best}, lowest quantile score of 2)"
        )
        assert any(other.startswith(asset) and f"{best} *" in other for other in lines)
    assert lines[2] == ""
    assert lines[3] == "Next day (losses in percent of value; * lowest quantile score of the asset)"
    assert sum(" * " in line for line in lines[4:9]) == 2
    assert lines[9] == "dates are the next weekday; holidays are not known"
    # tau / (1 - tau), and the normal law's probability below its own expectile
    assert "expectile VaR 0.99: loss-gain ratio 99, under a normal law VaR 0.9571" in lines
    assert f"its level is no probability; levels of the day's own law: riskcore report {tmp_path}" in lines


def test_many_assets_have_a_row_each(walk: Any, losses: pd.DataFrame, tmp_path: Path) -> None:
    many = pd.concat([losses.add_suffix(str(i)) for i in range(3)], axis=1)
    run = walk(tmp_path, losses=many, targets=[rc.Target("var", 0.99)])
    lines = summary(run).splitlines()
    assert lines[0] == "Next day (losses in percent of value; by the model with the lowest quantile score)"
    assert [line[:8].strip() for line in lines[2:8]] == list(many.columns)
    assert lines[8] == "dates are the next weekday; holidays are not known"
    assert lines[10].startswith("Rows by status: ok")
    assert not any(line.startswith(("Hits", "Mean scores", "Backtests")) for line in lines)
    assert lines[-1].endswith("details: scores.csv, backtests.csv")


def test_no_next_day_is_explained(walk: Any, tmp_path: Path) -> None:
    text = summary(walk(tmp_path / "to", to_date="2021-04-30"))
    assert text.startswith(
        "No next day for S&P 500, =A1: --to 2021-04-30 ends the forecasts before the day after the last price "
        "(2021-07-13); leave it out to get that day\n"
    )
    assert "it was not asked for" in summary(walk(tmp_path / "no", ahead=False))


def test_expectiles_alone(walk: Any, tmp_path: Path) -> None:
    text = summary(walk(tmp_path, targets=[rc.Target("expectile", 0.99)], models=["ewma"]))
    assert text.startswith("S&P 500, next trading day after 2021-07-13: expectile VaR 0.99 ")
    assert " % (ewma)" in text.splitlines()[0]


def test_statuses_have_a_legend(walk: Any, tmp_path: Path) -> None:
    run = walk(tmp_path)
    table = run.forecasts()
    last = table.next_day().index[0]
    table.frame.loc[last, "status"] = "boundary"
    text = next_day(run, table, pd.read_csv(tmp_path / "scores.csv"))
    assert "boundary: an estimated parameter lies on its limit, usable; dates are the next weekday" in text
    rest = rc.Forecasts(table.frame[table.frame["loss"].isna()].iloc[:1], table.targets)
    alone = next_day(run, rest, run.scores().iloc[:0])
    assert alone.splitlines()[0].endswith(f"({last[1]}; status boundary)")
    assert "Next day (losses in percent of value)" in alone


def test_a_resumed_run_says_so(walk: Any, tmp_path: Path) -> None:
    run = walk(tmp_path)
    assert "resumed:" not in summary(run)
    (tmp_path / "forecasts" / run.manifest["units"][1]["file"]).unlink()
    assert "resumed: 3 of 4 units were already there" in summary(walk(tmp_path))
