"""Coverage against risk: cases worked by hand, ties, and what must hold whatever the sentences are."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from eval.abstention import confidence, coverage_at, risk_curve
from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS

# Only the first label is in doubt: confidences 3, 2, 1, 0.5 logits; the second sentence is wrong.
LOGITS = np.array([3.0, 2.0, -1.0, 0.5])
GOLD = np.array([1.0, 0.0, 0.0, 1.0])


def rows(first, gold):
    """Logits and gold of the first label -> probabilities and gold of all; the others are surely absent."""
    probabilities, labels = np.full((len(first), len(KEYS)), 1e-6), np.zeros((len(first), len(KEYS)))
    probabilities[:, 0], labels[:, 0] = 1 / (1 + np.exp(-np.asarray(first, dtype=float))), gold
    return probabilities, labels


def simulated(generator, number=400, decimals=None):
    """Calibrated probabilities, so that risk falls with confidence; rounded ones tie."""
    probabilities = generator.beta(0.3, 1.2, size=(number, len(KEYS)))
    gold = (generator.random(probabilities.shape) < probabilities).astype(float)
    return (probabilities if decimals is None else probabilities.round(decimals)), gold


def test_confidence_is_that_of_the_least_certain_label():
    probabilities = np.array([[0.5, 0.9], [0.1, 0.01], [0.9, 0.9]])
    assert confidence(probabilities, 0.5) == pytest.approx([0, math.log(9), math.log(9)], abs=1e-6)
    # thresholds of 0.8 and 0.5: logits log 4 and 0
    expected = [math.log(4), math.log(9) + math.log(4), math.log(9 / 4)]
    assert confidence(probabilities, np.array([0.8, 0.5])) == pytest.approx(expected, abs=1e-6)


def test_certain_probabilities_have_a_finite_confidence_and_mirror_images_tie():
    found = confidence(np.array([[0.0], [1.0], [0.1], [0.9]]), 0.5)
    assert found[0] == found[1] == pytest.approx(math.log(1e9), abs=1e-4)
    assert found[2] == found[3]


def test_a_curve_worked_by_hand():
    found = risk_curve(*with_thresholds(*rows(LOGITS, GOLD)), points=5)
    assert found["coverage"] == [0, 0.25, 0.5, 0.75, 1]
    assert math.isnan(found["risk"][0])
    assert math.isnan(found["macro_f1"][0])
    assert found["risk"][1:] == pytest.approx([0, 1 / 2, 1 / 3, 1 / 4])
    assert found["macro_f1"][1:] == pytest.approx([1, 2 / 3, 2 / 3, 4 / 5])  # 1 label: 2 tp / (2 tp + fp + fn)
    assert found["aurc"] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert found["aurc_best"] == pytest.approx((1 / 4) / 4)


def with_thresholds(probabilities, gold, thresholds=0.5):
    return probabilities, thresholds, gold


def test_a_tie_is_shared_out_evenly():
    found = risk_curve(*with_thresholds(*rows([2, 2, 2, 2, 1], [1, 1, 0, 1, 0])), points=6)
    assert found["risk"][1:] == pytest.approx([1 / 4, 1 / 4, 1 / 4, 1 / 4, 2 / 5])
    assert found["aurc"] == pytest.approx((4 * 1 / 4 + 2 / 5) / 5)


@pytest.mark.parametrize("decimals", [None, 1])
def test_the_order_of_rows_does_not_matter(decimals):
    generator = np.random.default_rng(1)
    probabilities, gold = simulated(generator, decimals=decimals)
    articles = np.array([f"a{number // 8:02d}" for number in range(len(gold))])
    order = generator.permutation(len(gold))
    one, other = (risk_curve(probabilities[at], 0.4, gold[at]) for at in (np.arange(len(gold)), order))
    for name, values in one.items():
        assert values == pytest.approx(other[name], nan_ok=True), name
    first = coverage_at(probabilities, 0.4, gold, list(articles), risk=0.2, draws=200)
    assert first == coverage_at(probabilities[order], 0.4, gold[order], list(articles[order]), risk=0.2, draws=200)
    assert 0 <= first["low"] <= first["coverage"] <= first["high"] <= 1
    assert first["low"] < first["high"]


def test_accepting_all_gives_the_scores_of_scikit_learn():
    probabilities, gold = simulated(np.random.default_rng(2))
    thresholds = np.array([0.3, 0.4, 0.5, 0.6])
    said = probabilities >= thresholds
    found = risk_curve(probabilities, thresholds, gold)
    assert len(found["coverage"]) == len(found["risk"]) == len(found["macro_f1"]) == 101
    assert found["risk"][-1] == pytest.approx(1 - np.mean((said == gold).all(axis=1)))
    assert found["macro_f1"][-1] == pytest.approx(f1_score(gold, said, average="macro"))
    half = np.argsort(-confidence(probabilities, thresholds))[: len(gold) // 2]
    assert found["macro_f1"][50] == pytest.approx(f1_score(gold[half], said[half], average="macro"))


def test_the_area_lies_between_the_oracle_and_chance():
    generator = np.random.default_rng(3)
    probabilities, gold = simulated(generator, number=2000)
    found = risk_curve(probabilities, 0.5, gold)
    assert found["aurc_best"] < found["aurc"] < 0.8 * found["risk"][-1]
    equal = np.where(probabilities >= 0.5, 0.7, 0.3)  # the same decisions, all as certain
    assert risk_curve(equal, 0.5, gold)["aurc"] == pytest.approx(found["risk"][-1])
    right = ((probabilities >= 0.5) == gold).all(axis=1)[:, None]
    known = np.where(probabilities >= 0.5, np.where(right, 0.9, 0.6), np.where(right, 0.1, 0.4))
    best = risk_curve(known, 0.5, gold)
    assert best["aurc"] < found["aurc"]
    assert best["aurc_best"] == pytest.approx(found["aurc_best"])


def test_coverage_worked_by_hand():
    probabilities, gold = rows(LOGITS, GOLD)

    def at(risk):
        return coverage_at(probabilities, 0.5, gold, list("abcd"), risk=risk, draws=10)

    assert (at(0.0)["coverage"], at(0.0)["confidence"], at(0.0)["risk"]) == (0.25, 3.0, 0.0)
    assert (at(0.25)["coverage"], at(0.25)["confidence"], at(0.25)["risk"]) == (1.0, 0.5, 0.25)
    assert at(0.24)["coverage"] == 0.25  # neither 1/2, 1/3 nor 1/4 is allowed
    assert at(0.05)["target"] == 0.05


def test_a_tie_is_accepted_as_a_whole_or_not_at_all():
    probabilities, gold = rows([2, 2, 2, 2, 1], [1, 1, 0, 1, 1])
    assert coverage_at(probabilities, 0.5, gold, list("abcde"), risk=0.2)["coverage"] == 1.0
    found = coverage_at(probabilities, 0.5, gold, list("abcde"), risk=0.19)
    assert found["coverage"] == 0.0
    assert math.isnan(found["confidence"])
    assert math.isnan(found["risk"])


def test_nothing_can_be_accepted_where_all_is_wrong():
    probabilities, gold = rows(np.linspace(0.1, 3, 40), np.zeros(40))
    articles = [f"a{number // 2}" for number in range(40)]
    found = coverage_at(probabilities, 0.5, gold, articles)
    assert (found["coverage"], found["low"], found["high"]) == (0, 0, 0)
    allowed = coverage_at(probabilities, 0.5, gold, articles, risk=1)
    assert (allowed["coverage"], allowed["low"], allowed["high"]) == (1, 1, 1)


def test_coverage_grows_with_the_risk_allowed_and_its_confidence_can_be_used():
    probabilities, gold = simulated(np.random.default_rng(4), number=1000, decimals=2)
    articles = [f"a{number // 10}" for number in range(1000)]
    wrong = ((probabilities >= 0.5) != gold).any(axis=1)
    found = [coverage_at(probabilities, 0.5, gold, articles, risk=risk, draws=50) for risk in (0.1, 0.2, 0.3, 0.4)]
    coverages = [entry["coverage"] for entry in found]
    assert coverages == sorted(coverages)
    assert 0 < coverages[0] < coverages[-1] <= 1
    for entry in found:
        accepted = confidence(probabilities, 0.5) >= entry["confidence"]
        assert accepted.mean() == entry["coverage"]
        assert wrong[accepted].mean() == pytest.approx(entry["risk"])
        assert entry["risk"] <= entry["target"]


def test_the_interval_is_that_of_articles_drawn_one_by_one():
    generator = np.random.default_rng(5)
    probabilities, gold = simulated(generator, number=120)
    articles = np.array([f"a{number // 6:02d}" for number in range(120)])
    found = coverage_at(probabilities, 0.5, gold, list(articles), risk=0.3, draws=2000, seed=1)
    drawn = []
    for _ in range(500):
        at = np.concatenate([np.flatnonzero(articles == name) for name in generator.choice(np.unique(articles), 20)])
        drawn.append(coverage_at(probabilities[at], 0.5, gold[at], ["a"] * len(at), risk=0.3)["coverage"])
    assert (found["low"], found["high"]) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.08)
    again = coverage_at(probabilities, 0.5, gold, list(articles), risk=0.3, draws=2000, seed=1)
    assert again == found
    assert found["high"] - found["low"] > 0.1


def test_few_articles_give_no_interval():
    probabilities, gold = simulated(np.random.default_rng(6), number=90)
    nine = coverage_at(probabilities, 0.5, gold, [f"a{number % 9}" for number in range(90)], risk=0.3)
    assert math.isnan(nine["low"])
    assert math.isnan(nine["high"])
    assert 0 < nine["coverage"] <= 1
    ten = coverage_at(probabilities, 0.5, gold, [f"a{number % 10}" for number in range(90)], risk=0.3)
    assert ten["low"] <= ten["high"]


def test_faults_are_named():
    probabilities, gold = rows(LOGITS, GOLD)
    with pytest.raises(DataError, match=r"Thresholds have shape \(3,\)"):
        confidence(probabilities, np.array([0.5, 0.5, 0.5]))
    with pytest.raises(DataError, match="Probabilities must lie between 0 and 1"):
        confidence(np.array([[0.5, np.nan]]), 0.5)
    with pytest.raises(DataError, match="at least one sentence"):
        confidence(np.zeros((0, 4)), 0.5)
    with pytest.raises(DataError, match=r"Gold labels have shape \(3, 4\)"):
        risk_curve(probabilities, 0.5, gold[:3])
    with pytest.raises(DataError, match="2 articles for 4 sentences"):
        coverage_at(probabilities, 0.5, gold, ["a", "b"])
    with pytest.raises(UsageError, match="1 points"):
        risk_curve(probabilities, 0.5, gold, points=1)
    with pytest.raises(UsageError, match="risk of 5"):
        coverage_at(probabilities, 0.5, gold, list("abcd"), risk=5)
