"""95% intervals of the metrics beside F1, by drawing articles with replacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import DRAWS, FEWEST_ARTICLES
from eval.paired import article_table, exact_match, micro_f1
from eval.predictions import Predictions
from strijdtaal.labels import KEYS

CHUNK = 50  # draws at once; bounds the memory
Array = NDArray[np.float64]
Interval = tuple[float, float]


def drawn_average_precision(probabilities: Array, gold: Array, places: NDArray[np.intp], weights: Array) -> Array:
    """Average precision of one label in each draw: shape (draws,); NaN in a draw without positives.

    ``probabilities`` and ``gold`` have shape (sentences,), ``places`` is the article of each sentence and
    ``weights`` (draws, articles) says how often a draw holds it. Equal probabilities count as one threshold,
    as in scikit-learn's ``average_precision_score``.
    """
    order = np.argsort(-probabilities, kind="stable")
    ends = np.flatnonzero(np.diff(probabilities[order], append=-1.0) != 0)
    hit, place = gold[order] >= 0.5, places[order]
    found = []
    for start in range(0, len(weights), CHUNK):
        each = weights[start : start + CHUNK][:, place]
        above = np.cumsum(each, axis=1)[:, ends]
        hits = np.cumsum(each * hit, axis=1)[:, ends]
        with np.errstate(invalid="ignore", divide="ignore"):
            steps = np.diff(hits, axis=1, prepend=0.0) / hits[:, -1:]
            found.append((steps * np.where(above > 0, hits / np.maximum(above, 1e-12), 0.0)).sum(axis=1))
    return np.concatenate(found)


def _interval(values: Array) -> Interval:
    known = values[np.isfinite(values)]
    if len(known) * 2 < len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_], places: NDArray[np.intp], weights: Array) -> Array:
    """Share of hits among some sentences in each draw; NaN in a draw without any of them."""
    number = weights.shape[1]
    above = weights @ np.bincount(places, weights=(hits & among).astype(float), minlength=number)
    with np.errstate(invalid="ignore"):
        return np.asarray(above / (weights @ np.bincount(places, weights=among.astype(float), minlength=number)))


def metric_intervals(item: Predictions, draws: int = DRAWS, seed: int = 0) -> dict[str, Interval]:
    """Intervals of micro_f1, exact_match, none_accuracy, macro_average_precision and average_precision_<label>.

    (nan, nan) where a value is undefined in more than half of the draws, and for all with fewer than
    ``FEWEST_ARTICLES`` articles.
    """
    names = np.unique(np.asarray(item.articles))
    keys = ["micro_f1", "exact_match", "none_accuracy", "macro_average_precision"]
    if len(names) < FEWEST_ARTICLES:
        nothing = (float("nan"), float("nan"))
        return dict.fromkeys([*keys, *(f"average_precision_{key}" for key in KEYS)], nothing)
    places = np.searchsorted(names, np.asarray(item.articles))
    number = len(names)
    weights = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=draws).astype(float)
    sums = weights @ article_table(item.articles, item.gold, item.decided)
    none, quiet = item.gold.sum(axis=1) == 0, item.decided.sum(axis=1) == 0
    found = {
        "micro_f1": _interval(micro_f1(sums)),
        "exact_match": _interval(exact_match(sums)),
        "none_accuracy": _interval(_share(quiet, none, places, weights)),
    }
    each = [
        drawn_average_precision(item.probabilities[:, column], item.gold[:, column], places, weights)
        for column in range(len(KEYS))
    ]
    occurs = item.gold.max(axis=0) > 0
    known = [values for values, there in zip(each, occurs.tolist(), strict=True) if there]
    macro = np.mean(known, axis=0) if known else np.full(draws, np.nan)
    found["macro_average_precision"] = _interval(macro)
    return found | {f"average_precision_{key}": _interval(values) for key, values in zip(KEYS, each, strict=True)}
