"""The label set: a fixed order and strict conversion."""

import itertools
import re
from pathlib import Path

import pytest

from strijdtaal import labels
from strijdtaal.errors import DataError

CODEBOOK = Path(__file__).resolve().parent.parent / "seeds" / "CODEBOOK.md"


def test_the_order_of_labels_is_fixed():
    assert labels.KEYS == ("threat", "support", "retreat", "ceasefire_call")
    assert labels.ID2LABEL == {0: "threat", 1: "support", 2: "retreat", 3: "ceasefire_call"}
    assert labels.LABEL2ID == {"threat": 0, "support": 1, "retreat": 2, "ceasefire_call": 3}


def test_every_label_has_a_dutch_name_of_its_own():
    assert labels.DUTCH == {
        "threat": "dreiging",
        "support": "steun",
        "retreat": "terugtrekking",
        "ceasefire_call": "oproep tot een staakt-het-vuren",
    }


def test_the_names_for_no_label_are_not_labels():
    assert not {labels.NONE_DUTCH, labels.NONE_ENGLISH} & {*labels.KEYS, *labels.DUTCH.values()}


@pytest.mark.skipif(not CODEBOOK.exists(), reason="the codebook is not in this checkout")
def test_the_codebook_has_the_same_version():
    assert re.search(rf"\b{re.escape(labels.CODEBOOK_VERSION)}\b", CODEBOOK.read_text("utf-8"))


@pytest.mark.parametrize("size", range(5))
def test_every_set_of_labels_survives_the_way_there_and_back(size):
    for chosen in itertools.combinations(labels.KEYS, size):
        vector = labels.to_vector(chosen)
        assert sum(vector) == size
        assert labels.from_vector(vector) == list(chosen)


def test_the_vector_does_not_depend_on_the_order_of_the_keys():
    assert labels.to_vector(["ceasefire_call", "threat"]) == [1.0, 0.0, 0.0, 1.0]
    assert labels.to_vector(["threat", "ceasefire_call"]) == [1.0, 0.0, 0.0, 1.0]


def test_a_label_given_twice_counts_once():
    assert labels.to_vector(["support", "support"]) == [0.0, 1.0, 0.0, 0.0]


def test_an_unknown_label_is_refused_with_the_nearest_known_one():
    with pytest.raises(DataError) as caught:
        labels.to_vector(["threat", "retraet"])
    message = str(caught.value)
    assert "'retraet'" in message
    assert "Did you mean 'retreat'?" in message
    assert all(key in message for key in labels.KEYS)


@pytest.mark.parametrize("name", ["dreiging", "THREAT", " threat", "none", ""])
def test_only_the_exact_keys_are_labels(name):
    with pytest.raises(DataError, match="Unknown label"):
        labels.to_vector([name])


@pytest.mark.parametrize("vector", [[], [1.0, 0.0, 0.0], [0.0] * 5])
def test_a_vector_of_another_length_is_refused(vector):
    with pytest.raises(ValueError, match="zip"):
        labels.from_vector(vector)
