"""Strategies of active learning: which unlabelled sentences are worth an annotator's time.

Settles, "Active Learning Literature Survey" (2009), describes the field; Ein-Dor et al., "Active Learning for BERT:
An Empirical Study" (EMNLP 2020), compare such strategies on text, most of all on rare classes. The strategies:

- ``uncertainty``: the sentence whose logit is nearest to the threshold of some label (uncertainty sampling: Lewis
  and Gale, "A Sequential Algorithm for Training Text Classifiers", SIGIR 1994; a margin a label, the smallest counts).
- ``diversity``: the sentence least like all annotated and chosen ones (k-center greedy: Sener and Savarese,
  "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018). The model is not asked.
- ``rare``: the sentence that promises most positives, each worth more the rarer its label is in the training data.
- ``mixed``: near a threshold, rare labels weighing more, and unlike those chosen before it (maximal marginal
  relevance: Carbonell and Goldstein, SIGIR 1998). Ash et al., "Deep Batch Active Learning by Diverse,
  Uncertain Gradient Lower Bounds" (ICLR 2020) give the reason: the most uncertain sentences resemble one another.
- ``random``: what all are measured against, and the one that does not bend the share of the labels.

``eval/benchmarks/active_learning.py`` measures them on our corpus (``seeds/active_learning.json``): uncertainty needs
half the labels of random choice, mixed no fewer than uncertainty alone, rare and diversity gain little at first. So
``DEFAULT`` is the simplest of the best; prefer ``mixed`` where many sentences of the pool resemble one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import UsageError, nearest
from strijdtaal.labels import KEYS

Array = NDArray[np.float64]
Vectors = NDArray[np.float32]
Order = NDArray[np.int64]

DEFAULT = "uncertainty"
BY_VECTORS = ("mixed", "diversity")  # the others look at logits only
REDUNDANCY = 0.5  # of a mixed score is lost by a sentence that is just like one chosen before it
BLOCK = 2_000_000  # similarities that are held at once


@dataclass(frozen=True)
class Candidates:
    """Unlabelled sentences as a model and their words see them.

    Attributes:
        logits: shape (sentences, labels), in the order of ``KEYS``.
        thresholds: decision thresholds as probabilities, one a label.
        vectors: of length 1, shape (sentences, dimensions); read by the strategies ``BY_VECTORS`` only.
        known: vectors of the annotated sentences, shape (any number, dimensions).
        positives: how often each label occurs in the training data.
    """

    logits: Array
    thresholds: Sequence[float]
    vectors: Vectors
    known: Vectors
    positives: Sequence[int]

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def margins(self) -> Array:
        """Distance of each logit from its threshold's, shape (sentences, labels)."""
        given = np.clip(np.asarray(self.thresholds, dtype=np.float64), 1e-6, 1 - 1e-6)
        return np.asarray(np.abs(self.logits - np.log(given / (1 - given))), dtype=np.float64)

    @property
    def probabilities(self) -> Array:
        """Sigmoid of the logits, shape (sentences, labels)."""
        return np.asarray(np.exp(-np.logaddexp(0.0, -self.logits)), dtype=np.float64)

    @property
    def rarity(self) -> Array:
        """Inverse frequency of each label in the training data; 1 for the rarest."""
        inverse = 1 / (np.asarray(self.positives, dtype=np.float64) + 1)
        return np.asarray(inverse / inverse.max(), dtype=np.float64)


@dataclass(frozen=True)
class Choice:
    """Positions of the chosen candidates, best first, each with its score and the reason in words."""

    order: list[int]
    scores: list[float]
    reasons: list[str]


def _best(scores: Array, number: int) -> tuple[Order, Array]:
    order = np.argsort(-scores, kind="stable")[:number]
    return order, scores[order]


def _nearest_label(candidates: Candidates, position: int, weights: Array) -> str:
    label = int((np.exp(-candidates.margins[position]) * weights).argmax())
    probability = candidates.probabilities[position, label]
    return f"near the threshold of {KEYS[label]}: {probability:.2f} against {candidates.thresholds[label]:.2f}"


def _uncertainty(candidates: Candidates, number: int, seed: int) -> Choice:
    margins = candidates.margins
    order, scores = _best(-margins.min(axis=1), number)
    chosen = _part(candidates, order)
    even = np.ones(len(KEYS))
    reasons = [_nearest_label(chosen, number, even) for number in range(len(order))]
    return Choice(order.tolist(), np.exp(scores).tolist(), reasons)  # 1 on the threshold, as in mixed


def _rare(candidates: Candidates, number: int, seed: int) -> Choice:
    gains = candidates.probabilities * candidates.rarity
    order, scores = _best(gains.sum(axis=1), number)
    most = gains[order].argmax(axis=1)
    found = candidates.probabilities[order, most]
    reasons = [f"may be {KEYS[label]}: {value:.2f}" for label, value in zip(most, found, strict=True)]
    return Choice(order.tolist(), scores.tolist(), reasons)


def _random(candidates: Candidates, number: int, seed: int) -> Choice:
    order = np.random.default_rng(seed).permutation(len(candidates))[:number]
    return Choice(order.tolist(), [0.0] * len(order), ["drawn at random"] * len(order))


def _likeness(vectors: Vectors, others: Vectors) -> NDArray[np.float32]:
    """Of each vector to the most similar of the others (0 where there are none), shape (vectors,)."""
    likeness = np.zeros(len(vectors), dtype=np.float32)
    step = max(1, BLOCK // max(1, len(vectors)))
    for start in range(0, len(others), step):
        np.maximum(likeness, (vectors @ others[start : start + step].T).max(axis=1), out=likeness)
    return likeness


def _diversity(candidates: Candidates, number: int, seed: int) -> Choice:
    likeness = _likeness(candidates.vectors, candidates.known)
    order: list[int] = []
    scores: list[float] = []
    for _ in range(number):
        best = int(likeness.argmin())
        order.append(best)
        scores.append(1 - float(likeness[best]))
        np.maximum(likeness, candidates.vectors @ candidates.vectors[best], out=likeness)
        likeness[best] = np.inf
    reasons = [f"unlike annotated and chosen sentences: similarity at most {1 - score:.2f}" for score in scores]
    return Choice(order, scores, reasons)


def _mixed(candidates: Candidates, number: int, seed: int) -> Choice:
    weights = candidates.rarity
    worth = (np.exp(-candidates.margins) * weights).max(axis=1)
    likeness = np.zeros(len(candidates), dtype=np.float32)
    order: list[int] = []
    scores: list[float] = []
    reasons: list[str] = []
    for _ in range(number):
        current = worth * (1 - REDUNDANCY * likeness)
        best = int(current.argmax())
        order.append(best)
        scores.append(float(current[best]))
        reasons.append(f"similarity to those above at most {likeness[best]:.2f}")
        worth[best] = -np.inf
        np.maximum(likeness, candidates.vectors @ candidates.vectors[best], out=likeness)
    chosen = _part(candidates, order)
    near = [_nearest_label(chosen, number, weights) for number in range(len(order))]
    return Choice(order, scores, [f"{one}; {two}" for one, two in zip(near, reasons, strict=True)])


def _part(candidates: Candidates, order: Sequence[int] | Order) -> Candidates:
    return Candidates(
        candidates.logits[order],
        candidates.thresholds,
        candidates.vectors[order],
        candidates.known,
        candidates.positives,
    )


STRATEGIES: dict[str, Callable[[Candidates, int, int], Choice]] = {
    "uncertainty": _uncertainty,
    "mixed": _mixed,
    "rare": _rare,
    "diversity": _diversity,
    "random": _random,
}


def check_strategy(by: str) -> None:
    """Raises ``UsageError`` if there is no such strategy."""
    if by not in STRATEGIES:
        raise UsageError(f"Unknown strategy {by!r}.{nearest(by, list(STRATEGIES))} Known: {', '.join(STRATEGIES)}.")


def choose(candidates: Candidates, number: int, by: str = DEFAULT, seed: int = 1) -> Choice:
    """Choose ``number`` sentences (or all, if there are fewer), best first; the same again for the same input.

    Args:
        candidates: the sentences.
        number: how many.
        by: a name of ``STRATEGIES``; ties go to the sentence that comes first.
        seed: of ``random``; the others draw nothing.

    Raises:
        UsageError: no such strategy.
    """
    check_strategy(by)
    return STRATEGIES[by](candidates, min(number, len(candidates)), seed)
