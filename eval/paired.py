"""Two systems on the same sentences: difference, interval, test, and what could have been seen at all.

All metrics here are functions of sums over articles, so a resampled test set is one product of article
weights with a table. Articles, not sentences, are drawn and swapped: sentences of one article are not
independent.

- *Interval*: paired bootstrap over articles (percentiles); both systems see the same draw.
- *p-value*: approximate randomisation (Noreen 1989; Yeh 2000): per article the two systems' outputs are
  swapped at random; p is the share of swaps with a difference at least as large as the one found.
- *Minimum detectable difference*: at 5% two-sided and 80% power, from the spread of the swapped differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strijdtaal.labels import KEYS
from training.counts import article_counts, f1_of_counts, macro_f1_of_counts

DRAWS = 2000
NORMAL = 1.959964  # normal quantile of 0.975
POWER_FACTOR = NORMAL + 0.841621  # and of 0.8
Array = NDArray[np.float64]
Metric = Callable[[Array], Array]

LABELS = len(KEYS)


def article_table(articles: Sequence[str], gold: NDArray[np.floating], decided: NDArray[np.integer]) -> Array:
    """What each article adds to the sums: shape (articles, 3 * labels + 2).

    Columns: true positives, false positives, false negatives of each label; exactly right sentences; sentences.
    """
    counts = article_counts(articles, gold, decided).reshape(-1, 3 * gold.shape[1])
    _, place = np.unique(np.asarray(articles), return_inverse=True)
    exact = ((gold >= 0.5) == (decided >= 1)).all(axis=1)
    right = np.bincount(place, weights=exact.astype(np.float64))
    return np.column_stack([counts, right, np.bincount(place).astype(np.float64)])


def _counts(sums: Array) -> Array:
    return sums[..., :-2].reshape(*sums.shape[:-1], 3, -1)


def macro_f1(sums: Array) -> Array:
    """Mean F1 over the labels that occur or are predicted; NaN where none is."""
    return macro_f1_of_counts(_counts(sums))


def micro_f1(sums: Array) -> Array:
    """F1 of the pooled decisions of all labels."""
    return f1_of_counts(_counts(sums).sum(axis=-1, keepdims=True))[..., 0]


def exact_match(sums: Array) -> Array:
    """Share of sentences with exactly the right set of labels."""
    return np.asarray(sums[..., -2] / np.maximum(sums[..., -1], 1))


def label_f1(column: int) -> Metric:
    """F1 of one label."""
    return lambda sums: f1_of_counts(_counts(sums))[..., column]


HEADLINES: dict[str, Metric] = {"macro_f1": macro_f1, "micro_f1": micro_f1, "exact_match": exact_match}
METRICS: dict[str, Metric] = {**HEADLINES, **{key: label_f1(column) for column, key in enumerate(KEYS)}}


@dataclass(frozen=True)
class Difference:
    """Second system minus first on one metric, in the metric's own unit (0 to 1); NaN where undefined."""

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    smallest: float  # minimum detectable difference
    seed_sd: float  # standard error of the difference from the choice of seeds; NaN for one seed
    test_sd: float  # standard error from the choice of test articles


def _mean_over_seeds(tables: Sequence[Array], weights: Array, metric: Metric) -> Array:
    return np.asarray(np.mean([metric(weights @ table) for table in tables], axis=0))


def _swapped(first: Sequence[Array], second: Sequence[Array], flips: Array, metric: Metric) -> Array:
    """Differences after swapping the two systems' outputs in the flipped articles; seeds go in pairs."""
    found = []
    for one, other in zip(first, second, strict=True):
        moved = flips @ (other - one)
        found.append(metric(other.sum(axis=0) - moved) - metric(one.sum(axis=0) + moved))
    return np.asarray(np.mean(found, axis=0))


def _seed_variance(values: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Variance of the difference of the means from the choice of seeds, and its degrees of freedom.

    ``values`` holds a score a seed for each of the two systems. The spread is pooled over both, so that one
    with a single seed is not taken for one without chance.
    """
    freedom = sum(len(each) - 1 for each in values)
    if not freedom:
        return 0.0, 0
    pooled = sum(float(np.var(each)) * len(each) for each in values) / freedom
    return pooled * sum(1 / len(each) for each in values), freedom


def _widening(test_sd: float, seed_variance: float, freedom: int) -> float:
    """By how much the chance of the seeds widens an interval of the articles' chance alone.

    A t quantile with Satterthwaite's (1946) degrees of freedom: a spread known from a few seeds is not known well.
    """
    from scipy.stats import t

    if test_sd <= 0 or seed_variance <= 0:
        return 1.0
    total = seed_variance + test_sd**2
    quantile = float(t.ppf(0.975, freedom * (total / seed_variance) ** 2))
    return float(np.sqrt(total)) / test_sd * quantile / NORMAL


def padded(tables: Sequence[Array], number: int) -> list[Array]:
    """The tables repeated in turn, so that systems with different numbers of seeds can be paired."""
    return [tables[position % len(tables)] for position in range(number)]


def compare_tables(
    first: Sequence[Array], second: Sequence[Array], metric: str, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """Compare two systems, each given as one table a seed, on the same articles in the same order.

    With several seeds the score of a system is the mean over them, and the interval holds both sources of
    chance: the articles (bootstrap) and the seeds (their variance is added, with a t quantile for their number).
    """
    function = METRICS[metric]
    weights, flips = resamples(len(first[0]), draws, seed)
    values = [[float(function(table.sum(axis=0))) for table in tables] for tables in (first, second)]
    drawn = _mean_over_seeds(second, weights, function) - _mean_over_seeds(first, weights, function)
    pairs = math.lcm(len(first), len(second))
    swapped = _swapped(padded(first, pairs), padded(second, pairs), flips, function)
    return conclude(metric, values, drawn, swapped)


def resamples(articles: int, draws: int, seed: int) -> tuple[Array, Array]:
    """How often each draw of the bootstrap holds each article, and which articles each shuffle swaps (0/1).

    Both have shape (draws, articles).
    """
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(articles, np.full(articles, 1 / articles), size=draws).astype(np.float64)
    return weights, generator.integers(0, 2, size=(draws, articles)).astype(np.float64)


def conclude(metric: str, values: Sequence[Sequence[float]], drawn: Array, swapped: Array) -> Difference:
    """From scores a seed of both systems and differences in draws and swaps (draws,) to a ``Difference``.

    Undefined when a score is, or when more than half of the draws or swaps are.
    """
    draws = len(drawn)
    one, two = (float(np.mean(each)) for each in values)
    drawn, swapped = drawn[np.isfinite(drawn)], swapped[np.isfinite(swapped)]
    if not np.isfinite(two - one) or 2 * min(len(drawn), len(swapped)) < draws:
        nothing = float("nan")
        return Difference(metric, one, two, two - one, *[nothing] * 6)
    seed_variance, freedom = _seed_variance(values)
    test_sd = float(drawn.std())
    widen = _widening(test_sd, seed_variance, freedom)
    low, high = (two - one + (bound - (two - one)) * widen for bound in np.percentile(drawn, [2.5, 97.5]))
    reached = np.abs(swapped) * widen >= abs(two - one) - 1e-12
    return Difference(
        metric=metric,
        first=one,
        second=two,
        difference=two - one,
        low=float(low),
        high=float(high),
        p=float((1 + reached.sum()) / (1 + len(swapped))),
        smallest=float(POWER_FACTOR * swapped.std() * widen),
        seed_sd=float(np.sqrt(seed_variance)) if freedom else float("nan"),
        test_sd=test_sd,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being one of several (Holm 1979); NaN stays NaN and does not count."""
    known = sorted((p, place) for place, p in enumerate(p_values) if np.isfinite(p))
    adjusted = [float("nan")] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = highest
    return adjusted
