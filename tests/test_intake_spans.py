"""Labelled spans of whole articles become labels of sentences, by the runtime's splitter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from strijdtaal.text import MAX_ARTICLE, sentence_spans
from training.intake.sentence import Intake
from training.intake.spans import sentences_of

TEXT = "De generaal zwoer wraak. “Wij trekken ons terug”, zei hij. Het regende 🚀 in Goma."
FIRST, SECOND, THIRD = (TEXT[start:end] for start, end in sentence_spans(TEXT))


def place(part, text=TEXT):
    start = text.index(part)
    return start, start + len(part)


def labels(*spans, annotator="anna", intake=None, text=TEXT):
    intake = intake or Intake()
    found = sentences_of(text, list(spans), annotator, "x.ann", "x", intake)
    return [one.annotations.get("anna") if annotator else one.gold for one in found], intake


def fault(*spans, text=TEXT, **options):
    intake = Intake(**options)
    labels(*spans, intake=intake, text=text)
    assert len(intake.faults) == 1
    return intake.faults[0]


def test_a_span_labels_its_sentence_and_the_others_were_answered_with_none():
    found, intake = labels((*place("zwoer wraak"), "threat"))
    assert found == [("threat",), (), ()]
    assert not intake.faults
    assert not intake.counts


def test_sentences_know_their_place():
    intake = Intake()
    one = sentences_of(TEXT, [], "anna", "map/x.ann", "i1", intake)[2]
    assert (one.text, TEXT[slice(*one.span)]) == (THIRD, THIRD)
    assert one.where == "map/x.ann, sentence 3"
    assert one.meta == {"article": "i1", "index": "2"}
    assert one.gold is None


def test_without_annotator_the_labels_are_decided():
    intake = Intake()
    found = sentences_of(TEXT, [(*place("zwoer"), "threat")], None, "x.xmi", "x", intake)
    assert [(one.gold, one.annotations) for one in found] == [(("threat",), {}), ((), {}), ((), {})]


def test_labels_stand_in_the_order_of_the_label_set_and_once():
    span = place("zwoer")
    found, _ = labels((*span, "retreat"), (*span, "threat"), (*span, "threat"), (*place("wraak"), "threat"))
    assert found[0] == ("threat", "retreat")


def test_label_map_renames():
    intake = Intake(label_map={"Dreiging": "threat", "geen": ""})
    found, _ = labels((*place("zwoer"), "Dreiging"), (*place("regende"), "geen"), intake=intake)
    assert found == [("threat",), (), ()]
    assert not intake.faults


def test_a_span_over_several_sentences_labels_each_and_is_counted():
    found, intake = labels((0, len(TEXT), "threat"), (*place("regende"), "support"))
    assert found == [("threat",), ("threat",), ("threat", "support")]
    assert intake.counts["spans over several sentences"] == 1


@pytest.mark.parametrize("end", ["wraak. ", "wraak. “", "wraak. “Wi"])
def test_blanks_quotes_and_a_slip_into_the_next_word_label_no_further_sentence(end):
    found, intake = labels((0, place(end)[1], "threat"))
    assert found == [("threat",), (), ()]
    assert not intake.counts


def test_a_part_of_a_word_is_enough_when_nothing_more_is_covered():
    assert labels((*place("egend"), "threat"))[0] == [(), (), ("threat",)]


def test_offsets_count_code_points():
    found, _ = labels((*place("Goma"), "threat"))
    assert TEXT[slice(*place("Goma"))] == "Goma"
    assert len(TEXT[: place("Goma")[0]].encode("utf-16-le")) // 2 == place("Goma")[0] + 1
    assert found == [(), (), ("threat",)]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ((3, 3, "threat"), "x.ann, characters 3-3: the span is empty"),
        ((5, 3, "threat"), "outside the text"),
        ((-1, 3, "threat"), "outside the text"),
        ((0, len(TEXT) + 1, "threat"), f"outside the text, which has {len(TEXT)} characters"),
        ((*place(" “"), "threat"), "covers no word"),
        ((*place("🚀"), "threat"), "covers no word"),
        ((0, 5, "Threat"), "unknown label 'Threat'. Did you mean 'threat'?"),
    ],
)
def test_spans_that_cannot_be_used_are_faults(span, words):
    assert words in fault(span)


def test_an_article_without_sentences_is_a_fault():
    assert "x.ann: the article holds no sentence" in fault(text=" \n\u200b ")


def test_an_article_that_is_too_long_is_named():
    with pytest.raises(DataError, match=r"x\.ann: The text has .* characters"):
        labels(text="Ja. " * MAX_ARTICLE)


def test_lone_returns_end_lines_as_elsewhere():
    text = "Kop zonder punt\rHet leger vertrok.\r\nDe stad bleef kalm."
    assert [one.text for one in sentences_of(text, [], "anna", "x.ann", "x", Intake())] == [
        "Kop zonder punt",
        "Het leger vertrok.",
        "De stad bleef kalm.",
    ]


@given(
    st.text(alphabet="Ab .“🚀\n", max_size=60),
    st.lists(st.tuples(st.integers(-2, 62), st.integers(-2, 62), st.sampled_from([*KEYS, "x"])), max_size=6),
)
def test_a_span_always_labels_something_or_is_a_fault(text, spans):
    for start, end, name in spans:
        intake = Intake()
        found = sentences_of(text, [(start, end, name)], "anna", "x.ann", "x", intake)
        named = [one for one in found if one.annotations["anna"]]
        assert bool(named) != bool(intake.faults)
        assert all(text[slice(*one.span)] == one.text for one in found)
        assert all(one.span[0] < end and start < one.span[1] for one in named)
