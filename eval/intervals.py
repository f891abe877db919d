"""95% intervals of every metric of a report, by drawing articles with replacement.

A draw is scored by the rules of ``eval.metrics``, as if it were the sample: a macro average leaves out labels
that have no value in it. A draw in which a value is undefined as a whole (no positives, nothing predicted) is left out
of that value's interval and never counts as 0; the share of such draws stands beside the interval, and where it
is more than half there is no interval.
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
    mean_of_known,
    percentile_interval,
)
from eval.paired import article_table
from eval.predictions import Predictions
from eval.ranking import drawn_ranking
from strijdtaal.labels import KEYS
from training.counts import f1_of_counts

DECIDED = ("precision", "recall", "f1")  # by label, macro and micro
RANKED = ("average_precision", "roc_auc")  # likewise
EACH = (*DECIDED, "mcc", *RANKED)
WHOLE = (
    *(f"{how}_{name}" for how in ("macro", "micro") for name in (*DECIDED, *RANKED)),
    *("exact_match", "none_accuracy"),
)
FLAT = ("micro_f1", "exact_match", "none_accuracy", "macro_average_precision")  # of ``intervals``


def ratio(above: Array, below: Array) -> Array:
    """Elementwise quotient; NaN where ``below`` is 0."""
    return np.asarray(np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0))


def precision_of_counts(counts: Array) -> Array:
    """Precision from counts of shape (..., 3, labels); NaN where a label is not predicted."""
    return ratio(counts[..., 0, :], counts[..., 0, :] + counts[..., 1, :])


def recall_of_counts(counts: Array) -> Array:
    """Recall from counts of shape (..., 3, labels); NaN where a label does not occur."""
    return ratio(counts[..., 0, :], counts[..., 0, :] + counts[..., 2, :])


def mcc_of_counts(counts: Array, sentences: Array) -> Array:
    """Matthews correlation from counts of shape (..., 3, labels) and the number of sentences, shape (..., 1).

    NaN where a label always or never occurs, or is always or never predicted.
    """
    hit, false, missed = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    rest = sentences - hit - false - missed
    spread = (hit + false) * (hit + missed) * (rest + false) * (rest + missed)
    return ratio(hit * rest - false * missed, np.sqrt(spread))


def decision_table(articles: Sequence[str], gold: NDArray[np.floating], decided: NDArray[np.integer]) -> Array:
    """What each article, in the order of their names, adds to the sums: shape (articles, 3 * labels + 4).

    The columns of ``eval.paired.article_table``; sentences annotated none, and those of them that get no label.
    """
    _, places = np.unique(np.asarray(articles), return_inverse=True)
    none = ~(gold >= 0.5).any(axis=1)
    quiet = none & ~(decided >= 1).any(axis=1)
    added = [np.bincount(places, weights=which.astype(np.float64)) for which in (none, quiet)]
    return np.column_stack([article_table(articles, gold, decided), *added])


def drawn_metrics(item: Predictions, weights: Array) -> dict[str, Array]:
    """Every metric in each draw: those of ``WHOLE`` with shape (draws,), those of ``EACH`` with (draws, labels).

    ``weights`` (draws, articles) says how often a draw holds an article, in the order of the articles' names.
    """
    sums = weights @ decision_table(item.articles, item.gold, item.decided)
    counts = sums[:, :-4].reshape(len(weights), 3, -1)
    right, sentences, none, quiet = sums[:, -4:].T
    _, places = np.unique(np.asarray(item.articles), return_inverse=True)
    by_label = zip(item.probabilities.T, item.gold.T, strict=True)
    ranked = np.array([drawn_ranking(said, gold, places, weights) for said, gold in by_label])  # labels, 2, draws
    each = {
        "precision": precision_of_counts(counts),
        "recall": recall_of_counts(counts),
        "f1": f1_of_counts(counts),
        "mcc": mcc_of_counts(counts, sentences[:, None]),
        **dict(zip(RANKED, ranked.transpose(1, 2, 0), strict=True)),
    }
    macro = {f"macro_{name}": mean_of_known(each[name]) for name in (*DECIDED, *RANKED)}
    pooled = counts.sum(axis=-1, keepdims=True)
    formulas = (precision_of_counts, recall_of_counts, f1_of_counts)
    micro = {f"micro_{name}": of(pooled)[:, 0] for name, of in zip(DECIDED, formulas, strict=True)}
    labels = item.gold.shape[1]
    ranks = drawn_ranking(item.probabilities.ravel(), item.gold.ravel(), np.repeat(places, labels), weights)
    micro |= {f"micro_{name}": values for name, values in zip(RANKED, ranks, strict=True)}
    return each | macro | micro | {"exact_match": right / sentences, "none_accuracy": ratio(quiet, none)}


def _place(entry: dict[str, Any], name: str, values: Array) -> None:
    """Put the interval beside the value, and the share of draws that it does without."""
    entry[f"{name}_interval"] = percentile_interval(values)
    missing = float(np.isnan(values).mean())
    if missing and np.isfinite(entry[name]):
        entry["undefined_draws"][name] = missing


def with_intervals(result: dict[str, Any], item: Predictions, draws: int = DRAWS, seed: int = 0) -> dict[str, Any]:
    """Scores of ``eval.metrics.score`` with ``<metric>_interval`` (low, high) beside each metric.

    (nan, nan) where a value is undefined in more than half of the draws, and for all with fewer than
    ``FEWEST_ARTICLES`` articles. ``undefined_draws`` (of the whole, and of each label) maps a metric to the
    share of draws in which it is undefined, if there are any and the metric is defined in the sample.
    ``intervals`` holds some of them once more, under the names of earlier reports.
    """
    found = {**result, "undefined_draws": {}}
    found["labels"] = {key: {**entry, "undefined_draws": {}} for key, entry in result["labels"].items()}
    number = len(set(item.articles))
    if number < FEWEST_ARTICLES:
        found |= {f"{name}_interval": NO_INTERVAL for name in WHOLE}
        for entry in found["labels"].values():
            entry |= {f"{name}_interval": NO_INTERVAL for name in EACH}
    else:
        drawn = drawn_metrics(item, article_draws(number, draws, seed))
        for name in WHOLE:
            _place(found, name, drawn[name])
        for column, key in enumerate(KEYS):
            for name in EACH:
                _place(found["labels"][key], name, drawn[name][:, column])
    flat: dict[str, Interval] = {name: found[f"{name}_interval"] for name in FLAT}
    flat |= {f"average_precision_{key}": found["labels"][key]["average_precision_interval"] for key in KEYS}
    return {**found, "intervals": flat}
