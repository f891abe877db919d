"""Our own JSONL through the importer: what is decided, what is to adjudicate, what is unlabelled."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strijdtaal.labels import KEYS
from training.intake.formats import ours
from training.intake.sentence import Intake
from training.intake.source import Source
from training.records import read_records

SEEDS = sorted((Path(__file__).resolve().parent.parent / "seeds" / "annotations").glob("*.jsonl"))
ROW = {
    **{"id": "a1-00", "article": "a1", "index": 0, "text": "De rebellen gaven de brug over.", "labels": ["retreat"]},
    **{"annotations": {"a": ["retreat"], "b": []}, "date": "2020-05-22", "region": "Libië", "style": "wire"},
}


def source_of(*rows, name="x.jsonl"):
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    return Source(name, "\n".join(lines).encode())


def read(*rows, label_map=()):
    intake = Intake(label_map=dict(label_map))
    return list(ours.read(source_of(*rows), intake)), intake


def fault(**changes):
    found, intake = read(ROW, {**ROW, **changes}, ROW)
    assert len(found) == 2
    (message,) = intake.faults
    assert message.startswith("x.jsonl, line 2: ")
    return message


def without(*keys):
    return {key: value for key, value in ROW.items() if key not in keys}


def test_a_full_line():
    (found,), intake = read({**ROW, "start": 0, "end": 31})
    assert (found.where, found.text, found.gold) == ("x.jsonl, line 1", ROW["text"], ("retreat",))
    assert found.annotations == {"a": ("retreat",), "b": ()}
    assert found.span == (0, 31)
    assert found.meta == {
        **{"id": "a1-00", "article": "a1", "index": "0", "date": "2020-05-22", "region": "Libië", "style": "wire"}
    }
    assert not intake.faults
    assert not intake.counts


def test_annotations_alone_are_to_adjudicate_and_neither_is_unlabelled():
    found, _ = read(without("labels"), without("labels", "annotations"), {**ROW, "labels": None, "annotations": None})
    assert [one.gold for one in found] == [None, None, None]
    assert [dict(one.annotations) for one in found] == [{"a": ("retreat",), "b": ()}, {}, {}]


def test_an_empty_list_is_an_answer():
    (found,), _ = read({**ROW, "labels": [], "annotations": {"a": []}})
    assert (found.gold, found.annotations) == ((), {"a": ()})


def test_an_annotator_without_an_answer_is_left_out_and_counted():
    (found,), intake = read({**ROW, "annotations": {"a": None, "b": []}})
    assert found.annotations == {"b": ()}
    assert intake.counts == {"annotators without an answer to a sentence": 1}


def test_soft_labels_are_kept_if_they_are_numbers():
    (found,), intake = read({**ROW, "soft": dict.fromkeys(KEYS, 0.5)})
    assert found.soft == dict.fromkeys(KEYS, 0.5)
    assert "soft" not in found.meta
    assert not intake.counts
    for wrong in ([0.5], {"threat": "0.5"}, {"threat": True}):
        assert "field 'soft' must be an object" in fault(soft=wrong)


def test_labels_that_are_once_a_text_and_once_a_list_are_named_with_both_lines():
    assert "line 2: field 'labels' must be a list of labels, found str; at x.jsonl, line 1 it is one" in fault(
        labels="x"
    )


def test_further_fields_go_along_as_text():
    (found,), _ = read({**ROW, "bron": "007", "zekerheid": 0.5, "lijst": [1], "leeg": None})
    assert (found.meta["bron"], found.meta["zekerheid"]) == ("007", "0.5")
    assert not {"lijst", "leeg", "text", "labels", "annotations"} & found.meta.keys()


def test_labels_of_another_language_are_renamed():
    row = {**ROW, "labels": ["terugtrekking"], "annotations": {"a": ["geen"]}}
    (found,), intake = read(row, label_map={"terugtrekking": "retreat", "geen": ""})
    assert (found.gold, found.annotations, intake.faults) == (("retreat",), {"a": ()}, [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": "retreat"}, "field 'labels' must be a list of labels, found str"),
        ({"labels": {}}, "found dict"),
        ({"labels": [0, 1]}, "field 'labels': a label must be text, found int 0"),
        ({"labels": ["treat"]}, "field 'labels': unknown label 'treat'. Did you mean 'threat'?"),
        ({"labels": ["threat", "threat"]}, "stands twice"),
        ({"annotations": [["threat"]]}, "field 'annotations' must be an object"),
        ({"annotations": {"a": "threat"}}, "field 'annotations.a' must be a list"),
        ({"annotations": {"a": ["suport"]}}, "field 'annotations.a': unknown label 'suport'"),
        ({"annotations": {" ": []}}, "an annotator has no name"),
        ({"text": None}, "field 'text' is missing"),
        ({"text": ["a"]}, "field 'text' must be text, found ['a']"),
        *[({"start": start, "end": end}, "'start' and 'end'") for start, end in ((3, 3), (-1, 2), (0, None), ("0", 4))],
        ({"start": False, "end": True}, "'start' and 'end'"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_the_others_are_read(changes, message):
    assert message in fault(**changes)


@pytest.mark.parametrize("path", SEEDS[::12], ids=lambda path: path.stem)
def test_the_seeds_come_back_as_they_are(path):
    source = Source(str(path), path.read_bytes())
    assert ours.recognises(source)
    intake = Intake()
    found = list(ours.read(source, intake))
    assert not intake.faults
    assert [(one.meta["id"], one.text, one.gold, dict(one.annotations)) for one in found] == [
        (record.id, record.text, record.labels, record.annotations) for record in read_records([path])
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "a"},
        without("labels"),
        {**ROW, "labels": None, "annotations": None},
        {"text": "a", "labels": []},
    ],
)
def test_our_lines_are_recognised(row):
    assert ours.recognises(source_of(row, ROW))
    assert ours.recognises(source_of("\ufeff\n" + json.dumps(row)))


@pytest.mark.parametrize(
    "row",
    [
        [ROW],
        {"labels": []},
        {"text": 3, "labels": []},
        {"text": "a", "labels": "threat"},
        {"text": "a", "annotations": [{"label": 3, "user": 1}]},
        {"id": 1, "text": "a", "label": ["threat"], "Comments": []},
        {"text": "a", "labels": [], "annotation_id": 3},
        {"text": "a", "_input_hash": 1, "answer": "accept"},
        {"text": "a", "labels.responses": None},
        "geen json",
        "",
    ],
)
def test_lines_of_other_tools_are_not(row):
    assert not ours.recognises(source_of(row))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.dictionaries(
        st.sampled_from([*ROW, "start", "end", "soft", "x"]),
        st.none()
        | st.booleans()
        | st.integers(-2, 3)
        | st.text(max_size=3)
        | st.lists(st.sampled_from([*KEYS, "x", 0, None]), max_size=3)
        | st.dictionaries(st.sampled_from(["a", ""]), st.none() | st.lists(st.sampled_from([*KEYS, "y"]), max_size=2)),
    )
)
def test_any_line_is_a_sentence_or_a_fault(row):
    found, intake = read(row)
    assert len(found) + len(intake.faults) == 1
    ours.recognises(source_of(row))
    for one in found:
        assert one.gold is None or set(one.gold) <= set(KEYS)
        assert all(isinstance(value, str) for value in one.meta.values())
