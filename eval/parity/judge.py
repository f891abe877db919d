"""A loader's scores against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eval.parity.loaders import Scores
from eval.parity.result import TOLERANCE, Outcome
from strijdtaal.labels import from_vector
from strijdtaal.text import clean

SHOWN = 40  # characters of the sentence that differs most


def _macro_f1(gold: NDArray[np.float64], decided: NDArray[np.bool_]) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(gold, decided, average="macro", zero_division=0.0))


class Judge:
    """Holds what loaders are compared with.

    Args:
        texts: the sentences as the loaders get them.
        ids: their token ids.
        expected: probabilities of the reference, shape (len(texts), labels).
        thresholds: of the bundle, shape (labels,).
        gold: 0/1 rows of the last sentences, shape (n, labels), or None.
    """

    def __init__(
        self,
        texts: Sequence[str],
        ids: Sequence[list[int]],
        expected: NDArray[np.float64],
        thresholds: NDArray[np.float64],
        gold: NDArray[np.float64] | None,
    ) -> None:
        self.texts, self.ids, self.expected, self.thresholds, self.gold = texts, ids, expected, thresholds, gold

    def outcome(self, start: Outcome, scores: Scores) -> Outcome:
        """``start`` with the figures of a loader that ran, or with what makes its answer unusable."""
        taken = list(range(len(self.texts))) if scores.taken is None else scores.taken
        expected, found = self.expected[taken], scores.probabilities
        if found.shape != expected.shape:
            return replace(start, error=f"it gave {found.shape} probabilities for {len(taken)} sentences")
        decided = found >= self.thresholds
        if scores.labels is not None and [from_vector(row) for row in decided] != scores.labels:
            return replace(start, error="its labels do not follow from its probabilities and the bundle's thresholds")
        apart = np.abs(found - expected).max(axis=1)
        worst = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
        band = TOLERANCE if start.precision == "fp32" else 0.0
        counted = np.abs(expected - self.thresholds) > band
        return replace(
            start,
            version=scores.version,
            sentences=len(taken),
            difference=float(apart[worst]),
            worst=clean(self.texts[taken[worst]])[:SHOWN],
            differing=int((counted & (decided != (expected >= self.thresholds))).any(axis=1).sum()),
            other_ids=self._other_ids(scores.ids, taken),
            macro_f1=self._change(decided) if scores.taken is None else None,
            note=scores.note,
        )

    def _other_ids(self, ids: list[list[int]] | None, taken: Sequence[int]) -> int | None:
        if ids is None:
            return None
        return sum(row != self.ids[number] for row, number in zip(ids, taken, strict=True))

    def _change(self, decided: NDArray[np.bool_]) -> float | None:
        if self.gold is None:
            return None
        last = len(self.gold)
        return _macro_f1(self.gold, decided[-last:]) - _macro_f1(self.gold, self.expected[-last:] >= self.thresholds)
