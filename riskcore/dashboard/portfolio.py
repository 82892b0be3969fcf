"""The weights editor of the Data page: a portfolio of the file's assets as one more column of losses."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from riskcore.dashboard import intake, state
from riskcore.dashboard.sources import Dataset
from riskcore.returns import PORTFOLIO

_TOLERANCE = 1e-4
"""In percent: what stands between a sum typed by hand and 100."""


def editor(data: Dataset) -> None:
    """Weights in percent, one row per asset; used only by the button, and only if they sum to 100."""
    assets = [str(name) for name in data.prices.columns]
    if len(assets) < 2:
        st.text("A portfolio needs two assets or more; this file has one.")
        return
    if PORTFOLIO in assets:
        st.text(f"The file has an asset of the name {PORTFOLIO}; rename it to build one here.")
        return
    held = data.source.weights
    st.markdown(
        "Simple returns, rebalanced to these weights every day. A negative weight is a short position."
        if held is None
        else "**The column `portfolio` is in use.** Simple returns, rebalanced to these weights every day."
    )
    weights = _edited(data, assets)
    total = sum(weights.values())
    whole = abs(total - 100.0) <= _TOLERANCE
    st.markdown(f"Sum: **{total:.10g} %**" + ("" if whole else ", must be 100 %"))
    _buttons(data, assets, weights, whole)


def _edited(data: Dataset, assets: list[str]) -> dict[str, float]:
    """The editor. Its input stays the same while it lives: its own output must never come back as its input."""
    version = int(state.get("weights.version", 0))
    key = f"rc.w.data.weights.{intake.token(data.source)}.{version}"
    kept: tuple[str, Mapping[str, float]] = state.get("weights.base", ("", {}))
    if key not in st.session_state or kept[0] != key:  # new, or dropped when the visitor went to another page
        last: tuple[str, Mapping[str, float]] = state.get("weights.edited", ("", {}))
        kept = (key, last[1] if last[0] == key else _start(data, assets))
        state.put("weights.base", kept)
    table = pd.DataFrame({"Asset": assets, "Weight": [float(kept[1].get(name, 0.0)) for name in assets]})
    out = st.data_editor(
        table, key=key, num_rows="fixed", disabled=["Asset"], hide_index=True, alt="Weights of the assets in percent",
        column_config={"Weight": st.column_config.NumberColumn("Weight, %", format="%.4g", required=True)},
    )  # fmt: skip
    weights = dict(zip(assets, out["Weight"].fillna(0.0).astype(float).tolist(), strict=True))
    state.put("weights.edited", (key, weights))
    return weights


def _start(data: Dataset, assets: list[str]) -> dict[str, float]:
    """The weights in use, else equal ones."""
    if data.source.weights is not None:
        return {name: round(100.0 * float(data.source.weights.get(name, 0.0)), 10) for name in assets}
    return equal(assets)


def equal(assets: list[str]) -> dict[str, float]:
    """Equal weights in percent of four decimals that sum to 100: the last takes what rounding leaves.

    >>> equal(["A", "B", "C"])
    {'A': 33.3333, 'B': 33.3333, 'C': 33.3334}
    """
    share = round(100.0 / len(assets), 4)
    return dict.fromkeys(assets[:-1], share) | {assets[-1]: round(100.0 - share * (len(assets) - 1), 4)}


def _restart(weights: Mapping[str, float], data: Dataset) -> None:
    """A new editor that begins with `weights`."""
    version = int(state.get("weights.version", 0)) + 1
    state.put("weights.version", version)
    state.put("weights.edited", (f"rc.w.data.weights.{intake.token(data.source)}.{version}", weights))
    st.rerun()


def _buttons(data: Dataset, assets: list[str], weights: Mapping[str, float], whole: bool) -> None:
    used = data.source.weights
    with st.container(horizontal=True):
        label = "Use this portfolio" if used is None else "Use these weights"
        if st.button(label, type="primary", disabled=not whole, key="rc.w.data.portfolio.use"):
            total = sum(weights.values())
            intake.propose(data.source.with_(weights={n: w / total for n, w in weights.items() if w != 0.0}))
        if st.button("Equal weights", key="rc.w.data.portfolio.equal"):
            _restart(equal(assets), data)
        if used is not None and st.button("Remove the portfolio", key="rc.w.data.portfolio.remove"):
            intake.propose(data.source.with_(weights=None))
