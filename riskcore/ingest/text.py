"""Text files: encoding, delimiter and rows. Nothing is converted here."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter

from riskcore.ingest.findings import Report
from riskcore.ingest.table import MAX_CELLS, MAX_COLUMNS, MAX_ROWS, Cell, Row

_BOMS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_DELIMITERS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma"}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_CONTROL_SHARE = 0.05
_LINE_END = re.compile(r"\r\n|\n|\r")
_SNIFFED = 200


def read_text(content: bytes, report: Report) -> list[Row]:
    """Rows of cells with their line numbers; blank lines are left out."""
    lines = _LINE_END.split(_decode(content, report))
    if len(lines) > MAX_ROWS + 1000:
        report.fail("file_too_large", f"the file has {len(lines)} lines, at most {MAX_ROWS} rows are read")
    first, delimiter = 0, ""
    if (match := re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\ufeff "))) is not None:
        first, delimiter = 1, match[1]  # a spreadsheet's own mark of the delimiter
    delimiter = delimiter or _delimiter([line for line in lines[: _SNIFFED * 2] if line.strip()][:_SNIFFED])
    return _split(lines, first, delimiter or ",", report)


def _decode(content: bytes, report: Report) -> str:
    for bom, codec, name in _BOMS:
        if content.startswith(bom):
            return _strict(content[len(bom) :], codec, name, report)
    even, odd = content[0:4000:2].count(0), content[1:4000:2].count(0)
    half = max(1, len(content[:4000]) // 2)
    if odd > 0.4 * half or even > 0.4 * half:
        return _strict(content, "utf-16-le" if odd > even else "utf-16-be", "UTF-16 without a byte order mark", report)
    head = content[:100_000]
    if b"\x00" in content or len(_CONTROL.findall(head)) > _CONTROL_SHARE * len(head):
        report.fail("file_type", "the content is binary, not text", remedy="Export the prices as CSV or XLSX.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _strict(content, "cp1252", "Windows-1252", report)


def _strict(content: bytes, codec: str, name: str, report: Report) -> str:
    try:
        text = content.decode(codec)
    except UnicodeDecodeError as error:
        report.fail(
            "bad_encoding",
            f"the file looks like {name}, but byte {error.start} does not fit",
            remedy="Save it as UTF-8.",
        )
    report.add("fixed", "encoding", f"read as {name}")
    return text


def _delimiter(lines: list[str]) -> str:
    """The delimiter that cuts most rows into the same number of fields as the first; empty if none cuts."""
    best, chosen = (0.0, False), ""
    for delimiter in _DELIMITERS:
        counts = [len(_fields(line, delimiter) or []) for line in lines]
        several = Counter(count for count in counts if count > 1)
        if not several:
            continue
        mode, hits = several.most_common(1)[0]
        score = (hits / len(counts), counts[0] == mode)
        if score > best:
            best, chosen = score, delimiter
    return chosen


def _fields(line: str, delimiter: str) -> list[str] | None:
    """The cells of one line, or None where a quote is not closed or text follows a closing one."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return None


def _split(lines: list[str], first: int, delimiter: str, report: Report) -> list[Row]:
    out: list[Row] = []
    broken: list[int] = []
    blanks = " \t\u00a0" + delimiter
    n_cells = 0
    for number, line in enumerate(lines[first:], start=first + 1):
        if not line.strip(blanks):
            continue
        cells = _fields(line, delimiter)
        if cells is None:
            broken.append(number)
            continue
        n_cells += len(cells)
        if len(cells) > MAX_COLUMNS or n_cells > MAX_CELLS or len(out) > MAX_ROWS:
            limits = f"at most {MAX_ROWS} rows, {MAX_COLUMNS} columns and {MAX_CELLS} cells are read"
            report.fail("file_too_large", f"the table is too large at row {number}: {limits}", rows=[number])
        row: list[Cell] = list(cells)
        out.append((number, row))
    if broken:
        report.error(
            "unbalanced_quote",
            f"a quote is not closed on its line, or text follows it: '{lines[broken[0] - 1][:40]}'",
            rows=broken,
            sample=lines[broken[0] - 1],
            remedy="Close or remove the quote; a cell may not run over several lines.",
        )
    if not out:
        report.stop_on_errors()
        report.fail("empty_file", "the file is empty", remedy="Give a file with a column of dates and one of prices.")
    return out
