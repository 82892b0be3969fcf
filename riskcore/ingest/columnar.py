"""Parquet files as tables of cells."""

from __future__ import annotations

import io
from datetime import time
from typing import Any

import numpy as np

from riskcore.ingest.container import MAX_UNPACKED
from riskcore.ingest.findings import Report
from riskcore.ingest.table import MAX_CELLS, MAX_COLUMNS, MAX_ROWS, Cell, Table


def read_parquet(content: bytes, report: Report) -> Table:
    """Columns of the file; row 1 stands for the names, row 2 for the first record."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        _limits(file.metadata, report)
        data = file.read()
        names = ["" if name.startswith("__index_level_") else name for name in data.column_names]
        columns = [_cells(data.column(j), names[j], report) for j in range(data.num_columns)]
    except (pa.ArrowException, OSError) as error:
        report.fail(
            "unreadable_parquet",
            f"the Parquet file cannot be opened ({type(error).__name__})",
            remedy="Write it again.",
        )
    if data.num_rows == 0 or not columns:
        report.fail("header_only", "the file has names but no rows", rows=[1], remedy="Give a file with prices.")
    return Table(names, list(columns), list(range(2, data.num_rows + 2)))


def _limits(metadata: Any, report: Report) -> None:
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    rows, columns = metadata.num_rows, metadata.num_columns
    if rows > MAX_ROWS or columns > MAX_COLUMNS or rows * columns > MAX_CELLS or size > MAX_UNPACKED:
        report.fail(
            "file_too_large",
            f"the table has {rows} rows and {columns} columns, at most {MAX_ROWS} and {MAX_COLUMNS} are read",
            remedy="Keep the dates and prices that are needed.",
        )


def _cells(column: Any, name: str, report: Report) -> list[Cell]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(kind)
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        missing = np.isnan(values)
        cells: list[Cell] = values.tolist()
        for i in np.flatnonzero(missing):
            cells[i] = ""
        return cells
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return ["" if value is None else value for value in column.to_pylist()]
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return [_day_text(value) for value in column.to_pandas().tolist()]
    if not (pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        text = f"the column is of type {kind}, not numbers, text or dates"
        report.fail("object_column", text, column=name, remedy="Leave it out or convert it.")
    return ["" if value is None else str(value).upper() for value in column.to_pylist()]


def _day_text(value: Any) -> str:
    if value is None or value != value:  # NaT
        return ""
    if not hasattr(value, "hour"):
        return str(value.isoformat())
    return f"{value:%Y-%m-%d}" if value.time() == time() and value.tzinfo is None else value.isoformat(" ")
