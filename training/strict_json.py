"""JSON from strangers, parsed with the standard library: no deep nesting, duplicate keys, NaN or lone surrogates."""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 20  # nested brackets
MAX_DIGITS = 100  # of a whole number

# All but the brackets outside strings. Nothing here is ever taken back, so that the time is linear: a string
# that does not end goes on to the end of the text.
_NO_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[^"\[\]{}]++', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")  # the only way a lone surrogate gets into decoded text
# Escapes one after the other: a whole pair, half of one (the group), or anything else.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|(u[dD][89a-fA-F])|.)", re.DOTALL)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"key '{twice}' stands twice")
    return result


def _no_constant(value: str) -> Any:
    raise ValueError(f"{value} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"the number {digits[:30]} is too large")
    return value


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits; at most {MAX_DIGITS}")
    return int(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
)


def depth(text: str) -> int:
    """How deep brackets nest outside strings."""
    brackets = rest = _NO_BRACKETS.sub("", text).replace("{", "[").replace("}", "]")
    for level in range(MAX_DEPTH + 1):
        if not rest:
            return level
        rest = rest.replace("[]", "")  # the innermost of each nest: one level less
    level = deepest = 0  # deeper than that, or not closed: count
    for character in brackets:
        level += 1 if character == "[" else -1
        deepest = max(deepest, level)
    return deepest


def _has_half_pair(text: str) -> bool:
    return any(match.group(1) for match in _ESCAPE.finditer(text))


def _half_pair_fault(value: Any) -> str:
    place = ""
    items = value.items() if isinstance(value, dict) else enumerate(value, 1) if isinstance(value, list) else ()
    for key, inside in items:
        if _SURROGATE.search(json.dumps([key, inside], ensure_ascii=False)):
            place = f"field {key!r} holds " if isinstance(value, dict) else f"row {key} holds "
            break
    return f"{place}half of a surrogate pair, which is no character; repair it"


def _syntax_fault(error: json.JSONDecodeError) -> str:
    place = f"line {error.lineno}, place {error.colno}" if error.lineno > 1 else f"place {error.pos}"
    hint = "is there more than one value?" if error.msg == "Extra data" else "is it cut off?"
    return f"not valid JSON: {error.msg.removesuffix(' at')} at {place}; {hint}"


def parse(text: str) -> Any:
    """One JSON value.

    Raises:
        ValueError: not JSON, brackets nested deeper than ``MAX_DEPTH``, a key twice in one object, NaN,
            Infinity or a number beyond all bounds, or half of a surrogate pair; worded for people.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH and depth(text) > MAX_DEPTH:
        raise ValueError(f"brackets nested deeper than {MAX_DEPTH}")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(_syntax_fault(error)) from error
    if _ESCAPED.search(text) and _has_half_pair(text):
        raise ValueError(_half_pair_fault(value))
    return value
