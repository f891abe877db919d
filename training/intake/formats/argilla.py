"""Argilla 2.x: the list of ``dataset.records.to_list(flatten=True)``, saved as JSON or JSONL.

    {"id": "a1-00", "text": "...", "article": "a1", "labels.responses": [["threat"], ["none"]],
     "labels.responses.users": ["8f1c...", "77ab..."], "labels.responses.status": ["submitted", "discarded"],
     "labels.suggestion": ["threat"], "labels.suggestion.score": [0.9], ...}

Only submitted responses count; suggestions never do. The export that is not flattened (also that of
``records.to_json``) leaves the status out, so that discarded and draft responses look valid: it is refused.
Argilla's server takes no empty list for an answer: "none of the labels" must be an option of its own, renamed
to nothing with ``--map "none="``. A user whose responses lack the question has not answered it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.fields import json_objects, meta_of, scalar, text_field, text_of
from training.intake.json_rows import first_object
from training.intake.questions import label_questions
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source

NAME = "argilla"
TITLE = "Argilla records"

PARQUET, FOOTER = b"PAR1", 1_000_000  # the names of columns stand at the end
RESPONSES, USERS, STATUS = ".responses", ".responses.users", ".responses.status"
KINDS = (RESPONSES, USERS, STATUS, ".suggestion", ".suggestion.score", ".suggestion.agent")
PASSED = {"discarded": "discarded answers", "draft": "drafts"}
PREFIXES = ("metadata.", "fields.")
SAVE = 'json.dump(dataset.records.to_list(flatten=True), open("records.json", "w"))'
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class _Response:
    """One submitted answer to one question."""

    user: str
    question: str
    value: object

    @property
    def names(self) -> list[object]:
        return self.value if isinstance(self.value, list) else [self.value]


def _nested(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("fields"), dict) and isinstance(row.get("responses"), dict)


def recognises(source: Source) -> bool:
    """Flattened or nested records, and Parquet with columns of responses (to say what to do with it)."""
    if source.data.startswith(PARQUET):
        return STATUS.encode() in source.data[-FOOTER:]
    row = first_object(source) or {}
    flat = any(key.endswith((RESPONSES, STATUS)) for key in row) or {"_server_id", "status", "text"} <= row.keys()
    return flat or (_nested(row) and "suggestions" in row)


def _parallel(row: Mapping[str, Any], question: str) -> Iterator[tuple[object, object, object]]:
    """Value, user and status of each response.

    Raises:
        ValueError: a list is missing, or of another length: then nothing says which answers were discarded.
    """
    lists = [row.get(question + kind) for kind in (RESPONSES, USERS, STATUS)]
    if all(one is None for one in lists):
        return
    if not all(isinstance(one, list) and len(one) == len(lists[0] or []) for one in lists):
        raise ValueError(
            f"'{question}{RESPONSES}', '{question}{USERS}' and '{question}{STATUS}' must be lists of one length. "
            f"Save with {SAVE}"
        )
    yield from zip(*lists, strict=True)


def _responses(row: Mapping[str, Any], questions: list[str], intake: Intake) -> list[_Response]:
    """The submitted answers of a record.

    Raises:
        ValueError: a status or user that cannot be, or a user who answers a question twice.
    """
    found: dict[tuple[str, str], _Response] = {}
    for question in questions:
        for value, who, status in _parallel(row, question):
            user = (scalar(who) or "").strip()
            if not user:
                raise ValueError(f"a response to {question!r} without a user, found {who!r:.40}")
            if isinstance(status, str) and status in PASSED:
                intake.count(PASSED[status])
                continue
            if status != "submitted":
                raise ValueError(
                    f"a response to {question!r} has the status {status!r:.40}, which does not say whether it counts "
                    "(known: submitted, discarded, draft)"
                )
            if (user, question) in found:
                raise ValueError(f"user {user!r} answers {question!r} twice")
            found[user, question] = _Response(user, question, value)
    return list(found.values())


def _check_kinds(answers: list[tuple[str, list[_Response]]], ours: frozenset[str], intake: Intake) -> None:
    """A question with one label for an answer has strings, one with several has lists; not both."""
    first: dict[str, tuple[type, str]] = {}
    for where, responses in answers:
        for one in responses:
            kind = type(one.value)
            if one.question not in ours:
                intake.count(f"answers to another question ({one.question})")
            elif kind not in (str, list):
                intake.fault(where, f"an answer to {one.question!r} must be a label or a list, found {one.value!r:.60}")
            elif first.setdefault(one.question, (kind, where))[0] is not kind:
                before, place = first[one.question]
                intake.fault(
                    where, f"an answer to {one.question!r} is a {kind.__name__}, at {place} a {before.__name__}"
                )
            elif kind is str:
                intake.count("answers that could hold one label only (a label question, not multi-label)")


def _annotations(responses: list[_Response], ours: frozenset[str], intake: Intake) -> dict[str, tuple[str, ...]]:
    """User -> labels. Raises ValueError: a label is unknown."""
    given: dict[str, set[str]] = defaultdict(set)
    for one in responses:
        if one.question in ours:
            given[one.user].update(intake.labels(one.names))
    unanswered = {one.user for one in responses} - given.keys()
    if unanswered:
        intake.count("submitted records without an answer to the question about labels", len(unanswered))
    return {user: tuple(key for key in KEYS if key in labels) for user, labels in sorted(given.items())}


def _questions(rows: list[tuple[str, dict[str, Any]]]) -> list[str]:
    names = dict.fromkeys(key for _, row in rows for key in row if key.endswith(RESPONSES))
    return [name.removesuffix(RESPONSES) for name in names]


def _plain(row: Mapping[str, Any], questions: list[str]) -> dict[str, Any]:
    """The fields and metadata of a record, without answers and without Argilla's own keys."""
    answers = {question + kind for question in questions for kind in KINDS} | {"status", "_server_id"}
    plain = {name: value for name, value in row.items() if name not in answers and ".suggestion" not in name}
    for prefix in PREFIXES:
        plain = {name.removeprefix(prefix): value for name, value in plain.items()}
    if _UUID.fullmatch(str(plain.get("id"))):  # made up by Argilla
        del plain["id"]
    return plain


def _check_shape(source: Source, rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Raises DataError: an export of another kind, with the remedy."""
    if any(_nested(row) for _, row in rows):
        raise DataError(
            f"{source.name} is an Argilla export that is not flattened: it does not say which answers were discarded. "
            f"Save with {SAVE}"
        )
    if any(isinstance(row.get("id"), list) for _, row in rows):
        raise DataError(f"{source.name} has columns instead of records (to_dict). Save with {SAVE}")


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """One sentence a record.

    Raises:
        DataError: Parquet, a nested or column-wise export; no field or several fields that can be the text; no
            question about labels.
    """
    if source.data.startswith(PARQUET):
        raise DataError(f"{source.name} is Parquet, which holds labels as numbers. Save as JSON: {SAVE}")
    rows = list(json_objects(source, intake, "record"))
    _check_shape(source, rows)
    questions = _questions(rows)
    answers: list[tuple[str, list[_Response]]] = []
    kept: list[dict[str, Any]] = []
    for where, row in rows:
        try:
            answers.append((where, _responses(row, questions, intake)))
        except ValueError as error:
            intake.fault(where, error)
            continue
        kept.append(row)
    choices: dict[str, set[object]] = defaultdict(set)
    for _, responses in answers:
        for one in responses:
            choices[one.question].update(name for name in one.names if isinstance(name, str))
    ours = label_questions(choices, source.name, intake)
    _check_kinds(answers, ours, intake)
    plain = [_plain(row, questions) for row in kept]
    field = text_field(plain, source.name) if plain else ""
    for (where, responses), row, record in zip(answers, kept, plain, strict=True):
        identity = scalar(row.get("_server_id")) or scalar(row.get("id"))
        try:
            annotations, text = _annotations(responses, ours, intake), text_of(record, field)
        except ValueError as error:
            intake.fault(where, error)
            continue
        key = None if identity is None else f"argilla:{identity}"
        yield Sentence(where, text, annotations, key=key, meta=meta_of(record, {field}))
