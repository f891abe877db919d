"""Sentences go to the annotation tools in a shape that our own readers of those tools understand."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import FolderError
from strijdtaal.labels import DUTCH, KEYS
from training.intake.command import Options, read_exports
from training.intake.export import Suggestion, Task, doccano, label_config, label_studio, run_export
from training.intake.formats import doccano as doccano_reader
from training.intake.formats import label_studio as studio_reader
from training.intake.sentence import Intake
from training.intake.source import Source

TEXT = "Het konvooi met granaten reed de grens over."
HIGH = dict(zip(KEYS, (0.9, 0.6, 0.3, 0.1), strict=True))
HALF = dict.fromkeys(KEYS, 0.5)
RECORDS = [
    {"id": "x-00", "article": "x", "index": 0, "text": TEXT, "labels": ["support"], "start": 0, "end": len(TEXT),
     "annotations": {"anna@krant.nl": ["support"], "bram@krant.nl": []}, "reason": "Levering.", "date": "2021-03-04"},
    {"id": "x-01", "article": "x", "index": 1, "text": "De brug blijft dicht.", "labels": [],
     "annotations": {"anna@krant.nl": []}, "region": "Soedan", "style": "wire"},
]  # fmt: skip

signs = st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp"))
words = st.text(signs, min_size=1, max_size=30).map(str.strip).filter(bool)
label_sets = st.sets(st.sampled_from(KEYS)).map(lambda chosen: tuple(key for key in KEYS if key in chosen))
fields = st.sampled_from(("article", "index", "date", "region", "style", "bron"))
tasks = st.lists(
    st.builds(
        Task,
        text=words,
        meta=st.dictionaries(fields, words, max_size=4),
        annotations=st.dictionaries(words, label_sets, max_size=3),
        gold=st.none() | label_sets,
        suggestion=st.none() | st.just(Suggestion(HIGH, HALF, "run-1")),
    ),
    max_size=5,
).map(lambda found: [Task(t.text, {"id": f"nr{n}", **t.meta}, t.annotations, t.gold, t.suggestion)
                     for n, t in enumerate(found)])  # fmt: skip


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def records(tmp_path):
    return jsonl(tmp_path / "records.jsonl", RECORDS)


@given(tasks)
def test_label_studio_round_trip_keeps_everything_but_predictions(given_tasks):
    data = json.dumps(label_studio(given_tasks), ensure_ascii=False).encode()
    source, intake = Source("export.json", data), Intake()
    if given_tasks:
        assert studio_reader.recognises(source)
        assert not doccano_reader.recognises(source)
    sentences = list(studio_reader.read(source, intake))
    assert not intake.faults
    for task, sentence in zip(given_tasks, sentences, strict=True):
        assert sentence.text == task.text
        assert dict(sentence.annotations) == dict(task.annotations)
        assert sentence.gold == task.gold
        assert dict(sentence.meta) == dict(task.meta)
    assert intake.counts["predictions of models"] == sum(task.suggestion is not None for task in given_tasks)


@given(tasks)
def test_doccano_round_trip_keeps_the_decided_labels_as_the_files_answers(given_tasks):
    data = "".join(f"{line}\n" for line in doccano(given_tasks)).encode()
    source, intake = Source("anna.jsonl", data), Intake(label_map={"[]": ""})
    if given_tasks:
        assert doccano_reader.recognises(source)
    sentences = list(doccano_reader.read(source, intake))
    assert not intake.faults
    anything = any(task.gold for task in given_tasks)  # a file without a single label is nobody's answer
    for task, sentence in zip(given_tasks, sentences, strict=True):
        assert sentence.text == task.text
        assert dict(sentence.annotations) == ({"anna": task.gold or ()} if anything else {})
        kept = {name: value for name, value in sentence.meta.items() if name != "suggested"}
        assert kept == dict(task.meta)


def test_label_studio_keeps_answers_decision_and_prediction_apart():
    task = Task(TEXT, {"id": "x"}, {"anna": (), "bram": ("support",)}, ("support",), Suggestion(HIGH, HALF, "run-1"))
    (row,) = label_studio([task])
    none, one, decided = row["annotations"]
    assert (none["completed_by"], none["result"]) == ({"email": "anna"}, [])
    # Label Studio takes an imported annotation without this field for the ground truth.
    assert [entry["ground_truth"] for entry in row["annotations"]] == [False, False, True]
    assert "completed_by" not in decided
    assert one["result"][0]["value"] == decided["result"][0]["value"] == {"choices": ["support"]}
    (prediction,) = row["predictions"]
    assert prediction["result"][0]["value"]["choices"] == ["threat", "support"]
    assert (prediction["model_version"], prediction["score"]) == ("run-1", 0.6)


def test_a_suggestion_follows_the_thresholds_and_doubts_its_weakest_decision():
    suggestion = Suggestion(HIGH, {**HALF, "support": 0.7, "retreat": 0.2}, "m")
    assert suggestion.labels == ("threat", "retreat")
    assert suggestion.confidence == pytest.approx(0.3)
    assert Suggestion(dict.fromkeys(KEYS, 0.5), HALF, "m").labels == KEYS  # reaching it is enough


def test_the_labelling_configuration_gives_back_our_keys():
    view = ElementTree.fromstring(label_config())
    choices = view.find("Choices")
    (row,) = label_studio([Task(TEXT, {}, {}, ("threat",))])
    (result,) = row["annotations"][0]["result"]
    assert (choices.get("name"), choices.get("toName")) == (result["from_name"], result["to_name"])
    assert choices.get("choice") == "multiple"
    assert choices.get("required") is None  # none of the labels is an answer
    assert [choice.get("value") for choice in choices] == list(KEYS)
    assert [choice.get("hint") for choice in choices] == list(DUTCH.values())
    assert all(choice.get("alias") is None for choice in choices)  # it would stand in the results for the value
    assert view.find("Text").get("value") == "$text"


def test_doccano_writes_no_prediction_as_a_label():
    (line,) = doccano([Task(TEXT, {"id": "x", "label": "fout"}, suggestion=Suggestion(HIGH, HALF, "m"))])
    row = json.loads(line)
    assert row["label"] == []
    assert row["suggested"] == "threat, support"


def test_doccano_can_hold_one_annotators_answers(records, tmp_path, capsys):
    out = tmp_path / "bram.jsonl"
    run_export([records], out, "doccano", annotator="bram@krant.nl")
    (row,) = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert (row["id"], row["label"]) == ("x-00", [])
    assert capsys.readouterr().out.startswith("1 sentences")
    with pytest.raises(UsageError, match=r"'bram@krant'\. Did you mean 'bram@krant.nl'"):
        run_export([records], tmp_path / "other.jsonl", "doccano", annotator="bram@krant")
    with pytest.raises(UsageError, match="for doccano"):
        run_export([records], tmp_path / "other.json", "labelstudio", annotator="bram@krant.nl")


def test_exported_records_come_back_through_the_import(records, tmp_path, capsys):
    out = tmp_path / "tasks.json"
    run_export([records], out, "labelstudio")
    assert label_config() in capsys.readouterr().out
    outcome = read_exports(Options(files=(out,), out=tmp_path / "import"))
    assert len(outcome.records) == 2
    for record, row in zip(outcome.records, RECORDS, strict=True):
        found = record.model_dump(mode="json")
        assert found["reason"].startswith(row.get("reason", ""))
        same = set(row) - {"reason", "start", "end"}
        assert {name: found[name] for name in same} == {name: row[name] for name in same}
    (first, _) = json.loads(out.read_text("utf-8"))
    assert (first["data"]["start"], first["data"]["end"]) == ("0", str(len(TEXT)))


def test_unlabelled_sentences_become_tasks_without_answers(tmp_path):
    rows = [{name: row[name] for name in ("id", "article", "index", "text")} for row in RECORDS]
    out = tmp_path / "tasks.json"
    run_export([jsonl(tmp_path / "unlabelled.jsonl", rows)], out, "labelstudio")
    found = json.loads(out.read_text("utf-8"))
    assert [task["data"] for task in found] == [{**row, "index": str(row["index"])} for row in rows]
    assert all(task["annotations"] == task["predictions"] == [] for task in found)
    outcome = read_exports(Options(files=(out,), out=tmp_path / "import"))
    assert len(outcome.unlabelled) == 2
    assert not outcome.records


def test_nothing_is_written_over_or_from_bad_input(records, tmp_path):
    out = tmp_path / "tasks.json"
    out.write_text("van een ander", "utf-8")
    with pytest.raises(FolderError, match="exists already"):
        run_export([records], out, "labelstudio")
    assert out.read_text("utf-8") == "van een ander"
    bad = jsonl(tmp_path / "bad.jsonl", [RECORDS[0], {**RECORDS[1], "labels": ["thraet"]}])
    with pytest.raises(DataError, match=r"bad.jsonl, line 2.*thraet"):
        run_export([bad], tmp_path / "new.json", "labelstudio")
    with pytest.raises(UsageError, match="Did you mean 'doccano'"):
        run_export([records], tmp_path / "new.json", "docano")
    assert not (tmp_path / "new.json").exists()
