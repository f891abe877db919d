"""The paired comparison is right where the truth is known: simulated systems, small cases worked by hand."""

import math

import numpy as np
import pytest

from eval.paired import METRICS, Difference, article_table, compare_tables, holm
from strijdtaal.labels import KEYS

ARTICLES, PER_ARTICLE = 100, 10


def system(generator, gold, articles, skill):
    """Decisions whose errors cluster by article: the articles differ in how hard they are."""
    hard = generator.normal(0, 0.5, ARTICLES)[articles][:, None]
    chance = 1 / (1 + np.exp(-np.where(gold, skill, -2.6) - hard))
    return (generator.random(gold.shape) < chance).astype(int)


def pair(generator, gain):
    articles = np.repeat(np.arange(ARTICLES), PER_ARTICLE)
    gold = generator.random((len(articles), len(KEYS))) < 0.12
    names = [f"a{number:03d}" for number in articles]
    tables = []
    for skill in (1.2, 1.2 + gain):
        decided = system(generator, gold, articles, skill)
        tables.append([article_table(names, gold.astype(float), decided)])
    return tables


@pytest.mark.slow
def test_false_alarms_are_five_in_a_hundred_over_a_thousand_equal_pairs():
    generator = np.random.default_rng(1)
    found = [compare_tables(*pair(generator, 0.0), "macro_f1", draws=500, seed=number) for number in range(1000)]
    assert 0.035 <= np.mean([entry.p < 0.05 for entry in found]) <= 0.065
    assert 0.92 <= np.mean([entry.low <= 0 <= entry.high for entry in found]) <= 0.97


def test_a_planted_difference_is_found_at_the_stated_power():
    generator = np.random.default_rng(2)
    found = [compare_tables(*pair(generator, 0.75), "macro_f1", draws=500, seed=number) for number in range(300)]
    truth = np.mean([entry.difference for entry in found])
    smallest = np.mean([entry.smallest for entry in found])
    assert truth == pytest.approx(smallest, rel=0.1)  # the planted gain is about the smallest detectable one
    assert 0.72 <= np.mean([entry.p < 0.05 for entry in found]) <= 0.88
    assert 0.92 <= np.mean([entry.low <= truth <= entry.high for entry in found]) <= 0.98


def test_metrics_of_a_table_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score

    generator = np.random.default_rng(3)
    gold, said = (generator.random((60, len(KEYS))) < 0.3 for _ in range(2))
    names = [f"a{number // 7}" for number in range(60)]
    sums = article_table(names, gold.astype(float), said.astype(int)).sum(axis=0)
    assert METRICS["macro_f1"](sums) == pytest.approx(f1_score(gold, said, average="macro"))
    assert METRICS["micro_f1"](sums) == pytest.approx(f1_score(gold, said, average="micro"))
    assert METRICS["exact_match"](sums) == pytest.approx(accuracy_score(gold, said))
    each = f1_score(gold, said, average=None)
    assert [float(METRICS[key](sums)) for key in KEYS] == pytest.approx(list(each))


def test_a_system_against_itself_differs_by_nothing():
    (table,), _ = pair(np.random.default_rng(4), 0.0)
    found = compare_tables([table], [table], "macro_f1")
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_a_label_that_neither_occurs_nor_is_said_is_undefined():
    gold = np.zeros((40, len(KEYS)))
    gold[::3, 0] = 1
    names = [f"a{number // 2}" for number in range(40)]
    table = article_table(names, gold, gold.astype(int))
    found = compare_tables([table], [table], KEYS[1])
    assert all(math.isnan(value) for value in (found.difference, found.low, found.p, found.smallest))
    assert compare_tables([table], [table], "macro_f1").first == 1.0


def test_seeds_widen_the_interval_by_their_variance():
    generator = np.random.default_rng(5)
    one, two = pair(generator, 0.0), pair(generator, 0.0)
    single = compare_tables(one[0], one[1], "macro_f1")
    assert math.isnan(single.seed_sd)
    apart = [one[0][0], two[0][0] * 1.0]
    several = compare_tables(apart, one[1], "macro_f1")
    assert several.seed_sd > 0
    both = compare_tables([one[0][0], one[0][0]], one[1], "macro_f1")  # the same seed twice adds nothing
    assert both.seed_sd == 0
    assert (both.difference, both.low, both.high) == pytest.approx((single.difference, single.low, single.high))


def test_holm_on_a_case_worked_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.5, math.nan, 0.02])
    assert adjusted[0] == pytest.approx(0.5)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)


def test_the_second_system_being_better_gives_a_positive_difference():
    generator = np.random.default_rng(6)
    found = compare_tables(*pair(generator, 1.5), "macro_f1")
    assert isinstance(found, Difference)
    assert found.low > 0
    assert found.p < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(2, 2), (1, 3), (3, 3)])
def test_seeds_that_differ_do_not_raise_more_false_alarms(first, second):
    """Systems of one recipe: every run has a skill of its own, and no system is better than the other."""
    generator = np.random.default_rng(7)
    articles = np.repeat(np.arange(ARTICLES), PER_ARTICLE)
    names = [f"a{number:03d}" for number in articles]
    alarms = []
    for number in range(200):
        gold = generator.random((len(articles), len(KEYS))) < 0.12
        runs = [system(generator, gold, articles, 1.2 + generator.normal(0, 0.25)) for _ in range(first + second)]
        tables = [article_table(names, gold.astype(float), decided) for decided in runs]
        alarms.append(compare_tables(tables[:first], tables[first:], "macro_f1", draws=300, seed=number).p < 0.05)
    assert np.mean(alarms) <= 0.10
