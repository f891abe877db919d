"""Label Studio: JSON and JSON_MIN exports.

What counts is the last answer of each annotator that was not cancelled or skipped; an empty one is "none of
the labels". Drafts and predictions never count. An answer marked as ground truth is the decided one as well.
Questions are choices about the sentence, or labels on spans of a whole article (which is then split).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import TypeVar

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.fields import json_list, meta_of, text_field, text_of
from training.intake.json_rows import first_object
from training.intake.questions import label_questions
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source
from training.intake.spans import sentences_of
from training.intake.studio import Answer, Result, Task, full_tasks
from training.intake.studio_min import flat_tasks

NAME = "labelstudio"
TITLE = "Label Studio JSON"

Spans = frozenset[tuple[int, int, str]]
T = TypeVar("T", bound=Hashable)
SENTENCE_FIELDS = ("id", "index")  # in the data of a whole article they are the article's


def recognises(source: Source) -> bool:
    """A task with its annotations, or a flat row with the number of its annotation."""
    row = first_object(source) or {}
    full = isinstance(row.get("data"), dict) and ("annotations" in row or "completions" in row)
    return full or {"annotation_id", "annotator"} <= row.keys()


def _by_annotator(
    task: Task, content: Callable[[Answer], T], source: Source, intake: Intake
) -> tuple[dict[str, T], T | None]:
    """What each annotator answered last, and the answer that is marked as ground truth.

    Raises:
        ValueError: two answers differ where there can be one, and nothing says which is the last.
    """
    answers: dict[str, list[tuple[Answer, T]]] = defaultdict(list)
    gold: set[T] = set()
    for answer in task.answers:
        what = content(answer)
        if answer.gold:
            gold.add(what)
        if answer.annotator is None and answer.gold:
            continue  # imported as decided, nobody's answer
        if answer.annotator is None:
            intake.count("answers without annotator, named after their file")
        answers[answer.annotator or source.stem].append((answer, what))
    if len(gold) > 1:
        raise ValueError(f"{len(gold)} answers are marked as ground truth, and differ; mark one")
    return {name: _last(name, given, intake) for name, given in sorted(answers.items())}, next(iter(gold), None)


def _last(name: str, given: list[tuple[Answer, T]], intake: Intake) -> T:
    if len(given) > 1:
        intake.count("earlier answers of the same annotator", len(given) - 1)
    if len({what for _, what in given}) == 1:
        return given[0][1]
    times = [answer.when for answer, _ in given if answer.when is not None]
    last = {what for answer, what in given if times and answer.when == max(times)}
    if len(times) < len(given) or len(last) > 1 or any(answer.annotator is None for answer, _ in given):
        raise ValueError(f"annotator {name!r} answers differently twice, and nothing says which is the last")
    return last.pop()


def _quoted(text: str, result: Result, intake: Intake) -> tuple[int, int]:
    """The place of a span in code points, checked against the words that the export quotes.

    Raises:
        ValueError: other words stand there.
    """
    start, end = result.place or (0, 0)
    quote = None if result.quote is None else result.quote.replace("\\n", "\n")
    if quote is None or text[start:end].replace("\\n", "\n") == quote:
        return start, end
    units = text.encode("utf-16-le", "surrogatepass")
    first, last = (len(units[: 2 * place].decode("utf-16-le", "ignore")) for place in (start, end))
    if text[first:last].replace("\\n", "\n") != quote:
        raise ValueError(f"at {start}-{end} stands {text[start:end]!r:.40}, not {quote!r:.40} as the export says")
    intake.count("spans whose offsets counted UTF-16 units")
    return first, last


def _labels_of(ours: frozenset[str], intake: Intake) -> Callable[[Answer], tuple[str, ...]]:
    def content(answer: Answer) -> tuple[str, ...]:
        found = {key for result in answer.results if result.question in ours for key in intake.labels(result.names)}
        return tuple(key for key in KEYS if key in found)

    return content


def _spans_of(text: str, ours: frozenset[str], intake: Intake) -> Callable[[Answer], Spans]:
    def content(answer: Answer) -> Spans:
        places = [(result, _quoted(text, result, intake)) for result in answer.results if result.question in ours]
        if wrong := [name for result, _ in places for name in result.names if not isinstance(name, str)]:
            raise ValueError(f"a label must be text, found {wrong[0]!r:.60}")
        return frozenset((*place, str(name)) for result, place in places for name in result.names)

    return content


def _article(task: Task, field: str, ours: frozenset[str], source: Source, intake: Intake) -> Iterator[Sentence]:
    """The sentences of an article whose spans were labelled, once for each annotator."""
    text = text_of(task.data, field)
    given, gold = _by_annotator(task, _spans_of(text, ours, intake), source, intake)
    meta = meta_of(task.data, {field})
    article = meta.get("article") or meta.get("id") or (task.key or task.where).removeprefix("labelstudio:")
    shared = {name: value for name, value in meta.items() if name not in SENTENCE_FIELDS}
    answers: list[tuple[str | None, Spans]] = [*given.items(), *([] if gold is None else [(None, gold)])]
    for annotator, spans in answers:
        for one in sentences_of(text, sorted(spans), annotator, task.where, article, intake):
            yield replace(one, meta={**shared, **one.meta})
    if not answers:
        for one in sentences_of(text, (), None, task.where, article, intake):
            yield replace(one, gold=None, meta={**shared, **one.meta})


def _sentence(task: Task, field: str, ours: frozenset[str], source: Source, intake: Intake) -> Iterator[Sentence]:
    given, gold = _by_annotator(task, _labels_of(ours, intake), source, intake)
    yield Sentence(
        task.where, text_of(task.data, field), given, gold=gold, key=task.key, meta=meta_of(task.data, {field})
    )


def _asked(tasks: list[Task], source: Source, intake: Intake) -> tuple[frozenset[str], bool]:
    """The questions about labels, and whether they are asked of spans.

    Raises:
        DataError: there are answers, but none to a question about labels; or both of spans and of the whole.
    """
    results = [result for task in tasks for answer in task.answers for result in answer.results]
    choices: dict[str, set[object]] = defaultdict(set)
    for result in results:
        choices[result.question].update(name for name in result.names if isinstance(name, str))
    others = sorted({kind for task in tasks for answer in task.answers for kind in answer.others})
    if not results and others:
        raise DataError(f"{source.name}: no choices or labels, but {', '.join(others)}. Is this the right project?")
    ours = label_questions(choices, source.name, intake)
    for result in results:
        if result.question not in ours:
            intake.count(f"answers to another question ({result.question})")
    places = {result.place is not None for result in results if result.question in ours}
    if len(places) > 1:
        raise DataError(
            f"{source.name}: spans have labels, and whole texts as well (questions {', '.join(sorted(ours))}). "
            "Export the two apart."
        )
    return ours, True in places


def _tasks(source: Source, intake: Intake) -> list[Task]:
    values = json_list(source)
    rows = [value for value in values if isinstance(value, dict)]
    flat = any("annotation_id" in row for row in rows) and not any("annotations" in row for row in rows)
    return (flat_tasks if flat else full_tasks)(values, source.name, intake)


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """One sentence a task; of a task with labelled spans each sentence, once for each annotator.

    Raises:
        DataError: not JSON; no field or several fields that can be the text; no question about labels.
    """
    tasks = _tasks(source, intake)
    if not tasks:
        return
    field = text_field([task.data for task in tasks], source.name)
    ours, spans = _asked(tasks, source, intake)
    seen: set[str] = set()
    for task in tasks:
        if task.key is not None and task.key in seen:
            intake.fault(task.where, "this task stands in the file twice; remove one")
            continue
        seen |= {task.key} if task.key else set()
        try:
            yield from (_article if spans else _sentence)(task, field, ours, source, intake)
        except ValueError as error:
            intake.fault(task.where, error)
