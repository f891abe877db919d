"""Calibration and thresholds are adopted when the simulated truth asks for it, and left alone when it does not."""

import json
import math
import time

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, f1_score, log_loss

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.decision import (
    FIGURES,
    THRESHOLDS,
    Decision,
    _best_thresholds,
    _choose_thresholds,
    _fold_table,
    choose_decision,
    fit_platt,
    fixed_decision,
)
from training.thresholds import best_shared_threshold, macro_f1

LABELS = len(KEYS)
EQUAL = (0.0,) * LABELS


def sample(seed, articles, per_article=10, shift=EQUAL, scale=1.0):
    """Logits that are true up to a scale and a shift of each label; sentences of an article resemble each other."""
    generator = np.random.default_rng(seed)
    place = np.repeat(np.arange(articles), per_article)
    truth = generator.normal(-2.2, 2.5, (len(place), LABELS)) + generator.normal(0, 0.4, articles)[place][:, None]
    gold = (generator.random(truth.shape) < expit(truth)).astype(float)
    return scale * truth + np.array(shift), gold, [f"a{number:04d}" for number in place]


def shared_score(logits, gold, fresh_logits, fresh_gold):
    threshold, _ = best_shared_threshold(expit(logits), gold)
    return macro_f1(expit(fresh_logits) >= threshold, fresh_gold)


@pytest.mark.slow
def test_equal_labels_seldom_get_thresholds_of_their_own_and_never_lose_by_much():
    fresh_logits, fresh_gold, _ = sample(999, 1500)
    adopted, calibrated, gains = [], [], []
    for seed in range(12):
        logits, gold, articles = sample(seed, 60)
        found = choose_decision(logits, gold, articles)
        adopted.append(found.per_label)
        calibrated.append(found.calibrated)
        score = macro_f1(found.decided(fresh_logits), fresh_gold)
        gains.append(score - shared_score(logits, gold, fresh_logits, fresh_gold))
    assert np.mean(adopted) <= 0.34
    assert np.mean(calibrated) <= 0.34
    assert min(gains) > -0.01
    assert np.mean(gains) > -0.002


@pytest.mark.parametrize("calibrate", [True, False])
def test_a_planted_shift_of_labels_is_mended(calibrate):
    shift = (0.0, -2.0, 0.0, 1.0)
    logits, gold, articles = sample(1, 200, shift=shift)
    fresh_logits, fresh_gold, _ = sample(2, 1500, shift=shift)
    found = choose_decision(logits, gold, articles, calibrate=calibrate)
    assert (found.calibrated, found.calibrated or found.per_label) == (calibrate, True)
    score = macro_f1(found.decided(fresh_logits), fresh_gold)
    assert score > shared_score(logits, gold, fresh_logits, fresh_gold) + 0.03
    if calibrate:
        assert found.biases == pytest.approx([-value for value in shift], abs=0.35)
    else:
        assert found.thresholds[1] < found.thresholds[0] < found.thresholds[3]
        assert found.evidence["gain"] > found.evidence["gain_se"] > 0
        assert found.evidence["shrinkage"] in (0.25, 0.5, 0.75)


def test_per_label_thresholds_can_be_forbidden():
    logits, gold, articles = sample(1, 200, shift=(0.0, -2.0, 0.0, 1.0))
    found = choose_decision(logits, gold, articles, calibrate=False, per_label=False)
    assert len(set(found.thresholds)) == 1
    assert found.thresholds[0] == best_shared_threshold(expit(logits), gold)[0]
    assert (found.slopes, found.biases, found.calibrated, found.per_label) == ((1.0,) * 4, (0.0,) * 4, False, False)


def test_over_confident_logits_are_calibrated():
    logits, gold, articles = sample(3, 150, scale=3.0)
    found = choose_decision(logits, gold, articles)
    assert found.calibrated
    assert found.slopes == pytest.approx([1 / 3] * LABELS, rel=0.2)
    assert found.evidence["log_loss_after"] < found.evidence["log_loss_before"]
    fresh_logits, fresh_gold, _ = sample(4, 500, scale=3.0)
    before, after = (
        log_loss(fresh_gold.ravel(), said.ravel()) for said in (expit(fresh_logits), found.probabilities(fresh_logits))
    )
    assert after < before - 0.02


def test_the_evidence_is_from_sentences_left_out():
    logits, gold, articles = sample(5, 30)
    noise = np.random.default_rng(5).permutation(gold)  # nothing to learn: thresholds cannot gain
    found = choose_decision(logits, noise, articles)
    in_sample = macro_f1(found.decided(logits), noise)
    assert set(found.evidence) == set(FIGURES)
    assert found.evidence["shared_macro_f1"] < in_sample
    gap = found.evidence["per_label_macro_f1"] - found.evidence["shared_macro_f1"]
    assert found.evidence["gain"] == pytest.approx(gap)


def test_shrinkage_is_chosen_on_folds_left_out():
    amounts = []
    for seed in range(40):
        logits, gold, _ = sample(seed, 15)
        shared, thresholds, amount = _choose_thresholds(expit(logits), gold, np.arange(len(gold)) // 10 % 5)
        assert (amount == 0) == (thresholds == shared).all()
        amounts.append(amount)
    assert np.mean(amounts) < 0.4  # the labels are equal; on the sentences that thresholds fit, more would win


def test_platt_scaling_keeps_the_order_of_sentences():
    logits, gold, _ = sample(6, 60, shift=(1.0, -1.0, 0.0, 2.0), scale=2.0)
    slopes, biases = fit_platt(logits, gold)
    before = [average_precision_score(gold[:, n], logits[:, n]) for n in range(LABELS)]
    scaled = expit(logits * slopes + biases)
    assert [average_precision_score(gold[:, n], scaled[:, n]) for n in range(LABELS)] == pytest.approx(before)
    against, _ = fit_platt(logits, 1 - gold)  # logits that say the opposite of the truth
    assert (against > 0).all()


def test_platt_scaling_agrees_with_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    logits, gold, _ = sample(7, 200, shift=(0.5, -0.5, 1.0, 0.0), scale=1.5)
    slopes, biases = fit_platt(logits, gold)
    for n in range(LABELS):
        model = LogisticRegression(C=1e9).fit(logits[:, [n]], gold[:, n])
        assert slopes[n] == pytest.approx(model.coef_[0, 0], rel=0.05)
        assert biases[n] == pytest.approx(model.intercept_[0], abs=0.1)


def test_a_label_of_one_class_gets_the_pooled_calibration():
    logits, gold, _ = sample(8, 100, scale=2.0)
    gold[:, 1], gold[:, 2] = 0, 1
    slopes, biases = fit_platt(logits, gold)
    (slope,), (bias,) = fit_platt(logits.reshape(-1, 1), gold.reshape(-1, 1))  # all labels as one
    assert slopes[1] == slopes[2] == pytest.approx(slope, rel=0.01)
    assert biases[1] == biases[2] == pytest.approx(bias, abs=0.01)
    assert slopes[0] == pytest.approx(0.5, rel=0.2)  # cases enough of its own
    slopes, biases = fit_platt(logits, gold * 0)  # nothing to fit at all
    assert (slopes.tolist(), biases.tolist()) == ([1.0] * LABELS, [0.0] * LABELS)


def test_a_rare_label_leans_on_the_pooled_calibration():
    gold = np.zeros((200, 2))
    gold[:100, 0] = gold[:5, 1] = 1

    def odds(positives, negatives):
        """The bias where all logits are 0: log odds of the mean of Platt's targets."""
        total = positives * (positives + 1) / (positives + 2) + negatives / (negatives + 2)
        return math.log(total / (positives + negatives - total))

    _, biases = fit_platt(np.zeros((200, 2)), gold)
    pooled = odds(105, 295)
    expected = [(100 * odds(100, 100) + 20 * pooled) / 120, (5 * odds(5, 195) + 20 * pooled) / 25]
    assert biases == pytest.approx(expected, abs=1e-3)


def test_grid_counts_give_the_f1_of_scikit_learn():
    logits, gold, _ = sample(9, 30)
    probabilities = expit(logits)
    probabilities[:40] = np.round(probabilities[:40], 2)  # some exactly on a threshold
    place = np.arange(len(gold)) % 3
    table = _fold_table(probabilities, gold, place)
    assert table.shape == (3, len(THRESHOLDS), 3, LABELS)
    for number in (0, 17, len(THRESHOLDS) - 1):
        yes, said = gold[place == 1] == 1, probabilities[place == 1] >= THRESHOLDS[number]
        assert table[1, number] == pytest.approx(np.stack([(yes & said), (~yes & said), (yes & ~said)]).sum(axis=1))
    shared, own = _best_thresholds(table.sum(axis=0))
    assert shared == best_shared_threshold(probabilities, gold)[0]
    for n in range(LABELS):
        scores = [f1_score(gold[:, n], probabilities[:, n] >= value) for value in THRESHOLDS]
        assert f1_score(gold[:, n], probabilities[:, n] >= own[n]) == pytest.approx(max(scores))


def test_round_trip_through_json():
    found = choose_decision(*sample(10, 40))
    assert Decision.from_dict(json.loads(json.dumps(found.as_dict(), allow_nan=False))) == found
    fixed = fixed_decision(0.4)
    assert fixed.as_dict()["evidence"] == dict.fromkeys(FIGURES)
    again = Decision.from_dict(json.loads(json.dumps(fixed.as_dict(), allow_nan=False)))
    assert again.thresholds == (0.4,) * LABELS
    assert all(math.isnan(value) for value in again.evidence.values())


def test_decisions_by_hand():
    rule = Decision((1.0, 2.0, 1.0, 1.0), (0.0, -1.0, 0.0, 0.0), (0.5, 0.5, 0.9, 0.1), True, True)
    logits = np.array([[0.0, 0.4, 2.0, -2.0], [-0.1, 0.6, 2.5, -3.0]])
    assert rule.probabilities(logits)[0] == pytest.approx([0.5, 1 / (1 + math.exp(0.2)), 0.880797, 0.119203])
    assert rule.decided(logits).tolist() == [[1, 0, 0, 1], [0, 1, 1, 0]]
    assert rule.decided(logits).dtype == np.int64


@pytest.mark.parametrize("case", ["articles", "positives"])
def test_little_data_falls_back_to_one_shared_threshold(case):
    logits, gold, articles = sample(11, 9 if case == "articles" else 60, shift=(0.0, -2.0, 0.0, 1.0), scale=3.0)
    if case == "positives":
        gold[np.flatnonzero(gold[:, 2])[4:], 2] = 0
    found = choose_decision(logits, gold, articles)
    threshold, _ = best_shared_threshold(expit(logits), gold)
    assert (found.calibrated, found.per_label, found.thresholds) == (False, False, (threshold,) * LABELS)
    assert found.decided(logits).tolist() == (expit(logits) >= threshold).astype(int).tolist()
    assert set(found.evidence) == set(FIGURES)
    assert all(math.isnan(value) for value in found.evidence.values())


def test_the_same_seed_gives_the_same_decision_in_any_order_of_sentences():
    logits, gold, articles = sample(12, 40)
    order = np.random.default_rng(12).permutation(len(gold))
    found = choose_decision(logits, gold, articles, seed=3)
    again = choose_decision(logits[order], gold[order], [articles[n] for n in order], seed=3)
    assert again.thresholds == pytest.approx(found.thresholds)
    assert again.evidence == pytest.approx(found.evidence)


def test_three_thousand_sentences_take_seconds_not_minutes():
    data = sample(13, 300)
    start = time.process_time()
    choose_decision(*data)
    assert time.process_time() - start < 3


def test_wrong_input_is_named():
    logits, gold, articles = sample(14, 12)
    with pytest.raises(DataError, match="articles"):
        choose_decision(logits, gold, articles[1:])
    with pytest.raises(DataError, match="shape"):
        choose_decision(logits[:, :2], gold[:, :2], articles)
    with pytest.raises(DataError, match="3 folds"):
        choose_decision(logits, gold, articles, folds=2)
    with pytest.raises(DataError, match="finite"):
        choose_decision(logits * math.inf, gold, articles)
    with pytest.raises(DataError, match="0 sentences"):
        choose_decision(logits[:0], gold[:0], [])
    good = fixed_decision(0.5).as_dict()
    for fault in ({"slopes": [0.0] * 4}, {"thresholds": [1.5] * 4}, {"biases": [0.0]}, {"slopes": "no"}):
        with pytest.raises(DataError, match="Decision"):
            Decision.from_dict(good | fault)
    with pytest.raises(DataError, match="evidence"):
        Decision.from_dict({key: value for key, value in good.items() if key != "evidence"})
