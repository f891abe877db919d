"""The parts of a report beside the plain scores, as plain values: each from predictions of one system.

Everything that is fitted (thresholds, rates for corrected counts) comes from validation data; test and
other splits are only reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.abstention import confidence, coverage_at, risk_curve
from eval.behaviour import Case, behaviour_scores, failures
from eval.calibration import calibration_summary, reliability
from eval.predictions import Predictions
from eval.quantification import count_table, rates
from eval.slices import slice_members, slice_scores
from strijdtaal.classifier import sigmoid
from strijdtaal.labels import KEYS
from training.agreement import krippendorff_alpha, pairwise_f1
from training.counts import article_counts, macro_f1_of_counts
from training.decision import Decision
from training.records import Record
from training.thresholds import best_shared_threshold


def uncalibrated(item: Predictions, decision: Decision) -> NDArray[np.float64] | None:
    """The probabilities before calibration, shape (sentences, labels); None where nothing was calibrated."""
    if item.logits is None or not decision.calibrated:
        return None
    return np.asarray(sigmoid((item.logits - np.array(decision.biases)) / np.array(decision.slopes)))


def calibration(item: Predictions, before: NDArray[np.float64] | None) -> dict[str, Any]:
    """Brier score, calibration error and reliability bins, after calibration and (if there is any) before."""

    def side(probabilities: NDArray[np.float64]) -> dict[str, Any]:
        bins = {key: reliability(probabilities[:, n], item.gold[:, n]) for n, key in enumerate(KEYS)}
        return {"labels": calibration_summary(probabilities, item.gold, item.articles), "bins": bins}

    return {"after": side(item.probabilities), "before": None if before is None else side(before)}


def decision_rules(
    validation: Predictions, other: Predictions, before: tuple[NDArray[np.float64], NDArray[np.float64]] | None
) -> list[dict[str, Any]]:
    """Macro-F1 of the rules that were weighed: 0.5, one shared threshold, and the rule in use.

    ``before`` holds the uncalibrated probabilities of both splits.
    """
    first, second = before or (validation.probabilities, other.probabilities)
    shared, _ = best_shared_threshold(first, validation.gold)
    rules: list[tuple[str, Any, Any, Any]] = [
        ("0.5 for all, not calibrated", 0.5, first, second),
        ("one threshold for all, not calibrated", shared, first, second),
        ("in use", validation.thresholds, validation.probabilities, other.probabilities),
    ]
    return [
        {
            "rule": name,
            "thresholds": np.broadcast_to(threshold, (len(KEYS),)).tolist(),
            "validation": _macro_f1(validation, one >= threshold),
            other.split: _macro_f1(other, two >= threshold),
        }
        for name, threshold, one, two in rules
    ]


def _macro_f1(item: Predictions, said: Any) -> float:
    """As everywhere in the report: over the labels that occur or are decided."""
    counts = article_counts(item.articles, item.gold, np.asarray(said).astype(np.int64))
    return float(macro_f1_of_counts(counts.sum(axis=0)))


def agreement(records: Sequence[Record]) -> dict[str, dict[str, float | None]]:
    """Krippendorff's alpha and pairwise F1 of the annotators of these sentences, label by label."""
    return {key: {"alpha": krippendorff_alpha(records, key), "pairwise_f1": pairwise_f1(records, key)} for key in KEYS}


def slices(item: Predictions, records: Sequence[Record] | None) -> list[dict[str, Any]]:
    """Scores on parts of a split."""
    members = slice_members(item.texts, item.gold, None if records is None else list(records))
    return slice_scores(item.articles, item.gold, item.decided, members)


def abstention(item: Predictions, validation: Predictions | None = None) -> dict[str, Any]:
    """Coverage against risk; and what a budget of 5% errors allows, with the cut-off chosen on ``validation``.

    Without validation predictions the cut-off is picked on the same sentences (``chosen_on`` says which).
    """
    curve = risk_curve(item.probabilities, item.thresholds, item.gold)
    base = validation or item
    at: dict[str, Any] = coverage_at(base.probabilities, base.thresholds, base.gold, base.articles)
    at["chosen_on"] = base.split
    if validation:
        kept = confidence(item.probabilities, item.thresholds) >= at["confidence"]
        wrong = ((item.gold >= 0.5) != (item.decided >= 1)).any(axis=1)
        at |= {"coverage": float(kept.mean()), "risk": float(wrong[kept].mean()) if kept.any() else float("nan")}
    return {"curve": curve, "at": at}


def counts(validation: Predictions, item: Predictions) -> list[dict[str, Any]]:
    """How many sentences of a set have each label: counted, corrected, and true (n/a where nothing is annotated).

    ``validation`` are predictions of the same model at the same thresholds.
    """
    known = rates(validation.decided, validation.gold)
    prior = validation.gold.mean(axis=0)
    gold = item.gold if item.gold.any() else None
    return count_table(item.decided, item.probabilities, item.articles, known, prior, gold=gold)


def count_lines(rows: Sequence[dict[str, Any]]) -> str:
    """Corrected counts for the terminal, one line a label."""

    def number(value: float | None) -> str:
        return "n/a" if value is None or not np.isfinite(value) else f"{value:.0f}"

    lines = [f"{'label':15s} {'counted':>8s} {'adjusted':>9s} {'95% interval':>14s} {'EM':>6s} {'annotated':>10s}"]
    for row in rows:
        interval = f"{number(row['low'])}-{number(row['high'])}"
        lines.append(
            f"{row['label']:15s} {number(row['counted']):>8s} {number(row['adjusted']):>9s} {interval:>14s} "
            f"{number(row['em']):>6s} {number(row['true']):>10s}"
        )
    return "\n".join(lines)


def behaviour(systems: dict[str, Predictions], cases: Sequence[Case], ours: str) -> dict[str, Any]:
    """Scores by phenomenon of every system, and the failures of ours."""
    return {
        "systems": {name: behaviour_scores(cases, item.decided) for name, item in systems.items()},
        "failures": failures(cases, systems[ours].decided),
    }
