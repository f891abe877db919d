"""text-embeddings-inference, as its source answers: why raw scores, lists of lists and a longest input are needed."""

import json
import shutil

import numpy as np
import pytest

from eval.parity.loaders import tei_scores
from eval.parity.tei_router import SENTENCE_CONFIG, RefusedError, Router
from eval.tei import probabilities_from_raw_scores, request_bodies
from strijdtaal import Classifier
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS

TEXTS = ["Washington levert raketten aan Kiev en dreigt met nieuwe sancties.", "Het regende.", "Zij trokken weg."]


@pytest.fixture(scope="module")
def router(bundle):
    return Router(bundle)


def row(probabilities):
    return [probabilities[key] for key in KEYS]


def test_raw_scores_and_a_sigmoid_are_right(bundle, router):
    (body,) = request_bodies(TEXTS)
    found = [probabilities_from_raw_scores(answer) for answer in router.predict(body)]
    assert [list(item) for item in found] == [list(KEYS)] * len(TEXTS)
    expected = Classifier.load(bundle).probabilities(TEXTS)
    assert np.abs(np.array([row(item) for item in found]) - expected).max() < 1e-5


def test_without_raw_scores_the_answer_is_a_softmax_and_wrong(bundle, router):
    answers = router.predict({"inputs": [[text] for text in TEXTS]})
    expected = Classifier.load(bundle).probabilities(TEXTS)
    shares = np.array([row({entry["label"]: entry["score"] for entry in answer}) for answer in answers])
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.abs(shares - expected).max() > 0.1
    for answer in answers:
        with pytest.raises(DataError, match='"raw_scores": true'):
            probabilities_from_raw_scores(answer)


def test_answers_are_sorted_by_score(router):
    answer = router.predict({"inputs": TEXTS[0], "raw_scores": True})
    assert [entry["score"] for entry in answer] == sorted((entry["score"] for entry in answer), reverse=True)


def test_a_list_of_two_strings_is_one_pair(router):
    answer = router.predict({"inputs": TEXTS[:2], "raw_scores": True})
    assert set(answer[0]) == {"score", "label"}
    apart = [router.predict({"inputs": text, "raw_scores": True}) for text in TEXTS[:2]]
    assert answer not in apart
    with pytest.raises(RefusedError) as caught:
        router.predict({"inputs": [TEXTS]})
    assert caught.value.status == 422
    assert all(all(len(item) == 1 for item in body["inputs"]) for body in request_bodies(TEXTS * 30))


def test_batches_fit_and_an_empty_sentence_is_told_before_it_is_sent(router):
    bodies = list(request_bodies(TEXTS * 30))
    assert [len(body["inputs"]) for body in bodies] == [32, 32, 26]
    with pytest.raises(RefusedError, match="batch size 33"):
        router.predict({"inputs": [["a"]] * 33})
    with pytest.raises(RefusedError, match="cannot be empty"):
        router.predict({"inputs": [["a"], [""]]})
    with pytest.raises(DataError, match="Sentence 1 is empty"):
        list(request_bodies(["a", " \u200b"]))


def test_the_longest_input_is_that_of_its_own_file(bundle, tmp_path, router):
    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    texts = ["De colonne trok verder langs de vallei. " * 20]
    longest = json.loads((bundle / "labels.json").read_text("utf-8"))["max_length"]
    assert router.max_input_length == longest
    assert tei_scores(bundle, texts).note == ""
    (copy / SENTENCE_CONFIG).write_text('{"max_seq_length": 9}')
    short = tei_scores(copy, texts)
    assert short.note.startswith(f"TEI reads 9 tokens, not {longest}")
    assert np.abs(short.probabilities - tei_scores(bundle, texts).probabilities).max() > 1e-5
    with pytest.raises(RefusedError, match="must have less than 9 tokens"):
        Router(copy).predict({"inputs": texts[0], "truncate": False})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "LABEL_0"}, "not our|Is it our model"),
        ({"score": float("nan")}, "no finite number"),
    ],
)
def test_answers_of_another_model_are_refused(change, message):
    answer = [{"score": 1.0, "label": key} for key in KEYS]
    answer[0] |= change
    with pytest.raises(DataError, match=message):
        probabilities_from_raw_scores(answer)


def test_large_logits_do_not_overflow():
    answer = [{"score": value, "label": key} for value, key in zip((900.0, -900.0, 0.0, -2.0), KEYS, strict=True)]
    assert row(probabilities_from_raw_scores(answer))[:3] == [1.0, 0.0, 0.5]
