"""The bootstrap against a plain loop over sentences, and its behaviour as an interval."""

import math

import numpy as np
import pytest

from eval.bootstrap import FEWEST_ARTICLES, f1_intervals
from eval.metrics import score
from strijdtaal.labels import KEYS
from training.counts import article_counts, f1_of_counts

LABELS = len(KEYS)


def random_case(seed, articles=12, share=0.3, accuracy=0.75):
    generator = np.random.default_rng(seed)
    names, gold = [], []
    for number in range(articles):
        for _ in range(generator.integers(1, 7)):
            names.append(f"artikel-{number}")
            gold.append(generator.random(LABELS) < share)
    gold = np.array(gold, dtype=float)
    right = generator.random(gold.shape) < accuracy
    return names, gold, np.where(right, gold, 1 - gold).astype(int)


def f1_by_hand(gold, decided, column):
    hit = sum(1 for y, said in zip(gold, decided, strict=True) if y[column] and said[column])
    false = sum(1 for y, said in zip(gold, decided, strict=True) if not y[column] and said[column])
    missed = sum(1 for y, said in zip(gold, decided, strict=True) if y[column] and not said[column])
    return 2 * hit / (2 * hit + false + missed) if hit + false + missed else math.nan


def percentile_by_hand(values, share):
    values = sorted(values)
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def interval_by_hand(values):
    known = [value for value in values if not math.isnan(value)]
    if 2 * len(known) < len(values):
        return math.nan, math.nan
    return percentile_by_hand(known, 0.025), percentile_by_hand(known, 0.975)


def intervals_by_hand(articles, gold, decided, draws, seed):
    """Sentences copied out article by article, as often as the article was drawn."""
    names = sorted(set(articles))
    generator = np.random.default_rng(seed)
    macro, each = [], [[] for _ in range(LABELS)]
    for times in generator.multinomial(len(names), [1 / len(names)] * len(names), size=draws):
        drawn = []
        for name, count in zip(names, times, strict=True):
            drawn += [row for row, article in enumerate(articles) if article == name] * int(count)
        scores = [f1_by_hand(gold[drawn], decided[drawn], column) for column in range(LABELS)]
        for column, value in enumerate(scores):
            each[column].append(value)
        known = [value for value in scores if not math.isnan(value)]
        macro.append(sum(known) / len(known) if known else math.nan)
    return interval_by_hand(macro), [interval_by_hand(values) for values in each]


def width(interval):
    return interval[1] - interval[0]


@pytest.mark.parametrize(("seed", "share"), [(1, 0.3), (2, 0.3), (3, 0.02)])
def test_intervals_equal_a_plain_loop_over_the_drawn_sentences(seed, share):
    articles, gold, decided = random_case(seed, share=share, accuracy=0.75 if share > 0.1 else 0.99)
    macro, each = f1_intervals(articles, gold, decided, draws=150, seed=seed)
    macro_by_hand, each_by_hand = intervals_by_hand(articles, gold, decided, draws=150, seed=seed)
    np.testing.assert_allclose(macro, macro_by_hand, atol=1e-12)
    np.testing.assert_allclose(each, each_by_hand, atol=1e-12)


def test_counts_of_each_article_add_up_to_the_scores_of_the_whole():
    articles, gold, decided = random_case(4)
    counts = article_counts(articles, gold, decided)
    assert counts.shape == (12, 3, LABELS)
    result = score(gold, decided, decided.astype(float))
    np.testing.assert_allclose(
        f1_of_counts(counts.sum(axis=0)), [result["labels"][key]["f1"] for key in KEYS], atol=1e-12
    )
    np.testing.assert_array_equal((counts[:, 0] + counts[:, 2]).sum(axis=0), gold.sum(axis=0))


def test_intervals_widen_when_every_article_repeats_one_sentence():
    generator = np.random.default_rng(5)
    gold = np.repeat(generator.integers(0, 2, (40, LABELS)), 6, axis=0).astype(float)
    decided = np.where(np.repeat(generator.random((40, LABELS)) < 0.8, 6, axis=0), gold, 1 - gold).astype(int)
    by_article = f1_intervals([f"a{number // 6}" for number in range(240)], gold, decided)
    by_sentence = f1_intervals([f"a{number}" for number in range(240)], gold, decided)
    # Six copies hold no more than one sentence does: about the square root of six.
    assert 2.0 < width(by_article[0]) / width(by_sentence[0]) < 3.0
    for article, sentence in zip(by_article[1], by_sentence[1], strict=True):
        assert 1.9 < width(article) / width(sentence) < 3.1


def test_copies_of_a_sentence_within_its_article_do_not_narrow_the_interval():
    articles, gold, decided = random_case(6)
    once = f1_intervals(articles, gold, decided)
    thrice = f1_intervals(articles * 3, np.tile(gold, (3, 1)), np.tile(decided, (3, 1)))
    np.testing.assert_allclose(thrice[0], once[0], atol=1e-12)
    np.testing.assert_allclose(thrice[1], once[1], atol=1e-12)


def test_the_order_of_the_sentences_does_not_matter():
    articles, gold, decided = random_case(7)
    order = np.random.default_rng(0).permutation(len(articles))
    shuffled = f1_intervals([articles[place] for place in order], gold[order], decided[order])
    np.testing.assert_allclose(shuffled[0], f1_intervals(articles, gold, decided)[0], atol=1e-12)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    case = random_case(8)
    assert f1_intervals(*case, draws=100, seed=3) == f1_intervals(*case, draws=100, seed=3)
    assert f1_intervals(*case, draws=100, seed=3)[0] != f1_intervals(*case, draws=100, seed=4)[0]


def test_the_interval_holds_the_value_of_the_whole():
    articles, gold, decided = random_case(9, articles=30)
    (low, high), each = f1_intervals(articles, gold, decided)
    result = score(gold, decided, decided.astype(float))
    assert low < result["macro_f1"] < high
    for key, (label_low, label_high) in zip(KEYS, each, strict=True):
        assert label_low < result["labels"][key]["f1"] < label_high


@pytest.mark.parametrize(("articles", "known"), [(1, False), (FEWEST_ARTICLES - 1, False), (FEWEST_ARTICLES, True)])
def test_too_few_articles_give_no_interval(articles, known):
    names, gold, decided = random_case(11, articles=articles)
    macro, each = f1_intervals(names, gold, decided)
    assert len(each) == LABELS
    assert np.isfinite([macro, *each]).all() == known
    assert np.isfinite([macro, *each]).any() == known


def test_a_label_that_neither_occurs_nor_is_predicted_has_no_interval():
    gold = np.zeros((10, LABELS))
    gold[:, 0] = 1
    macro, each = f1_intervals([f"a{number}" for number in range(10)], gold, gold.astype(int))
    assert macro == each[0] == (1.0, 1.0)
    assert np.isnan(each[1:]).all()


def test_nothing_at_all_has_no_interval():
    nothing = np.zeros((10, LABELS))
    macro, each = f1_intervals([f"a{number}" for number in range(10)], nothing, nothing.astype(int))
    assert np.isnan([macro, *each]).all()


def test_a_label_in_one_of_many_articles_has_an_interval_because_most_draws_hold_it():
    gold = np.zeros((20, LABELS))
    gold[0, 0] = 1  # drawn in about 64% of the draws
    _, each = f1_intervals([f"a{number}" for number in range(20)], gold, gold.astype(int))
    assert each[0] == (1.0, 1.0)


def test_nine_intervals_in_ten_or_more_hold_the_truth_only_when_articles_are_drawn():
    # A system that gets one article in four wholly wrong: F1 = 0.375 * 2 / (0.375 * 2 + 0.25) = 0.75.
    generator = np.random.default_rng(10)
    by_article = by_sentence = 0
    for _ in range(200):
        gold = (generator.random((40 * 8, LABELS)) < 0.5).astype(float)
        wrong = np.repeat(generator.random(40) < 0.25, 8)[:, None]
        decided = np.where(wrong, 1 - gold, gold).astype(int)
        low, high = f1_intervals([str(number // 8) for number in range(320)], gold, decided, draws=200)[0]
        by_article += low <= 0.75 <= high
        low, high = f1_intervals([str(number) for number in range(320)], gold, decided, draws=200)[0]
        by_sentence += low <= 0.75 <= high
    assert 0.88 <= by_article / 200 <= 0.99
    assert by_sentence / 200 < 0.75
