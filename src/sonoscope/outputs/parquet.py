"""The canonical table as Parquet, ``.events.parquet``; needs pyarrow (the ``tables`` extra)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from sonoscope.errors import optional
from sonoscope.outputs.columns import COLUMNS, found, record
from sonoscope.outputs.format import Format, ReadOptions, UnreadableTable, WriteOptions, gather
from sonoscope.values import FileResult

_WHOLE = ("channel", "velocity")
_TEXT = ("file", "label", "model", "start_datetime", "site", "recorder", "flags")

_PURPOSE = "the format parquet"


def _schema() -> Any:
    arrow = optional("pyarrow", "tables", _PURPOSE)
    kinds = {**dict.fromkeys(_WHOLE, arrow.int32()), **dict.fromkeys(_TEXT, arrow.string())}
    return arrow.schema([(column, kinds.get(column, arrow.float64())) for column in COLUMNS])


def write(results: Iterable[FileResult], file: IO[bytes], options: WriteOptions) -> None:
    """One row group per recording, so that a long run never lies in memory; an empty table has its types."""
    schema = _schema()
    arrow, parquet = optional("pyarrow", "tables", _PURPOSE), optional("pyarrow.parquet", "tables", _PURPOSE)
    with parquet.ParquetWriter(file, schema) as writer:
        for result in results:
            rows = [record(result, event, raw=options.raw) for event in result.in_order()]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def read(file: IO[bytes], options: ReadOptions) -> list[FileResult]:
    """Any Parquet file with the columns file, start, end, label."""
    arrow, parquet = optional("pyarrow", "tables", _PURPOSE), optional("pyarrow.parquet", "tables", _PURPOSE)
    try:
        rows = parquet.read_table(file).to_pylist()
    except (arrow.ArrowException, OSError) as error:
        raise UnreadableTable(
            f"{options.name}: not a Parquet file ({error}). Name its format with --from."
        ) from None
    return gather(found(row, f"{options.name}, row {number}") for number, row in enumerate(rows, start=1))


FORMAT = Format(
    "parquet", ".events.parquet", write, read, binary=True, extensions=(".parquet",), takes=("raw",)
)
