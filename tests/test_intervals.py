"""Intervals of the metrics beside F1: right in a draw that is the whole, sane in simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from eval.intervals import drawn_average_precision, metric_intervals
from eval.predictions import Predictions
from strijdtaal.labels import KEYS


def example(sentences=300, seed=0):
    generator = np.random.default_rng(seed)
    gold = (generator.random((sentences, len(KEYS))) < 0.2).astype(float)
    probabilities = np.clip(0.35 * gold + 0.5 * generator.random(gold.shape), 0, 1).round(2)  # with ties
    names = [f"a{number // 6:03d}" for number in range(sentences)]
    ids = [f"s{number}" for number in range(sentences)]
    return Predictions("x", "test", 0.4, ids, names, ids, gold, probabilities)


def test_a_draw_of_every_article_once_gives_scikit_learns_average_precision():
    item = example()
    places = np.unique(item.articles, return_inverse=True)[1]
    weights = np.ones((1, places.max() + 1))
    for column in range(len(KEYS)):
        gold, said = item.gold[:, column], item.probabilities[:, column]
        (value,) = drawn_average_precision(said, gold, places, weights)
        assert value == pytest.approx(average_precision_score(gold, said))


def test_a_drawn_article_counts_as_often_as_it_is_drawn():
    item = example(60)
    places = np.unique(item.articles, return_inverse=True)[1]
    weights = np.array([[2.0, 0, 1, 1, 0, 3, 0, 1, 1, 1]])
    rows = np.concatenate([np.flatnonzero(places == a) for a in range(10) for _ in range(int(weights[0, a]))])
    (value,) = drawn_average_precision(item.probabilities[:, 0], item.gold[:, 0], places, weights)
    assert value == pytest.approx(average_precision_score(item.gold[rows, 0], item.probabilities[rows, 0]))


def test_intervals_hold_the_value_and_narrow_with_more_articles():
    small, large = metric_intervals(example(120)), metric_intervals(example(3000))
    item = example(3000)
    exact = ((item.gold >= 0.5) == (item.decided >= 1)).all(axis=1).mean()
    assert large["exact_match"][0] < exact < large["exact_match"][1]
    macro = average_precision_score(item.gold, item.probabilities, average="macro")
    assert large["macro_average_precision"][0] < macro < large["macro_average_precision"][1]
    for name, (low, high) in large.items():
        assert low <= high, name
        assert high - low < small[name][1] - small[name][0], name


def test_undefined_values_have_no_interval():
    few = replace(example(30), articles=[f"a{number % 5}" for number in range(30)])
    assert all(math.isnan(low) for low, _ in metric_intervals(few).values())
    item = example()
    gold = item.gold.copy()
    gold[:, 2] = 0
    found = metric_intervals(replace(item, gold=gold))
    assert math.isnan(found[f"average_precision_{KEYS[2]}"][0])
    assert math.isfinite(found["macro_average_precision"][0])
    everything = metric_intervals(replace(item, gold=np.ones_like(item.gold)))
    assert math.isnan(everything["none_accuracy"][0])
