"""``python -m training import``: the true command on real-shaped exports, and what it leaves behind."""

import json
import shutil

import pytest

from strijdtaal.folder import verify_folder
from training.intake.command import Options, read_exports, run_import
from training.records import read_records

SAMPLES = {
    "labelstudio.json": (),
    "labelstudio_min.json": (),
    "doccano.zip": (),
    "prodigy.jsonl": (),
    "argilla.json": ("geen=",),
    "brat": (),
    "cas": (),
    "cas_json": (),
    "table.csv": (),
    "table.tsv": (),
    "table.parquet": (),
}


@pytest.fixture
def samples(request):
    return request.path.parent / "data" / "intake"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_tool_gives_the_same_records(samples, name, tmp_path):
    wanted = json.loads((samples / "sentences.json").read_text("utf-8"))
    run_import(Options((samples / name,), tmp_path / "out", label_map=SAMPLES[name], adjudicate="adjudicator:anna"))
    records = read_records([tmp_path / "out" / "annotations.jsonl"])
    found = {record.id: (record.text, record.labels, dict(record.annotations)) for record in records}
    assert found == {
        row["id"]: (
            row["text"],
            tuple(row["annotations"]["anna"]),
            {k: tuple(v) for k, v in row["annotations"].items()},
        )
        for row in wanted
    }
    verify_folder(tmp_path / "out", "strijdtaal import")


def test_what_annotators_dispute_waits_in_a_queue_that_label_studio_reads(samples, tmp_path, run_module):
    out = tmp_path / "out"
    result = run_module("training", "import", samples / "table.csv", "--out", out)
    assert result.returncode == 0, result.stderr
    assert "table.csv: table" in result.stdout
    assert "unsettled   2" in result.stdout
    assert len(read_records([out / "annotations.jsonl"])) == 10
    queue = json.loads((out / "open" / "queue.json").read_text("utf-8"))
    assert {task["data"]["differ"] for task in queue} == {"threat", "support"}
    for task in queue:  # what an adjudicator adds in the tool
        choices = {"from_name": "labels", "to_name": "text", "type": "choices", "value": {"choices": ["threat"]}}
        task["annotations"].append({"completed_by": "chris", "result": [choices]})
    answered = tmp_path / "answered.json"
    answered.write_text(json.dumps(queue), "utf-8")
    again = run_module("training", "import", samples / "table.csv", answered, "--out", tmp_path / "settled",
                       "--adjudicate", "adjudicator:chris")  # fmt: skip
    assert again.returncode == 0, again.stderr
    records = read_records([tmp_path / "settled" / "annotations.jsonl"])
    assert len(records) == 12
    disputed = [record for record in records if "chris" in record.annotations]
    assert {record.labels for record in disputed} == {("threat",)}
    assert all("chris" in record.reason for record in disputed)


def test_annotators_may_get_other_names_and_soft_labels_go_to_training(samples, tmp_path):
    options = Options((samples / "table.csv",), tmp_path / "out", adjudicate="soft", rename=("anna=a", "bram=b"))
    outcome = read_exports(options)
    assert outcome.about["annotators"] == {"a": 12, "b": 12}
    assert all(record.soft is not None for record in outcome.records)
    assert "anna" not in json.dumps(outcome.about)


def test_plain_articles_become_unlabelled_sentences_with_their_places(tmp_path, run_module):
    article = tmp_path / "bericht.txt"
    article.write_text(
        "De rebellen trokken zich terug.\n\nDr. Jansen zag \U0001f680 rook. Niemand zei iets.\n", "utf-8"
    )
    result = run_module("training", "import", article, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in (tmp_path / "out/open/unlabelled.jsonl").read_text("utf-8").splitlines()]
    text = article.read_text("utf-8")
    assert [text[row["start"] : row["end"]] for row in rows] == [row["text"] for row in rows]
    assert [row["id"] for row in rows] == ["bericht-00", "bericht-01", "bericht-02"]
    assert not (tmp_path / "out" / "annotations.jsonl").exists()


def test_a_fault_anywhere_leaves_nothing_and_all_are_told(samples, tmp_path, run_module):
    bad = tmp_path / "bad.csv"
    bad.write_text("id,article,text,labels\n1,a,Een zin.,threat;Steun\n2,a,Nog een.,wat\n", "utf-8")
    result = run_module("training", "import", samples / "table.tsv", bad, "--out", tmp_path / "out")
    assert result.returncode == 3
    assert "2 faults" in result.stderr
    assert "'Steun'" in result.stderr
    assert "'wat'" in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]


def test_an_existing_folder_an_unknown_method_and_a_bad_map_are_refused(samples, tmp_path, run_module):
    (tmp_path / "there").mkdir()
    for arguments, code, message in (
        (("--out", tmp_path / "there"), 1, "exists already"),
        (("--out", tmp_path / "new", "--adjudicate", "majorty"), 2, "Did you mean 'majority'?"),
        (("--out", tmp_path / "new", "--map", "steun"), 2, "must be written as"),
        (("--out", tmp_path / "new", "--annotator", "anna="), 2, "OLD=NEW"),
        (("--out", tmp_path / "new", "--format", "docano"), 2, "Did you mean 'doccano'?"),
        (("--out", tmp_path / "new", "--encoding", "utf-9"), 2, "utf-9"),
    ):
        result = run_module("training", "import", samples / "table.csv", *arguments)
        assert (result.returncode, message in result.stderr) == (code, True), result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_read_only_parent_and_a_full_disk_leave_nothing(samples, tmp_path, run_module):
    shutil.copy(samples / "table.csv", tmp_path / "table.csv")
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    result = run_module("training", "import", tmp_path / "table.csv", "--out", blocked / "out")
    assert result.returncode == 1
    assert "Cannot write below" in result.stderr


def test_exports_come_back_as_they_were(samples, tmp_path, run_module):
    first = tmp_path / "first"
    assert run_module("training", "import", samples / "table.tsv", "--out", first).returncode == 0
    for tool, file in (("labelstudio", "tasks.json"), ("doccano", "tasks.jsonl")):
        exported = tmp_path / file
        result = run_module("training", "export", first / "annotations.jsonl", "--to", tool, "--out", exported)
        assert result.returncode == 0, result.stderr
        back = tmp_path / f"back-{tool}"
        more = ("--map", "[]=") if tool == "doccano" else ()
        result = run_module("training", "import", exported, "--out", back, *more)
        assert result.returncode == 0, result.stderr
        one, two = (read_records([folder / "annotations.jsonl"]) for folder in (first, back))
        if tool == "labelstudio":
            assert one == two
        else:  # doccano holds the decided labels only
            assert [(r.id, r.article, r.index, r.text, r.labels, r.date) for r in one] == [
                (r.id, r.article, r.index, r.text, r.labels, r.date) for r in two
            ]
