"""The baselines: the keyword rule, the shares of the labels, TF-IDF."""

import numpy as np
import pytest

from eval.baselines import Tfidf, majority_probabilities
from strijdtaal.labels import KEYS, from_vector, to_vector
from training.keywords import keyword_probabilities

THREATS = [
    "Ankara dreigt met een aanval op de haven.",
    "De president dreigt de stad te bombarderen.",
    "Het leger dreigt met nieuwe luchtaanvallen.",
    "De minister dreigt hard terug te slaan.",
]
SUPPORT = [
    "Moskou steunt de regering in de hoofdstad.",
    "Parijs steunt de generaal met wapens.",
    "De buurlanden steunen het leger met geld.",
    "Caïro steunt de troepen in het oosten.",
]
OTHER = [
    "De markt in de haven was gisteren open.",
    "De regering vergadert morgen in de hoofdstad.",
    "De minister bezoekt de buurlanden in maart.",
    "Het oosten kreeg veel regen in maart.",
]


def keywords(text):
    return from_vector(keyword_probabilities([text])[0])


def trained():
    gold = [["threat"]] * len(THREATS) + [["support"]] * len(SUPPORT) + [[]] * len(OTHER)
    # One sentence of each of the two rare labels, so that every label occurs.
    texts = [*THREATS, *SUPPORT, *OTHER, "De soldaten trekken zich terug.", "Iedereen wil een wapenstilstand."]
    gold += [["retreat"], ["ceasefire_call"]]
    return texts, np.array([to_vector(labels) for labels in gold])


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("De generaal dreigt de stad in te nemen.", ["threat"]),
        ("Teheran waarschuwt voor een harde vergelding.", ["threat"]),
        ("Ankara stelde een ultimatum van twee dagen.", ["threat"]),
        ("Moskou steunt het leger al jaren.", ["support"]),
        ("De troepen kregen hulp uit het buitenland.", ["support"]),
        ("De brigade moest zich terugtrekken.", ["retreat"]),
        ("De brigade trok zich in de nacht terug.", ["retreat"]),
        ("De milities verlieten nooit de heuvel, maar de brigade verliet hem wel.", ["retreat"]),
        ("De VN vragen om een staakt-het-vuren.", ["ceasefire_call"]),
        ("De paus riep de partijen op te praten.", ["ceasefire_call"]),
        ("Zij eisen een wapenstilstand en dreigen met vergelding.", ["threat", "ceasefire_call"]),
        ("De markt was gisteren weer open.", []),
        ("", []),
    ],
)
def test_the_keyword_rule_finds_what_a_person_would_search_for(text, labels):
    assert keywords(text) == labels


def test_the_keyword_rule_ignores_upper_and_lower_case():
    assert keywords("ULTIMATUM VERSTREKEN: Steun blijft uit.") == ["threat", "support"]


@pytest.mark.parametrize(
    "text",
    [
        "De rebellengroep eiste de aanslag op.",
        "Een groep soldaten dook op in het dorp.",
        "De griep hield het peloton op.",
    ],
)
def test_words_that_end_like_a_keyword_are_no_call_for_a_ceasefire(text):
    assert "ceasefire_call" not in keywords(text)


def test_the_keyword_rule_gives_one_row_a_text_and_only_zero_or_one():
    values = keyword_probabilities([*THREATS, *OTHER])
    assert values.shape == (8, len(KEYS))
    assert set(values.ravel()) == {0.0, 1.0}


def test_the_keyword_rule_on_no_texts_gives_a_table_without_rows():
    assert keyword_probabilities([]).shape == (0, len(KEYS))


def test_the_majority_gives_every_sentence_the_shares_of_the_training_data():
    gold = np.array([[1.0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    values = majority_probabilities(gold, 3)
    np.testing.assert_array_equal(values, [[0.5, 0.25, 0.0, 0.0]] * 3)
    assert majority_probabilities(gold, 0).shape == (0, len(KEYS))


def test_tfidf_learns_words_that_tell_labels_apart():
    texts, gold = trained()
    values = (
        Tfidf()
        .fit(texts, gold)
        .probabilities(["De generaal dreigt met een aanval.", "Ankara steunt de regering met wapens."])
    )
    assert values.shape == (2, len(KEYS))
    assert values[0, 0] > 0.5 > values[0, 1]
    assert values[1, 1] > 0.5 > values[1, 0]


def test_tfidf_knows_inflections_that_it_never_saw():
    texts, gold = trained()
    values = Tfidf().fit(texts, gold).probabilities(["Bedreigingen.", "Ondersteunend."])
    assert values[0, 0] > values[0, 1]
    assert values[1, 1] > values[1, 0]


def test_tfidf_gives_probabilities_also_for_text_without_a_known_word():
    texts, gold = trained()
    values = Tfidf().fit(texts, gold).probabilities(["", "??", "日本語", "dreigt " * 2000])
    assert values.shape == (4, len(KEYS))
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1
    np.testing.assert_allclose(values[0], values[1])


def test_tfidf_does_not_depend_on_the_state_of_the_random_numbers():
    texts, gold = trained()
    np.random.seed(1)  # noqa: NPY002 (the state that scikit-learn falls back on)
    first = Tfidf().fit(texts, gold).probabilities(OTHER)
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(Tfidf().fit(texts, gold).probabilities(OTHER), first)


@pytest.mark.filterwarnings("ignore:Label not:UserWarning")
def test_tfidf_gives_a_label_that_never_occurs_no_probability():
    gold = np.array([to_vector(["threat"])] * len(THREATS) + [to_vector([])] * len(OTHER))
    values = Tfidf().fit([*THREATS, *OTHER], gold).probabilities(SUPPORT)
    np.testing.assert_array_equal(values[:, 1:], 0.0)
