"""What an import leaves behind: the folder's files, made from entries and what was decided about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION
from training.intake.adjudicate import Decision
from training.intake.assemble import Entry
from training.intake.export import label_studio, task_of
from training.records import Record

KIND = "strijdtaal import"
DIFFER = "differ"  # in the tasks of the queue: the labels that are not settled


def record_line(record: Record) -> str:
    """A record as one JSON line, without the fields that it does not use."""
    row = record.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(row, ensure_ascii=False)


def _unlabelled(entry: Entry) -> str:
    row: dict[str, Any] = {"id": entry.id, "article": entry.article, "index": entry.index, "text": entry.text}
    if entry.span:
        row["start"], row["end"] = entry.span
    row |= {name: value for name, value in entry.meta.items() if name != "reason"}
    return json.dumps(row, ensure_ascii=False)


def _lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as handle:
        handle.writelines(f"{line}\n" for line in lines)


def write_import(
    out: Path,
    records: Sequence[Record],
    queue: Sequence[tuple[Entry, Decision]],
    unlabelled: Sequence[Entry],
    about: Mapping[str, Any],
) -> None:
    """Write the folder whole or not at all.

    Raises:
        FolderError: it exists already, or the disk refuses.
    """
    with write_folder(out, KIND, codebook_version=CODEBOOK_VERSION) as work:
        if records:
            _lines(work / "annotations.jsonl", map(record_line, records))
        if queue or unlabelled:
            (work / "open").mkdir()
        if queue:
            tasks = label_studio([task_of(entry, also={DIFFER: ", ".join(one.tied)}) for entry, one in queue])
            text = json.dumps(tasks, ensure_ascii=False, indent=1)
            (work / "open" / "queue.json").write_text(text + "\n", encoding="utf-8")
        if unlabelled:
            _lines(work / "open" / "unlabelled.jsonl", map(_unlabelled, unlabelled))
        text = json.dumps(about, ensure_ascii=False, indent=1)
        (work / "import.json").write_text(text + "\n", encoding="utf-8")
