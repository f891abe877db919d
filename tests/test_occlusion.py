"""Leaving words out is right where the answer is known: models that count words."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.occlusion import EMPTY, highlight, occlusion, strongest
from strijdtaal.errors import DataError

WEIGHTS = {"dreigt": (3.0, 0.0), "niet": (-1.5, 0.5), "steun": (0.0, 2.0), "aanval": (1.0, -1.0)}


def count(texts):
    """Two logits: -2 and -1 plus the weights of the known words, each as often as it stands there."""
    found = [[WEIGHTS.get(word, (0.0, 0.0)) for word in re.findall(r"\w+", text)] for text in texts]
    return np.array([np.sum([(-2.0, -1.0), *words], axis=0) for words in found])


def of(text, **options):
    """Effects of one text by word."""
    (words,) = occlusion(count, [text], **options)
    return {text[word["start"] : word["end"]]: word["effects"] for word in words}


def test_effects_of_a_model_that_adds_are_its_weights():
    assert of("Moskou dreigt niet, maar belooft steun.") == {
        "Moskou": [0, 0],
        "dreigt": [3, 0],
        "niet,": [-1.5, 0.5],
        "maar": [0, 0],
        "belooft": [0, 0],
        "steun.": [0, 2],
    }


def test_an_effect_depends_on_the_rest_of_the_sentence():
    def both(texts):  # 4 logits only if both words stand there
        return np.array([[4.0 if {"vuur", "staken"} <= set(text.split()) else 0.0] for text in texts])

    found = occlusion(both, ["het vuur staken", "het vuur doven"])
    assert [[word["effects"] for word in words] for words in found] == [[[0], [4], [4]], [[0], [0], [0]]]


def test_a_word_said_twice_is_left_out_one_place_at_a_time():
    def any_of(texts):
        return np.array([[5.0 * ("dreigt" in text)] for text in texts])

    (words,) = occlusion(any_of, ["Hij dreigt en dreigt"])
    assert [word["effects"] for word in words] == [[0], [0], [0], [0]]  # they hide each other
    (words,) = occlusion(count, ["dreigt en dreigt"])
    assert [word["effects"][0] for word in words] == [3, 0, 3]


def test_the_model_is_asked_once_about_these_texts_and_no_others():
    asked = []

    def predict(texts):
        asked.append(list(texts))
        return count(texts)

    found = occlusion(predict, ["a  b\tc", "", " d ", "\n"])
    assert asked == [["a  b\tc", "b\tc", "a  c", "a  b", " d ", EMPTY]]
    assert [[(word["start"], word["end"]) for word in words] for words in found] == [
        [(0, 1), (3, 4), (5, 6)],
        [],
        [(1, 2)],
        [],
    ]
    assert occlusion(predict, []) == [] == asked[1:]


def test_a_sentence_of_one_word_is_compared_with_a_full_stop():
    asked = []

    def length(texts):
        asked.extend(texts)
        return np.array([[float(len(text))] for text in texts])

    assert occlusion(length, ["Terugtrekking"]) == [[{"start": 0, "end": 13, "effects": [12.0]}]]
    assert asked == ["Terugtrekking", "."]
    assert occlusion(length, ["."]) == [[{"start": 0, "end": 1, "effects": [0.0]}]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Één coördinatie dreigt", ["Één", "coördinatie", "dreigt"]),
        ("e\u0301e\u0301n café\u0301 nu", ["e\u0301e\u0301n", "café\u0301", "nu"]),
        ("🔥🔥 brand 👩‍👩‍👧 ok🇳🇱.", ["🔥🔥", "brand", "👩‍👩‍👧", "ok🇳🇱."]),
        (
            '„Steun”, zei hij: ‘nooit’ "echt" \'s avonds',
            ["„Steun”,", "zei", "hij:", "‘nooit’", '"echt"', "'s", "avonds"],
        ),
        ("vaste\u00a0spatie\u2003breed", ["vaste", "spatie", "breed"]),
    ],
)
def test_offsets_are_exact(text, expected):
    (words,) = occlusion(count, [text])
    assert [text[word["start"] : word["end"]] for word in words] == expected
    pieces = highlight(text, words, 0)
    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, _ in pieces if not piece.isspace()] == expected


def test_words_beyond_the_limit_are_shown_as_not_tried():
    asked = []

    def predict(texts):
        asked.extend(texts)
        return count(texts)

    text = "dreigt niet steun aanval"
    (words,) = occlusion(predict, [text], limit_words=2)
    assert [word["effects"] for word in words] == [[3, 0], [-1.5, 0.5], None, None]
    assert asked == [text, "niet steun aanval", "dreigt steun aanval"]
    assert highlight(text, words, 1)[-1] == ("aanval", 0)
    assert strongest(words, 0) == words[:2]
    (words,) = occlusion(predict, [text], limit_words=0)
    assert [word["effects"] for word in words] == [None] * 4
    assert strongest(words, 0) == []
    assert len(asked) == 3


def test_weights_are_shares_of_the_largest_effect():
    text = "Hij dreigt niet"
    (words,) = occlusion(count, [text])
    assert highlight(text, words, 0) == [("Hij", 0), (" ", 0), ("dreigt", 1), (" ", 0), ("niet", -0.5)]
    assert highlight(text, words, 1)[-1] == ("niet", 0.5)  # the largest is half a logit, the scale one logit


def test_strongest_words_come_first_and_an_indifferent_sentence_has_none():
    text = "aanval dreigt niet steun dreigt"
    (words,) = occlusion(count, [text])

    def said(label, *share):
        return [text[word["start"] : word["end"]] for word in strongest(words, label, *share)]

    assert said(0) == ["dreigt", "dreigt", "niet"]
    assert said(0, 0.3) == ["dreigt", "dreigt", "niet", "aanval"]
    assert said(0, 0.51) == ["dreigt", "dreigt"]
    assert said(1) == ["steun", "aanval"]
    assert said(1, 0.0) == ["steun", "aanval", "niet"]  # never a word without effect
    weak = [{"start": 0, "end": 1, "effects": [0.4]}, {"start": 2, "end": 3, "effects": [-0.1]}]
    assert strongest(weak, 0) == []
    assert strongest(weak, 0, 0.3) == weak[:1]
    assert strongest([], 0) == []


@pytest.mark.parametrize(
    ("start", "end"), [(0, 4), (4, 4), (-3, 3), (4, 99), (3, 9)], ids=["gap", "none", "before", "after", "space"]
)
def test_words_of_another_text_are_refused(start, end):
    with pytest.raises(DataError, match="do not fit the text 'Hij dreigt niet'"):
        highlight("Hij dreigt niet", [{"start": start, "end": end, "effects": [1.0]}], 0)
    twice = [{"start": 4, "end": 10, "effects": [1.0]}] * 2
    with pytest.raises(DataError, match="none stands at 4 to 10"):
        highlight("Hij dreigt niet", twice, 0)


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda texts: count(texts)[:-1], r"4 texts were given to the model and values of shape \(3, 2\)"),
        (lambda texts: count(texts)[:, 0], r"values of shape \(4,\) came back"),
        (lambda texts: count(texts) / np.array([[1.0], [np.inf], [1.0], [np.nan]]), "logits of 'a b' are not finite"),
    ],
)
def test_a_model_that_answers_wrongly_is_refused(predict, message):
    with pytest.raises(DataError, match=message):
        occlusion(predict, ["a b c"])


LETTERS = st.text(st.sampled_from('ab \t\n\u00a0é\u0301🔥‘’"<&.\u202e\x1c\x85')) | st.text()


@given(st.lists(LETTERS, max_size=4), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_pieces_join_to_the_text_and_weights_stay_within_bounds(texts, limit, seed):
    generator = np.random.default_rng(seed)
    found = occlusion(lambda asked: generator.normal(0, 3, (len(asked), 2)), texts, limit)
    assert len(found) == len(texts)
    for text, words in zip(texts, found, strict=True):
        assert [text[word["start"] : word["end"]] for word in words] == re.findall(r"\S+", text)
        assert [word["effects"] is not None for word in words] == [place < limit for place in range(len(words))]
        for label in (0, 1):
            pieces = highlight(text, words, label)
            assert "".join(piece for piece, _ in pieces) == text
            assert all(piece and -1 <= weight <= 1 for piece, weight in pieces)
            assert all(weight == 0 for piece, weight in pieces if piece.isspace())
            assert all(word in words for word in strongest(words, label, 0.2))


@given(st.lists(st.sampled_from([*WEIGHTS, "de", "stad."]), min_size=2, max_size=8))
def test_effects_of_a_model_that_adds_sum_to_its_logit(words):
    text = " ".join(words)
    (found,) = occlusion(count, [text])
    total = np.sum([word["effects"] for word in found], axis=0)
    assert total == pytest.approx(count([text])[0] - count([""])[0])
