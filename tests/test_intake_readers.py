"""Readers of JSON exports, given damaged samples: faults or a refusal, never another exception, never a guess."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.fields import meta_of, text_field
from training.intake.formats import argilla, doccano, label_studio, prodigy
from training.intake.questions import label_questions
from training.intake.sentence import Intake, Sentence
from training.intake.source import Source, open_sources

DATA = Path(__file__).parent / "data" / "intake"
READERS = {
    "labelstudio.json": label_studio,
    "labelstudio_min.json": label_studio,
    "doccano.zip": doccano,
    "prodigy.jsonl": prodigy,
    "argilla.json": argilla,
}
VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        3.5,
        "",
        "threat",
        "zomaar",
        [],
        {},
        ["threat"],
        ["x", 1],
        [[1]],
        {"choices": ["threat"]},
        {"id": []},
    ]
)


def rows_of(name):
    source = open_sources([DATA / name])[-1]
    if name.endswith(".json"):
        return json.loads(source.text)
    return [json.loads(line) for line in source.text.splitlines()]


ROWS = {name: rows_of(name) for name in READERS}


def places(value, path=()):
    """Every path into a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield (*path, key)
        yield from places(inside, (*path, key))


PLACES = {name: list(places(rows)) for name, rows in ROWS.items()}


def damaged(rows, path, value, delete):
    rows = copy.deepcopy(rows)
    inner = rows
    for key in path[:-1]:
        inner = inner[key]
    if delete:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return rows


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_one_wrong_value_anywhere_is_a_fault_or_harmless(name, data):
    path, value = data.draw(st.sampled_from(PLACES[name])), data.draw(VALUES)
    rows = damaged(ROWS[name], path, value, data.draw(st.booleans()))
    text = json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
    source = Source(name.replace(".zip", ".jsonl"), text.encode())
    module, intake = READERS[name], Intake(label_map={"geen": "", "[]": ""})
    assert module.recognises(source) in (True, False)
    sentences = []
    try:
        sentences.extend(module.read(source, intake))
    except DataError as error:
        intake.fault(source.name, error)
    assert all(fault.startswith(source.name) for fault in intake.faults)
    for sentence in sentences:
        assert isinstance(sentence, Sentence)
        assert isinstance(sentence.text, str)
        assert all(
            isinstance(who, str) and who and set(labels) <= set(KEYS) for who, labels in sentence.annotations.items()
        )
        assert all(isinstance(text, str) for text in sentence.meta.values())


@pytest.mark.parametrize("name", READERS)
def test_no_other_reader_knows_the_sample(name):
    for source in open_sources([DATA / name]):
        assert [module for module in set(READERS.values()) if module.recognises(source)] == [READERS[name]]


@pytest.mark.parametrize("module", dict.fromkeys(READERS.values()), ids=lambda module: module.NAME)
@given(head=st.binary(max_size=60))
@settings(deadline=None)
def test_recognising_never_raises(module, head):
    for start in (b"", b"[{", b'{"label": ', b"PAR1"):
        assert module.recognises(Source("x.jsonl", start + head)) in (True, False)


def test_the_field_with_words_is_the_text():
    rows = [
        {"id": "een lang id hier", "zin": "Er is weer rust.", "region": "ten oosten van Goma", "n": 3},
        {"zin": None},
    ]
    assert text_field(rows, "x.json") == "zin"
    assert text_field([*rows, {"text": "ja"}], "x.json") == "text"


def test_scalars_go_along_as_text():
    row = {"a": 3.0, "b": True, "c": None, "d": [1], "e": " x ", "f": 0.25, "g": 7}
    assert meta_of(row, {"g"}) == {"a": "3", "b": "true", "e": " x ", "f": "0.25"}


@pytest.mark.parametrize(
    ("choices", "ours"),
    [
        ({}, set()),
        ({"a": {"wat dan ook"}}, {"a"}),  # the only question: its unknown answers become faults
        ({"a": {"threat"}, "b": {"goed"}}, {"a"}),
        ({"a": {"threat"}, "b": {"suport"}}, {"a", "b"}),
        ({"a": {"Ceasefire"}, "b": {"report"}}, {"a"}),
        ({"a": {"geen"}, "b": {"goed"}}, {"a"}),
    ],
)
def test_a_question_is_about_labels_if_one_answer_is_a_label_or_a_slip(choices, ours):
    assert label_questions(choices, "x.json", Intake(label_map={"geen": ""})) == ours
