"""Baselines that every run is measured against: nothing at all, a keyword rule, TF-IDF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.labels import KEYS

# What a person would grep for: stems, lower case; a label is given where its pattern is found.
KEYWORDS: dict[str, str] = {
    "threat": r"\bdreig|\bbedreig|waarschuw|ultimatum|vergeld|terugsla|\bwraak",
    "support": r"\bsteun|ondersteun|gesteund|\bhulp|\bhelp|\bgeholpen|wapenlever|bondgeno|bijstand",
    "retreat": (
        r"terugtrek|terugtrok|teruggetrok|\btrek\w* .*\bterug\b|\btrok\w* .*\bterug\b|aftocht|\bverlat|\bverlaat"
        r"|\bverliet|vertrek|vertrok|verdreven|verdrijv|capitul"
    ),
    "ceasefire_call": (
        r"wapenstilstand|staakt[- ]het[- ]vuren|\bbestand|\broep\w* .*\bop\b|\briep\w* .*\bop\b|oproep|opgeroepen"
    ),
}

_RULES = [re.compile(KEYWORDS[key]) for key in KEYS]


def keyword_probabilities(texts: Sequence[str]) -> NDArray[np.float64]:
    """1.0 where a label's keyword occurs, else 0.0; shape (texts, labels)."""
    found = [[float(bool(rule.search(text.lower()))) for rule in _RULES] for text in texts]
    return np.array(found, dtype=np.float64).reshape(-1, len(KEYS))


def majority_probabilities(gold: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """The share of each label in the training data, for every sentence alike: shape (count, labels)."""
    return np.tile(gold.mean(axis=0), (count, 1)).astype(np.float64)


class Tfidf:
    """TF-IDF (word 1-2, character 2-5 within words) and one logistic regression a label."""

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline, make_union

        features = make_union(
            TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
        )
        regression = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000, solver="liblinear")
        self._pipeline: Any = make_pipeline(features, OneVsRestClassifier(regression))

    def fit(self, texts: Sequence[str], gold: NDArray[np.floating]) -> Tfidf:
        """Fit on training sentences and their 0/1 rows."""
        self._pipeline.fit(texts, np.asarray(gold, dtype=int))
        return self

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Probabilities of shape (texts, labels)."""
        return np.asarray(self._pipeline.predict_proba(texts), dtype=np.float64)
