"""The leaderboard: order, groups, differences, what is left out and why, and the page."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from eval.leaderboard import leaderboard, text, write_leaderboard
from eval.predictions import KIND as PREDICTIONS
from eval.predictions import Predictions, write_predictions
from strijdtaal.errors import UsageError
from strijdtaal.folder import verify_folder, write_folder
from strijdtaal.labels import KEYS
from training.config import dump_config
from training.run import KIND, write_json
from training.settings import DEFAULT, load_run_config

HOSTILE = "<script>alert(1)</script>\u202e"


def said(wrong, texts="Zin"):
    gold = (np.random.default_rng(0).random((120, len(KEYS))) < 0.4).astype(float)
    errors = np.random.default_rng(1).random(gold.shape) < wrong
    return Predictions(
        system="encoder",
        split="test",
        threshold=0.5,
        ids=[f"s{number}" for number in range(120)],
        articles=[f"a{number // 6}" for number in range(120)],
        texts=[f"{texts} {number}." for number in range(120)],
        gold=gold,
        probabilities=np.where(errors, 1 - gold, gold),
    )


def make_run(folder, name, wrong, *options, texts="Zin", scored=True):
    """A run folder with the files that a run has, its model three small tensors."""
    item, target = said(wrong, texts), folder / name
    config = load_run_config(DEFAULT, [f"name={name}", f"output={folder}", *options])
    with write_folder(target, KIND) as work:
        (work / "model").mkdir()
        save_file({"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float16)}, work / "model/model.safetensors")
        (work / "config.yaml").write_text(dump_config(config), encoding="utf-8")
        write_json(work / "data.json", {"ids": {"test": item.ids}})
        write_json(work / "metrics.json", {"training_seconds": 12.5, "thresholds": {}, "decision": {}})
        write_json(work / "environment.json", {})
    if scored:
        sha256 = verify_folder(target, KIND)["files"]["model/model.safetensors"]["sha256"]
        with write_folder(target / "predictions", PREDICTIONS, model_sha256=sha256) as work:
            write_predictions(work / "encoder-test.parquet", item)
    return target


def test_runs_are_ranked_and_say_how_they_differ_from_the_first(tmp_path):
    make_run(tmp_path, "a", 0.3, "train.lr=0.001", "train.seed=7")
    make_run(tmp_path / "more", "b", 0.1)
    make_run(tmp_path, "c", 0.2, "network.encoder=ander")
    result = leaderboard(tmp_path)
    assert result["left_out"] == []
    (group,) = result["groups"]
    assert (group["sentences"], group["articles"], group["reference"]) == (120, 20, "b")
    rows = group["rows"]
    assert [row["folder"] for row in rows] == ["more/b", "c", "a"]
    assert [row["differences"] for row in rows] == [
        {},
        {"network.encoder": "ander"},
        {"train.lr": 0.001, "train.seed": 7},
    ]
    assert rows[0]["macro_f1"] > rows[1]["macro_f1"] > rows[2]["macro_f1"]


def test_a_row_holds_scores_and_facts_of_the_run(tmp_path):
    from sklearn.metrics import accuracy_score, f1_score

    folder = make_run(tmp_path, "a", 0.2, "train.seed=7", "network.encoder=ander")
    row = leaderboard(tmp_path)["groups"][0]["rows"][0]
    item = said(0.2)
    assert row["macro_f1"] == pytest.approx(f1_score(item.gold, item.decided, average="macro"), abs=1e-6)
    assert row["micro_f1"] == pytest.approx(f1_score(item.gold, item.decided, average="micro"), abs=1e-6)
    assert row["exact_match"] == pytest.approx(accuracy_score(item.gold, item.decided), abs=1e-6)
    assert list(row["labels"].values()) == pytest.approx(f1_score(item.gold, item.decided, average=None), abs=1e-6)
    low, high = row["macro_f1_interval"]
    assert low < row["macro_f1"] < high
    assert (row["encoder"], row["seed"], row["seconds"], row["parameters"]) == ("ander", 7, 12.5, 17)
    assert row["bytes"] == (folder / "model" / "model.safetensors").stat().st_size


def test_runs_on_other_sentences_stand_in_a_group_of_their_own(tmp_path):
    make_run(tmp_path, "a", 0.2)
    make_run(tmp_path, "b", 0.1, texts="Andere zin")
    make_run(tmp_path, "c", 0.3)
    groups = leaderboard(tmp_path)["groups"]
    assert [[row["name"] for row in group["rows"]] for group in groups] == [["a", "c"], ["b"]]
    assert groups[1]["rows"][0]["differences"] == {}


def test_what_is_unfinished_damaged_or_unscored_is_left_out_with_the_reason(tmp_path):
    make_run(tmp_path, "good", 0.2)
    make_run(tmp_path, "unscored", 0.2, scored=False)
    (make_run(tmp_path, "damaged", 0.2) / "metrics.json").write_text("{}")
    (make_run(tmp_path, "unfinished", 0.2) / "manifest.json").unlink()
    (tmp_path / ".killed-ab12.part" / "checkpoints").mkdir(parents=True)
    (tmp_path / "other").mkdir()  # no run at all, so not a word of it
    strange = make_run(tmp_path, "strange", 0.2)
    tree = yaml.safe_load((strange / "config.yaml").read_text())
    shutil.rmtree(strange)
    with write_folder(strange, KIND) as work:
        (work / "model").mkdir()
        save_file({"a": np.zeros(1)}, work / "model/model.safetensors")
        (work / "config.yaml").write_text(yaml.safe_dump({**tree, "unknown_key": 1}))
        for name in ("data", "metrics", "environment"):
            write_json(work / f"{name}.json", {})
    result = leaderboard(tmp_path)
    assert [row["name"] for group in result["groups"] for row in group["rows"]] == ["good"]
    reasons = {entry["folder"]: entry["reason"] for entry in result["left_out"]}
    assert set(reasons) == {"unscored", "damaged", "unfinished", ".killed-ab12.part", "strange"}
    assert "was not scored" in reasons["unscored"]
    assert "was changed after" in reasons["damaged"]
    assert "unfinished" in reasons["unfinished"]
    assert "unfinished" in reasons[".killed-ab12.part"]
    assert "unknown_key" in reasons["strange"]


def test_predictions_of_another_model_are_not_ranked(tmp_path):
    one, two = make_run(tmp_path, "a", 0.2), make_run(tmp_path, "b", 0.1, scored=False)
    with write_folder(two / "predictions", PREDICTIONS, model_sha256="0" * 64) as work:
        shutil.copy(one / "predictions" / "encoder-test.parquet", work)
    result = leaderboard(tmp_path)
    assert "made by another model" in result["left_out"][0]["reason"]


def test_no_folder_no_run_and_no_such_split_are_told(tmp_path):
    with pytest.raises(UsageError, match="no run below"):
        leaderboard(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        leaderboard(tmp_path / "none")
    make_run(tmp_path, "a", 0.2)
    result = leaderboard(tmp_path, "held_out")
    assert result["groups"] == []
    assert "no predictions of the split 'held_out'" in result["left_out"][0]["reason"]


def test_the_terminal_shows_every_run_and_reason(tmp_path):
    make_run(tmp_path, "a", 0.3, "train.lr=0.001")
    make_run(tmp_path, "b", 0.1)
    make_run(tmp_path, "c", 0.1, scored=False)
    lines = text(leaderboard(tmp_path)).splitlines()
    assert lines[0] == "test: 120 sentences of 20 articles"
    assert lines[2].startswith("b ")
    assert lines[3].startswith("a ")
    assert lines[3].endswith("train.lr=0.001")
    assert lines[-1].startswith("left out: c: ")


def test_the_page_is_one_harmless_file(tmp_path):
    make_run(tmp_path, "a", 0.3, "train.lr=0.001", f"network.encoder={json.dumps(HOSTILE)}")
    make_run(tmp_path, "b", 0.1)
    result = leaderboard(tmp_path)
    result["left_out"].append({"folder": HOSTILE, "reason": HOSTILE})
    result["groups"][0]["rows"][1]["macro_f1"] = None
    target = tmp_path / "page.html"
    write_leaderboard(result, target)
    page = target.read_text("utf-8")
    assert page.count("&lt;script&gt;alert(1)") == 4  # encoder, difference, folder, reason
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "src=" not in page
    assert "http" not in page
    assert "train.lr=0.001" in page
    assert '<td data-value="">n/a</td>' in page
    assert [path for path in Path(tmp_path).iterdir() if path.suffix == ".part"] == []
