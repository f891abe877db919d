"""The metrics against scikit-learn on single columns, and against counting by hand."""

import doctest
import json
import math
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import evaluate
import numpy as np
import pytest
from sklearn import metrics as sk

from eval.metrics import (
    AveragePrecision,
    ExactMatch,
    LabelScores,
    MacroF1,
    MicroF1,
    NoneAccuracy,
    decision_metrics,
    score,
)
from strijdtaal.labels import KEYS

ROOT = Path(__file__).resolve().parents[1]


def same(left, right):
    return math.isclose(left, right, abs_tol=1e-12) or (math.isnan(left) and math.isnan(right))


def random_case(seed, sentences=60):
    generator = np.random.default_rng(seed)
    gold = (generator.random((sentences, len(KEYS))) < 0.3).astype(int)
    probabilities = np.clip(0.4 * gold + 0.6 * generator.random(gold.shape), 0, 1).round(2)  # rounded: with ties
    return gold, (probabilities >= 0.5).astype(int), probabilities


@pytest.mark.parametrize("seed", range(3))
def test_every_value_equals_scikit_learn_on_single_columns(seed):
    gold, decided, probabilities = random_case(seed)
    result = score(gold, decided, probabilities)
    each = {}
    for column, key in enumerate(KEYS):
        y, said, entry = gold[:, column], decided[:, column], result["labels"][key]
        each[key] = sk.f1_score(y, said)
        assert same(entry["f1"], each[key])
        assert same(entry["precision"], sk.precision_score(y, said))
        assert same(entry["recall"], sk.recall_score(y, said))
        assert same(entry["average_precision"], sk.average_precision_score(y, probabilities[:, column]))
        assert same(entry["roc_auc"], sk.roc_auc_score(y, probabilities[:, column]))
        assert same(entry["mcc"], sk.matthews_corrcoef(y, said))
        assert (entry["gold"], entry["predicted"]) == (y.sum(), said.sum())
    assert same(result["macro_f1"], sum(each.values()) / len(KEYS))
    assert same(result["macro_f1"], sk.f1_score(gold, decided, average="macro"))
    assert same(result["micro_f1"], sk.f1_score(gold.ravel(), decided.ravel()))
    right = [list(row) == list(other) for row, other in zip(gold, decided, strict=True)]
    assert same(result["exact_match"], sum(right) / len(right))
    assert same(result["macro_average_precision"], sk.average_precision_score(gold, probabilities, average="macro"))
    assert same(result["macro_roc_auc"], sk.roc_auc_score(gold, probabilities, average="macro"))
    for name in ("average_precision", "roc_auc"):
        pooled = getattr(sk, f"{name}_score")(gold, probabilities, average="micro")
        assert same(result[f"micro_{name}"], pooled)
    for name in ("precision", "recall"):
        assert same(result[f"macro_{name}"], getattr(sk, f"{name}_score")(gold, decided, average="macro"))
        assert same(result[f"micro_{name}"], getattr(sk, f"{name}_score")(gold.ravel(), decided.ravel()))
    assert result["sentences"] == len(gold)


def test_label_entries_stand_in_the_order_of_the_codebook():
    gold, decided, probabilities = random_case(0)
    assert tuple(score(gold, decided, probabilities)["labels"]) == KEYS
    assert tuple(LabelScores().compute(predictions=decided.tolist(), references=gold.tolist())) == KEYS


def test_where_nothing_occurs_and_nothing_is_predicted_everything_but_exact_match_is_undefined():
    zeros = np.zeros((3, len(KEYS)), dtype=int)
    result = score(zeros, zeros, zeros.astype(float))
    assert result["exact_match"] == 1.0
    for name in ("macro_f1", "micro_f1", "macro_average_precision"):
        assert math.isnan(result[name]), name
    for entry in result["labels"].values():
        assert all(math.isnan(entry[name]) for name in ("precision", "recall", "f1", "average_precision"))
        assert (entry["gold"], entry["predicted"]) == (0, 0)


def test_a_label_that_is_predicted_but_never_occurs_has_no_recall_and_an_f1_of_zero():
    gold, decided = np.zeros((2, len(KEYS)), dtype=int), np.zeros((2, len(KEYS)), dtype=int)
    decided[0, 2] = 1
    entry = score(gold, decided, decided.astype(float))["labels"]["retreat"]
    assert math.isnan(entry["recall"])
    assert math.isnan(entry["average_precision"])
    assert (entry["precision"], entry["f1"]) == (0.0, 0.0)


def test_a_label_that_occurs_but_is_never_predicted_has_no_precision_and_an_f1_of_zero():
    gold, decided = np.zeros((2, len(KEYS)), dtype=int), np.zeros((2, len(KEYS)), dtype=int)
    gold[0, 2] = 1
    entry = score(gold, decided, decided.astype(float))["labels"]["retreat"]
    assert math.isnan(entry["precision"])
    assert (entry["recall"], entry["f1"]) == (0.0, 0.0)


def test_the_means_leave_out_labels_without_a_value_instead_of_counting_them_as_zero():
    gold = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    decided = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    result = score(gold, decided, decided.astype(float))
    assert same(result["macro_f1"], (2 / 3 + 1.0) / 2)
    assert same(result["macro_average_precision"], (5 / 6 + 1.0) / 2)


def test_average_precision_of_constant_probabilities_is_the_share_of_the_label():
    gold = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]])
    result = AveragePrecision().compute(predictions=np.full((4, len(KEYS)), 0.5).tolist(), references=gold.tolist())
    assert result["average_precision"]["threat"] == 0.5
    assert result["average_precision"]["support"] == 0.25


def test_areas_are_undefined_for_labels_that_never_or_always_occur():
    gold = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 1]])
    said = np.array([[0.9, 0.5, 0.8, 0.1], [0.4, 0.5, 0.2, 0.6], [0.1, 0.5, 0.8, 0.6]])
    result = score(gold, gold, said)
    entries = [result["labels"][key] for key in KEYS]
    assert [entry["average_precision"] for entry in entries] == pytest.approx([1, math.nan, 1, 0.5], nan_ok=True)
    assert [entry["roc_auc"] for entry in entries] == pytest.approx([math.nan, math.nan, 1, 0.75], nan_ok=True)
    assert result["macro_average_precision"] == pytest.approx(2.5 / 3)
    assert result["macro_roc_auc"] == pytest.approx(0.875)
    for name in ("average_precision", "roc_auc"):
        assert same(result[f"micro_{name}"], getattr(sk, f"{name}_score")(gold.ravel(), said.ravel()))


def test_one_sentence_that_is_wholly_right_scores_one():
    row = np.ones((1, len(KEYS)), dtype=int)
    result = score(row, row, row.astype(float))
    assert math.isnan(result["micro_roc_auc"])  # there is nothing negative to rank below
    names = ("macro_f1", "micro_f1", "exact_match", "macro_average_precision")
    assert [result[name] for name in names] == [1.0] * 4


def test_the_decision_metrics_combine_to_the_same_values_as_alone():
    gold, decided, _ = random_case(7)
    inputs = {"predictions": decided.tolist(), "references": gold.tolist()}
    combined = evaluate.combine(decision_metrics()).compute(**inputs)
    assert combined == {**MacroF1().compute(**inputs), **MicroF1().compute(**inputs),
                        **ExactMatch().compute(**inputs), **NoneAccuracy().compute(**inputs),
                        **LabelScores().compute(**inputs)}  # fmt: skip
    assert {"macro_f1", "micro_f1", "micro_precision", "micro_recall", "exact_match", "none_accuracy", *KEYS} == set(
        combined
    )


def test_combined_metrics_fed_in_batches_give_the_same_values():
    gold, decided, _ = random_case(8)
    metrics = evaluate.combine(decision_metrics())
    for start in range(0, len(gold), 25):
        rows = slice(start, start + 25)
        metrics.add_batch(predictions=decided[rows].tolist(), references=gold[rows].tolist())
    whole = evaluate.combine(decision_metrics()).compute(predictions=decided.tolist(), references=gold.tolist())
    assert metrics.compute() == whole


def test_a_different_number_of_predictions_and_references_is_refused():
    with pytest.raises(ValueError, match=r"predictions \(1\) and references \(2\)"):
        MacroF1().compute(predictions=[[1, 0, 0, 0]], references=[[1, 0, 0, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("name", ["eval.metrics", "strijdtaal.labels", "strijdtaal.text"])
def test_the_examples_in_the_documentation_hold(name):
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


OFFLINE = """
import json, socket
def refuse(*arguments, **options):
    raise RuntimeError("the network was asked for")
socket.socket.connect = socket.getaddrinfo = refuse
from eval.metrics import score
result = score([[1, 0, 0, 0], [0, 1, 0, 0]], [[1, 0, 0, 0], [0, 0, 0, 0]], [[0.9, 0, 0, 0], [0, 0.3, 0, 0]])
print(json.dumps([result["micro_f1"], result["exact_match"]]))
"""


@pytest.mark.slow
def test_metrics_work_offline_and_leave_no_files(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "models")]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name in ("HF_DATASETS_CACHE", "HF_EVALUATE_CACHE", "HF_METRICS_CACHE", "HF_MODULES_CACHE", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [2 / 3, 0.5]
    assert [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and path.stat().st_size] == []
