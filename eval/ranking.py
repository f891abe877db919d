"""Average precision and area under the ROC curve in every draw of a bootstrap, from one sorting of the sentences.

Both depend on the order of the probabilities alone, and a draw changes how often a sentence counts, not the
order. So the sentences are sorted once, and cut into segments: each threshold with a positive is one, and so is
each stretch of negatives between two of them. What the articles put into each segment is a sparse table; times
the weights of the draws it gives the counts from which both areas follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import Array

CELLS = 2_000_000  # segments times draws at once; bounds the memory


def _segments(probabilities: Array, hit: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The segment of each sentence; both arguments in falling order of probability."""
    tie = np.cumsum(np.diff(probabilities, prepend=np.inf) != 0) - 1  # equal probabilities are one threshold
    positive = np.bincount(tie, weights=hit) > 0
    starts = positive | np.concatenate([[True], positive[:-1]])
    return np.asarray((np.cumsum(starts) - 1)[tie])


def drawn_ranking(probabilities: Array, gold: Array, places: NDArray[np.intp], weights: Array) -> tuple[Array, Array]:
    """Average precision and ROC-AUC of one label in each draw: two arrays of shape (draws,).

    ``probabilities`` and ``gold`` have shape (sentences,), ``places`` is the article of each sentence and
    ``weights`` (draws, articles) says how often a draw holds it. Equal probabilities count as one threshold,
    as in scikit-learn's ``average_precision_score`` and ``roc_auc_score`` with these weights. NaN in a draw
    without positives; the ROC-AUC also in one without negatives.
    """
    from scipy.sparse import csr_array

    order = np.argsort(-probabilities, kind="stable")
    hit, place = gold[order] >= 0.5, places[order]
    segment = _segments(probabilities[order], hit)
    shape = (int(segment[-1]) + 1 if len(segment) else 0, weights.shape[1])

    def table(which: NDArray[np.bool_]) -> Any:
        return csr_array((np.ones(int(which.sum())), (segment[which], place[which])), shape=shape)

    positives, negatives = table(hit), table(~hit)
    precision, area = [], []
    step = max(1, CELLS // max(1, shape[0]))
    for start in range(0, len(weights), step):
        drawn = np.ascontiguousarray(weights[start : start + step].T)
        more, other = positives @ drawn, negatives @ drawn  # (segments, draws)
        hits, alarms = np.cumsum(more, axis=0), np.cumsum(other, axis=0)
        all_hits, all_alarms = more.sum(axis=0), other.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision.append((more * (hits / np.maximum(hits + alarms, 1))).sum(axis=0) / all_hits)
            area.append((other * (hits - more / 2)).sum(axis=0) / (all_hits * all_alarms))
    return np.concatenate(precision), np.concatenate(area)
