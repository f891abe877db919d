"""Intervals of every metric: equal to a plain loop with scikit-learn over the same draws, sane in simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from eval.bootstrap import article_draws, percentile_interval
from eval.intervals import EACH, WHOLE, drawn_metrics, with_intervals
from eval.metrics import score
from eval.predictions import Predictions
from eval.ranking import drawn_ranking
from strijdtaal.labels import KEYS


def example(sentences=300, seed=0, digits=2, shares=(0.2, 0.2, 0.2, 0.2)):
    generator = np.random.default_rng(seed)
    gold = (generator.random((sentences, len(KEYS))) < shares).astype(float)
    probabilities = np.clip(0.35 * gold + 0.5 * generator.random(gold.shape), 0, 1).round(digits)  # with ties
    names = [f"a{number // 6:03d}" for number in range(sentences)]
    ids = [f"s{number}" for number in range(sentences)]
    return Predictions("x", "test", 0.4, ids, names, ids, gold, probabilities)


def rare(digits=1):
    """Few articles, many ties, one label in two articles only, and one that is said twice."""
    item = example(72, seed=3, digits=digits, shares=(0.3, 0.15, 0, 0.3))
    gold, said = item.gold.copy(), item.probabilities.copy()
    gold[[7, 40], 2] = 1
    said[:, 3] = np.minimum(said[:, 3], 0.3)
    said[[20, 50], 3] = 0.9
    return replace(item, gold=gold, probabilities=said)


def scored(item, **options):
    return with_intervals(score(item.gold, item.decided, item.probabilities), item, **options)


def area(of, gold, said, both=False):
    return of(gold, said) if gold.any() and not (both and gold.all()) else math.nan


def mean(values):
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def by_scikit_learn(item, rows):
    """All metrics of some sentences (with repetitions), label by label: {name: value} or {(name, label): value}."""
    gold, said, decided = item.gold[rows], item.probabilities[rows], item.decided[rows]
    found = {}
    for column, key in enumerate(KEYS):
        yes, chosen = gold[:, column], decided[:, column]
        constant = len(set(yes)) < 2 or len(set(chosen)) < 2
        found["precision", key] = sk.precision_score(yes, chosen, zero_division=np.nan)
        found["recall", key] = sk.recall_score(yes, chosen, zero_division=np.nan)
        found["f1", key] = sk.f1_score(yes, chosen, zero_division=np.nan)
        found["mcc", key] = math.nan if constant else sk.matthews_corrcoef(yes, chosen)
        found["average_precision", key] = area(sk.average_precision_score, yes, said[:, column])
        found["roc_auc", key] = area(sk.roc_auc_score, yes, said[:, column], both=True)
    for name in ("precision", "recall", "f1", "average_precision", "roc_auc"):
        found[f"macro_{name}"] = mean([found[name, key] for key in KEYS])
    yes, chosen = gold.ravel(), decided.ravel()
    for name in ("precision", "recall", "f1"):
        found[f"micro_{name}"] = getattr(sk, f"{name}_score")(yes, chosen, zero_division=np.nan)
    found["micro_average_precision"] = area(sk.average_precision_score, yes, said.ravel())
    found["micro_roc_auc"] = area(sk.roc_auc_score, yes, said.ravel(), both=True)
    found["exact_match"] = sk.accuracy_score(gold, decided)
    none = gold.sum(axis=1) == 0
    found["none_accuracy"] = (decided[none].sum(axis=1) == 0).mean() if none.any() else math.nan
    return found


def rows_of(item, times):
    """The sentences of a draw, each as often as its article was drawn."""
    rows = []
    for name, count in zip(sorted(set(item.articles)), times, strict=True):
        rows += [row for row, article in enumerate(item.articles) if article == name] * int(count)
    return rows


@pytest.mark.parametrize("item", [example(90), example(90, seed=2, digits=1), rare()], ids=["ordinary", "ties", "rare"])
def test_every_metric_in_every_draw_equals_scikit_learn_on_the_drawn_sentences(item):
    weights = article_draws(len(set(item.articles)), draws=15, seed=5)
    drawn = drawn_metrics(item, weights)
    assert set(drawn) == {*WHOLE, *EACH}
    expected = [by_scikit_learn(item, rows_of(item, times)) for times in weights]
    for name in WHOLE:
        np.testing.assert_allclose(drawn[name], [each[name] for each in expected], atol=1e-12, err_msg=name)
    for name in EACH:
        wanted = [[each[name, key] for key in KEYS] for each in expected]
        np.testing.assert_allclose(drawn[name], wanted, atol=1e-12, err_msg=name)


@pytest.mark.slow
def test_intervals_and_shares_of_undefined_draws_are_those_of_a_plain_loop():
    item = rare()
    found = scored(item, draws=40, seed=7)
    generator = np.random.default_rng(7)
    loop = [by_scikit_learn(item, rows_of(item, t)) for t in generator.multinomial(12, [1 / 12] * 12, size=40)]
    entries = [(name, name, found) for name in WHOLE]
    entries += [((name, key), name, found["labels"][key]) for name in EACH for key in KEYS]
    sometimes = 0
    for where, name, entry in entries:
        values = np.array([each[where] for each in loop])
        known = values[~np.isnan(values)]
        wanted = np.percentile(known, [2.5, 97.5]) if 2 * len(known) >= 40 else (math.nan, math.nan)
        np.testing.assert_allclose(entry[f"{name}_interval"], wanted, atol=1e-12, err_msg=str(where))
        assert entry["undefined_draws"].get(name, 0) == pytest.approx(1 - len(known) / 40), where
        sometimes += 0 < len(known) < 40
    assert sometimes >= 4  # the rare label is missing from some draws, or the test shows nothing


def test_the_value_itself_is_that_of_one_draw_of_every_article_once():
    item = rare()
    drawn, result = drawn_metrics(item, np.ones((1, 12))), score(item.gold, item.decided, item.probabilities)
    for name in WHOLE:
        assert drawn[name][0] == pytest.approx(result[name], abs=1e-12), name
    for name in EACH:
        values = [result["labels"][key][name] for key in KEYS]
        np.testing.assert_allclose(drawn[name][0], values, atol=1e-12, err_msg=name)


def test_every_metric_of_the_report_has_an_interval_beside_it():
    found = scored(example())
    others = {"sentences", "gold", "predicted"}
    for entry in (found, *found["labels"].values()):
        names = {name for name, value in entry.items() if isinstance(value, int | float)} - others
        assert names
        assert {f"{name}_interval" for name in names} <= set(entry)
    assert found["intervals"]["average_precision_retreat"] == found["labels"]["retreat"]["average_precision_interval"]


@pytest.mark.parametrize("digits", [0, 1, 6])
def test_areas_of_a_drawn_article_count_as_often_as_it_is_drawn(digits):
    item = example(120, digits=digits)
    places = np.unique(item.articles, return_inverse=True)[1]
    weights = article_draws(20, draws=25, seed=1)
    for column in range(len(KEYS)):
        gold, said = item.gold[:, column], item.probabilities[:, column]
        precision, roc = drawn_ranking(said, gold, places, weights)
        for number, times in enumerate(weights):
            options = {"sample_weight": times[places]}
            assert precision[number] == pytest.approx(sk.average_precision_score(gold, said, **options), abs=1e-12)
            assert roc[number] == pytest.approx(sk.roc_auc_score(gold, said, **options), abs=1e-12)


def test_areas_do_not_depend_on_how_many_draws_fit_into_memory(monkeypatch):
    item = example(120)
    places = np.unique(item.articles, return_inverse=True)[1]
    weights = article_draws(20, draws=25)
    whole = drawn_ranking(item.probabilities[:, 0], item.gold[:, 0], places, weights)
    monkeypatch.setattr("eval.ranking.CELLS", 1)  # one draw at a time
    single = drawn_ranking(item.probabilities[:, 0], item.gold[:, 0], places, weights)
    np.testing.assert_allclose(single, whole, rtol=1e-14)


def test_areas_of_constant_or_one_sided_gold():
    places, weights = np.arange(12) % 4, np.array([[1.0, 1, 1, 1], [0, 2, 2, 0]])
    said = np.linspace(0, 1, 12)
    for gold, wanted in ((np.zeros(12), [math.nan] * 2), (np.ones(12), [1.0] * 2)):
        precision, roc = drawn_ranking(said, gold, places, weights)
        np.testing.assert_array_equal(precision, wanted)
        assert np.isnan(roc).all()
    only = (places == 0).astype(float)  # positives in the one article that the second draw lacks
    precision, roc = drawn_ranking(said, only, places, weights)
    np.testing.assert_array_equal(np.isnan([precision, roc]), [[False, True]] * 2)
    flat, half = drawn_ranking(np.full(12, 0.5), only, places, weights[:1])
    assert (flat[0], half[0]) == pytest.approx((0.25, 0.5))


def test_intervals_hold_the_value_and_narrow_with_more_articles():
    small, large = scored(example(600)), scored(example(4800))
    pairs = [(small, large, name) for name in WHOLE]
    pairs += [(small["labels"][key], large["labels"][key], name) for key in KEYS for name in EACH]
    for few, many, name in pairs:
        low, high = many[f"{name}_interval"]
        assert low < many[name] < high, name
        assert high - low < np.diff(few[f"{name}_interval"])[0], name
        assert name not in many["undefined_draws"]


def test_few_articles_have_no_interval():
    found = scored(replace(example(30), articles=[f"a{number % 5}" for number in range(30)]))
    assert all(math.isnan(found[f"{name}_interval"][0]) for name in WHOLE)
    assert all(math.isnan(entry[f"{name}_interval"][1]) for entry in found["labels"].values() for name in EACH)
    assert found["undefined_draws"] == {}


def test_undefined_values_have_no_interval_and_no_share():
    item = example()
    gold = item.gold.copy()
    gold[:, 2] = 0
    found = scored(replace(item, gold=gold))
    entry = found["labels"][KEYS[2]]
    for name in ("recall", "average_precision", "roc_auc", "mcc"):
        assert math.isnan(entry[name])
        assert all(math.isnan(bound) for bound in entry[f"{name}_interval"])
    assert entry["undefined_draws"] == {}
    assert entry["f1_interval"] == (0.0, 0.0)  # said, never right
    assert math.isfinite(found["macro_average_precision_interval"][0])
    everything = scored(replace(item, gold=np.ones_like(item.gold)))
    assert math.isnan(everything["none_accuracy_interval"][0])
    assert math.isnan(everything["micro_roc_auc_interval"][0])
    silent = scored(replace(item, probabilities=np.full_like(item.probabilities, 0.1)))
    assert math.isnan(silent["micro_precision_interval"][0])
    assert silent["micro_recall_interval"] == (0.0, 0.0)


def test_above_half_of_the_draws_undefined_there_is_no_interval():
    values = np.array([0.5] * 50 + [math.nan] * 50)
    assert percentile_interval(values) == (0.5, 0.5)
    assert all(math.isnan(bound) for bound in percentile_interval(np.append(values, math.nan)))
