"""INCEpTION's project export: whose file it is, of which document, and whether it was finished.

    annotation/doc1.txt/anna.xmi            what an annotator said of a document
    annotation/doc1.txt/INITIAL_CAS.xmi     the document as it was before anybody annotated it
    curation/doc1.txt/CURATION_USER.xmi     what was decided
    exportedproject.json                    which documents each annotator has finished

Of XMI each annotator's file is a zip archive with its type system (``annotation/doc1.txt/anna.zip``): unpack the
project's archive once and import the folder. Layout and states as in INCEpTION's AnnotationDocumentExporter,
CuratedDocumentsExporter and ExportedProject.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from strijdtaal.errors import DataError
from training.intake.layout import Files, annotator_and_article, path_of
from training.intake.source import Source
from training.strict_json import parse

INITIAL = "INITIAL_CAS"
CURATED = "CURATION_USER"
PROJECT = "exportedproject"

_ROOTS = ("annotation", "curation")
_RANDOM = re.compile(r"(?<=\D)\d{12,}$")  # older versions write the name of a temporary file: anna16724183253005124917
_DOCUMENT = re.compile(r".+\.[A-Za-z][A-Za-z0-9]{1,5}$")


@dataclass(frozen=True)
class Whose:
    """One file of an export; ``annotator`` is None where the labels are decided."""

    annotator: str | None
    article: str
    finished: bool = True


def is_project(source: Source) -> bool:
    """The description of the project; it goes with the other files and is no export by itself."""
    return source.suffix == ".json" and source.stem.startswith(PROJECT)


@lru_cache(maxsize=1)
def _states(files: Files) -> Mapping[tuple[str, str], str]:
    """(document, annotator) -> state, from ``exportedproject.json``; curation under its own user.

    Raises:
        DataError: the description of the project cannot be read.
    """
    states: dict[tuple[str, str], str] = {}
    for source in filter(is_project, files.files.values()):
        try:
            value = parse(source.text)
            for row in value.get("annotation_documents") or []:
                states[str(row["name"]), str(row["user"])] = str(row.get("state"))
            for row in value.get("source_documents") or []:
                states[str(row["name"]), CURATED] = str(row.get("state"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{source.name} is no description of a project of INCEpTION: {error}. Leave it out."
            ) from error
    return states


def _finished(source: Source, document: str, user: str) -> bool:
    """False if the project says that the document is still being worked on."""
    state = _states(Files(source.beside)).get((document, user))
    return state is None or state.replace("_", "") == ("CURATIONFINISHED" if user == CURATED else "FINISHED")


def user_of(source: Source) -> str:
    """The user that a file is named after."""
    return _RANDOM.sub("", source.stem)


def whose(source: Source, title: str, default: str) -> Whose:
    """Annotator and article of a CAS file.

    Args:
        source: the file.
        title: the document's own name in the CAS, or an empty string.
        default: the annotator where nothing names one.

    The folder names the document in INCEpTION's layout; a file exported alone (``anna.xmi``) knows its document by
    its title; anything else is named after the document, with a folder for each annotator if there are several.

    Raises:
        DataError: the folders contradict each other, or the description of the project cannot be read.
    """
    parts = path_of(source.name)
    folder = parts[-2] if len(parts) > 1 else ""
    user = user_of(source)
    if (len(parts) > 2 and parts[-3] in _ROOTS) or _DOCUMENT.match(folder):
        document = folder
    elif _DOCUMENT.match(title) and PurePosixPath(title).stem != source.stem:
        document = PurePosixPath(title).name
    elif user == CURATED:
        return Whose(None, title or user)
    else:
        annotator, article = annotator_and_article(source, default)
        return Whose(annotator, article)
    article = PurePosixPath(document).stem if _DOCUMENT.match(document) else document
    return Whose(None if user == CURATED else user, article, _finished(source, document, user))
