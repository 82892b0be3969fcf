"""Text to dates: one format a file, and no guess between day and month."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from riskcore._types import IntArray
from riskcore.errors import require
from riskcore.ingest.findings import Report
from riskcore.ingest.table import Cell

DateArray = npt.NDArray[np.datetime64]
ORDERS = ("DMY", "MDY", "YMD")
_YEARS = (1800, 2200)
_SERIALS = (20_090, 73_051)
"""Day numbers of a spreadsheet from 1955-01-01 to 2100-01-01."""
_SERIAL_ORIGIN = date(1899, 12, 30)
_MOSTLY = 0.6
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"[T ]+(\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?)? ?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?$")
_YMD = re.compile(r"(\d{4})([-/. ])(\d{1,2})\2(\d{1,2})")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)")
_NUMERIC = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2 ?(\d{4})")
_SHORT = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2(\d\d)|(\d{1,2})[-/. ]?[A-Za-z]{3,9}[-/. ](\d\d)")
_NAMED_DAY = re.compile(r"(\d{1,2})\.?[- /]?([A-Za-z]{3,9})\.?,?[- /](\d{4})")
_NAMED_MONTH = re.compile(r"([A-Za-z]{3,9})\.?[- ](\d{1,2}),?[- ](\d{4})")
_SERIAL = re.compile(r"(\d{5})(?:\.0+)?")
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_SAID = {"Y": "YMD", "c": "YMD", "n": "DMY", "s": "serial"}
"""The order to say for a family of formats that leaves no doubt, by its first letter."""
_ASK = 'Pass date_format="DMY" or date_format="MDY".'


class Stamp(NamedTuple):
    """A cell that has the shape of a date: the family of its format, three numbers, time of day and zone."""

    family: str
    parts: tuple[int, int, int]
    time: str = ""
    zone: str = ""


def check_format(date_format: str | None) -> None:
    """Raise a ConfigError unless the option is None, an order of day, month and year, or a strptime format."""
    if date_format is None or date_format in ORDERS:
        return
    message = f"date_format must be one of DMY, MDY, YMD or a strptime format such as '%d/%m/%Y', got {date_format!r}"
    ok = isinstance(date_format, str) and re.search(r"%[YyG]", date_format) is not None
    if ok:
        try:
            datetime.strptime(datetime(2001, 2, 3, tzinfo=UTC).strftime(date_format), date_format)
        except ValueError:
            ok = False
    require(ok, message)


def month_number(name: str) -> int:
    """1 to 12 for an English month or its first three letters or more ("Sept"), 0 for anything else."""
    name = name.lower()
    return next((i for i, month in enumerate(_MONTHS, 1) if len(name) >= 3 and month.startswith(name)), 0)


def classify(cell: Cell) -> Stamp | None:
    """The shape of a date in a cell, or None.

    >>> classify("03/02/2020").family, classify("3 Feb 2020").parts, classify("n/a")
    ('?/', (2020, 2, 3), None)
    """
    text = str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
    time = zone = ""
    clock = _CLOCK.search(text)
    if clock and (clock[1] or clock[2]):
        text, time, zone = text[: clock.start()], clock[1] or "", clock[2] or ""
    found = _shape(text)
    return None if found is None else Stamp(found[0], found[1], time, zone)


def _shape(text: str) -> tuple[str, tuple[int, int, int]] | None:
    if match := _YMD.fullmatch(text):
        return "Y" + match[2], (int(match[1]), int(match[3]), int(match[4]))
    if match := _NUMERIC.fullmatch(text):
        return "?" + match[2], (int(match[4]), int(match[1]), int(match[3]))
    if match := _COMPACT.fullmatch(text):
        return "compact", (int(match[1]), int(match[2]), int(match[3]))
    if (match := _NAMED_DAY.fullmatch(text)) and (month := month_number(match[2])):
        return "name", (int(match[3]), month, int(match[1]))
    if (match := _NAMED_MONTH.fullmatch(text)) and (month := month_number(match[1])):
        return "name", (int(match[3]), month, int(match[2]))
    if _SHORT.fullmatch(text):
        return "short", (0, 0, 0)
    if (match := _SERIAL.fullmatch(text)) and _SERIALS[0] <= int(match[1]) < _SERIALS[1]:
        day = _SERIAL_ORIGIN + timedelta(days=int(match[1]))
        return "serial", (day.year, day.month, day.day)
    return None


def looks_like_dates(cells: Sequence[Cell], serials: bool = False) -> bool:
    """Whether most of the first cells have the shape of a date; day numbers count only if asked for."""
    shown = [cell for cell in cells[:200] if str(cell).strip()][:50]
    if not shown:
        return False
    stamps = [classify(cell) for cell in shown]
    wanted = sum(s is not None and (serials or s.family not in {"serial", "compact"}) for s in stamps)
    if wanted == 0 and not serials:  # eight digits: dates only if all are
        return all(s is not None and s.family == "compact" and _day(*s.parts) is not None for s in stamps)
    return wanted > 0.5 * len(shown)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if _YEARS[0] <= year < _YEARS[1] else None
    except ValueError:
        return None


def parse_dates(
    cells: Sequence[Cell], rows: list[int], groups: IntArray, column: str, date_format: str | None, report: Report
) -> DateArray:
    """Days of the cells, NaT where there is none; `groups` number the assets of a long table (order is per asset)."""
    if date_format is None and all(type(cell) is str and _ISO.fullmatch(cell) for cell in cells):
        try:
            plain = np.array(cells, dtype="datetime64[D]")
        except ValueError:
            pass
        else:
            years = plain.astype("datetime64[Y]").astype(np.int64) + 1970
            if bool(((years >= _YEARS[0]) & (years < _YEARS[1])).all()):
                report.facts.date_format = "YMD"
                return plain
    return _Parser(cells, rows, groups, column, report).run(date_format)


class _Parser:
    """The slow way: every cell is looked at, the file's one format is settled, and each fault is kept with its row."""

    def __init__(self, cells: Sequence[Cell], rows: list[int], groups: IntArray, column: str, report: Report) -> None:
        self.cells, self.rows, self.groups, self.column, self.report = cells, rows, groups, column, report
        self.days: list[date | None] = [None] * len(cells)
        self.told: set[int] = set()  # rows whose fault has been reported

    def run(self, date_format: str | None) -> DateArray:
        if date_format is not None and date_format not in ORDERS:
            self._explicit(date_format)
        else:
            stamps = [classify(cell) for cell in self.cells]
            self._times(stamps)
            self._settle(stamps, date_format)
        bad = [i for i, day in enumerate(self.days) if day is None and i not in self.told]
        self._fault(
            "bad_date",
            bad,
            lambda sample: f"'{sample}' is no date that exists" if sample else "the date is missing",
            "Correct or delete these rows, or name the format with date_format.",
        )
        return np.array([day if day is not None else "NaT" for day in self.days], dtype="datetime64[D]")

    def _fault(self, code: str, where: list[int], message: Callable[[str], str], remedy: str) -> None:
        if where:
            sample = str(self.cells[where[0]]).strip()[:40]
            rows = [self.rows[i] for i in where]
            self.report.error(code, message(sample), rows=rows, column=self.column, sample=sample, remedy=remedy)
            self.told.update(where)

    def _explicit(self, date_format: str) -> None:
        timed = 0
        for i, cell in enumerate(self.cells):
            try:
                moment = datetime.strptime(str(cell).strip(), date_format)
            except ValueError:
                continue
            timed += (moment.hour, moment.minute, moment.second) != (0, 0, 0) or moment.tzinfo is not None
            self.days[i] = _day(moment.year, moment.month, moment.day)
        self.report.facts.date_format = date_format
        if timed:
            text = "the time of day is left out, the day is kept as written"
            self.report.add("fixed", "time_of_day", text, column=self.column, count=timed)

    def _times(self, stamps: list[Stamp | None]) -> None:
        zoned = [i for i, s in enumerate(stamps) if s is not None and s.zone]
        timed = [i for i, s in enumerate(stamps) if s is not None and not s.zone and not _midnight(s.time)]
        how = "Give the date of the exchange's close, or pass date_format with the time"
        self._fault(
            "time_zone",
            zoned,
            lambda sample: f"the dates have a time zone: '{sample}'; whose close is it?",
            f"{how}, e.g. date_format='%Y-%m-%d %H:%M:%S%z', to keep the day as written.",
        )
        self._fault(
            "time_of_day",
            timed,
            lambda sample: f"the dates have a time of day: '{sample}'",
            f"{how}, e.g. date_format='%Y-%m-%d %H:%M:%S', to keep the day as written.",
        )

    def _settle(self, stamps: list[Stamp | None], order: str | None) -> None:
        """Choose the one format of the file and fill in `days`; rows of another format are faults."""
        families = Counter(s.family for s in stamps if s is not None)
        if order is not None:
            fits = {"DMY": ("?", "n"), "MDY": ("?", "n"), "YMD": ("Y", "c")}[order]
            wanted = {family for family in families if family[0] in fits}
        else:
            wanted = {families.most_common(1)[0][0]} if families else set()
        others = [i for i, s in enumerate(stamps) if s is not None and s.family not in wanted]
        shorts = [i for i in others if order is not None and stamps[i] == ("short", (0, 0, 0), "", "")]
        chosen = {i: s for i, s in enumerate(stamps) if s is not None and s.family in wanted}
        if wanted == {"short"} or shorts:
            self._short(list(chosen) if wanted == {"short"} else shorts)
        elif order in ("DMY", "MDY"):
            self._read(chosen, order)
            self.report.facts.date_format = order
        elif any(family.startswith("?") for family in wanted):
            self._day_or_month(chosen)
        else:
            self._read(chosen, None)
            self.report.facts.date_format = next((_SAID[f[0]] for f in wanted), None)
            if wanted == {"serial"}:
                text = "the dates are day numbers of a spreadsheet, counted from 1899-12-30"
                self.report.add("fixed", "excel_serials", text, column=self.column, count=len(chosen))
        mixed = [i for i in others if i not in self.told]
        self._fault(
            "mixed_date_formats",
            mixed,
            lambda sample: f"'{sample}' is of another date format than {order or 'most rows'}",
            "Write all dates in one format, best YYYY-MM-DD.",
        )

    def _short(self, where: list[int]) -> None:
        remedy = 'Write years of four digits, or pass date_format="%d/%m/%y" or the like (69-99: 1969-1999).'
        self._fault("two_digit_years", where, lambda sample: f"'{sample}' has a year of two digits", remedy)

    def _read(self, chosen: dict[int, Stamp], order: str | None) -> None:
        for i, stamp in chosen.items():
            self.days[i] = _numbered(stamp, order)

    def _day_or_month(self, chosen: dict[int, Stamp]) -> None:
        dmy = {i: _numbered(s, "DMY") for i, s in chosen.items()}
        mdy = {i: _numbered(s, "MDY") for i, s in chosen.items()}
        only_dmy = [i for i in chosen if dmy[i] and not mdy[i]]
        only_mdy = [i for i in chosen if mdy[i] and not dmy[i]]
        days, names = (dmy, "day/month/year") if len(only_dmy) >= len(only_mdy) else (mdy, "month/day/year")
        for i, day in days.items():
            self.days[i] = day
        if only_dmy and only_mdy:
            fewer = min(only_dmy, only_mdy, key=len)
            fits = f"{len(only_dmy)} dates fit only DD/MM, {len(only_mdy)} only MM/DD"
            remedy = "Write all dates in one format, best YYYY-MM-DD."
            self._fault("mixed_date_formats", fewer, lambda sample: f"{fits}: '{sample}' among the others", remedy)
            return
        said = "DMY" if days is dmy else "MDY"
        if dmy == mdy:  # 01/01, 02/02: no difference
            self.report.facts.date_format = said
            return
        if not only_dmy and not only_mdy:
            first = next(i for i in chosen if dmy[i] != mdy[i])
            self._ask(f"all {len(chosen)} dates fit both DD/MM and MM/DD", first, dmy[first], mdy[first])
            return
        doubt = self._doubt([i for i in chosen if days[i]])
        if doubt and all(days.values()):
            first = next((i for i in chosen if dmy[i] and mdy[i] and dmy[i] != mdy[i]), next(iter(chosen)))
            self._ask(f"the dates fit only {names}, but {doubt}", first, dmy[first], mdy[first])
            return
        self.report.facts.date_format = said
        witness = (only_dmy or only_mdy)[0]
        text = f"dates read as {names}: '{str(self.cells[witness]).strip()}' fits no other"
        self.report.add("accepted", "date_format", text, column=self.column, rows=[self.rows[witness]])

    def _ask(self, text: str, i: int, dmy: date | None, mdy: date | None) -> None:
        cell = str(self.cells[i]).strip()
        shown = " or ".join(f"{day.day} {day:%b %Y}" for day in (dmy, mdy) if day is not None)
        row = self.rows[i]
        message = f"{text}. {cell} = {shown}?"
        self.report.error(
            "ambiguous_dates", message, rows=[row], column=self.column, sample=cell, count=len(self.cells), remedy=_ASK
        )
        self.told.update(range(len(self.cells)))

    def _doubt(self, where: list[int]) -> str:
        """Why the only possible reading is not trusted: out of order, or mostly weekends. Empty if it is."""
        days = np.array([self.days[i] for i in where], dtype="datetime64[D]")
        groups = self.groups[where]
        order = np.argsort(groups, kind="stable")
        steps = np.diff(days[order].astype(np.int64))[np.diff(groups[order]) == 0]
        if bool((steps < 0).any() and (steps > 0).any()):
            return "are then out of order"
        return "" if float(np.mean(np.is_busday(days))) >= _MOSTLY else "then fall mostly on weekends"


def _midnight(time: str) -> bool:
    text = time.upper().replace(" ", "")
    if text.endswith("AM") and text.startswith("12"):
        text = "0" + text[2:]
    return not text.endswith("PM") and not re.search(r"[1-9]", text)


def _numbered(stamp: Stamp, order: str | None) -> date | None:
    year, first, second = stamp.parts
    if stamp.family.startswith("?") and order == "DMY":
        first, second = second, first
    return _day(year, first, second)
