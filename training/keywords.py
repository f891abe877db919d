"""The keyword rule: what a person would grep for. A baseline, and a measure of how easy annotations are."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strijdtaal.labels import KEYS

# What a person would grep for: stems, lower case; a label is given where its pattern is found.
KEYWORDS: dict[str, str] = {
    "threat": r"\bdreig|gedreig|\bbedreig|waarschuw|ultimatum|vergeld|terugsla|\bwraak",
    "support": r"\bsteun|ondersteun|gesteund|\bhulp|\bhelp|\bgeholpen|wapenlever|bondgeno|bijstand",
    "retreat": (
        r"terugtrek|terugtrok|teruggetrok|\btrek\w* .*\bterug\b|\btrok\w* .*\bterug\b|aftocht|\bverlat|\bverlaat"
        r"|\bverliet|vertrek|vertrok|verdreven|verdrijv|capitul"
    ),
    "ceasefire_call": (
        r"wapenstilstand|gevechtspau|staakt[- ]het[- ]vuren|\bbestand"
        r"|\broep\w* .*\bop\b|\briep\w* .*\bop\b|oproep|opgeroepen"
    ),
}

_RULES = [re.compile(KEYWORDS[key]) for key in KEYS]


def keyword_probabilities(texts: Sequence[str]) -> NDArray[np.float64]:
    """1.0 where a label's keyword occurs, else 0.0; shape (texts, labels)."""
    found = [[float(bool(rule.search(text.lower()))) for rule in _RULES] for text in texts]
    return np.array(found, dtype=np.float64).reshape(-1, len(KEYS))
