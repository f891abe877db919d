"""Exports of annotation tools -> CAS objects of dkpro-cassis, with care: no entities, no traceback, no silence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from typing import Any

from strijdtaal.errors import DataError, UsageError
from training.intake.source import Source
from training.strict_json import parse

TYPE_SYSTEM = "TypeSystem.xml"


def _cassis() -> Any:
    try:
        import cassis
    except ImportError as error:
        raise UsageError(
            'UIMA CAS needs dkpro-cassis. Install the extra "intake": pip install -e ".[intake]"'
        ) from error
    return cassis


def _guarded(source: Source, load: Callable[[], Any]) -> Any:
    """Run a reader of the library; whatever it stumbles over becomes one message for people."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it warns of offsets that fall on no character, and goes on
            return load()
    except Exception as error:  # lxml and cassis raise anything from KeyError to XMLSyntaxError
        text = getattr(error, "message", None) or str(error) or type(error).__name__
        if "offset" in text:
            raise DataError(f"{source.name}: {text}. Is this the text that was annotated? Export it again.") from error
        if type(error).__name__ == "TypeNotFoundError":
            raise DataError(
                f"{source.name} does not fit its type system: {text} Give the {TYPE_SYSTEM} exported with it."
            ) from error
        raise DataError(
            f"{source.name} cannot be read as UIMA CAS: {type(error).__name__}: {text}. Is it cut off? Export it again."
        ) from error


def _checked_xml(source: Source) -> bytes:
    """The bytes of an XML file, refused if it declares entities: exports never do, attacks do."""
    plain = source.data.replace(b"\0", b"")  # also in UTF-16
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise DataError(f"{source.name} holds a document type or entity declaration, which no export has. Refused.")
    return source.data


def _find_type_system(source: Source) -> Source:
    """TypeSystem.xml of the same folder or archive, or of the nearest folder around it."""
    place = source.name
    while (cut := max(place.rfind(mark) for mark in "/\\!")) >= 0:
        folder, place = place[: cut + 1], place[:cut]
        for name in (TYPE_SYSTEM, TYPE_SYSTEM.lower()):
            if found := source.beside.get(folder + name):
                return found
    if found := source.beside.get(TYPE_SYSTEM):
        return found
    raise DataError(
        f"{source.name}: {TYPE_SYSTEM} is missing. It is exported together with the XMI files: import the whole "
        "folder or zip archive, or put it beside them and name both."
    )


@lru_cache(maxsize=4)
def _parsed_types(data: bytes) -> Any:
    return _cassis().load_typesystem(BytesIO(data))


def _type_system(source: Source) -> Any:
    data = _checked_xml(source)
    return _guarded(source, lambda: _parsed_types(data))


def _load_json(source: Source) -> Any:
    try:
        value = parse(source.text)
    except ValueError as error:
        raise DataError(f"{source.name}: {error}") from error
    if not isinstance(value, dict) or "%FEATURE_STRUCTURES" not in value:
        raise DataError(
            f"{source.name} is no CAS JSON of version 0.4 (it has no %FEATURE_STRUCTURES). Export it as "
            "'UIMA CAS JSON 0.4.0' or 'UIMA CAS XMI'."
        )
    load = _cassis().load_cas_from_json
    if value.get("%TYPES") is not None:
        return _guarded(source, lambda: load(source.text))
    types = _type_system(_find_type_system(source))
    return _guarded(source, lambda: load(source.text, typesystem=types, merge_typesystem=False))


def load_view(source: Source) -> Any:
    """The view of a CAS that holds the text (``_InitialView``, if it has any).

    Raises:
        DataError: not readable, unsafe, without type system or without text.
        UsageError: dkpro-cassis is not installed.
    """
    if source.data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        cas = _load_json(source)
    else:
        data, types, load = _checked_xml(source), _type_system(_find_type_system(source)), _cassis().load_cas_from_xmi
        cas = _guarded(source, lambda: load(BytesIO(data), typesystem=types))
    for view in sorted(cas.views, key=lambda one: one.sofa.sofaID != "_InitialView"):
        if view.sofa.sofaString:
            return cas.get_view(view.sofa.sofaID)
    raise DataError(f"{source.name} holds no text. Leave it out, or export it again.")
