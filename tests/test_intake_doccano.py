"""doccano: members' files, and what [] means in them."""

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.intake.formats import doccano
from training.intake.sentence import Intake
from training.intake.source import Source, open_sources

DATA = Path(__file__).parent / "data" / "intake"


def example(number, *labels, **more):
    return {"id": number, "text": f"Zin {number} over het front.", "label": list(labels), "Comments": [], **more}


def source(*rows, name="anna.jsonl"):
    return Source(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def archive(folder, **members):
    """The members' files, packed as doccano does."""
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, rows in members.items():
            file.writestr(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows) or "\n")
    return open_sources([path])


def read(*sources, **options):
    intake = Intake(**options)
    return [sentence for file in sources for sentence in doccano.read(file, intake)], intake


def answers(sentences):
    """(key, annotator) -> labels."""
    return {(s.key, who): labels for s in sentences for who, labels in s.annotations.items()}


def test_the_sample_tells_the_twelve_sentences():
    files = open_sources([DATA / "doccano.zip"])
    assert [doccano.recognises(file) for file in files] == [True] * 3
    sentences, intake = read(*files)
    master = json.loads((DATA / "sentences.json").read_text("utf-8"))
    texts = {s.key: s.text for s in sentences}
    given = answers(sentences)
    told = [(text, {who: list(given[key, who]) for who in ("anna", "bram")}) for key, text in texts.items()]
    assert told == [(m["text"], m["annotations"]) for m in master]
    names = ("id", "article", "index", "date", "region", "style")
    assert [s.meta for s in sentences[:12]] == [{name: str(m[name]) for name in names} for m in master]
    assert not intake.faults
    assert intake.counts == {"members without approved examples": 1}


def test_the_annotator_is_the_file_and_answers_meet_by_key():
    sentences, intake = read(source(example(1, "threat")), source(example(1, "support"), name="map/j.smit.jsonl"))
    assert answers(sentences) == {("doccano:1", "anna"): ("threat",), ("doccano:1", "j.smit"): ("support",)}
    assert not intake.faults
    (shared,), _ = read(source(example(1, "threat"), name="all.jsonl"))
    assert shared.annotations == {"all": ("threat",)}


def test_empty_lists_among_labels_are_refused_because_they_may_not_have_been_looked_at():
    _, intake = read(source(example(1, "threat"), example(2), example(3)))
    (fault,) = intake.faults
    assert fault.startswith("anna.jsonl: 2 of 3 examples have no label (the first: anna.jsonl, line 2).")
    assert "only approved documents" in fault
    assert '--map "[]="' in fault


def test_the_user_may_say_that_empty_lists_are_answers():
    sentences, intake = read(source(example(1, "threat"), example(2)), label_map={"[]": ""})
    assert answers(sentences) == {("doccano:1", "anna"): ("threat",), ("doccano:2", "anna"): ()}
    assert not intake.faults


@pytest.mark.parametrize("label_map", [{}, {"[]": ""}])
def test_a_member_without_a_single_label_did_not_annotate(label_map):
    sentences, intake = read(source(example(1), example(2), name="admin.jsonl"), label_map=label_map)
    assert [s.annotations for s in sentences] == [{}, {}]
    assert not intake.faults
    assert intake.counts["members without a single label, who count as not having annotated"] == 1
    assert intake.counts["empty answers that may not have been looked at"] == 2


def test_an_export_of_everything_proves_nothing(tmp_path):
    rows = [example(1, "threat"), example(2)]
    files = archive(tmp_path, anna=rows, bram=rows, admin=[example(1), example(2)])
    sentences, intake = read(*files)
    assert len(intake.faults) == 2
    assert not any(s.annotations for s in sentences if "admin" in s.where)


@pytest.mark.parametrize("bram", [[], [example(1, "threat")], [example(2), example(3, "retreat")]])
def test_members_with_other_examples_prove_that_only_approved_ones_were_exported(tmp_path, bram):
    files = archive(tmp_path, anna=[example(1, "threat"), example(2)], bram=bram)
    sentences, intake = read(*files)
    assert not intake.faults
    assert answers(sentences)["doccano:2", "anna"] == ()


def test_approved_but_all_empty_is_an_answer(tmp_path):
    files = archive(tmp_path, anna=[example(1), example(2)], bram=[example(1, "threat")])
    assert answers(read(*files)[0]) == {
        ("doccano:1", "anna"): (),
        ("doccano:2", "anna"): (),
        ("doccano:1", "bram"): ("threat",),
    }


def test_files_that_share_no_example_or_lie_in_folders_prove_nothing(tmp_path):
    rows = [example(1, "threat"), example(2)]
    _, intake = read(*archive(tmp_path, anna=rows, bram=[example(8, "support"), example(9)]))
    assert len(intake.faults) == 2
    _, intake = read(*archive(tmp_path, **{"een/anna": rows, "twee/bram": [example(1, "threat")]}))
    assert len(intake.faults) == 1
    (tmp_path / "los").mkdir()
    for name, chosen in (("anna", rows), ("bram", rows[:1])):
        (tmp_path / "los" / f"{name}.jsonl").write_bytes(source(*chosen).data)
    _, intake = read(*open_sources([tmp_path / "los"]))  # loose files may come from exports of two days
    assert len(intake.faults) == 1


def test_a_strange_file_in_the_archive_proves_nothing(tmp_path):
    files = archive(tmp_path, anna=[example(1, "threat"), example(2)], lijst=[{"text": "iets anders"}])
    _, intake = read(files[0])
    assert len(intake.faults) == 1


def test_old_exports_say_who_approved_an_example():
    rows = [
        {
            "id": 1,
            "text": "Een zin.",
            "meta": {"article": "a1", "id": "z1"},
            "annotation_approver": who,
            "labels": names,
        }
        for who, names in (("chef", []), (None, ["threat"]), (None, []))
    ]
    assert doccano.recognises(source(*rows))
    sentences, intake = read(source(*rows[:2]))
    assert [s.annotations for s in sentences] == [{"anna": ()}, {"anna": ("threat",)}]
    assert sentences[0].meta == {"article": "a1", "id": "z1"}
    assert not intake.faults
    assert "1 of 3 examples have no label" in read(source(*rows))[1].faults[0]


def test_metadata_stay_and_the_number_of_doccano_is_no_id_of_ours():
    (sentence,), _ = read(source(example(7, "threat", index=3.0, article="a1", bron=None, tags=["x"])))
    assert sentence.meta == {"article": "a1", "index": "3"}
    (sentence,), _ = read(source(example("a1-03", "threat")))
    assert (sentence.key, sentence.meta) == ("doccano:a1-03", {"id": "a1-03"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 2, "text": "Zin."}, "field 'label' is missing"),
        (example(2) | {"label": "threat"}, "must be a list, found str 'threat'; at anna.jsonl, line 1 it is a list"),
        (example(2) | {"label": [[0, 3, "threat"]]}, "the labels stand on spans"),
        (example(2, "Threat"), "unknown label 'Threat'. Did you mean 'threat'?"),
        (example(2, "threat", "threat"), "stands twice"),
        (example(2, 3), "a label must be text, found int 3"),
        (example(2, "threat") | {"text": None}, "field 'text' must be text, found NoneType"),
        ([], "not a JSON object"),
    ],
)
def test_faults_name_the_line(row, message):
    sentences, intake = read(source(example(1, "threat"), row))
    (fault,) = intake.faults
    assert fault.startswith("anna.jsonl, line 2: ")
    assert message in fault
    assert len(sentences) == 1


def test_json_is_read_as_well():
    rows = json.dumps([example(1, "threat"), example(2, "support")], indent=1)
    file = Source("anna.json", rows.encode())
    assert doccano.recognises(file)
    assert answers(read(file)[0]) == {("doccano:1", "anna"): ("threat",), ("doccano:2", "anna"): ("support",)}
    with pytest.raises(DataError, match=r"anna\.json: not valid JSON"):
        read(Source("anna.json", rows[:-3].encode()))


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a1-00", "article": "a1", "index": 0, "text": "Zin.", "labels": []},
        {"id": 1, "text": "Zin.", "labels": [], "annotations": {"anna": []}},
        {"text": "Zin.", "label": "threat", "_input_hash": 1, "answer": "accept"},
        {"id": 1, "filename": "x.png", "label": ["threat"]},
        {"id": 1, "data": {"text": "Zin."}, "annotations": []},
    ],
)
def test_other_files_are_not_recognised(row):
    assert not doccano.recognises(source(row))
    assert not doccano.recognises(Source("leeg.jsonl", b"\n"))


@given(st.lists(st.sets(st.sampled_from(KEYS), min_size=1), max_size=5))
def test_label_lists_survive(chosen):
    sentences, intake = read(source(*(example(n, *sorted(labels)) for n, labels in enumerate(chosen))))
    assert not intake.faults
    expected = [tuple(key for key in KEYS if key in labels) for labels in chosen]
    assert [s.annotations["anna"] for s in sentences] == expected


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_without_proof_an_empty_list_is_never_an_answer(labelled):
    sentences, intake = read(source(*(example(n, *["threat"] * has) for n, has in enumerate(labelled))))
    silent = [s for s in sentences if s.annotations == {"anna": ()}]
    assert bool(intake.faults) == (any(labelled) and not all(labelled))
    assert intake.faults or not silent
