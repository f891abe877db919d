"""The ONNX file: one file, described, and the same for any batch and length."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest

from strijdtaal.folder import sha256_of
from strijdtaal.labels import CODEBOOK_VERSION, KEYS


@pytest.fixture(scope="module")
def graph(bundle):
    return onnx.load(str(bundle / "onnx" / "model.onnx"), load_external_data=False)


@pytest.fixture(scope="module")
def session(bundle):
    return onnxruntime.InferenceSession(str(bundle / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])


def test_everything_is_in_one_file(bundle, graph):
    weights = list(graph.graph.initializer)
    assert weights
    assert all(item.data_location != onnx.TensorProto.EXTERNAL and not item.external_data for item in weights)
    assert [path.suffix for path in (bundle / "onnx").iterdir()] == [".onnx"] * len(list((bundle / "onnx").iterdir()))


def test_it_says_what_it_is(bundle, graph):
    about = {entry.key: entry.value for entry in graph.metadata_props}
    assert about["labels"].split(",") == list(KEYS)
    assert about["codebook_version"] == CODEBOOK_VERSION
    assert about["tokenizer_sha256"] == sha256_of(bundle / "tokenizer.json")
    labels = json.loads((bundle / "labels.json").read_text("utf-8"))["labels"]
    assert json.loads(about["thresholds"]) == [entry["threshold"] for entry in labels]


def test_operators_are_those_of_any_runtime(graph):
    assert {item.domain: item.version for item in graph.opset_import if item.domain == ""}[""] <= 20
    assert {node.domain for node in graph.graph.node} <= {"", "ai.onnx", "com.microsoft"}


def test_batch_and_length_are_free(graph):
    for item in graph.graph.input:
        assert item.type.tensor_type.elem_type == onnx.TensorProto.INT64
        assert [axis.dim_param != "" for axis in item.type.tensor_type.shape.dim] == [True, True]
    (output,) = graph.graph.output
    assert output.name == "logits"
    assert output.type.tensor_type.shape.dim[1].dim_value == len(KEYS)


def run(session, ids, mask):
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    names = {item.name for item in session.get_inputs()}
    return session.run(["logits"], {name: value for name, value in feed.items() if name in names})[0]


@pytest.mark.parametrize("batch", [1, 2, 17])
def test_any_length_alone_or_padded_in_a_batch(bundle, session, batch):
    longest = json.loads((bundle / "labels.json").read_text("utf-8"))["max_length"]
    generator = np.random.default_rng(0)
    for length in (2, 3, 7, longest - 1, longest):
        ids = generator.integers(5, 300, (batch, length))
        alone = run(session, ids, np.ones_like(ids))
        assert alone.shape == (batch, len(KEYS))
        padding = ((0, 0), (0, longest - length))
        padded = run(session, np.pad(ids, padding), np.pad(np.ones_like(ids), padding))
        assert np.abs(alone - padded).max() < 1e-5
        single = run(session, ids[-1:], np.ones_like(ids[-1:]))
        assert np.abs(alone[-1] - single[0]).max() < 1e-5
