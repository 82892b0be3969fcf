"""modelling."""

import streamlit as st

from riskcore.dashboard.shell import page_guard

page_guard()
st.text("modelling")
