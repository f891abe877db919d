"""Tables of any kind: CSV, TSV and JSONL -> named columns and rows, with nothing guessed about the values.

``NA``, ``007`` and ``1.200`` stay as they are. Published data sets often have no header and write quotes as
they like: both are found out, and what was assumed is told.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from strijdtaal.errors import DataError
from training.intake.json_rows import json_lines
from training.intake.sentence import Intake
from training.intake.source import Source

DELIMITERS = ("\t", ",", ";", "|")
NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
MAX_CELL = 1_000_000  # characters
SHOWN_FAULTS = 20

_SAMPLE = 50  # rows by which delimiter and header are judged
_SAMPLE_CHARACTERS = 300_000
_HEADER_CHARACTERS, _HEADER_WORDS = 60, 4  # a longer name is no name

Cells = Sequence[Any]


@dataclass(frozen=True)
class Table:
    """Columns by name, and rows: the line of each, and its cells (texts; of JSONL any value, None if missing).

    ``header`` is False where the first row is data; columns are then called ``1``, ``2`` ...
    """

    name: str
    stem: str
    columns: tuple[str, ...]
    rows: list[tuple[int, Cells]]
    header: bool
    form: str

    def column(self, name: str, rows: int | None = None) -> list[Any]:
        """The cells of one column, of all rows or the first ones."""
        place = self.columns.index(name)
        return [cells[place] for _, cells in self.rows[:rows]]


def refuse(faults: Sequence[str]) -> None:
    """End with all faults, if there are any.

    Raises:
        DataError: naming up to 20 of them.
    """
    if faults:
        shown = "\n  ".join(faults[:SHOWN_FAULTS])
        more = f"\n  and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        raise DataError(f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in the table:\n  {shown}{more}")


def _reader(text: str, delimiter: str, quoted: bool) -> Any:
    lines = io.StringIO(text, newline="")
    if quoted:
        return csv.reader(lines, delimiter=delimiter, strict=True)
    return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)


def _sample(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in islice(_reader(text[:_SAMPLE_CHARACTERS], delimiter, True), _SAMPLE):
            rows.append(row)
    except csv.Error:
        pass  # the last row may be cut off
    return [row for row in rows if row]


def find_delimiter(text: str) -> str:
    r"""The delimiter that gives most rows the same number of cells, two or more.

    >>> find_delimiter('tekst;label\r\n"Ja; en nee, zei hij.";steun\r\n')
    ';'
    """

    def score(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in _sample(text, delimiter))
        width, times = max(widths.items(), key=lambda item: item[1], default=(0, 0))
        return (times / widths.total(), width) if width > 1 else (0.0, 0)

    return max(DELIMITERS, key=score)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def looks_like_header(row: Sequence[str]) -> bool:
    """True for different short names, none of them a number; the first may be empty, as pandas leaves it."""
    names = [cell.strip() for cell in row]
    if len(set(names)) < len(names) or not any(names) or "" in names[1:]:
        return False
    short = all(len(name) <= _HEADER_CHARACTERS and len(name.split()) <= _HEADER_WORDS for name in names)
    return short and not any(_is_number(name) for name in names if name)


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text or "field larger" in text:
        return "a quote is opened and never closed"
    return "a quote ends before its cell does" if "expected after" in text else text


def _parse(name: str, text: str, delimiter: str, quoted: bool) -> tuple[list[tuple[int, Cells]], list[str]]:
    """Rows with the line on which each begins, and faults."""
    rows: list[tuple[int, Cells]] = []
    faults: list[str] = []
    reader = _reader(text, delimiter, quoted)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return rows, faults
        except csv.Error as error:
            return rows, [*faults, f"{name}, line {line}: {_explain(error)}"]
        if not any(row):
            continue
        if rows and len(row) != len(rows[0][1]):
            faults.append(f"{name}, line {line}: {len(row)} cells, but the first row has {len(rows[0][1])}")
            continue
        rows.append((line, row))


def _read_separated(source: Source, header: bool | None) -> Table:
    text = source.text
    if text[:4].lower() == "sep=":  # a line that Excel understands
        text = text.partition("\n")[2]
    delimiter = "\t" if source.suffix == ".tsv" else find_delimiter(text)
    limit = csv.field_size_limit(MAX_CELL)
    try:
        rows, faults = _parse(source.name, text, delimiter, True)
        form = NAMES[delimiter]
        if faults:  # a table written without quoting: quotes are characters like others
            plain, worse = _parse(source.name, text, delimiter, False)
            if not worse:
                rows, faults, form = plain, [], f"{form}, quotes taken as text"
    finally:
        csv.field_size_limit(limit)
    refuse(faults)
    if not rows:
        raise DataError(f"{source.name} is empty: no usable rows.")
    first = [str(cell).strip() for cell in rows[0][1]]
    if header is None:
        header = looks_like_header(first)
    columns = first if header else []
    names = tuple(name or str(place) for place, name in enumerate(columns, 1)) or _counted(len(first))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{source.name}: the column {twice!r} stands twice in the first row. Rename one.")
    return Table(source.name, source.stem, names, rows[1:] if header else rows, header, form)


def _counted(width: int) -> tuple[str, ...]:
    return tuple(str(place) for place in range(1, width + 1))


def _read_jsonl(source: Source) -> Table:
    intake = Intake()
    values = list(_numbered(json_lines(source, intake)))
    refuse(intake.faults)
    columns = tuple(dict.fromkeys(key for _, value in values for key in value))
    if not values:
        raise DataError(f"{source.name} is empty: no usable rows.")
    rows: list[tuple[int, Cells]] = [(line, [value.get(name) for name in columns]) for line, value in values]
    return Table(source.name, source.stem, columns, rows, True, "JSONL")


def _numbered(rows: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for where, value in rows:
        yield int(where.rpartition(" ")[2]), value


def read_table(source: Source, header: bool | None = None) -> Table:
    """Read one file; anything that does not begin with ``{`` is a table of separated cells.

    Args:
        source: the file.
        header: whether the first row names the columns; None to find out.

    Raises:
        DataError: not text in the stated encoding, empty, or rows of different width; all are named.
    """
    head = source.text[:100].lstrip()
    if head.startswith("[") and (source.suffix in (".json", ".jsonl") or head[1:].lstrip()[:1] in ("{", "[", '"')):
        raise DataError(f"{source.name} is a JSON list. Write one object a line (JSONL), or a CSV or TSV table.")
    return _read_jsonl(source) if head.startswith("{") else _read_separated(source, header)
