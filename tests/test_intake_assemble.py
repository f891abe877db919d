"""Sentences of exports -> one entry a sentence: where answers meet, what contradicts, which article it is."""

import pytest

from strijdtaal.errors import DataError
from training.intake.assemble import annotators, assemble
from training.intake.sentence import Intake, Sentence


def row(text="Het leger dreigt.", number=1, **options):
    meta = {"article": "a1", **options.pop("meta", {})}
    return Sentence(f"x.json, task {number}", text, meta=meta, **options)


def entries_of(*sentences, article=None):
    intake = Intake()
    return assemble(sentences, intake, article), intake


def test_answers_of_two_files_meet_by_id():
    one = row(meta={"id": "s1"}, annotations={"anna": ("threat",)})
    two = row(number=2, meta={"id": "s1", "date": "2024-01-02"}, annotations={"bram": ()})
    (entry,), intake = entries_of(one, two)
    assert entry.annotations == {"anna": ("threat",), "bram": ()}
    assert entry.meta == {"date": "2024-01-02"}
    assert not intake.faults


def test_answers_meet_by_place_in_the_article_and_by_key_of_the_tool():
    first = row(span=(0, 17), annotations={"anna": ("threat",)})
    same = row(number=2, span=(0, 17), annotations={"bram": ("threat",)})
    other = row("Het leger wacht.", 3, span=(18, 34), annotations={"bram": ()})
    found, _ = entries_of(first, same, other)
    assert [sorted(entry.annotations) for entry in found] == [["anna", "bram"], ["bram"]]
    keyed, _ = entries_of(row(key="doccano:7", annotations={"a": ()}), row(key="doccano:7", annotations={"b": ()}))
    assert annotators(keyed) == {"a": 1, "b": 1}


def test_rows_without_identity_stay_apart_even_with_one_text():
    found, _ = entries_of(row(gold=()), row(number=2, gold=()))
    assert [entry.id for entry in found] == ["a1-00", "a1-01"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"text": "Een andere zin."}, "has another text than x.json, task 1"),
        ({"annotations": {"anna": ()}}, r"annotator 'anna' answers \[\] here and \['threat'\] at x.json, task 1"),
        ({"gold": ("support",)}, "gold .*support.* contradicts .*threat"),
        ({"meta": {"id": "s1", "article": "a2"}}, "article 'a2' contradicts 'a1'"),
    ],
)
def test_contradictions_name_both_rows(second, message):
    import re

    first = row(meta={"id": "s1"}, annotations={"anna": ("threat",)}, gold=("threat",))
    options = {"text": "Het leger dreigt.", "meta": {"id": "s1"}, **second}
    _, intake = entries_of(first, row(number=2, **options))
    assert any(re.search(message, fault) for fault in intake.faults), intake.faults
    assert intake.faults[0].startswith("x.json, task 2: ")


def test_a_missing_article_is_refused_with_the_fields_that_there_are():
    lacking = Sentence("x.csv, row 2", "Het leger dreigt.", meta={"bron": "krant", "doc": "7"})
    with pytest.raises(DataError, match=r"x\.csv, row 2: no article \(1 sentences lack .*\(fields found: bron, doc\)"):
        entries_of(lacking)
    (entry,), _ = entries_of(lacking, article="doc")
    assert entry.article == "7"
    with pytest.raises(DataError, match="the field 'dok' of --article"):
        entries_of(lacking, article="dok")


def test_each_sentence_may_stand_alone_when_that_is_said():
    rows = [Sentence(f"r{n}", f"Zin nummer {n}.", gold=()) for n in range(3)]
    found, _ = entries_of(*rows, article="each")
    assert len({entry.article for entry in found}) == 3
    twice = [Sentence(f"r{n}", "Een zin.", {name: ()}, key="k1") for n, name in enumerate(("anna", "bram"))]
    (entry,), intake = entries_of(*twice, article="each")
    assert sorted(entry.annotations) == ["anna", "bram"]
    assert not intake.faults
    again, _ = entries_of(*rows[::-1], article="each")
    assert {one.id for one in again} == {one.id for one in found}  # named after their texts, not their numbers


def test_sentences_that_name_their_article_stay_together_whatever_is_said_of_the_others():
    placed = [row(number=1, span=(0, 17)), row("Het leger wacht.", 2, span=(18, 34))]
    found, _ = entries_of(*placed, Sentence("r3", "Een losse zin."), article="each")
    assert [entry.article for entry in found[:2]] == ["a1", "a1"]
    assert found[2].article not in ("a1", None)


def test_one_text_in_two_articles_is_two_sentences_whatever_field_names_the_article():
    rows = [Sentence(f"r{n}", "Een zin.", {name: ()}, key="k1", meta={"doc": doc}) for n, (name, doc) in
            enumerate((("anna", "d1"), ("bram", "d2"), ("bram", "d1")))]  # fmt: skip
    found, intake = entries_of(*rows, article="doc")
    assert [(entry.article, sorted(entry.annotations)) for entry in found] == [
        ("d1", ["anna", "bram"]),
        ("d2", ["bram"]),
    ]
    assert not intake.faults


def test_indices_are_kept_and_the_free_numbers_go_to_those_without():
    kept, _ = entries_of(row(meta={"index": "4"}, gold=()), row("Nog een zin.", 2, meta={"index": "0"}, gold=()))
    assert [entry.index for entry in kept] == [4, 0]
    filled, intake = entries_of(*kept_rows(("1", None, "0", None)))
    assert [entry.index for entry in filled] == [1, 2, 0, 3]
    assert not intake.counts
    anew, intake = entries_of(*kept_rows(("4", "4", None)))
    assert [entry.index for entry in anew] == [0, 1, 2]
    assert intake.counts == {"articles whose indices were double, and are numbered anew": 1}


def kept_rows(indices):
    for number, index in enumerate(indices):
        yield row(f"Zin nummer {number}.", number, meta={} if index is None else {"index": index}, gold=())


def test_made_ids_keep_clear_of_given_ones_and_double_ids_are_faults():
    found, intake = entries_of(row(gold=()), row("Nog een zin.", 2, meta={"id": "a1-00"}, gold=()))
    assert ([entry.id for entry in found], intake.faults) == (["a1-01", "a1-00"], [])
    _, intake = entries_of(row(meta={"index": "3"}), row("Nog een zin.", 2, meta={"id": "a1-03", "index": "7"}))
    assert "id 'a1-03' is also that of x.json, task" in intake.faults[0]


@pytest.mark.parametrize("index", ["twee", "-1", "1.0", "²", "9" * 5000])
def test_odd_indices_are_faults(index):
    _, intake = entries_of(row(meta={"index": index}, gold=()))
    assert intake.faults[0].startswith(f"x.json, task 1: index '{index[:30]}' is no whole number")


def test_names_that_look_alike_are_the_same():
    composed, decomposed = "Libi\u00eb", "Libie\u0308\u200b"
    rows = [
        row(number=1, meta={"article": composed, "id": "k\u00e9"}, annotations={"Zo\u00eb": ("threat",)}),
        row(number=2, meta={"article": decomposed, "id": "ke\u0301"}, annotations={"Zoe\u0308": ("threat",)}),
        row("Het leger wacht.", 3, meta={"article": f" {decomposed}"}, annotations={"bram": ()}),
    ]
    found, intake = entries_of(*rows)
    assert {entry.article for entry in found} == {composed}
    assert annotators(found) == {"Zo\u00eb": 1, "bram": 1}
    assert not intake.faults
    _, intake = entries_of(row(annotations={"Zo\u00eb": ("threat",), "Zoe\u0308": ()}))
    assert "annotator 'Zoë' answers ['threat'] and []" in intake.faults[0]
    _, intake = entries_of(row(annotations={"\u200b": ()}))
    assert "an annotator without a name" in intake.faults[0]


def test_text_that_cannot_be_used_is_a_fault_of_its_row():
    _, intake = entries_of(row("Een\x00nul."), row("   ", 2), row(number=3, gold=()))
    assert [fault.split(":")[0] for fault in intake.faults] == ["x.json, task 1", "x.json, task 2"]
