"""Output files: JSONL and CSV; Parquet stands in its own module. All take blocks of columns."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

from strijdtaal.labels import KEYS

SEPARATOR = ";"  # of labels in a cell
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


class Sink(Protocol):
    """What a form writes to."""

    def write(self, data: bytes) -> int:
        """Take bytes; the number taken."""


class Form(Protocol):
    """An output file being written."""

    def write(self, columns: dict[str, list[Any]]) -> None:
        """Write a block: columns of equal length by name."""

    def close(self) -> None:
        """Write what comes last."""


def escaped(cell: str) -> str:
    r"""A cell that no spreadsheet takes for a formula: those that begin with = + - @ tab or CR get an apostrophe.

    Cells that begin with apostrophes and then one of these get one more, so that ``unescaped`` gives all back.

    >>> escaped("=1+1"), escaped("- Nee, zei hij."), escaped("'s Avonds")
    ("'=1+1", "'- Nee, zei hij.", "'s Avonds")
    """
    return "'" + cell if _FORMULA.match(cell) else cell


def unescaped(cell: str) -> str:
    """What ``escaped`` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def as_cell(value: Any) -> str | None:
    """A value carried through as text: JSON for what is no text, None for null.

    >>> as_cell("NA"), as_cell(True), as_cell(1.5), as_cell(None)
    ('NA', 'true', '1.5', None)
    """
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class JsonlForm:
    """One JSON object a line, probabilities in an object of their own, as ``strijdtaal predict --json`` has them."""

    def __init__(self, file: Sink, leading: Sequence[str], kept: Sequence[str]) -> None:
        self._file, self._leading, self._kept = file, leading, kept

    def write(self, columns: dict[str, list[Any]]) -> None:
        """Write a block."""
        leading = list(zip(*(columns[name] for name in self._leading), strict=True))
        figures = list(zip(*(columns[key] for key in KEYS), strict=True))
        kept = list(zip(*(columns[name] for name in self._kept), strict=True)) or [()] * len(leading)
        lines = []
        for first, labels, row, last in zip(leading, columns["labels"], figures, kept, strict=True):
            value = dict(zip(self._leading, first, strict=True))
            value |= {"labels": labels, "probabilities": dict(zip(KEYS, row, strict=True))}
            value |= zip(self._kept, last, strict=True)
            lines.append(json.dumps(value, ensure_ascii=False) + "\n")
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """Nothing comes last."""


class CsvForm:
    """RFC 4180 in UTF-8, a header in every file; labels joined by ``;``, one column for each probability."""

    def __init__(self, file: Sink, leading: Sequence[str], kept: Sequence[str]) -> None:
        self._file = file
        self._texts = {name for name in leading if name not in ("index", "start", "end")} | set(kept)
        self._names = [*leading, "labels", *KEYS, *kept]
        self._rows([self._names])

    def _rows(self, rows: Sequence[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._file.write(text.getvalue().encode())

    def write(self, columns: dict[str, list[Any]]) -> None:
        """Write a block."""
        cells: list[list[Any]] = []
        for name in self._names:
            values = columns[name]
            if name in self._texts:
                values = ["" if value is None else escaped(as_cell(value) or "") for value in values]
            elif name == "labels":
                values = [SEPARATOR.join(labels) for labels in values]
            cells.append(values)
        self._rows(list(zip(*cells, strict=True)))

    def close(self) -> None:
        """Nothing comes last."""


def open_form(form: str, file: Sink, leading: Sequence[str], kept: Sequence[str]) -> Form:
    """A writer of ``form``; ``leading`` are the columns before the labels, ``kept`` those after the probabilities."""
    if form == "parquet":
        from strijdtaal.batch.parquet import ParquetForm

        return ParquetForm(file, leading, kept)
    return (CsvForm if form == "csv" else JsonlForm)(file, leading, kept)
