"""Rows of JSONL exports, each with its place, and a look at the first row to recognise a format by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from training.intake.sentence import Intake
from training.intake.source import Source
from training.strict_json import parse

MAX_LINE_BYTES = 1_000_000


def json_lines(source: Source, intake: Intake) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSONL file with the place of each; faults are noted and passed over."""
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{source.name}, line {number}"
        try:
            if len(line) > MAX_LINE_BYTES:
                raise ValueError(f"{len(line):,} characters in one line; at most {MAX_LINE_BYTES:,}")
            value = parse(line)
            if not isinstance(value, dict):
                raise ValueError("not a JSON object")
        except ValueError as error:
            intake.fault(where, error)
            continue
        yield where, value


def first_object(source: Source) -> dict[str, Any] | None:
    """The first object of a JSON list or of JSONL, to recognise a format by; None if there is none."""
    head = source.data[:MAX_LINE_BYTES].decode("utf-8-sig", errors="replace").lstrip()
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
