"""The intervals of agreement against plain loops, and what they promise."""

import time

import numpy as np
import pytest

from tests.answers import answers, by_nltk, random_matrix
from training import agreement_counts
from training.agreement import FEWEST_ARTICLES, agreement
from training.agreement_counts import drawn_sums


def intervals_by_hand(matrix, per_article, draws, seed):
    """Sentences copied out article by article, as often as each draw has them; alpha of the copies by nltk."""
    number = len(matrix) // per_article
    generator = np.random.default_rng(seed)
    values = []
    for picks in generator.integers(0, number, (draws, number)):
        drawn = [row for article in picks for row in matrix[article * per_article : (article + 1) * per_article]]
        values.append(by_nltk(drawn, lambda bits: bits & 1))
    return np.percentile(values, [2.5, 97.5])


def test_intervals_equal_nltk_on_sentences_copied_out_for_each_draw():
    matrix = random_matrix(3, sentences=48, missing=0.1)
    found = agreement(answers(matrix, per_article=4), draws=60, seed=5)
    # Articles are sorted by name before they are drawn: a0, a1, a10, a11, a2 ...
    order = sorted(range(12), key=lambda article: f"a{article}")
    rows = [matrix[4 * article + row] for article in order for row in range(4)]
    expected = intervals_by_hand(rows, 4, draws=60, seed=5)
    assert found.alpha["threat"].interval == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize("at_once", [1, 12, 5_000_000])
def test_drawing_in_parts_draws_the_same(monkeypatch, at_once):
    monkeypatch.setattr(agreement_counts, "AT_ONCE", at_once)
    sums = drawn_sums(np.arange(24.0).reshape(4, 3, 2), draws=7, seed=1)
    assert sums.shape == (7, 3, 2)
    picks = np.random.default_rng(1).integers(0, 4, (7, 4))
    np.testing.assert_allclose(sums, [np.arange(24.0).reshape(4, 3, 2)[row].sum(axis=0) for row in picks])


@pytest.mark.parametrize(("articles", "known"), [(FEWEST_ARTICLES - 1, False), (FEWEST_ARTICLES, True)])
def test_few_articles_give_no_interval(articles, known):
    matrix = [[1, 1], [0, 0], [1, 0], [0, 1]] * articles
    figure = agreement(answers(matrix, per_article=4)).alpha["threat"]
    assert figure.value is not None
    assert (figure.interval is not None) == known
    assert known or "fewer than 10 articles" in figure.note


def test_an_interval_rests_on_the_draws_in_which_the_figure_is_defined():
    rows = answers([[1, 1]] + [[0, 0]] * 199, per_article=2)  # 63 draws of 100 hold the one article
    assert agreement(rows).alpha["threat"].interval == (1.0, 1.0)
    assert agreement(rows, draws=0).alpha["threat"].note == "no interval: no draws"
    single = [agreement(rows, draws=1, seed=seed).alpha["threat"] for seed in range(12)]
    assert {(one.value, one.interval, one.note) for one in single} == {
        (1.0, (1.0, 1.0), ""),
        (1.0, None, "no interval: undefined in every draw"),
    }


def width(figure):
    return figure.interval[1] - figure.interval[0]


def test_intervals_narrow_with_more_articles_and_not_with_copies_within_them():
    small = agreement(answers(random_matrix(1, sentences=400, missing=0.0), per_article=8))
    large = agreement(answers(random_matrix(1, sentences=6400, missing=0.0), per_article=8))
    assert 2.8 < width(small.sets) / width(large.sets) < 5.7  # sixteen times the articles: about four
    rows = random_matrix(2, sentences=300, missing=0.0)
    copied = [row for row in rows for _ in range(4)]
    by_article = agreement(answers(copied, per_article=4)).sets
    by_sentence = agreement(answers(copied)).sets
    assert 1.7 < width(by_article) / width(by_sentence) < 2.3  # four copies hold no more than one


def test_nineteen_of_twenty_intervals_hold_the_truth():
    # Whole articles on which two annotators agree or toss a coin; labels are given to half of the sentences.
    # Alpha is then the share of agreed articles: 0.7.
    generator = np.random.default_rng(4)
    hits = 0
    for _ in range(120):
        first = generator.integers(0, 2, 400)
        coin = np.repeat(generator.random(50) < 0.3, 8)
        second = np.where(coin, generator.integers(0, 2, 400), first)
        figure = agreement(answers(np.column_stack([first, second]), per_article=8), draws=200).alpha["threat"]
        hits += figure.interval[0] <= 0.7 <= figure.interval[1]
    assert 0.88 <= hits / 120 <= 0.99


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    rows = answers(random_matrix(7))
    assert agreement(rows, draws=50, seed=3) == agreement(rows, draws=50, seed=3)
    assert agreement(rows, draws=50, seed=3).sets.interval != agreement(rows, draws=50, seed=4).sets.interval


def test_a_thousand_draws_over_twenty_thousand_sentences_take_seconds():
    rows = answers(random_matrix(8, sentences=20_000, annotators=5), per_article=11)
    start = time.process_time()
    agreement(rows, draws=1000)
    assert time.process_time() - start < 20  # about two seconds of one idle core
