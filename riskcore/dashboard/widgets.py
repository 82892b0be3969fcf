"""Parts that several pages share: charts in the page's theme, error boxes, downloads, the chosen asset."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from riskcore.dashboard import sources, state
from riskcore.dashboard.sources import Dataset
from riskcore.errors import RiskcoreError
from riskcore.plots import CONFIG, compact, darkened, steady
from riskcore.runs.cards import LETTERS, cards_of, cost_words

if TYPE_CHECKING:
    import plotly.graph_objects as go

Value = TypeVar("Value")


def chart(figure: go.Figure, *, key: str, alt: str) -> None:
    """Show a figure of `riskcore.plots` in the page's theme; `alt` says in words what it shows."""
    small = compact(figure)
    small = steady(darkened(small) if dark() else small)
    st.plotly_chart(small, theme=None, key=key, config=CONFIG, alt=alt)


def kept_chart(settings: str, make: Callable[[], go.Figure], *, key: str, alt: str) -> None:
    """`chart` of a figure that the session keeps: `make` is called once for each `settings` and theme.

    `settings` must say everything that the figure depends on: its name, the digest of its data, the choices.
    """
    kept_drawing(settings, lambda: chart(make(), key=key, alt=alt))


def kept_drawing(settings: str, draw: Callable[[], None]) -> None:
    """What `draw` shows, which is no widget: made once a session for each `settings` and theme, then shown again."""
    _kept_drawing(repr((settings, dark())), draw)


def kept(settings: str, make: Callable[[], Value]) -> Value:
    """A value that is made once a session for each `settings`, as in `kept_chart`; nobody may change it."""
    found: Value = _kept_value(settings, make)
    return found


def phone() -> bool:
    """Whether the visitor's browser says that it is a phone's."""
    return "Mobi" in (st.context.headers.get("User-Agent") or "")


def readable(name: str) -> str:
    """A label of ours of a tab or pill: on a dark page in the colour of links.

    Streamlit writes the chosen one in the accent colour, which carries white text elsewhere: too dim on dark paper.
    """
    return f":blue[{name}]" if dark() else name


def tab_names(names: Iterable[str]) -> list[str]:
    """Labels of tabs, `readable` where one is chosen."""
    return [readable(name) for name in names]


def dark() -> bool:
    """Whether the visitor's page is dark."""
    return bool(st.context.theme.type == "dark")


@st.cache_resource(scope="session", max_entries=64, show_spinner=False)
def _kept_value(key: str, _make: Callable[[], Any]) -> Any:
    return _make()


@st.cache_resource(scope="session", max_entries=64, show_spinner=False)  # keeps what was sent, as it was sent
def _kept_drawing(key: str, _draw: Callable[[], None]) -> None:
    _draw()


def error_box(error: RiskcoreError) -> None:
    """An error raised on purpose, as plain text: what, where, what to do. Names of files are never rendered."""
    first, _, rest = str(error).partition("\n")
    with st.container(border=True):
        st.error("This cannot be done as it stands:", icon=":material/error:")
        st.text(first)
        if rest:
            st.text(rest)


@contextlib.contextmanager
def errors_shown() -> Iterator[None]:
    """Turn a RiskcoreError of one part of a page into a box, and go on with the next part."""
    try:
        yield
    except RiskcoreError as error:
        error_box(error)


def dataset_or_stop() -> Dataset:
    """The session's data; without any, a note with two ways on, and the page ends here."""
    found = state.dataset()
    if found is None:
        st.info("No prices yet. Upload a file, or look round with two decades of the S&P 500 and the NASDAQ.")
        left, right = st.columns(2)
        if left.button("Use the sample", type="primary", width="stretch", key="rc.use_sample"):
            state.set_source(sources.sample())
            st.rerun()
        if right.button("Upload prices", width="stretch", key="rc.go_data"):
            st.switch_page("pages/data.py")
        st.stop()
    return found


def asset_picker(assets: list[str]) -> str:
    """The asset that the pages speak of, in the sidebar; kept across pages."""
    kept = state.get("asset", assets[0])
    index = assets.index(kept) if kept in assets else 0
    chosen = st.sidebar.selectbox("Asset", assets, index=index, key="rc.w.asset", disabled=len(assets) == 1)
    state.put("asset", chosen)
    return str(chosen)


def download(label: str, make: Callable[[], bytes], file_name: str, mime: str, *, key: str) -> None:
    """A button whose file is made on the click, without a rerun."""
    st.download_button(label, make, file_name=file_name, mime=mime, key=key, on_click="ignore")


def model_cards(settings: str, name: str) -> None:
    """Formula, use, failure and measured cost of a model, by the text of its settings and its name."""
    for card in cards_of(settings):
        st.markdown(f"**{card.title}**")
        st.code(card.formula, language=None, wrap_lines=True)
        st.text(f"When to use it: {card.use}.")
        st.text(f"How it fails: {card.fails}.")
    cost = cost_words(name)
    if cost:
        st.caption(f"Cost: {cost}, of one processor on 1,000 losses. {LETTERS}")
    else:
        st.caption(LETTERS)
