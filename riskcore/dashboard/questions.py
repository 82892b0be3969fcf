"""What the Data page asks where a file can be read in two ways: a fault's code gives the question. No streamlit here.

An answer is a few reading options; it goes into `Source.options` and the file is read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

from riskcore.ingest import Finding
from riskcore.ingest.dates import classify
from riskcore.ingest.findings import escape

Options = Mapping[str, Any]
_CLOCKS = (" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", "T%H:%M:%S", "T%H:%M", " %H:%M:%S.%f", "T%H:%M:%S.%f")
_ZONES = ("", "%z", " %z", " %Z")
_SHORT_DAYS = ("%d{0}%m{0}%y", "%m{0}%d{0}%y", "%y{0}%m{0}%d", "%d{0}%b{0}%y", "%d{0}%B{0}%y")
_LONG_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y")
_ORDERS = MappingProxyType({"d": "day first", "m": "month first", "y": "year first", "Y": "year first"})


@dataclass(frozen=True)
class Seen:
    """What is known of the file where a question is asked: names of sheets and columns, and those read as prices."""

    sheets: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()
    date_column: str = ""


@dataclass(frozen=True)
class Question:
    """A question and its answers.

    Parameters
    ----------
    topic : str
        The reading option that the answer sets.
    text : str
        The question, in our words only.
    shown : str
        The cell of the file that it is about, and where it stands; never to be rendered.
    answers : mapping
        Label to options. With `from_file` the labels are names of the file, never to be rendered either.
    several : bool
        Whether several answers may be chosen: their options are joined in a list.
    chosen : tuple of str
        Labels proposed, where several may be chosen.
    """

    topic: str
    text: str
    shown: str
    answers: Mapping[str, Options]
    from_file: bool = False
    several: bool = False
    chosen: tuple[str, ...] = ()

    def options(self, picked: str | Sequence[str]) -> dict[str, Any]:
        """The reading options of the labels picked."""
        if isinstance(picked, str):
            return dict(self.answers[picked])
        return {self.topic: [self.answers[label][self.topic] for label in picked]}


def questions(findings: Iterable[Finding], seen: Seen) -> list[Question]:
    """The questions that a file's faults lead to, one for each reading option, in the order of the faults."""
    asked: dict[str, Question] = {}
    faults = [finding for finding in findings if finding.severity == "error"]
    for fault in faults:
        found = _asked(fault, seen, faults)
        if found is not None:
            asked.setdefault(found.topic, found)
    return list(asked.values())


def _where(fault: Finding) -> str:
    """The cell and its place, as text."""
    place = [f"row {fault.rows[0]}"] if fault.rows else []
    place += [f"column {fault.column}"] if fault.column else []
    return f"{fault.sample}   ({', '.join(place)})" if place else fault.sample


def _words(day: date | None) -> str:
    return "no date that exists" if day is None else f"{day.day} {day:%B %Y}"


def _day_or_month(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    stamp = classify(fault.sample)
    if stamp is None:
        return None
    year, first, second = stamp.parts
    answers = {
        f"{_words(_made(year, second, first))}: day first": {"date_format": "DMY"},
        f"{_words(_made(year, first, second))}: month first": {"date_format": "MDY"},
    }
    return Question("date_format", "Which day is this?", _where(fault), answers)


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _short_year(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    mark = re.search(r"[-/. ]", fault.sample)
    formats = [day.format(mark[0] if mark else "") for day in _SHORT_DAYS]
    return Question("date_format", "Which day is this?", _where(fault), _readings(fault.sample, formats))


def _clock(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    formats = [day + clock + zone for day in _LONG_DAYS for clock in _CLOCKS for zone in _ZONES]
    readings = _readings(fault.sample, formats)
    text = "The dates have a time of day. May the day be taken as it is written, whatever the time and its zone?"
    answers = {f"Yes: {label}": options for label, options in readings.items()}
    return Question("date_format", text, _where(fault), answers)


def _readings(sample: str, formats: Iterable[str]) -> dict[str, Options]:
    """The formats that fit a cell, under the day that each gives."""
    out: dict[str, Options] = {}
    for form in formats:
        try:
            day = datetime.strptime(sample.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
        out.setdefault(f"{_words(day)}: {_ORDERS[form[1]]}", {"date_format": form})
    return out


def _decimal(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    def read(sign: str) -> str:
        other = "," if sign == "." else "."
        text = re.sub(r"[^0-9+\-.,]", "", fault.sample).replace(other, "").replace(sign, ".")
        try:
            return f"{float(text):.10g}"
        except ValueError:
            return "no number"

    answers = {f"{read(sign)}: decimal {word}": {"decimal": sign} for sign, word in ((".", "point"), (",", "comma"))}
    return Question("decimal", "Which number is this?", _where(fault), answers)


def _holds(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    """Prices, or returns and in which unit."""
    if fault.code == "looks_like_prices":
        text, answers = "These look like prices, not returns. What are they?", {"Prices": {"values": "prices"}}
        return Question("values", text, _where(fault), answers)
    try:
        value = float(re.sub(r"[^0-9+\-.eE]", "", fault.sample.replace("\u2212", "-").replace(",", ".")))
    except ValueError:
        return None
    in_percent = {f"Returns in percent: this one is {value:+.4g} %": {"values": "percent"}}
    plain = {f"Returns as fractions: this one is {100 * value:+.4g} %": {"values": "returns"}}
    if fault.code == "looks_like_returns":
        text = "These look like returns, not prices. What are they?"
        return Question("values", text, _where(fault), {**plain, **in_percent})
    return Question("values", "These look like returns in percent. Are they?", _where(fault), in_percent)


def _sheet(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    answers = {name: {"sheet": name} for name in seen.sheets}
    return Question("sheet", "Which sheet holds the prices?", "", answers, from_file=True)


def _header(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    last = max(fault.rows, default=0)
    # below a preamble stand the names; among several rows of names the last one or the first
    rows = [last + 1, last + 2] if fault.code == "preamble" else list(range(1, last + 1))[:6]
    found = re.search(r"header_row=(\d+)", fault.remedy)
    rows = [int(found[1])] if found else rows
    answers: dict[str, Options] = {f"Row {row} of the file": {"header_row": row} for row in rows}
    text = "In which row do the names of the columns stand?"
    return Question("header_row", text, _where(fault), answers)


def _one_column(option: str, text: str) -> Callable[[Finding, Seen, Sequence[Finding]], Question | None]:
    def ask(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
        answers = {name: {option: name} for name in seen.names if name and seen.names.count(name) == 1}
        return Question(option, text, "", answers, from_file=True)

    return ask


def _columns(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    """Which columns to read; those with a fault of the whole column are left out of the proposal."""
    names = [name for name in seen.names if name and name != seen.date_column]
    bad = {one.column for one in faults if one.code in _WHOLE_COLUMN}
    good = tuple(name for name in names if escape(name, 64) not in bad and (not seen.prices or name in seen.prices))
    text = "Some columns cannot be used as prices. Which are to be read?"
    answers = {name: {"columns": name} for name in names}
    return Question("columns", text, "", answers, from_file=True, several=True, chosen=good)


def _text_column(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    """Text all the way down a column is a matter of choosing columns, a cell of text is not."""
    return _columns(fault, seen, faults) if "no numbers" in fault.message else None


def _missing(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    found = re.match(r"([\d.]+)%", fault.message)
    if found is None:
        return None
    share = min(99, int(float(found[1])) + 1)
    text = "An asset lacks many prices. Is it to be read all the same? Nothing is filled in."
    answers = {f"Yes, up to {share} % may be missing": {"max_missing": share / 100}}
    return Question("max_missing", text, _where(fault) or fault.message, answers)


def _asked(fault: Finding, seen: Seen, faults: Sequence[Finding]) -> Question | None:
    ask = QUESTIONS.get(fault.code)
    found = ask(fault, seen, faults) if ask else None
    return found if found is not None and found.answers else None


_WHOLE_COLUMN = frozenset({"not_a_number", "empty_column", "constant_column", "too_few_prices", "blank_column_name"})

Ask = Callable[[Finding, Seen, Sequence[Finding]], Question | None]
QUESTIONS: Mapping[str, Ask] = MappingProxyType(
    {
        "several_sheets": _sheet,
        "unknown_sheet": _sheet,
        "preamble": _header,
        "multi_row_header": _header,
        "ambiguous_dates": _day_or_month,
        "two_digit_years": _short_year,
        "time_of_day": _clock,
        "time_zone": _clock,
        "ambiguous_decimal": _decimal,
        "looks_like_returns": _holds,
        "looks_like_prices": _holds,
        "looks_like_percent": _holds,
        "percent": _holds,
        "no_date_column": _one_column("date_column", "Which column holds the dates?"),
        "no_asset_column": _one_column("asset_column", "Which column holds the names of the assets?"),
        "no_price_column": _one_column("price_column", "Which column holds the prices?"),
        "not_a_number": _text_column,
        "empty_column": _columns,
        "constant_column": _columns,
        "too_few_prices": _columns,
        "blank_column_name": _columns,
        "too_many_missing": _missing,
    }
)
"""Code of a fault and the question that it leads to; any other fault can only be corrected in the file."""


def unsettled(findings: Iterable[Finding], seen: Seen) -> list[Finding]:
    """The faults that no answer can settle: they are to be corrected in the file."""
    faults = [finding for finding in findings if finding.severity == "error"]
    return [fault for fault in faults if _asked(fault, seen, faults) is None]
