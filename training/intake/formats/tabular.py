"""Tables: CSV and TSV of any program, and Parquet; one sentence, or one answer, a row.

    text;labels;annotator;article           labels A;B (or , or |), empty for none of the labels
    text,threat,support,retreat,ceasefire_call      a column a label: 0/1, true/false, ja/nee or yes/no

The sentences stand in a column ``text``, ``tekst``, ``sentence`` or ``zin``. With a column ``annotator`` (or
``annotateur``) each row is somebody's answer, without one its labels are decided; without labels the sentences are
unlabelled. All other columns are kept as text. An empty cell in a 0/1 column is a fault, since a missing answer is
not 0; empty cells of ``labels`` are counted for the report, since they may be sentences that nobody has looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS, LABELS
from training.intake.sentence import NO_LABEL, Intake, Sentence
from training.intake.source import Source
from training.intake.tables import TEXT_COLUMNS, Cell, Table, has_text_column, read_csv, read_parquet

NAME = "csv"
TITLE = "table (CSV, TSV or Parquet)"

_PLAIN = (".csv", ".tsv", ".tab")
_EXCEL = (".xlsx", ".xls", ".xlsm", ".ods")
_LIST_COLUMNS = ("labels", "label")
_META = ("id", "article", "index", "date", "region", "style", "reason")
_YES = ("1", "true", "ja", "yes")
_NO = ("0", "false", "nee", "no")
_SEPARATORS = re.compile(r"[;,|]")

EMPTY_CELLS = "empty cells of labels, read as 'none of the labels'"
_ANNOTATOR_COLUMNS = ("annotator", "annotateur")

Labels = Callable[[Sequence[Cell]], tuple[str, ...]]


@dataclass(frozen=True)
class _Plan:
    """What the columns mean, as their numbers; ``labels`` reads a row's labels, None if the table has none."""

    text: int
    annotator: int | None
    labels: Labels | None
    meta: tuple[tuple[int, str], ...]


def recognises(source: Source) -> bool:
    """By its ending or Parquet's first bytes; ``.txt`` too, if tabs divide a first row with a text column."""
    if source.data.startswith(b"#FORMAT=WebAnno"):
        return False
    if source.suffix == ".txt":
        columns = source.head.split("\n", 1)[0].split("\t")
        return len(columns) > 1 and has_text_column([column.strip('"\r') for column in columns])
    return source.data.startswith(b"PAR1") or source.suffix in (".parquet", *_PLAIN, *_EXCEL)


def _one(source: Source, columns: Sequence[str], names: Sequence[str]) -> int | None:
    """The number of the column that has one of these names.

    Raises:
        DataError: several columns have.
    """
    found = [number for number, column in enumerate(columns) if column.strip().casefold() in names]
    if len(found) > 1:
        named = " and ".join(repr(columns[number]) for number in found)
        raise DataError(f"{source.name}: {named} could both be the column {names[0]!r}. Rename or delete one.")
    return found[0] if found else None


def _label_named(column: str) -> str | None:
    """The label whose key or name a column bears, however it is written."""
    plain = column.strip().casefold().replace("_", " ").replace("-", " ")
    for label in LABELS:
        if plain in (label.key.replace("_", " "), label.dutch, label.english):
            return label.key
    return None


def _label_columns(source: Source, columns: Sequence[str], listed: bool, intake: Intake) -> dict[int, str]:
    """Columns of 0 and 1 -> their label; ``NO_LABEL`` for a column that means none of the labels.

    Raises:
        DataError: a label twice, only some of the labels, or (unless ``listed`` elsewhere) in another spelling.
    """
    found: dict[int, str] = {}
    for number, column in enumerate(columns):
        if column in KEYS or column in intake.label_map:
            try:
                keys = intake.labels([column])
            except ValueError as error:
                raise DataError(f"{source.name}, column {column!r}: {error}") from error
            found[number] = keys[0] if keys else NO_LABEL
        elif not listed and (key := _label_named(column)):
            raise DataError(
                f'{source.name}: is column {column!r} the label {key}? Then say so: --map "{column}={key}".'
            )
    given = list(found.values())
    if not any(given):
        return {}
    if missing := [key for key in KEYS if key not in given]:
        raise DataError(
            f"{source.name}: columns for {', '.join(missing)} are missing, and a missing label is not 0. Add them, or "
            "give the labels in one column 'labels'."
        )
    if twice := [key for key in given if given.count(key) > 1]:
        raise DataError(f"{source.name}: two columns stand for {twice[0] or 'none of the labels'}. Delete one.")
    return found


def _from_flags(flags: Mapping[int, str], columns: Sequence[str]) -> Labels:
    """Reads a row with a 0/1 column a label."""
    known = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}

    def read_flag(cell: Cell, number: int) -> bool:
        value = known.get(cell.strip().casefold()) if isinstance(cell, str) else None
        if value is None:
            raise ValueError(
                f"column {columns[number]!r} is {'empty' if not cell else repr(cell)[:40]}; write 0 or 1 (true, false, "
                "ja, nee, yes and no will do too)"
            )
        return value

    def labels(cells: Sequence[Cell]) -> tuple[str, ...]:
        chosen = {key for number, key in flags.items() if read_flag(cells[number], number)}
        if NO_LABEL in flags.values() and (NO_LABEL in chosen) == bool(chosen - {NO_LABEL}):
            raise ValueError("the column for none of the labels contradicts the others")
        return tuple(key for key in KEYS if key in chosen)

    return labels


def _from_list(number: int, column: str, intake: Intake) -> Labels:
    """Reads a row with all labels in one cell; few cells differ, so each is read once."""
    seen: dict[Cell, tuple[str, ...]] = {}

    def names(cell: Cell) -> Sequence[str]:
        if cell is None:
            raise ValueError(f"column {column!r} has no value; a missing answer is not 'none of the labels'")
        if isinstance(cell, tuple) or not cell.strip():
            return cell if isinstance(cell, tuple) else ()
        if cell in intake.label_map:
            return (cell,)
        if cell.lstrip().startswith(("{", "[")):
            raise ValueError(f"column {column!r} holds {cell!r:.40}, no names; export as JSON, or write A;B")
        return [name.strip() for name in _SEPARATORS.split(cell)]

    def labels(cells: Sequence[Cell]) -> tuple[str, ...]:
        cell = cells[number]
        if isinstance(cell, str) and not cell.strip():
            intake.count(EMPTY_CELLS)
        if cell not in seen:
            seen[cell] = intake.labels(names(cell))
        return seen[cell]

    return labels


def _check_kinds(source: Source, table: Table, wanted: Mapping[int, tuple[str, ...]]) -> None:
    for number, kinds in wanted.items():
        if table.kinds[number] not in kinds:
            words = {"text": "text", "list": "lists of text", "whole": "whole numbers or truth values"}
            raise DataError(
                f"{source.name}: column {table.columns[number]!r} must hold "
                f"{' or '.join(words[kind] for kind in kinds)}; convert it before writing the file."
            )


def _plan(source: Source, table: Table, intake: Intake) -> _Plan:
    """Raises ``DataError`` if the columns are ambiguous, incomplete or of the wrong kind."""
    columns = table.columns
    text, annotator = _one(source, columns, TEXT_COLUMNS), _one(source, columns, _ANNOTATOR_COLUMNS)
    one = _one(source, columns, _LIST_COLUMNS)
    flags = _label_columns(source, columns, one is not None, intake)
    if text is None:
        raise DataError(f"{source.name}: the column with the sentences holds no text.")
    if one is not None and flags:
        raise DataError(f"{source.name}: labels stand in column {columns[one]!r} and in columns of their own. Choose.")
    if annotator is not None and one is None and not flags:
        raise DataError(f"{source.name}: a column 'annotator', but none with labels. Name it 'labels'.")
    wanted = {text: ("text",), **dict.fromkeys(flags, ("text", "whole"))}
    wanted |= {one: ("text", "list")} if one is not None else {}
    wanted |= {annotator: ("text", "whole")} if annotator is not None else {}
    _check_kinds(source, table, wanted)
    meta = [
        (number, column.casefold() if column.casefold() in _META else column)
        for number, column in enumerate(columns)
        if number not in wanted and table.kinds[number] not in ("list", "nested")
    ]
    if one is not None:
        return _Plan(text, annotator, _from_list(one, columns[one], intake), tuple(meta))
    return _Plan(text, annotator, _from_flags(flags, columns) if flags else None, tuple(meta))


def _key(meta: Mapping[str, str], annotator: str | None, text: str) -> str | None:
    """What tells that rows speak of one sentence: its id, its place, or for answers its text in the article."""
    if "id" in meta:
        return meta["id"]
    article = meta.get("article", "")
    if article and "index" in meta:
        return f"{article}\t{meta['index']}"
    return f"{article}\t{text}" if annotator is not None else None


def _sentence(where: str, cells: Sequence[Cell], plan: _Plan) -> Sentence:
    """One row.

    Raises:
        ValueError: no text, no annotator, or labels that cannot be read.
    """
    text = cells[plan.text]
    if not isinstance(text, str) or not text.strip():
        raise ValueError("no text in this row")
    labels = plan.labels(cells) if plan.labels else None
    annotator = None
    if plan.annotator is not None:
        annotator = str(cells[plan.annotator] or "").strip()
        if not annotator:
            raise ValueError("an answer without the name of its annotator")
    meta = {name: cell for number, name in plan.meta if isinstance(cell := cells[number], str) and cell}
    key = _key(meta, annotator, text)
    if annotator is None or labels is None:
        return Sentence(where=where, text=text, gold=labels, key=key, meta=meta)
    return Sentence(where=where, text=text, annotations={annotator: labels}, key=key, meta=meta)


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """One sentence, or answer, a row.

    Raises:
        DataError: an Excel file, or a table whose columns or encoding cannot be used.
    """
    if source.suffix in _EXCEL:
        raise DataError(
            f"{source.name} is a spreadsheet, which is not read. Save it as 'CSV UTF-8' in Excel (File, Save As), and "
            "import that file."
        )
    parquet = source.data.startswith(b"PAR1") or source.suffix == ".parquet"
    table = (read_parquet if parquet else read_csv)(source, intake)
    plan = _plan(source, table, intake)
    for where, cells in table.rows:
        try:
            yield _sentence(where, cells, plan)
        except ValueError as error:
            intake.fault(where, error)
