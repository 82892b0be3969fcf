"""The frame round every page: navigation, title, sidebar, errors in plain words.

A cold server answers a deep link such as ``/modelling`` by running the page without the main script. So each page
begins with :func:`page_guard`, which then runs the shell, and the page inside it.
"""

from __future__ import annotations

import logging
import math
import secrets
from contextvars import ContextVar
from pathlib import Path

import streamlit as st

from riskcore.dashboard import state, widgets
from riskcore.dashboard.sources import Source
from riskcore.dashboard.workspace import app_root
from riskcore.errors import RiskcoreError

_log = logging.getLogger(__name__)
# not in session_state: where a page ends by st.stop(), writes to it are refused and the flag would stay
_IN_SHELL = ContextVar("in_shell", default=False)

ICON = Path(__file__).with_name("icon.png")
"""A file of ours: a named icon would be fetched from another server."""

PAGES: dict[str, tuple[str, str]] = {
    "overview": ("Overview", ":material/speed:"),
    "data": ("Data", ":material/table_view:"),
    "modelling": ("Modelling", ":material/ssid_chart:"),
    "review": ("Backtest review", ":material/fact_check:"),
    "runs": ("Runs", ":material/history:"),
}
"""File name (which is the page's address), title and icon."""


def run_shell() -> None:
    """Run the page that the address names inside the frame."""
    st.set_page_config(page_title="riskcore", page_icon=ICON, layout="wide")
    pages = [
        st.Page(app_root() / "pages" / f"{name}.py", title=title, icon=icon, default=name == "overview")
        for name, (title, icon) in PAGES.items()
    ]
    page = st.navigation(pages)
    if widgets.phone():
        _close_sidebar(page.title)
    with st.sidebar:  # before the page, which may end early
        _sidebar()
    st.title(page.title)
    token = _IN_SHELL.set(True)
    try:
        page.run()
    except RiskcoreError as error:
        widgets.error_box(error)
    except Exception:  # shown by number: the text could hold what the visitor must not see
        number = secrets.token_hex(4)
        _log.exception("error %s on page %s", number, page.title)
        st.error(
            f"Something went wrong in riskcore itself (error {number}); nothing of yours is lost. "
            "Reload the page; if it stays, give this number to whoever runs the server: it is in the log.",
            icon=":material/error:",
        )
    finally:
        _IN_SHELL.reset(token)


def _close_sidebar(title: str) -> None:
    """On a phone another page closes the sidebar that it was chosen in, which lies over the page.

    Streamlit obeys a change of this setting only. Both of its values close the sidebar of a phone.
    """
    shown, open_first = state.get("sidebar", ("", True))
    if shown != title:
        open_first = not open_first
        state.put("sidebar", (title, open_first))
    st.set_page_config(initial_sidebar_state="auto" if open_first else "collapsed")


def page_guard() -> None:
    """First call of every page: run the shell where the page was started without it."""
    if not _IN_SHELL.get():
        run_shell()
        st.stop()


def _sidebar() -> None:
    """What the session works on, and the one convention, on every page."""
    chosen = state.source()
    if chosen is not None:
        st.caption("Working on")
        st.text(chosen.name)
    st.caption(convention(chosen))


def convention(source: Source | None) -> str:
    """What a loss is under a source's kind of returns.

    >>> from pathlib import Path
    >>> convention(Source(Path("a.csv"), kind="simple"))
    'Losses are minus simple returns: a positive figure hurts. A loss of 13 % takes 13 % of the value.'
    """
    if source is None:
        return "Losses are minus returns: a positive figure hurts."
    share = 13.0 if source.kind == "simple" else -100.0 * math.expm1(-0.13)
    text = f"Losses are minus {source.kind} returns: a positive figure hurts."
    text += f" A loss of 13 % takes {share:.3g} % of the value."
    portfolio = source.weights is not None and source.kind != "simple"
    return f"{text} The portfolio's returns are simple." if portfolio else text
