"""Comparing by average precision: equal to a plain loop with scikit-learn, and right where the truth is known."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from eval.paired import resamples
from eval.paired_ranking import compare_average_precision


def systems(generator, articles=40, each=6, gain=0.0):
    names = [f"a{number // each:03d}" for number in range(articles * each)]
    gold = (generator.random((len(names), 4)) < 0.2).astype(float)
    hard = np.repeat(generator.normal(0, 0.7, articles), each)[:, None]
    found = [1 / (1 + np.exp(-(skill * gold + hard + generator.normal(0, 1, gold.shape)))) for skill in (1.0, 1 + gain)]
    return names, gold, [np.round(item, 2) for item in found]  # rounding makes ties


def test_interval_and_p_value_are_those_of_a_plain_loop():
    names, gold, (one, two) = systems(np.random.default_rng(1))
    found = compare_average_precision([one], [two], gold, names, draws=40, seed=3)
    weights, flips = resamples(40, 40, 3)
    place = np.array([int(name[1:]) for name in names])

    def score(item, weight):
        return np.mean([average_precision_score(gold[:, k], item[:, k], sample_weight=weight) for k in range(4)])

    drawn = [score(two, w[place]) - score(one, w[place]) for w in weights]
    swapped = []
    for flip in flips[:, place].astype(bool):
        left, right = np.where(flip[:, None], two, one), np.where(flip[:, None], one, two)
        swapped.append(score(right, None) - score(left, None))
    difference = score(two, None) - score(one, None)
    assert found.difference == pytest.approx(difference)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))
    assert found.p == pytest.approx((1 + sum(abs(value) >= abs(difference) for value in swapped)) / 41)


@pytest.mark.slow
def test_false_alarms_and_power_where_the_truth_is_known():
    generator = np.random.default_rng(2)
    equal, better = [], []
    for number in range(120):
        for gain, found in ((0.0, equal), (0.8, better)):
            names, gold, (one, two) = systems(generator, gain=gain)
            found.append(compare_average_precision([one], [two], gold, names, draws=150, seed=number).p < 0.05)
    assert np.mean(equal) <= 0.11  # 5% and three standard errors of 120 draws
    assert np.mean(better) >= 0.8


def test_a_system_against_itself_differs_by_nothing_and_undefined_stays_so():
    names, gold, (one, _) = systems(np.random.default_rng(4))
    same = compare_average_precision([one], [one], gold, names, draws=50)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    nothing = compare_average_precision([one], [one], np.zeros_like(gold), names, draws=50)
    assert np.isnan([nothing.difference, nothing.low, nothing.p]).all()
