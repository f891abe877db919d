"""Honest logits for the training sentences: each comes from a model that was trained without its article.

A model is sure of what it was trained on, so its own logits there say nothing about thresholds or
calibration. Out-of-fold logits do (stacking: Wolpert 1992), at the price of one more training a fold.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.labels import to_vector
from strijdtaal.text import clean
from training.dataset import TRAIN, Corpus
from training.fit import fit
from training.network import classify
from training.settings import RunConfig
from training.splits import split_records

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeftOut:
    """Out-of-fold logits of the training sentences, gold, both (sentences, labels), and their articles."""

    logits: NDArray[np.float64]
    gold: NDArray[np.float64]
    articles: list[str]


def out_of_fold(config: RunConfig, corpus: Corpus, folds: int, work: Path) -> LeftOut:
    """Train one model a fold on the other folds (the epoch still chosen on validation) and score the fold.

    Folds are made as splits are: whole articles, near-duplicates together, labels spread evenly.

    Raises:
        DataError: too few articles for so many folds. TrainingError: a model went wrong.
    """
    shares = {f"fold {number}": 1 / folds for number in range(1, folds + 1)}
    parts = split_records(corpus.splits[TRAIN], shares, config.data.seed)
    logits: list[Any] = []
    for name, part in parts.items():
        log.info("Cross-fitting the decision rule: %s of %d, %d sentences left out", name, folds, len(part))
        others = [record for other, records in parts.items() if other != name for record in records]
        folder = work / "left-out"
        fit(config, replace(corpus, splits={**corpus.splits, TRAIN: others}), folder)
        logits.append(classify(folder, [clean(record.text) for record in part], config.network.max_length))
        shutil.rmtree(folder)
    records = [record for part in parts.values() for record in part]
    gold = np.array([to_vector(record.labels) for record in records])
    return LeftOut(np.concatenate(logits), gold, [record.article for record in records])
