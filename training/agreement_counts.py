"""Answers counted by article, and agreement from such counts.

With counts by article a resampled set of articles is one product of weights with a table, so that all
figures of a thousand draws come from one formula, the same that gives the figure itself. The formulas are
Krippendorff's alpha from coincidences (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"),
the MASI distance (Passonneau 2006) and Cohen's kappa (Cohen 1960).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS, LABEL2ID, to_vector

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

MISSING = -1
SETS = 1 << len(KEYS)  # label sets, each a number whose bits are the labels
CELLS = ("both", "first", "second", "neither")  # who gave the label
AT_ONCE = 5_000_000  # weights held at once; bounds the memory


class Answered(Protocol):
    """A sentence with the answers of its annotators: a record, for example."""

    @property
    def id(self) -> str: ...
    @property
    def article(self) -> str: ...
    @property
    def annotations(self) -> Mapping[str, Sequence[str]]: ...


@dataclass(frozen=True)
class Answers:
    """All answers as one array, sorted by article and id.

    Attributes:
        annotators: names, sorted; the columns of ``sets``.
        articles: number of different articles.
        place: the article of each sentence, 0 to ``articles`` - 1.
        sets: (sentences, annotators): the label set that each gave, or ``MISSING``.
    """

    annotators: tuple[str, ...]
    articles: int
    place: Integers
    sets: Integers

    def given(self, annotator: int) -> Array:
        """(sentences, labels): 1 where the annotator gave the label; 0 too where there is no answer."""
        sets = np.maximum(self.sets[:, annotator], 0)
        return (sets[:, None] >> np.arange(len(KEYS)) & 1).astype(np.float64)


def collect(sentences: Iterable[Answered]) -> Answers:
    """Sentences -> one array of answers.

    Raises:
        DataError: an id stands twice (answers of one sentence belong in one record), or a label is unknown.
    """
    rows = sorted(sentences, key=lambda row: (row.article, row.id))
    if twice := [name for name, times in Counter(row.id for row in rows).items() if times > 1]:
        raise DataError(f"Id {twice[0]!r} stands twice. Put all answers to one sentence into one record.")
    annotators = tuple(sorted({name for row in rows for name in row.annotations}))
    column = {name: number for number, name in enumerate(annotators)}
    sets = np.full((len(rows), len(annotators)), MISSING, dtype=np.int64)
    for number, row in enumerate(rows):
        for name, labels in row.annotations.items():
            sets[number, column[name]] = _bits(tuple(labels))
    names, place = np.unique(np.array([row.article for row in rows], dtype=str), return_inverse=True)
    return Answers(annotators, len(names), place, sets)


@cache
def _bits(labels: tuple[str, ...]) -> int:
    to_vector(labels)  # refuses what is unknown
    return sum(1 << LABEL2ID[label] for label in set(labels))


def by_article(values: Array, place: Integers, articles: int) -> Array:
    """Sums of the rows of each article: (sentences, columns) -> (articles, columns)."""
    sums = [np.bincount(place, weights=column, minlength=articles) for column in values.T]
    return np.stack(sums, axis=1).astype(np.float64)  # of nothing it makes whole numbers


def masi_distance(one: int, other: int) -> float:
    """MASI distance of two label sets, as ``nltk.metrics.distance`` has it.

    "No label" counts as a set that holds one thing of its own: at distance 0 from itself and 1 from all
    others. The formula divides by zero for two empty sets.

    >>> masi_distance(0b0011, 0b0001), masi_distance(0, 0b0001), masi_distance(0, 0)
    (0.6666666666666667, 1.0, 0.0)
    """
    if one == other:
        return 0.0
    shared, union = (one & other).bit_count(), (one | other).bit_count()
    nested = shared == min(one.bit_count(), other.bit_count())
    return 1 - shared / union * (2 / 3 if nested else 1 / 3)


@cache
def distances() -> Array:
    """(labels + 1, sets, sets): 1 where two sets differ in a label, for each label; then the MASI distance."""
    sets = np.arange(SETS)
    differ = [((sets[:, None] ^ sets) >> label & 1).astype(np.float64) for label in range(len(KEYS))]
    masi = np.array([[masi_distance(one, other) for other in range(SETS)] for one in range(SETS)])
    return np.stack([*differ, masi])


def coincidences(answers: Answers) -> Array:
    """(articles, sets + labels + 1): answers by set, and observed disagreement by label and by MASI.

    Sentences with one answer do not count. A disagreement is the sum of the distances of all ordered pairs of
    answers to a sentence, over their number less one.
    """
    counts = np.stack([(answers.sets == one).sum(axis=1) for one in range(SETS)], axis=1).astype(np.float64)
    number = counts.sum(axis=1)
    kept = number >= 2
    counts, number = counts[kept], number[kept]
    apart = [((counts @ distance) * counts).sum(axis=1) / (number - 1) for distance in distances()]
    return by_article(np.column_stack([counts, *apart]), answers.place[kept], answers.articles)


def alphas(sums: Array) -> Array:
    """Krippendorff's alpha of each label and of the label sets, from sums of ``coincidences``.

    Shape (..., sets + labels + 1) -> (..., labels + 1); NaN where all answers are alike.
    """
    totals, observed = sums[..., :SETS], sums[..., SETS:]
    expected = np.stack([((totals @ distance) * totals).sum(axis=-1) for distance in distances()], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - observed * (totals.sum(axis=-1, keepdims=True) - 1) / expected)


def pair_cells(answers: Answers, one: int, other: int) -> Array:
    """(articles, cells, labels): common sentences of two annotators by who gave the label, see ``CELLS``."""
    common = (answers.sets[:, [one, other]] != MISSING).all(axis=1)
    first, second = answers.given(one)[common], answers.given(other)[common]
    cells = (first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second))
    table = by_article(np.hstack(cells), answers.place[common], answers.articles)
    return table.reshape(answers.articles, len(CELLS), len(KEYS))


def kappas(cells: Array) -> Array:
    """Cohen's kappa of each label, from cells (..., cells, labels); NaN where both always say the same one thing."""
    both, first, second, neither = (cells[..., number, :] for number in range(len(CELLS)))
    total = both + first + second + neither
    chance = (both + first) * (both + second) + (neither + first) * (neither + second)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((total * (both + neither) - chance) / (total * total - chance))


def drawn_sums(table: Array, draws: int, seed: int) -> Array:
    """Sums over articles drawn with replacement, as many as there are: (articles, ...) -> (draws, ...)."""
    number = len(table)
    flat = table.reshape(number, math.prod(table.shape[1:]))
    generator = np.random.default_rng(seed)
    step = max(1, AT_ONCE // max(number, 1))
    sums = np.empty((draws, flat.shape[1]))
    for start in range(0, draws, step):
        picks = generator.integers(0, number, (min(step, draws - start), number))
        weights = np.stack([np.bincount(row, minlength=number) for row in picks]).astype(np.float64)
        sums[start : start + len(picks)] = weights @ flat
    return sums.reshape(draws, *table.shape[1:])
