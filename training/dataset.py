"""Records -> label vectors -> ``datasets.DatasetDict`` with explicit features, and what identifies it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strijdtaal.errors import DataError
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, to_vector
from strijdtaal.text import clean
from training.config import ROOT
from training.records import Record, find_files, fingerprint, read_records
from training.settings import DataSection
from training.splits import leaks, split_by_date, split_records

logger = logging.getLogger(__name__)

TRAIN = "train"
HELD_OUT = "held_out"


@dataclass(frozen=True)
class Corpus:
    """Records by split (train, validation, test and, if given, held_out), and their fingerprints.

    ``left_out`` are the ids of sentences after the date of a split in time that earlier ones give away.
    """

    splits: dict[str, list[Record]]
    data_fingerprint: str
    split_fingerprint: str
    left_out: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """What a run stores of its data: fingerprints, counts, and the ids of each split."""
        return {
            "codebook_version": CODEBOOK_VERSION,
            "labels": list(KEYS),
            "data_fingerprint": self.data_fingerprint,
            "split_fingerprint": self.split_fingerprint,
            "counts": {name: _count(records) for name, records in self.splits.items()},
            "ids": {name: [record.id for record in records] for name, records in self.splits.items()},
            **({"left_out": self.left_out} if self.left_out else {}),
        }


def _count(records: Sequence[Record]) -> dict[str, int]:
    counts = {key: sum(key in record.labels for record in records) for key in KEYS}
    none = sum(not record.labels for record in records)
    articles = len({record.article for record in records})
    return {"sentences": len(records), "articles": articles, **counts, "none": none}


def _split_fingerprint(splits: Mapping[str, Sequence[Record]]) -> str:
    listing = {name: sorted(record.id for record in records) for name, records in splits.items()}
    return hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest()


def resolve(path: Path) -> Path:
    """A path from a config: as given if absolute or present here, else below the project's root."""
    return path if path.is_absolute() or path.exists() else ROOT / path


def load_corpus(section: DataSection) -> Corpus:
    """Read, validate and split the annotations that a config names.

    Raises:
        DataError: any fault in the files, too little data, or held-out sentences that are also in the
            data to train on.
    """
    records = read_records(find_files([resolve(path) for path in section.files]))
    held_out = read_records([resolve(path) for path in section.held_out])
    found = leaks(held_out, records)
    if found:
        pairs = "; ".join(f"{one} ~ {other}" for one, other in found[:5])
        raise DataError(f"{len(found)} held-out sentences are also in data.files: {pairs}. Remove them from one side.")
    splits, left_out = _split(records, section)
    if held_out:
        splits[HELD_OUT] = held_out
    left_ids = [record.id for record in left_out]
    return Corpus(splits, fingerprint([*records, *held_out]), _split_fingerprint(splits), left_ids)


def _split(records: Sequence[Record], section: DataSection) -> tuple[dict[str, list[Record]], list[Record]]:
    """The splits that a config asks for, and what is in none of them."""
    if section.train_before:
        splits, left_out = split_by_date(records, section.train_before, section.validation, section.seed)
        if left_out:
            articles = len({record.article for record in left_out})
            logger.info(
                "%d sentences dated from %s on are left out of test (articles: %d): their article, or one that shares "
                "a sentence with it, began before.", len(left_out), section.train_before, articles,
            )  # fmt: skip
        return splits, left_out
    shares = {
        TRAIN: 1 - section.validation - section.test,
        "validation": section.validation,
        "test": section.test,
    }
    return split_records(records, shares, section.seed), []


def to_dataset_dict(corpus: Corpus) -> Any:
    """The corpus as a ``datasets.DatasetDict``.

    Features: ``id``, ``article``, ``text`` (cleaned) as strings and ``labels`` as a fixed-length list
    of float32 in the order of ``strijdtaal.labels.KEYS``. The training split has the soft labels of the
    records that carry them; all other splits have the decided ones.
    """
    from datasets import Dataset, DatasetDict, Features, List, Value

    features = Features(
        {
            "id": Value("string"),
            "article": Value("string"),
            "text": Value("string"),
            "labels": List(Value("float32"), length=len(KEYS)),
        }
    )

    def rows(name: str, records: Sequence[Record]) -> list[dict[str, Any]]:
        return [
            {"id": r.id, "article": r.article, "text": clean(r.text), "labels": _target(r, name == TRAIN)}
            for r in records
        ]

    return DatasetDict(
        {name: Dataset.from_list(rows(name, part), features=features) for name, part in corpus.splits.items()}
    )


def _target(record: Record, soft: bool) -> list[float]:
    if soft and record.soft is not None:
        return [record.soft[key] for key in KEYS]
    return to_vector(record.labels)
