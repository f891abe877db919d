"""Tables from strangers: CSV, TSV and Parquet -> named columns and rows of text, with the place of each row.

Nothing is guessed about values: ``NA``, ``007`` and ``1.200`` stay as they are. The delimiter is the one that
gives the header a text column; ``csv.Sniffer`` is no help here, since it counts characters in running text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from strijdtaal.errors import DataError
from training.intake.sentence import Intake
from training.intake.source import Source

TEXT_COLUMNS = ("text", "tekst", "sentence", "zin")
DELIMITERS = (",", ";", "\t", "|")
MAX_ROWS = 10_000_000
BATCH = 65_536

_HEADER = 100_000  # characters that a header has to fit in
_SEP = "sep="  # first line that Excel understands

Cell = str | tuple[str, ...] | None
Row = tuple[str, Sequence[Cell]]


@dataclass(frozen=True)
class Table:
    """Columns by name, and rows with their place.

    ``kinds`` says what the cells of a column are: ``text`` (all those of a CSV file), ``list`` (of texts), ``whole``
    (integers and truth values), ``other`` (any other scalar) or ``nested`` (not read). Cells are text or None, those
    of a list column tuples or None.
    """

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: Iterator[Row]


def names_delimiter(delimiter: str) -> str:
    """The delimiter for messages."""
    return "tab" if delimiter == "\t" else repr(delimiter)


def has_text_column(columns: Sequence[str]) -> bool:
    """True if one of the columns holds the sentences."""
    return any(column.strip().casefold() in TEXT_COLUMNS for column in columns)


def _first_row(text: str, delimiter: str) -> list[str]:
    try:
        reader = csv.reader(io.StringIO(text[:_HEADER], newline=""), delimiter=delimiter)
        return next((row for row in islice(reader, 10) if row), [])
    except csv.Error:
        return []


def find_delimiter(text: str) -> str:
    r"""The delimiter under which the first row names a text column, and most columns at that.

    >>> find_delimiter('"text";"labels"\r\n"Ja, nee.";"threat"')
    ';'
    """
    rows = {delimiter: _first_row(text, delimiter) for delimiter in DELIMITERS}
    return max(DELIMITERS, key=lambda one: (has_text_column(rows[one]), len(rows[one])))


def _check_columns(name: str, columns: Sequence[str]) -> None:
    for number, column in enumerate(columns, 1):
        if not column:
            raise DataError(f"{name}: column {number} has no name. Name it in the first row, or delete the column.")
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise DataError(f"{name}: the column {twice[0]!r} stands twice in the first row. Rename or delete one.")
    if not has_text_column(columns):
        single = f" The first row is one column, {columns[0][:80]!r}: columns are told apart by one of , ; tab |."
        raise DataError(
            f"{name}: no column with the sentences; name it {', '.join(TEXT_COLUMNS[:-1])} or {TEXT_COLUMNS[-1]}. "
            f"Found: {', '.join(repr(column[:40]) for column in columns[:12])}.{single if len(columns) == 1 else ''}"
        )


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "a quote is opened in this row and never closed; close it, or write quotes inside a cell twice"
    if "field larger" in text:
        return "a cell of this row does not end; is a quote opened and not closed?"
    return "a quote ends before its cell does; is it closed too late, or is a quote inside a cell not written twice?"


def _csv_rows(source: Source, reader: Any, width: int, number: int, delimiter: str, intake: Intake) -> Iterator[Row]:
    """Rows after the header; those that cannot be used are faults with their number, counted as a spreadsheet does.

    Empty cells to the right of the last column are passed over.
    """
    while True:
        number += 1
        line = reader.line_num + 1
        where = f"{source.name}, row {number}" if line == number else f"{source.name}, row {number} (line {line})"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            intake.fault(where, _explain(error))
            if "expected after" not in str(error):
                return  # what follows is inside the quote
            continue
        if not any(cells):
            if cells:
                intake.count("empty rows")
        elif len(cells) < width or any(cells[width:]):
            advice = f"a cell that holds {names_delimiter(delimiter)} must stand in quotes"
            intake.fault(where, f"{len(cells)} cells, but {width} columns; {advice}")
        else:
            yield where, cells[:width]


def read_csv(source: Source, intake: Intake) -> Table:
    """A CSV or TSV file with any usual delimiter, quotes as of RFC 4180, every cell as text.

    Raises:
        DataError: not in the encoding; no header, or one without text column, with double or empty names.
    """
    text, skipped = source.text, 0
    if text[: len(_SEP)].lower() == _SEP:
        line, _, text = text.partition("\n")
        delimiter, skipped = line[len(_SEP) :].rstrip("\r")[:1] or ";", 1
    else:
        delimiter = find_delimiter(text)
    reader = csv.reader(io.StringIO("\n" * skipped + text, newline=""), delimiter=delimiter, strict=True)
    try:
        number, header = next(((number, row) for number, row in enumerate(reader, 1) if row), (0, []))
    except csv.Error as error:
        raise DataError(f"{source.name}, first row: {_explain(error)}") from error
    if not header:
        raise DataError(f"{source.name} is empty: no usable rows.")
    columns = tuple(column.strip() for column in header)
    while columns and not columns[-1]:
        columns = columns[:-1]  # Excel writes columns that hold nothing but a format, or held something once
    _check_columns(source.name, columns)
    rows = _csv_rows(source, reader, len(columns), number, delimiter, intake)
    return Table(columns, ("text",) * len(columns), rows)


def _kind(types: Any, kind: Any) -> str:
    """The kind of an Arrow type, as in ``Table.kinds``."""
    if types.is_dictionary(kind):
        return _kind(types, kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind) or types.is_boolean(kind):
        return "whole"
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "list" if types.is_null(kind.value_type) or _kind(types, kind.value_type) == "text" else "nested"
    return "nested" if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind) else "other"


def _as_text(value: Any) -> str | None:
    if value is None or value != value:  # NaN is how data frames write a missing value
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_cells(column: Any, kind: str) -> list[Cell]:
    if kind == "nested":
        return [None] * len(column)
    values: list[Any] = column.to_pylist()
    if kind == "text":
        return values
    if kind == "list":
        return [None if value is None else tuple(value) for value in values]
    return [_as_text(value) for value in values]


def _parquet_rows(source: Source, file: Any, columns: Sequence[str], kinds: Sequence[str]) -> Iterator[Row]:
    import pyarrow as pa

    number = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH):
            cells = [_as_cells(batch.column(name), kind) for name, kind in zip(columns, kinds, strict=True)]
            for row in zip(*cells, strict=True):
                number += 1
                yield f"{source.name}, row {number}", row
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{source.name} is damaged after row {number:,}: {error}. Write it again.") from error


def read_parquet(source: Source, intake: Intake) -> Table:
    """A Parquet file.

    Raises:
        DataError: damaged, too long, or without text column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(source.data))
        schema, length = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source.name} is no Parquet file that can be read: {error}. Is it cut off?") from error
    if length > MAX_ROWS:
        raise DataError(f"{source.name} has {length:,} rows; at most {MAX_ROWS:,}. Divide it into parts.")
    _check_columns(source.name, schema.names)
    columns = tuple(schema.names)
    kinds = tuple(_kind(pa.types, field.type) for field in schema)
    if nested := kinds.count("nested"):
        intake.count("columns of nested values", nested)
    return Table(columns, kinds, _parquet_rows(source, file, columns, kinds))
