"""Rows of JSONL exports, each with its place, and a look at the first row to recognise a format by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from training.intake.sentence import Intake
from training.intake.source import Source
from training.strict_json import parse

MAX_LINE_BYTES = 1_000_000


def _lines(text: str) -> Iterator[str]:
    """The lines, one at a time: faster than ``split`` for large files, and without a list of them."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    yield text[start:]


def _has_lone_return(text: str) -> bool:
    return "\r" in text and text.count("\r") != text.count("\r\n")


def json_lines(source: Source, intake: Intake) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file with the place of each; faults are noted and passed over.

    Raises:
        DataError: the file is not in the expected encoding, or has very many faults.
    """
    text = source.text
    if _has_lone_return(text):  # it ends a line on old Macs, and cannot stand inside a JSON string
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(_lines(text), 1):
        if not line or line.isspace():
            continue
        where = f"{source.name}, line {number}"
        try:
            if len(line) > MAX_LINE_BYTES:
                raise ValueError(f"{len(line):,} characters in one line; at most {MAX_LINE_BYTES:,}")
            value = parse(line.removeprefix("\ufeff"))  # files that were joined keep their marks
            if not isinstance(value, dict):
                raise ValueError("not a JSON object")
        except ValueError as error:
            intake.fault(where, error)
            continue
        yield where, value


def first_object(source: Source) -> dict[str, Any] | None:
    """The first object of a JSON list or of JSONL, to recognise a format by; None if there is none."""
    head = source.head.lstrip()
    if head.startswith("["):
        head = head[1:].lstrip()
    if not head.startswith("{"):
        return None
    line = head.split("\n", 1)[0]
    for candidate in (line, head):
        try:
            value, _ = json.JSONDecoder(object_pairs_hook=dict).raw_decode(candidate)
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, dict) else None
    return None
