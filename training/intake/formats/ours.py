"""Our own JSONL, as in ``seeds/annotations/`` and as ``import`` writes it (see ``training/records.py``).

    {"id": "a0001-00", "article": "a0001", "index": 0, "text": "...", "labels": ["threat"],
     "annotations": {"a": ["threat"], "b": []}, "date": "2020-05-22", "start": 0, "end": 31}

``labels`` are the decided ones. A line with ``annotations`` alone is a sentence to adjudicate, one with neither
is unlabelled. ``null`` is the same as a field that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from training.intake.fields import scalar
from training.intake.json_rows import first_object, json_lines
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source

NAME = "jsonl"
TITLE = "strijdtaal JSONL"

_OURS = frozenset({"text", "labels", "annotations", "start", "end", "soft"})
# What the first line of other tools' JSONL holds, and ours never.
_THEIRS = frozenset(
    {"data", "annotation_id", "completed_by"}  # Label Studio
    | {"label", "Comments", "annotation_approver"}  # doccano
    | {"_input_hash", "_task_hash", "answer", "accept", "options", "spans"}  # Prodigy
    | {"fields", "responses", "suggestions", "_server_id"}  # Argilla
)


def recognises(source: Source) -> bool:
    """JSONL whose first line has a text and, if any, labels in a list and annotations by annotator."""
    if not source.head.lstrip().startswith("{"):
        return False
    row = first_object(source)
    return (
        row is not None
        and isinstance(row.get("text"), str)
        and isinstance(row.get("labels"), list | None)
        and isinstance(row.get("annotations"), dict | None)
        and not any(key in _THEIRS or "." in key for key in row)
    )


def _labels(value: Any, field: str, intake: Intake, listed: str = "") -> tuple[str, ...]:
    if not isinstance(value, list):
        other = f"; at {listed} it is one" if listed else ""
        raise ValueError(f"field '{field}' must be a list of labels, found {type(value).__name__}{other}")
    if not value:
        return ()
    try:
        return intake.labels(value)
    except ValueError as error:
        raise ValueError(f"field '{field}': {error}") from error


def _annotations(value: Any, intake: Intake) -> dict[str, tuple[str, ...]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f'field \'annotations\' must be an object such as {{"a": ["threat"]}}, found {value!r:.40}')
    found = {}
    for name, labels in value.items():
        if not name.strip():
            raise ValueError("field 'annotations': an annotator has no name")
        if labels is None:
            intake.count("annotators without an answer to a sentence")
            continue
        found[name] = _labels(labels, f"annotations.{name}", intake)
    return found


def _span(row: Mapping[str, Any]) -> tuple[int, int] | None:
    start, end = row.get("start"), row.get("end")
    if start is None and end is None:
        return None
    if type(start) is not int or type(end) is not int or not 0 <= start < end:  # True is an int, too
        raise ValueError(f"'start' and 'end' must be two whole numbers, the second larger, found {start!r} and {end!r}")
    return start, end


def _soft(row: Mapping[str, Any]) -> dict[str, float] | None:
    soft = row.get("soft")
    if soft is None:
        return None
    if not isinstance(soft, dict) or not all(type(share) in (int, float) for share in soft.values()):
        raise ValueError(f"field 'soft' must be an object such as {{\"threat\": 0.5, ...}}, found {soft!r:.40}")
    return {label: float(share) for label, share in soft.items()}


def _meta(row: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: value if type(value) is str else scalar(value) for name, value in row.items() if name not in _OURS}
    return {name: text for name, text in texts.items() if text is not None}


def _sentence(where: str, row: Mapping[str, Any], intake: Intake, listed: str) -> Sentence:
    """One line; ``listed`` is the place of an earlier line with a list of labels."""
    text = row.get("text")
    if not isinstance(text, str):
        found = f"must be text, found {text!r:.40}"
        raise ValueError(f"field 'text' {'is missing' if text is None else found}")
    labels = row.get("labels")
    return Sentence(
        where=where,
        text=text,
        annotations=_annotations(row.get("annotations"), intake),
        gold=None if labels is None else _labels(labels, "labels", intake, listed),
        span=_span(row),
        meta=_meta(row),
        soft=_soft(row),
    )


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """One sentence a line; a line with a fault is told to ``intake`` and passed over.

    Raises:
        DataError: not in the expected encoding.
    """
    listed = ""
    for where, row in json_lines(source, intake):
        listed = listed or (where if isinstance(row.get("labels"), list) else "")
        try:
            sentence = _sentence(where, row, intake, listed)
        except ValueError as error:
            intake.fault(where, error)
            continue
        yield sentence
