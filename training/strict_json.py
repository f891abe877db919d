"""JSON from strangers, parsed with the standard library: no deep nesting, duplicate keys, NaN or lone surrogates."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 20  # nested brackets

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')  # brackets inside strings do not nest
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")  # the only way a lone surrogate gets into decoded text


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key '{twice}' stands twice")
    return result


def _no_constant(value: str) -> Any:
    raise ValueError(f"{value} is not a JSON number")


def depth(text: str) -> int:
    """How deep brackets nest outside strings."""
    level = deepest = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level -= 1
    return deepest


def parse(text: str) -> Any:
    """One JSON value.

    Raises:
        ValueError: not JSON, brackets nested deeper than ``MAX_DEPTH``, a key twice in one object, NaN or
            Infinity, or half of a surrogate pair; worded for people.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(text) > MAX_DEPTH:
        raise ValueError(f"brackets nested deeper than {MAX_DEPTH}")
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, place {error.colno}" if error.lineno > 1 else f"place {error.pos}"
        raise ValueError(f"not valid JSON: {error.msg} at {place}; is it cut off?") from error
    if _ESCAPED.search(text):
        for key, inside in value.items() if isinstance(value, dict) else [("", value)]:
            if _SURROGATE.search(json.dumps([key, inside], ensure_ascii=False)):
                place = f"field {key!r} holds " if isinstance(value, dict) else ""
                raise ValueError(f"{place}half of a surrogate pair, which is no character; repair it")
    return value
