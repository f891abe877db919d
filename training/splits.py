"""Splits: whole articles, near-duplicates kept together, labels spread evenly, the same under a seed.

Either at random, or in the order of time: what was written before a date is trained on, the rest tested on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.duplicates import COMMON, NEAR_DUPLICATE, groups, near_duplicates, shingles
from training.records import Record

__all__ = [
    "COMMON",
    "NEAR_DUPLICATE",
    "counts_table",
    "groups",
    "leaks",
    "near_duplicates",
    "shingles",
    "split_by_date",
    "split_records",
]


def _columns(records: Sequence[Record]) -> NDArray[np.float64]:
    """A row a record: each label, no label at all, and 1 for the record itself."""
    labels = np.array([[key in record.labels for key in KEYS] for record in records]).reshape(-1, len(KEYS))
    return np.column_stack([labels, ~labels.any(axis=1), np.ones(len(labels))]).astype(np.float64)


def split_records(records: Sequence[Record], shares: Mapping[str, float], seed: int) -> dict[str, list[Record]]:
    """Divide records over named splits by ``shares`` (they sum to 1).

    Groups go one by one, those with rare labels first, to the split that is furthest behind its share
    (iterative stratification of Sechidis, Tsoumakas and Vlahavas 2011, on groups instead of rows).

    Raises:
        DataError: there are too few articles, or a split has no sentence of some label.
    """
    return _divide(records, groups(records), shares, seed)


def _divide(
    records: Sequence[Record], parts: Sequence[Sequence[int]], shares: Mapping[str, float], seed: int
) -> dict[str, list[Record]]:
    """Divide groups of positions over splits."""
    if len(parts) < 2 * len(shares):
        raise DataError(
            f"{len(parts)} independent articles are too few for {len(shares)} splits. "
            "Annotate more articles (at least 20 are sensible)."
        )
    columns = _columns(records)
    tables: list[list[float]] = [columns[part].sum(axis=0).tolist() for part in parts]
    total = [sum(table[column] for table in tables) for column in range(len(KEYS) + 2)]
    need = {name: [share * value for value in total] for name, share in shares.items()}
    order = list(range(len(parts)))
    random.Random(seed).shuffle(order)
    order.sort(
        key=lambda number: -max((c / t for c, t in zip(tables[number][:-2], total, strict=False) if t), default=0)
    )
    result: dict[str, list[int]] = {name: [] for name in shares}
    for number in order:
        table = tables[number]

        def gain(name: str, table: list[float] = table) -> float:
            """How far the split is behind, as a share of its target, weighted by what this group holds."""
            columns = zip(need[name], table, total, strict=True)
            return sum(lacking / (shares[name] * whole) * count / whole for lacking, count, whole in columns if whole)

        best = max(shares, key=lambda name: (gain(name), name))
        result[best].extend(parts[number])
        need[best] = [n - c for n, c in zip(need[best], table, strict=True)]
    _check_labels(columns, result, "data.seed")
    return {name: [records[number] for number in sorted(members)] for name, members in result.items()}


def _check_labels(columns: NDArray[np.float64], result: Mapping[str, Sequence[int]], key_to_change: str) -> None:
    there = {name: columns[list(members)].sum(axis=0) for name, members in result.items()}
    for column, key in enumerate(KEYS):
        for name, counts in there.items():
            if not counts[column]:
                raise DataError(
                    f"Split '{name}' has no sentence with label '{key}'. "
                    f"Annotate more of them, in different articles, or choose another {key_to_change}."
                )


def split_by_date(
    records: Sequence[Record], before: str, validation: float, seed: int
) -> tuple[dict[str, list[Record]], list[Record]]:
    """Train and validation from what is dated before a day, test from that day on.

    Validation is the share ``validation`` of the earlier sentences, divided as in ``split_records``.
    Where an article, or articles that share a text, stand on both sides of the date, the later sentences
    would be known from training and the earlier ones are needed there: the later ones are left out.

    Args:
        records: all with a ``date``.
        before: year-month-day.
        validation: share of the earlier sentences.
        seed: of the division into train and validation.

    Returns:
        The splits ``train``, ``validation`` and ``test``, and the records that were left out.

    Raises:
        DataError: a record has no date, a side is empty or too small, or lacks a label.
    """
    if undated := [record.id for record in records if record.date is None]:
        raise DataError(
            f"{len(undated)} of {len(records)} sentences have no date, the first is '{undated[0]}'; data.train_before "
            'needs one for each. Give every record a "date", or leave data.train_before empty.'
        )
    late = np.array([str(record.date) >= before for record in records], dtype=bool)
    if late.all() or not late.any():
        dates = sorted(str(record.date) for record in records)
        raise DataError(
            f"No sentence is dated {'before' if late.all() else 'on or after'} {before}: the dates run from "
            f"{dates[0]} to {dates[-1]}. Choose a data.train_before between them."
            if dates
            else "There are no sentences to split."
        )
    parts = [np.array(part) for part in groups(records)]
    earlier = [part[~late[part]].tolist() for part in parts if not late[part].all()]
    test = np.sort(np.concatenate([np.empty(0, int), *(part for part in parts if late[part].all())]))
    left_out = np.sort(np.concatenate([part[late[part]] for part in parts if not late[part].all()]))
    splits = _divide(records, earlier, {"train": 1 - validation, "validation": validation}, seed)
    _check_labels(_columns(records), {"test": test.tolist()}, "data.train_before")
    splits["test"] = [records[number] for number in test]
    return splits, [records[number] for number in left_out]


def leaks(first: Sequence[Record], second: Sequence[Record]) -> list[tuple[str, str]]:
    """Pairs of ids (one of each side) that share an article or are near-duplicates."""
    articles = {record.article for record in second}
    found = [(record.id, record.article) for record in first if record.article in articles]
    both = [*first, *second]
    for one, other, _ in near_duplicates(both):
        if one < len(first) <= other:
            found.append((both[one].id, both[other].id))
    return found


def counts_table(splits: Mapping[str, Sequence[Record]]) -> str:
    """A table for people: sentences, articles and labels of each split."""
    head = ["split", "articles", "sentences", *KEYS, "none", "2+ labels"]
    rows = [head]
    for name, records in splits.items():
        counts = [sum(key in record.labels for record in records) for key in KEYS]
        none = sum(not record.labels for record in records)
        several = sum(len(record.labels) > 1 for record in records)
        articles = len({record.article for record in records})
        rows.append([name, *(str(n) for n in (articles, len(records), *counts, none, several))])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
