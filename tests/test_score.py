"""Scoring and reporting of a real (tiny) run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from eval.predictions import read_predictions
from eval.score import score_file, score_run
from eval.words import read_words, shaded
from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from strijdtaal.text import clean
from training.run import open_run

ROOT = Path(__file__).resolve().parent.parent


def test_every_system_speaks_of_the_same_sentences(run_folder):
    run = open_run(run_folder)
    for split in ("validation", "test", "held_out"):
        items = [
            read_predictions(run_folder / "predictions" / f"{system}-{split}.parquet")
            for system in ("majority", "keywords", "static", "tfidf", "encoder")
        ]
        assert all(item.ids == run.data["ids"][split] for item in items)
        assert all(np.array_equal(item.gold, items[0].gold) for item in items)


def test_encoder_probabilities_are_the_sigmoid_of_its_logits(run_folder):
    item = read_predictions(run_folder / "predictions" / "encoder-test.parquet")
    np.testing.assert_allclose(item.probabilities, 1 / (1 + np.exp(-item.logits)), atol=1e-12)
    assert item.threshold == open_run(run_folder).thresholds


def test_report_json_has_no_nan_and_all_systems(run_folder):
    def refuse(value):
        raise AssertionError(value)

    text = (run_folder / "report" / "report.json").read_text("utf-8")
    report = json.loads(text, parse_constant=refuse)
    assert list(report["results"]["test"]) == ["majority", "keywords", "static", "tfidf", "encoder"]
    assert report["results"]["held_out"]["encoder"]["macro_f1_interval"] == [None, None]


def test_changed_annotations_are_refused(run_folder, corpus_file, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(run_folder, runs / "tiny")
    shutil.rmtree(runs / "tiny" / "predictions")
    before = corpus_file.read_text("utf-8")
    row = json.loads(before.splitlines()[0])
    row["labels"] = [] if row["labels"] else ["threat"]
    try:
        corpus_file.write_text("\n".join([json.dumps(row), *before.splitlines()[1:]]), "utf-8")
        with pytest.raises(DataError, match="annotations changed since the run"):
            score_run(runs / "tiny")
    finally:
        corpus_file.write_text(before, "utf-8")
    assert not (runs / "tiny" / "predictions").exists()


def test_another_file_can_be_scored(run_folder, corpus_file, tmp_path):
    some = tmp_path / "some.jsonl"
    some.write_text("\n".join(corpus_file.read_text("utf-8").splitlines()[:5]), "utf-8")
    out = score_file(run_folder, some, tmp_path / "out" / "some.parquet")
    assert len(read_predictions(out).ids) == 5
    assert [path.name for path in out.parent.iterdir()] == ["some.parquet"]


def test_behavioural_cases_are_scored_by_every_system(run_folder):
    cases = [json.loads(line) for line in (ROOT / "seeds" / "behaviour.jsonl").read_text("utf-8").splitlines()]
    for system in ("majority", "keywords", "static", "tfidf", "encoder"):
        item = read_predictions(run_folder / "predictions" / f"{system}-behaviour.parquet")
        assert item.ids == [case["id"] for case in cases]
        assert item.articles == [case["pair"] for case in cases]
    report = json.loads((run_folder / "report" / "report.json").read_text("utf-8"))
    rows = report["parts"]["behaviour"]["systems"]["encoder"]
    assert rows[-1]["phenomenon"] == "all"
    assert rows[-1]["cases"] == len(cases)


def test_words_that_moved_the_decisions_are_kept_for_the_report(run_folder):
    words = read_words(run_folder / "predictions")
    assert set(words) == {"test", "held_out"}
    item = read_predictions(run_folder / "predictions" / "encoder-held_out.parquet")
    text = dict(zip(item.ids, item.texts, strict=True))
    assert set(words["held_out"]) <= set(text)
    for key, found in words["held_out"].items():
        piece = shaded(text[key], found)
        assert "".join(part for part, _ in piece["pieces"]) == clean(text[key])
    assert '<mark class="' in (run_folder / "report" / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_report_on_predictions_files_alone(run_folder, run_module, tmp_path):
    files = [run_folder / "predictions" / f"{system}-test.parquet" for system in ("tfidf", "keywords")]
    done = run_module("eval", "report", files[0], "--with", files[1], "--out", tmp_path / "bare")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "bare" / "report.json").read_text("utf-8"))
    assert list(report["results"]["test"]) == ["tfidf", "keywords"]
    assert report["parts"]["decision"] is None
    assert "nan" not in done.stdout.lower()
    refused = run_module("eval", "report", files[0])
    assert refused.returncode == 2
    assert "Say with --out where the report" in refused.stderr


@pytest.mark.slow
def test_counts_of_another_set_are_corrected_by_the_rates_of_validation(run_folder, run_module, corpus_file, tmp_path):
    rows = [json.loads(line) for line in corpus_file.read_text("utf-8").splitlines()]
    source = tmp_path / "andere.jsonl"
    source.write_text("".join(json.dumps({**row, "labels": []}) + "\n" for row in rows), "utf-8")
    score_file(run_folder, source, tmp_path / "andere.parquet")
    done = run_module("eval", "count", run_folder, tmp_path / "andere.parquet")
    assert done.returncode == 0, done.stderr
    assert f"{len(rows)} sentences" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[2:6]] == list(KEYS)
    assert all(line.split()[-1] == "n/a" for line in done.stdout.splitlines()[2:6])  # nothing is annotated
    refused = run_module("eval", "count", run_folder, run_folder / "predictions" / "tfidf-test.parquet")
    assert refused.returncode == 2
    assert "was not made by" in refused.stderr
