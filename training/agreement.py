"""Agreement between annotators, label by label; None where it is undefined, never a silent number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from training.records import Record


def krippendorff_alpha(records: Sequence[Record], label: str) -> float | None:
    """Nominal Krippendorff's alpha of one label (given or not given), any number of annotators.

    Computed by nltk from the coincidences of all annotations (Krippendorff 2011, "Computing
    Krippendorff's Alpha-Reliability"). Sentences with one annotation do not count. None when nobody, or
    everybody always, gave the label.
    """
    from nltk.metrics.agreement import AnnotationTask

    data = [
        (name, record.id, label in labels)
        for record in records
        if len(record.annotations) >= 2
        for name, labels in record.annotations.items()
    ]
    if len({value for _, _, value in data}) < 2:
        return None
    return float(AnnotationTask(data=data).alpha())


def pairwise_f1(records: Sequence[Record], label: str) -> float | None:
    """Mean over the pairs of annotators of the F1 of one against the other (it is symmetric)."""
    names = sorted({name for record in records for name in record.annotations})
    scores = []
    for one, other in combinations(names, 2):
        pairs = np.array(
            [
                (label in r.annotations[one], label in r.annotations[other])
                for r in records
                if one in r.annotations and other in r.annotations
            ],
            dtype=bool,
        ).reshape(-1, 2)
        given = pairs.sum()
        if given:
            scores.append(2 * float((pairs[:, 0] & pairs[:, 1]).sum()) / float(given))
    return float(np.mean(scores)) if scores else None
