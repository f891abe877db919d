"""The inference benchmark on the tiny bundle: every part runs, and its figures are consistent."""

import json
import sys

import numpy as np
import pytest

from eval.benchmarks import inference, machine
from strijdtaal import Classifier


class Small:
    hidden_size, intermediate_size, num_hidden_layers = 256, 1024, 4


def test_operations_of_a_sentence_follow_from_the_shape():
    # One token: three whole layers, and all of the last one.
    assert machine.sentence_flops(Small, 1) == 2 * 4 * (4 * 256**2 + 2 * 256 * 1024)
    more = machine.sentence_flops(Small, 11) - machine.sentence_flops(Small, 1)
    assert more == 10 * 2 * (3 * (4 * 256**2 + 2 * 256 * 1024) + 2 * 256**2)


@pytest.mark.parametrize("int8", [False, True])
def test_products_alone_have_a_rate(int8):
    assert machine.gemm_gflops([(64, 64)], 1, int8) > 0.1


def test_rates_and_ratios_are_those_of_the_same_round(bundle):
    texts = inference.sentences(20)
    exact = Classifier.load(bundle)

    def twice(batch):
        exact.probabilities(batch)
        return exact.probabilities(batch)

    found = inference.throughput({"first": twice, "second": exact.probabilities}, texts, 3)
    assert found["first"]["ratio"] == 1
    low, high = found["second"]["ratio_range"]
    assert low <= found["second"]["ratio"] <= high
    assert found["second"]["largest_difference"] < 1e-6
    assert inference.latency({"one": exact.probabilities}, texts[:3])["one"]["median_ms"] > 0


def test_memory_is_read_at_the_marks(bundle):
    found = inference.memory(Classifier.load(bundle), inference.sentences(50), 300)
    assert list(found)[-1] == "300 sentences"
    assert all(20 < value < 20_000 for value in found.values())


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_the_figures(bundle, tmp_path, monkeypatch, capsys):
    target = tmp_path / "figures.json"
    arguments = ["inference", str(bundle), "--sentences", "40", "--rounds", "1", "--json", str(target)]
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(inference, "BATCH_SIZES", (1, 8))
    inference.main()
    assert "transformers.pipeline" in capsys.readouterr().out
    figures = json.loads(target.read_text("utf-8"))
    assert np.isclose(figures["bundle"]["throughput"]["fp32"]["largest_difference"], 0, atol=1e-5)
    assert figures["start_up_seconds"]["strijdtaal"] > 0.05
