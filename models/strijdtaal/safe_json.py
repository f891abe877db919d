"""JSON from a bundle: one meaning for every reader, and no surprise for this one.

Parsers differ on keys that stand twice, on NaN and on numbers without an end; what two of them could read in two
ways is refused, so that what was checked is what a library later reads.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from strijdtaal.errors import BundleError

MAX_BYTES = 20_000_000


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"key {twice[:80]!r} stands twice in one object")
    return values


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is larger than any number")
    return value


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: not JSON, a key twice in one object, NaN, an infinite number, a number of thousands of digits.
        RecursionError: nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_once, parse_float=_finite, parse_constant=_refuse)


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """A UTF-8 file of at most ``max_bytes``.

    Raises:
        BundleError: it is missing, larger, or not UTF-8.
    """
    try:
        with path.open("rb") as handle:
            raw = handle.read(max_bytes + 1)
    except OSError as error:
        raise BundleError(f"Cannot read {path}: {error.strerror}. Restore the bundle from its source.") from error
    if len(raw) > max_bytes:
        raise BundleError(f"{path} is larger than {max_bytes:,} bytes. This is not a strijdtaal bundle.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{path} is not UTF-8 (byte {error.start}). Restore the bundle from its source.") from error


def read_json(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """The value of a JSON file.

    Raises:
        BundleError: as ``read_text``, or not JSON that every reader understands alike.
    """
    try:
        return parse_json(read_text(path, max_bytes))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not valid JSON: {error}. Restore the bundle from its source.") from error
