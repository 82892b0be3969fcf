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

overview.show(dataset, asset)
