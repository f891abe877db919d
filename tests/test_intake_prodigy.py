"""Prodigy: choice tasks and yes/no questions, put together to whole answers."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strijdtaal.labels import KEYS
from training.intake.formats import prodigy
from training.intake.sentence import Intake
from training.intake.source import Source, open_sources

DATA = Path(__file__).parent / "data" / "intake"
INCOMPLETE = "incomplete answers (not every label was asked about)"
EARLIER = "earlier answers of the same annotator"
OPTIONS = [{"id": key, "text": key.upper()} for key in KEYS]


def row(number=1, who="anna", **more):
    task = {"text": f"Zin {number} over het front.", "_input_hash": number, "_task_hash": number * 7}
    return {**task, "answer": "accept", "_annotator_id": who, **more}


def choice(*labels, options=OPTIONS, **more):
    return row(options=options, accept=list(labels), _view_id="choice", **more)


def binary(label, answer, **more):
    return row(label=label, answer=answer, _view_id="classification", **more)


def read(*rows, name="export.jsonl", **options):
    intake = Intake(**options)
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
    return list(prodigy.read(Source(name, text.encode()), intake)), intake


def one(*rows, **options):
    (sentence,), intake = read(*rows, **options)
    assert not intake.faults
    return sentence, intake


def test_the_sample_tells_the_twelve_sentences():
    (file,) = open_sources([DATA / "prodigy.jsonl"])
    assert prodigy.recognises(file)
    intake = Intake()
    sentences = list(prodigy.read(file, intake))
    master = json.loads((DATA / "sentences.json").read_text("utf-8"))
    told = [(s.text, {who: list(labels) for who, labels in s.annotations.items()}) for s in sentences]
    assert told == [(m["text"], m["annotations"]) for m in master]
    names = ("id", "article", "index", "date", "region", "style")
    assert [s.meta for s in sentences] == [{name: str(m[name]) for name in names} for m in master]
    assert not intake.faults
    assert intake.counts == {"ignored answers": 1, "rejected choice tasks": 1}


def test_an_accepted_choice_without_labels_is_an_answer():
    sentence, _ = one(choice(), choice("support", "threat", who="bram"))
    assert sentence.annotations == {"anna": (), "bram": ("threat", "support")}
    assert sentence.key == "prodigy:1"


@pytest.mark.parametrize(("answer", "count"), [("ignore", "ignored answers"), ("reject", "rejected choice tasks")])
def test_ignored_and_rejected_choices_do_not_count(answer, count):
    sentence, intake = one(choice("threat", answer=answer))
    assert sentence.annotations == {}
    assert intake.counts == {count: 1}


def test_yes_and_no_about_each_label_make_an_answer():
    rows = [binary(key, "accept" if key == "retreat" else "reject") for key in KEYS]
    assert one(*rows)[0].annotations == {"anna": ("retreat",)}
    sentence, _ = one(*(binary(key, "reject") for key in KEYS))
    assert sentence.annotations == {"anna": ()}


def test_labels_that_were_not_asked_about_are_not_absent():
    sentence, intake = one(binary("threat", "accept"), binary("support", "ignore"))
    assert sentence.annotations == {}
    assert intake.counts == {INCOMPLETE: 1, "ignored answers": 1}
    sentence, intake = one(choice("threat", options=OPTIONS[:3]))
    assert sentence.annotations == {}
    assert intake.counts == {INCOMPLETE: 1}
    sentence, _ = one(choice("threat", options=OPTIONS[:3]), binary(KEYS[3], "accept"))
    assert sentence.annotations == {"anna": ("threat", "ceasefire_call")}


def test_answers_of_two_annotators_are_not_mixed():
    half = [binary(key, "reject", who=who) for key, who in zip(KEYS, ["anna", "anna", "bram", "bram"], strict=True)]
    sentence, intake = one(*half)
    assert sentence.annotations == {}
    assert intake.counts == {INCOMPLETE: 2}


@pytest.mark.parametrize("times", [(None, None), (10, 20), (20.5, 10)])
def test_the_last_answer_counts(times):
    rows = [choice("threat"), choice("support")]
    for given_row, time in zip(rows, times, strict=True):
        if time is not None:
            given_row["_timestamp"] = time
    sentence, intake = one(*rows)
    last = "threat" if times[0] and times[0] > times[1] else "support"
    assert sentence.annotations == {"anna": (last,)}
    assert intake.counts == {EARLIER: 1}


def test_the_name_of_the_dataset_goes_if_it_is_that_of_the_file():
    rows = [choice("threat", who="nieuws-anna"), choice(who=None, _session_id="nieuws-bram")]
    assert set(one(*rows, name="map/nieuws.jsonl")[0].annotations) == {"anna", "bram"}
    assert set(one(*rows, name="export.jsonl")[0].annotations) == {"nieuws-anna", "nieuws-bram"}
    mixed = [*rows, choice(who="ander-chris")]
    assert "nieuws-anna" in one(*mixed, name="nieuws.jsonl")[0].annotations


@pytest.mark.parametrize("session", [None, "2026-03-01_10-00-00", "nieuws-2026-03-01_10-00-00"])
def test_sessions_without_a_name_are_called_after_the_file(session):
    sentence, intake = one(choice("threat", who=session, _session_id=session), name="map/anna.jsonl")
    assert sentence.annotations == {"anna": ("threat",)}
    assert intake.counts == {"answers without annotator, named after their file": 1}


def test_answers_without_a_name_never_replace_those_of_somebody_called_like_the_file():
    rows = [choice("threat", who=None, _session_id=None), choice(who="anna")]
    assert "'anna' answers [], and otherwise without a name" in read(*rows, name="anna.jsonl")[1].faults[0]
    assert one(rows[0], choice("threat", who="anna"), name="anna.jsonl")[0].annotations == {"anna": ("threat",)}


def test_options_may_be_numbered_and_one_may_mean_none():
    options = [{"id": number, "text": key} for number, key in enumerate([*KEYS, "geen"])]
    renamed = {"label_map": {"geen": ""}}
    assert one(choice(0, 2, options=options), **renamed)[0].annotations == {"anna": ("threat", "retreat")}
    assert one(choice(4, options=options), **renamed)[0].annotations == {"anna": ()}
    as_text = [{**option, "id": str(option["id"])} for option in options]
    assert one(choice("1", options=as_text), **renamed)[0].annotations == {"anna": ("support",)}


def test_single_choice_is_counted():
    _, intake = one(choice("threat", config={"choice_style": "single"}))
    assert intake.counts == {"answers that could hold one label only (choice_style 'single')": 1}


def test_equal_sentences_of_two_articles_stay_apart():
    sentences, _ = read(
        *(choice(label, meta={"article": a, "index": 0}) for a, label in (("a", "threat"), ("b", "support")))
    )
    assert [(s.key, s.meta["article"], s.annotations["anna"]) for s in sentences] == [
        ("prodigy:1:a:0", "a", ("threat",)),
        ("prodigy:1:b:0", "b", ("support",)),
    ]


def test_meta_and_further_fields_of_the_task_are_kept():
    sentence, _ = one(choice("threat", meta={"article": "a1", "score": 0.5}, bron="krant", spans=[]))
    assert sentence.meta == {"bron": "krant", "article": "a1", "score": "0.5"}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(options=OPTIONS), "field 'accept' is missing"),
        (row(options=OPTIONS, accept="threat"), "field 'accept' must be a list, found str"),
        (row(accept=["threat"]), "without 'options' does not say which labels were offered"),
        (row(options=["threat"], accept=[]), "an option must be an object with an id, found 'threat'"),
        (choice("oorlog"), "'oorlog' was accepted, but is not among the options"),
        (choice(["threat"]), "was accepted, but is not among the options"),
        (choice("threat", "threat"), "stands twice"),
        (choice(options=[*OPTIONS, {"id": "Dreiging"}]), "unknown label 'Dreiging'"),
        (binary("dreiging", "accept"), "unknown label 'dreiging'"),
        (binary("geen", "accept"), "decides on no label"),
        (choice(answer="yes"), "field 'answer' must be one of accept, reject, ignore, found 'yes'"),
        (row(spans=[{"start": 0, "end": 3, "label": "threat"}]), "neither a choice task"),
        (choice(_input_hash=None), "field '_input_hash' is missing"),
        (choice(text="Een andere zin."), "another text than at export.jsonl, line 1, under the same _input_hash"),
        (choice(text=None), "field 'text' must be text, found NoneType"),
    ],
)
def test_faults_name_the_line(bad, message):
    sentences, intake = read(choice("threat"), bad, label_map={"geen": ""})
    (fault,) = intake.faults
    assert fault.startswith("export.jsonl, line 2: ")
    assert message in fault
    assert sentences[0].annotations == {"anna": ("threat",)}


@pytest.mark.parametrize(
    "value",
    [
        {"text": "Zin.", "label": ["threat"], "Comments": []},
        {"text": "Zin.", "labels": [], "annotations": {}},
        {"data": {"text": "Zin."}, "annotations": []},
        {"text": "Zin.", "answer": "accept"},
        [],
    ],
)
def test_other_files_are_not_recognised(value):
    assert not prodigy.recognises(Source("x.jsonl", json.dumps(value).encode()))
    assert not prodigy.recognises(Source("x.jsonl", b""))


@given(st.dictionaries(st.sampled_from(["anna", "bram"]), st.sets(st.sampled_from(KEYS))), st.booleans())
def test_choices_and_questions_tell_the_same(given_labels, yes_no):
    rows = []
    for who, labels in given_labels.items():
        if yes_no:
            rows += [binary(key, "accept" if key in labels else "reject", who=who) for key in KEYS]
        else:
            rows.append(choice(*sorted(labels), who=who))
    sentences, intake = read(*rows)
    expected = {who: tuple(key for key in KEYS if key in labels) for who, labels in given_labels.items()}
    assert [dict(s.annotations) for s in sentences] == ([expected] if rows else [])
    assert not intake.faults


@given(st.sets(st.tuples(st.sampled_from(KEYS), st.sampled_from(["accept", "reject", "ignore"])), min_size=1))
def test_an_answer_needs_a_decision_on_every_label(questions):
    sentence, _ = one(*(binary(key, answer) for key, answer in sorted(questions)))
    decided = {key for key, answer in questions if answer != "ignore"}
    assert bool(sentence.annotations) == (decided == set(KEYS))
