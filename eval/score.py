"""Scoring: a run's model and the baselines state their predictions on every split of the run's data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.baselines import Tfidf, majority_probabilities
from eval.predictions import KIND, Predictions, write_predictions
from strijdtaal.classifier import sigmoid
from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import write_folder
from strijdtaal.labels import to_vector
from strijdtaal.text import clean
from training.dataset import Corpus, load_corpus
from training.keywords import keyword_probabilities
from training.network import classify
from training.records import Record, read_records
from training.run import Run, open_run
from training.thresholds import best_shared_threshold

log = logging.getLogger(__name__)

ENCODER = "encoder"
SCORED = ("validation", "test", "held_out")


def _gold(records: Sequence[Record]) -> NDArray[np.float64]:
    return np.array([to_vector(record.labels) for record in records])


def _predictions(
    system: str, split: str, threshold: float, records: Sequence[Record], probabilities: Any, logits: Any = None
) -> Predictions:
    return Predictions(
        system=system,
        split=split,
        threshold=threshold,
        ids=[record.id for record in records],
        articles=[record.article for record in records],
        texts=[record.text for record in records],
        gold=_gold(records),
        probabilities=probabilities,
        logits=logits,
    )


def _texts(records: Sequence[Record]) -> list[str]:
    return [clean(record.text) for record in records]


def _corpus_of(run: Run) -> Corpus:
    corpus = load_corpus(run.config.data)
    for name in ("data_fingerprint", "split_fingerprint"):
        if getattr(corpus, name) != run.data[name]:
            raise DataError(
                f"{run.folder}: the annotations changed since the run ({name} differs). "
                "Train again, or restore the annotations, so that test sentences stay unseen."
            )
    return corpus


def _baselines(corpus: Corpus, splits: Sequence[str]) -> list[Predictions]:
    train, validation = corpus.splits["train"], corpus.splits["validation"]
    model = Tfidf().fit(_texts(train), _gold(train))
    threshold, _ = best_shared_threshold(model.probabilities(_texts(validation)), _gold(validation))
    result = []
    for split in splits:
        records = corpus.splits[split]
        texts = _texts(records)
        shares = majority_probabilities(_gold(train), len(records))
        result += [
            _predictions("majority", split, 0.5, records, shares),
            _predictions("keywords", split, 0.5, records, keyword_probabilities(texts)),
            _predictions("tfidf", split, threshold, records, model.probabilities(texts)),
        ]
    return result


def score_run(folder: Path | str) -> Path:
    """Write ``predictions/<system>-<split>.parquet`` into a run, for the model and the baselines.

    Older predictions are replaced.

    Raises:
        UsageError: the run is not whole. DataError: its annotations have changed since.
    """
    run = open_run(folder)
    corpus = _corpus_of(run)
    splits = [name for name in SCORED if name in corpus.splits]
    target = run.folder / "predictions"
    with write_folder(target, KIND, replace=True, model_sha256=run.model_sha256) as work:
        log.info("Fitting the baselines")
        items = _baselines(corpus, splits)
        for split in splits:
            records = corpus.splits[split]
            logits = classify(run.folder / "model", _texts(records), run.config.network.max_length)
            items.append(_predictions(ENCODER, split, run.threshold, records, sigmoid(logits), logits))
        for item in items:
            write_predictions(work / f"{item.system}-{item.split}.parquet", item)
    return target


def score_file(folder: Path | str, data: Path, out: Path) -> Path:
    """Predictions of a run's model on another annotated JSONL file (never for choosing anything).

    Extra fields that are not part of a record, such as ``before``, are refused like everywhere else.
    """
    run = open_run(folder)
    records = read_records([data])
    if out.exists():
        raise UsageError(f"{out} exists already. Remove it, or choose another name.")
    logits = classify(run.folder / "model", _texts(records), run.config.network.max_length)
    part = out.with_name(f".{out.name}.part")
    item = _predictions(run.name, data.stem, run.threshold, records, sigmoid(logits), logits)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(part, item)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"Cannot write {out}: {error.strerror}.") from error
    return out
