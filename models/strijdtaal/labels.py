"""The label set: fixed order, Dutch and English names, version of the codebook.

The order never comes from data. Anything that stores label vectors (datasets, predictions, models,
bundles) uses the order of ``KEYS`` and records ``CODEBOOK_VERSION``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from strijdtaal.errors import DataError, nearest

CODEBOOK_VERSION = "1.0"
NONE_DUTCH = "geen"
NONE_ENGLISH = "none"


@dataclass(frozen=True)
class Label:
    """One label: its key in files and code, and its names for people."""

    key: str
    dutch: str
    english: str


LABELS: tuple[Label, ...] = (
    Label("threat", "dreiging", "threat"),
    Label("support", "steun", "support"),
    Label("retreat", "terugtrekking", "retreat"),
    Label("ceasefire_call", "oproep tot een staakt-het-vuren", "call for a ceasefire"),
)
KEYS: tuple[str, ...] = tuple(label.key for label in LABELS)
DUTCH: dict[str, str] = {label.key: label.dutch for label in LABELS}
ID2LABEL: dict[int, str] = dict(enumerate(KEYS))
LABEL2ID: dict[str, int] = {key: number for number, key in ID2LABEL.items()}


def to_vector(labels: Iterable[str]) -> list[float]:
    """Label keys -> 0/1 vector in the order of ``KEYS``.

    >>> to_vector(["support"])
    [0.0, 1.0, 0.0, 0.0]

    Raises:
        DataError: a key is unknown.
    """
    vector = [0.0] * len(KEYS)
    for label in labels:
        if label not in LABEL2ID:
            raise DataError(f"Unknown label {label!r}.{nearest(label, list(KEYS))} Known: {', '.join(KEYS)}.")
        vector[LABEL2ID[label]] = 1.0
    return vector


def from_vector(vector: Iterable[float]) -> list[str]:
    """0/1 vector -> label keys, in the order of ``KEYS``.

    >>> from_vector([1, 0, 0, 1])
    ['threat', 'ceasefire_call']
    """
    return [key for key, value in zip(KEYS, vector, strict=True) if value]
