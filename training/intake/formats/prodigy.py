"""Prodigy: JSONL of ``prodigy db-out``, choice tasks and yes/no questions about one label.

    {"text": "...", "options": [{"id": "threat", "text": "dreiging"}, ...], "accept": ["threat"],
     "answer": "accept", "_view_id": "choice", "_input_hash": 17, "_annotator_id": "news-anna"}
    {"text": "...", "label": "threat", "answer": "reject", "_view_id": "classification", "_input_hash": 17}

A row decides on the labels that it asks about: all options of an accepted choice task, the one label of a
yes/no question (``accept`` is yes, ``reject`` no). ``ignore`` decides nothing, nor does ``reject`` on a choice
task. The rows of one annotator on one ``_input_hash`` are put together, and make an answer only if every
label was decided: a label that was never asked about is not known to be absent. Rows that ask again replace
earlier ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from strijdtaal.labels import KEYS
from training.intake.fields import meta_of, scalar, text_of
from training.intake.json_rows import first_object, json_lines
from training.intake.questions import is_label
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source

NAME = "prodigy"
TITLE = "Prodigy JSONL"

ANSWERS = ("accept", "reject", "ignore")
TASK_KEYS = frozenset(("text", "label", "accept", "answer", "options", "config", "meta"))
PLACE = ("id", "article", "index")  # tell equal sentences of several articles apart
_SESSION = re.compile(r"(?:^|-)\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d$")  # made up by Prodigy where nobody gave a name


@dataclass
class _Text:
    """One sentence with what each annotator decided: annotator -> label -> yes or no."""

    where: str
    key: str
    text: str
    meta: Mapping[str, str]
    votes: dict[str, dict[str, bool]] = field(default_factory=dict)


def recognises(source: Source) -> bool:
    """A task with Prodigy's hashes and an answer."""
    row = first_object(source) or {}
    return "answer" in row and ("_input_hash" in row or "_task_hash" in row)


def _annotator(row: Mapping[str, Any]) -> str | None:
    for key in ("_annotator_id", "_session_id"):
        name = (scalar(row.get(key)) or "").strip()
        if name and not _SESSION.search(name):
            return name
    return None


def _options(row: Mapping[str, Any], intake: Intake) -> dict[object, str]:
    """Option id -> name of the label: the id, or the text if only that is a label.

    Raises:
        ValueError: no options, or of another shape.
    """
    options = row.get("options")
    if not isinstance(options, list) or not options:
        raise ValueError("a choice task without 'options' does not say which labels were offered")
    names: dict[object, str] = {}
    for option in options:
        if not isinstance(option, dict) or not isinstance(option.get("id"), str | int):
            raise ValueError(f"an option must be an object with an id, found {option!r:.60}")
        number, text = option["id"], option.get("text")
        by_text = not is_label(number, intake) and (is_label(text, intake) or not isinstance(number, str))
        names[number] = str(text if by_text else number)
    return names


def _choice(row: Mapping[str, Any], intake: Intake) -> dict[str, bool]:
    """What an accepted choice task decides: each label that was offered.

    Raises:
        ValueError: no list of accepted options, or one that was not offered; unknown labels.
    """
    names = _options(row, intake)
    accepted = row.get("accept")
    if not isinstance(accepted, list):
        found = "is missing" if "accept" not in row else f"must be a list, found {type(accepted).__name__}"
        raise ValueError(f"field 'accept' {found} (an answer without labels has [])")
    if strange := [one for one in accepted if not isinstance(one, str | int) or one not in names]:
        raise ValueError(f"{strange[0]!r:.60} was accepted, but is not among the options")
    config = row.get("config")
    if isinstance(config, dict) and config.get("choice_style") == "single":
        intake.count("answers that could hold one label only (choice_style 'single')")
    offered = intake.labels(names.values())
    chosen = intake.labels(names[one] for one in accepted)
    return {label: label in chosen for label in offered}


def _binary(row: Mapping[str, Any], intake: Intake) -> dict[str, bool]:
    """What a yes/no question decides: its label. Raises ValueError: it asks about no label."""
    labels = intake.labels([row["label"]])
    if not labels:
        raise ValueError(f"a yes/no question about {row['label']!r:.60} decides on no label")
    return {labels[0]: row["answer"] == "accept"}


def _decisions(row: Mapping[str, Any], intake: Intake) -> dict[str, bool]:
    """Label -> yes or no, for the labels that this row decides on.

    Raises:
        ValueError: a row of another kind, or one with a fault.
    """
    answer = row.get("answer")
    if answer not in ANSWERS:
        raise ValueError(f"field 'answer' must be one of {', '.join(ANSWERS)}, found {answer!r:.40}")
    if answer == "ignore":
        intake.count("ignored answers")
        return {}
    if "options" in row or "accept" in row or row.get("_view_id") == "choice":
        if answer == "reject":
            intake.count("rejected choice tasks")
            return {}
        return _choice(row, intake)
    if "label" in row:
        return _binary(row, intake)
    raise ValueError("neither a choice task (options, accept) nor a question about one label (label)")


def _task(where: str, row: Mapping[str, Any]) -> _Text:
    """Raises ValueError: no text or no hash."""
    text, number = text_of(row, "text"), scalar(row.get("_input_hash"))
    if number is None:
        raise ValueError("field '_input_hash' is missing; export with prodigy db-out")
    inner = row.get("meta")
    skip = TASK_KEYS | {key for key in row if key.startswith("_")}
    meta = meta_of(row, skip) | meta_of(inner if isinstance(inner, dict) else {})
    place = [meta[name] for name in PLACE if name in meta]
    return _Text(where, ":".join(["prodigy", number, *place]), text, meta)


def _in_time(rows: Iterable[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """In the order of answering, if all rows say when; else as they stand, which is how they were saved."""
    listed = list(rows)
    if all(type(row.get("_timestamp")) in (int, float) for _, row in listed):
        listed.sort(key=lambda one: one[1]["_timestamp"])
    return listed


def _texts(source: Source, intake: Intake) -> list[_Text]:
    texts: dict[str, _Text] = {}
    for where, row in _in_time(json_lines(source, intake)):
        try:
            new = _task(where, row)
            task = texts.setdefault(new.key, new)
            if task.text != new.text:
                raise ValueError(f"another text than at {task.where}, under the same _input_hash")
            decided = _decisions(row, intake)
        except ValueError as error:
            intake.fault(where, error)
            continue
        if not decided:
            continue
        votes = task.votes.setdefault(_annotator(row) or "", {})
        if votes.keys() & decided.keys():
            intake.count("earlier answers of the same annotator")
        votes.update(decided)
    return list(texts.values())


def read(source: Source, intake: Intake) -> Iterator[Sentence]:
    """One sentence for each text of the file, with the complete answers of all annotators.

    Prodigy calls a session ``dataset-name``; where the file is called after the dataset, as in
    ``prodigy db-out news > news.jsonl``, the name alone remains. Answers of sessions without a name get that of the
    file.
    """
    texts = _texts(source, intake)
    named = {name for text in texts for name in text.votes if name}
    prefix = f"{source.stem}-"
    cut = prefix if named and all(name.startswith(prefix) and name != prefix for name in named) else ""
    for text in texts:
        annotations: dict[str, tuple[str, ...]] = {}
        for name, votes in sorted(text.votes.items()):
            if not name:
                intake.count("answers without annotator, named after their file")
            if votes.keys() != set(KEYS):
                intake.count("incomplete answers (not every label was asked about)")
                continue
            labels = tuple(key for key in KEYS if votes[key])
            who = name.removeprefix(cut) or source.stem
            if annotations.setdefault(who, labels) != labels:
                intake.fault(text.where, f"{who!r} answers {list(labels)}, and otherwise without a name; keep one")
        yield Sentence(text.where, text.text, annotations, key=text.key, meta=text.meta)
