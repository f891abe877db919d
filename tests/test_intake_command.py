"""``python -m training import``: the true command on real-shaped exports, and what it leaves behind."""

import json

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


@pytest.mark.slow
def test_an_existing_folder_an_unknown_method_and_a_bad_map_are_refused(samples, tmp_path, run_module):
    (tmp_path / "there").mkdir()
    for arguments, code, message in (
        (("--out", tmp_path / "there"), 1, "exists already"),
        (("--out", tmp_path / "new", "--adjudicate", "majorty"), 2, "Did you mean 'majority'?"),
        (("--out", tmp_path / "new", "--map", "steun"), 2, "must be written as"),
        (("--out", tmp_path / "new", "--map", "Steun=suport"), 2, "'suport' is no label. Did you mean 'support'?"),
        (("--out", tmp_path / "new", "--map", "S=support", "--map", "S="), 2, "--map gives 'S' two meanings"),
        (("--out", tmp_path / "new", "--annotator", "ana=a"), 2, "no answer is by 'ana'. Did you mean 'anna'?"),
        (("--out", tmp_path / "new", "--annotator", "anna="), 2, "OLD=NEW"),
        (("--out", tmp_path / "new", "--format", "docano"), 2, "Did you mean 'doccano'?"),
        (("--out", tmp_path / "new", "--encoding", "utf-9"), 2, "utf-9"),
    ):
        result = run_module("training", "import", samples / "table.csv", *arguments)
        assert (result.returncode, message in result.stderr) == (code, True), result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "new").exists()


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


def label_studio(rows, first=1):
    """Tasks as Label Studio exports them: text, article and annotator -> labels; no id of ours."""
    return [
        {
            "id": number,
            "data": {"text": text, "article": article},
            "annotations": [
                {
                    "completed_by": {"email": who},
                    "result": [
                        {"from_name": "l", "to_name": "text", "type": "choices", "value": {"choices": labels}}
                    ] if labels else [],
                }
                for who, labels in answers.items()
            ],
        }
        for number, (text, article, answers) in enumerate(rows, first)
    ]  # fmt: skip


DISPUTED = [
    ("Ankara dreigt met een offensief.", "k1", {"anna": [], "bram": ["threat"]}),
    ("De troepen trekken weg uit de stad.", "k1", {"anna": ["retreat"], "bram": ["retreat"]}),
    ("De regen houdt aan.", "k1", {"anna": [], "bram": ["support"]}),
    ("De bisschop eist een bestand.", "k2", {"anna": ["ceasefire_call"], "bram": ["ceasefire_call"]}),
    ("Niemand heeft deze zin gezien.", "k2", {}),
]


@pytest.mark.parametrize("with_export", [True, False])
@pytest.mark.parametrize("field", [None, "each"])
def test_an_adjudicated_queue_meets_the_import_or_the_export_that_it_came_from(tmp_path, with_export, field):
    rows = [(text, "" if field else article, answers) for text, article, answers in DISPUTED]
    export, answered, own = tmp_path / "export.json", tmp_path / "answered.json", tmp_path / "own"
    export.write_text(json.dumps(label_studio(rows)), "utf-8")
    run_import(Options((export,), own, article=field))
    queue = json.loads((own / "open" / "queue.json").read_text("utf-8"))
    assert [task["data"]["text"] for task in queue] == [DISPUTED[0][0], DISPUTED[2][0]]
    for number, task in enumerate(queue, 1):  # numbers of another project that are also those of the export
        task["id"] = number
        task["annotations"].append({"completed_by": "chris", "result": []})
    answered.write_text(json.dumps(queue), "utf-8")
    first = export if with_export else own
    for order in ((first, answered), (answered, first)):
        outcome = read_exports(Options(order, tmp_path / "new", article=field, adjudicate="adjudicator:chris"))
        assert (len(outcome.records), len(outcome.queue), len(outcome.unlabelled)) == (4, 0, 1)
        found = {one.text: (one.labels, sorted(one.annotations)) for one in outcome.records}
        assert found[DISPUTED[0][0]] == found[DISPUTED[2][0]] == ((), ["anna", "bram", "chris"])
        assert found[DISPUTED[1][0]] == (("retreat",), ["anna", "bram"])


def test_what_was_imported_is_imported_again_as_it_is(tmp_path):
    export = tmp_path / "export.json"
    export.write_text(json.dumps(label_studio(DISPUTED[:4])), "utf-8")
    for method in ("adjudicator:anna", "soft", "majority"):
        once, twice = tmp_path / f"{method}-1", tmp_path / f"{method}-2"
        run_import(Options((export,), once, adjudicate=method))
        run_import(Options((once,), twice, adjudicate=method))
        for name in ("annotations.jsonl", "open/queue.json"):
            files = [folder / name for folder in (once, twice) if (folder / name).exists()]
            assert len({file.read_bytes() for file in files}) == (1 if files else 0)
    soft = [one.soft for one in read_exports(Options((tmp_path / "soft-1",), tmp_path / "x")).records]
    assert soft
    assert all(soft)


@pytest.mark.parametrize("rows", [DISPUTED[:1], DISPUTED[4:]])
def test_an_import_of_which_nothing_is_settled_can_be_imported_again(tmp_path, rows):
    export = tmp_path / "export.json"
    export.write_text(json.dumps(label_studio(rows)), "utf-8")
    run_import(Options((export,), tmp_path / "own"))
    again = read_exports(Options((tmp_path / "own",), tmp_path / "new"))
    assert (len(again.records), len(again.queue) + len(again.unlabelled)) == (0, 1)


def test_places_of_sentences_survive_the_queue(samples, tmp_path):
    run_import(Options((samples / "brat",), tmp_path / "own"))
    queue = tmp_path / "own" / "open" / "queue.json"
    outcome = read_exports(Options((queue,), tmp_path / "new", adjudicate="adjudicator:anna"))
    assert all(record.end - record.start == len(record.text) for record in outcome.records)
    both = read_exports(Options((samples / "brat", queue), tmp_path / "new", adjudicate="adjudicator:anna"))
    assert len(both.records) == 12


def test_all_tools_at_once_tell_the_same_twelve_sentences(samples, tmp_path):
    files = tuple(samples / name for name in SAMPLES)
    outcome = read_exports(Options(files, tmp_path / "new", label_map=("geen=",)))
    assert sum(outcome.about["sentences"].values()) == 12
    assert outcome.about["annotators"] == {"anna": 12, "bram": 12}
