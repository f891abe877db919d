"""Label Studio: what counts as an answer in JSON and JSON_MIN, and which question is about labels."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.formats import label_studio
from training.intake.sentence import Intake
from training.intake.source import Source, open_sources

DATA = Path(__file__).parent / "data" / "intake"
TEXT = "Het leger dreigt de brug op te blazen."
ARTICLE = "De 🚀 bleef staan. Het leger dreigt met een aanval. De markt was open."


def source(value, name="export.json"):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Source(name, text.encode())


def choices(*labels, question="labels", **value):
    return {"from_name": question, "to_name": "text", "type": "choices", "value": {"choices": list(labels), **value}}


def span(start, end, *labels, quote=None, question="spans"):
    value = {"start": start, "end": end, "labels": list(labels)}
    if quote is not None:
        value["text"] = quote
    return {"from_name": question, "to_name": "text", "type": "labels", "value": value}


def annotation(*results, who=1, **more):
    return {"id": 11, "completed_by": who, "result": list(results), "was_cancelled": False, **more}


def task(*annotations, number=1, **more):
    return {"id": number, "data": {"text": TEXT, "article": "a1"}, "annotations": list(annotations), **more}


def row(number=1, annotator="anna", **more):
    return {"id": number, "text": TEXT, "annotator": annotator, "annotation_id": number * 10, **more}


def read(value, **options):
    intake = Intake(**options)
    file = value if isinstance(value, Source) else source(value)
    return list(label_studio.read(file, intake)), intake


def one(value, **options):
    (sentence,), intake = read(value, **options)
    assert not intake.faults
    return sentence, intake


def fault(value, **options):
    _, intake = read(value, **options)
    assert len(intake.faults) == 1, intake.faults
    return intake.faults[0]


@pytest.mark.parametrize("name", ["labelstudio.json", "labelstudio_min.json"])
def test_the_samples_tell_the_twelve_sentences(name):
    (file,) = open_sources([DATA / name])
    assert label_studio.recognises(file)
    sentences, intake = read(file)
    master = json.loads((DATA / "sentences.json").read_text("utf-8"))
    told = [(s.text, {who: list(labels) for who, labels in s.annotations.items()}) for s in sentences]
    assert told == [(m["text"], m["annotations"]) for m in master]
    for name in ("article", "index", "date", "region", "style"):
        assert [s.meta[name] for s in sentences] == [str(m[name]) for m in master]
    assert not intake.faults
    assert all(s.gold is None for s in sentences)


def test_the_id_of_the_data_is_ours_and_that_of_the_task_is_the_key():
    value = task(annotation(choices("threat")), number=7)
    value["data"]["id"] = "a1-00"
    sentence, _ = one([value])
    assert (sentence.key, sentence.meta["id"], sentence.where) == ("labelstudio:7", "a1-00", "export.json, task 7")


def test_an_empty_result_is_an_answer_and_no_annotation_is_none():
    sentence, _ = one([task(annotation(who=1), annotation(choices(), who=2))])
    assert sentence.annotations == {"1": (), "2": ()}
    sentence, _ = one([task()])
    assert sentence.annotations == {}


@pytest.mark.parametrize("flag", ["was_cancelled", "skipped"])
def test_cancelled_and_skipped_answers_do_not_count(flag):
    sentence, intake = one([task(annotation(choices("threat"), **{flag: True}), annotation(who=2))])
    assert sentence.annotations == {"2": ()}
    assert intake.counts == {"cancelled answers": 1}


def test_legacy_completions_without_annotator_are_named_after_the_file():
    old = {"id": 3, "data": {"text": TEXT}, "completions": [{"id": 1, "result": [choices("support")]}]}
    assert label_studio.recognises(source([old]))
    sentence, intake = one(source([old], "map/anna.json"))
    assert sentence.annotations == {"anna": ("support",)}
    assert intake.counts == {"answers without annotator, named after their file": 1}


def test_predictions_and_drafts_never_count():
    model = {"model_version": "m", "result": [choices("threat")]}
    sentence, intake = one([task(predictions=[model], drafts=[{"result": [choices("retreat")]}])])
    assert (sentence.annotations, sentence.gold) == ({}, None)
    assert intake.counts == {"predictions of models": 1, "drafts": 1}


@pytest.mark.parametrize(
    ("who", "name"),
    [(3, "3"), ({"id": 3, "email": "anna@krant.nl"}, "anna@krant.nl"), ({"id": 3}, "3"), ("anna", "anna")],
)
def test_the_annotator_is_the_address_else_the_number(who, name):
    sentence, _ = one([task(annotation(choices("threat"), who=who))])
    assert list(sentence.annotations) == [name]


def test_ground_truth_is_gold_and_an_answer():
    sentence, _ = one([task(annotation(choices("threat"), ground_truth=True), annotation(who=2))])
    assert (sentence.gold, sentence.annotations) == (("threat",), {"1": ("threat",), "2": ()})
    sentence, _ = one([task({"ground_truth": True, "result": []})])  # decided, by nobody in particular
    assert (sentence.gold, sentence.annotations) == ((), {})


def test_two_ground_truths_that_differ_are_a_fault():
    two = [annotation(choices(*labels), ground_truth=True, who=len(labels)) for labels in ([], ["threat"])]
    assert "marked as ground truth, and differ" in fault([task(*two)])


@pytest.mark.parametrize("turned", [False, True])
def test_of_one_annotator_the_last_answer_counts(turned):
    early = annotation(choices("threat"), updated_at="2026-03-01T10:00:00.5Z")
    late = annotation(choices("support"), updated_at="2026-03-01T12:00:00+01:00", created_at="2026-01-01T00:00:00Z")
    sentence, intake = one([task(*([late, early] if turned else [early, late]))])
    assert sentence.annotations == {"1": ("support",)}
    assert intake.counts == {"earlier answers of the same annotator": 1}


def test_two_answers_without_a_last_one_are_a_fault_unless_they_agree():
    same = [annotation(choices("threat")), annotation(choices("threat"))]
    assert one([task(*same)])[0].annotations == {"1": ("threat",)}
    message = fault([task(annotation(choices("threat")), annotation(choices("support")))])
    assert message.startswith("export.json, task 1: annotator '1' answers differently twice")


def test_other_questions_are_passed_over_and_several_about_labels_are_put_together():
    answer = annotation(
        choices("threat", question="a"), choices("support", question="b"), choices("goed", question="kwaliteit")
    )
    sentence, intake = one([task(answer)])
    assert sentence.annotations == {"1": ("threat", "support")}
    assert intake.counts == {"answers to another question (kwaliteit)": 1}


def test_a_slip_in_a_question_about_labels_is_a_fault_and_no_other_question():
    first = task(annotation(choices("Threat", question="a"), choices("goed", question="kwaliteit")))
    assert "unknown label 'Threat'. Did you mean 'threat'?" in fault([first])
    second = task(annotation(choices("dreiging")))
    assert 'Rename it with --map "dreiging=threat"' in fault([second])
    assert one([second], label_map={"dreiging": "threat"})[0].annotations == {"1": ("threat",)}


def test_several_questions_without_labels_are_refused():
    answer = annotation(choices("dreiging", question="a"), choices("goed", question="b"))
    with pytest.raises(DataError, match=r"of 2 questions none has labels for answers \('a': 'dreiging'; 'b': 'goed'\)"):
        read([task(answer)])
    rating = {"from_name": "r", "to_name": "text", "type": "rating", "value": {"rating": 4}}
    with pytest.raises(DataError, match="no choices or labels, but rating"):
        read([task(annotation(rating))])


def test_the_text_is_data_text_or_the_only_field_with_words():
    value = task(annotation(choices("threat")))
    value["data"] = {"zin": TEXT, "bron": "krant", "region": "de Hoorn van Afrika"}
    sentence, _ = one([value])
    assert (sentence.text, sentence.meta) == (TEXT, {"bron": "krant", "region": "de Hoorn van Afrika"})
    value["data"]["kop"] = "Brug onder vuur genomen"
    with pytest.raises(DataError, match="any of the fields 'zin', 'kop' can be the sentence"):
        read([value])
    value["data"] = {"image": "x.png"}
    with pytest.raises(DataError, match=r"no field 'text', .*\(fields: 'image'\)"):
        read([value])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([task(annotation(choices("threat")), number=1)] * 2, "task 1: this task stands in the file twice"),
        ([task(11)], "task 1 of the list: field 'annotations.0'"),  # an export with annotation ids only
        ([task({"id": 1, "completed_by": 1})], "field 'annotations.0.result': Field required"),
        ([task(annotation(choices("threat", "threat")))], "stands twice"),
        ([task(annotation({**choices(), "value": {"choices": "threat"}}))], "'choices' must be a list, found str"),
        ([task(annotation(choices(3)))], "a label must be text, found int 3"),
        (["x", task()], "task 1 of the list: field 'task'"),
        ([task(), {"id": 2, "data": {"text": None}}], "task 2: field 'text' must be text, found NoneType"),
    ],
)
def test_faults_name_task_and_field(value, message):
    assert message in fault(value)


@pytest.mark.parametrize("text", ["[{", '{"a": 1} {}', "3", "[" * 30 + "]" * 30])
def test_no_json_is_refused(text):
    with pytest.raises(DataError, match=r"export\.json"):
        read(source(text))


def test_spans_label_the_sentences_of_an_article():
    start = ARTICLE.index("dreigt")
    anna = annotation(span(start, start + 6, "threat", quote="dreigt"), who="anna")
    value = {"id": 5, "data": {"text": ARTICLE, "article": "a1", "date": "2024-05-06", "id": "x"}}
    sentences, intake = read([{**value, "annotations": [anna, annotation(who="bram")]}])
    assert not intake.faults
    told = [(s.text, dict(s.annotations)) for s in sentences]
    texts = ["De 🚀 bleef staan.", "Het leger dreigt met een aanval.", "De markt was open."]
    assert told == [
        *((text, {"anna": ("threat",) if "dreigt" in text else ()}) for text in texts),
        *((text, {"bram": ()}) for text in texts),
    ]
    assert sentences[1].meta == {"article": "a1", "index": "1", "date": "2024-05-06"}
    assert [ARTICLE[slice(*s.span)] for s in sentences[:3]] == texts
    unlabelled = task(number=6)
    sentences, _ = read([{**value, "annotations": [anna]}, unlabelled])
    assert (sentences[-1].text, sentences[-1].annotations, sentences[-1].gold) == (TEXT, {}, None)


def test_offsets_are_checked_against_the_quoted_words():
    place = ARTICLE.index("dreigt")
    value = {"id": 5, "data": {"text": ARTICLE}}
    in_units = annotation(span(place + 1, place + 7, "threat", quote="dreigt"))  # the emoji is two units of UTF-16
    sentences, intake = read([{**value, "annotations": [in_units]}])
    assert [list(s.annotations.values()) for s in sentences] == [[()], [("threat",)], [()]]
    assert intake.counts == {"spans whose offsets counted UTF-16 units": 1}
    wrong = annotation(span(0, 2, "threat", quote="dreigt"))
    assert "at 0-2 stands 'De', not 'dreigt' as the export says" in fault([{**value, "annotations": [wrong]}])
    html = annotation(span("/p[1]/text()[1]", "/p[1]/text()[1]", "threat"))
    assert "has no place in plain text" in fault([{**value, "annotations": [html]}])


def test_labels_on_spans_and_on_the_whole_are_not_mixed():
    answer = annotation(span(0, 3, "threat"), choices("support"))
    with pytest.raises(DataError, match=r"spans have labels, and whole texts as well \(questions labels, spans\)"):
        read([task(answer)])


def test_json_min_takes_a_string_for_one_choice_and_choices_for_several():
    rows = [
        row(1, labels="threat"),
        row(1, "bram", labels={"choices": ["threat", "support"]}),
        row(1, 3, labels=["threat", {"choices": ["retreat", "support"]}]),
        row(1, "dora"),
    ]
    sentence, _ = one(rows)
    assert sentence.annotations == {
        "3": ("threat", "support", "retreat"),
        "anna": ("threat",),
        "bram": ("threat", "support"),
        "dora": (),
    }


def test_json_min_rows_without_annotation_are_no_answers():
    sentences, _ = read([row(1, labels="threat"), {**row(2), "annotation_id": None, "annotator": None}])
    assert [dict(s.annotations) for s in sentences] == [{"anna": ("threat",)}, {}]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(1, labels="dreiging")], "no field of this Label Studio JSON_MIN export holds labels"),
        ([row(1, labels="threat", voorstel="support")], "'labels' and 'voorstel' can all be answers"),
        ([row(1, labels={"choices": ["goed", "vrij"]}, model="threat")], "'labels' and 'model' can all be answers"),
        (
            [row(1, model="threat"), {**row(2, model="threat"), "annotation_id": None}],
            "'model' has labels in rows that",
        ),
    ],
)
def test_json_min_must_not_take_data_for_answers(rows, message):
    with pytest.raises(DataError, match=message):
        read(rows)


def test_json_min_rows_of_one_task_must_agree_on_its_data():
    assert "row 2 has other data" in fault([row(1, labels="threat"), row(1, "bram", labels="threat", text="Anders.")])
    assert "must be a choice or choices, found 3" in fault([row(1, labels="threat"), row(2, labels=3)])


@pytest.mark.parametrize(
    "value",
    [
        [{"text": TEXT, "label": ["threat"], "Comments": []}],
        [{"text": TEXT, "_input_hash": 1, "answer": "accept"}],
        {"text": TEXT, "labels": [], "annotations": {"anna": []}},
        [],
        "",
        "text;labels\n",
    ],
)
def test_other_files_are_not_recognised(value):
    assert not label_studio.recognises(source(value))


@given(st.lists(st.tuples(st.sampled_from(["anna", "bram", "chris"]), st.sets(st.sampled_from(KEYS))), max_size=6))
def test_any_answers_survive_json_and_json_min_alike(answers):
    last = dict(answers)
    times = [f"2026-03-01T10:00:{second:02}Z" for second in range(len(answers))]
    full = [
        annotation(*([choices(*sorted(labels))] if labels else []), who=who, updated_at=when)
        for (who, labels), when in zip(answers, times, strict=True)
    ]
    expected = {who: tuple(key for key in KEYS if key in labels) for who, labels in last.items()}
    assert one([task(*full)])[0].annotations == expected
    flat = [row(2, labels="threat")]  # shows which field has the labels
    for (who, labels), when in zip(answers, times, strict=True):
        value = {"labels": sorted(labels)[0] if len(labels) == 1 else {"choices": sorted(labels)}} if labels else {}
        flat.append(row(1, who, updated_at=when, **value))
    sentences, intake = read(flat)
    assert not intake.faults
    assert [dict(s.annotations) for s in sentences[1:]] == ([expected] if answers else [])


def test_times_without_a_zone_are_utc_and_numbers_seconds():
    times = ["2026-03-01T10:00:00", "2026-03-01T10:00:01Z", 1772359202]
    answers = [annotation(choices(key), created_at=when) for key, when in zip(KEYS, times, strict=False)]
    assert one([task(*answers)])[0].annotations == {"1": ("retreat",)}
    assert one([task(*answers[:2])])[0].annotations == {"1": ("support",)}
