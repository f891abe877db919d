"""The simulation of active learning, on a pool where choosing pays by construction and on the tiny corpus."""

import json
import math

import numpy as np
import pytest

from eval.benchmarks import active_learning
from eval.benchmarks.active_learning import Ground, labels_to_reach, simulate, summary
from eval.benchmarks.active_learning_plot import plot
from strijdtaal.errors import DataError, UsageError
from training.records import Record
from training.settings import DEFAULT
from training.suggest.strategies import STRATEGIES

ACTS = ("beschiet", "bewapent", "ontruimt", "smeekt")
LABELS = ("threat", "support", "retreat", "ceasefire_call")


def records(number, positives, seed):
    """Sentences of random words; the first ``positives`` of every label have its verb."""
    draw = np.random.default_rng(seed)
    rows = []
    for place in range(number):
        kind = place % 4
        words = [f"woord{value}" for value in draw.integers(0, 60, 6)]
        labelled = place < 4 * positives
        text = " ".join([*words, ACTS[kind]] if labelled else words)
        labels = [LABELS[kind]] if labelled else []
        rows.append(Record(id=f"{seed}-{place}", article=f"{seed}-{place}", index=0, text=text, labels=labels))
    return rows


@pytest.fixture(scope="module")
def ground():
    return Ground.of(records(600, 45, 1), records(200, 15, 2))


@pytest.mark.slow
def test_all_strategies_start_alike_and_repeat_themselves(ground):
    curves = {by: simulate(ground, by, [60, 90, 120], 3) for by in STRATEGIES}
    assert len({scores[0] for scores, _ in curves.values()}) == 1
    assert len({tuple(scores) for scores, _ in curves.values()}) > 1
    for by, found in curves.items():
        assert simulate(ground, by, [60, 90, 120], 3) == found
    assert simulate(ground, "random", [60, 90], 4) != simulate(ground, "random", [60, 90], 3)


def test_asking_for_rare_positives_finds_them(ground):
    found = {by: sum(simulate(ground, by, [60, 120], 1)[1]) for by in ("random", "rare")}
    assert found["rare"] > 1.5 * found["random"]


def test_the_learner_is_the_baseline_once_all_labels_are_known(ground):
    from eval.baselines import Tfidf
    from training.thresholds import best_shared_threshold

    pool, validation = records(600, 45, 1), records(200, 15, 2)
    own = Tfidf().fit([record.text for record in pool], ground.gold)
    probabilities = own.probabilities([record.text for record in validation])
    threshold, macro_f1 = best_shared_threshold(probabilities, ground.validation)
    score = ground.score(np.arange(600))
    assert (score.macro_f1, score.threshold) == pytest.approx((macro_f1, threshold))
    assert 0 < score.average_precision <= 1


def test_labels_to_reach_a_score():
    sizes, scores = [100, 200, 400], [0.2, 0.4, 0.3]
    assert labels_to_reach(sizes, scores, 0.1) == 100
    assert labels_to_reach(sizes, scores, 0.4) == 200
    assert math.isnan(labels_to_reach(sizes, scores, 0.5))


def test_the_summary_compares_with_random_seed_by_seed():
    curves = {"random": [[0.2, 0.4, 0.5], [0.3, 0.4, 0.6]], "rare": [[0.2, 0.6, 0.6], [0.3, 0.5, 0.5]]}
    found = summary([100, 200, 400], curves)
    assert found["rare"]["gain"][1] == pytest.approx({"mean": 0.15, "low": 0.1, "high": 0.2})
    assert found["rare"]["macro_f1"][2] == pytest.approx({"mean": 0.55, "low": 0.5, "high": 0.6})
    needed = found["rare"]["labels_to_reach_random_at"]
    assert needed["200"] == pytest.approx({"mean": 150 + 100 / 4 - 25, "low": 150, "high": 150})
    assert needed["400"] == {"mean": None, "low": None, "high": None}  # the second seed never gets there
    assert found["random"]["gain"][0] == {"mean": 0, "low": 0, "high": 0}


@pytest.mark.slow
def test_the_command_writes_figures_and_the_same_plot_again(corpus_file, tmp_path, capsys):
    out = tmp_path / "active"
    config = [str(DEFAULT), f"data.files=[{corpus_file}]", "--out", str(out), "--seeds", "2"]
    arguments = [*config, "--sizes", "60", "90", "120"]
    assert active_learning.main(arguments) == 0
    result = json.loads(out.with_suffix(".json").read_text())
    assert (result["sizes"], result["seeds"]) == ([60, 90, 120], 2)
    assert list(result["strategies"]) == ["random", *(by for by in STRATEGIES if by != "random")]
    for row in result["strategies"].values():
        for name in ("macro_f1", "average_precision"):
            assert all(0 <= entry["low"] <= entry["mean"] <= entry["high"] <= 1 for entry in row[name])
        assert len(row["positives_at_end"]) == 4
    printed = capsys.readouterr().out
    assert all(f"as good as 120 random ones: {by}" in printed for by in STRATEGIES if by != "random")
    assert active_learning.main([*config, "--sizes", "60", "100000"]) == UsageError.exit_code
    assert "two --sizes from 1 to" in capsys.readouterr().err
    plot(result, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == out.with_suffix(".svg").read_text()


def test_a_start_without_some_label_is_refused(ground):
    with pytest.raises(DataError, match=r"2 sentences hold no .*larger first"):
        simulate(ground, "random", [2, 60], 1)
