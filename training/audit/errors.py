"""Label errors: sentences whose labels a model trained on all other articles would not have given.

Confident learning (Northcutt, Jiang and Chuang 2021) as in cleanlab, on out-of-fold probabilities of TF-IDF
and logistic regression. Articles, and articles that share a text, are never divided between folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError, UsageError
from training.audit.checks import SHOWN, Check, share
from training.audit.rows import Sample
from training.duplicates import groups

FOLDS = 5
FEWEST = 2  # groups with, and without, a label in every fold


@dataclass(frozen=True)
class Suspect:
    """A row whose labels may be wrong; ``score`` is cleanlab's label quality, 0 the most suspicious."""

    row: int
    suggestion: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class _Grouped:
    """A row as ``groups`` wants it: without article it is one by itself."""

    article: str
    text: str


def _model() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    return make_pipeline(words, OneVsRestClassifier(LogisticRegression(C=10.0, solver="liblinear")))


def out_of_fold(sample: Sample, seed: int = 1) -> NDArray[np.float64]:
    """Probabilities of shape (rows, labels) from models that never saw the article.

    Raises:
        DataError: a label, or its absence, is in too few articles.
    """
    from sklearn.model_selection import GroupKFold

    parts = groups([_Grouped(row.group, row.text) for row in sample.rows])
    group = np.empty(len(sample.rows), dtype=np.int64)
    for number, members in enumerate(parts):
        group[members] = number
    for column, label in enumerate(sample.labels):
        there = sample.gold[:, column]
        if min(len(np.unique(group[there])), len(np.unique(group[~there]))) < FEWEST * FOLDS:
            raise DataError(
                f"Label {label!r} is in too few independent articles, or in nearly all, to look for label errors: "
                f"{FEWEST * FOLDS} with and {FEWEST * FOLDS} without it are needed."
            )
    texts = np.array(sample.cleaned, dtype=object)
    probabilities = np.zeros(sample.gold.shape)
    gold = sample.gold.astype(int)
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(texts, groups=group):
        found = _model().fit(texts[train], gold[train]).predict_proba(texts[test])
        probabilities[test] = found[:, -gold.shape[1] :]  # of one label alone: without it, with it
    return probabilities


def suspects(sample: Sample, seed: int = 1) -> list[Suspect]:
    """Rows with a likely label error, the most suspicious first, and the labels that the model suggests.

    Raises:
        UsageError: the extra ``intake`` is not installed.
        DataError: a label is in too few articles.
    """
    try:
        from cleanlab.multilabel_classification import get_label_quality_scores
        from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
    except ImportError as error:
        raise UsageError("--label-errors needs the extra 'intake': pip install -e \".[intake]\"") from error
    probabilities = out_of_fold(sample, seed)
    labels = [np.flatnonzero(row).tolist() for row in sample.gold]
    issues = find_multilabel_issues_per_class(labels, probabilities, n_jobs=1)
    if len(sample.labels) > 1:
        scores = get_label_quality_scores(labels, probabilities)
    else:  # which cleanlab does not take for multi-label; its score of one label is the given side's probability
        scores = np.where(sample.gold, probabilities, 1 - probabilities)[:, 0]
    found = np.flatnonzero(issues.any(axis=1))
    suggested = sample.gold ^ issues
    return [
        Suspect(row, tuple(np.array(sample.labels)[suggested[row]].tolist()), float(scores[row]))
        for row in found[np.argsort(scores[found], kind="stable")].tolist()
    ]


def errors(sample: Sample) -> tuple[list[Check], list[dict[str, Any]]]:
    """The check, and the ranked list for ``--label-errors-out``: id, text, labels, suggestion, score."""
    found = suspects(sample)
    listed: list[dict[str, Any]] = [
        {
            "id": sample.rows[one.row].id,
            "text": sample.rows[one.row].text,
            "labels": list(sample.rows[one.row].labels),
            "suggestion": list(one.suggestion),
            "score": round(one.score, 6),
        }
        for one in found
    ]
    examples = tuple(
        f"{sample.rows[one.row].id} {', '.join(sample.rows[one.row].labels) or 'none'} -> "
        f"{', '.join(one.suggestion) or 'none'}: {sample.cleaned[one.row][:60]}"
        for one in found[:SHOWN]
    )
    value = share(len(found), len(sample.rows))
    return [Check("labels to look at again", value, examples=examples, figures={"found": len(found)})], listed
