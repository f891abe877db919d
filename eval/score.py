"""Scoring: a run's model and the baselines state their predictions on every split of the run's data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.baselines import Tfidf, majority_probabilities, static_embeddings
from eval.behaviour import Case, read_cases
from eval.predictions import BEHAVIOUR, KIND, Predictions, write_predictions
from eval.words import explain, write_words
from strijdtaal.classifier import sigmoid
from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import write_folder
from strijdtaal.labels import to_vector
from strijdtaal.text import clean
from training.dataset import Corpus, load_corpus, resolve
from training.keywords import keyword_probabilities
from training.network import classify
from training.records import Record, read_records
from training.run import Run, open_run
from training.settings import DataSection
from training.thresholds import best_shared_threshold

log = logging.getLogger(__name__)

ENCODER = "encoder"
SCORED = ("validation", "test", "held_out")
EXPLAINED_SPLITS = ("test", "held_out")


@dataclass(frozen=True)
class Part:
    """Sentences to score: one split of the corpus, an annotated file, or the behavioural cases."""

    split: str
    ids: list[str]
    articles: list[str]
    texts: list[str]
    gold: NDArray[np.float64]

    @property
    def cleaned(self) -> list[str]:
        """The texts as models read them."""
        return [clean(text) for text in self.texts]

    def predictions(
        self, system: str, threshold: float | tuple[float, ...], probabilities: Any, logits: Any = None, sha: str = ""
    ) -> Predictions:
        """What a system says of these sentences; ``sha`` is that of the model's weights."""
        return Predictions(
            system, self.split, threshold, self.ids, self.articles, self.texts, self.gold, probabilities, logits, sha
        )


def part_of_records(split: str, records: Sequence[Record]) -> Part:
    """Annotated sentences as a part."""
    return Part(
        split,
        [record.id for record in records],
        [record.article for record in records],
        [record.text for record in records],
        np.array([to_vector(record.labels) for record in records]),
    )


def part_of_cases(cases: Sequence[Case]) -> Part:
    """Behavioural cases as a part: the pair stands for the article."""
    return Part(
        BEHAVIOUR,
        [case.id for case in cases],
        [case.pair for case in cases],
        [case.text for case in cases],
        np.array([to_vector(case.labels) for case in cases]),
    )


def _corpus_of(run: Run) -> Corpus:
    corpus = load_corpus(run.config.data)
    for name in ("data_fingerprint", "split_fingerprint"):
        if getattr(corpus, name) != run.data[name]:
            raise DataError(
                f"{run.folder}: the annotations changed since the run ({name} differs). "
                "Train again, or restore the annotations, so that test sentences stay unseen."
            )
    return corpus


def parts_of(corpus: Corpus, section: DataSection) -> list[Part]:
    """Everything that a run is scored on."""
    parts = [part_of_records(name, corpus.splits[name]) for name in SCORED if name in corpus.splits]
    cases = [case for path in section.behaviour for case in read_cases(resolve(path))]
    return [*parts, part_of_cases(cases)] if cases else parts


def _baselines(corpus: Corpus, parts: Sequence[Part], encoder: str) -> list[Predictions]:
    train, validation = (part_of_records(name, corpus.splits[name]) for name in ("train", "validation"))
    models: dict[str, Any] = {"static": static_embeddings(encoder), "tfidf": Tfidf()}
    fitted = {name: model.fit(train.cleaned, train.gold) for name, model in models.items() if model}
    thresholds = {
        name: best_shared_threshold(model.probabilities(validation.cleaned), validation.gold)[0]
        for name, model in fitted.items()
    }
    result = []
    for part in parts:
        texts = part.cleaned
        result += [
            part.predictions("majority", 0.5, majority_probabilities(train.gold, len(texts))),
            part.predictions("keywords", 0.5, keyword_probabilities(texts)),
        ]
        result += [
            part.predictions(name, thresholds[name], model.probabilities(texts)) for name, model in fitted.items()
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
    parts = parts_of(corpus, run.config.data)
    target = run.folder / "predictions"
    length = run.config.network.max_length
    with write_folder(target, KIND, replace=True, model_sha256=run.model_sha256) as work:
        log.info("Fitting the baselines")
        items = _baselines(corpus, parts, run.config.network.encoder)
        for part in parts:
            logits = classify(run.folder / "model", part.cleaned, length)
            items.append(part.predictions(ENCODER, run.thresholds, sigmoid(logits), logits, run.model_sha256))
        for item in items:
            write_predictions(work / f"{item.system}-{item.split}.parquet", item)
        shown = [item for item in items if item.system == ENCODER and item.split in EXPLAINED_SPLITS]
        log.info("Finding the words that moved the decisions")
        write_words(work, explain(shown, lambda texts: classify(run.folder / "model", texts, length)))
    return target


def score_file(folder: Path | str, data: Path, out: Path) -> Path:
    """Predictions of a run's model on another annotated JSONL file (never for choosing anything).

    Extra fields that are not part of a record, such as ``before``, are refused like everywhere else.
    """
    run = open_run(folder)
    records = read_records([data])
    if out.exists():
        raise UsageError(f"{out} exists already. Remove it, or choose another name.")
    scored = part_of_records(data.stem, records)
    logits = classify(run.folder / "model", scored.cleaned, run.config.network.max_length)
    part = out.with_name(f".{out.name}.part")
    item = scored.predictions(run.name, run.thresholds, sigmoid(logits), logits, run.model_sha256)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(part, item)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"Cannot write {out}: {error.strerror}.") from error
    return out
