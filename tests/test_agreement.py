"""Agreement equals nltk, scikit-learn and the package krippendorff, or says why it is undefined."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score

from strijdtaal.errors import DataError, UsageError
from strijdtaal.labels import KEYS
from tests.answers import NAMES, Answer, answers, by_nltk, labels_of, random_matrix
from training.agreement import agreement, krippendorff_alpha, pairwise_f1
from training.agreement_counts import SETS, coincidences, collect, masi_distance
from training.agreement_table import SHOWN_PAIRS, document, table


def as_set(bits):
    return frozenset(labels_of(bits)) or frozenset({"no label"})


@pytest.mark.parametrize("seed", range(6))
def test_alpha_equals_nltk_on_random_matrices_with_gaps(seed):
    from nltk.metrics.distance import masi_distance as masi_of_nltk

    matrix = random_matrix(seed, annotators=2 + seed % 4, missing=0.1 * seed)
    found = agreement(answers(matrix), draws=0)
    for number, key in enumerate(KEYS):
        expected = by_nltk(matrix, lambda bits, number=number: bits >> number & 1)
        assert found.alpha[key].value == pytest.approx(expected, abs=1e-12)
        assert krippendorff_alpha(answers(matrix), key) == pytest.approx(expected, abs=1e-12)
    assert found.sets.value == pytest.approx(by_nltk(matrix, as_set, distance=masi_of_nltk), abs=1e-12)


def test_masi_equals_nltk_for_all_pairs_of_sets():
    from nltk.metrics.distance import masi_distance as masi_of_nltk

    for one in range(SETS):
        for other in range(SETS):
            expected = masi_of_nltk(as_set(one), as_set(other))
            assert masi_distance(one, other) == pytest.approx(expected, abs=1e-15)


# The figures were made by the package krippendorff 0.9.0, which is under the GPL and so no part of the project:
# alpha(reliability_data, level_of_measurement="nominal") of each label, and alpha(value_counts, value_domain,
# level_of_measurement=MASI distance with "no label" as a set of its own). None: it refuses a single value.
FIXED = [
    (
        [
            *([1, 1, -1], [0, 1, 1], [0, 0, 0], [1, 1, 0], [-1, 0, 0]),
            *([1, -1, 1], [0, 0, 1], [-1, -1, 1], [1, 1, 1], [0, 0, 0]),
        ],
        [0.5208333333333334, None, None, None],
        0.5208333333333334,
    ),
    (
        [
            *([3, 1, -1, 3], [0, 0, 0, -1], [2, 2, 6, 2], [0, 8, 8, -1], [1, 1, 1, 1], [-1, 4, 4, 12]),
            *([0, -1, 0, 0], [15, 7, -1, 3], [0, 2, -1, -1], [5, 5, 5, 4], [-1, -1, -1, 8], [0, 0, 1, 0]),
        ],
        [0.7727272727272727, 0.7307692307692308, 0.7307692307692308, 0.1796875],
        0.5494878676671962,
    ),
    (
        [[1, 2], [2, 1], [4, 8], [8, 4], [0, 3], [3, 0], [1, 1]],
        [-0.08333333333333326, -0.2999999999999998, -0.08333333333333326, -0.08333333333333326],
        -0.026315789473684292,
    ),
    ([[0, 0], [0, 0], [0, 0], [0, 1], [0, 0], [0, 0]], [0.0, None, None, None], 0.0),
]


@pytest.mark.parametrize(("matrix", "each", "sets"), FIXED)
def test_alpha_equals_the_package_krippendorff(matrix, each, sets):
    found = agreement(answers(matrix), draws=0)
    assert [found.alpha[key].value for key in KEYS] == [pytest.approx(value, abs=1e-12) for value in each]
    assert found.sets.value == pytest.approx(sets, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_pairs_equal_scikit_learn(seed):
    matrix = np.array(random_matrix(seed))
    found = agreement(answers(matrix), draws=0)
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("anna", "bram"), ("anna", "cees"), ("bram", "cees")
    ]  # fmt: skip
    for pair in found.pairs:
        both = matrix[:, [NAMES.index(pair.first), NAMES.index(pair.second)]]
        both = both[(both >= 0).all(axis=1)]
        assert pair.sentences == pair.articles == len(both)
        assert pair.alike == (both[:, 0] == both[:, 1]).sum()
        for number, key in enumerate(KEYS):
            first, second = (both >> number & 1).T
            one = pair.labels[key]
            assert one.f1.value == pytest.approx(f1_score(first, second))
            assert one.kappa.value == pytest.approx(cohen_kappa_score(first, second))
            assert (one.both, one.first) == ((first & second).sum(), (first & ~second & 1).sum())
    means = [np.mean([pair.labels[key].f1.value for pair in found.pairs]) for key in KEYS]
    assert [pairwise_f1(answers(matrix), key) for key in KEYS] == pytest.approx(means)


def test_answers_are_counted_by_annotator():
    found = agreement(answers([[1, 0], [3, -1], [0, 0], [8, 9]], per_article=2), draws=0)
    assert (found.sentences, found.articles, found.common, found.differing) == (4, 2, 3, 2)
    assert [(one.name, one.sentences, one.none) for one in found.annotators] == [("anna", 4, 1), ("bram", 3, 2)]
    assert found.annotators[0].labels == {"threat": 2, "support": 1, "retreat": 0, "ceasefire_call": 1}


matrices = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(st.integers(-1, SETS - 1), min_size=width, max_size=width), max_size=25)
)


@settings(max_examples=40, deadline=None)
@given(matrix=matrices, seed=st.integers(0, 99))
def test_order_of_annotators_and_sentences_does_not_matter(matrix, seed):
    given_answers = answers(matrix, per_article=2)
    shuffled = random.Random(seed).sample(given_answers, len(given_answers))
    turned = [Answer(one.id, one.article, dict(reversed(one.annotations.items()))) for one in shuffled]
    assert agreement(turned, draws=20) == agreement(given_answers, draws=20)

    renamed = {name: NAMES[-1 - number] for number, name in enumerate(NAMES)}
    other = [
        Answer(one.id, one.article, {renamed[name]: labels for name, labels in one.annotations.items()})
        for one in given_answers
    ]
    before, after = agreement(given_answers, draws=20), agreement(other, draws=20)
    assert before.sets == after.sets
    assert before.alpha == after.alpha
    figures = {frozenset((pair.first, pair.second)): pair for pair in after.pairs}
    for pair in before.pairs:
        twin = figures[frozenset((renamed[pair.first], renamed[pair.second]))]
        assert all((one.f1, one.kappa) == (twin.labels[key].f1, twin.labels[key].kappa)
                   for key, one in pair.labels.items())  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(matrix=matrices)
def test_every_figure_is_a_number_or_says_why_not(matrix):
    found = agreement(answers(matrix), draws=5)
    figures = [*found.alpha.values(), found.sets]
    figures += [figure for pair in found.pairs for one in pair.labels.values() for figure in (one.f1, one.kappa)]
    for figure in figures:
        assert (figure.value is not None and figure.interval is not None) or figure.note
        assert figure.value is None or -1 <= figure.value <= 1
    assert json.loads(json.dumps(document(found), allow_nan=False))["common"] == found.common
    assert "nan" not in table(found)


def notes(found):
    return {key: figure.note for key, figure in found.alpha.items()} | {"sets": found.sets.note}


def test_nothing_to_compare_is_na_with_the_reason():
    for matrix, reason in (
        ([], "no answers"),
        ([[-1, -1]], "no answers"),
        ([[1], [0]], "one annotator only"),
        ([[1, -1], [-1, 1]], "no sentence with two answers"),
    ):
        found = agreement(answers(matrix))
        assert found.reason == reason
        assert set(notes(found).values()) == {reason}
        assert {figure.value for figure in found.alpha.values()} == {None}
        assert f"n/a, {reason}" in table(found) or "n/a, no common sentence" in table(found)


def test_constant_answers_are_na_with_the_reason():
    nobody = agreement(answers([[0, 0]] * 30))
    assert set(notes(nobody).values()) == {"never given where two answered", "all answers are the same"}
    (pair,) = nobody.pairs
    assert (pair.sentences, pair.alike) == (30, 30)
    assert {one.f1.note for one in pair.labels.values()} == {"neither gave it"}
    assert "neither gave it" in table(nobody)

    everybody = agreement(answers([[1, 1]] * 30))
    assert notes(everybody)["threat"] == "always given where two answered"
    threat = everybody.pairs[0].labels["threat"]
    assert (threat.f1.value, threat.kappa.value, threat.kappa.note) == (1.0, None, "both always gave it")


def test_one_constant_annotator_is_no_better_than_chance():
    (pair,) = agreement(answers([[0, 1], [0, 0]] * 15)).pairs
    assert (pair.labels["threat"].kappa.value, pair.labels["threat"].f1.value) == (0.0, 0.0)


def test_annotators_without_common_sentences_among_others_who_have_some():
    found = agreement(answers([[1, 1, -1], [0, 0, -1], [-1, 1, 1], [-1, 0, 0]] * 10))
    assert [pair.sentences for pair in found.pairs] == [20, 0, 20]
    assert found.pairs[1].labels["threat"].f1.note == "no common sentence"
    assert found.alpha["threat"].value == 1.0
    assert "anna and cees: n/a, no common sentence" in table(found)


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match=r"Id 's0' stands twice.*one record"):
        agreement([*answers([[1, 1]]), *answers([[0, 0]])])
    with pytest.raises(DataError, match=r"Unknown label 'threats'.*Did you mean 'threat'"):
        agreement([Answer("s", "a", {"anna": ("threats",)})])
    with pytest.raises(UsageError, match="must be 0 or more, found -1"):
        agreement([], draws=-1)


def test_counts_of_articles_add_up_whatever_their_names():
    found = collect(answers(random_matrix(9), per_article=3))
    table_of_counts = coincidences(found)
    assert table_of_counts.shape == (found.articles, SETS + len(KEYS) + 1)
    assert table_of_counts[:, :SETS].sum() == (found.sets >= 0).sum(axis=1)[(found.sets >= 0).sum(axis=1) > 1].sum()


def test_table_shows_the_most_common_pairs_of_many_and_no_control_characters():
    rows = [Answer(f"s{number}", "a", {f"\x1b[31mn{one}\n": () for one in range(7)}) for number in range(3)]
    rows.append(Answer("t", "a", {"\x1b[31mn5\n": ("threat",), "\x1b[31mn6\n": ("threat",)}))
    text = table(agreement(rows))
    assert "\x1b" not in text
    assert text.count(" common sentences of") == SHOWN_PAIRS < 21
    assert "[31mn5 and [31mn6: 4 common sentences of 1 article, 4 (100.0%) with the same labels" in text
    assert "and 6 more pairs" in text
