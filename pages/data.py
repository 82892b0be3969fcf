"""Data: choose a file, see what was read, answer what it leaves open, build a portfolio."""

import streamlit as st

from riskcore.dashboard import dataview, intake, portfolio, widgets
from riskcore.dashboard.shell import page_guard

page_guard()
source = intake.current()
intake.choose(source)
if source is None:
    st.info("Upload your prices, or begin with a sample. A template shows the form of a file.")
    st.stop()

read = intake.settle(source)
data = read.dataset
if data is None:
    st.text(source.name)
    intake.refused(source, read)
    dataview.understood(read.survey, None)
    with st.expander("Read it in another way"):
        dataview.returns(source)
        intake.correct(source, read.survey)
    st.stop()

dataview.summary(data)
prices, quality, reading, weights, downloads = st.tabs(
    widgets.tab_names(["Prices", "Quality report", "How it was read", "Portfolio", "Downloads"]), key="rc.w.data.tabs"
)
with prices:
    dataview.chart(data)
    dataview.by_asset(data)
with quality:
    dataview.quality(data)
with reading:
    dataview.returns(source)
    dataview.understood(read.survey, data)
    with st.expander("Read it in another way"):
        intake.correct(source, read.survey)
with weights:
    portfolio.editor(data)
with downloads:
    dataview.downloads(data)
