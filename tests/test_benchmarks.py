"""The measuring scripts run their true path on a tiny encoder and corpus."""

import json
import re

import pytest

from eval.benchmarks import encoder as encoder_benchmark
from eval.benchmarks import learning_curve
from training.dataset import load_corpus
from training.settings import DEFAULT, load_run_config

SHORT = "train.epochs=3"


@pytest.fixture(scope="module")
def also(corpus_file, tmp_path_factory):
    """Another annotated file: a few sentences of the small corpus under other ids."""
    path = tmp_path_factory.mktemp("also") / "elders.jsonl"
    rows = [json.loads(line) for line in corpus_file.read_text("utf-8").splitlines()[:60]]
    text = [json.dumps({**row, "id": f"x{row['id']}", "article": f"x{row['article']}"}) for row in rows]
    path.write_text("\n".join(text) + "\n", "utf-8")
    return path


def test_parts_grow_by_whole_articles_and_hold_each_other(overrides):
    train = load_corpus(load_run_config(DEFAULT, overrides).data).splits["train"]
    parts = learning_curve.growing_parts(train, [20, 60, 100_000])
    ids = [{record.id for record in part} for part in parts]
    assert [len(part) >= size for part, size in zip(parts, (20, 60), strict=False)] == [True, True]
    assert len(parts) == 3
    assert ids[0] < ids[1] < ids[2] == {record.id for record in train}
    for part in ids[:2]:
        inside = {record.article for record in train if record.id in part}
        assert part == {record.id for record in train if record.article in inside}


@pytest.mark.slow
def test_learning_curve_writes_figures_and_a_plot(overrides, also, tmp_path, capsys):
    out = tmp_path / "curve"
    arguments = [str(DEFAULT), *overrides, SHORT, "--also", str(also), "--sizes", "60", "--out", str(out)]
    assert learning_curve.main(arguments) == 0
    rows = json.loads(out.with_suffix(".json").read_text())
    assert len(rows) == 2
    assert rows[0]["sentences"] < rows[1]["sentences"]
    for row in rows:
        for system in ("encoder", "tfidf"):
            assert set(row[system]) == {"test", "elders"}
            assert all(0 <= entry["macro_f1"] <= 1 for entry in row[system].values())
    assert capsys.readouterr().out.count(" sentences ") == 2
    svg = out.with_suffix(".svg").read_text()
    assert svg.startswith("<?xml")
    learning_curve.plot(rows, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == svg  # the same figures give the same file


@pytest.mark.slow
def test_encoder_benchmark_names_every_system_and_split(overrides, also, tmp_path, capsys):
    out = tmp_path / "encoder.json"
    arguments = [str(DEFAULT), *overrides, SHORT, "--seeds", "2", "--jobs", "2", "--also", str(also), "--out", str(out)]
    assert encoder_benchmark.main(arguments) == 0
    result = json.loads(out.read_text())
    assert set(result) == {"validation", "elders"}
    for part in result.values():
        assert {name: entry["seeds"] for name, entry in part["systems"].items()} == {
            "pretrained": 2,
            "random weights": 2,
            "tfidf": 1,
        }
        for name, entry in part["pretrained minus"].items():
            low, high = entry["interval"]
            gap = part["systems"]["pretrained"]["mean"] - part["systems"][name]["mean"]
            assert entry["difference"] == pytest.approx(gap)
            assert low <= high
    printed = capsys.readouterr().out
    assert len(re.findall(r"pretrained - (?:tfidf|random weights)", printed)) == 4


def test_random_weights_keep_the_architecture_and_tokenizer(encoder, tmp_path):
    import torch
    from transformers import AutoModelForMaskedLM

    one, two = (encoder_benchmark.random_weights(encoder, tmp_path / str(seed), seed) for seed in (1, 2))
    first, second, source = (AutoModelForMaskedLM.from_pretrained(folder) for folder in (one, two, encoder))
    key = "bert.encoder.layer.0.output.dense.weight"
    tensors = [model.state_dict()[key] for model in (first, second, source)]
    assert tensors[0].shape == tensors[2].shape
    assert not torch.equal(tensors[0], tensors[1])
    assert not torch.equal(tensors[0], tensors[2])
    assert (one / "tokenizer.json").read_text() == (encoder / "tokenizer.json").read_text()
