"""Rows that speak of one sentence, in several files and in one: they meet, or it is a fault, never a guess."""

from hypothesis import given
from hypothesis import strategies as st

from training.intake.assemble import assemble
from training.intake.meeting import MET, REPEATED
from training.intake.sentence import Intake, Sentence

THREAT, WAIT, SAID = "Het leger dreigt.", "Het leger wacht.", "Dat zei hij."


def row(text=THREAT, file="x.json", number=1, meta=(), **options):
    return Sentence(f"{file}, task {number}", text, meta={"article": "a1", **dict(meta)}, file=file, **options)


def entries_of(*sentences, article=None):
    intake = Intake()
    return assemble(sentences, intake, article), intake


def test_an_annotated_sentence_learns_its_place_from_the_plain_article():
    known = row(meta={"id": "s1"}, gold=("threat",))
    placed = [
        row("Het leger  dreigt.", "a1.txt", 2, {"index": "4"}, span=(0, 18)),
        row(WAIT, "a1.txt", 3, {"index": "5"}, span=(19, 35)),
    ]
    for rows in ([known, *placed], [*placed, known]):
        found, intake = entries_of(*rows)
        assert sorted((entry.span, entry.id) for entry in found) == [((0, 18), "s1"), ((19, 35), "a1-05")]
        assert intake.counts[MET] == 1
        assert not intake.faults


def test_the_queue_of_an_import_meets_the_export_that_it_came_from_in_any_order():
    texts = (WAIT, THREAT, "De regen hield aan.")
    export = [row(text, key=f"labelstudio:{n}", annotations={"anna": ()}) for n, text in enumerate(texts)]
    answered = row(
        THREAT, "queue.json", 1, {"id": "a1-01", "index": "1"},
        key="labelstudio:0", annotations={"anna": (), "chris": ("threat",)},
    )  # fmt: skip
    for rows in ([*export, answered], [answered, *export]):
        found, intake = entries_of(*rows)
        assert not intake.faults
        assert sorted((one.id, one.text, *one.annotations) for one in found) == [
            ("a1-00", WAIT, "anna"),
            ("a1-01", THREAT, "anna", "chris"),
            ("a1-02", texts[2], "anna"),
        ]


def test_answers_of_two_projects_meet_by_text_also_when_no_article_is_known():
    rows = [
        Sentence(f"{name}.json, task {n}", text, {name: ()}, key=f"labelstudio:{n}{name}", file=name)
        for name in ("anna", "bram")
        for n, text in enumerate((THREAT, WAIT))
    ]
    found, intake = entries_of(*rows, article="each")
    assert [sorted(one.annotations) for one in found] == [["anna", "bram"], ["anna", "bram"]]
    assert intake.counts[MET] == 2


def test_a_text_that_stands_equally_often_in_both_files_is_paired_in_order():
    rows = [
        row(SAID, file, n, key=f"{file}:{n}", annotations={file: ("threat",) if n else ()})
        for file in ("anna", "bram")
        for n in range(2)
    ]
    found, intake = entries_of(*rows)
    assert [one.annotations for one in found] == [{"anna": (), "bram": ()}, {"anna": ("threat",), "bram": ("threat",)}]
    assert (intake.counts[MET], intake.counts[REPEATED], intake.faults) == (2, 1, [])


def test_a_text_that_could_be_two_sentences_is_a_fault():
    twice = [row(SAID, "a.json", n, key=f"k{n}", annotations={"anna": ()}) for n in (1, 2)]
    once = row(SAID, "b.json", 7, key="k7", annotations={"bram": ()})
    for rows, place in (([*twice, once], "b.json, task 7"), ([once, *twice], "a.json, task 1")):
        _, intake = entries_of(*rows)
        assert intake.faults[0].startswith(f"{place}: this text stands in article 'a1' several times")


def test_rows_that_name_different_sentences_stay_apart_and_are_counted():
    for one, other in (({"id": "s1"}, {"id": "s2"}), ({"index": "1"}, {"index": "5"})):
        found, intake = entries_of(row(SAID, "a", 1, one, gold=()), row(SAID, "b", 2, other, gold=()))
        assert len(found) == 2
        assert (intake.counts[REPEATED], intake.faults) == (1, [])
    found, intake = entries_of(row(SAID, "a", span=(0, 12), gold=()), row(SAID, "b", span=(40, 52), gold=()))
    assert (len(found), intake.faults) == (2, [])


def test_a_file_that_is_given_twice_under_two_names_adds_nothing():
    rows = [row(text, file, n, gold=()) for file in ("a.csv", "copy.csv") for n, text in enumerate((THREAT, WAIT))]
    found, intake = entries_of(*rows)
    assert len(found) == 2
    assert intake.counts == {MET: 2, "repeated rows": 2}


def test_labels_of_one_sentence_in_two_rows_are_a_fault():
    for one, other in (
        ({"gold": ("threat",)}, {"gold": ("support",)}),
        ({"annotations": {"a": ()}}, {"annotations": {"a": ("threat",)}}),
    ):
        _, intake = entries_of(row(number=1, **one), row(number=2, **other))
        (fault,) = intake.faults
        assert fault.startswith("x.json, task 2: other labels than at x.json, task 1 for the same text")
        numbered, intake = entries_of(row(number=1, meta={"id": "1"}, **one), row(number=2, meta={"id": "2"}, **other))
        assert (len(numbered), intake.faults) == (2, [])


def test_the_same_answer_again_is_counted():
    rows = [row(key="k", annotations={"anna": ()}, number=n) for n in (1, 2)]
    (entry,), intake = entries_of(*rows)
    assert (entry.annotations, intake.counts) == ({"anna": ()}, {"repeated rows": 1})


def test_places_that_tools_carry_along_are_kept_if_they_fit_the_text():
    place = {"start": "5", "end": str(5 + len(THREAT))}
    (entry,), _ = entries_of(row(meta=place))
    assert entry.span == (5, 5 + len(THREAT))
    for wrong in ({"start": "2020", "end": "2021"}, {"start": "5"}, {"start": "x", "end": "9"}):
        (entry,), intake = entries_of(row(meta=wrong))
        assert (entry.span, intake.faults) == (None, [])


def test_an_answer_that_carries_its_place_meets_the_document():
    document = [row(THREAT, "a1.ann", 1, span=(0, 17), annotations={"anna": ()}),
                row(THREAT, "a1.ann", 2, span=(18, 35), annotations={"anna": ()})]  # fmt: skip
    answer = row(THREAT, "q.json", 9, {"id": "a1-01", "start": "18", "end": "35"}, annotations={"chris": ("threat",)})
    found, intake = entries_of(*document, answer)
    assert [(one.id, sorted(one.annotations)) for one in found] == [("a1-00", ["anna"]), ("a1-01", ["anna", "chris"])]
    assert not intake.faults


def test_sentences_at_overlapping_places_are_two_texts_under_one_name():
    _, intake = entries_of(row(THREAT, "x/a1.txt", span=(0, 17)), row("Een andere tekst.", "y/a1.txt", span=(3, 20)))
    assert "y/a1.txt, task 1: characters 3-20 of article 'a1' overlap with 0-17 at x/a1.txt" in intake.faults[0]
    _, intake = entries_of(*(row(meta={"id": one}, number=one, span=(0, 17)) for one in "12"))
    assert "overlap" in intake.faults[0]  # one place, two ids


def test_soft_labels_stay_with_their_decision():
    soft = {"threat": 0.6}
    (entry,), intake = entries_of(row(meta={"id": "1"}, gold=("threat",), soft=soft), row(meta={"id": "1"}, number=2))
    assert (entry.soft, intake.faults) == (soft, [])


ANSWERS = st.dictionaries(st.sampled_from(["anna", "bram", "chris"]), st.booleans(), min_size=1)
FILES = st.lists(st.dictionaries(st.integers(0, 5), ANSWERS), min_size=1, max_size=4)


@given(files=FILES, seed=st.randoms(use_true_random=False))
def test_no_answer_is_lost_gained_or_moved_whichever_files_hold_it(files, seed):
    truth, rows = {}, []
    for number, answers in enumerate(files):
        for sentence in seed.sample(sorted(answers), len(answers)):
            here = {who: truth.setdefault((sentence, who), yes) for who, yes in answers[sentence].items()}
            given_answers = {who: ("threat",) if yes else () for who, yes in here.items()}
            rows.append(
                row(f"Zin {sentence}.", f"f{number}", sentence, key=f"f{number}:{sentence}", annotations=given_answers)
            )
    found, intake = entries_of(*rows)
    told = {(int(one.text[4:-1]), who): bool(labels) for one in found for who, labels in one.annotations.items()}
    assert (told, intake.faults) == (truth, [])
    assert len(found) == len({sentence for sentence, _ in truth})
    assert sorted(one.index for one in found) == list(range(len(found)))
