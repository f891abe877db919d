"""Rows of any data set, and the sample that the checks look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError
from strijdtaal.text import clean
from training.duplicates import TextIndex, index_texts, numbered
from training.word_runs import Numbers, Tokens, tokenise

ROLES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}
MAX_SPLITS = 12


@dataclass(frozen=True, slots=True)
class Row:
    """One row; ``article`` and ``split`` are empty where they are not known."""

    id: str
    article: str
    text: str
    labels: tuple[str, ...]
    split: str

    @property
    def group(self) -> str:
        """The article, or the row by itself."""
        return self.article or f"row {self.id}"


@dataclass(frozen=True)
class Sample:
    """Rows with their splits and labels in order, and what was assumed in reading them."""

    rows: Sequence[Row]
    splits: tuple[str, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def split_of(self) -> Numbers:
        """Number of the split of each row; -1 where it is in none."""
        place = {name: number for number, name in enumerate(self.splits)}
        return np.array([place.get(row.split, -1) for row in self.rows], dtype=np.int64)

    @cached_property
    def article_of(self) -> Numbers:
        """Number of the article of each row; -1 where it is not known."""
        known = np.array([bool(row.article) for row in self.rows], dtype=bool)
        return np.where(known, numbered(row.article for row in self.rows), -1)

    @cached_property
    def gold(self) -> NDArray[np.bool_]:
        """Shape (rows, labels)."""
        place = {name: number for number, name in enumerate(self.labels)}
        gold = np.zeros((len(self.rows), len(self.labels)), dtype=bool)
        for number, row in enumerate(self.rows):
            for label in row.labels:
                gold[number, place[label]] = True
        return gold

    @cached_property
    def same_text(self) -> Numbers:
        """Rows whose texts are equal after clean-up, but for capitals, have the same number."""
        return numbered(text.lower() for text in self.cleaned)

    @cached_property
    def cleaned(self) -> list[str]:
        """The texts after clean-up."""
        return [clean(row.text) for row in self.rows]

    @cached_property
    def tokens(self) -> Tokens:
        """The words of all texts."""
        return tokenise(row.text for row in self.rows)

    @cached_property
    def index(self) -> TextIndex:
        """For near-duplicates."""
        return index_texts(self.tokens)


def role(name: str) -> str:
    """``train``, ``validation`` or ``test`` if a name has one of these words in it, else empty.

    >>> role("ipe_dev"), role("latest")
    ('validation', '')
    """
    parts = set(re.split(r"[^a-z]+", name.lower()))
    found = [known for known, names in ROLES.items() if parts & set(names)]
    return found[0] if len(found) == 1 else ""


def in_order(splits: Iterable[str]) -> tuple[str, ...]:
    """Splits with train first, then validation, test and others as they are met.

    Raises:
        DataError: there are too many for splits.
    """
    names = [name for name in dict.fromkeys(splits) if name]
    if len(names) > MAX_SPLITS:
        raise DataError(f"{len(names)} different splits, such as {names[0]!r}; at most {MAX_SPLITS}. Is it the column?")
    ranks = {known: number for number, known in enumerate(ROLES)}
    return tuple(sorted(names, key=lambda name: ranks.get(role(name), len(ranks))))
