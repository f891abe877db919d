"""Argilla: only submitted responses count, and exports that hide the status are refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.formats import argilla
from training.intake.sentence import Intake
from training.intake.source import Source, open_sources

DATA = Path(__file__).parent / "data" / "intake"
NONE = {"geen": ""}


def record(*responses, question="labels", number=1, **more):
    """Each response is (user, value) or (user, value, status)."""
    users, values, status = (
        zip(*((*one, "submitted")[:3] for one in responses), strict=True) if responses else ((),) * 3
    )
    answers = {
        f"{question}.responses": list(values),
        f"{question}.responses.users": list(users),
        f"{question}.responses.status": list(status),
    }
    base = {"id": f"a1-{number:02}", "status": "pending", "_server_id": None, "text": f"Zin {number} over het front."}
    return {**base, "article": "a1", **answers, **more}


def source(value, name="records.json"):
    return Source(name, json.dumps(value, ensure_ascii=False).encode())


def read(*rows, **options):
    intake = Intake(**options)
    file = rows[0] if rows and isinstance(rows[0], Source) else source(list(rows))
    return list(argilla.read(file, intake)), intake


def one(*rows, **options):
    (sentence,), intake = read(*rows, **options)
    assert not intake.faults
    return sentence, intake


def test_the_sample_tells_the_twelve_sentences():
    (file,) = open_sources([DATA / "argilla.json"])
    assert argilla.recognises(file)
    intake = Intake(label_map=NONE)
    sentences = list(argilla.read(file, intake))
    master = json.loads((DATA / "sentences.json").read_text("utf-8"))
    told = [(s.text, {who: list(labels) for who, labels in s.annotations.items()}) for s in sentences]
    assert told == [(m["text"], m["annotations"]) for m in master]
    names = ("id", "article", "index", "date", "region", "style")
    assert [s.meta for s in sentences] == [{name: str(m[name]) for name in names} for m in master]
    assert not intake.faults
    assert intake.counts == {"discarded answers": 1, "drafts": 1}


def test_discarded_answers_and_drafts_do_not_count():
    sentence, intake = one(record(("a", ["threat"]), ("b", ["support"], "discarded"), ("c", None, "draft")))
    assert sentence.annotations == {"a": ("threat",)}
    assert intake.counts == {"discarded answers": 1, "drafts": 1}


def test_suggestions_never_count():
    hint = {"labels.suggestion": ["threat"], "labels.suggestion.score": [0.9], "labels.suggestion.agent": "m"}
    sentence, _ = one(record(**hint))
    assert (sentence.annotations, sentence.gold) == ({}, None)
    assert sentence.meta == {"id": "a1-01", "article": "a1"}


def test_none_of_the_labels_is_an_option_of_its_own():
    assert one(record(("a", ["geen"]), ("b", [])), label_map=NONE)[0].annotations == {"a": (), "b": ()}
    _, intake = read(record(("a", ["geen"])))
    assert 'nothing after = for "none of the labels"' in intake.faults[0]


def test_records_that_nobody_answered_are_kept():
    empty = {"labels.responses": None, "labels.responses.users": None, "labels.responses.status": None}
    sentences, intake = read(record(("a", ["threat"])), record(number=2, **empty))
    assert [s.annotations for s in sentences] == [{"a": ("threat",)}, {}]
    bare = {"id": "x", "status": "pending", "_server_id": None, "text": "Een zin aan het front.", "article": "a1"}
    assert argilla.recognises(source([bare]))
    assert one(bare)[0].annotations == {}
    assert not intake.faults


def test_a_record_without_an_answer_to_the_question_is_no_answer():
    other = record(("a", "mooi"), ("b", "lelijk"), question="opmerking")
    both = {**record(("a", ["threat"])), **{key: value for key, value in other.items() if "opmerking" in key}}
    sentence, intake = one(both)
    assert sentence.annotations == {"a": ("threat",)}
    assert intake.counts == {
        "answers to another question (opmerking)": 2,
        "submitted records without an answer to the question about labels": 1,
    }


def test_a_question_with_one_label_has_text_for_an_answer():
    sentence, intake = one(record(("a", "threat"), ("b", "geen")), label_map=NONE)
    assert sentence.annotations == {"a": ("threat",), "b": ()}
    assert intake.counts == {"answers that could hold one label only (a label question, not multi-label)": 2}


def test_fields_and_metadata_may_have_their_prefix():
    row = record(("a", ["threat"]))
    row |= {"fields.text": row.pop("text"), "metadata.article": row.pop("article"), "metadata.index": 4}
    sentence, _ = one(row)
    assert sentence.text == "Zin 1 over het front."
    assert sentence.meta == {"id": "a1-01", "article": "a1", "index": "4"}


def test_ids_that_argilla_made_up_are_keys_only():
    uuid = "2f9d2d2e-0d8e-4f43-9d3a-0a3e6a2f5b11"
    sentence, _ = one(record(("a", ["threat"]), id=uuid))
    assert (sentence.key, sentence.meta) == (f"argilla:{uuid}", {"article": "a1"})
    sentence, _ = one(record(("a", ["threat"]), _server_id=uuid))
    assert (sentence.key, sentence.meta["id"]) == (f"argilla:{uuid}", "a1-01")


def test_an_export_without_status_is_refused_with_the_remedy():
    nested = {
        "id": "1",
        "fields": {"text": "Zin."},
        "metadata": {},
        "suggestions": {},
        "vectors": {},
        "status": "pending",
    }
    nested["responses"] = {"labels": [{"value": ["threat"], "user_id": "a"}]}
    assert argilla.recognises(source([nested]))
    with pytest.raises(DataError, match=r"not flattened: it does not say which answers were discarded.*flatten=True"):
        read(nested)
    row = record(("a", ["threat"]))
    del row["labels.responses.status"]
    _, intake = read(row)
    assert "must be lists of one length. Save with" in intake.faults[0]


def test_columns_and_parquet_are_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"columns instead of records.*flatten=True"):
        read(Source("x.json", json.dumps({"id": ["1"], "labels.responses": [[["threat"]]]}).encode()))
    parquet = Source("x.parquet", b"PAR1....labels.responses.status....PAR1")
    assert argilla.recognises(parquet)
    with pytest.raises(DataError, match=r"x\.parquet is Parquet.*Save as JSON: .*flatten=True"):
        read(parquet)
    assert not argilla.recognises(Source("x.parquet", b"PAR1....text....PAR1"))


def test_jsonl_is_read_as_well():
    lines = "".join(json.dumps(record(("a", ["threat"]), number=n)) + "\n" for n in (1, 2))
    file = Source("records.jsonl", lines.encode())
    assert argilla.recognises(file)
    sentences, _ = read(file)
    assert [s.where for s in sentences] == ["records.jsonl, line 1", "records.jsonl, line 2"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (record(("a", ["threat"], None)), "has the status None, which does not say whether it counts"),
        (record(("a", ["threat"], ["submitted"])), "has the status ['submitted']"),
        (record(("", ["threat"])), "without a user, found ''"),
        (record(("a", ["threat"]), ("a", ["support"])), "user 'a' answers 'labels' twice"),
        (record(("a", ["Threat"])), "unknown label 'Threat'. Did you mean 'threat'?"),
        (record(("a", ["threat", "threat"])), "stands twice"),
        (record(("a", "threat")), "is a str, at records.json, record 1 a list"),
        (record(("a", [0])), "a label must be text, found int 0"),
        (record(("a", ["threat"]), text=None), "field 'text' must be text, found NoneType"),
        (record(("a", ["threat"]), **{"labels.responses.users": ["a", "b"]}), "must be lists of one length"),
        (3, "must be a JSON object, found int"),
    ],
)
def test_faults_name_the_record(row, message):
    _, intake = read(record(("a", ["threat"])), row)
    (fault,) = intake.faults
    assert fault.startswith("records.json, record 2: ")
    assert message in fault


def test_an_answer_of_another_kind_is_a_fault():
    _, intake = read(record(("a", 4)))
    assert "an answer to 'labels' must be a label or a list, found 4" in intake.faults[0]


@pytest.mark.parametrize(
    "value",
    [
        [{"text": "Zin.", "label": ["threat"], "Comments": []}],
        [{"data": {"text": "Zin."}, "annotations": [], "predictions": []}],
        {"text": "Zin.", "labels": [], "annotations": {}},
        {"text": "Zin.", "_input_hash": 1, "answer": "accept"},
        [],
    ],
)
def test_other_files_are_not_recognised(value):
    assert not argilla.recognises(source(value))
    assert not argilla.recognises(Source("x.json", b""))


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.tuples(st.sets(st.sampled_from(KEYS)), st.sampled_from(["submitted", "discarded", "draft"])),
    )
)
def test_submitted_label_lists_survive_and_no_others(answers):
    sentence, _ = one(record(*((user, sorted(labels), status) for user, (labels, status) in answers.items())))
    assert sentence.annotations == {
        user: tuple(key for key in KEYS if key in labels)
        for user, (labels, status) in answers.items()
        if status == "submitted"
    }
