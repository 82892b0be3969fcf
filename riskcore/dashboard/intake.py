"""The Data page's way from a file to the data in use: choose, read, ask, correct.

A source that is not (yet) usable is the session's *draft*; the data in use stay what they are until the draft can be
read. So a bad file costs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from riskcore import defaults
from riskcore.dashboard import sources, state, widgets, wording
from riskcore.dashboard.questions import Question, Seen, questions, unsettled
from riskcore.dashboard.sources import SAMPLES, TEMPLATES, Reading, Source
from riskcore.errors import ConfigError
from riskcore.ingest import Finding, Survey
from riskcore.ingest.findings import MAX_NAME
from riskcore.returns import PORTFOLIO

_TYPES = ["csv", "tsv", "txt", "xlsx", "parquet"]
_SHOWN_FAULTS = 12
_BY_ITSELF = ""


def current() -> Source | None:
    """The source that the page is about: the draft, else the one in use."""
    return state.get("draft", None) or state.source()


def propose(source: Source) -> None:
    """Make `source` the draft and begin the page again; it comes into use if it can be read."""
    state.put("draft", source)
    st.rerun()


def token(source: Source) -> str:
    """Short text for keys of widgets that are to begin anew with every source and reading."""
    return hashlib.blake2b(source.key.encode(), digest_size=6).hexdigest()


def settle(source: Source) -> Reading:
    """Read the page's source; a draft that can be read comes into use, and takes its portfolio along if it can."""
    result = state.reading(source)
    if isinstance(result.error, ConfigError) and source.weights is not None:
        plain = source.with_(weights=None)
        if state.reading(plain).dataset is not None:
            state.put("notice", "The portfolio was left out: its weights do not fit the assets of this reading.")
            propose(plain)
    if result.dataset is not None and state.get("draft", None) is not None:
        _use(source)
        state.drop("draft")
        st.rerun()  # the sidebar stands before the page and still names the file before
    return result


def _use(source: Source) -> None:
    """Bring a source into use; a new portfolio becomes the asset that the pages look at."""
    used = state.source()
    if source == used:
        return
    state.set_source(source)
    if source.weights is not None and (used is None or source.weights != used.weights):
        state.put("asset", PORTFOLIO)
        state.put("notice", "The portfolio is in use: the other pages now look at it; choose another asset there.")


# choose


def choose(source: Source | None) -> None:
    """Upload a file, or take a sample."""
    with st.expander("Choose a file or a sample", expanded=source is None, icon=":material/folder_open:"):
        left, right = st.columns(2, gap="large")
        with left:
            _upload()
            _templates()
        with right:
            st.markdown("**Samples**, real daily closes that come with riskcore")
            for name, words in SAMPLES.items():
                if st.button(words, key=f"rc.w.data.sample.{name}", width="stretch", icon=":material/table_chart:"):
                    propose(sources.sample(name))


def _upload() -> None:
    """Store a new upload at once: the widget forgets it when the visitor goes to another page."""
    file = st.file_uploader(
        "**Upload** a table of prices", type=_TYPES, key="rc.w.data.upload", max_upload_size=wording.MAX_UPLOAD
    )
    st.caption(wording.LIMITS)
    if file is None or file.file_id == state.get("upload", ""):
        return
    state.put("upload", file.file_id)
    if file.size > wording.MAX_UPLOAD * 1_000_000 * 1.05:  # the browser's limit counts in units of 1024
        st.error(f"The file has {file.size / 1e6:.0f} MB, at most {wording.MAX_UPLOAD} MB are taken.")
        return
    try:
        path = state.workspace().keep(file.getvalue(), file.name)
    except OSError:
        st.error("The server could not store the file (its disk may be full). Nothing was changed.")
        return
    propose(Source(path))


def _templates() -> None:
    with st.container(horizontal=True):
        for layout, words in (("wide", "one column per asset"), ("long", "one row per date and asset")):
            content = TEMPLATES[layout]
            name = f"riskcore-template-{layout}.csv"
            label = f"Template, {words}"
            widgets.download(label, partial(bytes, content), name, "text/csv", key=f"rc.w.data.template.{layout}")


# ask


def refused(source: Source, reading: Reading) -> None:
    """Why the file cannot be used yet: questions that settle it, and the faults that only the file can settle."""
    findings: tuple[Finding, ...] = getattr(reading.error, "findings", ())
    if reading.error is not None and not findings:
        st.error("The file cannot be read in this way:", icon=":material/error:")
        st.text(wording.plain(str(reading.error)))
    seen = _seen(reading.survey)
    asked = questions(findings, seen)
    if asked:
        _ask(source, asked)
    faults = unsettled(findings, seen)
    if faults:
        _faults(faults, bool(asked))
    _way_back(source)


def _seen(found: Survey) -> Seen:
    prices = tuple(column for column, _ in found.price_columns)
    return Seen(tuple(found.sheets), tuple(found.names), prices, found.date_column or "")


def _ask(source: Source, asked: Sequence[Question]) -> None:
    with st.form(f"rc.w.data.ask.{token(source)}"):
        n = "One question" if len(asked) == 1 else f"{len(asked)} questions"
        st.markdown(
            f"**{n} before this file can be used.** It can be read in more than one way, and nothing is guessed."
        )
        answers = [_answer(source, question) for question in asked]
        if st.form_submit_button("Read the file this way", type="primary"):
            given = [q.options(answer) for q, answer in zip(asked, answers, strict=True) if answer]
            if given:
                propose(source.with_(options={**source.options, **{k: v for one in given for k, v in one.items()}}))
            st.warning("Choose an answer first.", icon=":material/help:")


def _answer(source: Source, question: Question) -> str | list[str] | None:
    """The widget of a question. Names of the file stand where nothing is rendered: in texts and lists of choices."""
    key = f"rc.w.data.ask.{question.topic}.{token(source)}"
    if question.shown:
        st.caption("In the file:")
        st.text(question.shown)
    labels = list(question.answers)
    if question.several:
        return st.multiselect(question.text, labels, default=list(question.chosen), key=key)
    if question.from_file:
        return st.selectbox(question.text, labels, index=None, key=key, placeholder="Choose")
    return st.radio(question.text, labels, index=None, key=key)


def _faults(faults: Sequence[Finding], beside_questions: bool) -> None:
    n = "One fault" if len(faults) == 1 else f"{len(faults)} faults"
    more = " beside the above" if beside_questions else ""
    st.error(f"This file cannot be used as it stands. {n} to correct in the file{more}:", icon=":material/error:")
    faults = sorted(faults, key=lambda fault: fault.rows[:1])
    with st.container(border=True):
        for line in wording.lines(faults[:_SHOWN_FAULTS]):
            st.text(line)
    if len(faults) > _SHOWN_FAULTS:
        st.caption(f"The first {_SHOWN_FAULTS} are above; here are all.")
        st.dataframe(wording.table(faults), hide_index=True, alt="All faults of the file, with rows and remedies")


def _way_back(source: Source) -> None:
    """What is in use meanwhile, and the ways out."""
    used = state.source()
    used = None if used == source else used
    if used is not None:
        with st.container(border=True):
            st.markdown(":material/check_circle: Nothing is lost. The other pages still work on:")
            st.text(used.name)  # a file's name is never rendered
    with st.container(horizontal=True):
        if used is not None and st.button("Back to the data in use", key="rc.w.data.back"):
            state.drop("draft")
            st.rerun()
        if source.options and st.button("Forget my answers", key="rc.w.data.forget"):
            propose(source.with_(options={}))


# correct


def correct(source: Source, found: Survey) -> None:
    """The form of every reading option that makes sense for this file."""
    options = source.options
    names = list(dict.fromkeys(name for name in found.names if name))
    with st.form(f"rc.w.data.read.{token(source)}"):
        given: dict[str, Any] = {}
        left, middle, right = st.columns(3)
        with left:
            if len(found.sheets) > 1:
                given["sheet"] = _pick("Sheet", list(found.sheets), options.get("sheet"), source)
            if found.kind != "parquet":
                row = st.number_input(
                    "Row of the column names", 1, None, options.get("header_row"), key=_key("header_row", source),
                    placeholder="automatic",
                )  # fmt: skip
                given["header_row"] = None if row is None else int(row)
            words = {"wide": "one column per asset", "long": "one row per date and asset"}
            given["layout"] = _pick("Layout", list(words), options.get("layout"), source, words)
            given["date_column"] = _pick("Column of dates", names, options.get("date_column"), source)
        with middle:
            if found.layout == "long" or options.get("asset_column"):
                given["asset_column"] = _pick("Column of assets", names, options.get("asset_column"), source)
                given["price_column"] = _pick("Column of prices", names, options.get("price_column"), source)
            else:
                given["columns"] = _columns(names, found, source)
            given["date_format"] = _date_format(source)
        with right:
            if found.kind != "parquet":
                words = {".": "point, 1234.5", ",": "comma, 1234,5"}
                given["decimal"] = _pick("Decimal sign", list(words), options.get("decimal"), source, words)
            share = float(options.get("max_missing", defaults.MAX_MISSING))
            allowed = st.number_input(
                "Missing prices allowed, %", 0, 99, round(100 * share), key=_key("max_missing", source)
            )
            if len(found.price_columns) == 1 and found.layout == "wide":
                given["name"] = st.text_input(
                    "Name of the asset", options.get("name", ""), key=_key("name", source), max_chars=MAX_NAME,
                    placeholder=found.price_columns[0][1],
                ).strip()  # fmt: skip
            given["max_missing"] = None if allowed == round(100 * defaults.MAX_MISSING) else allowed / 100
        if st.form_submit_button("Read the file again"):
            kept = {name: options[name] for name in ("values",) if name in options}
            propose(source.with_(options=kept | {k: v for k, v in given.items() if v not in (None, "", [])}))


def _key(name: str, source: Source) -> str:
    return f"rc.w.data.read.{name}.{token(source)}"


def _pick(
    label: str, choices: list[str], chosen: object, source: Source, words: Mapping[str, str] | None = None
) -> str | None:
    """One of the choices, or None to leave it to the reader."""
    told = {_BY_ITSELF: "automatic", **(words or {})}
    every = [_BY_ITSELF, *choices]
    index = every.index(chosen) if isinstance(chosen, str) and chosen in choices else 0
    key = _key(label, source)
    return st.selectbox(label, every, index=index, key=key, format_func=lambda name: told.get(name, name)) or None


def _columns(names: list[str], found: Survey, source: Source) -> list[str] | Mapping[str, str] | None:
    """The price columns; None where the choice is the reader's own."""
    read_now = [column for column, _ in found.price_columns if column in names]
    picked = st.multiselect(
        "Columns of prices", [name for name in names if name != found.date_column], default=read_now,
        key=_key("columns", source),
    )  # fmt: skip
    kept: list[str] | Mapping[str, str] | None = source.options.get("columns")
    return kept if picked == read_now else picked


def _date_format(source: Source) -> str | None:
    kept = source.options.get("date_format")
    words = {"DMY": "day, month, year", "MDY": "month, day, year", "YMD": "year, month, day"}
    words |= {kept: kept} if kept and kept not in words else {}
    order = _pick("Date format", list(words), kept, source, words)
    other = st.text_input(
        "Another date format", key=_key("other_format", source), placeholder="%d.%m.%Y %H:%M", max_chars=40
    )
    return other.strip() or order
