"""What the command line names -> the sample to audit; the project's own records are told from other tables."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS
from training.audit.columns import Choice, articles_by_text, choose, make_rows
from training.audit.label_values import decode_labels
from training.audit.own import as_rows
from training.audit.rows import Row, Sample, in_order, role
from training.audit.tables import Table, read_table
from training.intake.source import open_sources
from training.records import Record, find_files, read_records
from training.word_runs import words

ENDINGS = (".csv", ".tsv", ".jsonl")
OWN_FIELDS = {"id", "article", "index", "text"}

Named = tuple[str, Path]


def _named_files(arguments: argparse.Namespace) -> list[Named]:
    """Split name, or empty, and path of every file on the command line."""
    found: list[Named] = [("", path) for path in arguments.files]
    for pair in arguments.split or []:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--split {pair!r} must be written as NAME=FILE, for example test=test.tsv.")
        found.append((name, Path(path)))
    if not found:
        raise UsageError("Name the files to audit: python -m training audit FILE..., or --split train=FILE test=FILE.")
    if arguments.split and arguments.split_column:
        raise UsageError("Give --split or --split-column, not both.")
    if arguments.split and arguments.files:
        raise UsageError(f"{arguments.files[0]} is in no split. With --split, name every file as NAME=FILE.")
    return found


def _open_folders(files: Sequence[Named]) -> list[Named]:
    """Folders give way to the tables in them, by name.

    Raises:
        DataError: a folder holds none.
    """
    found: list[Named] = []
    for name, path in files:
        inside = sorted(one for one in path.iterdir() if one.suffix.lower() in ENDINGS) if path.is_dir() else [path]
        if not inside:
            raise DataError(f"{path} holds no table ({', '.join(ENDINGS)}). Name the files.")
        found += [(name, one) for one in inside]
    return found


def _guess_splits(files: Sequence[Named]) -> list[Named]:
    """Take the splits from the names of the files, if each has one and they differ."""
    roles = [role(path.stem) for _, path in files]
    if any(name for name, _ in files) or not all(roles) or len(set(roles)) < 2:
        return list(files)
    return [(found, path) for found, (_, path) in zip(roles, files, strict=True)]


def _looks_own(path: Path) -> bool:
    """True for a file of records as ``training.records`` reads them, also one with a fault in its first line."""
    try:
        with path.open("rb") as file:
            line = next((line for line in file if line.strip()), b"").decode("utf-8-sig")
        value = json.loads(line)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error
    except (ValueError, RecursionError):
        return True
    return isinstance(value, dict) and set(value) >= OWN_FIELDS


def _own_files(files: Sequence[Named], arguments: argparse.Namespace) -> list[Named] | None:
    """The files, folders opened, if all are records of the project and nothing is said of columns; else None."""
    if any((arguments.text, arguments.labels, arguments.article, arguments.split_column, arguments.article_from)):
        return None
    if not all(path.suffix == ".jsonl" or any(path.glob("*.jsonl")) or not path.exists() for _, path in files):
        return None
    inside = [(name, file) for name, path in files for file in find_files([path])]
    return inside if all(_looks_own(path) for _, path in inside[:1]) else None


def own_sample(files: Sequence[Named]) -> tuple[Sample, list[Record]]:
    """Records, and the same as rows. An id may stand in several splits, which is a leak and no fault."""
    named = _guess_splits(files)
    records: list[Record] = []
    rows: list[Row] = []
    for split in dict.fromkeys(name for name, _ in named):
        found = read_records(path for name, path in named if name == split)
        records += found
        rows += as_rows(found, split)
    return Sample(rows, in_order(row.split for row in rows), KEYS), records


def _note(tables: Sequence[Table], choice: Choice) -> str:
    first = tables[0]
    labels = ", ".join(choice.labels)
    kind = first.form if first.header else f"{first.form}, no header, columns counted from 1"
    parts = [f"read as: {kind}; text: {choice.text}; labels: {labels}"]
    parts += [f"article: {choice.article}"] if choice.article else []
    parts += [f"split: {choice.split}"] if choice.split else []
    return "; ".join(parts)


def _read_tables(files: Sequence[Named], encoding: str, header: bool | None = None) -> list[tuple[str, Table]]:
    tables: list[tuple[str, Table]] = []
    for name, path in files:
        sources = open_sources([path], encoding)
        tables += [(name, read_table(source, header)) for source in sources]
    columns = Counter(table.columns for _, table in tables)
    if len(columns) > 1 and len({table.header for _, table in tables}) > 1:
        without = next(table.name for _, table in tables if not table.header)
        raise DataError(f"{without} seems to have no header, another file has one. Give all or none of them a header.")
    return tables


def table_sample(files: Sequence[Named], arguments: argparse.Namespace) -> Sample:
    """Rows of any tables.

    Raises:
        DataError: a file cannot be read, or a column cannot be told; what to name is said.
    """
    header = False if arguments.no_header else None
    opened = _open_folders(files)
    named = _read_tables(opened if arguments.split_column else _guess_splits(opened), arguments.encoding, header)
    tables = [table for _, table in named]
    labels = tuple(filter(None, (arguments.labels or "").split(",")))
    asked = Choice(
        arguments.text or "", labels, arguments.article or "", arguments.split_column or "", arguments.label_separator
    )
    choice = choose(tables, asked)
    if any(split for split, _ in named):  # the files are the splits, whatever a column says
        choice = replace(choice, split="")
    rows: list[Row] = []
    passed = 0
    for (split, table), found in zip(named, decode_labels(tables, choice.labels, choice.separator), strict=True):
        more, without = make_rows(table, choice, found, split)
        rows, passed = rows + more, passed + without
    if not rows:
        raise DataError(f"{tables[0].name}: no row has a text in column {choice.text!r}. Name it with --text.")
    notes = [_note(tables, choice)] + ([f"rows without text, passed over: {passed:,}"] if passed else [])
    if arguments.article_from:
        rows, note = _with_articles(rows, arguments)
        notes.append(note)
    known = tuple(sorted({label for row in rows for label in row.labels}))
    order = known if len(choice.labels) == 1 else tuple(sorted(known, key=lambda name: _place(name, choice.labels)))
    return Sample(rows, in_order(row.split for row in rows), order, tuple(notes))


def _place(label: str, columns: Sequence[str]) -> tuple[int, str]:
    """Labels in the order of their columns."""
    places = [number for number, name in enumerate(columns) if label == name or label.startswith(f"{name}=")]
    return places[0] if places else len(columns), label


def _with_articles(rows: Sequence[Row], arguments: argparse.Namespace) -> tuple[list[Row], str]:
    """Rows whose text stands in one article of the table ``--article-from`` get that article."""
    table = _read_tables([("", arguments.article_from)], arguments.encoding)[0][1]
    known = articles_by_text(table, Choice(text=arguments.text or "", article=arguments.article or ""))
    found = [known.get(" ".join(words(row.text)), "") for row in rows]
    told = [Row(row.id, name, row.text, row.labels, row.split) for row, name in zip(rows, found, strict=True)]
    return told, f"articles from {table.name}: known for {sum(map(bool, found)):,} of {len(rows):,} rows"


def load(arguments: argparse.Namespace) -> tuple[Sample, list[Record] | None]:
    """The sample that the command line names, and the records if they are the project's own.

    Raises:
        UsageError: options that do not go together.
        DataError: files that cannot be used; what is wrong is named.
    """
    files = _named_files(arguments)
    own = _own_files(files, arguments)
    return own_sample(own) if own is not None else (table_sample(files, arguments), None)
