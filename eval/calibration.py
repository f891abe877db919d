"""Calibration: do the probabilities mean what they say? Brier score, expected calibration error, reliability.

Bins hold equal numbers of sentences (equal mass), not equal widths: with rare labels nearly all
probabilities lie near 0, and bins of equal width would leave the others almost empty (Nguyen and
O'Connor 2015, Posterior calibration and exploratory analysis for natural language processing models;
Nixon et al. 2019, Measuring calibration in deep learning). Sentences of the same probability always
share a bin, so the result does not depend on the order of the sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import (
    DRAWS,
    FEWEST_ARTICLES,
    NO_INTERVAL,
    Array,
    Interval,
    article_draws,
    percentile_interval,
)
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS

BINS = 15  # of the expected calibration error


def _checked(probabilities: Any, gold: Any, dimensions: int) -> tuple[Array, Array]:
    """Both as float arrays of one shape; gold is 0 or 1."""
    said, true = np.asarray(probabilities, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    if said.ndim != dimensions or said.shape != true.shape:
        wanted = "(sentences,)" if dimensions == 1 else "(sentences, labels)"
        raise DataError(
            f"Calibration: probabilities have shape {said.shape}, gold {true.shape}; both must be {wanted}."
        )
    bad = np.argwhere(~((said >= 0) & (said <= 1)))
    if len(bad):
        place = tuple(bad[0])
        raise DataError(
            f"Calibration: the probability of sentence {place[0]} is {said[place]}, not from 0 to 1. "
            "Give probabilities, not logits."
        )
    odd = np.argwhere((true != 0) & (true != 1))
    if len(odd):
        place = tuple(odd[0])
        raise DataError(f"Calibration: gold of sentence {place[0]} is {true[place]}; it must be 0 or 1.")
    return said, true


def _positive(bins: int) -> int:
    if bins < 1:
        raise DataError(f"Calibration: {bins} bins asked for; there must be at least 1.")
    return bins


def _bins(said: Array, bins: int) -> NDArray[np.int64]:
    """The equal-mass bin of each probability, shape (sentences,); equal probabilities go together."""
    smaller = np.searchsorted(np.sort(said), said, side="left")
    return np.asarray(smaller * bins // max(len(said), 1), dtype=np.int64)


def _sums(said: Array, true: Array, bins: int) -> tuple[Array, Array, Array]:
    """Number of sentences, sum of probabilities and number of positives of each non-empty bin."""
    place = _bins(said, bins)
    number = np.bincount(place, minlength=bins)
    predicted, observed = (np.bincount(place, weights=values, minlength=bins) for values in (said, true))
    used = number > 0
    return number[used].astype(np.float64), predicted[used].astype(np.float64), observed[used].astype(np.float64)


def brier(probabilities: Any, gold: Any) -> Array:
    """Brier score: mean squared difference of probability and gold (Brier 1950); 0 is best.

    Args:
        probabilities: shape (sentences, labels), 0 to 1.
        gold: the same shape, 0 or 1.

    Returns:
        Shape (labels,); NaN when there are no sentences.

    Raises:
        DataError: shapes differ, or a value is out of range.
    """
    said, true = _checked(probabilities, gold, 2)
    if not len(said):
        return np.full(said.shape[1], np.nan)
    return np.asarray(((said - true) ** 2).mean(axis=0))


def expected_calibration_error(probabilities: Any, gold: Any, bins: int = BINS) -> Array:
    """Mean distance of predicted probability and observed share over equal-mass bins, weighted by size.

    Source: Nguyen and O'Connor 2015; Nixon et al. 2019 (adaptive calibration error). It is biased
    upwards: with few sentences a bin even perfect probabilities get a value above 0.

    Args:
        probabilities: shape (sentences, labels), 0 to 1.
        gold: the same shape, 0 or 1.
        bins: number of bins of each label.

    Returns:
        Shape (labels,), from 0 (best) to 1; NaN when there are no sentences.

    Raises:
        DataError: shapes differ, a value is out of range, or there is no bin.
    """
    said, true = _checked(probabilities, gold, 2)
    errors = np.full(said.shape[1], np.nan)
    _positive(bins)
    for column in range(said.shape[1] if len(said) else 0):
        _, predicted, observed = _sums(said[:, column], true[:, column], bins)
        errors[column] = np.abs(predicted - observed).sum() / len(said)
    return errors


def reliability(probabilities: Any, gold: Any, bins: int = 10) -> list[dict[str, float | int]]:
    """Points of the reliability diagram of one label, in order of rising probability.

    Args:
        probabilities: shape (sentences,), 0 to 1.
        gold: the same shape, 0 or 1.
        bins: number of equal-mass bins.

    Returns:
        For each non-empty bin ``predicted`` (mean probability), ``observed`` (share of positives),
        ``count`` (sentences), and ``low`` and ``high``: the 95% interval of the observed share (Wilson
        1927), which takes the sentences of a bin as independent. No sentences: an empty list.

    Raises:
        DataError: shapes differ, a value is out of range, or there is no bin.
    """
    from scipy.stats import binomtest

    said, true = _checked(probabilities, gold, 1)
    points: list[dict[str, float | int]] = []
    for number, predicted, observed in zip(*_sums(said, true, _positive(bins)), strict=True):
        interval = binomtest(int(observed), int(number)).proportion_ci(confidence_level=0.95, method="wilson")
        points.append(
            {
                "predicted": float(predicted / number),
                "observed": float(observed / number),
                "count": int(number),
                "low": float(interval.low),
                "high": float(interval.high),
            }
        )
    return points


def _brier_interval(squared: Array, sums: Array, place: NDArray[np.intp], drawn: Array) -> Interval:
    """From the squared differences of one label; ``sums`` is the number of sentences of each draw."""
    return percentile_interval(drawn @ np.bincount(place, weights=squared) / sums)


def _error_interval(said: Array, true: Array, sums: Array, place: NDArray[np.intp], drawn: Array) -> Interval:
    """Of the expected calibration error of one label; the bins are those of the sample, in every draw.

    Percentiles would mislead: chance makes the error of a draw larger than that of the sample, as it makes that
    of the sample larger than the truth. What is drawn is how far the bins' mean differences move, summed over the
    bins; by the triangle inequality the error differs from the truth by no more than that sum. The interval goes
    as far as its 95% quantile to both sides, so that it holds 0 unless there is more than chance.
    """
    bins = _bins(said, BINS)
    table = np.zeros((drawn.shape[1], BINS))
    np.add.at(table, (place, bins), (said - true))
    whole = table.sum(axis=0) / len(said)
    moved = np.abs(drawn @ table / sums[:, None] - whole).sum(axis=1)
    error, reach = float(np.abs(whole).sum()), float(np.percentile(moved, 95))
    return max(0.0, error - reach), min(1.0, error + reach)


def _intervals(
    said: Array, true: Array, articles: Sequence[str], draws: int, seed: int
) -> tuple[list[Interval], list[Interval]]:
    """Of each label's Brier score and calibration error, over draws of articles; NaN with too few articles."""
    _, place = np.unique(np.asarray(articles, dtype=np.str_), return_inverse=True)
    number = int(place.max()) + 1 if len(place) else 0
    columns = range(said.shape[1])
    if number < FEWEST_ARTICLES:
        return [NO_INTERVAL for _ in columns], [NO_INTERVAL for _ in columns]
    drawn = article_draws(number, draws, seed)
    sums = drawn @ np.bincount(place).astype(np.float64)
    squared = (said - true) ** 2
    return (
        [_brier_interval(squared[:, column], sums, place, drawn) for column in columns],
        [_error_interval(said[:, column], true[:, column], sums, place, drawn) for column in columns],
    )


def calibration_summary(
    probabilities: Any, gold: Any, articles: Sequence[str], draws: int = DRAWS, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Calibration of each label, with 95% intervals for the Brier score and the expected calibration error.

    Args:
        probabilities: shape (sentences, labels), 0 to 1, labels in the order of ``KEYS``.
        gold: the same shape, 0 or 1.
        articles: the article of each sentence; articles, not sentences, are drawn for the interval.
        draws: number of bootstrap draws.
        seed: seed of the draws.

    Returns:
        For each label key ``brier`` and ``ece`` (equal-mass bins), each with its ``_interval`` (low, high),
        ``mean_probability`` and ``observed`` (share of positives). All NaN when there are no sentences;
        an interval is (nan, nan) with fewer than ``FEWEST_ARTICLES`` articles.

    Raises:
        DataError: shapes differ or are not those of ``KEYS``, or a value is out of range.
    """
    said, true = _checked(probabilities, gold, 2)
    if said.shape[1] != len(KEYS) or len(articles) != len(said):
        raise DataError(
            f"Calibration: found {said.shape[1]} labels and {len(articles)} articles for {len(said)} sentences; "
            f"there must be {len(KEYS)} labels and one article a sentence."
        )
    of_brier, of_error = _intervals(said, true, articles, draws, seed)
    scores, errors = brier(said, true), expected_calibration_error(said, true)
    nothing = np.full(len(KEYS), np.nan)
    mean, share = (values.mean(axis=0) if len(values) else nothing for values in (said, true))
    return {
        key: {
            "brier": float(scores[column]),
            "brier_interval": of_brier[column],
            "ece": float(errors[column]),
            "ece_interval": of_error[column],
            "mean_probability": float(mean[column]),
            "observed": float(share[column]),
        }
        for column, key in enumerate(KEYS)
    }
