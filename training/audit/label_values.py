"""Labels of any set, as the cells of one or several columns give them."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any

from strijdtaal.errors import DataError
from training.audit.tables import Table, refuse

MAX_LABELS = 200  # different values of a column; with more it is no label column
Labels = tuple[str, ...]

TRUE, FALSE = {"1", "1.0", "true", "yes", "ja"}, {"0", "0.0", "false", "no", "nee", ""}
VECTOR = {"0", "0.0", "1", "1.0", "false", "true"}


def _several(value: str, separator: str) -> list[str] | None:
    """The labels in one cell that lists them (JSON, Python, or by the separator); None if it is one label."""
    if value.startswith("[") and value.endswith("]"):
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(value)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list):
                return [str(item) for item in found]
    return value.split(separator) if separator else None


def _cell_labels(value: Any, separator: str) -> Labels:
    """Labels of one cell.

    Raises:
        ValueError: it holds something that is no label.
    """
    if isinstance(value, list):
        if wrong := [item for item in value if not isinstance(item, str | int)]:
            raise ValueError(f"a label must be text, found {wrong[0]!r:.40}")
        names = [str(item) for item in value]
    elif isinstance(value, str | int | float):
        text = str(value).lower() if isinstance(value, bool) else str(value).strip()
        listed = _several(text, separator)
        names = [text] if listed is None else [name.strip() for name in listed]
    elif value is None:
        raise ValueError("no labels; write [] or an empty text for none")
    else:
        raise ValueError(f"a label must be text or a list of texts, found {type(value).__name__}")
    if len(set(names)) < len(names) and {name.lower() for name in names} <= VECTOR:
        raise ValueError("a list of 0 and 1 does not name its labels; write their names, or a column for each label")
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def decode_labels(tables: Sequence[Table], columns: Sequence[str], separator: str) -> list[list[Labels]]:
    """Labels of each row of each table.

    A column of 0 and 1 (or false and true, no and yes) is a label by its own name; the values of any other
    are labels themselves, with the column in front if there are several such columns.

    Raises:
        DataError: a column holds too many different values, lists in one row and not in another, or none.
    """
    decoded = [_decode_column(tables, name, separator, len(columns) > 1) for name in columns]
    joined: dict[tuple[Labels, ...], Labels] = {}
    return [
        [
            joined.setdefault(row, tuple(dict.fromkeys(label for labels in row for label in labels)))
            for row in zip(*(column[number] for column in decoded), strict=True)
        ]
        for number in range(len(tables))
    ]


def _decode_column(tables: Sequence[Table], name: str, separator: str, several: bool) -> list[list[Labels]]:
    faults: list[str] = []
    known: dict[str, Labels] = {}  # most cells are one of a few texts

    def read(table: Table, line: int, value: Any) -> Labels:
        try:
            if not isinstance(value, str):
                return _cell_labels(value, separator)
            return known.get(value) or known.setdefault(value, _cell_labels(value, separator))
        except ValueError as error:
            faults.append(f"{table.name}, line {line}, column {name!r}: {error}")
            return ()

    place = {id(table): table.columns.index(name) for table in tables}
    cells = [[read(table, line, row[place[id(table)]]) for line, row in table.rows] for table in tables]
    refuse(faults or _mixed(tables, name))
    values = {label for table in cells for row in set(table) for label in row}
    several_in_a_cell = any(len(row) > 1 for table in cells for row in table)  # such as the numbers of classes
    if {value.lower() for value in values} <= TRUE | FALSE and not several_in_a_cell:
        return [[(name,) if row and row[0].lower() in TRUE else () for row in table] for table in cells]
    if len(values) > MAX_LABELS:
        raise DataError(f"Column {name!r} has {len(values):,} different values. Is it the one with the labels?")
    return [[tuple(f"{name}={value}" for value in row) for row in table] for table in cells] if several else cells


def _mixed(tables: Sequence[Table], name: str) -> list[str]:
    """A fault if a column of labels is a list in one row and a plain value in another."""
    kinds: dict[bool, str] = {}
    for table in tables:
        for (line, _), value in zip(table.rows, table.column(name), strict=True):
            kinds.setdefault(isinstance(value, list), f"{table.name}, line {line}")
    if len(kinds) < 2:
        return []
    return [f"column {name!r} is a list at {kinds[True]}, and a plain value at {kinds[False]}; write lists everywhere"]
