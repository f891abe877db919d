"""Corrected counts come near the truth in simulated sets, where counting decisions does not."""

import json
import math

import numpy as np
import pytest
from scipy.stats import norm

from eval.quantification import (
    Rates,
    adjusted_count,
    classify_and_count,
    count_table,
    em_count,
    probabilistic_count,
    rates,
)
from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS

CUT, APART, PRIOR = norm.ppf(0.95), 2.5, 0.15  # one feature: N(0, 1) without the label, N(2.5, 1) with it
FPR, TPR = 0.05, float(norm.sf(CUT - APART))
SHARES = np.array([0.02, 0.1, 0.4, 0.15])  # of the four labels; the last is that of the training data


def classifier(generator, gold):
    """Decisions of known rates, and probabilities that are calibrated at ``PRIOR``."""
    feature = generator.normal(size=gold.shape) + APART * gold
    odds = PRIOR / (1 - PRIOR) * np.exp(APART * feature - APART**2 / 2)
    return (feature >= CUT).astype(int), odds / (1 + odds)


def sentences(generator, shares, number):
    return (generator.random((number, len(KEYS))) < shares).astype(float)


def exact(size=10**7):
    """Rates as if from endless validation data."""
    return Rates((round(TPR * size),) * 4, (size,) * 4, (round(FPR * size),) * 4, (size,) * 4)


def test_corrections_are_nearly_unbiased_where_counting_is_not():
    generator = np.random.default_rng(1)
    found = {"counted": [], "probabilistic": [], "adjusted": [], "em": []}
    for _ in range(60):
        gold = sentences(generator, SHARES, 3000)
        said, probabilities = classifier(generator, gold)
        truth = gold.mean(axis=0)
        found["counted"].append(classify_and_count(said) - truth)
        found["probabilistic"].append(probabilistic_count(probabilities) - truth)
        found["adjusted"].append(adjusted_count(said, exact()) - truth)
        found["em"].append(em_count(probabilities, np.full(4, PRIOR)) - truth)
    bias = {name: np.mean(errors, axis=0) for name, errors in found.items()}
    expected = SHARES * TPR + (1 - SHARES) * FPR - SHARES
    assert bias["counted"] == pytest.approx(expected, abs=0.004)
    assert (np.abs(bias["counted"][:3]) > 0.02).all()
    assert (np.abs(bias["probabilistic"][:3]) > 0.015).all()
    assert abs(bias["probabilistic"][3]) < 0.003  # the share of the calibration: nothing to correct
    assert (np.abs(bias["adjusted"]) < 0.003).all()
    assert (np.abs(bias["em"]) < 0.003).all()
    assert (np.std(found["em"], axis=0) < np.std(found["adjusted"], axis=0)).all()  # probabilities say more


def test_the_interval_covers_the_share_of_such_articles():
    generator = np.random.default_rng(2)
    covered = []
    for number in range(200):
        checked = sentences(generator, PRIOR, 1500)
        measured = rates(classifier(generator, checked)[0], checked)
        articles = np.repeat(np.arange(120), 10)
        each = generator.beta(SHARES * 8, (1 - SHARES) * 8, size=(120, 4))[articles]  # articles differ
        gold = sentences(generator, each, 1200)
        said, probabilities = classifier(generator, gold)
        names = [f"a{place}" for place in articles]
        table = count_table(said, probabilities, names, measured, np.full(4, PRIOR), gold, draws=300, seed=number)
        covered.append(
            [
                [row["low"] <= truth <= row["high"] for truth in (1200 * share, row["true"])]
                for row, share in zip(table, SHARES, strict=True)
            ]
        )
    population, this_set = np.mean(covered, axis=0).T
    assert ((population >= 0.88) & (population <= 0.99)).all(), population
    assert (this_set >= 0.88).all(), this_set


def test_counts_worked_by_hand():
    # 10 positives, 8 found; 40 negatives, 4 false alarms: tpr 0.8, fpr 0.1
    known = Rates((8, 8, 8, 8), (10, 10, 10, 10), (4, 4, 4, 4), (40, 40, 40, 40))
    said = np.zeros((100, 4), dtype=int)
    for column, number in enumerate((24, 5, 95, 10)):
        said[:number, column] = 1
    assert classify_and_count(said) == pytest.approx([0.24, 0.05, 0.95, 0.1])
    assert adjusted_count(said, known) == pytest.approx([0.14 / 0.7, 0, 1, 0])  # clipped below and above


def test_rates_worked_by_hand():
    gold = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    said = np.array([[1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 1, 1]])
    found = rates(said, gold)
    assert found == Rates((1, 0, 3, 2), (2, 0, 4, 2), (1, 1, 0, 0), (2, 4, 0, 2))
    assert found.tpr == pytest.approx([0.5, math.nan, 0.75, 1], nan_ok=True)
    assert found.fpr == pytest.approx([0.5, 0.25, math.nan, 0], nan_ok=True)
    # no gap, no positives, no negatives: nothing can be corrected
    assert adjusted_count(said, found) == pytest.approx([math.nan, math.nan, math.nan, 0.5], nan_ok=True)
    assert Rates.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert found.as_dict()["labels"][KEYS[2]]["true_positives"] == 3


def test_a_gap_of_one_tenth_is_the_least_that_is_used():
    said = np.eye(4, dtype=int)  # every label in a quarter of the sentences
    known = Rates((30, 29, 1, 0), (100,) * 4, (20, 20, 2, 0), (100,) * 4)
    assert adjusted_count(said, known) == pytest.approx([0.5, math.nan, math.nan, math.nan], nan_ok=True)


def test_em_worked_by_hand():
    # probabilities of 1 and 0 need no prior; those equal to the prior say nothing and leave it as it is
    probabilities = np.array([[1.0, 0.3, 0.0, 1.0], [0.0, 0.3, 0.0, 1.0], [0.0, 0.3, 0.0, 1.0], [0.0, 0.3, 0.0, 1.0]])
    assert em_count(probabilities, np.full(4, 0.3)) == pytest.approx([0.25, 0.3, 0, 1])
    # one step from 0.2 with p = 0.5 (odds 4 for the label) and p = 0.1: the mean, 0.3
    two = np.array([[0.5], [0.1]])
    assert em_count(two, np.array([0.2]), iterations=1, tolerance=1)[0] == pytest.approx(0.3)
    second = np.mean([0.75 / (0.75 + 0.5 * 0.875), 0.15 / (0.15 + 0.9 * 0.875)])  # ratios 0.3 / 0.2 and 0.7 / 0.8
    assert em_count(two, np.array([0.2]), iterations=2, tolerance=0.2)[0] == pytest.approx(0.3)
    assert em_count(two, np.array([0.2]), iterations=2, tolerance=0.0999)[0] == pytest.approx(second)


def test_em_maximises_the_likelihood():
    generator = np.random.default_rng(3)
    _, probabilities = classifier(generator, sentences(generator, SHARES, 2000))
    grid = np.linspace(0.001, 0.999, 999)
    values = probabilities[:, :, None]
    mixed = values * grid / PRIOR + (1 - values) * (1 - grid) / (1 - PRIOR)
    best = grid[np.log(mixed).sum(axis=0).argmax(axis=1)]
    assert em_count(probabilities, np.full(4, PRIOR)) == pytest.approx(best, abs=0.001)


def test_em_is_undefined_without_a_prior_or_an_end():
    probabilities = np.full((5, 4), 0.4)
    found = em_count(probabilities, np.array([0.0, 1.0, math.nan, 0.4]))
    assert found == pytest.approx([math.nan, math.nan, math.nan, 0.4], nan_ok=True)
    assert np.isnan(em_count(np.array([[0.5], [0.1]]), np.array([0.2]), iterations=1)).all()


def table_of(articles, known, seed=0, number=1000):
    generator = np.random.default_rng(4)
    gold = sentences(generator, SHARES, number)
    gold[:, 1] = np.arange(number) < number / 10  # the second label fills the first articles
    said, probabilities = classifier(generator, gold)
    return count_table(said, probabilities, articles, known, np.full(4, PRIOR), gold, draws=400, seed=seed), said, gold


def widths(table):
    return np.array([row["high"] - row["low"] for row in table])


def test_a_table_holds_numbers_of_sentences():
    table, said, gold = table_of([f"a{place // 10}" for place in range(1000)], exact())
    assert [row["label"] for row in table] == list(KEYS)
    names = {"label", "counted", "adjusted", "em", "probabilistic", "low", "high", "true", "sentences"}
    for column, row in enumerate(table):
        assert set(row) == names
        assert (row["true"], row["sentences"]) == (gold[:, column].sum(), 1000)
        assert row["counted"] == pytest.approx(said[:, column].sum())
        assert 0 <= row["low"] <= row["adjusted"] <= row["high"] <= 1000
        assert row["em"] == pytest.approx(row["true"], abs=30)
    json.dumps(table, allow_nan=False)
    unknown = count_table(said, said * 1.0, ["a"] * 1000, exact(), np.full(4, PRIOR))
    assert all(row["true"] is None for row in unknown)
    assert all(math.isnan(row["low"]) and math.isnan(row["high"]) for row in unknown)  # one article
    assert all(row["adjusted"] == pytest.approx(other["adjusted"]) for row, other in zip(unknown, table, strict=True))


def test_the_interval_holds_both_sources_of_chance():
    whole = [f"a{place // 20}" for place in range(1000)]
    table, *_ = table_of(whole, exact())
    few = Rates((24,) * 4, (30,) * 4, (10,) * 4, (200,) * 4)  # about the same rates, from little data
    wider = widths(table_of(whole, few)[0]) / widths(table)
    assert (wider > [1.5, 1.1, 1.5, 1.5]).all()  # of the second label the articles decide most
    scattered, *_ = table_of([f"a{place % 50}" for place in range(1000)], exact())
    assert widths(table)[1] > 2 * widths(scattered)[1]  # sentences that come in whole articles say less
    again, *_ = table_of(whole, exact())
    assert again == table
    assert not np.array_equal(widths(table_of(whole, exact(), seed=1)[0]), widths(table))


def test_rates_that_say_little_give_wide_intervals_and_those_that_say_nothing_none():
    articles = [f"a{place // 20}" for place in range(1000)]
    known = Rates((1, 8, 0, 8), (2, 10, 0, 10), (5, 5, 5, 1), (100, 100, 100, 1))
    weak, fair, never, always = table_of(articles, known)[0]
    assert weak["high"] - weak["low"] > fair["high"] - fair["low"]
    assert not math.isnan(fair["low"])
    for row in (never, always):  # no positives; fpr of 1
        assert all(math.isnan(row[name]) for name in ("adjusted", "low", "high"))
        assert not math.isnan(row["em"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codebook_version": "0.1"}, "not of codebook"),
        ({"labels": {"threat": {}}}, "must hold the labels"),
        ({"labels": dict.fromkeys(KEYS, 3)}, "cannot be counts"),
        ({"labels": {key: {"true_positives": 3, "positives": 2} for key in KEYS}}, "cannot be counts"),
    ],
)
def test_damaged_rates_are_named(change, message):
    with pytest.raises(DataError, match=message):
        Rates.from_dict(exact().as_dict() | change)


@pytest.mark.parametrize(("name", "value"), [("true_positives", 11), ("false_positives", 41), ("positives", 10.0)])
def test_counts_that_cannot_be_are_named(name, value):
    good = {"true_positives": 8, "positives": 10, "false_positives": 4, "negatives": 40}
    rows = {key: dict(good) for key in KEYS}
    assert Rates.from_dict({"codebook_version": "1.0", "labels": rows}).positives == (10,) * 4
    rows[KEYS[1]][name] = value
    with pytest.raises(DataError, match=f"'{KEYS[1]}'.*cannot be counts"):
        Rates.from_dict({"codebook_version": "1.0", "labels": rows})


def test_faults_are_named():
    said, prior = np.zeros((4, 4), dtype=int), np.full(4, 0.2)
    with pytest.raises(DataError, match="at least one sentence"):
        classify_and_count(said[:0])
    with pytest.raises(DataError, match=r"shape \(4, 3\)"):
        adjusted_count(said[:, :3], exact())
    with pytest.raises(DataError, match="gold labels of 3"):
        rates(said, said[:3])
    with pytest.raises(DataError, match="must lie between 0 and 1"):
        probabilistic_count(said - 0.1)
    with pytest.raises(DataError, match="prior has shape"):
        em_count(said * 1.0, prior[:3])
    with pytest.raises(DataError, match="articles of 2"):
        count_table(said, said * 1.0, ["a", "b"], exact(), prior)
    with pytest.raises(UsageError, match="0 draws"):
        count_table(said, said * 1.0, list("abcd"), exact(), prior, draws=0)
