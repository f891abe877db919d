"""Whose annotations a file holds, and of which article: read off the folders in which whole documents stand.

    anna/doc1.ann  bram/doc1.ann            one folder an annotator (brat, and CAS files set out by hand)
    annotation/doc1.txt/anna.xmi            one folder a document (INCEpTION); curation/doc1.txt/CURATION_USER.xmi

A document that stands in one folder only has no name of an annotator; the format's own name is used then. Where
one name stands for several documents, as many folders as it takes to tell them apart become part of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby

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


def article_names(sources: Iterable[Source]) -> dict[str, str]:
    """Name of each source -> name of its article, all different: the stem, with folders (archives, too) where needed.

    >>> article_names([Source("x/a/doc.txt", b""), Source("y/a/doc.txt", b""), Source("y/b/more.txt", b"")])
    {'x/a/doc.txt': 'x/a/doc', 'y/a/doc.txt': 'y/a/doc', 'y/b/more.txt': 'more'}
    """
    names: dict[str, str] = {}
    for _, named in groupby(sorted(sources, key=lambda one: one.stem), key=lambda one: one.stem):
        places = {}
        for one in named:
            parts = _MEMBER.sub("/", one.name.replace("\\", "/")).split("/")
            places[one.name] = (*filter(None, parts[:-1]), one.stem)
        length, longest = 1, max(map(len, places.values()))
        while length < longest and len({place[-length:] for place in places.values()}) < len(places):
            length += 1
        names |= {name: "/".join(place[-length:]) for name, place in places.items()}
    return names


@dataclass(frozen=True)
class Survey:
    """All documents of an import: whether folders are annotators, and articles whose file names stand for several."""

    annotators: bool
    ambiguous: Mapping[str, str]


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
    ambiguous: list[Source] = []
    sources = [source for source in files.files.values() if source.suffix == suffix]
    for stem, named in groupby(sorted(sources, key=lambda one: one.stem), key=lambda one: one.stem):
        by_content: dict[bytes, list[Source]] = {}
        for source in named:
            by_content.setdefault(_content(source, text_suffix), []).append(source)
        for copies in by_content.values():
            annotators |= _same_document(stem, copies, text_suffix)
        if len(by_content) > 1:
            ambiguous += chain.from_iterable(by_content.values())
    return Survey(annotators, article_names(ambiguous))


def annotator_and_article(source: Source, default: str, text_suffix: str | None = None) -> tuple[str, str]:
    """Annotator and article of a file that is named after its document.

    Folders are annotators as soon as one document of the import stands in two of them (same file name and, with
    ``text_suffix``, the same text beside it); otherwise the annotator is ``default``.

    Raises:
        DataError: two folders hold one document in different white space, or have the same name.
    """
    survey = _survey(Files(source.beside), source.suffix, text_suffix)
    folders = path_of(source.name)[:-1]
    folder = folders[-1] if folders else ""
    annotator = folder if survey.annotators and folder else default
    article = survey.ambiguous.get(source.name)
    if article is not None and survey.annotators:
        raise DataError(
            f"{source.name}: other annotators have a document {source.stem!r} with another text. Give each "
            "document its own name, and all annotators the same text."
        )
    return annotator, article or source.stem


@lru_cache(maxsize=1)
def _plain_articles(files: Files, suffix: str) -> Mapping[str, str]:
    return article_names(one for one in files.files.values() if one.suffix == suffix and one.sibling(".ann") is None)


def article_of(source: Source) -> str:
    """The article of a file of plain text."""
    return _plain_articles(Files(source.beside), source.suffix).get(source.name, source.stem)
