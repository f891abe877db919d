"""Whether the int8 model of a bundle may go out: it must decide as the fp32 model does.

Nothing is chosen here: a model that misses a bound is left out, and the packager says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eval.metrics import score
from eval.predictions import Predictions
from strijdtaal.classifier import Classifier

DECISIONS_EQUAL = 0.995  # at least this share of the sentences gets the same labels
MACRO_F1_LOSS = 0.005  # at most so much less than fp32


@dataclass(frozen=True)
class Int8:
    """int8 against fp32 on one split: ``decisions_equal`` is the share of sentences with the same labels."""

    sentences: int
    decisions_equal: float
    largest_difference: float
    macro_f1_fp32: float
    macro_f1_int8: float


def measure(exact: Classifier, fast: Classifier, split: Predictions) -> Int8:
    """Both models on the sentences of a split, at the bundle's thresholds."""
    thresholds = np.array(exact.contract.thresholds)
    one, other = exact.probabilities(split.texts), fast.probabilities(split.texts)
    decided, again = one >= thresholds, other >= thresholds
    return Int8(
        sentences=len(split.texts),
        decisions_equal=float((decided == again).all(axis=1).mean()),
        largest_difference=float(np.abs(one - other).max()),
        macro_f1_fp32=float(score(split.gold, decided.astype(np.int64), one)["macro_f1"]),
        macro_f1_int8=float(score(split.gold, again.astype(np.int64), other)["macro_f1"]),
    )


def refusal(found: dict[str, Int8]) -> str:
    """Why the int8 model must not go out, "" if it may. ``found``: split -> its figures."""
    reasons = []
    for split, item in found.items():
        if item.decisions_equal < DECISIONS_EQUAL:
            reasons.append(
                f"{split}: {item.decisions_equal:.2%} of {item.sentences} sentences get the same labels, "
                f"asked {DECISIONS_EQUAL:.1%}"
            )
        loss = item.macro_f1_fp32 - item.macro_f1_int8
        if not loss <= MACRO_F1_LOSS:
            reasons.append(f"{split}: macro-F1 falls by {100 * loss:.2f} points, allowed {100 * MACRO_F1_LOSS:.1f}")
    return "; ".join(reasons)


def as_document(found: dict[str, Int8]) -> dict[str, Any]:
    """The figures as ``labels.json`` keeps them."""
    return {split: asdict(item) for split, item in found.items()}
