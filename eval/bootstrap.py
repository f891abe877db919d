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
Array = NDArray[np.float64]
Interval = tuple[float, float]
NO_INTERVAL: Interval = (float("nan"), float("nan"))


def article_draws(number: int, draws: int = DRAWS, seed: int = 0) -> Array:
    """How often each draw of ``number`` articles with replacement holds each of them: shape (draws, number)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(number, np.full(number, 1 / number), size=draws).astype(np.float64)


def percentile_interval(values: Array) -> Interval:
    """95% percentiles of a value's draws, shape (draws,).

    Draws in which the value is undefined (NaN) are left out; (nan, nan) where they are more than half.
    """
    known = values[np.isfinite(values)]
    if 2 * len(known) < max(len(values), 1):
        return NO_INTERVAL
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def mean_of_known(each: Array) -> Array:
    """Mean over the last axis (the labels) of what is defined; NaN where nothing is. Macro averages are such means."""
    known = np.isfinite(each)
    number = known.sum(axis=-1)
    return np.asarray(np.where(number > 0, np.where(known, each, 0.0).sum(axis=-1) / np.maximum(number, 1), np.nan))


def f1_intervals(
    articles: Sequence[str],
    gold: NDArray[np.floating],
    decided: NDArray[np.integer],
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Interval, list[Interval]]:
    """95% percentile intervals of macro-F1 and of each label's F1.

    Returns (nan, nan) where a value is undefined in more than half of the draws, and for all values
    when there are fewer than ``FEWEST_ARTICLES`` articles.
    """
    counts = article_counts(articles, gold, decided)
    number = len(counts)
    if number < FEWEST_ARTICLES:
        return NO_INTERVAL, [NO_INTERVAL] * gold.shape[1]
    drawn = article_draws(number, draws, seed) @ counts.reshape(number, -1)
    each = f1_of_counts(drawn.reshape(draws, *counts.shape[1:]))
    return percentile_interval(mean_of_known(each)), [percentile_interval(values) for values in each.T]
