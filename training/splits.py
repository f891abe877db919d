"""Splits: whole articles, near-duplicates kept together, labels spread evenly, the same under a seed."""

from __future__ import annotations

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations, product

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from strijdtaal.text import clean
from training.records import Record

SHINGLE = 5  # words
NEAR_DUPLICATE = 0.5  # Jaccard similarity of word shingles above which two sentences are one text
COMMON = 200  # a shingle in more sentences than this says nothing about duplication

_WORD = re.compile(r"\w+")


def shingles(text: str) -> frozenset[int]:
    """Hashes of the overlapping runs of ``SHINGLE`` words, lower case; short texts are one shingle."""
    words = _WORD.findall(clean(text).lower())
    runs = [words[i : i + SHINGLE] for i in range(max(1, len(words) - SHINGLE + 1))]
    return frozenset(
        int.from_bytes(hashlib.blake2b(" ".join(run).encode(), digest_size=8).digest(), "big") for run in runs
    )


def near_duplicates(records: Sequence[Record]) -> list[tuple[int, int, float]]:
    """Pairs of sentences (positions) of different articles with shingle Jaccard above the bound.

    Sentences with the same shingles count as one text; the different texts are found through an inverted
    index and compared in full. A shingle in more than ``COMMON`` different texts is passed over, and of
    more than ``COMMON`` sentences with one text each is paired with the first, which joins them as well.
    """
    same: dict[frozenset[int], list[int]] = defaultdict(list)
    for number, record in enumerate(records):
        same[shingles(record.text)].append(number)
    texts = list(same.items())
    pairs: list[tuple[int, int, float]] = []
    for _, members in texts:
        equal = combinations(members, 2) if len(members) <= COMMON else product(members[:1], members[1:])
        pairs += [(one, two, 1.0) for one, two in equal]
    for (one, two), count in _shared_shingles([found for found, _ in texts]).items():
        (first, left), (second, right) = texts[one], texts[two]
        similarity = count / (len(first) + len(second) - count)
        if similarity > NEAR_DUPLICATE:
            pairs += [(min(pair), max(pair), similarity) for pair in product(left[:COMMON], right[:COMMON])]
    return sorted(pair for pair in pairs if records[pair[0]].article != records[pair[1]].article)


def _shared_shingles(sets: Sequence[frozenset[int]]) -> dict[tuple[int, int], int]:
    """How many shingles two sets share, for the pairs that share any that is not common."""
    index: dict[int, list[int]] = defaultdict(list)
    for number, found in enumerate(sets):
        for shingle in found:
            index[shingle].append(number)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for members in index.values():
        if len(members) <= COMMON:
            for pair in combinations(members, 2):
                shared[pair] += 1
    return shared


def groups(records: Sequence[Record]) -> list[list[int]]:
    """Positions of records that must stay together: one article, or articles that share a text."""
    parent: dict[str, str] = {record.article: record.article for record in records}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for first, second, _ in near_duplicates(records):
        parent[root(records[second].article)] = root(records[first].article)
    members: dict[str, list[int]] = defaultdict(list)
    for number, record in enumerate(records):
        members[root(record.article)].append(number)
    return [members[name] for name in sorted(members)]


def _counts(records: Sequence[Record], members: Sequence[int]) -> list[float]:
    """Per label, then sentences without a label, then all sentences."""
    chosen = [records[number] for number in members]
    counts = [float(sum(key in record.labels for record in chosen)) for key in KEYS]
    return [*counts, float(sum(not record.labels for record in chosen)), float(len(chosen))]


def split_records(records: Sequence[Record], shares: Mapping[str, float], seed: int) -> dict[str, list[Record]]:
    """Divide records over named splits by ``shares`` (they sum to 1).

    Groups go one by one, those with rare labels first, to the split that is furthest behind its share
    (iterative stratification of Sechidis, Tsoumakas and Vlahavas 2011, on groups instead of rows).

    Raises:
        DataError: there are too few articles, or a split has no sentence of some label.
    """
    parts = groups(records)
    if len(parts) < 2 * len(shares):
        raise DataError(
            f"{len(parts)} independent articles are too few for {len(shares)} splits. "
            "Annotate more articles (at least 20 are sensible)."
        )
    tables = [_counts(records, part) for part in parts]
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
    _check_labels(records, result)
    return {name: [records[number] for number in sorted(members)] for name, members in result.items()}


def _check_labels(records: Sequence[Record], result: Mapping[str, Sequence[int]]) -> None:
    for column, key in enumerate(KEYS):
        for name, members in result.items():
            if not _counts(records, members)[column]:
                raise DataError(
                    f"Split '{name}' has no sentence with label '{key}'. "
                    "Annotate more of them, in different articles, or choose another data.seed."
                )


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
