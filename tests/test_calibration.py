"""Calibration measures: cases worked by hand, and simulations in which the true probabilities are known."""

import math

import numpy as np
import pytest

from eval.bootstrap import FEWEST_ARTICLES
from eval.calibration import brier, calibration_summary, expected_calibration_error, reliability
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS

LABELS = len(KEYS)


def column(values):
    return np.array(values, dtype=float)[:, None]


def calibrated(seed, number):
    """Probabilities that are true: each label occurs as often as they say."""
    generator = np.random.default_rng(seed)
    said = generator.beta(0.4, 2.0, (number, LABELS))
    return said, (generator.random(said.shape) < said).astype(float)


def test_brier_by_hand_and_by_scikit_learn():
    from sklearn.metrics import brier_score_loss

    assert brier(column([0.9, 0.2, 0.5]), column([1, 0, 0])) == pytest.approx([(0.01 + 0.04 + 0.25) / 3])
    said, gold = calibrated(1, 200)
    assert brier(said, gold) == pytest.approx([brier_score_loss(gold[:, n], said[:, n]) for n in range(LABELS)])


def test_calibration_error_by_hand():
    said, gold = column([0.1, 0.2, 0.6, 0.9]), column([0, 1, 1, 1])
    # Two bins of two: |0.15 - 0.5| = 0.35 and |0.75 - 1| = 0.25, equal weights.
    assert expected_calibration_error(said, gold, bins=2) == pytest.approx([0.30])
    assert expected_calibration_error(said, gold, bins=1) == pytest.approx([abs(0.45 - 0.75)])
    assert expected_calibration_error(said, gold, bins=15) == pytest.approx([(0.1 + 0.8 + 0.4 + 0.1) / 4])


def test_bins_weigh_by_their_size():
    said, gold = column([0.1, 0.1, 0.1, 0.1, 0.8]), column([0, 0, 0, 1, 0])
    # Four equal probabilities share a bin: 4/5 * |0.1 - 0.25| + 1/5 * 0.8.
    assert expected_calibration_error(said, gold, bins=5) == pytest.approx([0.8 * 0.15 + 0.2 * 0.8])
    assert [point["count"] for point in reliability(said[:, 0], gold[:, 0], bins=5)] == [4, 1]


def test_order_of_sentences_does_not_matter_even_with_ties():
    generator = np.random.default_rng(2)
    said, gold = generator.integers(0, 4, (500, LABELS)) / 4, generator.integers(0, 2, (500, LABELS))
    order = generator.permutation(500)
    once, again = expected_calibration_error(said, gold), expected_calibration_error(said[order], gold[order])
    assert once == pytest.approx(again)
    assert reliability(said[:, 0], gold[:, 0]) == reliability(said[order, 0], gold[order, 0])


def test_true_probabilities_have_a_small_error_and_shifted_ones_the_shift():
    said, gold = calibrated(3, 40_000)
    assert (expected_calibration_error(said, gold) < 0.015).all()
    shifted = np.clip(said + 0.1, 0, 1)
    moved = (shifted - said).mean(axis=0)
    assert expected_calibration_error(shifted, gold) == pytest.approx(moved, abs=0.01)
    assert (brier(shifted, gold) > brier(said, gold)).all()


def test_no_sentences_are_nan():
    empty = np.zeros((0, LABELS))
    assert np.isnan(brier(empty, empty)).all()
    assert np.isnan(expected_calibration_error(empty, empty)).all()
    assert brier(empty, empty).shape == expected_calibration_error(empty, empty).shape == (LABELS,)
    assert reliability([], []) == []
    summary = calibration_summary(empty, empty, [])
    assert math.isnan(summary[KEYS[0]]["ece"])
    assert math.isnan(summary[KEYS[0]]["mean_probability"])
    assert all(math.isnan(bound) for bound in summary[KEYS[0]]["brier_interval"])


def test_reliability_by_hand():
    said = np.repeat([0.2, 0.6], 10)
    gold = np.array([1] + [0] * 9 + [1] * 5 + [0] * 5)
    low, high = reliability(said, gold, bins=2)
    assert (low["predicted"], low["observed"], low["count"]) == pytest.approx((0.2, 0.1, 10))
    assert (high["predicted"], high["observed"], high["count"]) == pytest.approx((0.6, 0.5, 10))
    z = 1.959964  # Wilson 1927 for 5 of 10: the centre is 0.5
    half = z * math.sqrt(0.25 / 10 + z**2 / 400) / (1 + z**2 / 10)
    assert (high["low"], high["high"]) == pytest.approx((0.5 - half, 0.5 + half))
    assert 0 < low["low"] < 0.1 < low["high"] < 0.5


def test_reliability_bins_have_equal_mass_and_rise():
    said, gold = calibrated(4, 1003)
    points = reliability(said[:, 0], gold[:, 0])
    assert sum(point["count"] for point in points) == 1003
    assert {point["count"] for point in points} == {100, 101}
    assert [point["predicted"] for point in points] == sorted(point["predicted"] for point in points)
    assert all(0 <= point["low"] <= point["observed"] <= point["high"] <= 1 for point in points)


def test_wilson_intervals_cover_the_true_probability():
    inside = []
    for seed in range(40):
        said, gold = calibrated(seed, 1000)
        points = [point for n in range(LABELS) for point in reliability(said[:, n], gold[:, n])[5:]]
        inside += [point["low"] <= point["predicted"] <= point["high"] for point in points]
    assert 0.92 <= np.mean(inside) <= 0.98


def test_summary_agrees_with_its_parts():
    said, gold = calibrated(5, 600)
    summary = calibration_summary(said, gold, [f"a{number // 10}" for number in range(600)])
    assert tuple(summary) == KEYS
    for n, key in enumerate(KEYS):
        entry = summary[key]
        assert set(entry) == {"brier", "brier_interval", "ece", "ece_interval", "mean_probability", "observed"}
        assert entry["brier"] == pytest.approx(brier(said, gold)[n])
        assert entry["ece"] == pytest.approx(expected_calibration_error(said, gold)[n])
        assert (entry["mean_probability"], entry["observed"]) == pytest.approx((said[:, n].mean(), gold[:, n].mean()))
        for name in ("brier", "ece"):
            low, high = entry[f"{name}_interval"]
            assert low < entry[name] < high


@pytest.mark.parametrize("digits", [1, 6])
def test_intervals_are_those_of_a_plain_loop_over_the_drawn_articles(digits):
    said, gold = calibrated(9, 300)
    said = said.round(digits)  # with many ties, and nearly without
    articles = np.array([f"a{number // 12:02d}" for number in range(300)])
    names = sorted(set(articles))
    found = calibration_summary(said, gold, list(articles), draws=50, seed=4)
    draws = np.random.default_rng(4).multinomial(len(names), [1 / len(names)] * len(names), size=50)
    for n, key in enumerate(KEYS):
        # the sentences of rank 0 to 19 in the first of 15 bins, and so on; equal probabilities in one
        bins = [int((said[:, n] < value).sum()) // 20 for value in said[:, n]]
        away = [sum(said[i, n] - gold[i, n] for i in range(300) if bins[i] == b) / 300 for b in range(15)]
        scores, moved = [], []
        for times in draws:
            rows = [i for name, count in zip(names, times, strict=True) for i in np.flatnonzero(articles == name)
                    for _ in range(count)]  # fmt: skip
            scores.append(float(brier(said[rows], gold[rows])[n]))
            each = [sum(said[i, n] - gold[i, n] for i in rows if bins[i] == b) / len(rows) for b in range(15)]
            moved.append(sum(abs(one - other) for one, other in zip(each, away, strict=True)))
        entry, error, reach = found[key], sum(map(abs, away)), np.percentile(moved, 95)
        assert entry["brier_interval"] == pytest.approx(tuple(np.percentile(scores, [2.5, 97.5])), abs=1e-12)
        assert entry["ece"] == pytest.approx(error, abs=1e-12)
        assert entry["ece_interval"] == pytest.approx((max(0, error - reach), min(1, error + reach)), abs=1e-12)


def test_the_interval_of_the_error_holds_the_truth_be_it_0_or_a_shift():
    many, _ = calibrated(99, 100_000)
    for shift in (0.0, 0.02, 0.15):
        truth = (np.clip(many + shift, 0, 1) - many).mean()  # all on one side, so the bins do not matter
        held, above = [], []
        for seed in range(40):
            said, gold = calibrated(seed, 1600)
            articles = [f"a{number // 8:03d}" for number in range(1600)]
            found = calibration_summary(np.clip(said + shift, 0, 1), gold, articles, draws=200, seed=seed)
            held += [entry["ece_interval"][0] <= truth <= entry["ece_interval"][1] for entry in found.values()]
            above += [entry["ece_interval"][0] > 0 for entry in found.values()]
        assert np.mean(held) >= 0.93
        assert np.mean(above) == pytest.approx({0.0: 0.05, 0.02: 0.55, 0.15: 1}[shift], abs=0.07)


def test_interval_is_wider_when_sentences_of_an_article_are_alike():
    said, gold = calibrated(6, 100)
    said, gold = np.repeat(said, 10, axis=0), np.repeat(gold, 10, axis=0)
    together = calibration_summary(said, gold, [f"a{number // 10:03d}" for number in range(1000)])
    apart = calibration_summary(said, gold, [f"a{number}" for number in range(1000)])
    for key in KEYS:
        wide, narrow = (np.diff(found[key]["brier_interval"])[0] for found in (together, apart))
        assert wide / narrow == pytest.approx(math.sqrt(10), rel=0.15)
    again = calibration_summary(said, gold, [f"a{number // 10:03d}" for number in range(1000)])
    assert again == together  # seeded


def test_few_articles_have_no_interval():
    said, gold = calibrated(7, 100)
    few = calibration_summary(said, gold, [f"a{number % (FEWEST_ARTICLES - 1)}" for number in range(100)])
    assert all(math.isnan(bound) for name in ("brier", "ece") for bound in few[KEYS[0]][f"{name}_interval"])
    assert few[KEYS[0]]["brier"] > 0


@pytest.mark.parametrize(
    ("said", "gold", "words"),
    [
        ([[0.5, 1.2]], [[0, 1]], "1.2"),
        ([[0.5, math.nan]], [[0, 1]], "nan"),
        ([[0.5, 0.5]], [[0, 2]], "0 or 1"),
        ([[0.5, 0.5]], [[0]], "shape"),
        ([0.5], [1], "shape"),
    ],
)
def test_wrong_input_is_named(said, gold, words):
    with pytest.raises(DataError, match=words):
        brier(said, gold)


def test_wrong_bins_and_articles_are_named():
    said, gold = calibrated(8, 20)
    with pytest.raises(DataError, match="0 bins"):
        expected_calibration_error(said, gold, bins=0)
    with pytest.raises(DataError, match="one article a sentence"):
        calibration_summary(said, gold, ["a"] * 19)
    with pytest.raises(DataError, match=f"{LABELS} labels"):
        calibration_summary(said[:, :2], gold[:, :2], ["a"] * 20)
