"""The first reading of an input file: where its shards begin, what is wrong in it, and its ids.

Everything that can be wrong with a row is found here, before a sentence is scored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from strijdtaal.batch.inputs import Input
from strijdtaal.batch.lines import ArticleReader, JsonlReader, Lines, TextReader
from strijdtaal.batch.options import Options
from strijdtaal.batch.rows import Columns, Fault, Reader, locate
from strijdtaal.batch.table import TableReader
from strijdtaal.errors import DataError, UsageError

MAX_FAULTS = 10  # told in full for one file


@dataclass
class Survey:
    """What is known of a file. ``segments`` are (offset, row, line, records) of at most ``shard_rows`` records."""

    has_id: bool = False
    records: int = 0
    blank: int = 0
    bad: int = 0
    segments: list[tuple[int, int, int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def columns_of(options: Options) -> Columns:
    """The columns that readers look for."""
    return Columns(options.text, options.id_column, options.keep, False, options.articles)


def open_reader(source: Input, options: Options) -> Reader:
    """The reader for a file.

    Raises:
        DataError: the file cannot be read, or lacks a column.
        UsageError: Parquet without pyarrow, or columns of plain text.
    """
    columns, must = columns_of(options), options.identity is not None
    if source.form == "parquet":
        from strijdtaal.batch.parquet import ParquetReader

        return ParquetReader(source, columns, must)
    if source.form == "txt":
        for column in ([options.identity] if must else []) + list(options.keep):
            raise UsageError(f"{source.name} is plain text and has no column {column!r}. Leave --id and --keep out.")
    lines = Lines(source)
    try:
        return _line_reader(lines, source.form, columns, must)
    except DataError:
        lines.close()
        raise


def _line_reader(lines: Lines, form: str, columns: Columns, must_have_id: bool) -> Reader:
    if form == "txt":
        return (ArticleReader if columns.articles else TextReader)(lines, columns)
    if form == "jsonl":
        return JsonlReader(lines, columns, must_have_id)
    return TableReader(lines, columns, form == "tsv", must_have_id)


def survey(source: Input, options: Options, ids: Path, tell: Any = None) -> dict[str, Any]:
    """Read a file through; write the digests of its ids to ``ids`` if it has any.

    ``tell`` is called with the number of records after each segment.

    Raises:
        DataError: the file as a whole cannot be used.
    """
    from strijdtaal.batch.digests import DigestFile

    reader, found = open_reader(source, options), Survey()
    found.has_id = reader.has_id
    try:
        with DigestFile(ids, reader.has_id) as digests:
            while True:
                mark, count = reader.mark, 0
                for record in islice(reader.records(), options.shard_rows):
                    count += 1
                    if isinstance(record, Fault):
                        found.bad += 1
                        if len(found.faults) < MAX_FAULTS:
                            where = locate(source.name, source.form, record.row, record.line)
                            found.faults.append(f"{where}: {record.reason}.")
                    elif record.id is not None:
                        digests.add(record.id, record.row)
                if not count:
                    break
                found.segments.append((*mark, count))
                found.records += count
                if tell:
                    tell(count)
        reader.check_kept()
    finally:
        found.blank = reader.blank
        reader.close()
    return vars(found)
