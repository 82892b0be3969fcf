"""Findings in the words of the Data page: its labels in place of Python's options, sentences, a table. No streamlit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

import pandas as pd

from riskcore._types import Target
from riskcore.errors import RiskcoreError
from riskcore.ingest import Finding
from riskcore.ingest.container import MAX_UNPACKED
from riskcore.ingest.findings import Severity, rows_text
from riskcore.ingest.table import MAX_CELLS, MAX_COLUMNS, MAX_ROWS
from riskcore.plots.style import target_text

MAX_UPLOAD = 50
"""Megabytes; the same as `server.maxUploadSize`."""
LIMITS = (
    f"CSV, TSV, text, XLSX or Parquet: up to {MAX_UPLOAD} MB ({MAX_UNPACKED // 1_000_000} MB unpacked), "
    f"{MAX_ROWS:,} rows, {MAX_COLUMNS:,} columns and {MAX_CELLS // 1_000_000} million cells."
)

SEVERITIES: Mapping[Severity, str] = MappingProxyType(
    {"error": "✕ fault", "flagged": "▲ worth a look", "fixed": "✓ fixed", "accepted": "· as it stands"}
)
"""Severity and its name on the page; the sign says it without a colour."""

COLUMNS = "'Columns of prices' under 'Read it in another way'"
_HOLDS = "at 'The file holds'"
REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "several_sheets": "Choose the sheet.",
        "unknown_sheet": "Choose another sheet.",
        "preamble": "Choose the row of the names, or delete the rows above it.",
        "unknown_column": f"Choose another column or row of names, or {COLUMNS}.",
        "no_date_column": "Choose the column of the dates, or name it 'date' in the file.",
        "no_asset_column": "Choose the column of the assets, or the layout 'one column per asset'.",
        "no_price_column": "Choose the column of the prices, or the layout 'one column per asset'.",
        "blank_column_name": f"Give it a name in the file, or leave it out by {COLUMNS}.",
        "ambiguous_dates": "Say which day it is.",
        "two_digit_years": "Say which day it is, or write years of four digits (69 to 99: 1969 to 1999).",
        "time_of_day": "Say whether the day may be taken as written, or give the date of the exchange's close.",
        "time_zone": "Say whether the day may be taken as written, or give the date of the exchange's close.",
        "bad_date": "Correct or delete these rows, or choose the 'Date format' under 'Read it in another way'.",
        "ambiguous_decimal": "Say which number it is.",
        "mixed_decimals": "Write all numbers in one way, or choose the 'Decimal sign' under 'Read it in another way'.",
        "percent": f"If the file holds returns, choose 'returns in percent' {_HOLDS}; else remove the signs.",
        "looks_like_returns": "Say what the file holds.",
        "looks_like_prices": "Say what the file holds.",
        "looks_like_percent": "If 1 is 1 %, choose 'returns in percent'; if 1 is 100 %, multiply by 100 first.",
        "looks_like_decimals": f"If 0.01 is 1 %, choose 'returns as fractions' {_HOLDS}.",
        "currency": f"If these are prices, choose so {_HOLDS}.",
        "empty_column": f"Leave the column out: {COLUMNS}.",
        "constant_column": f"Leave the column out, it carries no risk: {COLUMNS}.",
        "too_few_prices": f"Give at least two prices, or leave the column out: {COLUMNS}.",
        "too_many_missing": f"Leave the column out by {COLUMNS}, or raise 'Missing prices allowed'.",
    }
)
"""What to do, by code, where the reader's own remedy speaks of Python's options."""
_NAMES = re.compile(r"\b(?:date_format|header_row|max_missing|(?:date|asset|price)_column)\b")
_OPTION = re.compile(r"\b([a-z]+_[a-z]+)=")


_IN_WORDS = re.compile(r"(VaR|ES|expectile VaR τ =) (\d+(?:\.\d+)?)( %)?")
_MEASURES = {"VaR": "var", "ES": "es", "expectile VaR τ =": "expectile"}


def target_words(text: str) -> str:
    """What a target is called; a text that is none stays as it is.

    >>> target_words("es:0.975"), target_words("es:975")
    ('ES 97.5 %', 'es:975')
    """
    try:
        target = Target.parse(text)
    except RiskcoreError:
        return text
    return target_text(target.measure, target.level)


def target_of(text: str) -> str:
    """The target of such words: a box gives those back for one that was typed in, once the page was left.

    >>> target_of("VaR 98.5 %"), target_of("expectile VaR τ = 0.999"), target_of("var:0.985"), target_of("VaR")
    ('var:0.985', 'expectile:0.999', 'var:0.985', 'VaR')
    """
    found = _IN_WORDS.fullmatch(text)
    if found is None:
        return text
    level = Decimal(found[2]).scaleb(-2) if found[3] else found[2]
    return f"{_MEASURES[found[1]]}:{level}"


def remedy(finding: Finding) -> str:
    """What to do on the page.

    >>> remedy(Finding("ambiguous_dates", "error", "", remedy='Pass date_format="DMY".'))
    'Say which day it is.'
    """
    if finding.code == "not_a_number" and "no numbers" in finding.message:
        return f"Leave the column out: {COLUMNS}."
    return REMEDIES.get(finding.code, finding.remedy) if finding.remedy else ""


def message(finding: Finding) -> str:
    """What was found, without the names of options.

    >>> message(Finding("unknown_column", "error", "header_row=9 is no row with cells"))
    'header row 9 is no row with cells'
    """
    return _OPTION.sub(lambda found: found[1].replace("_", " ") + " ", finding.message)


def plain(text: str) -> str:
    """Text of an error without the names of options.

    >>> plain("header_row must be a whole number from 1, got 0")
    'header row must be a whole number from 1, got 0'
    """
    return _NAMES.sub(lambda found: found[0].replace("_", " "), text)


def lines(faults: Sequence[Finding]) -> list[str]:
    """Each fault as a paragraph of plain text: where, what, what to do."""
    out = []
    for fault in faults:
        told = str(replace(fault, message=message(fault), remedy="")).removesuffix(f" [{fault.code}]")
        out.append(f"{_sentence(told)}.\n{remedy(fault)}".rstrip())
    return out


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def sentence(findings: Iterable[Finding]) -> str:
    """What was done to a file that was read.

    >>> sentence([])
    'The file was read as it stands: nothing was changed, nothing is odd.'
    """
    count = Counter(finding.severity for finding in findings)
    fixed, flagged = count["fixed"], count["flagged"]
    if not fixed and not flagged:
        return "The file was read as it stands: nothing was changed, nothing is odd."
    parts = []
    if fixed:
        parts.append(f"{_things(fixed)} {'was' if fixed == 1 else 'were'} fixed without loss")
    if flagged:
        parts.append(f"{_things(flagged)} {'is' if flagged == 1 else 'are'} worth a look; nothing was corrected there")
    text = ", ".join(parts)
    return f"{_sentence(text)}."


def _things(n: int) -> str:
    return "one thing" if n == 1 else f"{n} things"


def table(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row per finding, the gravest first."""
    order = list(SEVERITIES)
    rows = [
        {
            "Verdict": SEVERITIES[finding.severity],
            "What": _sentence(message(finding)),
            "Column": finding.column,
            "File rows": rows_text(finding.rows, finding.count).removeprefix("rows ").removeprefix("row "),
            "Cell": finding.sample,
            "What to do": remedy(finding),
        }
        for finding in sorted(findings, key=lambda finding: order.index(finding.severity))
    ]
    return pd.DataFrame(rows, columns=["Verdict", "What", "Column", "File rows", "Cell", "What to do"], dtype=str)
