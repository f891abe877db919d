"""The behavioural suite: minimal pairs that show whether a system understands or goes by the words.

    {"id": "b0001", "phenomenon": "negation", "pair": "negation-01", "text": "...", "labels": ["support"]}

The cases of one pair differ in little, and mostly in their labels; a system that goes by the words gets one
of them right and another wrong. So a pair counts as right only when all of its cases are
(Gardner et al. 2020, Evaluating Models' Local Decision Boundaries via Contrast Sets: contrast consistency).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bootstrap import DRAWS
from strijdtaal.errors import DataError, nearest
from strijdtaal.labels import KEYS, from_vector, to_vector
from strijdtaal.text import clean

FIELDS = ("id", "phenomenon", "pair", "text", "labels")
ALL = "all"  # the row over all phenomena
FEWEST_PAIRS = 10  # below this, drawing pairs says nothing of other pairs
SHOWN_FAULTS = 20

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Case:
    """One case. ``text`` is kept as given, models read ``clean(text)``; ``labels`` in the order of ``KEYS``."""

    id: str
    phenomenon: str
    pair: str
    text: str
    labels: tuple[str, ...]


def _labels(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"field 'labels' must be a list of labels, found {value!r}")
    for label in value:
        if label not in KEYS:
            raise ValueError(f"unknown label {label!r}.{nearest(str(label), list(KEYS))} Known: {', '.join(KEYS)}")
    if len(set(value)) != len(value):
        raise ValueError(f"a label stands twice in {value}")
    return tuple(key for key in KEYS if key in value)


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field stands twice")
    return value


def _checked(value: dict[str, Any]) -> Case:
    for name in FIELDS:
        if name not in value:
            hint = ' (write "labels": [] for a case without labels)' if name == "labels" else ""
            raise ValueError(f"field '{name}' is missing{hint}")
    for name in value:
        if name not in FIELDS:
            raise ValueError(f"unknown field '{name}'.{nearest(name, list(FIELDS))}")
    for name in FIELDS[:4]:
        if not isinstance(value[name], str) or not clean(value[name]):
            raise ValueError(f"field '{name}' must be text, found {value[name]!r}")
        if _SURROGATE.search(value[name]):
            raise ValueError(f"field '{name}' holds half of a surrogate pair, which is no character; repair it")
    if value["phenomenon"] == ALL:
        raise ValueError(f"the phenomenon '{ALL}' is the name of the row over all phenomena; choose another")
    return Case(value["id"], value["phenomenon"], value["pair"], value["text"], _labels(value["labels"]))


def _parse_line(raw: bytes) -> Case:
    """One line -> case; raises ValueError with a reason for people."""
    try:
        value = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_unique_fields)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (place {error.start} of the line); save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} at place {error.pos}; is the line cut off?") from error
    except RecursionError as error:
        raise ValueError("brackets nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return _checked(value)


def read_cases(path: Path) -> list[Case]:
    """Read a file of cases, one JSON object a line.

    Raises:
        DataError: the file is missing or empty, or a line has a fault (unknown label, missing field, an id
            used before, a pair under two phenomena ...); up to 20 faults are named with file and line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error
    cases: list[Case] = []
    faults: list[str] = []
    ids: dict[str, int] = {}
    pairs: dict[str, str] = {}
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            case = _parse_line(raw)
            if case.id in ids:
                raise ValueError(f"id '{case.id}' was used before, at line {ids[case.id]}; give each its own")
            ids[case.id] = number
            if pairs.setdefault(case.pair, case.phenomenon) != case.phenomenon:
                raise ValueError(f"pair '{case.pair}' stands under '{pairs[case.pair]}' too; a pair has one phenomenon")
            cases.append(case)
        except ValueError as error:
            faults.append(f"{path}, line {number}: {error}")
    if faults:
        shown = "\n  ".join(faults[:SHOWN_FAULTS])
        more = f"\n  and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        raise DataError(f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in the cases:\n  {shown}{more}")
    if not cases:
        raise DataError(f"{path} is empty: no cases. Give a file with one JSON object a line.")
    return cases


def _right(cases: Sequence[Case], decided: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether the whole set of labels is right: shape (cases,)."""
    if not cases:
        raise DataError("No cases to score. Read them with read_cases.")
    if decided.shape != (len(cases), len(KEYS)):
        raise DataError(f"Decisions of shape {decided.shape} for {len(cases)} cases and {len(KEYS)} labels.")
    if not np.isin(decided, (0, 1)).all():
        raise DataError("Decisions must be 0 or 1. Compare the probabilities with the system's threshold first.")
    gold = np.array([to_vector(case.labels) for case in cases])
    return np.asarray((gold == decided).all(axis=1))


def _row(name: str, pair: NDArray[np.intp], right: NDArray[np.bool_], draws: int, seed: int) -> dict[str, Any]:
    """Scores of the cases of one phenomenon; ``pair`` numbers the pair of each case."""
    _, place = np.unique(pair, return_inverse=True)
    cases = np.bincount(place).astype(np.float64)
    hits = np.bincount(place, weights=right.astype(np.float64))
    whole = (hits == cases).astype(np.float64)
    number = len(cases)
    bounds = np.full((2, 2), np.nan)
    if number >= FEWEST_PAIRS:
        generator = np.random.default_rng(seed)
        weights = generator.multinomial(number, np.full(number, 1 / number), size=draws).astype(np.float64)
        shares = np.column_stack([(weights @ hits) / (weights @ cases), (weights @ whole) / number])
        bounds = np.percentile(shares, [2.5, 97.5], axis=0)
    return {
        "phenomenon": name,
        "cases": len(right),
        "pairs": number,
        "exact": float(right.mean()),
        "exact_low": float(bounds[0, 0]),
        "exact_high": float(bounds[1, 0]),
        "pair_exact": float(whole.mean()),
        "pair_low": float(bounds[0, 1]),
        "pair_high": float(bounds[1, 1]),
    }


def behaviour_scores(
    cases: Sequence[Case], decided: NDArray[np.integer], draws: int = DRAWS, seed: int = 0
) -> list[dict[str, Any]]:
    """One row a phenomenon, in order of first appearance, and a last row "all".

    Args:
        cases: the cases.
        decided: 0/1, shape (cases, labels).
        draws: number of draws of pairs with replacement.
        seed: seed of the draws.

    Returns:
        Rows with ``phenomenon``, ``cases``, ``pairs``, ``exact`` (share of cases with exactly the right set of
        labels), ``exact_low``, ``exact_high``, ``pair_exact`` (share of pairs in which all cases are right),
        ``pair_low``, ``pair_high``; shares from 0 to 1, 95% percentile intervals, NaN below 10 pairs.

    Raises:
        DataError: there are no cases, or the decisions are of another shape or not 0/1.
    """
    right = _right(cases, decided)
    phenomena = np.array([case.phenomenon for case in cases])
    numbers: dict[tuple[str, str], int] = {}
    pair = np.array([numbers.setdefault((case.phenomenon, case.pair), len(numbers)) for case in cases])
    rows = []
    for name in dict.fromkeys(case.phenomenon for case in cases):
        inside = phenomena == name
        rows.append(_row(name, pair[inside], right[inside], draws, seed))
    return [*rows, _row(ALL, pair, right, draws, seed)]


def failures(cases: Sequence[Case], decided: NDArray[np.integer], limit: int | None = None) -> list[dict[str, Any]]:
    """The cases that are wrong, in their order; at most ``limit`` of them.

    Each with ``id``, ``phenomenon``, ``pair``, ``text``, ``gold`` and ``said`` (lists of label keys).

    Raises:
        DataError: there are no cases, or the decisions are of another shape or not 0/1.
    """
    wrong = np.flatnonzero(~_right(cases, decided))[:limit]
    return [
        {
            "id": cases[place].id,
            "phenomenon": cases[place].phenomenon,
            "pair": cases[place].pair,
            "text": cases[place].text,
            "gold": list(cases[place].labels),
            "said": from_vector(decided[place]),
        }
        for place in wrong
    ]
