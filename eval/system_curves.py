"""Curves of one system, as plain values: precision against recall, and whether its probabilities mean what they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.calibration import brier, expected_calibration_error, reliability
from eval.predictions import Predictions
from eval.svg import thin
from strijdtaal.labels import KEYS

POINTS = 100  # of a curve


def _used(said: NDArray[np.bool_], yes: NDArray[np.bool_]) -> list[float] | None:
    """Recall and precision of decisions; None where one of them is undefined."""
    hit = float((said & yes).sum())
    return [hit / float(yes.sum()), hit / float(said.sum())] if said.any() and yes.any() else None


def curves(item: Predictions) -> dict[str, dict[str, Any]]:
    """By label key, what its probabilities are worth whatever the threshold.

    ``points`` (at most ``POINTS`` pairs of recall and precision), ``average_precision``, ``used`` (recall and
    precision at the threshold in use, or None), ``bins`` (of ``eval.calibration.reliability``), ``brier``, ``ece``.
    A label that does not occur has no points and an average precision of NaN.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    squared = brier(item.probabilities, item.gold)
    errors = expected_calibration_error(item.probabilities, item.gold)
    found: dict[str, dict[str, Any]] = {}
    for column, key in enumerate(KEYS):
        scores, yes = item.probabilities[:, column], item.gold[:, column] >= 0.5
        points, average = np.empty((0, 2)), math.nan
        if yes.any():
            precision, recall, _ = precision_recall_curve(yes, scores, drop_intermediate=True)
            points = thin(np.column_stack([recall, precision]), POINTS)
            average = float(average_precision_score(yes, scores))
        found[key] = {
            "points": points.round(4).tolist(),
            "average_precision": average,
            "used": _used(item.decided[:, column] >= 1, yes),
            "bins": reliability(scores, item.gold[:, column]),
            "brier": float(squared[column]),
            "ece": float(errors[column]),
        }
    return found
