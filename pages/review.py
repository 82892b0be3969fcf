"""Backtest review: start a walk-forward, and judge what came out."""

import streamlit as st

from riskcore.dashboard import review, review_form, state, widgets
from riskcore.dashboard import review_views as views
from riskcore.dashboard.shell import page_guard

page_guard()
dataset = state.dataset()
job = review.pick_run(dataset)
if job is None:
    dataset = widgets.dataset_or_stop()
if dataset is not None:
    review_form.start_form(dataset, folded=job is not None)
if job is None:
    st.stop()

opened = review.open_or_stop(job, dataset)
shown = review.view_or_stop(opened)
views.quality(shown)
views.figures(shown)

st.header("Tests")
views.tests(shown)

st.header("More")
views.more(shown)

st.header("Downloads")
views.downloads(shown)
