"""Overview: the state of an asset in five seconds."""

import streamlit as st

from riskcore.dashboard import overview, state, widgets
from riskcore.dashboard.shell import page_guard

page_guard()
if state.source() is None:
    overview.welcome()
    st.stop()
dataset = widgets.dataset_or_stop()
asset = widgets.asset_picker(dataset.assets)

figures, model = overview.chosen(dataset, asset)
found = figures.state(asset, model)
st.caption(overview.since(found))
overview.risk_cards(found)
overview.past_cards(dataset, asset, found)

overview.band(figures, found)
if len(dataset.assets) > 1:
    st.subheader("All assets")
    overview.asset_table(dataset, figures, model)
