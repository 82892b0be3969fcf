"""Text to numbers: one decimal sign a file, a closed list of words for "no number", no guess."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from riskcore._types import FloatArray
from riskcore.ingest.findings import Report
from riskcore.ingest.table import Cell, Decimal

MISSING = frozenset({"", "na", "n/a", "n.a.", "#n/a", "#na", "#n/a n/a", "nan", "null", "none", "nil", "-", "--", "."})
"""Words for "no number", in any case."""
_INFINITE = frozenset({"inf", "infinity", "1.#inf"})
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_PLAIN_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+").fullmatch
_EITHER = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}").fullmatch
"""1.234 and 1,234: a fraction or a thousand."""
_POINT = re.compile(
    r"[+-]?(?:[0-9]+|[1-9][0-9]{0,2}(?:([, '])[0-9]{3})(?:\1[0-9]{3})*)?(?:\.[0-9]*)?(?:[eE][+-]?\d{1,3})?"
)
_COMMA = re.compile(
    r"[+-]?(?:[0-9]+|[1-9][0-9]{0,2}(?:([. '])[0-9]{3})(?:\1[0-9]{3})*)?(?:,[0-9]*)?(?:[eE][+-]?\d{1,3})?"
)
_CODES = (
    "USD EUR GBP JPY CHF CAD AUD NZD SEK NOK DKK PLN CZK HUF INR CNY HKD SGD KRW BRL ZAR MXN TRY RUB TWD THB GBX GBp"
)
_CURRENCY = re.compile(r"[$€£¥₹₩₽₺฿₿¢]|(?<![A-Za-z])(?:" + _CODES.replace(" ", "|") + r"|kr|zł|Fr\.?)(?![A-Za-z])")
_PERCENT = 'If the numbers are returns in percent, pass values="percent".'
_NOT = "'{{}}' is no {}"
_CORRECT = "Correct these cells or leave them empty."
_UNDECIDED = frozenset({"ambiguous_decimal", "mixed_decimals"})
_BLANKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2007": " "})
_MARKS = str.maketrans({"\u2212": "-", "\u2013": "-", "\ufe63": "-", "\uff0d": "-", "\u2019": "'"})


@dataclass
class _Column:
    """One column on its way: `odd` are the cells that are no plain number, by row."""

    name: str
    cells: Sequence[Cell]
    odd: dict[int, str] = field(default_factory=dict)


@dataclass
class _Tally:
    """Where in the file (column, row) each kind of cell was seen; `percent` are the rows of signs taken off."""

    point: list[tuple[int, int]] = field(default_factory=list)
    comma: list[tuple[int, int]] = field(default_factory=list)
    either: list[tuple[int, int]] = field(default_factory=list)
    currencies: dict[str, list[int]] = field(default_factory=dict)
    marks: list[int] = field(default_factory=list)
    percent: list[int] = field(default_factory=list)


def parse_prices(
    named: Sequence[tuple[str, Sequence[Cell]]], rows: list[int], decimal: Decimal | None, report: Report
) -> list[FloatArray]:
    """Numbers of the columns, NaN where a cell has none; cells that are no number are faults with their rows."""
    columns = [_Column(name, cells) for name, cells in named]
    tally = _Tally()
    plain_point = [_scan(j, column, rows, tally, report) for j, column in enumerate(columns)]
    sign = decimal or _decide(columns, any(plain_point), tally, rows, report)
    if decimal is not None or not any(f.code in _UNDECIDED for f in report.faults):
        report.facts.decimal = sign
    _tell_marks(tally, report)
    thousands: list[int] = []
    out = [_convert(column, sign, rows, thousands, report) for column in columns]
    if sign == "," and (tally.comma or tally.either):
        report.add("fixed", "decimal_comma", "the decimal sign is a comma")
    if thousands:
        text = "thousands separators were taken out"
        report.add("fixed", "thousands", text, rows=sorted(set(thousands)), count=len(thousands))
    return out


def _scan(j: int, column: _Column, rows: list[int], tally: _Tally, report: Report) -> bool:
    """Sort the cells by shape; true if a plain number can only have a decimal point."""
    decided = False
    percent, infinite = [], []
    for i, cell in enumerate(column.cells):
        if not isinstance(cell, str):
            if math.isinf(cell):
                infinite.append(i)
            continue
        if _PLAIN(cell):
            if not decided and "." in cell:
                if _EITHER(cell):
                    tally.either.append((j, i))
                else:
                    decided = True
            continue
        if _PLAIN_COMMA(cell) and not _EITHER(cell):
            column.odd[i] = cell
            tally.comma.append((j, i))
            continue
        text = _tidy(cell, rows[i], tally)
        if report.values == "percent" and text.endswith("%") and any(char.isdigit() for char in text):
            text = text[:-1].rstrip()
            tally.percent.append(rows[i])
        column.odd[i] = text
        if text.lower().lstrip("+-") in _INFINITE:
            infinite.append(i)
        elif text.endswith("%") and report.values != "percent":
            percent.append(i)
        elif _EITHER(text):
            tally.either.append((j, i))
        elif text.lower() not in MISSING and any(mark in text for mark in ".,"):
            point, comma = _fits(text, "."), _fits(text, ",")
            if point != comma:
                (tally.point if point else tally.comma).append((j, i))
    _tell(column, infinite, "infinite", _NOT.format(report.noun), _CORRECT, rows, report)
    question = ": are these returns?" if report.values == "prices" else ""
    _tell(column, percent, "percent", f"'{{}}' has a percent sign{question}", _PERCENT, rows, report)
    return decided


def _tidy(cell: str, row: int, tally: _Tally) -> str:
    """The cell without blanks at its ends, currency sign and odd characters; what was done goes to the tally."""
    spaced = cell.translate(_BLANKS)
    text = spaced.strip()
    marked = text.translate(_MARKS)
    if marked != text or spaced != cell:
        tally.marks.append(row)
    found = _CURRENCY.findall(marked)
    if len(found) == 1 and any(char.isdigit() for char in marked):
        tally.currencies.setdefault(found[0], []).append(row)
        marked = marked.replace(found[0], "", 1).replace("- ", "-").strip()
    return marked


def _fits(text: str, sign: str) -> bool:
    return any(char.isdigit() for char in text) and (_POINT if sign == "." else _COMMA).fullmatch(text) is not None


def _decide(columns: list[_Column], plain: bool, tally: _Tally, rows: list[int], report: Report) -> Decimal:
    """The decimal sign of the file; both or neither is a fault."""
    if (plain or tally.point) and tally.comma:
        few = tally.comma if plain or len(tally.point) >= len(tally.comma) else tally.point
        j, i = few[0]
        report.error(
            "mixed_decimals",
            f"decimal points and decimal commas in one file: '{columns[j].odd[i][:40]}' among the others",
            rows=[rows[i] for _, i in few],
            column=columns[j].name,
            sample=columns[j].odd[i],
            remedy='Write all numbers in one way, or pass decimal="." or decimal=",".',
        )
        for j, i in few:  # told; not to be told again as text among numbers
            columns[j].odd[i] = ""
        return "," if few is tally.point else "."
    if tally.either and not (plain or tally.point or tally.comma):
        j, i = tally.either[0]
        sample = str(columns[j].cells[i]).strip()
        whole, part = re.sub(r"[.,]", "", sample), re.sub(r"[.,]", ".", sample)
        report.error(
            "ambiguous_decimal",
            f"every number fits both readings: '{sample}' = {part} or {whole}?",
            rows=[rows[i]],
            column=columns[j].name,
            sample=sample,
            count=len(tally.either),
            remedy='Pass decimal="." or decimal=",", the decimal sign of the file.',
        )
    return "," if tally.comma else "."


def _tell_marks(tally: _Tally, report: Report) -> None:
    if len(tally.currencies) > 1:
        few = min(tally.currencies.values(), key=len)
        shown = ", ".join(f"'{sign}'" for sign in tally.currencies)
        remedy = "Give prices in one currency, or one file per currency."
        report.error("mixed_currency", f"the {report.noun}s carry several currencies: {shown}", rows=few, remedy=remedy)
    for sign, where in tally.currencies.items() if len(tally.currencies) == 1 else ():
        if report.values == "prices":
            report.add("fixed", "currency", f"the currency sign '{sign}' was taken off", count=len(where), sample=sign)
        else:
            text, remedy = (
                f"numbers with a currency sign '{sign}' are no returns",
                'Give returns, or pass values="prices".',
            )
            report.error("currency", text, rows=where, sample=sign, remedy=remedy)
    if tally.percent:
        text = "percent signs were taken off"
        report.add("fixed", "percent", text, rows=sorted(set(tally.percent)), count=len(tally.percent))
    if tally.marks:
        text = "unicode minus signs or odd blanks were replaced"
        report.add("fixed", "number_marks", text, rows=sorted(set(tally.marks)), count=len(tally.marks))


def _convert(column: _Column, sign: str, rows: list[int], thousands: list[int], report: Report) -> FloatArray:
    out = np.full(len(column.cells), np.nan)
    wrong: list[int] = []
    for i, cell in enumerate(column.cells):
        if not isinstance(cell, str):
            out[i] = cell
        elif i not in column.odd and (sign == "." or "." not in cell):
            out[i] = float(cell)
        elif sign == "," and _PLAIN_COMMA(cell) and i in column.odd and column.odd[i]:
            out[i] = float(cell.replace(",", "."))
        else:
            text = column.odd.get(i, cell)
            low = text.lower()
            signed = low.endswith("%") and report.values != "percent"
            if low in MISSING or signed or low.lstrip("+-") in _INFINITE:
                continue
            if not _fits(text, sign):
                wrong.append(i)
                continue
            group = (_POINT if sign == "." else _COMMA).fullmatch(text)
            mark = group[1] if group is not None else None
            if mark:
                thousands.append(rows[i])
                text = text.replace(mark, "")
            out[i] = float(text.replace(sign, "."))
    beyond = [i for i in np.flatnonzero(np.isinf(out)).tolist() if isinstance(column.cells[i], str)]
    _tell(column, beyond, "infinite", _NOT.format(report.noun), _CORRECT, rows, report)
    out[np.isinf(out)] = np.nan
    if wrong and len(wrong) == sum(not isinstance(c, str) or c.strip().lower() not in MISSING for c in column.cells):
        text, remedy = (
            "the column holds text such as '{}', no numbers",
            f"Choose the columns of {report.noun}s with columns=[...].",
        )
    else:
        text, remedy = "'{}' is no number", _CORRECT
    _tell(column, wrong, "not_a_number", text, remedy, rows, report)
    return out


def _tell(
    column: _Column, where: list[int], code: str, text: str, remedy: str, rows: list[int], report: Report
) -> None:
    if where:
        sample = str(column.cells[where[0]]).strip()
        several = "such as" not in text and any(str(column.cells[i]).strip() != sample for i in where)
        report.error(
            code,
            ("e.g. " if several else "") + text.format(sample[:40]),
            rows=[rows[i] for i in where],
            column=column.name,
            sample=sample,
            remedy=remedy,
        )
