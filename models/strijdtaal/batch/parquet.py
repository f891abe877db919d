"""Parquet, with pyarrow (extra ``score``): read in batches of rows, written one row group a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from strijdtaal.batch.forms import Sink, as_cell
from strijdtaal.batch.inputs import Input
from strijdtaal.batch.rows import Columns, Fault, Mark, Row, check_columns, row_of
from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS

BATCH = 4_096  # rows decoded at once
BUFFER = 1 << 20


def need_pyarrow() -> None:
    """Raises UsageError: the extra is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow. Install the extra: pip install 'strijdtaal[score]'.") from error


def _kind(kind: Any) -> str:
    """Whether a column holds text, whole numbers, other plain values, or something that cannot be carried."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _kind(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind):
        return "whole"
    nested = types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    return "nested" if nested or types.is_fixed_size_binary(kind) or types.is_binary_view(kind) else "plain"


def _plain(value: Any) -> Any:
    """A value as JSON has it: dates and decimals become text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _values(column: Any) -> list[Any]:
    """Values of a column; one that is not UTF-8 becomes an exception in its place."""
    try:
        return [_plain(value) for value in column.to_pylist()]
    except UnicodeDecodeError:
        found: list[Any] = []
        for value in column:
            try:
                found.append(value.as_py())
            except UnicodeDecodeError as error:
                found.append(error)
        return found


class ParquetReader:
    """A Parquet file; of its columns only those that are needed are read. Rows are counted from 1."""

    def __init__(self, source: Input, columns: Columns, must_have_id: bool = False) -> None:
        need_pyarrow()
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.source, self.blank = source, 0
        try:
            # Without reading ahead, memory depends on the batch and not on the size of row groups.
            self._file = pq.ParquetFile(
                source.path, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True
            )
            schema = self._file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{source.name} is no Parquet file that can be read: {error}. Is it cut off?") from error
        check_columns(source.name, schema.names, columns, must_have_id)
        self.has_id = columns.id in schema.names
        self.columns = replace(columns, has_id=self.has_id)
        self._names = [columns.text, *([columns.id] if self.has_id else []), *columns.keep]
        self._check_kinds(schema)
        metadata = self._file.metadata
        self._sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self._rows: Iterator[tuple[Any, ...]] | None = None
        self.mark = Mark(0, 1, 1)

    def _check_kinds(self, schema: Any) -> None:
        allowed = {self.columns.text: ("text",), self.columns.id: ("text", "whole")}
        for name in self._names:
            if schema.names.count(name) > 1:
                raise DataError(f"{self.source.name}: the column {name!r} stands twice. Rename one.")
            kind = schema.field(name).type
            if _kind(kind) not in allowed.get(name, ("text", "whole", "plain")):
                wanted = " or ".join(allowed.get(name, ("plain values",)))
                raise DataError(f"{self.source.name}: column {name!r} is {kind}; it must be {wanted}.")

    def check_kept(self) -> None:
        """Columns to keep are checked with the schema."""

    def _group(self, row: int) -> tuple[int, int]:
        """Number of the row group that holds a row, and the group's first row."""
        first = 1
        for number, size in enumerate(self._sizes):
            if row < first + size:
                return number, first
            first += size
        return len(self._sizes), first

    def go(self, mark: Mark) -> None:
        """Continue at a mark; within a row group by passing over the rows before it."""
        group, first = self._group(mark.row)
        if self._rows is None or not first <= self.mark.row <= mark.row:
            self.mark = Mark(0, first, first)
            self._rows = self._decoded(group)
        for _ in range(mark.row - self.mark.row):
            next(self._rows, None)
        self.mark = mark

    def _decoded(self, group: int) -> Iterator[tuple[Any, ...]]:
        import pyarrow as pa

        for number in range(group, len(self._sizes)):
            try:
                for batch in self._file.iter_batches(
                    batch_size=BATCH, row_groups=[number], columns=self._names, use_threads=False
                ):
                    yield from zip(*(_values(batch.column(name)) for name in self._names), strict=True)
            except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
                raise DataError(
                    f"{self.source.name} is damaged in row group {number} (from row {self._first(number):,} on): "
                    f"{error}. Write it again."
                ) from error

    def _first(self, group: int) -> int:
        return int(1 + sum(self._sizes[:group]))

    def records(self) -> Iterator[Row | Fault]:
        """The records from the mark on.

        Raises:
            DataError: a row group that cannot be decoded.
        """
        if self._rows is None:
            self.go(self.mark)
        for values in self._rows or ():
            row = self.mark.row
            self.mark = Mark(0, row + 1, row + 1)
            broken = [name for name, value in zip(self._names, values, strict=True) if isinstance(value, Exception)]
            if broken:
                yield Fault(row, row, f"{broken[0]!r} is not UTF-8")
            else:
                yield row_of(dict(zip(self._names, values, strict=True)), row, row, self.columns)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ParquetForm:
    """A Parquet file being written: probabilities as doubles, labels as a list, columns carried through as text."""

    def __init__(self, file: Sink, leading: Sequence[str], kept: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"index": pa.int32(), "start": pa.int32(), "end": pa.int32(), "labels": pa.list_(pa.string())}
        kinds |= dict.fromkeys(KEYS, pa.float64())
        names = [*leading, "labels", *KEYS, *kept]
        self._kept = set(kept)
        self.schema = pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in names])
        self._writer = pq.ParquetWriter(file, self.schema, compression="zstd", write_page_checksum=True)

    def write(self, columns: dict[str, list[Any]]) -> None:
        """Write a block as one row group."""
        import pyarrow as pa

        texts = {name: [as_cell(value) for value in columns[name]] for name in self._kept}
        arrays = [pa.array((columns | texts)[field.name], field.type) for field in self.schema]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()
