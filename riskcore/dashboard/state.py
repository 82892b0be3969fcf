"""What a session remembers between reruns and pages; no other file knows a key of ``st.session_state``.

State holds names, settings and digests. Frames live in a bounded cache of the session, keyed by the full digest of the
file and the settings: streamlit's own hash of a large frame looks at a sample of it only.
"""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

import streamlit as st

from riskcore.dashboard import sources
from riskcore.dashboard.jobs import Jobs
from riskcore.dashboard.sources import Dataset, Reading, Source
from riskcore.dashboard.workspace import COOKIE, Workspace, workspace_of

_PREFIX = "rc."
Value = TypeVar("Value")


def get(name: str, default: Value) -> Value:
    """A value kept by the session, `default` if there is none yet."""
    found: Value = st.session_state.get(_PREFIX + name, default)
    return found


def put(name: str, value: Any) -> None:
    """Keep a small value (never a frame) for the session."""
    st.session_state[_PREFIX + name] = value


def drop(name: str) -> None:
    """Forget a value."""
    st.session_state.pop(_PREFIX + name, None)


def workspace() -> Workspace:
    """The visitor's own folder: of the browser's cookie, else of this session alone."""
    token = st.context.cookies.get(COOKIE, "")
    if len(token) < 32:
        token = get("session", "") or uuid.uuid4().hex
        put("session", token)
    return workspace_of(token)


def source() -> Source | None:
    """The file that the visitor works on; a new tab begins with what the browser worked on last."""
    found: Source | None = get("source", None)
    if found is None and not get("looked", False):
        put("looked", True)
        found = sources.remembered(workspace())
        if found is not None:
            put("source", found)
    return found


def set_source(chosen: Source) -> None:
    """Work on `chosen` from now on. What belongs to the file before it is forgotten, runs on disk are not."""
    put("source", chosen)
    sources.remember(chosen, workspace())
    drop("run")
    drop("asset")


def dataset() -> Dataset | None:
    """Prices and losses of the session's source; raises as `sources.load`, None without a source."""
    chosen = source()
    return None if chosen is None else load(chosen)


def load(chosen: Source) -> Dataset:
    """`sources.load` through the session's cache."""
    return sources.loaded(reading(chosen))


def reading(chosen: Source) -> Reading:
    """`sources.read` through the session's cache; a file that cannot be read is not tried again and again."""
    return _read(chosen.key, chosen)


@st.cache_data(scope="session", max_entries=4, show_spinner="Reading the file")
def _read(key: str, _source: Source) -> Reading:
    return sources.read(_source)


def run_id() -> str | None:
    """The run that Backtest review shows."""
    return get("run", None)


def set_run(name: str | None) -> None:
    """Show another run."""
    put("run", name)


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The server's queue of backtests."""
    return Jobs()
