"""Which column of a table is what: as the command line says, else by the usual names and by the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strijdtaal.errors import DataError, nearest
from strijdtaal.text import clean
from training.audit.label_values import FALSE, TRUE
from training.audit.rows import MAX_SPLITS, Row
from training.audit.tables import Table
from training.word_runs import words

TEXTS = ("text", "sentence", "sent_text", "tekst", "zin", "content", "body")
LABELS = ("labels", "label", "class", "category", "target", "gold", "y")
ARTICLES = ("article", "article_id", "doc", "doc_id", "docid", "document", "document_id", "artikel")
SPLITS = ("split", "set", "subset", "partition")
IDS = ("id", "sent_id", "sentence_id", "guid")
LIKELY_LABELS = 20  # different values of a column without a name, for it to pass as labels


@dataclass(frozen=True)
class Choice:
    """What the command line says of columns; empty where it says nothing."""

    text: str = ""
    labels: tuple[str, ...] = ()
    article: str = ""
    split: str = ""
    separator: str = ""


def _named(table: Table, wanted: str, option: str) -> str:
    """The column that an option names, by its name or, without header, its number."""
    if wanted in table.columns:
        return wanted
    known = ", ".join(repr(column[:40]) for column in table.columns[:12])
    hint = nearest(wanted, list(table.columns))
    raise DataError(f"{table.name} has no column {wanted!r} ({option}).{hint} Its columns: {known}.")


def _likely(table: Table, names: Sequence[str]) -> str:
    """The first of the usual names that the table has, or empty."""
    folded = {column.strip().casefold(): column for column in reversed(table.columns)}
    return next((folded[name] for name in names if name in folded), "") if table.header else ""


def _find_text(table: Table) -> str:
    if found := _likely(table, TEXTS):
        return found
    lengths = {name: np.mean([len(str(v or "").split()) for v in table.column(name, 1000)]) for name in table.columns}
    best = max(lengths, key=lambda name: float(lengths[name]))
    if table.header or lengths[best] < 2:
        known = ", ".join(repr(column[:40]) for column in table.columns[:12])
        raise DataError(f"Which column of {table.name} holds the text? Name it with --text. Its columns: {known}.")
    return best


def _find_labels(table: Table, taken: set[str]) -> tuple[str, ...]:
    if usual := _likely(table, LABELS):
        return (usual,)
    left = [name for name in table.columns if name not in taken]
    values = {name: {str(value).strip().lower() for value in table.column(name)} for name in left}
    found = tuple(name for name in left if values[name] <= TRUE | FALSE and values[name] - {""})
    if not found and not table.header:
        found = tuple(name for name in left if len(values[name]) <= min(LIKELY_LABELS, len(table.rows) // 2))
    if not found:
        known = ", ".join(repr(column[:40]) for column in table.columns[:12])
        raise DataError(f"Which column of {table.name} holds the labels? Name it with --labels. Its columns: {known}.")
    return found


def _find_split(tables: Sequence[Table]) -> str:
    """A column with a usual name that has two values or more, and no more than there can be splits; else empty."""
    usual = _likely(tables[0], SPLITS)
    if not usual or any(usual not in table.columns for table in tables):
        return ""
    values = {str(value) for table in tables for value in table.column(usual)}
    return usual if 1 < len(values) <= MAX_SPLITS else ""


def choose(tables: Sequence[Table], choice: Choice) -> Choice:
    """Complete what the command line leaves open, by the usual names and the values of the columns.

    Raises:
        DataError: a named column is not there, in each table, or text or labels cannot be told.
    """
    table = tables[0]
    text = _named(table, choice.text, "--text") if choice.text else _find_text(table)
    article = _named(table, choice.article, "--article") if choice.article else _likely(table, ARTICLES)
    split = _named(table, choice.split, "--split-column") if choice.split else _find_split(tables)
    labels = tuple(_named(table, name, "--labels") for name in choice.labels)
    labels = labels or _find_labels(table, {text, article, split, _likely(table, IDS)})
    for other in tables[1:]:
        for name, option in ((text, "--text"), (article, "--article"), (split, "--split-column")):
            _named(other, name or text, option)
        for name in labels:
            _named(other, name, "--labels")
    return Choice(text, labels, article, split, choice.separator)


def make_rows(table: Table, choice: Choice, labels: Sequence[tuple[str, ...]], split: str) -> tuple[list[Row], int]:
    """Rows of one table, and how many were passed over because they have no text."""
    places = {name: table.columns.index(name) for name in (choice.text, choice.article, choice.split) if name}
    id_place = table.columns.index(_likely(table, IDS)) if _likely(table, IDS) else None

    def cell(cells: Sequence[Any], name: str) -> str:
        value = cells[places[name]] if name else None
        return "" if value is None else str(value).strip()

    rows = []
    for (line, cells), found in zip(table.rows, labels, strict=True):
        text = str(cells[places[choice.text]] or "")
        if not clean(text):
            continue
        identity = f"{table.stem}:{line}" if id_place is None else str(cells[id_place])
        rows.append(Row(identity, cell(cells, choice.article), text, found, split or cell(cells, choice.split)))
    return rows, len(table.rows) - len(rows)


def articles_by_text(table: Table, choice: Choice) -> Mapping[str, str]:
    """Words of a text -> its article, for the texts that stand in one article of a table only.

    Raises:
        DataError: text or article cannot be told.
    """
    text = _named(table, choice.text, "--text") if choice.text in table.columns else _find_text(table)
    article = choice.article if choice.article in table.columns else _likely(table, ARTICLES)
    if not article:
        raise DataError(f"Which column of {table.name} names the article? Name it with --article.")
    found: dict[str, str] = {}
    for sentence, name in zip(table.column(text), table.column(article), strict=True):
        key = " ".join(words("" if sentence is None else str(sentence)))
        told = "" if name is None else str(name).strip()
        found[key] = told if found.get(key, told) == told else ""
    return {key: name for key, name in found.items() if key and name}
