"""Runs: the queue, the history, and two runs beside each other."""

import streamlit as st

from riskcore.dashboard import history, state, widgets
from riskcore.dashboard.shell import page_guard

page_guard()
st.write("Backtests of this browser, newest first. They go on when the page is closed.")

jobs = state.jobs().list(state.workspace().runs)
if not jobs:
    st.info("No runs yet. Start one on Backtest review: it appears here and goes on in the background.")
    if st.button("Go to Backtest review", type="primary", key="rc.w.runs.go_review"):
        st.switch_page("pages/review.py")
    st.stop()

history.show_history(jobs)
one, two = st.tabs(widgets.tab_names(["One run", "Compare two"]), on_change="rerun", key="rc.w.runs.tab")
if one.open:
    with one:
        history.show_one(jobs)
if two.open:
    with two:
        history.show_two([job for job in jobs if job.readable])
