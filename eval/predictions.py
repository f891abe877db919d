"""Predictions: the parquet file in which every system, ours or another, states what it says of a split.

Columns: ``id``, ``article``, ``text`` (string), ``gold`` (list of label keys), ``logits`` (list of float,
may be null for systems without), ``probabilities`` (list of float); one value a label, in the order of
``strijdtaal.labels.KEYS``. The schema's metadata holds a JSON object under ``strijdtaal`` with
``schema`` (1), ``system``, ``split``, ``labels``, ``codebook_version`` and ``threshold`` (a number, or a
list of one a label).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, to_vector
from strijdtaal.text import clean

METADATA = b"strijdtaal"
SCHEMA = 1
KIND = "predictions"
BEHAVIOUR = "behaviour"  # the split of the behavioural cases
MAX_NAME = 200  # characters of a system's or split's name
COLUMNS = ("id", "article", "text", "gold", "logits", "probabilities")


@dataclass(frozen=True)
class Predictions:
    """What one system says of one split.

    ``gold`` and ``probabilities`` have shape (sentences, labels); ``logits`` too, or is None. ``threshold``
    is one number for all labels, or one a label. ``model_sha256`` is that of the weights, '' if unknown.
    """

    system: str
    split: str
    threshold: float | tuple[float, ...]
    ids: list[str]
    articles: list[str]
    texts: list[str]
    gold: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    logits: NDArray[np.float64] | None = None
    model_sha256: str = ""

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """The threshold of each label: shape (labels,)."""
        return np.broadcast_to(np.asarray(self.threshold, dtype=np.float64), (len(KEYS),))

    @property
    def decided(self) -> NDArray[np.int64]:
        """Decisions at the thresholds: 0/1, shape (sentences, labels)."""
        return (self.probabilities >= self.thresholds).astype(np.int64)


def write_predictions(path: Path | str, item: Predictions) -> None:
    """Write a parquet file as described at the head of this module."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = {
        "schema": SCHEMA,
        "system": item.system,
        "split": item.split,
        "labels": list(KEYS),
        "codebook_version": CODEBOOK_VERSION,
        "threshold": item.threshold,
        "model_sha256": item.model_sha256,
    }
    gold = [[key for key, value in zip(KEYS, row, strict=True) if value] for row in item.gold]
    logits = [None] * len(item.ids) if item.logits is None else item.logits.tolist()
    numbers = pa.list_(pa.float64())
    schema = pa.schema(
        [(name, pa.string()) for name in COLUMNS[:3]]
        + [("gold", pa.list_(pa.string())), ("logits", numbers), ("probabilities", numbers)],
        metadata={METADATA: json.dumps(about)},
    )
    columns = [item.ids, item.articles, item.texts, gold, logits, item.probabilities.tolist()]
    table = pa.table(dict(zip(COLUMNS, columns, strict=True)), schema=schema)
    pq.write_table(table, path, compression="zstd")


def _matrix(path: Path, name: str, rows: list[Any]) -> NDArray[np.float64]:
    for number, row in enumerate(rows):
        numbers = isinstance(row, list) and all(value is None or isinstance(value, int | float) for value in row)
        if not numbers or len(row) != len(KEYS):
            raise DataError(f"{path}, row {number}: {name} must hold {len(KEYS)} numbers, found {row!r}.")
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(KEYS))
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise DataError(f"{path}, row {bad[0][0]}: {name} holds a value that is not finite. Score the system again.")
    return values


def _about(path: Path, schema: Any) -> dict[str, Any]:
    raw = (schema.metadata or {}).get(METADATA)
    if raw is None:
        raise DataError(
            f"{path} has no 'strijdtaal' metadata (system, split, labels, threshold); see eval/predictions.py."
        )
    try:
        about = json.loads(raw)
        known = {"system": str(about["system"]), "split": str(about["split"]), "threshold": about["threshold"]}
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: its 'strijdtaal' metadata is not a JSON object. Score the system again.") from error
    except KeyError as error:
        raise DataError(f"{path}: its metadata lacks {error}; see eval/predictions.py.") from error
    if about.get("schema") != SCHEMA:
        raise DataError(f"{path}: schema {about.get('schema')!r} in its metadata; this version reads {SCHEMA}.")
    if about.get("labels") != list(KEYS):
        raise DataError(f"{path}: labels are {about.get('labels')}, this version knows {list(KEYS)} in that order.")
    if about.get("codebook_version") != CODEBOOK_VERSION:
        raise DataError(
            f"{path}: codebook {about.get('codebook_version')}, this version has {CODEBOOK_VERSION}; "
            "scores of two codebooks are not comparable."
        )
    known["threshold"] = _threshold(path, known["threshold"])
    known["model_sha256"] = str(about.get("model_sha256", ""))
    for name in ("system", "split"):
        known[name] = clean(known[name])[:MAX_NAME]
        if not known[name]:
            raise DataError(f"{path}: '{name}' in its metadata is empty.")
    return known


def _threshold(path: Path, found: Any) -> float | tuple[float, ...]:
    values = found if isinstance(found, list) else [found]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not numbers or len(values) not in (1, len(KEYS)) or not all(0 <= value <= 1 for value in values):
        raise DataError(
            f"{path}: the threshold in its metadata is {found!r}, not a number from 0 to 1 (or {len(KEYS)} of them)."
        )
    return tuple(float(value) for value in values) if isinstance(found, list) else float(found)


def _gold(path: Path, rows: list[Any]) -> NDArray[np.float64]:
    vectors = []
    for number, labels in enumerate(rows):
        try:
            vectors.append(to_vector(labels))
        except (DataError, TypeError) as error:
            raise DataError(f"{path}, row {number}: gold is {labels!r}: {error}") from error
    return np.array(vectors)


def _columns(path: Path) -> tuple[dict[str, list[Any]], Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise DataError(f"Cannot read predictions {path}: no such file. Score the system again.")
    try:
        table = pq.ParquetFile(path).read()
        twice = sorted(name for name in set(table.column_names) if table.column_names.count(name) > 1)
        if twice:
            raise DataError(f"{path} holds the column {twice[0]!r} twice.")
        data = {name: table.column(name).to_pylist() for name in COLUMNS if name in table.column_names}
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"Cannot read predictions {path}: {error}. Score the system again.") from error
    missing = [name for name in COLUMNS if name not in data]
    if missing:
        raise DataError(f"{path} lacks columns: {', '.join(missing)}; see eval/predictions.py.")
    if not data["id"]:
        raise DataError(f"{path} holds no sentences.")
    for name in COLUMNS[:3]:
        for number, value in enumerate(data[name]):
            if not isinstance(value, str):
                raise DataError(f"{path}, row {number}: {name} is {value!r}, not text.")
    return data, table.schema


def read_predictions(path: Path | str) -> Predictions:
    """Read and check a predictions file.

    Raises:
        DataError: the file is missing or damaged, lacks a column, has no rows, duplicate ids, another
            label order or codebook, values that are not finite, or probabilities outside 0 to 1.
    """
    path = Path(path)
    data, schema = _columns(path)
    about = _about(path, schema)
    if len(set(data["id"])) != len(data["id"]):
        raise DataError(f"{path} holds an id twice. Give each sentence one row.")
    probabilities = _matrix(path, "probabilities", data["probabilities"])
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise DataError(f"{path}: probabilities must lie between 0 and 1.")
    without = all(row is None for row in data["logits"])
    return Predictions(
        system=about["system"],
        split=about["split"],
        threshold=about["threshold"],
        model_sha256=about["model_sha256"],
        ids=data["id"],
        articles=data["article"],
        texts=data["text"],
        gold=_gold(path, data["gold"]),
        probabilities=probabilities,
        logits=None if without else _matrix(path, "logits", data["logits"]),
    )
