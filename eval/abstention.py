"""Coverage against risk: what is gained when the least certain sentences are left to people.

Selective classification (El-Yaniv and Wiener 2010, JMLR 11; Geifman and El-Yaniv 2017, NeurIPS): sentences
are accepted from the most confident down. *Coverage* is the share accepted; *risk* is the share of those
whose set of labels is not exactly right. Sentences of equal confidence cannot be told apart, so a curve
takes the same share of each, and a confidence to be used in practice takes all of them or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import logit

from eval.bootstrap import DRAWS, FEWEST_ARTICLES
from eval.paired import macro_f1
from strijdtaal.errors import DataError, UsageError

CLIP = 1e-9  # a probability of 0 or 1 has no finite logit
DECIMALS = 6  # of a confidence: 0.1 and 0.9 are as far from 0.5 whatever the last bits say
CELLS = 4_000_000  # numbers held at once while articles are drawn
Array = NDArray[np.float64]


def _logit(values: Array) -> Array:
    return np.asarray(logit(np.clip(values, CLIP, 1 - CLIP)))


def _checked(probabilities: NDArray[np.floating], thresholds: NDArray[np.floating] | float) -> tuple[Array, Array]:
    values, cuts = np.asarray(probabilities, dtype=np.float64), np.asarray(thresholds, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise DataError(f"Probabilities have shape {values.shape}. Give at least one sentence, one value a label.")
    if cuts.shape not in {(), (values.shape[1],)}:
        raise DataError(f"Thresholds have shape {cuts.shape}. Give one number, or one for each of {values.shape[1]}.")
    for name, numbers in (("Probabilities", values), ("Thresholds", cuts)):
        if not ((numbers >= 0) & (numbers <= 1)).all():
            raise DataError(f"{name} must lie between 0 and 1, none missing. Score the system again.")
    return values, cuts


def confidence(probabilities: NDArray[np.floating], thresholds: NDArray[np.floating] | float) -> Array:
    """How far the least certain label of each sentence is from the other decision, in logits.

    The minimum over the labels of |logit(p) - logit(threshold)|, rounded to 6 decimals; 0 or more.

    >>> confidence(np.array([[0.5, 0.9], [0.1, 0.01]]), 0.5).round(3).tolist()
    [0.0, 2.197]

    Args:
        probabilities: shape (sentences, labels), clipped to 1e-9 from 0 and 1.
        thresholds: shape (labels,), or one number for all labels.

    Raises:
        DataError: no sentences, another shape, or values outside 0 to 1.
    """
    values, cuts = _checked(probabilities, thresholds)
    return np.asarray(np.abs(_logit(values) - _logit(cuts)).min(axis=1).round(DECIMALS))


def _table(values: Array, cuts: Array, gold: NDArray[np.floating]) -> Array:
    """What each sentence adds, in the columns of ``eval.paired.article_table``."""
    if np.shape(gold) != values.shape:
        raise DataError(f"Gold labels have shape {np.shape(gold)}, probabilities {values.shape}. Give the same rows.")
    yes, said = np.asarray(gold) >= 0.5, values >= cuts
    right = (yes == said).all(axis=1)
    return np.column_stack([yes & said, ~yes & said, yes & ~said, right, np.ones(len(values))]).astype(np.float64)


def _ties(sure: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order from the most confident down, and the place in it of the first of each group of equals."""
    order = np.argsort(-sure, kind="stable")
    return order, np.flatnonzero(np.diff(sure[order], prepend=np.inf) != 0)


def risk_curve(
    probabilities: NDArray[np.floating],
    thresholds: NDArray[np.floating] | float,
    gold: NDArray[np.floating],
    points: int = 101,
) -> dict[str, Any]:
    """Risk and macro-F1 of the accepted sentences at evenly spaced coverages from 0 to 1.

    Args:
        probabilities: shape (sentences, labels); a label is given where p >= threshold.
        thresholds: shape (labels,), or one number for all labels.
        gold: shape (sentences, labels), 0/1.
        points: number of coverages, at least 2.

    Returns:
        ``coverage``, ``risk``, ``macro_f1``: lists of ``points`` numbers from 0 to 1, NaN where undefined
        (always at coverage 0). ``aurc``: area under the risk-coverage curve, the mean of the risk over 1, 2,
        ... all sentences accepted (Geifman, Uziel and El-Yaniv 2019); confidences that say nothing give the
        risk of all sentences. ``aurc_best``: the same if every right sentence came before every wrong one.

    Raises:
        DataError: no sentences, shapes that do not fit, or values outside 0 to 1.
        UsageError: fewer than 2 points.
    """
    if points < 2:
        raise UsageError(f"A curve of {points} points was asked for; give at least 2.")
    values, cuts = _checked(probabilities, thresholds)
    order, starts = _ties(confidence(values, cuts))
    table = _table(values, cuts, gold)
    sums = np.cumsum(np.add.reduceat(table[order], starts, axis=0), axis=0)
    sums = np.vstack([np.zeros(sums.shape[1]), sums])
    number = len(values)
    coverage = np.linspace(0, 1, points)
    at = np.column_stack([np.interp(coverage * number, sums[:, -1], column) for column in sums.T])
    risk = np.full(points, np.nan)
    risk[1:] = 1 - at[1:, -2] / at[1:, -1]
    accepted = np.arange(1, number + 1)
    right = np.interp(accepted, sums[:, -1], sums[:, -2])
    return {
        "coverage": coverage.tolist(),
        "risk": np.clip(risk, 0, 1).tolist(),
        "macro_f1": macro_f1(at).tolist(),
        "aurc": float(np.mean(1 - right / accepted)),
        "aurc_best": float(np.mean(1 - np.minimum(accepted, sums[-1, -2]) / accepted)),
    }


def _last_within(wrong: NDArray[np.int64], accepted: NDArray[np.int64], risk: float) -> NDArray[np.intp]:
    """Last column of each row where wrong / accepted <= risk; -1 where there is none. Shapes (rows, groups)."""
    fits = wrong <= risk * accepted + 1e-9
    last = fits.shape[1] - 1 - np.argmax(fits[:, ::-1], axis=1)
    return np.where(fits.any(axis=1), last, -1)


def _coverages(wrong: NDArray[np.int64], accepted: NDArray[np.int64], risk: float) -> Array:
    """Largest coverage of each row; shapes (rows, groups), the last group being the end of all."""
    last = _last_within(wrong, accepted, risk)
    found = np.where(last >= 0, accepted[np.arange(len(accepted)), last], 0)
    return np.asarray(found / accepted[:, -1])


def _stops(starts: NDArray[np.intp], wrong: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Last places before a group with an error, and the last of all: only there can the largest coverage end."""
    bad = np.logical_or.reduceat(wrong, starts)
    return np.append(starts[1:][bad[1:]], len(wrong)) - 1


def coverage_at(
    probabilities: NDArray[np.floating],
    thresholds: NDArray[np.floating] | float,
    gold: NDArray[np.floating],
    articles: Sequence[str],
    risk: float = 0.05,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, float]:
    """Largest coverage at which the accepted sentences have at most ``risk`` errors.

    The confidence is chosen on the sentences it is judged on, so it promises nothing for other text: choose
    it on validation data, and check there. The interval repeats the choice in every draw.

    ``probabilities``, ``thresholds`` and ``gold`` are as in ``risk_curve``; ``risk`` is the allowed share of
    accepted sentences whose label set is not exactly right; ``articles`` holds the article of each sentence.

    Returns:
        ``target``: the risk allowed. ``coverage``: share accepted, 0 if no confidence is enough. ``confidence``:
        accept a sentence at this ``confidence()`` or above; NaN at coverage 0. ``risk``: share of errors
        among the accepted; NaN at coverage 0. ``low``, ``high``: 95% interval of the coverage; NaN with fewer
        than 10 articles.

    Raises:
        DataError: no sentences, shapes or lengths that do not fit, or values outside 0 to 1.
        UsageError: a risk outside 0 to 1, or no draws.
    """
    if not 0 <= risk <= 1 or draws < 1:
        raise UsageError(f"A risk of {risk} and {draws} draws were asked for; give a risk of 0 to 1 and some draws.")
    values, cuts = _checked(probabilities, thresholds)
    sure = confidence(values, cuts)
    order, starts = _ties(sure)
    wrong = _table(values, cuts, gold)[order, -2] == 0
    if len(articles) != len(values):
        raise DataError(f"{len(articles)} articles for {len(values)} sentences. Give each sentence its article.")
    ends = _stops(starts, wrong)
    last = int(_last_within(np.cumsum(wrong)[None, ends], (ends + 1)[None], risk)[0])
    end = int(ends[last]) + 1 if last >= 0 else 0
    low, high = _interval(np.asarray(articles)[order], wrong, ends, risk, draws, seed)
    return {
        "target": float(risk),
        "coverage": end / len(values),
        "confidence": float(sure[order[end - 1]]) if end else float("nan"),
        "risk": float(wrong[:end].mean()) if end else float("nan"),
        "low": low,
        "high": high,
    }


def _interval(
    articles: NDArray[Any], wrong: NDArray[np.bool_], ends: NDArray[np.intp], risk: float, draws: int, seed: int
) -> tuple[float, float]:
    names, place = np.unique(articles, return_inverse=True)
    number = len(names)
    if number < FEWEST_ARTICLES:
        return float("nan"), float("nan")
    group, shape = np.searchsorted(ends, np.arange(len(wrong))), (len(ends), number)
    errors, sizes = (
        csr_array((each.astype(np.int64), (group, place)), shape=shape) for each in (wrong, np.ones(len(wrong)))
    )
    weights = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=draws)
    parts = []
    for part in np.array_split(weights, -(-draws * len(ends) // CELLS)):
        columns = np.ascontiguousarray(part.T)
        false, accepted = (np.cumsum(table @ columns, axis=0).T for table in (errors, sizes))
        parts.append(_coverages(false, accepted, risk))
    low, high = np.percentile(np.concatenate(parts), [2.5, 97.5])
    return float(low), float(high)
