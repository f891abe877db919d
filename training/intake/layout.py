"""Whose annotations a file holds, and of which article: read off the folders in which whole documents stand.

    anna/doc1.ann  bram/doc1.ann            one folder an annotator (brat, and CAS files set out by hand)
    annotation/doc1.txt/anna.xmi            one folder a document (INCEpTION); curation/doc1.txt/CURATION_USER.xmi

A document that stands in one folder only has no name of an annotator; the format's own name is used then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from strijdtaal.errors import DataError
from training.intake.source import Source

_MEMBER = re.compile(r"\.zip!", re.IGNORECASE)


def path_of(name: str) -> tuple[str, ...]:
    """Folders and file of a source's name; archives count as no folder.

    >>> path_of("export.zip!annotation/doc1.txt/anna.xmi")
    ('annotation', 'doc1.txt', 'anna.xmi')
    """
    parts = _MEMBER.sub(".zip/", name.replace("\\", "/")).split("/")
    return tuple(part for part in parts if part and not part.lower().endswith(".zip"))


@dataclass(frozen=True)
class Survey:
    """All documents of an import: whether folders are annotators, and which names stand for several texts."""

    annotators: bool
    ambiguous: frozenset[str]


class Files:
    """The files of one import, compared by identity, so that they are surveyed once."""

    def __init__(self, files: Mapping[str, Source]) -> None:
        self.files = files

    def __hash__(self) -> int:
        return id(self.files)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Files) and other.files is self.files


def _content(source: Source, text_suffix: str | None) -> bytes:
    """What tells documents of one name apart, whatever their line ends: the text beside, if there is one."""
    text = source.sibling(text_suffix) if text_suffix else None
    return b" ".join(text.data.split()) if text else b""


def _same_document(stem: str, sources: list[Source], text_suffix: str | None) -> bool:
    """True if one document stands in several folders.

    Raises:
        DataError: the copies differ in white space, so that offsets differ; or their folders have one name.
    """
    if len(sources) < 2:
        return False
    first, *others = sources
    for other in others:
        mine, theirs = (one.sibling(text_suffix) if text_suffix else None for one in (first, other))
        if mine and theirs and mine.data != theirs.data:
            raise DataError(
                f"{mine.name} and {theirs.name} differ in white space or line ends alone, so that their offsets do "
                "not meet. Give all annotators the same text file."
            )
    names = [path_of(source.name)[-2:-1] for source in sources]
    if len(set(names)) < len(names):
        raise DataError(
            f"{first.name} and {others[0].name} hold one document, {stem!r}, and nothing tells their annotators "
            "apart. Put the files of each annotator into a folder of that name."
        )
    return True


@lru_cache(maxsize=1)
def _survey(files: Files, suffix: str, text_suffix: str | None) -> Survey:
    annotators = False
    ambiguous = set()
    sources = [source for source in files.files.values() if source.suffix == suffix]
    for stem, named in groupby(sorted(sources, key=lambda one: one.stem), key=lambda one: one.stem):
        by_content: dict[bytes, list[Source]] = {}
        for source in named:
            by_content.setdefault(_content(source, text_suffix), []).append(source)
        for copies in by_content.values():
            annotators |= _same_document(stem, copies, text_suffix)
        if len(by_content) > 1:
            ambiguous.add(stem)
    return Survey(annotators, frozenset(ambiguous))


def annotator_and_article(source: Source, default: str, text_suffix: str | None = None) -> tuple[str, str]:
    """Annotator and article of a file that is named after its document.

    Folders are annotators as soon as one document of the import stands in two of them (same file name and, with
    ``text_suffix``, the same text beside it); otherwise the annotator is ``default``. Where one name stands for
    several texts, the folder becomes part of the article's name.

    Raises:
        DataError: two folders hold one document in different white space, or have the same name.
    """
    survey = _survey(Files(source.beside), source.suffix, text_suffix)
    folders = path_of(source.name)[:-1]
    folder = folders[-1] if folders else ""
    annotator = folder if survey.annotators and folder else default
    if source.stem in survey.ambiguous and folder:
        if survey.annotators:
            raise DataError(
                f"{source.name}: other annotators have a document {source.stem!r} with another text. Give each "
                "document its own name, and all annotators the same text."
            )
        return annotator, f"{folder}/{source.stem}"
    return annotator, source.stem
