"""``python -m training import``: exports of annotation tools -> a folder of records, whole or not at all.

annotations.jsonl     the settled sentences: what data.files of a config takes (the folder will do)
open/queue.json       sentences on which the annotators differ, as Label Studio tasks for an adjudicator
open/unlabelled.jsonl sentences that nobody has answered
import.json           files, formats, counts, agreement: how this came about
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import ValidationError

from strijdtaal.errors import DataError, UsageError, nearest
from strijdtaal.folder import FolderError
from strijdtaal.labels import CODEBOOK_VERSION
from strijdtaal.text import clean
from training.intake.adjudicate import Decision, Item, adjudicate, check_method, tally
from training.intake.assemble import Entry, annotators, assemble
from training.intake.options import Options
from training.intake.recognise import recognise
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source, open_sources
from training.intake.write import write_import
from training.records import Record, explain

SHOWN_FILES = 8
SHOWN_NAMES = 20
NOT_COUNTED = ("cancelled", "ignored", "rejected", "discarded", "incomplete", "empty answers", "answers that could")
HOW = {
    "gold": "as the files decide",
    "alike": "answered alike",
    "single": "by one answer only",
    "settled": "by the method",
}


def _sentences(sources: Sequence[Source], options: Options, intake: Intake, told: dict[str, str]) -> Iterator[Sentence]:
    """All sentences, each with the name of its file; ``told`` takes what every file is."""
    for source in sources:
        form = recognise(source, options.format)
        if form is None:
            told[source.name] = "belongs to another file"
            continue
        told[source.name] = form.TITLE
        for sentence in form.read(source, intake):
            yield replace(sentence, file=source.name)


def _reason(entry: Entry, decision: Decision) -> str:
    given = entry.meta.get("reason", "")
    if given and decision.kind == "gold":
        return given  # a decision that the file explains needs no second explanation at every import
    return "; ".join(filter(None, (given, decision.reason)))


def _record(entry: Entry, decision: Decision) -> Record:
    start, end = entry.span or (None, None)
    return Record.model_validate(
        {
            "id": entry.id,
            "article": entry.article,
            "index": entry.index,
            "text": entry.text,
            "labels": decision.labels or (),
            "annotations": dict(sorted(entry.annotations.items())),
            "reason": _reason(entry, decision),
            "soft": entry.soft if decision.kind == "gold" and entry.soft is not None else decision.soft,
            "start": start,
            "end": end,
            **{name: entry.meta.get(name) for name in ("date", "region", "style")},
        }
    )


def _records(entries: Sequence[Entry], decisions: Sequence[Decision], intake: Intake) -> list[Record]:
    """The settled sentences; fields that no record can have are faults of unsettled and unlabelled ones, too."""
    records = []
    for entry, decision in zip(entries, decisions, strict=True):
        try:
            record = _record(entry, decision)
        except ValidationError as error:
            intake.fault(entry.where, "; ".join(explain(fault) for fault in error.errors()))
            continue
        if decision.labels is not None:
            records.append(record)
    return records


def _file(source: Source, form: str) -> dict[str, str]:
    return {"name": source.name, "sha256": sha256(source.data).hexdigest(), "format": form}


def _stated(options: Options) -> dict[str, Any]:
    values = {name: getattr(options, name) for name in ("format", "encoding", "article", "adjudicate")}
    return values | {"map": dict(options.labels)}


def _check_renaming(options: Options, intake: Intake) -> None:
    if unmet := [name for name in options.names if name not in intake.met]:
        known = sorted(intake.met)
        raise UsageError(
            f"--annotator: no answer is by {unmet[0]!r}.{nearest(unmet[0], known)} Annotators: "
            f"{', '.join(known[:SHOWN_NAMES]) or 'none'}."
        )


@dataclass(frozen=True)
class Outcome:
    """What an import found: the three heaps, and the figures of ``import.json``."""

    records: list[Record]
    queue: list[tuple[Entry, Decision]]
    unlabelled: list[Entry]
    about: dict[str, Any]


def read_exports(options: Options) -> Outcome:
    """Read, check, merge and adjudicate, without writing anything.

    Raises:
        DataError: any fault in the files; all are named.
        UsageError: a wrong option.
    """
    check_method(options.adjudicate)
    intake = Intake(label_map=options.labels, names=options.names)
    sources = open_sources(options.files, options.encoding)
    told: dict[str, str] = {}
    entries = assemble(_sentences(sources, options, intake, told), intake, options.article)
    intake.check()
    if not entries:
        raise DataError(f"No usable rows in {', '.join(told) or 'these files'}.{_passed(intake)}")
    _check_renaming(options, intake)
    decisions = adjudicate(
        [Item(str(entry.id), entry.annotations, entry.gold) for entry in entries], options.adjudicate
    )
    records = _records(entries, decisions, intake)
    intake.check()
    open_ones = [(entry, one) for entry, one in zip(entries, decisions, strict=True) if one.labels is None]
    queue = [(entry, one) for entry, one in open_ones if one.kind != "unanswered"]
    unlabelled = [entry for entry, one in open_ones if one.kind == "unanswered"]
    if not records and not queue and any(what.startswith(NOT_COUNTED) for what in intake.counts):
        raise DataError(f"No usable rows: no answer in {', '.join(told)} counts.{_passed(intake)}")
    about = {
        "codebook_version": CODEBOOK_VERSION,
        "files": [_file(source, told[source.name]) for source in sources],
        "options": _stated(options),
        "sentences": {"settled": len(records), "queue": len(queue), "unlabelled": len(unlabelled)},
        "settled_by": tally(decisions),
        "articles": len({entry.article for entry in entries}),
        "annotators": annotators(entries),
        "passed_over": dict(intake.counts.most_common()),
    }
    return Outcome(records, queue, unlabelled, about)


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _summary(outcome: Outcome, out: Path) -> str:
    about, sentences = outcome.about, outcome.about["sentences"]
    lines = [f"{clean(one['name'])}: {one['format']}" for one in about["files"][:SHOWN_FILES]]
    if (more := len(about["files"]) - SHOWN_FILES) > 0:
        lines.append(f"and {more:,} more files")
    for name, number in about["annotators"].items():
        lines.append(f"annotator {name}: {_number(number, 'sentence')}")
    lines += [f"{number:,} {what}" for what, number in about["passed_over"].items()]
    lines.append(f"{_number(sum(sentences.values()), 'sentence')} in {_number(about['articles'], 'article')} -> {out}")
    how = ", ".join(f"{number:,} {HOW[kind]}" for kind, number in about["settled_by"].items() if kind in HOW)
    lines.append(f"  settled     {sentences['settled']:,}" + (f" ({how})" if how else ""))
    if sentences["queue"]:
        lines.append(
            f"  unsettled   {sentences['queue']:,}: {out / 'open' / 'queue.json'} (answer them in Label Studio "
            f"and import {out} and the answers with --adjudicate adjudicator:NAME, or choose another --adjudicate)"
        )
    if sentences["unlabelled"]:
        lines.append(f"  unlabelled  {sentences['unlabelled']:,}: {out / 'open' / 'unlabelled.jsonl'}")
    return "\n".join(lines)


def run_import(options: Options) -> Path:
    """The command: read everything, write the folder whole or not at all, say what was found.

    Raises:
        DataError, UsageError, FolderError: as told by ``read_exports`` and ``write_import``.
    """
    if options.out.exists():
        raise FolderError(f"{options.out} exists already. Remove it, or choose another --out.")
    outcome = read_exports(options)
    write_import(options.out, outcome.records, outcome.queue, outcome.unlabelled, outcome.about)
    sys.stdout.write(_summary(outcome, options.out) + "\n")
    if len(outcome.records) >= 2 and any(len(record.annotations) > 1 for record in outcome.records):
        sys.stdout.write(f"Next: python -m training agree {quote(str(options.out))}\n")
    if outcome.records:
        sys.stdout.write(f"Next: python -m training audit {quote(str(options.out))}\n")
    return options.out


def _passed(intake: Intake) -> str:
    counts = ", ".join(f"{number:,} {what}" for what, number in intake.counts.most_common())
    return f" Passed over: {counts}." if counts else ""
