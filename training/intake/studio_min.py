"""Label Studio's JSON_MIN export: flat rows, one an annotation.

A row has the fields of the task's data (but ``id`` is the task's), the answers under the name of their question,
``annotator``, ``annotation_id`` and times. One choice is a bare string, several are ``{"choices": [...]}``, and a
question without an answer is left out. The shape is that of ``label_studio_sdk.converter`` 2.1.2, which
leaves cancelled annotations out itself.
"""

from __future__ import annotations

from typing import Any

from strijdtaal.errors import DataError
from training.intake.fields import scalar
from training.intake.questions import resembles_label
from training.intake.sentence import Intake
from training.intake.studio import READ, Answer, Result, Task, moment, person, result_of

MIN_KEYS = frozenset(("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"))


def _candidates(name: str, value: object) -> tuple[list[Result], bool]:
    """What a field of JSON_MIN may answer, and whether its shape leaves no doubt that it is an answer."""
    if isinstance(value, str):
        return [Result(name, (value,))], False
    items = value if isinstance(value, list) else [value]
    kinds = [next((kind for kind in READ if isinstance(item, dict) and kind in item), None) for item in items]
    if not items or not all(kind or isinstance(item, str) for item, kind in zip(items, kinds, strict=True)):
        return [], False
    results = [
        result_of(name, kind, item) if kind else Result(name, (item,)) for item, kind in zip(items, kinds, strict=True)
    ]
    return results, any(kinds)


def _question(rows: list[dict[str, Any]], name: str, intake: Intake) -> str:
    """The field with the labels.

    Answers and the task's own data stand side by side in a row, so that a column of suggestions looks like an
    answer. With two such fields nothing can be known for sure.

    Raises:
        DataError: no field can hold labels (then nothing shows that a row without labels is one), or several.
    """
    choices: dict[str, set[str]] = {}
    sure: set[str] = set()
    for row in rows:
        for key in row.keys() - MIN_KEYS:
            try:
                results, certain = _candidates(key, row[key])
            except ValueError:  # an answer with a fault, which is told where the row is read
                results, certain = [], True
            names = {one for result in results for one in result.names if isinstance(one, str)}
            choices.setdefault(key, set()).update(names)
            sure |= {key} if certain else set()
    resembling = {key for key, names in choices.items() if any(resembles_label(one, intake) for one in names)}
    found = sorted(sure | resembling)
    if not found:
        raise DataError(
            f"{name}: no field of this Label Studio JSON_MIN export holds labels (fields: "
            f"{', '.join(map(repr, sorted(choices)))}). Rename its choices with --map, or export as JSON."
        )
    if len(found) > 1:
        raise DataError(
            f"{name}: {' and '.join(map(repr, found))} can all be answers in this Label Studio JSON_MIN export, which "
            "does not keep answers and data apart. Export as JSON."
        )
    if any(row.get("annotation_id") is None and row.get(found[0]) is not None for row in rows):
        raise DataError(
            f"{name}: {found[0]!r} has labels in rows that nobody has answered, so that it is a field of the data. "
            "Export as JSON."
        )
    return found[0]


def _min_results(name: str, value: object) -> list[Result]:
    results, _ = _candidates(name, value)
    if not results and value not in (None, []):
        raise ValueError(f"field {name!r} must be a choice or choices, found {value!r:.60}")
    return results


def flat_tasks(values: list[Any], name: str, intake: Intake) -> list[Task]:
    """The tasks of a JSON_MIN export, each with the answers of all its rows.

    Raises:
        DataError: no field holds labels, or several fields.
    """
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict):
            intake.fault(f"{name}, row {number}", f"must be an object, found {type(value).__name__}")
    rows = [value for value in values if isinstance(value, dict)]
    question = _question(rows, name, intake) if rows else ""
    tasks: dict[str, Task] = {}
    for number, row in enumerate(rows, 1):
        identity = scalar(row.get("id"))
        where = f"{name}, task {identity}" if identity else f"{name}, row {number}"
        data = {key: value for key, value in row.items() if key not in MIN_KEYS and key != question}
        task = tasks.setdefault(identity or where, Task(where, identity and f"labelstudio:{identity}", data))
        if task.data != data:
            intake.fault(where, f"row {number} has other data than a row before it with the same id")
            continue
        if row.get("annotation_id") is None:  # a task that nobody has answered has a row as well
            continue
        try:
            results = _min_results(question, row.get(question))
        except ValueError as error:
            intake.fault(where, error)
            continue
        when = moment(row.get("updated_at"), row.get("created_at"))
        intake.count(f"answers from the field {question!r} of JSON_MIN")
        task.answers.append(Answer(person(row.get("annotator")), tuple(results), when))
    return list(tasks.values())
