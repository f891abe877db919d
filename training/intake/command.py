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
from typing import Any

from pydantic import ValidationError

from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import FolderError
from strijdtaal.labels import CODEBOOK_VERSION
from training.intake.adjudicate import Decision, Item, adjudicate, check_method, tally
from training.intake.assemble import Entry, annotators, assemble
from training.intake.recognise import recognise
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source, open_sources
from training.intake.write import write_import
from training.records import Record, explain

SHOWN_FILES = 8
HOW = {
    "gold": "as the files decide",
    "alike": "answered alike",
    "single": "by one answer only",
    "settled": "by the method",
}


@dataclass(frozen=True)
class Options:
    """What the command line says: see ``python -m training import --help``."""

    files: tuple[Path, ...]
    out: Path
    format: str | None = None
    encoding: str = "utf-8"
    article: str | None = None
    adjudicate: str = "unanimous"
    label_map: tuple[str, ...] = ()
    rename: tuple[str, ...] = ()


def _renaming(pairs: Sequence[str]) -> dict[str, str]:
    result = dict(pair.rpartition("=")[::2] for pair in pairs)
    if wrong := [pair for pair in pairs if not all(part.strip() for part in pair.rpartition("="))]:
        raise UsageError(f"--annotator {wrong[0]!r} must be written as OLD=NEW, for example ann@example.org=anna.")
    return result


def _renamed(sentence: Sentence, names: dict[str, str], intake: Intake) -> Sentence:
    """The sentence with annotators under their new names; two answers of one person must be the same."""
    answers: dict[str, tuple[str, ...]] = {}
    for annotator, labels in sentence.annotations.items():
        name = names.get(annotator, annotator)
        if answers.setdefault(name, labels) != labels:
            intake.fault(sentence.where, f"annotator {name!r} answers {list(answers[name])} and {list(labels)}")
    return replace(sentence, annotations=answers)


def _label_map(pairs: Sequence[str]) -> dict[str, str]:
    result = {}
    for pair in pairs:
        name, equals, key = pair.rpartition("=")
        if not equals or not name:
            raise UsageError(f'--map {pair!r} must be written as "name in the export=label", or "name=" for no label.')
        result[name] = key.strip()
    return result


def _sentences(sources: Sequence[Source], options: Options, intake: Intake, told: dict[str, str]) -> Iterator[Sentence]:
    for source in sources:
        form = recognise(source, options.format)
        if form is None:
            told[source.name] = "belongs to another file"
            continue
        told[source.name] = form.TITLE
        names = _renaming(options.rename)
        for sentence in form.read(source, intake):
            yield _renamed(sentence, names, intake) if names else sentence


def _record(entry: Entry, decision: Decision) -> Record:
    start, end = entry.span or (None, None)
    reason = "; ".join(filter(None, (entry.meta.get("reason", ""), decision.reason)))
    return Record.model_validate(
        {
            "id": entry.id,
            "article": entry.article,
            "index": entry.index,
            "text": entry.text,
            "labels": decision.labels,
            "annotations": entry.annotations,
            "reason": reason,
            "soft": decision.soft,
            "start": start,
            "end": end,
            **{name: entry.meta.get(name) for name in ("date", "region", "style")},
        }
    )


def _records(entries: Sequence[Entry], decisions: Sequence[Decision], intake: Intake) -> list[Record]:
    records = []
    for entry, decision in zip(entries, decisions, strict=True):
        if decision.labels is None:
            continue
        try:
            records.append(_record(entry, decision))
        except ValidationError as error:
            intake.fault(entry.where, "; ".join(explain(fault) for fault in error.errors()))
    return records


def _file(source: Source, form: str) -> dict[str, str]:
    return {"name": source.name, "sha256": sha256(source.data).hexdigest(), "format": form}


def _stated(options: Options) -> dict[str, Any]:
    values = {name: getattr(options, name) for name in ("format", "encoding", "article", "adjudicate")}
    return values | {"map": _label_map(options.label_map)}


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
    _renaming(options.rename)
    intake = Intake(label_map=_label_map(options.label_map))
    sources = open_sources(options.files, options.encoding)
    told: dict[str, str] = {}
    entries = assemble(_sentences(sources, options, intake, told), intake, options.article)
    intake.check()
    if not entries:
        raise DataError(f"No usable rows in {', '.join(told) or 'these files'}.{_passed(intake)}")
    answered = [entry for entry in entries if entry.annotations or entry.gold is not None]
    items = [Item(str(entry.id), entry.annotations, entry.gold) for entry in answered]
    decisions = adjudicate(items, options.adjudicate)
    records = _records(answered, decisions, intake)
    intake.check()
    queue = [(entry, one) for entry, one in zip(answered, decisions, strict=True) if one.labels is None]
    unlabelled = [entry for entry in entries if not entry.annotations and entry.gold is None]
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


def _summary(outcome: Outcome, out: Path) -> str:
    about, sentences = outcome.about, outcome.about["sentences"]
    lines = [f"{one['name']}: {one['format']}" for one in about["files"][:SHOWN_FILES]]
    if (more := len(about["files"]) - SHOWN_FILES) > 0:
        lines.append(f"and {more:,} more files")
    for name, number in about["annotators"].items():
        lines.append(f"annotator {name}: {number:,} sentences")
    lines += [f"{number:,} {what}" for what, number in about["passed_over"].items()]
    lines.append(f"{sum(sentences.values()):,} sentences in {about['articles']:,} articles -> {out}")
    how = ", ".join(f"{number:,} {HOW[kind]}" for kind, number in about["settled_by"].items() if kind in HOW)
    lines.append(f"  settled     {sentences['settled']:,}" + (f" ({how})" if how else ""))
    if sentences["queue"]:
        lines.append(
            f"  unsettled   {sentences['queue']:,}: {out / 'open' / 'queue.json'} (answer them in Label Studio, then "
            "import again with --adjudicate adjudicator:NAME, or choose another --adjudicate)"
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
        sys.stdout.write(f"Next: python -m training agree {options.out}\n")
    if outcome.records:
        sys.stdout.write(f"Next: python -m training audit {options.out}\n")
    return options.out


def _passed(intake: Intake) -> str:
    counts = ", ".join(f"{number:,} {what}" for what, number in intake.counts.most_common())
    return f" Passed over: {counts}." if counts else ""
