"""Decisions: how a run turns logits into probabilities and labels, fitted on validation data only.

Two additions to a plain sigmoid and one shared threshold, each adopted only when cross-validation over
whole articles shows that it pays, because tuning on little data often loses:

- *Calibration*: Platt scaling of each label (Platt 1999), adopted when the cross-fitted log loss falls.
- *Thresholds per label*: each label's best threshold, drawn back towards the shared one, adopted when the
  macro-F1 in nested cross-validation exceeds the shared threshold's by more than one standard error.

Logits, probabilities and gold have shape (sentences, labels), labels in the order of ``KEYS``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.counts import article_counts, f1_of_counts, macro_f1_of_counts
from training.thresholds import THRESHOLDS, best_shared_threshold, macro_f1

SHRINKAGE = (0.0, 0.25, 0.5, 0.75)  # how far thresholds go from the shared one to the label's own
FEWEST_POSITIVES = 5  # of each label; below this nothing is tuned
DRAWS = 2000  # of articles, for the standard error of the gain
POOLING = 20  # cases of the rarer class at which a label's own calibration weighs as much as the pooled one
LOWEST_SLOPE = 0.01  # above 0, so that calibration keeps the order of the sentences
NUMBERS = ("slopes", "biases", "thresholds")
SCORES = ("shared_macro_f1", "per_label_macro_f1", "gain", "gain_se")
FIGURES = ("log_loss_before", "log_loss_after", *SCORES, "shrinkage")

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Decision:
    """From logits to probabilities and 0/1 decisions; tuples hold one value a label, in the order of ``KEYS``.

    ``thresholds`` apply to the calibrated probability. ``evidence`` holds the figures of ``choose_decision``,
    NaN where nothing was measured. Raises DataError when a value cannot be right.
    """

    slopes: tuple[float, ...]
    biases: tuple[float, ...]
    thresholds: tuple[float, ...]
    calibrated: bool
    per_label: bool
    evidence: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in NUMBERS:
            values = getattr(self, name)
            if len(values) != len(KEYS) or not all(math.isfinite(value) for value in values):
                raise DataError(f"Decision: {name} must hold {len(KEYS)} finite numbers, found {values!r}.")
        if min(self.slopes) <= 0 or min(self.thresholds) < 0 or max(self.thresholds) > 1:
            raise DataError(f"Decision: slopes {self.slopes} must be above 0, thresholds {self.thresholds} 0 to 1.")

    def probabilities(self, logits: Any) -> Array:
        """Sigmoid of slope * logit + bias: shape (sentences, labels), 0 to 1."""
        return np.asarray(expit(np.asarray(logits, dtype=np.float64) * self.slopes + self.biases))

    def decided(self, logits: Any) -> Integers:
        """Decisions at the thresholds: 0/1, shape (sentences, labels)."""
        return (self.probabilities(logits) >= self.thresholds).astype(np.int64)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a figure that is NaN becomes None."""
        values: dict[str, Any] = {name: list(getattr(self, name)) for name in NUMBERS}
        evidence = {name: None if math.isnan(value) else value for name, value in self.evidence.items()}
        return values | {"calibrated": self.calibrated, "per_label": self.per_label, "evidence": evidence}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Decision:
        """The inverse of ``as_dict``; raises DataError when a key is missing or a value cannot be right."""
        try:
            slopes, biases, thresholds = (tuple(float(value) for value in values[name]) for name in NUMBERS)
            found = values["evidence"].items()
            evidence = {name: math.nan if value is None else float(value) for name, value in found}
            flags = bool(values["calibrated"]), bool(values["per_label"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"Decision: cannot be read ({error!r}). Train the run again.") from error
        return cls(slopes, biases, thresholds, *flags, evidence)


def fixed_decision(threshold: float) -> Decision:
    """One given threshold for all labels, no calibration, figures NaN; raises DataError outside 0 to 1."""
    one, number = (float(threshold),), len(KEYS)
    return Decision((1.0,) * number, (0.0,) * number, one * number, False, False, dict.fromkeys(FIGURES, math.nan))


def _log_loss(logits: Array, targets: Array) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).mean())


def _fit_one(logits: Array, gold: Array) -> tuple[float, float]:
    """Slope and bias of least log loss against Platt's smoothed targets; (1, 0) when one class is missing."""
    yes = gold >= 0.5
    if yes.all() or not yes.any():
        return 1.0, 0.0
    targets = np.where(yes, (yes.sum() + 1) / (yes.sum() + 2), 1 / ((~yes).sum() + 2))

    def loss(values: Array) -> tuple[float, Array]:
        scaled = logits * values[0] + values[1]
        error = expit(scaled) - targets
        return _log_loss(scaled, targets), np.array([(error * logits).mean(), error.mean()])

    limits = [(LOWEST_SLOPE, None), (None, None)]
    found = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-12})
    return float(found.x[0]), float(found.x[1])


def fit_platt(logits: Any, gold: Any) -> tuple[Array, Array]:
    """Slope and bias of each label: probability = sigmoid(slope * logit + bias), slope above 0.

    Source: Platt 1999, Probabilistic outputs for support vector machines, with his smoothed targets. A
    label's values are mixed with those fitted to all labels together; its own weigh n / (n + ``POOLING``),
    where n counts its rarer class. A label with one class only gets the pooled values.
    Returns slopes and biases, each of shape (labels,); 1 and 0 when there is nothing to fit.
    """
    values, true = np.asarray(logits, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    pooled = np.array(_fit_one(values.ravel(), true.ravel()))
    own = np.array([_fit_one(*columns) for columns in zip(values.T, true.T, strict=True)])
    rarer = np.minimum((true >= 0.5).sum(axis=0), (true < 0.5).sum(axis=0))
    weight = (rarer / (rarer + POOLING))[:, None]
    slopes, biases = (weight * own + (1 - weight) * pooled).T
    return slopes, biases


def _fold_table(probabilities: Array, gold: Array, place: Integers) -> Array:
    """Counts at each threshold of the grid, by cumulative sums: shape (folds, thresholds, 3, labels).

    The three are true positives, false positives and false negatives.
    """
    shape = (int(place.max()) + 1, len(THRESHOLDS) + 1, 2, gold.shape[1])
    reached = np.searchsorted(THRESHOLDS, probabilities, side="right")  # thresholds at or below it
    cell = np.ravel_multi_index((place[:, None], reached, (gold >= 0.5).astype(int), np.arange(shape[3])), shape)
    counts = np.bincount(cell.ravel(), minlength=math.prod(shape)).reshape(shape).astype(np.float64)
    said = counts[:, ::-1].cumsum(axis=1)[:, -2::-1]  # at threshold t: those that reach more than t of them
    missed = counts[:, :, 1].sum(axis=1)[:, None] - said[:, :, 1]
    return np.stack([said[:, :, 1], said[:, :, 0], missed], axis=2)


def _best_thresholds(table: Array) -> tuple[float, Array]:
    """Shared threshold by the rule of ``best_shared_threshold``, and each label's own (ties: nearest the shared)."""
    each = np.nan_to_num(f1_of_counts(table), nan=0.0).round(9)
    shared = float(THRESHOLDS[np.lexsort((np.abs(THRESHOLDS - 0.5), -each.mean(axis=1).round(6)))[0]])
    nearest = np.argsort(np.abs(THRESHOLDS - shared), kind="stable")
    return shared, THRESHOLDS[nearest][each[nearest].argmax(axis=0)]


def _choose_thresholds(probabilities: Array, gold: Array, place: Integers) -> tuple[float, Array, float]:
    """Shared threshold, shrunk thresholds of each label and the shrinkage, chosen by cross-validation.

    ``place`` is the fold of each sentence. The shrinkage is the one with the highest macro-F1 over the
    pooled decisions on the folds left out; ties go to the smaller.
    """
    place = np.unique(place, return_inverse=True)[1].astype(np.int64)
    table = _fold_table(probabilities, gold, place)
    whole = table.sum(axis=0)
    chosen = [_best_thresholds(whole - counts) for counts in table]
    scores = []
    for amount in SHRINKAGE:
        thresholds = np.array([shared + amount * (own - shared) for shared, own in chosen])
        scores.append(round(macro_f1(probabilities >= thresholds[place], gold), 9))
    amount = SHRINKAGE[int(np.argmax(scores))]
    shared, own = _best_thresholds(whole)
    return shared, shared + amount * (own - shared), amount


def _cross_fit(logits: Array, gold: Array, place: Integers) -> tuple[list[tuple[Array, Array]], float, float]:
    """Calibrations fitted without each fold, and the mean log loss over the folds before and after them."""
    left_out = [place == fold for fold in range(int(place.max()) + 1)]
    fits = [fit_platt(logits[~out], gold[~out]) for out in left_out]
    before = [_log_loss(logits[out], gold[out]) for out in left_out]
    after = [_log_loss(logits[out] * fit[0] + fit[1], gold[out]) for out, fit in zip(left_out, fits, strict=True)]
    return fits, float(np.mean(before)), float(np.mean(after))


def _nested_scores(
    logits: Array, gold: Array, articles: Sequence[str], place: Integers, fits: Sequence[tuple[Array, Array]], seed: int
) -> dict[str, float]:
    """The figures ``SCORES``: decisions on a fold come from a calibration and thresholds found without it."""
    shared, own = np.zeros(gold.shape, dtype=np.int64), np.zeros(gold.shape, dtype=np.int64)
    for fold, (slopes, biases) in enumerate(fits):
        out = place == fold
        probabilities = expit(logits * slopes + biases)
        same, each, _ = _choose_thresholds(probabilities[~out], gold[~out], place[~out])
        shared[out], own[out] = probabilities[out] >= same, probabilities[out] >= each
    tables = [article_counts(articles, gold, said) for said in (shared, own)]
    one, two = (float(macro_f1_of_counts(table.sum(axis=0))) for table in tables)
    number = len(tables[0])
    weights = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=DRAWS).astype(float)
    drawn = [macro_f1_of_counts(np.einsum("da,acl->dcl", weights, table)) for table in tables]
    return dict(zip(SCORES, (one, two, two - one, float(np.nanstd(drawn[1] - drawn[0]))), strict=True))


def _checked(logits: Any, gold: Any, articles: Sequence[str], folds: int) -> tuple[Array, Array]:
    values, true = np.asarray(logits, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    if values.shape != (len(articles), len(KEYS)) or values.shape != true.shape or folds < 3:
        raise DataError(
            f"Decision: logits of shape {values.shape}, gold {true.shape}, {len(articles)} articles, {folds} folds; "
            f"expected (sentences, {len(KEYS)}) for both, one article a sentence and at least 3 folds."
        )
    if not len(values) or not np.isfinite(values).all() or not np.isin(true, (0, 1)).all():
        raise DataError(f"Decision: {len(values)} sentences; there must be some, logits finite and gold 0 or 1.")
    return values, true


def choose_decision(
    logits: Any,
    gold: Any,
    articles: Sequence[str],
    folds: int = 5,
    seed: int = 0,
    calibrate: bool = True,
    per_label: bool = True,
) -> Decision:
    """Choose calibration and thresholds on validation data, by cross-validation over whole articles.

    Calibration is adopted when the log loss, cross-fitted and averaged over the folds, falls. Thresholds a
    label are adopted when their macro-F1 in nested cross-validation exceeds the shared one's by more than
    one standard error of the difference (bootstrap over articles). With fewer than ``2 * folds`` articles or
    ``FEWEST_POSITIVES`` positives of a label neither is tried. ``calibrate`` and ``per_label`` False forbid them.

    The evidence holds ``FIGURES``, NaN where neither was tried; ``shrinkage`` is the share of the way from
    shared to own thresholds that cross-validation prefers, adopted or not. Raises DataError when shapes differ,
    there are no sentences, a value cannot be right, or fewer than 3 folds are asked for.
    """
    values, true = _checked(logits, gold, articles, folds)
    names, which = np.unique(np.asarray(articles, dtype=np.str_), return_inverse=True)
    if len(names) < 2 * folds or true.sum(axis=0).min() < FEWEST_POSITIVES:
        return fixed_decision(best_shared_threshold(expit(values), true)[0])
    place = (np.random.default_rng(seed).permutation(len(names)) % folds)[which].astype(np.int64)
    fits, before, after = _cross_fit(values, true, place)
    calibrated = calibrate and after < before
    unchanged = np.ones(len(KEYS)), np.zeros(len(KEYS))
    slopes, biases = fit_platt(values, true) if calibrated else unchanged
    probabilities = expit(values * slopes + biases)
    scores = _nested_scores(values, true, articles, place, fits if calibrated else [unchanged] * folds, seed)
    _, own, amount = _choose_thresholds(probabilities, true, place)
    adopted = per_label and amount > 0 and scores["gain"] > scores["gain_se"]
    thresholds = own if adopted else np.full(len(KEYS), best_shared_threshold(probabilities, true)[0])
    evidence = {"log_loss_before": before, "log_loss_after": after, **scores, "shrinkage": amount}
    chosen = {"slopes": slopes, "biases": biases, "thresholds": thresholds, "evidence": evidence}
    return Decision.from_dict(chosen | {"calibrated": calibrated, "per_label": adopted})
