"""Label Studio's JSON export -> tasks with answers, before anything is decided about labels.

A list of tasks, each with ``data`` and ``annotations`` (before 1.0: ``completions``). The shape is told at
labelstud.io/guide/task_format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from training.intake.fields import scalar
from training.intake.sentence import Intake

READ = ("choices", "labels")  # kinds of results that can hold labels


@dataclass(frozen=True)
class Result:
    """What was answered to one question, for the whole text or (with ``place``) for a part of it."""

    question: str
    names: tuple[object, ...]
    place: tuple[int, int] | None = None
    quote: str | None = None


@dataclass(frozen=True)
class Answer:
    """One annotation that counts. ``annotator`` is None if the file does not say whose it is.

    ``others`` are the kinds of its results that cannot hold labels (ratings, free text ...).
    """

    annotator: str | None
    results: tuple[Result, ...]
    when: datetime | None = None
    gold: bool = False
    others: tuple[str, ...] = ()


@dataclass
class Task:
    """One task with its answers that count; ``key`` is its id, ``data`` the fields that were to be annotated."""

    where: str
    key: str | None
    data: Mapping[str, Any]
    answers: list[Answer] = field(default_factory=list)


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Person(_Loose):
    id: int | str | None = None
    email: str | None = None


class _Result(_Loose):
    type: str
    from_name: str | None = None
    value: dict[str, Any] | None = None


class _Annotation(_Loose):
    result: list[_Result]
    completed_by: int | str | _Person | None = None
    was_cancelled: bool | None = None
    skipped: bool | None = None
    ground_truth: bool | None = None
    created_at: int | float | str | None = None
    updated_at: int | float | str | None = None


class _Task(_Loose):
    data: dict[str, Any]
    id: int | str | None = None
    annotations: list[_Annotation] | None = None
    completions: list[_Annotation] | None = None
    drafts: list[Any] | None = None
    predictions: list[Any] | None = None


def moment(*values: object) -> datetime | None:
    """The first of the values that is a time: ISO text, or seconds since 1970 (before 1.0)."""
    for value in values:
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, UTC)
            if isinstance(value, str):
                found = datetime.fromisoformat(value)
                return found if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError, OSError):
            continue
    return None


def person(value: int | str | _Person | None) -> str | None:
    """An annotator's e-mail address, else number; None if the export does not say."""
    if isinstance(value, _Person):
        return (value.email or "").strip() or scalar(value.id)
    return (scalar(value) or "").strip() or None


def result_of(question: str, kind: str, value: Mapping[str, Any]) -> Result:
    """The ``value`` of a result of this kind.

    Raises:
        ValueError: the names are no list, or the span is not in plain text.
    """
    names = value.get(kind)
    if not isinstance(names, list):
        raise ValueError(f"question {question!r}: {kind!r} must be a list, found {type(names).__name__}")
    if "start" not in value:
        return Result(question, tuple(names))
    start, end, quote = value["start"], value.get("end"), value.get("text")
    if type(start) is not int or type(end) is not int:
        raise ValueError(
            f"question {question!r}: the span from {start!r:.40} has no place in plain text "
            "(HTML or dialogue). Annotate with a Text tag"
        )
    return Result(question, tuple(names), (start, end), quote if isinstance(quote, str) else None)


def _answer(annotation: _Annotation, intake: Intake) -> Answer:
    read = [one for one in annotation.result if one.type in READ and one.from_name is not None]
    others = tuple(one.type for one in annotation.result if one not in read)
    for kind in others:
        intake.count(f"results of another kind ({kind})")
    return Answer(
        annotator=person(annotation.completed_by),
        results=tuple(result_of(one.from_name or "", one.type, one.value or {}) for one in read),
        when=moment(annotation.updated_at, annotation.created_at),
        gold=bool(annotation.ground_truth),
        others=others,
    )


def _explain(error: ValidationError) -> str:
    faults = error.errors()
    place = ".".join(map(str, faults[0]["loc"])) or "task"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"field '{place}': {faults[0]['msg']}, found {faults[0]['input']!r:.60}{more}"


def _task(value: object, name: str, number: int, intake: Intake) -> Task | None:
    where = f"{name}, task {number} of the list"
    try:
        raw = _Task.model_validate(value)
        if raw.id is not None:
            where = f"{name}, task {raw.id}"
        answers = []
        for annotation in [*(raw.annotations or []), *(raw.completions or [])]:
            if annotation.was_cancelled or annotation.skipped:
                intake.count("cancelled answers")
            else:
                answers.append(_answer(annotation, intake))
    except ValidationError as error:
        intake.fault(where, _explain(error))
        return None
    except ValueError as error:
        intake.fault(where, error)
        return None
    for what, passed in (("predictions of models", raw.predictions), ("drafts", raw.drafts)):
        if passed:
            intake.count(what, len(passed))
    key = None if raw.id is None else f"labelstudio:{raw.id}"
    return Task(where, key, raw.data, answers)


def full_tasks(values: list[Any], name: str, intake: Intake) -> list[Task]:
    """The tasks of a JSON export; cancelled answers, drafts and predictions are counted and left out."""
    found = (_task(value, name, number, intake) for number, value in enumerate(values, 1))
    return [task for task in found if task is not None]
