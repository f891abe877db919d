"""Annotation records: one JSON object a line -> validated, typed sentences.

    {"id": "a0001-00", "article": "a0001", "index": 0, "text": "...", "labels": ["threat"],
     "annotations": {"a": ["threat"], "b": []}, "date": "2020-05-22", "region": "Libië", "style": "wire"}

``labels`` must be there (``[]`` is none; a missing key is not). Faults are gathered and named with
file and line; a file with any fault gives no records at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from strijdtaal.errors import DataError, nearest
from strijdtaal.labels import KEYS
from strijdtaal.text import clean
from training.strict_json import parse

MAX_LINE_BYTES = 1_000_000
MAX_TEXT = 5_000  # characters of one sentence
SHOWN_FAULTS = 20

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S.*$")]


class Record(BaseModel):
    """One annotated sentence. ``text`` is kept as given; models read ``clean(text)``.

    ``labels`` are the decided ones. ``start`` and ``end`` are its place in the article, in code points,
    where that is known; ``soft`` the share of the annotators behind each label, to train on instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Name
    article: Name
    index: int = Field(ge=0)
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    labels: tuple[str, ...]
    annotations: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    reason: str = ""
    date: str | None = None
    region: str | None = None
    style: str | None = None
    start: int | None = Field(default=None, ge=0)
    end: int | None = Field(default=None, ge=1)
    soft: dict[str, float] | None = None

    @field_validator("text")
    @classmethod
    def _has_words(cls, value: str) -> str:
        if not clean(value):
            raise ValueError("text is empty after clean-up")
        return value

    @field_validator("labels", mode="before")
    @classmethod
    def _known_labels(cls, value: Any) -> Any:
        return _label_tuple(value)

    @field_validator("annotations", mode="before")
    @classmethod
    def _known_annotations(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError('must be an object such as {"a": ["threat"]}')
        return {name: _label_tuple(labels) for name, labels in value.items()}

    @field_validator("soft")
    @classmethod
    def _shares(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value is None:
            return None
        if set(value) != set(KEYS):
            raise ValueError(f"must give a share for each of {', '.join(KEYS)}, and nothing else")
        if wrong := [key for key, share in value.items() if not 0 <= share <= 1]:
            raise ValueError(f"the share of {wrong[0]!r} must be between 0 and 1, found {value[wrong[0]]}")
        return {key: float(value[key]) for key in KEYS}

    @field_validator("date")
    @classmethod
    def _real_date(cls, value: str | None) -> str | None:
        try:
            known = value is None or date.fromisoformat(value).isoformat() == value
        except ValueError:
            known = False
        if not known:
            raise ValueError(f"must be written as year-month-day, for example 2020-05-22, found {value!r:.40}")
        return value


def _label_tuple(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list of labels, found {type(value).__name__}")
    for label in value:
        if label not in KEYS:
            hint = nearest(str(label), list(KEYS))
            raise ValueError(f"unknown label {label!r}.{hint} Known: {', '.join(KEYS)}")
    if len(set(value)) != len(value):
        raise ValueError(f"a label stands twice in {list(value)}")
    return tuple(key for key in KEYS if key in value)


def _parse_line(raw: bytes) -> Record:
    """One line -> record; raises ValueError with a reason for people."""
    if len(raw) > MAX_LINE_BYTES:
        raise ValueError(f"{len(raw):,} bytes in one line; at most {MAX_LINE_BYTES:,}")
    try:
        line = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"not UTF-8 (byte {raw[error.start]:#04x} at place {error.start} of the line); save the file as UTF-8"
        ) from error
    value = parse(line)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    try:
        return Record.model_validate(value)
    except ValidationError as error:
        raise ValueError("; ".join(explain(fault) for fault in error.errors())) from error


def explain(fault: Any) -> str:
    """One fault of pydantic in words for people."""
    key = ".".join(str(part) for part in fault["loc"]) or "record"
    if fault["type"] == "missing":
        hint = ' (write "labels": [] for a sentence without labels)' if key == "labels" else ""
        return f"field '{key}' is missing{hint}"
    if fault["type"] == "extra_forbidden":
        return f"unknown field '{key}'.{nearest(key, list(Record.model_fields))}"
    return f"field '{key}': {fault['msg'].removeprefix('Value error, ')}"


def read_records(paths: Iterable[Path]) -> list[Record]:
    """Read annotation files, in the order given.

    Raises:
        DataError: a file is missing or empty, or any line has a fault (unknown label, duplicate id,
            missing field, not UTF-8 ...); the message names file, line and remedy for up to 20 faults.
    """
    records: list[Record] = []
    faults: list[str] = []
    seen: dict[str, str] = {}
    for path in paths:
        before = len(records) + len(faults)
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error
        for number, raw in enumerate(lines, 1):
            if not raw.strip():
                continue
            where = f"{path}, line {number}"
            try:
                record = _parse_line(raw)
            except ValueError as error:
                faults.append(f"{where}: {error}")
                continue
            if record.id in seen:
                faults.append(f"{where}: id '{record.id}' was used before, at {seen[record.id]}; give each its own")
                continue
            seen[record.id] = where
            records.append(record)
        if len(records) + len(faults) == before:
            raise DataError(f"{path} is empty: no usable rows. Give a file with one JSON record a line.")
    if faults:
        shown = "\n  ".join(faults[:SHOWN_FAULTS])
        more = f"\n  and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        raise DataError(f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in the annotations:\n  {shown}{more}")
    return records


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Expand folders to their ``*.jsonl`` files, sorted by name.

    Raises:
        DataError: a path does not exist, or a folder holds no such file.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.jsonl"))
            if not inside:
                raise DataError(f"{path} holds no .jsonl file. Put annotation files there.")
            found.extend(inside)
        elif path.is_file():
            found.append(path)
        else:
            raise DataError(f"{path} does not exist. Check the path (in a config: data.files).")
    return found


def fingerprint(records: Iterable[Record]) -> str:
    """sha256 over ids, articles, clean texts and labels: what training depends on, whatever the order."""
    rows = ([r.id, r.article, clean(r.text), r.labels, *([r.soft] if r.soft else [])] for r in records)
    lines = sorted(json.dumps(row, ensure_ascii=False) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
