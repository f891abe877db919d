"""Batch scoring: files of every form in and out, the answers of the classifier, jobs bound to what they began with."""

import json
import shutil

import pytest

from eval import int8
from eval.package import package
from strijdtaal import Classifier
from strijdtaal.batch import score_files
from strijdtaal.batch.finish import KIND
from strijdtaal.errors import BundleError, DataError, UsageError
from strijdtaal.folder import FolderError, _seal, verify_folder
from strijdtaal.labels import KEYS
from tests.batch_cases import contents, read_parts, records, write_rows

INPUTS = ("a.jsonl", "b.csv", "c.tsv", "d.parquet", "e.jsonl.gz", "f.csv.gz")


@pytest.fixture(scope="module")
def classifier(bundle):
    return Classifier.load(bundle)


@pytest.fixture
def mixed(tmp_path):
    """A folder with 13 rows in each form, and all their rows in order."""
    folder = tmp_path / "invoer"
    folder.mkdir()
    rows = []
    for number, name in enumerate(INPUTS):
        rows += (some := records(13, 13 * number))
        write_rows(folder / name, some)
    (folder / "LEESMIJ.md").write_text("hoort er niet bij")
    return folder, rows


def check(found, expected, classifier):
    """Rows of output against the classifier's own answers to the sentences."""
    predictions = classifier.predict([row["text"] for row in expected])
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    for row, prediction in zip(found, predictions, strict=True):
        assert row["text"] == prediction.text
        assert row["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)
        thresholds = classifier.contract.thresholds_by_key
        assert row["labels"] == [key for key in KEYS if row["probabilities"][key] >= thresholds[key]]
        assert row["labels"] == prediction.labels


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_every_form_in_and_out_gives_the_answers_of_the_classifier(bundle, classifier, mixed, tmp_path, form):
    folder, rows = mixed
    summary = score_files(bundle, [folder], tmp_path / "out", form=form, keep=["jaar", "bron"], shard_rows=5, workers=2)
    found = read_parts(summary.parts)
    check(found, rows, classifier)
    assert [(row["jaar"], row["bron"]) for row in found] == [("2020", "NA")] * len(rows)
    assert (summary.read, summary.rows, summary.rejected, summary.shards) == (78, 78, 0, 18)
    assert summary.labels == {key: sum(key in row["labels"] for row in found) for key in KEYS}
    assert summary.none == sum(not row["labels"] for row in found)
    assert summary.passed_over == ("LEESMIJ.md",)
    manifest = verify_folder(summary.out, KIND)
    assert sum(part["bytes"] for name, part in manifest["files"].items() if name.startswith("part-")) > 0


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_values_that_are_no_text_are_carried_through(bundle, tmp_path, form):
    path = tmp_path / "a.jsonl"
    extra = [{"n": 3, "x": None}, {"n": 1.5}, {"n": True, "x": [1, "twee"]}, {"n": "=1", "x": {"a": "é"}}]
    path.write_text("".join(json.dumps({"text": f"Zin {number}."} | more) + "\n" for number, more in enumerate(extra)))
    summary = score_files(bundle, [path], tmp_path / "out", form=form, keep=["x", "n"], workers=1)
    found = [(row["n"], row["x"]) for row in read_parts(summary.parts)]
    none = "" if form == "csv" else None
    if form == "jsonl":
        assert found == [(3, None), (1.5, None), (True, [1, "twee"]), ("=1", {"a": "é"})]
    else:
        assert found == [("3", none), ("1.5", none), ("true", '[1, "twee"]'), ("=1", '{"a": "é"}')]


@pytest.mark.slow
def test_output_does_not_depend_on_the_number_of_workers(bundle, mixed, tmp_path):
    folder, _ = mixed
    for workers in (1, 3):
        score_files(bundle, [folder], tmp_path / str(workers), shard_rows=4, workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "3")


def test_plain_text_has_line_numbers_for_ids_and_empty_lines_are_counted(bundle, classifier, tmp_path):
    path = tmp_path / "zinnen.txt"
    path.write_bytes("\ufeffHet regende.\r\n\r\nAnkara stuurt wapens.\n \nNA".encode())
    summary = score_files(bundle, [path], tmp_path / "out", shard_rows=1, workers=1)
    found = read_parts(summary.parts)
    check(found, [{"id": "1", "text": "Het regende."}, {"id": "3", "text": "Ankara stuurt wapens."},
                  {"id": "5", "text": "NA"}], classifier)  # fmt: skip
    assert (summary.form, summary.blank, summary.shards) == ("jsonl", 2, 3)
    again = tmp_path / "nogmaals.txt"
    again.write_text("Het regende.\n")
    summary = score_files(bundle, [path, again], tmp_path / "out2", workers=1, with_text=False)
    assert [row["id"] for row in read_parts(summary.parts)] == [
        "zinnen.txt:1", "zinnen.txt:3", "zinnen.txt:5", "nogmaals.txt:1",
    ]  # fmt: skip
    assert "text" not in read_parts(summary.parts)[0]


@pytest.mark.slow
def test_articles_are_split_and_offsets_are_into_the_article(bundle, classifier, tmp_path):
    folder = tmp_path / "artikelen"
    (folder / "2020").mkdir(parents=True)
    texts = {
        "2020/a.txt": "Ankara stuurt wapens naar Tripoli. Het regende.\n\nDe rebellen 🕊️ trokken weg!\n",
        "b": "De stad viel. Dr. De Vries zag het.",
    }
    (folder / "2020" / "a.txt").write_text(texts["2020/a.txt"], "utf-8")
    write_rows(folder / "b.csv", [{"id": "b", "text": texts["b"], "bron": "krant"}])
    with pytest.raises(UsageError, match=r"2020/a\.txt is plain text and has no column 'bron'"):
        score_files(bundle, [folder], tmp_path / "out", articles=True, keep=["bron"], workers=1)
    summary = score_files(bundle, [folder], tmp_path / "out", articles=True, form="parquet", workers=1)
    found = read_parts(summary.parts)
    assert [row["article"] for row in found] == ["2020/a.txt"] * 3 + ["b"] * 2
    assert [row["index"] for row in found] == [0, 1, 2, 0, 1]
    assert found[1]["id"] == "2020/a.txt-1"
    assert [texts[row["article"]][row["start"] : row["end"]] for row in found] == [row["text"] for row in found]
    ours = [item for text in texts.values() for item in classifier.predict_article(text)]
    assert [(item.start, item.end) for item in ours] == [(row["start"], row["end"]) for row in found]
    check(found, [{"id": row["id"], "text": row["text"]} for row in found], classifier)


def test_a_finished_job_is_not_done_again_but_checked(bundle, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", records(9))
    first = score_files(bundle, [path], tmp_path / "out", shard_rows=3, workers=1)
    before = {part: part.stat().st_mtime_ns for part in first.parts}
    again = score_files(bundle, [path], tmp_path / "out", shard_rows=3, workers=1)
    assert (again.rows, again.resumed, again.labels) == (9, 3, first.labels)
    assert {part: part.stat().st_mtime_ns for part in again.parts} == before
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "job.json", "manifest.json", "part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl",
    ]  # fmt: skip
    first.parts[1].unlink()
    with pytest.raises(FolderError, match=r"part-00001\.jsonl is missing"):
        score_files(bundle, [path], tmp_path / "out", shard_rows=3, workers=1)


def test_another_bundle_input_or_option_is_refused_and_named(bundle, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", records(4))
    out = tmp_path / "out"
    score_files(bundle, [path], out, shard_rows=3, workers=1)
    before = contents(out)
    with pytest.raises(UsageError, match=r"(?s)holds another job:\n  options.shard_rows: was 3, is 2\nChoose another"):
        score_files(bundle, [path], out, shard_rows=2, workers=1)
    other = tmp_path / "bundle"
    shutil.copytree(bundle, other)
    (other / "manifest.json").unlink()
    _seal(other, "strijdtaal bundle", {"note": "another one"})
    with pytest.raises(UsageError, match=r"bundle.sha256: was [0-9a-f]{64}, is [0-9a-f]{64}\n"):
        score_files(other, [path], out, shard_rows=3, workers=1)
    more = write_rows(tmp_path / "b.jsonl", records(4, 4))
    with pytest.raises(UsageError, match=r"inputs: now also b\.jsonl"):
        score_files(bundle, [path, more], out, shard_rows=3, workers=1)
    write_rows(path, [*records(3), {"id": "r9", "text": "Het sneeuwde."}])
    with pytest.raises(UsageError, match=r"(?s)input a\.jsonl\.bytes: was \d+, is \d+.*input a\.jsonl\.sha256: was"):
        score_files(bundle, [path], out, shard_rows=3, workers=1, on_error="skip")
    assert contents(out) == before


def test_rows_that_cannot_be_scored_stop_the_job_before_it_begins_or_are_listed(bundle, classifier, tmp_path):
    path = tmp_path / "a.jsonl"
    rows = records(6)
    lines = [json.dumps(row) for row in rows]
    lines[1:1] = ['{"id": "x", "text": null}', '{"id": "r00000", "text": "Tweemaal."}', '{"id": "y", "text"']
    path.write_text("\n".join(lines))
    out = tmp_path / "out"
    with pytest.raises(DataError) as caught:
        score_files(bundle, [path], out, shard_rows=2, workers=1)
    assert "2 of 9 rows cannot be scored:\n  a.jsonl, line 2: 'text' is null.\n  a.jsonl, line 4: not valid" in str(
        caught.value
    )
    assert not out.exists()
    summary = score_files(bundle, [path], out, shard_rows=2, workers=1, on_error="skip")
    check(read_parts(summary.parts), rows, classifier)
    assert (summary.read, summary.rows, summary.rejected) == (9, 6, 3)
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(entry["file"], entry["row"]) for entry in rejected] == [("a.jsonl", 2), ("a.jsonl", 3), ("a.jsonl", 4)]
    assert rejected[1]["reason"] == "id 'r00000' stands already at a.jsonl, line 1"
    assert verify_folder(out, KIND)["rejected"] == 3


def test_ids_that_stand_twice_are_named_with_both_rows(bundle, tmp_path):
    one = write_rows(tmp_path / "a.csv", records(5))
    two = write_rows(tmp_path / "b.parquet", records(5, 4))
    with pytest.raises(DataError) as caught:
        score_files(bundle, [one, two], tmp_path / "out", shard_rows=3, workers=1)
    assert "b.parquet, row 1: id 'r00004' stands already at a.csv, row 5 (line 6)." in str(caught.value)
    two = write_rows(tmp_path / "b.txt", records(5, 4))
    with pytest.raises(DataError, match=r"a\.csv has ids \(column 'id'\) and b\.txt has none"):
        score_files(bundle, [one, two], tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_is_damaged_is_not_used(bundle, tmp_path):
    path = write_rows(tmp_path / "a.jsonl", records(2))
    other = tmp_path / "bundle"
    shutil.copytree(bundle, other)
    with (other / "tokenizer.json").open("a") as file:
        file.write(" ")
    with pytest.raises(BundleError, match=r"tokenizer\.json was changed"):
        score_files(other, [path], tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_int8_gives_the_answers_of_the_int8_model_and_is_another_job(run_folder, tmp_path, monkeypatch):
    for bounds, name in ((1.01, "without"), (0.1, "with")):
        monkeypatch.setattr(int8, "DECISIONS_EQUAL", bounds)
        monkeypatch.setattr(int8, "MACRO_F1_LOSS", 1.0)
        package(run_folder, tmp_path / name)
    path, out = write_rows(tmp_path / "a.jsonl", records(8)), tmp_path / "out"
    with pytest.raises(UsageError, match="holds no int8 model"):
        score_files(tmp_path / "without", [path], out, precision="int8", workers=1)
    summary = score_files(tmp_path / "with", [path], out, precision="int8", workers=1)
    check(read_parts(summary.parts), records(8), Classifier.load(tmp_path / "with", precision="int8"))
    with pytest.raises(UsageError, match=r"options\.precision: was int8, is fp32"):
        score_files(tmp_path / "with", [path], out, workers=1)
