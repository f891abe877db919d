"""95% intervals by article-clustered bootstrap, vectorised over the draws.

Articles are drawn with replacement, not sentences: sentences of one article are not independent. With
per-article counts of true positives, false positives and false negatives, a draw is one product of a
weight vector with a count table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.counts import article_counts, f1_of_counts

DRAWS = 1000
FEWEST_ARTICLES = 10  # below this, drawing articles says nothing of other articles


def f1_intervals(
    articles: Sequence[str],
    gold: NDArray[np.floating],
    decided: NDArray[np.integer],
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """95% percentile intervals of macro-F1 and of each label's F1.

    Returns (nan, nan) where a value is undefined in more than half of the draws, and for all values
    when there are fewer than ``FEWEST_ARTICLES`` articles.
    """
    counts = article_counts(articles, gold, decided)
    number = len(counts)
    if number < FEWEST_ARTICLES:
        undefined = (float("nan"), float("nan"))
        return undefined, [undefined] * gold.shape[1]
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(number, np.full(number, 1 / number), size=draws).astype(np.float64)
    each = f1_of_counts(np.einsum("da,acl->dcl", weights, counts))
    known = np.isfinite(each)
    sums = np.where(known, each, 0).sum(axis=1)
    macro = np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)
    return _interval(macro), [_interval(each[:, column]) for column in range(each.shape[1])]


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if len(known) * 2 < len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
