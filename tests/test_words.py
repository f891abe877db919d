"""The words that moved decisions: which sentences are explained in the time given, shown and shaded."""

import time

import numpy as np

from eval.occlusion import occlusion
from eval.predictions import Predictions
from eval.words import TRIED, explain, shaded, shown_rows
from strijdtaal.labels import KEYS

WEIGHTS = {"dreigt": [3.0, 0.0, 1.0, 0.0], "niet": [-1.5, 0.5, -0.5, 1 / 6], "steun": [0.0, 2.0, 0.0, 0.5]}


def said(sentences, wrong):
    """Predictions of a test split: a threat everywhere, rightly except in the rows of ``wrong``."""
    gold = np.zeros((sentences, len(KEYS)))
    gold[:, 0] = 1
    gold[wrong] = 0
    probabilities = np.zeros_like(gold)
    probabilities[:, 0] = 0.9
    return Predictions(
        system="encoder",
        split="test",
        threshold=0.5,
        ids=[f"s{number}" for number in range(sentences)],
        articles=["a"] * sentences,
        texts=[f"Moskou dreigt niet {number}" for number in range(sentences)],
        gold=gold,
        probabilities=probabilities,
    )


def four(texts):
    """Four logits: the weights of the known words, added up."""
    return np.array([np.sum([WEIGHTS.get(word, [0.0] * 4) for word in ["", *text.split()]], axis=0) for text in texts])


def test_with_time_every_error_is_explained_and_then_the_right_ones():
    item = said(90, wrong=range(10, 70))
    assert set(explain([item], four)["test"]) == set(item.ids)
    found = explain([item], four, seconds_right=0.0)["test"]
    assert list(found) == item.ids[10:70]  # the wrong ones, whatever the time for the others
    effects = {word["start"]: word["effects"] for word in found["s10"]}
    assert effects[7] == [3.0, 0.0, 1.0, 0.0]
    assert effects[14] == [-1.5, 0.5, -0.5, 0.167]  # rounded


def test_a_slow_model_explains_the_first_errors_only():
    calls = []

    def slow(texts):
        calls.append(len(texts))
        time.sleep(0.05)
        return four(texts)

    item = said(90, wrong=range(10, 70))
    found = explain([item], slow, seconds=0.01, seconds_right=0.01)["test"]
    assert list(found) == item.ids[10 : 10 + TRIED]
    assert calls == [5 * TRIED]
    some = explain([item], slow, seconds=0.09, seconds_right=0.0)["test"]
    assert TRIED < len(some) < 60  # as many more as the time left has room for


def test_a_page_shows_every_error_before_any_right_sentence():
    item = said(30, wrong=[3, 28, 29])
    assert shown_rows(item, 100) == list(range(30))
    assert shown_rows(item, 5) == [0, 1, 3, 28, 29]
    assert shown_rows(item, 2) == [3, 28]


def test_shading_is_for_the_label_that_is_asked_about():
    text = "dreigt steun"
    (words,) = occlusion(four, [text])
    assert shaded(text, words)["label"] == KEYS[0]
    assert shaded(text, words, [KEYS[1], KEYS[3]]) == {
        "label": KEYS[1],
        "pieces": [["dreigt", 0.0], [" ", 0.0], ["steun", 1.0]],
    }
    assert shaded(text, None) is None
