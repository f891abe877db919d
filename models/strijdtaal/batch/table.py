"""CSV and TSV with the csv module of the standard library: any usual delimiter, every cell as text.

``csv.Sniffer`` is no help, since it counts characters in running text: the delimiter is the one under which the first
row names the text column, and most columns at that.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace

from strijdtaal.batch.lines import MAX_LINE, Lines
from strijdtaal.batch.rows import Columns, Fault, Mark, Row, check_columns, row_of
from strijdtaal.errors import DataError

DELIMITERS = (",", ";", "\t", "|")
_SEP = "sep="  # first line that Excel understands


def names_delimiter(delimiter: str) -> str:
    """The delimiter for messages."""
    return "tab" if delimiter == "\t" else repr(delimiter)


class _Text:
    """The lines of a file for ``csv.reader``; bytes that are not UTF-8 pass as surrogates and are remembered."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.broken = ""

    def __iter__(self) -> _Text:
        return self

    def __next__(self) -> str:
        line = self.lines.next()
        if line is None:
            raise DataError(f"{self.lines.name}, line {self.lines.line - 1}: more than {MAX_LINE:,} bytes.")
        if not line:
            raise StopIteration
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            place = f"line {self.lines.line - 1}, position {error.start}"
            self.broken = self.broken or f"not UTF-8: byte {line[error.start]:#04x} in {place}"
            return line.decode(errors="surrogateescape")

    def take_broken(self) -> str:
        """What is wrong with the bytes since the last call, or ''."""
        found, self.broken = self.broken, ""
        return found


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text or "field larger" in text:
        return "a quote is opened in this row and never closed; close it, or write quotes inside a cell twice"
    return "a quote ends before its cell does; is it closed too late, or is a quote inside a cell not written twice?"


class _Cells:
    """``csv.reader`` for cells as long as articles, without changing the limit of the rest of the process."""

    def __init__(self, text: Iterable[str], delimiter: str) -> None:
        self._reader = csv.reader(text, delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        limit = csv.field_size_limit(MAX_LINE)
        try:
            return next(self._reader)
        finally:
            csv.field_size_limit(limit)


class TableReader:
    """A CSV or TSV file with a header. Rows are counted below the header, from 1."""

    def __init__(self, lines: Lines, columns: Columns, tabs: bool = False, must_have_id: bool = False) -> None:
        self.lines, self.blank = lines, 0
        self.delimiter, self.header = self._header(columns, tabs)
        if len(set(self.header)) < len(self.header):
            twice = next(name for name in self.header if self.header.count(name) > 1)
            raise DataError(f"{lines.name}: the column {twice!r} stands twice in the first row. Rename or delete one.")
        self._check(columns, must_have_id)
        self.has_id = columns.id in self.header
        self.columns = replace(columns, has_id=self.has_id)
        self.mark = Mark(self.lines.offset, 1, self.lines.line)

    def _header(self, columns: Columns, tabs: bool) -> tuple[str, list[str]]:
        start, line = 0, 1
        first = _Text(self.lines)
        opening = next(first, "")
        given = ""
        if opening.lower().startswith(_SEP):
            given = opening[len(_SEP) :].rstrip("\r\n")[:1] or ";"
            start, line = self.lines.offset, self.lines.line
        elif tabs:
            given = "\t"
        best: tuple[tuple[bool, int], str, list[str], tuple[int, int]] | None = None
        for delimiter in [given] if given else DELIMITERS:
            self.lines.go(start, line)
            try:
                names = self._first_row(delimiter)
            except csv.Error:
                continue
            rank = (columns.text in names, len(names))
            if best is None or rank > best[0]:
                best = rank, delimiter, names, (self.lines.offset, self.lines.line)
        if best is None:
            raise DataError(f"{self.lines.name}, first row: a quote is opened and not closed. Repair it.")
        if not best[2]:
            raise DataError(f"{self.lines.name} is empty: it has no first row with the names of columns.")
        self.lines.go(*best[3])
        return best[1], best[2]

    def _first_row(self, delimiter: str) -> list[str]:
        text = _Text(self.lines)
        cells = next((row for row in _Cells(text, delimiter) if any(row)), [])
        if broken := text.take_broken():
            raise DataError(f"{self.lines.name}: {broken}. Save it as UTF-8 (iconv -f cp1252 -t utf-8).")
        names = [cell.strip() for cell in cells]
        while names and not names[-1]:
            names.pop()  # Excel writes columns that hold nothing but a format
        return names

    def _check(self, columns: Columns, must_have_id: bool) -> None:
        try:
            check_columns(self.lines.name, self.header, columns, must_have_id)
        except DataError as error:
            if len(self.header) > 1:
                raise
            hint = "The first row is one column: columns are told apart by one of , ; tab |."
            raise DataError(f"{error} {hint}") from error

    def check_kept(self) -> None:
        """Columns to keep are checked with the header."""

    def go(self, mark: Mark) -> None:
        """Continue at a mark."""
        self.lines.go(mark.offset, mark.line)
        self.mark = mark

    def records(self) -> Iterator[Row | Fault]:
        """The records from the mark on; empty rows are passed over.

        Raises:
            DataError: a quote that is opened and never closed: what follows cannot be told apart.
        """
        text = _Text(self.lines)
        reader = _Cells(text, self.delimiter)
        while True:
            row, line = self.mark.row, self.mark.line
            cells, reason = self._next(reader, row, line)
            reason = text.take_broken() or reason
            if cells is None and not reason:
                return
            filled = bool(reason) or any(cells or ())
            self.mark = Mark(self.lines.offset, row + filled, self.lines.line)
            if reason:
                yield Fault(row, line, reason)
            elif filled and cells is not None:
                yield self._record(cells, row, line)
            else:
                self.blank += 1

    def _next(self, reader: Iterator[list[str]], row: int, line: int) -> tuple[list[str] | None, str]:
        try:
            return next(reader), ""
        except StopIteration:
            return None, ""
        except csv.Error as error:
            if "expected after" in str(error):
                return None, _explain(error)
            raise DataError(f"{self.lines.name}, row {row} (line {line}): {_explain(error)}.") from error

    def _record(self, cells: list[str], row: int, line: int) -> Row | Fault:
        width = len(self.header)
        if len(cells) < width or any(cells[width:]):
            advice = f"a cell that holds {names_delimiter(self.delimiter)} must stand in quotes"
            return Fault(row, line, f"{len(cells)} cells, but {width} columns; {advice}")
        return row_of(dict(zip(self.header, cells, strict=False)), row, line, self.columns)

    def close(self) -> None:
        """Close the file."""
        self.lines.close()
