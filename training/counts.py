"""Hits and errors counted by article, and F1 from such counts.

With counts by article a resampled set of articles is one product of weights with a table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def article_counts(
    articles: Sequence[str], gold: NDArray[np.floating], decided: NDArray[np.integer]
) -> NDArray[np.float64]:
    """True positives, false positives, false negatives of each article: shape (articles, 3, labels)."""
    _, place = np.unique(np.asarray(articles), return_inverse=True)
    yes, said = gold >= 0.5, decided >= 1
    table = np.zeros((place.max() + 1, 3, gold.shape[1]))
    for row, hits in enumerate((yes & said, ~yes & said, yes & ~said)):
        np.add.at(table[:, row], place, hits.astype(np.float64))
    return table


def f1_of_counts(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 from counts of shape (..., 3, labels); NaN where a label neither occurs nor is predicted."""
    hit, false, missed = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * hit / (2 * hit + false + missed))


def macro_f1_of_counts(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean F1 over the labels that occur or are predicted, from counts (..., 3, labels); NaN where none does."""
    each = f1_of_counts(counts)
    known = np.isfinite(each)
    number = known.sum(axis=-1)
    total = np.where(known, each, 0.0).sum(axis=-1)
    return np.asarray(np.where(number > 0, total / np.maximum(number, 1), np.nan))
