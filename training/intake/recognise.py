"""Which format a file is in: each format looks at its beginning; a file that two of them know must be told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Protocol, cast, runtime_checkable

from strijdtaal.errors import DataError, UsageError, nearest
from training.intake.archive import is_junk
from training.intake.json_rows import first_object
from training.intake.layout import Files
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source, other_unicode
from training.strict_json import parse

_MODULES = ("ours", "label_studio", "doccano", "prodigy", "argilla", "brat", "cas", "tabular", "plain")
_MAY_BE_EMPTY = {"brat", "doccano"}  # a document without spans; a member of the project without answers
_BRAT_SETTINGS = {"annotation.conf", "visual.conf", "tools.conf", "kb_shortcuts.conf"}
_OF_IMPORT = {"import.json", "manifest.json"}  # in what an import writes, beside at least one of these:
_BY_IMPORT = ("annotations.jsonl", "open/queue.json", "open/unlabelled.jsonl")
_FOR_PEOPLE = {"readme", "license", "licence"}
_EMPTY = re.compile(
    rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*+(?:\[[\s\0]*+\][\s\0]*+)?"
)  # no bytes, or an empty list
_HEAD = 4_000  # bytes


@runtime_checkable
class Format(Protocol):
    """What every module in ``training.intake.formats`` has."""

    NAME: str  # as for --format
    TITLE: str  # for people

    def recognises(self, source: Source) -> bool:
        """Whether the file looks like one of this format; never raises."""

    def read(self, source: Source, intake: Intake) -> Iterator[Sentence]:
        """The sentences of the file; faults of single rows go to ``intake``.

        Raises:
            DataError: the file cannot be used as a whole.
        """


@lru_cache(maxsize=1)
def formats() -> tuple[ModuleType, ...]:
    """The modules of all formats (their libraries are loaded when a file is read)."""
    return tuple(import_module(f"training.intake.formats.{name}") for name in _MODULES)


def _known() -> str:
    return ", ".join(f"{module.NAME} ({module.TITLE})" for module in formats())


def _wanted(name: str) -> ModuleType:
    known = {str(module.NAME): module for module in formats()}
    if name not in known:
        raise UsageError(f"Unknown --format {name!r}.{nearest(name.lower(), list(known))} Known: {', '.join(known)}.")
    return known[name]


@lru_cache(maxsize=1)
def _projects(files: Files) -> tuple[str, ...]:
    """Where the project exports of INCEpTION lie among the files: the part of the name before its own files."""
    from training.intake.inception import is_project

    return tuple(name.removesuffix(source.path.name) for name, source in files.files.items() if is_project(source))


def _of_project(source: Source) -> bool:
    """True for what an INCEpTION export holds besides annotations: settings, logs, the documents as uploaded."""
    for root in _projects(Files(source.beside)):
        if root and source.name.startswith(root):
            return not source.name.removeprefix(root).startswith(("annotation/", "curation/"))
    return False


def _accompanies(source: Source) -> bool:
    """True for a file that holds no sentences of its own, but goes with one that does, or with none."""
    name = source.path.name.lower()
    if is_junk(source.path.parts[-1:]) or name in _BRAT_SETTINGS:
        return True
    if source.stem.lower() in _FOR_PEOPLE and source.suffix in ("", ".md", ".rst", ".txt", ".html"):
        return True
    if source.suffix == ".xml" and (name == "typesystem.xml" or b"typeSystemDescription" in source.data[:_HEAD]):
        return any(other.suffix == ".xmi" for other in source.beside.values())
    if name in _OF_IMPORT:
        folder = source.name.removesuffix(source.path.name)
        return any(folder + other in source.beside for other in _BY_IMPORT)
    return (source.suffix == ".txt" and source.sibling(".ann") is not None) or _of_project(source)


def _unknown(source: Source) -> DataError:
    if source.encoding == "utf-8" and (found := other_unicode(source.data)):
        return DataError(f"{source.name} is {found[0]}. Save it as UTF-8, or give --encoding {found[1]}.")
    why = ""
    head = source.head.lstrip()
    if head.startswith(("{", "[")) and first_object(source) is None:
        try:
            parse(head.partition("\n")[0])
        except ValueError as error:
            why = f" Its first line is {error}." if "JSON" in str(error) else f" Its first line: {error}."
    return DataError(
        f"{source.name} is in no format that is known here.{why} Known: {_known()}. If it is one of these, say "
        "which with --format NAME; otherwise leave it out."
    )


def recognise(source: Source, wanted: str | None) -> ModuleType | None:
    """The module that reads a file; None for a file that only accompanies others.

    Args:
        source: the file.
        wanted: the value of ``--format``: no file is asked then.

    Raises:
        UsageError: ``wanted`` is no format.
        DataError: the file is empty, in no known format, or in two as far as can be seen.
    """
    chosen = None if wanted is None else _wanted(wanted)
    if _accompanies(source):
        return None
    empty = _EMPTY.fullmatch(source.data) is not None
    if chosen is not None and not empty:
        return chosen
    asked = [module for module in formats() if not empty or module.NAME in _MAY_BE_EMPTY]
    claims = [module for module in asked if cast(Format, module).recognises(source)]
    if empty and (not claims or chosen not in (None, *claims)):
        raise DataError(f"{source.name} is empty: no usable rows. Leave it out.")
    if not claims:
        raise _unknown(source)
    if len(claims) > 1:
        titles = " and ".join(f"{module.TITLE}" for module in claims)
        names = " or ".join(f"--format {module.NAME}" for module in claims)
        raise DataError(f"{source.name} could be {titles}. Say which it is: {names}.")
    return claims[0]
