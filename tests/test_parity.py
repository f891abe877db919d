"""Parity: what counts as the same, on which sentences, and that a loader which differs or fails is told."""

import json
import math
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from eval.__main__ import main
from eval.parity import TOLERANCE, Outcome, Parity, _run, loaders_of
from eval.parity.judge import Judge
from eval.parity.loaders import Loader, Scores, reference, session_scores
from eval.parity.sentences import HARD, gather, read_sentences
from eval.parity.tei_router import SENTENCE_CONFIG
from eval.predictions import read_predictions
from strijdtaal import Classifier
from strijdtaal.bundle import KIND, QUANTIZED
from strijdtaal.errors import DataError
from strijdtaal.folder import _seal
from strijdtaal.text import clean

FINE = Outcome("a loader", "fp32", "1.0", sentences=300, difference=2e-6)


@pytest.fixture(scope="module")
def judge(bundle):
    classifier = Classifier.load(bundle)
    texts = gather(classifier.contract.golden, None).texts
    thresholds = np.array(classifier.contract.thresholds)
    return Judge(texts, classifier.encode(texts), reference(bundle, texts), thresholds, None)


@pytest.mark.parametrize(
    "name",
    [
        "golden.json, as packaged",
        "transformers.pipeline",
        "AutoModelForSequenceClassification",
        "strijdtaal.Classifier",
        "ONNX Runtime alone",
        "TEI raw scores, emulated",
    ],
)
def test_python_loaders_agree_with_torch(bundle, judge, name):
    loader = next(item for item in loaders_of(bundle) if item.name == name)
    outcome = _run(loader, bundle, judge)
    assert outcome.fault == outcome.skipped == ""
    assert outcome.difference <= TOLERANCE
    assert outcome.sentences >= len(judge.texts) - 4 or name.startswith("golden")
    assert outcome.other_ids in (0, None)
    assert outcome.equal == 1


def test_the_hard_sentences_are_hard(bundle, judge):
    longest = Classifier.load(bundle).contract.max_length
    lengths = [len(row) for row in judge.ids]
    assert lengths.count(longest) > 3
    assert lengths.count(2) >= 3
    assert sum(clean(text) != text for text in HARD) >= 6
    assert max(map(len, HARD)) > 2000


def test_int8_model_is_held_to_its_own_bound(bundle, judge, tmp_path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    (tmp_path / "onnx").mkdir()
    for name in ("labels.json", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((bundle / name).read_bytes())
    quantize_dynamic(bundle / "onnx" / "model.onnx", tmp_path / QUANTIZED, weight_type=QuantType.QInt8)
    outcome = _run(Loader("int8", "int8", partial(session_scores, model=QUANTIZED)), tmp_path, judge)
    assert TOLERANCE < outcome.difference < 0.3
    assert outcome.equal > 0.9
    assert replace(outcome, differing=0).fault == ""
    assert replace(outcome, precision="fp32").fault.startswith("differs by more than 1e-05, most in ")


def test_a_loader_that_fails_is_told_and_does_not_hide_the_others(bundle, judge):
    outcome = _run(Loader("gone", "fp32", partial(session_scores, model="onnx/gone.onnx")), bundle, judge)
    assert "gone.onnx" in outcome.error
    assert outcome.fault == outcome.error
    result = Parity("b", "0" * 64, 300, (outcome, FINE))
    assert result.largest == FINE.difference
    assert result.faults == [f"gone (fp32): {outcome.error}"]
    assert "FAILED" in result.table()


def altered(judge, **changes):
    scores = Scores(judge.expected.copy(), "1.0", ids=[list(row) for row in judge.ids])
    return judge.outcome(Outcome("altered", "fp32"), replace(scores, **changes))


def test_what_differs_is_named(judge):
    assert altered(judge).fault == ""
    moved = judge.expected.copy()
    moved[4, 2] += 3e-5
    outcome = altered(judge, probabilities=moved)
    assert outcome.difference == pytest.approx(3e-5)
    assert outcome.fault.endswith(f"most in {clean(judge.texts[4])[:40]!r}")
    moved[4, 2] = math.nan
    assert math.isnan(altered(judge, probabilities=moved).difference)
    assert altered(judge, probabilities=moved).fault
    assert altered(judge, ids=[*judge.ids[:-1], [2, 3]]).fault == "1 sentences have other token ids"
    assert "probabilities for" in altered(judge, probabilities=moved[:-1]).error
    wrong = [["retreat"] for _ in judge.texts]
    assert "thresholds" in altered(judge, labels=wrong).error


def test_decisions_at_a_threshold_count_outside_the_band_only():
    expected = np.array([[0.5 + 4e-6, 0.9, 0.1, 0.1], [0.6, 0.9, 0.1, 0.1]])
    judge = Judge(["a", "b"], [[2, 3], [2, 3]], expected, np.full(4, 0.5), None)
    below = expected - [8e-6, 0, 0, 0]
    outcome = judge.outcome(Outcome("x", "fp32"), Scores(below, "1"))
    assert (outcome.differing, outcome.fault) == (0, "")
    outcome = judge.outcome(Outcome("x", "int8"), Scores(below, "1"))
    assert (outcome.differing, outcome.fault) == (1, "")


def test_macro_f1_is_that_of_the_last_sentences():
    expected = np.array([[0.9, 0.1, 0.1, 0.1], [0.9, 0.1, 0.1, 0.1], [0.1, 0.9, 0.1, 0.1]])
    gold = np.array([[1, 0, 0, 0], [0, 1, 0, 0]])
    judge = Judge(["a", "b", "c"], [[2, 3]] * 3, expected, np.full(4, 0.5), gold)
    found = expected.copy()
    found[2, 1] = 0.1
    assert judge.outcome(Outcome("x", "int8"), Scores(found, "1")).macro_f1 == pytest.approx(-0.25)
    found = expected.copy()
    found[0, 0] = 0.1
    assert judge.outcome(Outcome("x", "int8"), Scores(found, "1")).macro_f1 == 0


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"difference": 1.1e-5, "worst": "Zin"}, "differs by more than 1e-05, most in 'Zin'"),
        ({"difference": math.nan}, "differs by more than"),
        ({"differing": 1}, "1 sentences get other labels"),
        ({"precision": "int8", "difference": math.nan}, "not numbers"),
        ({"precision": "int8", "differing": 3}, "3 of 300 sentences get other labels (allowed 2)"),
        ({"precision": "int8", "differing": 16, "sentences": 3000}, "(allowed 15)"),
        ({"precision": "int8", "macro_f1": -0.0051}, "macro-F1 falls by 0.51 points"),
        ({"difference": 0.2, "note": "It reads more."}, ". It reads more."),
    ],
)
def test_bounds(changes, fault):
    assert fault in replace(FINE, **changes).fault


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "int8", "difference": 0.2, "differing": 15, "sentences": 3000, "macro_f1": -0.004},
        {"precision": "int8", "sentences": 50, "differing": 2},
        {"skipped": "node is not installed", "difference": math.nan},
    ],
)
def test_within_bounds(changes):
    assert replace(FINE, **changes).fault == ""


def test_skipped_loaders_have_a_reason_and_no_figures():
    result = Parity("b", "0" * 64, 300, (FINE, Outcome("Node", "fp32", skipped="node is not installed")))
    assert result.skipped == ["Node (fp32): node is not installed"]
    assert result.largest == FINE.difference
    assert "skipped: node is not installed" in result.table()
    document = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert document["loaders"][1]["difference"] is None
    assert document["loaders"][0]["equal"] == 1


def test_sentences_of_a_file_and_their_labels(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text('{"text": "Het regende.", "labels": []}\n\n{"text": "Zij dreigden.", "labels": ["threat"]}\n')
    texts, gold = read_sentences(path)
    assert texts == ["Het regende.", "Zij dreigden."]
    assert gold.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]
    path.write_text('{"text": "Het regende.", "labels": []}\n{"text": "Zij dreigden."}\n')
    assert read_sentences(path)[1] is None
    assert gather([{"text": "Ja."}], path).texts == ("Ja.", *HARD, "Het regende.", "Zij dreigden.")


def test_sentences_of_a_predictions_file(run_folder):
    path = run_folder / "predictions" / "encoder-test.parquet"
    texts, gold = read_sentences(path)
    stored = read_predictions(path)
    assert texts == list(stored.texts)
    assert gold.shape == (len(texts), 4)
    assert gold.tolist() == np.asarray(stored.gold).tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b'{"text": "a"}\n{"tekst": "b"}\n', "line 2: there is no field 'text'"),
        (b'{"text": "a", "labels": ["thread"]}', "Did you mean 'threat'"),
        (b'{"text": "a", "labels": "threat"}', "'labels' is str"),
        (b'{"text": "a"', "line 1: not valid JSON"),
        (b'{"text": "Libi\xeb"}', "not UTF-8"),
    ],
)
def test_faults_of_a_file_are_named(tmp_path, content, message):
    path = tmp_path / "own.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"own\.jsonl") as caught:
        read_sentences(path)
    assert message in str(caught.value)


def test_a_file_that_is_not_there():
    with pytest.raises(DataError, match="Cannot read"):
        read_sentences(Path("/nergens/zinnen.jsonl"))


@pytest.mark.slow
def test_command_tells_faults_and_skipped_loaders(bundle, tmp_path, monkeypatch, capsys):
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["parity", str(copy)]) == 0
    assert capsys.readouterr().out.count("skipped: node is not installed") >= 1
    assert main(["parity", str(copy), "--require-all"]) == 1
    assert "transformers.js, Node (fp32): node is not installed" in capsys.readouterr().err
    (copy / SENTENCE_CONFIG).write_text('{"max_seq_length": 9}')
    (copy / "manifest.json").unlink()
    _seal(copy, KIND, {})
    assert main(["parity", str(copy)]) == 1
    output = capsys.readouterr()
    assert "TEI reads 9 tokens" in output.err
    assert "OUT OF TOLERANCE" in output.out
