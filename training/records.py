"""Annotation records: one JSON object a line -> validated, typed sentences.

    {"id": "a0001-00", "article": "a0001", "index": 0, "text": "...", "labels": ["threat"],
     "annotations": {"a": ["threat"], "b": []}, "date": "2020-05-22", "region": "Libië", "style": "wire"}

``labels`` must be there (``[]`` is none; a missing key is not). Faults are gathered and named with
file and line; a file with any fault gives no records at all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from strijdtaal.errors import DataError, nearest
from strijdtaal.labels import KEYS
from strijdtaal.text import clean

MAX_LINE_BYTES = 1_000_000
MAX_TEXT = 5_000  # characters of one sentence
MAX_DEPTH = 20  # nested brackets in one line
SHOWN_FAULTS = 20

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')  # brackets inside strings do not nest

_SURROGATE = re.compile("[\ud800-\udfff]")

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S.*$")]


class Record(BaseModel):
    """One annotated sentence. ``text`` is kept as given; models read ``clean(text)``."""

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

    @field_validator("date")
    @classmethod
    def _real_date(cls, value: str | None) -> str | None:
        if value is not None and date.fromisoformat(value).isoformat() != value:
            raise ValueError("must be written as year-month-day, for example 2020-05-22")
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


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key '{twice}' stands twice")
    return result


def _no_constant(value: str) -> Any:
    raise ValueError(f"{value} is not a JSON number")


def _depth(line: str) -> int:
    depth = deepest = 0
    for character in _STRING.sub("", line):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


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
    if line.count("[") + line.count("{") > MAX_DEPTH and _depth(line) > MAX_DEPTH:
        raise ValueError(f"brackets nested deeper than {MAX_DEPTH}")
    try:
        value = json.loads(line, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} at place {error.pos}; is the line cut off?") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    for key, inside in value.items():
        if _SURROGATE.search(json.dumps([key, inside], ensure_ascii=False)):
            raise ValueError(f"field {key!r} holds half of a surrogate pair, which is no character; repair it")
    try:
        return Record.model_validate(value)
    except ValidationError as error:
        raise ValueError("; ".join(_explain(fault) for fault in error.errors())) from error


def _explain(fault: Any) -> str:
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
            raise DataError(f"{path} does not exist. Check data.files in the config.")
    return found


def fingerprint(records: Iterable[Record]) -> str:
    """sha256 over ids, articles, clean texts and labels: what training depends on, whatever the order."""
    lines = sorted(json.dumps([r.id, r.article, clean(r.text), r.labels], ensure_ascii=False) for r in records)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
