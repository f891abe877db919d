"""Fields of foreign JSON rows: which one is the sentence, and which go along as metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from strijdtaal.errors import DataError
from training.intake.json_rows import json_lines
from training.intake.sentence import Intake
from training.intake.source import Source
from training.strict_json import parse

META = frozenset(("id", "article", "index", "date", "region", "style", "reason"))
MAX_SHOWN = 8


def json_list(source: Source) -> list[Any]:
    """All values of a JSON list; a lone object counts as a list of one.

    Raises:
        DataError: not JSON, or a plain value.
    """
    try:
        value = parse(source.text)
    except ValueError as error:
        raise DataError(f"{source.name}: {error}") from error
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise DataError(f"{source.name} holds one {type(value).__name__}, no list of rows. Export it again.")
    return value


def json_objects(source: Source, intake: Intake, noun: str = "row") -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list or of JSONL, with the place of each (``file, row 3`` or ``file, line 3``).

    Raises:
        DataError: a JSON list that cannot be parsed.
    """
    if not source.text.lstrip().startswith("["):
        yield from json_lines(source, intake)
        return
    for number, value in enumerate(json_list(source), 1):
        where = f"{source.name}, {noun} {number}"
        if isinstance(value, dict):
            yield where, value
        else:
            intake.fault(where, f"must be a JSON object, found {type(value).__name__}")


def scalar(value: object) -> str | None:
    """A number, truth value or text as text; None for null, lists and objects.

    >>> scalar(3.0), scalar(True), scalar("  007"), scalar([1])
    ('3', 'true', '  007', None)
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():  # pandas, in doccano, makes 3 into 3.0 beside a null
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else None


def meta_of(row: Mapping[str, Any], skip: Collection[str] = ()) -> dict[str, str]:
    """All scalar fields but those in ``skip``, as text."""
    texts = {name: scalar(value) for name, value in row.items() if name not in skip}
    return {name: text for name, text in texts.items() if text is not None}


def _looks_like_text(value: object) -> bool:
    return isinstance(value, str) and len(value.split()) > 2


def text_field(
    rows: Sequence[Mapping[str, Any]], name: str, skip: Collection[str] = (), preferred: Sequence[str] = ("text",)
) -> str:
    """The field that holds the sentences: ``text``, or else the only one with several words.

    Raises:
        DataError: no field of ``name`` (the file) will do, or several; they are named.
    """
    for wanted in preferred:
        if any(wanted in row for row in rows):
            return wanted
    names = dict.fromkeys(key for row in rows for key in row)
    left = [key for key in names if key not in META and key not in skip]
    found = [key for key in left if any(_looks_like_text(row.get(key)) for row in rows)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{name}: any of the fields {', '.join(map(repr, found[:MAX_SHOWN]))} can be the sentence. "
            "Rename the right one to 'text' in the export."
        )
    fields = ", ".join(map(repr, list(names)[:MAX_SHOWN])) or "none"
    raise DataError(f"{name}: no field 'text', and none that holds sentences (fields: {fields}). Is this the file?")


def text_of(row: Mapping[str, Any], field: str) -> str:
    """The sentence of a row.

    Raises:
        ValueError: missing or no text.
    """
    value = row.get(field)
    if isinstance(value, str):
        return value
    found = f"must be text, found {type(value).__name__}" if field in row else "is missing"
    raise ValueError(f"field {field!r} {found}")
