"""What kind of file the bytes are: decided by content, never by name."""

from __future__ import annotations

import io
import zipfile
from typing import Literal, NoReturn

from riskcore.ingest.findings import Report

Kind = Literal["text", "xlsx", "parquet"]
MAX_BYTES = 200_000_000
MAX_UNPACKED = 300_000_000
MAX_RATIO = 100
SMALL_UNPACKED = 20_000_000
"""Below this size a high ratio is harmless: sheets of equal numbers pack well."""
MAX_ENTRIES = 2_000
_TAKEN = "CSV, TSV, text, XLSX and Parquet are read"
_EXPORT = f"Export the prices as CSV or XLSX; {_TAKEN}."

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ARROW1", "an Arrow or Feather file"),
    (b"FEA1", "a Feather file"),
    (b"ORC", "an ORC file"),
    (b"RDX", "an R data file"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"{\\rtf", "a rich text document"),
)


def identify(content: bytes, report: Report) -> Kind:
    """The kind of the file, or a DataError that says what it seems to be and what is read."""
    if len(content) > MAX_BYTES:
        report.fail(
            "file_too_large",
            f"the file has {len(content) / 1e6:.0f} MB, at most {MAX_BYTES / 1e6:.0f} MB are read",
            remedy="Keep the dates and prices that are needed.",
        )
    if not content.strip():
        report.fail("empty_file", "the file is empty", remedy="Give a file with a column of dates and one of prices.")
    if content.startswith(b"PAR1"):
        return "parquet"
    if content.startswith(b"PK\x03\x04"):
        return _workbook(content, report)
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        _old_office(content, report)
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        _refuse(report, "a Python pickle, which can run programs when it is opened")
    if content[:1] == b"\x78" and content[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda"):
        _refuse(report, "a zlib stream, perhaps a joblib file")
    for magic, name in _MAGIC:
        if content.startswith(magic):
            _refuse(report, name)
    _markup(content, report)
    return "text"


def _refuse(report: Report, what: str, remedy: str = _EXPORT) -> NoReturn:
    report.fail("file_type", f"the content is {what}", remedy=remedy)


def _markup(content: bytes, report: Report) -> None:
    """HTML, XML and JSON under another name."""
    head = content[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<table", b"<meta", b"<div", b"<script")):
        _refuse(report, "a web page (HTML)", "Open it in a spreadsheet and save it as CSV or XLSX.")
    if head.startswith((b"<?xml", b"<workbook")):
        _refuse(report, "an XML document", "Open it in a spreadsheet and save it as CSV or XLSX.")
    if head.startswith((b"{", b"[{", b"[[")):
        _refuse(report, "JSON")


def _old_office(content: bytes, report: Report) -> NoReturn:
    if "EncryptedPackage".encode("utf-16-le") in content:
        _refuse(report, "an encrypted workbook", "Save it without a password.")
    _refuse(report, "an old Office file (.xls) or an encrypted workbook", "Save it as XLSX or CSV, without a password.")


def _workbook(content: bytes, report: Report) -> Kind:
    """Sizes are read from the archive's directory before anything is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        report.fail(
            "unreadable_xlsx",
            f"the archive is damaged or cut short ({type(error).__name__})",
            remedy="Save it again or fetch it again.",
        )
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(1, sum(entry.compress_size for entry in entries))
    swollen = unpacked > SMALL_UNPACKED and unpacked / packed > MAX_RATIO
    if unpacked > MAX_UNPACKED or len(entries) > MAX_ENTRIES or swollen:
        report.fail(
            "archive_unsafe",
            f"the archive would unpack to {unpacked / 1e6:.0f} MB in {len(entries)} entries, "
            f"{unpacked / packed:.0f} times its size",
            remedy="Keep the dates and prices that are needed, or save them as CSV.",
        )
    names = {entry.filename.lower() for entry in entries}
    if "xl/workbook.xml" in names:
        return "xlsx"
    what = "a binary workbook (.xlsb)" if "xl/workbook.bin" in names else "a ZIP archive that is no XLSX workbook"
    _refuse(report, what)
