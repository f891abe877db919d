"""The lean graph and its int8 version: the logits of the model, alone and in a batch, and a gate before int8."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from eval import int8, package
from eval.int8 import Int8, refusal
from eval.lean import LeanClassifier, has_layers
from strijdtaal import Classifier
from strijdtaal.bundle import INT8, QUANTIZED
from strijdtaal.errors import BundleError, UsageError
from strijdtaal.labels import KEYS

SMALL = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
TEXTS = [
    "De rebellen gaven zich over.",
    "Ja.",
    "",
    "Ankara stuurt wapens naar Tripoli en dreigt met een aanval op de luchtbasis, zei een woordvoerder van het leger.",
    "Het regende in Goma, en de school bleef dicht.",
    "De paus riep op tot een bestand. " * 12,
]


def padded(lengths, pad, vocabulary=60):
    ids = torch.full((len(lengths), max(lengths)), pad)
    mask = torch.zeros_like(ids)
    draw = torch.Generator().manual_seed(1)
    for number, length in enumerate(lengths):
        ids[number, :length] = torch.randint(5, vocabulary, (length,), generator=draw)
        mask[number, :length] = 1
    return ids, mask


def test_lean_gives_the_logits_of_bert(bundle):
    model = AutoModelForSequenceClassification.from_pretrained(bundle).eval()
    ids, mask = padded([3, 11, 30], 0, model.config.vocab_size)
    with torch.inference_mode():
        expected, found = model(input_ids=ids, attention_mask=mask).logits, LeanClassifier(model).eval()(ids, mask)
    assert torch.allclose(found["logits"], expected, atol=1e-5)
    assert expected.std() > 0.01


def test_lean_gives_the_logits_of_roberta():
    torch.manual_seed(2)
    config = RobertaConfig(**SMALL, num_labels=4, pad_token_id=1, max_position_embeddings=40, initializer_range=0.3)
    model = RobertaForSequenceClassification(config).eval()
    ids, mask = padded([2, 9, 25], 1)
    with torch.inference_mode():
        expected, found = model(input_ids=ids, attention_mask=mask).logits, LeanClassifier(model).eval()(ids, mask)
    assert torch.allclose(found["logits"], expected, atol=1e-4)
    assert expected.std() > 0.01


def test_other_architectures_are_left_to_the_library():
    model = DistilBertForSequenceClassification(DistilBertConfig(vocab_size=60, dim=32, n_layers=1, n_heads=2))
    assert not has_layers(model)
    with pytest.raises(ValueError, match="distilbert"):
        LeanClassifier(model)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_sentence_gets_the_same_answer_alone_and_in_a_batch(int8_bundle, precision):
    classifier = Classifier.load(int8_bundle, precision=precision)
    together = classifier.probabilities(TEXTS * 5)
    alone = np.concatenate([classifier.probabilities([text]) for text in TEXTS])
    assert np.abs(together - np.tile(alone, (5, 1))).max() < 1e-6
    assert np.ptp(alone) > 0.01


@pytest.fixture(scope="module")
def int8_bundle(run_folder, tmp_path_factory):
    """The tiny run packaged with bounds that its int8 model meets, whatever its rounding does."""
    bounds = int8.DECISIONS_EQUAL, int8.MACRO_F1_LOSS
    int8.DECISIONS_EQUAL, int8.MACRO_F1_LOSS = 0.5, 0.5
    try:
        return package.package(run_folder, tmp_path_factory.mktemp("int8") / "bundle")
    finally:
        int8.DECISIONS_EQUAL, int8.MACRO_F1_LOSS = bounds


@pytest.mark.slow
def test_int8_model_lies_in_the_bundle_with_its_figures(int8_bundle):
    document = json.loads((int8_bundle / "labels.json").read_text("utf-8"))
    assert set(document["quantized"]) == {"validation", "test"}
    assert document["quantized"]["test"]["decisions_equal"] > 0.5
    exact, fast = Classifier.load(int8_bundle), Classifier.load(int8_bundle, precision=INT8)
    texts = [entry["text"] for entry in exact.contract.golden]
    differences = np.abs(exact.probabilities(texts) - fast.probabilities(texts))
    assert differences.max() > 1e-6
    assert np.median(differences) < 0.05
    assert str(document["quantized"]["test"]["sentences"]) in (int8_bundle / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_int8_products_really_are_in_int8(int8_bundle):
    import onnx

    graph = onnx.load(str(int8_bundle / QUANTIZED)).graph
    kinds = {item.name: item.data_type for item in graph.initializer}
    weights = [
        kinds[node.input[0]] for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in kinds
    ]
    assert onnx.TensorProto.INT8 in weights
    assert (int8_bundle / QUANTIZED).stat().st_size < (int8_bundle / "onnx" / "model.onnx").stat().st_size


@pytest.mark.slow
def test_a_damaged_int8_model_is_found_by_its_golden_sentences(int8_bundle, tmp_path):
    from strijdtaal.bundle import KIND
    from strijdtaal.folder import _seal

    copy = shutil.copytree(int8_bundle, tmp_path / "bundle")
    golden = json.loads((copy / "golden.json").read_text("utf-8"))
    golden[1]["probabilities_int8"][KEYS[0]] = abs(golden[1]["probabilities_int8"][KEYS[0]] - 0.1)
    (copy / "golden.json").write_text(json.dumps(golden), "utf-8")
    (copy / "manifest.json").unlink()
    _seal(copy, KIND, {})
    Classifier.load(copy)
    with pytest.raises(BundleError, match="int8"):
        Classifier.load(copy, precision="int8")


@pytest.mark.slow
def test_an_int8_model_that_decides_otherwise_is_left_out_and_said_so(run_folder, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(int8, "DECISIONS_EQUAL", 1.01)
    with caplog.at_level(logging.WARNING):
        bundle = package.package(run_folder, tmp_path / "bundle")
    assert "left out" in caplog.text
    assert "asked 101" in caplog.text
    assert not (bundle / QUANTIZED).exists()
    assert json.loads((bundle / "labels.json").read_text("utf-8"))["quantized"] is None
    with pytest.raises(UsageError, match="no int8 model"):
        Classifier.load(bundle, precision="int8")


def test_precision_must_be_known(bundle):
    with pytest.raises(UsageError, match="fp32 or int8"):
        Classifier.load(bundle, precision="int4")


@pytest.mark.parametrize(
    ("item", "word"),
    [
        (Int8(100, 0.995, 0.1, 0.85, 0.846), ""),
        (Int8(100, 0.994, 0.1, 0.85, 0.85), "same labels"),
        (Int8(100, 1.0, 0.1, 0.85, 0.844), "macro-F1 falls"),
        (Int8(100, 1.0, 0.1, 0.85, float("nan")), "macro-F1 falls"),
    ],
)
def test_gate(item, word):
    reason = refusal({"test": item})
    assert word in reason
    assert bool(word) == bool(reason)


def test_predict_async_gives_what_predict_gives(bundle):
    import asyncio

    classifier = Classifier.load(bundle)

    async def both():
        return await asyncio.gather(classifier.predict_async(TEXTS), classifier.predict_async(TEXTS[:1]))

    many, one = asyncio.run(both())
    assert [item.labels for item in many] == [item.labels for item in classifier.predict(TEXTS)]
    assert len(one) == 1


@pytest.mark.slow
def test_int8_products_are_exact_on_this_machine(int8_bundle, monkeypatch):
    from strijdtaal import session

    found = Classifier.load(int8_bundle, precision="int8").probabilities(TEXTS)
    monkeypatch.setattr(session, "has_exact_int8", lambda: False)
    exact = Classifier.load(int8_bundle, precision="int8").probabilities(TEXTS)
    assert np.abs(found - exact).max() < 1e-6
