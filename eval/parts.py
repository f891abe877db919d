"""What a run's report says beside the plain scores: gathered from its predictions, its records and its decision."""

from __future__ import annotations

from typing import Any

import numpy as np

from eval import sections
from eval.behaviour import Case, read_cases
from eval.gather import Found
from eval.predictions import BEHAVIOUR, Predictions
from strijdtaal.errors import DataError, StrijdtaalError
from strijdtaal.labels import to_vector
from training.dataset import load_corpus, resolve
from training.records import Record
from training.run import Run

CURVES = ("tfidf", "encoder")  # systems whose coverage against risk is drawn


def _records_of(run: Run) -> dict[str, list[Record]]:
    """The annotated sentences by split, for slices and agreement; {} when they are gone or changed since the run."""
    try:
        corpus = load_corpus(run.config.data)
    except StrijdtaalError:
        return {}
    same = corpus.split_fingerprint == run.data["split_fingerprint"]
    return corpus.splits if same and corpus.data_fingerprint == run.data["data_fingerprint"] else {}


def _cases_of(run: Run, item: Predictions) -> list[Case]:
    """The behavioural cases in the order of the predictions.

    Raises:
        DataError: the cases changed since the run was scored.
    """
    cases = {case.id: case for path in run.config.data.behaviour for case in read_cases(resolve(path))}
    if set(cases) == set(item.ids):
        found = [cases[key] for key in item.ids]
        gold = [to_vector(case.labels) for case in found]
        if [case.text for case in found] == item.texts and np.array_equal(gold, item.gold):
            return found
    raise DataError(f"The behavioural cases changed since {run.folder} was scored. Score it again.")


def parts_of(run: Run, found: Found) -> dict[str, Any]:
    """Everything beside the plain scores, for the encoder on the test split."""
    records = _records_of(run)
    validation, test = found["validation"]["encoder"], found["test"]["encoder"]
    before = [sections.uncalibrated(item, run.decision) for item in (validation, test)]
    pair = (before[0], before[1]) if before[0] is not None and before[1] is not None else None
    parts: dict[str, Any] = {
        "agreement": sections.agreement(records["test"]) if records else None,
        "decision": run.decision.as_dict(),
        "rules": sections.decision_rules(validation, test, pair),
        "calibration": sections.calibration(test, before[1]),
        "slices": sections.slices(test, records.get("test")),
        "abstention": {
            name: sections.abstention(item, found["validation"][name])
            for name, item in found["test"].items()
            if name in CURVES
        },
        "counts": sections.counts(validation, test),
        "behaviour": None,
    }
    if BEHAVIOUR in found:
        systems = found[BEHAVIOUR]
        parts["behaviour"] = sections.behaviour(systems, _cases_of(run, systems["encoder"]), "encoder")
    return parts
