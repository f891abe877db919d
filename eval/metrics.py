"""Metrics as ``evaluate.Metric`` modules, over scikit-learn's formulas; no network, no cache files.

Inputs of the decision metrics are 0/1 rows, one value a label in the order of
``strijdtaal.labels.KEYS``; of ``AveragePrecision`` the predictions are probabilities. They can be
joined with ``evaluate.combine``. A value that is undefined (a label that never occurs) is NaN, which
the report prints as n/a; it is never a silent 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn import metrics as sk

from strijdtaal.labels import KEYS

_CITATION = "Pedregosa et al. 2011, Scikit-learn: Machine Learning in Python, JMLR 12."
_INPUTS = "predictions, references: rows of 0/1, one value a label."


class _Decisions(evaluate.Metric):
    """Common part of the metrics on 0/1 rows."""

    definition = ""
    value = "int64"

    def __init__(self, **options: Any) -> None:
        super().__init__(keep_in_memory=True, **options)

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features(
            {
                "predictions": datasets.List(datasets.Value(self.value)),
                "references": datasets.List(datasets.Value("int64")),
            }
        )
        return evaluate.MetricInfo(
            description=self.definition, citation=_CITATION, inputs_description=_INPUTS, features=features
        )


def _f1(references: Any, predictions: Any, average: str | None) -> Any:
    return sk.f1_score(np.asarray(references), np.asarray(predictions), average=average, zero_division=np.nan)


class MacroF1(_Decisions):
    """Mean over the labels of F1 = 2 P R / (P + R); a label neither occurring nor predicted is left out.

    >>> MacroF1().compute(predictions=[[1, 0, 0, 0], [0, 1, 0, 0]], references=[[1, 0, 0, 0], [1, 1, 0, 0]])
    {'macro_f1': 0.8333333333333333}
    """

    definition = "Unweighted mean of the F1 of each label."

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        each = _f1(references, predictions, None)
        return {"macro_f1": float(np.nanmean(each)) if np.isfinite(each).any() else math.nan}


class MicroF1(_Decisions):
    """F1, precision and recall over all decisions of all labels together.

    >>> MicroF1().compute(predictions=[[1, 0, 0, 0], [0, 1, 0, 0]], references=[[1, 0, 0, 0], [1, 1, 0, 0]])
    {'micro_f1': 0.8, 'micro_precision': 1.0, 'micro_recall': 0.6666666666666666}
    """

    definition = "F1 over the pooled decisions of all labels."

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        options: dict[str, Any] = {"average": "micro", "zero_division": np.nan}
        gold, decided = np.asarray(references), np.asarray(predictions)
        return {
            "micro_f1": float(_f1(references, predictions, "micro")),
            "micro_precision": float(sk.precision_score(gold, decided, **options)),
            "micro_recall": float(sk.recall_score(gold, decided, **options)),
        }


class ExactMatch(_Decisions):
    """Share of sentences whose whole set of labels is right (scikit-learn: accuracy, subset accuracy).

    >>> ExactMatch().compute(predictions=[[1, 0, 0, 0], [0, 1, 0, 0]], references=[[1, 0, 0, 0], [1, 1, 0, 0]])
    {'exact_match': 0.5}
    """

    definition = "Share of sentences with exactly the right set of labels."

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        return {"exact_match": float(sk.accuracy_score(np.asarray(references), np.asarray(predictions)))}


class NoneAccuracy(_Decisions):
    """Share of the sentences annotated with no label that get none: how often the system keeps quiet rightly.

    >>> NoneAccuracy().compute(predictions=[[0, 0, 0, 0], [0, 1, 0, 0]], references=[[0, 0, 0, 0], [0, 0, 0, 0]])
    {'none_accuracy': 0.5}
    """

    definition = "Share of sentences without a label in the annotation that get none."

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        none = np.asarray(references).sum(axis=1) == 0
        quiet = np.asarray(predictions).sum(axis=1) == 0
        return {"none_accuracy": float(quiet[none].mean()) if none.any() else math.nan}


class LabelScores(_Decisions):
    """Precision, recall, F1, Matthews correlation (MCC), gold and predicted counts of each label.

    >>> scores = LabelScores().compute(predictions=[[1, 0, 0, 0]], references=[[1, 1, 0, 0]])
    >>> scores["threat"]["f1"], scores["support"]["recall"], scores["support"]["gold"]
    (1.0, 0.0, 1)
    """

    definition = "Precision, recall, F1 and MCC of each label, with counts."

    def _compute(self, predictions: Any, references: Any) -> dict[str, dict[str, float]]:
        gold, decided = np.asarray(references), np.asarray(predictions)
        options: dict[str, Any] = {"average": None, "zero_division": np.nan}
        precision = sk.precision_score(gold, decided, **options)
        recall = sk.recall_score(gold, decided, **options)
        f1 = _f1(gold, decided, None)
        return {
            key: {
                "precision": float(precision[column]),
                "recall": float(recall[column]),
                "f1": float(f1[column]),
                "mcc": _mcc(gold[:, column], decided[:, column]),
                "gold": int(gold[:, column].sum()),
                "predicted": int(decided[:, column].sum()),
            }
            for column, key in enumerate(KEYS)
        }


def _mcc(gold: Any, decided: Any) -> float:
    """Matthews correlation; undefined where the label always or never occurs, or is always or never said."""
    if len(np.unique(gold)) < 2 or len(np.unique(decided)) < 2:
        return math.nan
    return float(sk.matthews_corrcoef(gold, decided))


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _areas(
    name: str, area: Callable[..., float], references: Any, predictions: Any, both: bool = False
) -> dict[str, Any]:
    """``area`` of each label, its mean over the labels (macro), and that of all decisions pooled (micro).

    NaN where scikit-learn would warn or fail: without positives or, if ``both`` are needed, without negatives.
    """
    gold, scores = np.asarray(references), np.asarray(predictions)

    def of(yes: Any, said: Any) -> float:
        defined = yes.any() and not (both and yes.all())
        return float(area(yes, said)) if defined else math.nan

    each = {key: of(gold[:, column], scores[:, column]) for column, key in enumerate(KEYS)}
    return {name: each, f"macro_{name}": _mean(list(each.values())), f"micro_{name}": of(gold.ravel(), scores.ravel())}


class AveragePrecision(_Decisions):
    """Average precision of each label, and over all labels; predictions are probabilities, no threshold.

    >>> result = AveragePrecision().compute(
    ...     predictions=[[0.9, 0.1, 0.0, 0.0], [0.2, 0.7, 0.0, 0.0]], references=[[1, 0, 0, 0], [0, 1, 0, 0]])
    >>> result["average_precision"]["threat"], result["macro_average_precision"], result["micro_average_precision"]
    (1.0, 1.0, 1.0)
    """

    definition = "Area under the precision-recall curve as the sum of (R_n - R_n-1) P_n."
    value = "float64"

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        return _areas("average_precision", sk.average_precision_score, references, predictions)


class RocAuc(_Decisions):
    """Area under the ROC curve of each label, and over all labels; predictions are probabilities, no threshold.

    >>> result = RocAuc().compute(
    ...     predictions=[[0.9, 0.1, 0.0, 0.0], [0.2, 0.7, 0.0, 0.0]], references=[[1, 0, 0, 0], [0, 1, 0, 0]])
    >>> result["roc_auc"]["threat"], result["macro_roc_auc"], result["micro_roc_auc"]
    (1.0, 1.0, 1.0)
    """

    definition = "Chance that a positive sentence gets a higher probability than a negative one."
    value = "float64"

    def _compute(self, predictions: Any, references: Any) -> dict[str, Any]:
        return _areas("roc_auc", sk.roc_auc_score, references, predictions, both=True)


def decision_metrics() -> list[evaluate.Metric]:
    """The metrics on 0/1 rows, in the order of the report."""
    return [MacroF1(), MicroF1(), ExactMatch(), NoneAccuracy(), LabelScores()]


def score(gold: Any, decided: Any, probabilities: Any) -> dict[str, Any]:
    """All metrics of one system on one split, as plain values."""
    references = np.asarray(gold).astype(int).tolist()
    result: dict[str, Any] = {}
    for metric in decision_metrics():
        value = metric.compute(predictions=np.asarray(decided).tolist(), references=references)
        if isinstance(metric, LabelScores):
            result["labels"] = value
        else:
            result |= value
    for ranking, name in ((AveragePrecision(), "average_precision"), (RocAuc(), "roc_auc")):
        found = ranking.compute(predictions=np.asarray(probabilities).tolist(), references=references)
        for key, value in found[name].items():
            result["labels"][key][name] = value
        result |= {f"{how}_{name}": found[f"{how}_{name}"] for how in ("macro", "micro")}
    names = ("precision", "recall")
    result |= {f"macro_{name}": _mean([entry[name] for entry in result["labels"].values()]) for name in names}
    result["sentences"] = len(references)
    return result
