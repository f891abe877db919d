"""Baselines that every run is measured against, besides the keyword rule of ``training.keywords``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
