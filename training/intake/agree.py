"""``python -m training agree``: how far the annotators of records agree.

The settled sentences of an import agree better than all of them do: where the others wait beside them, in
``open/queue.json``, they are counted too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from strijdtaal.errors import DataError, UsageError, nearest
from strijdtaal.folder import FolderError, write_file
from training.agreement import agreement
from training.agreement_counts import Answered
from training.agreement_table import document, table
from training.intake.formats import label_studio
from training.intake.sentence import Intake
from training.intake.source import open_sources
from training.records import find_files, read_records

SHOWN_NAMES = 20
QUEUE = Path("open") / "queue.json"


@dataclass(frozen=True)
class Answers:
    """What agreement needs of a sentence."""

    id: str
    article: str
    annotations: dict[str, tuple[str, ...]]


def _folders(files: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(file if file.is_dir() else file.parent for file in files))


def _unsettled(folder: Path) -> Iterator[Answers]:
    """The queue of an import, if there is one.

    Raises:
        DataError: it is not as the import wrote it.
    """
    if not (folder / QUEUE).is_file():
        return
    intake = Intake()
    for source in open_sources([folder / QUEUE]):
        for sentence in label_studio.read(source, intake):
            if not {"id", "article"} <= sentence.meta.keys():
                raise DataError(
                    f"{sentence.where}: no id or no article. Run the import again, or remove {folder / QUEUE}."
                )
            yield Answers(sentence.meta["id"], sentence.meta["article"], dict(sentence.annotations))
    intake.check()


def _has_records(path: Path) -> bool:
    return not (path.is_dir() and (path / QUEUE).is_file()) or any(path.glob("*.jsonl"))


def _without(sentences: Sequence[Answered], names: Collection[str]) -> list[Answered]:
    """The sentences without the answers of some annotators.

    Raises:
        UsageError: one of them has not answered anything.
    """
    known = sorted({name for one in sentences for name in one.annotations})
    if unmet := [name for name in names if name not in known]:
        shown = ", ".join(known[:SHOWN_NAMES]) or "none"
        raise UsageError(f"--without: no answer is by {unmet[0]!r}.{nearest(unmet[0], known)} Annotators: {shown}.")
    return [
        Answers(one.id, one.article, {who: tuple(what) for who, what in one.annotations.items() if who not in names})
        for one in sentences
    ]


def run_agree(files: list[Path], draws: int, out: Path | None, without: Collection[str] = ()) -> None:
    """The command: read records, print the table, and write the figures to ``out`` as JSON.

    ``without`` names annotators to leave out: an adjudicator, who answers what the others dispute and mostly sees
    their answers, is no annotator like them.

    Raises:
        DataError: the records, or the queue of an import beside them, cannot be used.
        UsageError: ``draws`` is negative, or nobody of a name in ``without`` has answered.
        FolderError: ``out`` exists already, or cannot be written.
    """
    if draws < 0:
        raise UsageError(f"--draws must be 0 or more, found {draws}.")
    if out is not None and out.exists():
        raise FolderError(f"{out} exists already. Remove it, or choose another --json.")
    sentences: list[Answered] = list(read_records(find_files([path for path in files if _has_records(path)])))
    for folder in _folders(files):
        queued = list(_unsettled(folder))
        sentences += queued
        if queued:
            sys.stdout.write(f"With {len(queued):,} unsettled sentences of {folder / QUEUE}.\n")
    found = agreement(_without(sentences, without), draws)
    sys.stdout.write(table(found) + "\n")
    if out is not None:
        write_file(out, json.dumps(document(found), ensure_ascii=False, indent=1) + "\n")
        sys.stdout.write(f"\nFigures: {out}\n")
