"""The ladder: rows worked by hand, what is refused, and one true run of two seeds."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

from eval import gather
from eval.bootstrap import f1_intervals
from eval.ladder import ensemble, finished_run, ladder, seed_configs, table
from eval.ladder_rows import HEAD, interval, markdown, row
from eval.pages import plain
from eval.paired import article_table
from eval.predictions import Predictions, read_predictions
from eval.report import write_report
from strijdtaal.classifier import sigmoid
from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import verify_folder
from strijdtaal.labels import KEYS
from training.run import open_run
from training.settings import DEFAULT, load_run_config
from training.thresholds import best_shared_threshold


def seed_of(number, split="test"):
    generator = np.random.default_rng(0)
    gold = (generator.random((200, len(KEYS))) < 0.3).astype(float)
    logits = 2 * gold - 1 + np.random.default_rng(number).normal(0, 1, gold.shape)
    return Predictions(
        system="encoder",
        split=split,
        threshold=0.5,
        ids=[f"s{index}" for index in range(200)],
        articles=[f"a{index // 8}" for index in range(200)],
        texts=[f"Zin {index}." for index in range(200)],
        gold=gold,
        probabilities=sigmoid(logits),
        logits=logits,
    )


def result_of(*rows):
    about = {"name": "proef", "split": "test", "sentences": 200, "articles": 25, "runs": [{"seed": 3}, {"seed": 4}]}
    return plain({**about, "systems": list(rows)})


def test_a_row_of_one_seed_has_the_metrics_of_scikit_learn_and_no_spread():
    from sklearn.metrics import accuracy_score, f1_score

    item = seed_of(1)
    found = row("encoder", [item], 12.0)
    assert found["macro_f1"] == pytest.approx(f1_score(item.gold, item.decided, average="macro"))
    assert found["micro_f1"] == pytest.approx(f1_score(item.gold, item.decided, average="micro"))
    assert found["exact_match"] == pytest.approx(accuracy_score(item.gold, item.decided))
    assert list(found["labels"].values()) == pytest.approx(list(f1_score(item.gold, item.decided, average=None)))
    assert math.isnan(found["seed_sd"])
    assert found["name"] == "fine-tuned encoder"


def test_a_row_of_several_seeds_is_their_mean_with_sd_and_worst():
    seeds = [seed_of(number) for number in (1, 2, 3)]
    single = [row("encoder", [item], 1.0)["macro_f1"] for item in seeds]
    found = row("encoder", seeds, 1.0)
    assert found["macro_f1"] == pytest.approx(np.mean(single))
    assert found["seed_sd"] == pytest.approx(np.std(single, ddof=1))
    assert found["worst_seed"] == min(single)
    assert found["name"] == "fine-tuned encoder, mean of 3 seeds"


def test_interval_of_one_seed_is_that_of_the_report_and_of_equal_seeds_no_narrower():
    item = seed_of(1)
    one = article_table(item.articles, item.gold, item.decided)
    wanted, _ = f1_intervals(item.articles, item.gold, item.decided)
    assert interval([one]) == pytest.approx(wanted)
    assert interval([one, one]) == pytest.approx(wanted)
    assert all(math.isnan(bound) for bound in interval([one[:9]]))


def test_the_ensemble_is_the_mean_of_the_logits_with_a_threshold_from_validation():
    seeds = [{"test": seed_of(number), "validation": seed_of(number + 10, "validation")} for number in (1, 2)]
    found = ensemble(seeds)
    mean = (seeds[0]["test"].logits + seeds[1]["test"].logits) / 2
    np.testing.assert_allclose(found["test"].logits, mean)
    np.testing.assert_allclose(found["test"].probabilities, 1 / (1 + np.exp(-mean)))
    threshold, _ = best_shared_threshold(found["validation"].probabilities, seeds[0]["validation"].gold)
    assert found["test"].threshold == found["validation"].threshold == threshold
    assert ensemble(seeds, 0.37)["test"].threshold == 0.37
    assert (
        row("ensemble", [found["test"]], 1.0)["macro_f1"] > row("encoder", [s["test"] for s in seeds], 1.0)["macro_f1"]
    )


@pytest.mark.parametrize(
    "change", [{"logits": None}, {"ids": [f"x{n}" for n in range(200)]}, {"gold": np.zeros((200, 4))}]
)
def test_seeds_that_do_not_belong_together_make_no_ensemble(change):
    one = {"validation": seed_of(1, "validation")}
    with pytest.raises(DataError, match="predictions of validation do not belong together"):
        ensemble([one, {"validation": replace(one["validation"], **change)}])


def test_the_table_has_a_line_a_system_and_says_what_is_unknown():
    rows = [row("majority", [seed_of(1)], math.nan), row("encoder", [seed_of(1), seed_of(2)], 61.25)]
    lines = table(result_of(*rows)).splitlines()
    assert lines[0] == "proef: test, 200 sentences of 25 articles"
    assert lines[1].split() == " ".join(HEAD).split()
    assert lines[2].startswith("majority (no label)")
    assert lines[2].endswith("n/a")
    assert lines[3].startswith("fine-tuned encoder, mean of 2 seeds")
    assert lines[3].endswith("61.2")
    assert f"{rows[1]['worst_seed']:.3f}" in lines[3]


def test_markdown_has_as_many_cells_in_every_line():
    text = markdown(result_of(row("encoder", [seed_of(1), seed_of(2)], math.nan)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 3
    assert {line.count("|") for line in lines} == {len(HEAD) + 1}
    assert "Seeds 3, 4" in text


@pytest.mark.parametrize(("seeds", "message"), [([1], "at least two"), ([1, 1], "different"), ([1, -2], "train.seed")])
def test_seeds_that_make_no_ladder_are_refused(seeds, message):
    with pytest.raises(UsageError, match=message):
        seed_configs(load_run_config(DEFAULT, []), seeds)


@pytest.mark.slow
def test_two_seeds_through_the_true_path_are_taken_up_again_and_another_config_is_refused(
    overrides, tmp_path, monkeypatch
):
    options = [*overrides, "train.epochs=2", f"output={tmp_path / 'runs'}", "name=proef"]
    config, out = load_run_config(DEFAULT, options), tmp_path / "ladder"
    result = ladder(config, [1, 2], out)
    verify_folder(out, "ladder")
    assert json.loads((out / "ladder.json").read_text("utf-8")) == result
    systems = ["majority", "keywords", "static", "tfidf", "encoder", "ensemble"]
    assert [entry["system"] for entry in result["systems"]] == systems
    item = read_predictions(out / "ensemble-test.parquet")
    assert (item.system, item.split) == ("ensemble", "test")
    parts = [read_predictions(tmp_path / f"runs/proef-seed{seed}/predictions/encoder-test.parquet") for seed in (1, 2)]
    np.testing.assert_allclose(item.logits, (parts[0].logits + parts[1].logits) / 2)
    assert not np.allclose(parts[0].logits, parts[1].logits)

    found = gather.ensemble_files(open_run(tmp_path / "runs/proef-seed1"))
    assert found == []  # this ladder does not lie beside its runs
    shutil.copytree(out, tmp_path / "runs" / "proef-ladder")
    _, report = write_report(tmp_path / "runs/proef-seed2")
    assert report["results"]["test"]["ensemble"]["macro_f1"] == result["systems"][-1]["macro_f1"]
    assert "ensemble" in report["results"]["held_out"]

    monkeypatch.setattr("training.finetune.finetune", None)  # nothing is trained or scored a second time
    monkeypatch.setattr("eval.ladder.score_run", None)
    again = ladder(config, [1, 2], out)
    for entry, first in zip(again["systems"], result["systems"], strict=True):
        assert {**entry, "seconds": 0} == {**first, "seconds": 0}

    other = load_run_config(DEFAULT, [*options, "train.lr=0.001"])
    with pytest.raises(
        UsageError, match=r"proef-seed1 was trained with another config: train\.lr is 0\.002, not 0\.001"
    ):
        ladder(other, [3, 1], out)
    assert not (tmp_path / "runs" / "proef-seed3").exists()
    assert finished_run(seed_configs(config, [3, 1])[0], None) is None
