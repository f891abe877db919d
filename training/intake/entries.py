"""Files in any format of the intake -> entries, without adjudication: what ``export`` and ``suggest`` read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from strijdtaal.errors import DataError
from training.intake.assemble import Entry, assemble
from training.intake.recognise import recognise
from training.intake.sentence import Intake, Sentence
from training.intake.source import open_sources


def read_entries(files: Sequence[Path], article: str | None = None) -> list[Entry]:
    """The sentences of records, unlabelled sentences, tables, articles as plain text, or exports of tools.

    Args:
        files: files, folders or zip archives.
        article: the field that names the article (default ``article``), or ``each``.

    Raises:
        DataError: any fault in the files (all are named), or no usable row.
        UsageError: a file is given twice.
    """
    intake = Intake()

    def sentences() -> Iterator[Sentence]:
        for source in open_sources(files):
            form = recognise(source, None)
            if form is not None:
                yield from (replace(sentence, file=source.name) for sentence in form.read(source, intake))

    entries = assemble(sentences(), intake, article)
    intake.check()
    if not entries:
        raise DataError(f"No usable rows in {', '.join(map(str, files))}. Give files with at least one sentence.")
    return entries
