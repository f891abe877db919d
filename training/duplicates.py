"""Near-duplicates: sentences that share more than half of their word shingles, found among a million.

Sentences with the same shingles are one text. Texts that share a shingle meet in a sparse product of the
text-by-shingle matrix with its transpose, some rows at a time, so that memory stays bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from training.word_runs import Hashes, Numbers, Tokens, scramble, tokenise

SHINGLE = 5  # words
NEAR_DUPLICATE = 0.5  # Jaccard similarity of word shingles above which two sentences are one text
COMMON = 200  # a shingle in more texts than this says nothing about duplication
BLOCK = 4_000_000  # products, or pairs, that are held at once

Pairs = tuple[Numbers, Numbers, NDArray[np.float64]]


class Item(Protocol):
    """What has a text and an article: records, and rows of any table."""

    @property
    def article(self) -> str: ...
    @property
    def text(self) -> str: ...


def shingles(text: str) -> frozenset[int]:
    """Hashes of the overlapping runs of ``SHINGLE`` words, lower case; short texts are one shingle."""
    return frozenset(tokenise([text]).runs(SHINGLE, whole=True)[1].tolist())


def numbered(names: Iterable[str]) -> Numbers:
    """Equal names get equal numbers, counted from 0 in the order in which they are met."""
    known: dict[str, int] = {}
    return np.fromiter((known.setdefault(name, len(known)) for name in names), np.int64)


def _parts(cost: Numbers, limit: int) -> Iterator[tuple[int, int]]:
    """Cut a sequence so that no part costs more than ``limit``, unless one item alone does."""
    total, start = np.cumsum(cost), 0
    while start < len(cost):
        spent = int(total[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(total, spent + limit, side="right")))
        yield start, stop
        start = stop


@dataclass(frozen=True)
class TextIndex:
    """The different texts of some sentences, numbered in the order in which they are met.

    Attributes:
        text_of: number of the text of each sentence.
        order: positions of the sentences, text by text.
        starts: where each text begins in ``order``; one more than there are texts.
        sizes: number of shingles of each text.
        shared: sparse 0/1 matrix of texts by those shingles that 2 to ``COMMON`` texts have.
    """

    text_of: Numbers
    order: Numbers
    starts: Numbers
    sizes: Numbers
    shared: Any

    @property
    def members(self) -> Numbers:
        """How many sentences have each text."""
        return np.diff(self.starts)

    @property
    def first(self) -> Numbers:
        """Position of the first sentence of each text."""
        return self.order[self.starts[:-1]]

    def similar(self) -> Iterator[Pairs]:
        """Pairs of different texts (the lower number first) above ``NEAR_DUPLICATE``, with their similarity."""
        transposed = self.shared.T.tocsr()
        cost = self.shared @ np.diff(transposed.indptr).astype(np.int64)
        for start, stop in _parts(cost, BLOCK):
            if not cost[start:stop].any():
                continue
            block = (self.shared[start:stop] @ transposed).tocoo()
            keep = (above := block.row + start) < block.col
            one, other, count = above[keep].astype(np.int64), block.col[keep].astype(np.int64), block.data[keep]
            similarity = count / (self.sizes[one] + self.sizes[other] - count)
            keep = similarity > NEAR_DUPLICATE
            yield one[keep], other[keep], similarity[keep]

    def _equal(self) -> Iterator[Pairs]:
        """Pairs of sentences with one text; of more than ``COMMON`` each only with the first."""
        number = self.members
        for size in np.unique(number[number > 1]).tolist():
            one, other = np.triu_indices(size, 1)
            if size > COMMON:
                one, other = np.zeros(size - 1, np.int64), np.arange(1, size)
            texts = np.flatnonzero(number == size)
            step = max(1, BLOCK // len(one))
            for start in range(0, len(texts), step):
                rows = self.order[self.starts[texts[start : start + step], None] + np.arange(size)]
                yield rows[:, one].ravel(), rows[:, other].ravel(), np.ones(len(rows) * len(one))

    def pairs(self) -> Iterator[Pairs]:
        """Pairs of sentences (the lower position first) with equal or similar texts, in no special order."""
        yield from self._equal()
        number = np.minimum(self.members, COMMON)
        for left, right, similarity in self.similar():
            cost = number[left] * number[right]
            for start, stop in _parts(cost, BLOCK):
                times = cost[start:stop]
                text, other = (np.repeat(side[start:stop], times) for side in (left, right))
                within = np.arange(len(text)) - np.repeat(np.cumsum(times) - times, times)
                one = self.order[self.starts[text] + within // number[other]]
                two = self.order[self.starts[other] + within % number[other]]
                yield np.minimum(one, two), np.maximum(one, two), np.repeat(similarity[start:stop], times)


def index_texts(texts: Iterable[str] | Tokens) -> TextIndex:
    """Index sentences, or their words, by their shingles."""
    tokens = texts if isinstance(texts, Tokens) else tokenise(texts)
    rows, runs = tokens.runs(SHINGLE, whole=True)
    different, codes = np.unique(runs, return_inverse=True)
    matrix = ones(rows, codes, (len(tokens.lengths), max(1, len(different))))
    del rows, runs, codes
    text_of = _equal_sets(matrix, different)
    order = np.argsort(text_of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(text_of))]).astype(np.int64)
    matrix = matrix[order[starts[:-1]]]
    frequency = np.bincount(matrix.indices, minlength=matrix.shape[1])
    sizes = np.diff(matrix.indptr).astype(np.int64)
    return TextIndex(text_of, order, starts, sizes, matrix[:, (frequency > 1) & (frequency <= COMMON)])


def ones(rows: Numbers, columns: Numbers, shape: tuple[int, int]) -> Any:
    """A sparse matrix (CSR) with 1 at each place that is named once or more."""
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((np.ones(len(rows), np.int32), (rows, columns)), shape=shape)
    matrix.data[:] = 1
    return matrix


def _equal_sets(matrix: Any, hashes: Hashes) -> Numbers:
    """Rows with the same columns get the same number, in the order in which they are met.

    Sets are compared by the sum of their scrambled hashes: two different ones of a million have the same
    sum with a probability below 1e-7.
    """
    if not matrix.shape[0]:
        return np.empty(0, np.int64)
    sums = np.add.reduceat(scramble(hashes)[matrix.indices], matrix.indptr[:-1])
    _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int64)


def near_duplicates(items: Sequence[Item]) -> list[tuple[int, int, float]]:
    """Pairs of sentences (positions) of different articles with shingle Jaccard above the bound.

    Sentences with the same shingles count as one text. A shingle in more than ``COMMON`` different texts is
    passed over, and of more than ``COMMON`` sentences with one text each is paired with the first, which
    joins them as well.
    """
    article = numbered(item.article for item in items)
    found: list[Pairs] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for one, two, similarity in index_texts(item.text for item in items).pairs():
        keep = article[one] != article[two]
        found.append((one[keep], two[keep], similarity[keep]))
    one, two, similarity = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((two, one))
    return list(zip(one[order].tolist(), two[order].tolist(), similarity[order].tolist(), strict=True))


def groups(items: Sequence[Item]) -> list[list[int]]:
    """Positions of records that must stay together: one article, or articles that share a text."""
    names = list(dict.fromkeys(item.article for item in items))
    article = numbered(item.article for item in items)
    parent = list(range(len(names)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for first, second in _joining_pairs(index_texts(item.text for item in items), article):
        parent[root(int(article[second]))] = root(int(article[first]))
    members: dict[str, list[int]] = defaultdict(list)
    for position, number in enumerate(article.tolist()):
        members[names[root(number)]].append(position)
    return [members[name] for name in sorted(members)]


def _joining_pairs(index: TextIndex, article: Numbers) -> list[tuple[int, int]]:
    """Of the pairs of ``near_duplicates``, in their order, those that join articles not joined before.

    All sentences of a text are joined through its first one, and two similar texts through the first
    sentence of both, so that not all pairs need be made.
    """
    again = index.members[index.text_of] > 1
    kept = [(index.first[index.text_of[again]], np.flatnonzero(again))]
    for left, right, _ in index.similar():
        number = np.minimum(index.members[right], COMMON)
        within = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        others = index.order[np.repeat(index.starts[right], number) + within]
        kept.append((np.repeat(index.first[left], number), others))
        if sum(len(one) for one, _ in kept) > BLOCK:
            kept = [_forest(kept, article)]
    one, two = _forest(kept, article)
    return list(zip(one.tolist(), two.tolist(), strict=True))


def _forest(pairs: Sequence[tuple[Numbers, Numbers]], article: Numbers) -> tuple[Numbers, Numbers]:
    """The pairs, sorted, that a union-find over articles would not pass over: a minimum spanning forest."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import minimum_spanning_tree

    one, two = (np.concatenate(side) for side in zip(*pairs, strict=True))
    keep = np.flatnonzero(article[one] != article[two])
    keep = keep[np.lexsort((two[keep], one[keep]))]
    one, two = one[keep], two[keep]
    ends = np.sort(np.stack([article[one], article[two]]), axis=0)
    number = int(article.max(initial=0)) + 1
    _, rank = np.unique(ends[0] * number + ends[1], return_index=True)  # of equal pairs the earliest
    graph = csr_matrix((rank + 1.0, (ends[0, rank], ends[1, rank])), shape=(number, number))
    chosen = np.sort(minimum_spanning_tree(graph).data.astype(np.int64)) - 1
    return one[chosen], two[chosen]
