"""Rows as readers give them: a sentence (or an article) with its id, or the fault that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from strijdtaal.errors import DataError, nearest
from strijdtaal.text import MAX_ARTICLE, clean

MAX_SENTENCE = 20_000  # characters; as the HTTP service
MAX_ID = 1_000  # characters
MAX_COLUMNS_SHOWN = 12

_SURROGATE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"\w")


class Mark(NamedTuple):
    """Where a record begins: byte offset (0 in Parquet), the record's row number and line number, both from 1."""

    offset: int
    row: int
    line: int


class Row(NamedTuple):
    """One usable record. ``id`` is None where the input has no ids; ``kept`` are the values of the columns to keep."""

    row: int
    line: int
    id: str | None
    text: str
    kept: tuple[Any, ...]


class Fault(NamedTuple):
    """One record that cannot be used, and why."""

    row: int
    line: int
    reason: str


class Reader(Protocol):
    """An open input file.

    ``has_id``: its records have ids; ``mark``: where the next record begins; ``blank``: empty lines passed over.
    """

    has_id: bool
    mark: Mark
    blank: int

    def go(self, mark: Mark) -> None:
        """Continue at a mark."""

    def records(self) -> Iterator[Row | Fault]:
        """The records from the mark on; ``mark`` goes along."""

    def check_kept(self) -> None:
        """Raises DataError: a column to keep that no record had."""

    def close(self) -> None:
        """Close the file."""


@dataclass(frozen=True)
class Columns:
    """The columns to read, and how long a text may be."""

    text: str
    id: str
    keep: tuple[str, ...]
    has_id: bool
    articles: bool

    @property
    def longest(self) -> int:
        """The longest text allowed, in characters."""
        return MAX_ARTICLE if self.articles else MAX_SENTENCE


class BadRowError(ValueError):
    """A record cannot be used; the text says why."""


def locate(name: str, form: str, row: int, line: int) -> str:
    """A record's place for messages.

    >>> locate("a.jsonl", "jsonl", 3, 3), locate("a.csv", "csv", 3, 5), locate("a.parquet", "parquet", 3, 3)
    ('a.jsonl, line 3', 'a.csv, row 3 (line 5)', 'a.parquet, row 3')
    """
    if form in ("csv", "tsv"):
        return f"{name}, row {row} (line {line})"
    return f"{name}, {'row' if form == 'parquet' else 'line'} {row}"


def check_columns(name: str, known: list[str], columns: Columns, must_have_id: bool) -> None:
    """The columns of text and to keep, and that of ids where it was asked for, must be among those ``known``.

    Raises:
        DataError: one is not; the nearest name is given.
    """
    wanted = [(columns.text, "--text")] + ([(columns.id, "--id")] if must_have_id else [])
    wanted += [(column, "--keep") for column in columns.keep]
    for column, flag in wanted:
        if column not in known:
            raise unknown_column(name, column, flag, known)


def unknown_column(name: str, column: str, flag: str, known: list[str]) -> DataError:
    """The error for a column that is not there."""
    shown = ", ".join(repr(one[:60]) for one in known[:MAX_COLUMNS_SHOWN]) or "none"
    more = ", ..." if len(known) > MAX_COLUMNS_SHOWN else ""
    return DataError(
        f"{name} has no column {column!r}.{nearest(column, known)} Name the right one with {flag}. "
        f"Columns: {shown}{more}."
    )


def check_text(value: object, columns: Columns) -> str:
    """The text of a record.

    Raises:
        BadRowError: null, no text, empty after clean-up, too long, or with half of a surrogate pair.
    """
    if not isinstance(value, str):
        found = "null" if value is None else f"{type(value).__name__}, not text"
        raise BadRowError(f"{columns.text!r} is {found}")
    if len(value) > columns.longest:
        what = "an article" if columns.articles else "a sentence (score articles with --articles)"
        raise BadRowError(f"{columns.text!r} has {len(value):,} characters; at most {columns.longest:,} for {what}")
    if not value.isascii() and (found_half := _SURROGATE.search(value)):
        raise BadRowError(f"{columns.text!r} holds half of a surrogate pair at position {found_half.start()}")
    if not _WORD.search(value) and not clean(value):
        raise BadRowError(f"{columns.text!r} is empty")
    return value


def check_id(value: object, columns: Columns) -> str:
    """The id of a record, as text.

    Raises:
        BadRowError: null, empty, no text or whole number, too long, or with half of a surrogate pair.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        found = "null" if value is None else f"{type(value).__name__}, not text or a whole number"
        raise BadRowError(f"{columns.id!r} is {found}")
    if not value.strip():
        raise BadRowError(f"{columns.id!r} is empty")
    if len(value) > MAX_ID:
        raise BadRowError(f"{columns.id!r} has {len(value):,} characters; at most {MAX_ID:,}")
    if _SURROGATE.search(value):
        raise BadRowError(f"{columns.id!r} holds half of a surrogate pair")
    return value


def check_kept(name: str, value: Any) -> Any:
    """A value to carry through: any JSON value; NaN, as data frames write what is missing, becomes null.

    Raises:
        BadRowError: half of a surrogate pair in it.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if _SURROGATE.search(text):
        raise BadRowError(f"{name!r} holds half of a surrogate pair")
    return value


def row_of(values: dict[str, Any], row: int, line: int, columns: Columns) -> Row | Fault:
    """A record's columns -> its row, or its fault."""
    try:
        for column in (columns.text, columns.id) if columns.has_id else (columns.text,):
            if column not in values:
                raise BadRowError(f"{column!r} is missing")
        if not columns.has_id and columns.id in values:
            raise BadRowError(f"{columns.id!r} is given here, but not in the first row")
        identity = check_id(values[columns.id], columns) if columns.has_id else None
        kept = tuple(check_kept(name, values.get(name)) for name in columns.keep)
        return Row(row, line, identity, check_text(values[columns.text], columns), kept)
    except BadRowError as error:
        return Fault(row, line, str(error))
