"""doccano: JSONL (or JSON) of a text classification project, one file a member, or all.jsonl of a shared project.

    {"id": 7, "text": "...", "label": ["threat"], "Comments": [], "article": "a1"}

The annotator is the name of the file. The trap is ``[]``. doccano writes it for a sentence that has none of the
labels, and also for one that the member has never opened: without "export only approved documents" every
member's file holds every example. So ``[]`` is an answer only if one of these shows that it is:

1. in the zip that doccano made, the members have different examples, some of them shared, or a member has
   none: then only approved ones were exported, because otherwise all files hold all examples (doccano 1.8.4,
   data_export/celery_tasks.py). The project's owner, who is always a member, mostly has the empty file;
2. the row says who approved it (``annotation_approver``, before 1.0);
3. the user says so with ``--map "[]="``; but even then a file without a single label is no answer at all: it
   is that of a member who did not annotate.

Else a file that has both labels and ``[]`` is refused: reading ``[]`` as "none of the labels" would teach
the model from sentences that nobody has read, and leaving it out would take all examples without labels away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from training.intake.fields import json_objects, meta_of, scalar, text_field, text_of
from training.intake.json_rows import first_object
from training.intake.sentence import NO_LABEL, Intake, Sentence
from training.intake.source import Source

NAME = "doccano"
TITLE = "doccano JSONL"

EMPTY = "[]"  # --map "[]=" says that it is an answer
NOTHING = (b"", b"[]")  # the file of a member without examples
APPROVER = "annotation_approver"
LABELS = ("label", "labels")
OTHER_KEYS = frozenset((*LABELS, APPROVER, "Comments", "meta"))
_ID = re.compile(rb'^\{"id":\s*("(?:[^"\\]|\\.)*"|-?\d+)\s*,', re.MULTILINE)


@dataclass(frozen=True)
class _Row:
    where: str
    row: dict[str, Any]
    labels: list[Any]

    @property
    def approved(self) -> bool:
        return bool(self.row.get(APPROVER))


def _is_example(row: Mapping[str, Any] | None) -> bool:
    if row is None or "_input_hash" in row or "annotations" in row or not {"text", "data"} & row.keys():
        return False
    if isinstance(row.get("label"), list) and "id" in row:
        return True
    return isinstance(row.get("labels"), list) and ("Comments" in row or APPROVER in row)


def _archive(source: Source) -> str:
    """The beginning of the names of all files in the same archive; nothing outside an archive."""
    before = source.name.removesuffix(str(source.path))
    return before if before.endswith("!") else ""


def _members(source: Source) -> list[Source]:
    """The files of the zip archive that the source is in, itself included; none outside an archive."""
    archive = _archive(source)
    return [one for one in source.beside.values() if archive and _archive(one) == archive]


def recognises(source: Source) -> bool:
    """An example with a list of labels; or an empty file beside such files in one archive."""
    if source.suffix in (".json", ".jsonl") and source.data.strip() in NOTHING:
        return any(_is_example(first_object(one)) for one in _members(source))
    return _is_example(first_object(source))


def _ids(member: Source) -> frozenset[bytes] | None:
    """The ids of a member's examples, without parsing all of them; None if the lines are not doccano's."""
    found = _ID.findall(member.data)
    lines = sum(1 for line in member.data.split(b"\n") if line.strip())
    return frozenset(found) if lines == len(found) else None


def _only_approved(source: Source) -> bool:
    """Whether the archive proves that only approved examples were exported.

    Files without any example in common prove nothing: they may come from two projects, packed together by hand.
    """
    members = _members(source)
    if any(len(one.path.parts) > 1 for one in members):
        return False  # doccano packs no folders
    examples = [_ids(one) for one in members if one.suffix == ".jsonl"]
    known = {one for one in examples if one is not None}
    if len(known) < 2 or None in examples:
        return False
    return frozenset() in known or any(one & other for one, other in combinations(known, 2))


def _rows(source: Source, intake: Intake) -> list[_Row]:
    """Rows with a list of labels; the others are faults that name a row of the right kind."""
    rows: list[_Row] = []
    for where, row in json_objects(source, intake, "example"):
        key = next((name for name in LABELS if name in row), None)
        if key is None:
            intake.fault(where, "field 'label' is missing (an example without labels has [])")
            continue
        labels = row[key]
        if not isinstance(labels, list):
            other = f"; at {rows[0].where} it is a list" if rows else ""
            intake.fault(where, f"field {key!r} must be a list, found {type(labels).__name__} {labels!r:.40}{other}")
        elif any(isinstance(label, list | dict) for label in labels):
            intake.fault(
                where, "the labels stand on spans (a sequence labelling project); only text classification is read"
            )
        else:
            rows.append(_Row(where, row, labels))
    return rows


def _empty_is_answer(rows: list[_Row], source: Source, intake: Intake) -> bool:
    """What ``[]`` means in this file: see the rules above. Not known is a fault."""
    empty = [one for one in rows if not one.labels and not one.approved]
    if not empty or _only_approved(source):
        return True
    if len(empty) == len(rows):
        intake.count("members without a single label, who count as not having annotated")
        return False
    if intake.label_map.get(EMPTY) != NO_LABEL:
        intake.fault(
            source.name,
            f"{len(empty):,} of {len(rows):,} examples have no label (the first: {empty[0].where}). doccano writes [] "
            "for 'none of the labels' and for 'never opened' alike. Export with 'only approved documents' and "
            f'give the zip as doccano made it; or, if every example was looked at, say --map "{EMPTY}="; or '
            "take out the lines that were not looked at, and say the same.",
        )
    return True


def _meta(one: _Row, field: str) -> dict[str, str]:
    inner = one.row.get("meta")
    own_number = {"id"} if type(one.row.get("id")) is int else set()  # doccano's, no id of ours
    return meta_of(inner if isinstance(inner, dict) else {}) | meta_of(one.row, OTHER_KEYS | {field} | own_number)


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """One sentence an example; the same example in several members' files has the same ``key``.

    Raises:
        DataError: a JSON list that cannot be parsed; no field with text.
    """
    rows = _rows(source, intake)
    if not rows:
        if source.data.strip() in NOTHING:
            intake.count("members without approved examples")
        return
    field = text_field([one.row for one in rows], source.name, OTHER_KEYS, ("text", "data"))
    empty = _empty_is_answer(rows, source, intake)
    for one in rows:
        answered = bool(one.labels) or empty or one.approved
        if not answered:
            intake.count("empty answers that may not have been looked at")
        try:
            text, labels = text_of(one.row, field), intake.labels(one.labels)
        except ValueError as error:
            intake.fault(one.where, error)
            continue
        identity = scalar(one.row.get("id"))
        yield Sentence(
            where=one.where,
            text=text,
            annotations={source.stem: labels} if answered else {},
            key=None if identity is None else f"doccano:{identity}",
            meta=_meta(one, field),
        )
