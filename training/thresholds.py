"""The decision threshold: one for all labels, chosen on validation data."""

from __future__ import annotations

from typing import Any

import numpy as np

THRESHOLDS = np.round(np.arange(0.10, 0.901, 0.02), 2)


def macro_f1(decided: Any, gold: Any) -> float:
    """Mean F1 of the labels; a label that is neither there nor decided counts as 0."""
    from sklearn.metrics import f1_score

    return float(f1_score(np.asarray(gold) >= 0.5, decided, average="macro", zero_division=0.0))


def best_shared_threshold(probabilities: Any, gold: Any) -> tuple[float, float]:
    """The one threshold for all labels with the highest macro-F1, and that score; ties go to the one nearest 0.5."""
    from sklearn.metrics import f1_score

    probabilities = np.asarray(probabilities)
    scored = [
        (float(f1_score(gold, probabilities >= value, average="macro", zero_division=0.0)), float(value))
        for value in THRESHOLDS
    ]
    score, threshold = max(scored, key=lambda pair: (round(pair[0], 6), -abs(pair[1] - 0.5)))
    return threshold, score
