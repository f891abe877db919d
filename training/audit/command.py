"""``python -m training audit``: what is wrong with a data set, before anything is trained or scored on it."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strijdtaal.errors import DataError, UsageError

if TYPE_CHECKING:  # so that --help answers at once
    from training.audit.checks import Check
    from training.audit.rows import Sample
    from training.records import Record

Section = tuple[str, "list[Check]"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "files", type=Path, nargs="*", metavar="FILE",
        help="records (JSONL, or folders of them), or any CSV, TSV or JSONL with a text and a label column; "
        "files called train, dev or test are taken as splits",
    )  # fmt: skip
    parser.add_argument("--split", nargs="+", metavar="NAME=FILE", help="one file a split: train=a.tsv test=b.tsv")
    parser.add_argument("--split-column", metavar="COLUMN", help="the column that names the split")
    parser.add_argument("--text", metavar="COLUMN", help="the column with the sentence")
    parser.add_argument("--labels", metavar="COLUMN[,COLUMN]", help="a column of label names, or several of 0 and 1")
    parser.add_argument("--article", metavar="COLUMN", help="the column that names the article or document")
    parser.add_argument(
        "--article-from",
        type=Path,
        metavar="FILE",
        help="another table of the same sentences that names their articles",
    )
    parser.add_argument("--label-separator", default="", metavar="TEXT", help="between the labels in one cell, as ;")
    parser.add_argument("--no-header", action="store_true", help="the first row is data; columns are named 1, 2 ...")
    parser.add_argument("--encoding", default="utf-8", help="of the tables (default: utf-8)")
    parser.add_argument("--label-errors", action="store_true", help="look for wrong labels with a model (extra intake)")
    parser.add_argument("--label-errors-out", type=Path, metavar="OUT", help="JSONL: the wrong labels, likeliest first")
    parser.add_argument("--strict", action="store_true", help="end with exit code 3 for a leak or a contradiction")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the checks to a file as well")


def _sections(sample: Sample, records: list[Record] | None) -> list[Section]:
    """Checks by part. What is said of the project's own records anyway is not said twice."""
    from training.audit import labels
    from training.audit.characters import characters
    from training.audit.leaks import leaks
    from training.audit.own import audit
    from training.audit.shortcuts import shortcuts

    found: list[Section] = []
    if records is not None:
        found.append(("records", audit(records, sample)))
    else:
        found.append(("counts", labels.counts(sample)))
    if records is None or sample.splits:
        found.append(("leaks", leaks(sample)))
    found.append(("labels", [*([] if records else labels.contradictions(sample)), *labels.absent(sample)]))
    found[-1][1].extend(labels.shifts(sample) if len(sample.splits) > 1 else [])
    return [*found, ("shortcuts", shortcuts(sample)), ("characters", characters(sample))]


def _write(path: Path, lines: Iterable[str]) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"Cannot write {path}: {error.strerror}. Choose another place.") from error


def _check_options(arguments: argparse.Namespace) -> None:
    if arguments.label_errors_out and not arguments.label_errors:
        raise UsageError("--label-errors-out goes with --label-errors.")
    for path in filter(None, (arguments.json, arguments.label_errors_out)):
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"Cannot write {path}: {'it is a folder' if path.is_dir() else 'no such folder'}.")
        if path.exists():
            raise UsageError(f"{path} exists already. Remove it, or choose another name.")


def _document(sample: Sample, sections: list[Section], arguments: argparse.Namespace) -> dict[str, Any]:
    files = [*map(str, arguments.files), *(arguments.split or [])]
    return {
        "files": files,
        "notes": list(sample.notes),
        "splits": {name: int((sample.split_of == number).sum()) for number, name in enumerate(sample.splits)},
        "labels": list(sample.labels),
        "checks": [{"part": name, **check.document()} for name, checks in sections for check in checks],
    }


def _print(sample: Sample, sections: list[Section], own: bool) -> None:
    from training.audit.checks import table

    parts = ["\n".join(sample.notes)] if sample.notes else []
    if own:  # the first table stands in the datasheet, so its widths are its own
        parts.append(table(sections[0][1]))
        sections = sections[1:]
    checks = [check for _, section in sections for check in section]
    parts.append(table(checks))
    sys.stdout.write("\n\n".join(parts) + "\n\n")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold the collector of reference cycles: all rows are kept, and going through them again takes longest."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def run_audit(arguments: argparse.Namespace) -> None:
    """Read, check, print; write what was asked for.

    Raises:
        UsageError: options that do not go together, a place that cannot be written, or a missing extra.
        DataError: files that cannot be used; with ``--strict`` also a leak or a contradiction.
    """
    _check_options(arguments)
    from training.audit.load import load

    with _no_collection():
        sample, records = load(arguments)
        sections = _sections(sample, records)
    if arguments.label_errors:
        from training.audit.errors import errors

        checks, listed = errors(sample)
        sections.append(("label errors", checks))
        if arguments.label_errors_out:
            _write(arguments.label_errors_out, (json.dumps(row, ensure_ascii=False) for row in listed))
    if arguments.json:
        document = _document(sample, sections, arguments)
        _write(arguments.json, [json.dumps(document, ensure_ascii=False, indent=2)])
    _print(sample, sections, records is not None)
    failed = [check for _, section in sections for check in section if check.passed is False]
    if len(failed) == 1:
        sys.stdout.write("1 bound is not met.\n")
    else:
        sys.stdout.write(f"{len(failed)} bounds are not met.\n" if failed else "All bounds are met.\n")
    serious = [f"{check.name} ({check.value})" for check in failed if check.serious]
    if arguments.strict and serious:
        sys.stdout.flush()
        raise DataError("Leaks or contradictions, which --strict does not let pass: " + "; ".join(serious))
