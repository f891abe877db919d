"""Sentences back to the annotation tools: Label Studio tasks (JSON) and doccano lines (JSONL).

What a model says goes along to Label Studio as a prediction, which no reader takes for an answer. doccano knows
no predictions: a label that it imports counts as given by the person who imports, so that suggestions stand
in its metadata only. Our ``id``, ``article``, ``index`` and so on travel as task data (metadata in doccano), and
come back with the tool's own export.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from strijdtaal.errors import UsageError, nearest
from strijdtaal.folder import FolderError, write_file
from strijdtaal.labels import KEYS, LABELS
from training.intake.assemble import Entry
from training.intake.entries import read_entries

CHOICES, TEXT = "labels", "text"  # names of the control and of the text in the labelling configuration
QUESTION = "Welke labels draagt deze zin? Geen label is ook een antwoord: verstuur dan zonder keuze."
SUGGESTED = "suggested"  # doccano's metadata field with the labels that a model proposes
TOOLS = ("labelstudio", "doccano")
MORE_THAN_META = (TEXT, "label", "Comments", SUGGESTED)  # fields of a line that are not ours to name


@dataclass(frozen=True)
class Suggestion:
    """What a model says of a sentence: probability and threshold of each label, and which model."""

    probabilities: Mapping[str, float]
    thresholds: Mapping[str, float]
    model: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels whose probability reaches the threshold, in the order of the label set."""
        return tuple(key for key in KEYS if self.probabilities[key] >= self.thresholds[key])

    @property
    def confidence(self) -> float:
        """The probability of the least certain of the model's decisions, 0 to 1."""
        given = self.labels
        return min(value if key in given else 1 - value for key, value in self.probabilities.items())


@dataclass(frozen=True)
class Task:
    """One sentence for an annotation tool.

    Attributes:
        text: the sentence.
        meta: what travels along, as text: ``id``, ``article``, ``index``, ``date``, ``region``, ``style`` ...
        annotations: annotator -> label keys; ``()`` is the answer "none of the labels".
        gold: the decided labels, None where nothing is decided.
        suggestion: what a model says; never an answer.
    """

    text: str
    meta: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gold: tuple[str, ...] | None = None
    suggestion: Suggestion | None = None


def _result(labels: Sequence[str]) -> list[dict[str, Any]]:
    """One choices result; none of the labels is an empty list, as Label Studio writes it."""
    if not labels:
        return []
    return [{"from_name": CHOICES, "to_name": TEXT, "type": "choices", "value": {"choices": list(labels)}}]


def _annotations(task: Task) -> list[dict[str, Any]]:
    # Without ground_truth Label Studio takes an imported annotation for the ground truth.
    rows: list[dict[str, Any]] = [
        {"completed_by": {"email": name}, "ground_truth": False, "result": _result(labels)}
        for name, labels in task.annotations.items()
    ]
    if task.gold is not None:
        rows.append({"ground_truth": True, "result": _result(task.gold)})
    return rows


def _predictions(task: Task) -> list[dict[str, Any]]:
    if task.suggestion is None:
        return []
    return [
        {
            "model_version": task.suggestion.model,
            "score": round(task.suggestion.confidence, 4),
            "result": _result(task.suggestion.labels),
        }
    ]


def label_studio(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """Tasks in Label Studio's JSON format, for a project with the configuration ``label_config()``.

    An annotator becomes the e-mail address of ``completed_by``; Label Studio refuses addresses that are not those of
    members. The decided labels become an annotation marked as ground truth. It names nobody, so Label Studio
    ascribes it to whoever imports: do that with an account that does not annotate. The score of a prediction is
    the model's confidence, so that the project's uncertainty sampling shows the least certain sentence first.
    """
    return [
        {
            "data": {**task.meta, TEXT: task.text},
            "annotations": _annotations(task),
            "predictions": _predictions(task),
        }
        for task in tasks
    ]


def label_config() -> str:
    """The labelling configuration (XML) to paste into a Label Studio project.

    The choices' values are the label keys, so that they come back as such; people see the Dutch names as well.
    """
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name=TEXT, value=f"${TEXT}")
    ElementTree.SubElement(view, "Header", value=QUESTION)
    choices = ElementTree.SubElement(view, "Choices", name=CHOICES, toName=TEXT, choice="multiple")
    for number, label in enumerate(LABELS, 1):
        shown = f"{label.dutch} ({label.key})"
        ElementTree.SubElement(choices, "Choice", value=label.key, hint=label.dutch, html=shown, hotkey=str(number))
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode")


def doccano(tasks: Iterable[Task], annotator: str | None = None) -> list[str]:
    """Lines of doccano's JSONL for text classification: ``text``, ``label``, and metadata with our ``id``.

    ``label`` holds the decided labels. doccano keeps annotators apart by file, so a file can hold one person's
    answers: with ``annotator`` those of that person, without the sentences that he or she did not answer. An
    undecided sentence has an empty list, which doccano shows as not yet annotated; export it from there with
    "only approved documents", or an untouched sentence looks like one without labels.
    """
    lines = []
    for task in tasks:
        labels = task.gold if annotator is None else task.annotations.get(annotator)
        if annotator is not None and labels is None:
            continue
        row: dict[str, Any] = {name: value for name, value in task.meta.items() if name not in MORE_THAN_META}
        if task.suggestion is not None:
            row[SUGGESTED] = ", ".join(task.suggestion.labels) or "none"
        lines.append(json.dumps(row | {TEXT: task.text, "label": list(labels or ())}, ensure_ascii=False))
    return lines


def task_of(entry: Entry, suggestion: Suggestion | None = None, also: Mapping[str, str] | None = None) -> Task:
    """A sentence of the intake as a task: id, article, index, its place in the article if known, and ``also``."""
    meta = {"id": str(entry.id), "article": entry.article, "index": str(entry.index), **entry.meta}
    if entry.span is not None:
        meta["start"], meta["end"] = map(str, entry.span)
    return Task(entry.text, {**meta, **(also or {})}, entry.annotations, entry.gold, suggestion)


def check_target(out: Path, to: str) -> None:
    """Raises ``UsageError`` for an unknown tool and ``FolderError`` if ``out`` exists already."""
    if to not in TOOLS:
        raise UsageError(f"Unknown tool {to!r}.{nearest(to, list(TOOLS))} Known: {', '.join(TOOLS)}.")
    if out.exists():
        raise FolderError(f"{out} exists already. Remove it, or choose another --out.")


def write_tasks(tasks: Sequence[Task], out: Path, to: str, annotator: str | None = None) -> int:
    """Write tasks for a tool (``TOOLS``), aside and moved into place; returns how many there are in the file.

    Raises:
        FolderError: ``out`` exists already, or the disk refuses.
        UsageError: an unknown tool.
    """
    check_target(out, to)
    if to == "labelstudio":
        rows = label_studio(tasks)
        write_file(out, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return len(rows)
    lines = doccano(tasks, annotator)
    write_file(out, "".join(f"{line}\n" for line in lines))
    return len(lines)


def run_export(files: Sequence[Path], out: Path, to: str = TOOLS[0], annotator: str | None = None) -> None:
    """The command: records or unlabelled sentences -> one file for an annotation tool.

    Raises:
        DataError: any fault in the files.
        UsageError: an unknown tool, or an annotator who is not in the files.
        FolderError: ``out`` exists already, or the disk refuses.
    """
    check_target(out, to)
    tasks = [task_of(entry) for entry in read_entries(files)]
    names = sorted({name for task in tasks for name in task.annotations})
    if annotator is not None and to != "doccano":
        raise UsageError("--annotator is for doccano; Label Studio's tasks hold the answers of all annotators.")
    if annotator is not None and annotator not in names:
        raise UsageError(
            f"No answers of {annotator!r}.{nearest(annotator, names)} Found: {', '.join(names) or 'none'}."
        )
    written = write_tasks(tasks, out, to, annotator)
    sys.stdout.write(f"{written:,} sentences -> {out}\n{advice(to)}\n")


def advice(to: str) -> str:
    """What to do with the file in the tool."""
    if to == "labelstudio":
        return f"Labelling configuration of the project (Settings, Labeling Interface, Code):\n{label_config()}"
    return (
        "Import it as JSONL into a project for text classification that allows several labels "
        f"({', '.join(KEYS)}). Export from there with 'only approved documents'."
    )
