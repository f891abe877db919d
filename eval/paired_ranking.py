"""The paired comparison of ``eval.paired`` for average precision, which no sum over articles gives.

A shuffle that swaps some articles leaves each system with its own sentences of the others and the other
system's sentences of these. Put both systems' sentences in one list, those of the second under articles of their
own; then a shuffle is nothing but weights 0 and 1 over that list, and one sorting serves all shuffles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import mean_of_known
from eval.paired import DRAWS, Array, Difference, conclude, padded, resamples
from eval.ranking import drawn_ranking

AVERAGE_PRECISION = "macro_average_precision"


def _macro(probabilities: Array, gold: Array, places: NDArray[np.intp], weights: Array) -> Array:
    """Macro average precision in each draw, over the labels that occur there; NaN where none does."""
    each = [drawn_ranking(p, g, places, weights)[0] for p, g in zip(probabilities.T, gold.T, strict=True)]
    return mean_of_known(np.transpose(each))


def macro_average_precision(probabilities: Array, gold: Array) -> float:
    """Mean average precision over the labels that occur; NaN where none does. Both (sentences, labels)."""
    places = np.zeros(len(gold), dtype=np.intp)
    return float(_macro(probabilities, gold, places, np.ones((1, 1)))[0])


def compare_average_precision(
    first: Sequence[Array],
    second: Sequence[Array],
    gold: Array,
    articles: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """Compare two systems by macro average precision: no threshold has a say in it.

    ``first`` and ``second`` hold a seed's probabilities each, shape (sentences, labels) as ``gold``, of the same
    sentences in the same order; ``articles`` names the article of each.
    """
    names, places = np.unique(np.asarray(articles), return_inverse=True)
    number = len(names)
    weights, flips = resamples(number, draws, seed)
    values = [[macro_average_precision(item, gold) for item in seeds] for seeds in (first, second)]
    drawn = [np.mean([_macro(item, gold, places, weights) for item in seeds], axis=0) for seeds in (first, second)]
    pairs = math.lcm(len(first), len(second))
    double, both = np.concatenate([places, places + number]), np.concatenate([gold, gold])
    stay, move = np.hstack([1 - flips, flips]), np.hstack([flips, 1 - flips])
    swapped = []
    for one, other in zip(padded(first, pairs), padded(second, pairs), strict=True):
        lists = np.concatenate([one, other])
        swapped.append(_macro(lists, both, double, move) - _macro(lists, both, double, stay))
    return conclude(AVERAGE_PRECISION, values, drawn[1] - drawn[0], np.mean(swapped, axis=0))
