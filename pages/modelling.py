"""Modelling: choose or build a model, fit it to the last losses, see what the fit says."""

import streamlit as st

from riskcore.dashboard import modelling, modelling_view, widgets
from riskcore.dashboard.shell import page_guard

page_guard()
data = widgets.dataset_or_stop()
asset = widgets.asset_picker(data.assets)
modelling.restore(data, asset)

with widgets.errors_shown():
    asked = modelling.form(data, asset)
    if asked is not None:
        modelling.fitted(data, asset, asked)  # before it is kept: what cannot be fitted is not looked at
        gone = modelling.keep(asked)
        if gone is not None:
            st.text(f"{modelling.MOST} models stand side by side; {gone} had to go.")

fits = {}
for kept in modelling.models():
    with widgets.errors_shown():
        fits[kept.name] = modelling.fitted(data, asset, kept)
if not fits:
    st.info("Choose a model and press Fit: parameters, tomorrow's risk and a check of the fit appear here.")
    st.stop()

if len(modelling.models()) > 1:
    st.subheader("Side by side", anchor=False)
    modelling_view.side_by_side(list(fits.values()))
name = modelling.look_at(list(fits))
fit, chosen = fits[name], modelling.named(name)
modelling_view.headline(fit)

modelling_view.parts(fit, repr((data.digest, asset, modelling.settings_text(chosen))))
modelling.hand_over(chosen)
