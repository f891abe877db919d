"""Which sentences can be suggested at all, and their vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strijdtaal.text import clean
from training.duplicates import index_texts

DIMENSIONS = 100


def fresh(texts: Sequence[str], known: Sequence[str]) -> list[int]:
    """Positions of the texts that are near-duplicates neither of ``known`` nor of a text kept before them.

    Near-duplicates share more than half of their runs of five words, as between splits (``training.duplicates``).
    """
    index = index_texts([*known, *texts])
    first = index.first
    kept = np.ones(len(first), dtype=bool)
    pairs = [np.column_stack(pair[:2]) for pair in index.similar()]
    for one, other in sorted(map(tuple, np.concatenate(pairs).tolist()), key=lambda pair: pair[::-1]) if pairs else ():
        if kept[one] and first[other] >= len(known):  # what comes before ``other`` is settled
            kept[other] = False
    return sorted(int(place) - len(known) for place in first[kept] if place >= len(known))


def sentence_vectors(texts: Sequence[str], seed: int = 0) -> NDArray[np.float32]:
    """Latent semantic analysis: TF-IDF of words, reduced by a truncated SVD, each row of length 1 (or 0).

    Source: Deerwester et al., "Indexing by Latent Semantic Analysis" (1990). It asks no model, so that the same
    vectors serve a run and the simulation. Shape (texts, at most ``DIMENSIONS``).
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+|\S", dtype=np.float32)
    matrix = words.fit_transform([clean(text) for text in texts])
    if min(matrix.shape) <= DIMENSIONS:
        return np.asarray(matrix.toarray(), dtype=np.float32)
    reduced = TruncatedSVD(DIMENSIONS, random_state=seed).fit_transform(matrix)
    return np.asarray(normalize(reduced), dtype=np.float32)
