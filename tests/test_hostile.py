"""Bundles made to harm, each sealed with a manifest that fits: refused with the file named, the process alive.

Numbers are those of the project's list of faults: 41 pickles, 42 foreign code, 43 weights, 44 vocabulary and labels,
45 tokenizers (tests/test_hostile_tokenizer.py), 46 graphs. Signatures (47) and modes (48) have files of their own.
"""

import json
import os
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, load_model, numpy_helper

from strijdtaal import Classifier, safety
from strijdtaal.bundle import KIND, ONNX, read_contract
from strijdtaal.errors import BundleError, DataError
from strijdtaal.folder import _seal
from strijdtaal.labels import KEYS

RUNTIME = Path(safety.__file__).parent


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "bundle")


def reseal(folder):
    """A manifest that fits, as an attacker would make it."""
    (folder / "manifest.json").unlink()
    _seal(folder, KIND, {})


def change(folder, name, **values):
    path = folder / name
    content = json.loads(path.read_text("utf-8"))
    content.update(values)
    path.write_text(json.dumps(content), "utf-8")
    reseal(folder)


def opened(folder):
    """Every check, in the order of the loader; the session."""
    safety.check_files(folder)
    contract = read_contract(folder)
    found = safety.inspect(folder, contract.keys, [ONNX])
    try:
        session = onnxruntime.InferenceSession(str(folder / ONNX), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(f"{folder / ONNX} cannot be loaded: {error}") from error
    safety.check_session(folder / ONNX, session, len(KEYS), found.highest_id, contract.max_length)
    return session


def refused(folder, message):
    with pytest.raises(BundleError, match=message):
        opened(folder)
    with pytest.raises(BundleError, match=message):
        Classifier.load(folder)


def test_an_honest_bundle_passes(bundle):
    opened(bundle)


# 41. Pickles


class Payload:
    """Unpickled, it leaves a file behind."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "training_args.bin", "onnx/optimizer.pt", "model.pkl", "x.npy"])
def test_pickles_are_refused_and_never_run(copy, tmp_path, name):
    (copy / name).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    reseal(copy)
    refused(copy, f"{name} does not belong in a bundle")
    assert not (tmp_path / "ran").exists()


def test_pickle_in_the_place_of_a_known_file_is_not_run(copy, tmp_path):
    for name in ("model.safetensors", ONNX):
        (copy / name).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    reseal(copy)
    refused(copy, r"model\.safetensors")
    assert not (tmp_path / "ran").exists()


def test_an_exported_bundle_holds_no_pickle(bundle):
    for path in bundle.rglob("*"):
        if path.is_file():
            assert not path.read_bytes().startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")), path


# 42. Foreign code


@pytest.mark.parametrize(
    "value",
    [
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"attn_implementation": "evil/kernel"},
        {"_attn_implementation_internal": "evil/kernel"},
        {"experts_implementation": "evil/kernel"},
        {"kernel_config": {"evil": "kernel"}},
        {"use_kernels": True},
        {"quantization_config": {"quant_method": "evil"}},
        {"text_config": {"deep": [{"attn_implementation": "evil/kernel"}]}},
    ],
)
def test_configuration_that_fetches_code_is_refused(copy, value):
    change(copy, "config.json", **value)
    refused(copy, r"config\.json: key '[a-z_]+' can load foreign code")


def test_tokenizer_configuration_that_names_files_is_refused(copy):
    change(copy, "tokenizer_config.json", vocab_file="/etc/passwd")
    refused(copy, r"tokenizer_config\.json: key 'vocab_file'")


@pytest.mark.parametrize(
    "name", ["adapter_config.json", "model.safetensors.index.json", "onnx/adapter_model.safetensors"]
)
def test_files_that_loaders_follow_elsewhere_are_refused(copy, name):
    (copy / name).write_text('{"base_model_name_or_path": "evil/model"}')
    reseal(copy)
    refused(copy, f"{name} can make a loader fetch")


# Files


def test_pipe_in_a_bundle_is_refused_and_not_waited_for(copy):
    (copy / "run.yaml").unlink()
    os.mkfifo(copy / "run.yaml")
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    manifest["files"]["run.yaml"] = {"bytes": 0, "sha256": "0" * 64}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    refused(copy, r"run\.yaml is no plain file")


def test_manifest_that_is_too_large_is_not_read(copy):
    with (copy / "manifest.json").open("ab") as handle:
        handle.truncate(10**9)  # sparse: takes no room
    refused(copy, r"manifest\.json is larger than")


@pytest.mark.parametrize(
    "value",
    [
        {"conv_kernel_size": 9, "_name_or_path": "org/encoder", "kernel_initializer": "normal"},
        {"_attn_implementation_autoset": True, "_num_labels": 4, "auto_map": None},
    ],
)
def test_harmless_keys_of_other_encoders_pass(copy, value):
    change(copy, "config.json", **value)
    opened(copy)


def test_too_many_files_are_refused(copy, monkeypatch):
    monkeypatch.setattr(safety, "MAX_FILES", 5)
    refused(copy, "more than 5 files")


# 43. Weights


def parts(folder):
    raw = (folder / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def write_weights(folder, header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    reseal(folder)


def of_tensors(header):
    return [name for name in header if name != "__metadata__"]


def test_weights_cut_off_or_with_bytes_too_many_are_refused(copy):
    path, raw = copy / "model.safetensors", (copy / "model.safetensors").read_bytes()
    for content, message in (
        (raw[:-1], "bytes of data, its tensors"),
        (raw + b"\0", "bytes of data, its tensors"),
        (raw[:4], "is cut off"),
        (b"", "is cut off"),
        (raw[:1000], "is cut off"),
        (struct.pack("<Q", 2**63) + raw[8:], "is cut off"),
        (struct.pack("<Q", 50_000_000) + raw[8:], "is cut off"),
    ):
        path.write_bytes(content)
        reseal(copy)
        refused(copy, rf"model\.safetensors.*{message}")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b'{"a": 1, "a": 2}', "key 'a' stands twice"),
        (b'["a"]', "the header is not valid JSON"),
        (b"[" * 200_000, "the header is not valid JSON"),
        (b' {"a":{}}', "the header is not valid JSON"),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,NaN]}}', "NaN is not a number"),
        (b'{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}', "tensor 'a' is described wrongly.*F99"),
        (b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', "tensor 'a' is described wrongly"),
        (b'{"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}', "tensor 'a' is described wrongly"),
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', "does not fill bytes 0 to 4"),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', "tensor 'a' is described wrongly"),
        (b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}', "tensor 'a' is described wrongly"),
        (b'{"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}}', "tensor 'a' is described wrongly"),
        (b'{"__metadata__":{"format":1}}', "__metadata__ is not text"),
        (b"{}", "its tensors 0"),
    ],
)
def test_header_of_weights_that_is_not_one_is_refused(copy, header, message):
    write_weights(copy, header, b"\0" * 4)
    refused(copy, rf"model\.safetensors.*{message}")


def test_tensors_that_overlap_or_leave_a_hole_are_refused(copy):
    header, data = parts(copy)
    first, second = sorted(of_tensors(header), key=lambda name: header[name]["data_offsets"])[:2]
    start, end = header[first]["data_offsets"]
    same = {**header, second: {**header[second], "data_offsets": [0, header[second]["data_offsets"][1] - end]}}
    write_weights(copy, same, data)
    refused(copy, r"model\.safetensors: tensor .* begins at byte")
    del header[first]
    write_weights(copy, header, data)
    refused(copy, rf"model\.safetensors: tensor .* begins at byte {end} of the data, not at {start}")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(copy, value):
    header, data = parts(copy)
    name = of_tensors(header)[-1]
    data = bytearray(data)
    data[header[name]["data_offsets"][1] - 4 : header[name]["data_offsets"][1]] = np.float32(value).tobytes()
    write_weights(copy, header, bytes(data))
    refused(copy, f"tensor '{name}' holds values that are not finite")


@pytest.mark.parametrize(("dtype", "bad"), [("BF16", 0x7FC0), ("BF16", 0xFF80), ("F16", 0x7E00), ("F16", 0xFC00)])
def test_half_precision_weights_are_looked_at_as_well(tmp_path, dtype, bad):
    path = tmp_path / "model.safetensors"
    for last, fine in ((0x3C00, True), (bad, False)):
        data = np.array([0x3C00] * 9 + [last], dtype="<u2").tobytes()
        header = json.dumps({"w": {"dtype": dtype, "shape": [2, 5], "data_offsets": [0, 20]}}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + data)
        if fine:
            assert safety.check_weights(path) == {"w": (2, 5)}
        else:
            with pytest.raises(BundleError, match="not finite"):
                safety.check_weights(path)


def test_a_flipped_bit_of_the_weights_is_found_by_the_manifest(copy):
    path = copy / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 1
    path.write_bytes(raw)
    refused(copy, r"model\.safetensors was changed")


# 44. Vocabulary and labels


def test_vocabulary_larger_than_the_embedding_is_refused(copy):
    tokenizer = json.loads((copy / "tokenizer.json").read_text("utf-8"))
    size = len(tokenizer["model"]["vocab"])
    tokenizer["model"]["vocab"]["zeldzaam"] = size
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    reseal(copy)
    refused(copy, f"vocab_size is {size}, but the tokenizer gives ids up to {size}")
    change(copy, "config.json", vocab_size=size + 1)
    refused(copy, f"vocab_size is {size + 1}, but the word embedding has \\[{size}\\] rows")


def test_graph_with_a_smaller_embedding_is_refused_although_the_golden_sentences_pass(copy):
    path = copy / ONNX
    graph = load_model(str(path))
    size = json.loads((copy / "config.json").read_text("utf-8"))["vocab_size"]
    table = next(item for item in graph.graph.initializer if list(item.dims[:1]) == [size])
    table.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(table)[:-1], table.name))
    path.write_bytes(graph.SerializeToString())
    reseal(copy)
    refused(copy, rf"model\.onnx cannot take token id {size - 1}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"id2label": dict.fromkeys("0123", "threat")}, "id2label"),
        ({"id2label": {**{str(n): key for n, key in enumerate(KEYS)}, "4": "<script>"}}, "id2label"),
        ({"id2label": None}, "id2label"),
        ({"id2label": ["threat"]}, "id2label"),
        ({"label2id": dict.fromkeys(KEYS, 0)}, "label2id"),
        ({"num_labels": 7}, "num_labels is 7"),
        ({"vocab_size": True}, "vocab_size is True"),
        ({"vocab_size": "400"}, "vocab_size is '400'"),
    ],
)
def test_labels_and_sizes_that_contradict_are_refused(copy, value, message):
    change(copy, "config.json", **value)
    refused(copy, rf"config\.json: {message}")


def test_last_layer_of_another_width_is_refused(copy):
    header, data = parts(copy)
    last = next(name for name in header if name.endswith("classifier.weight"))
    rows, width = header[last]["shape"]
    header[last]["shape"] = [rows // 2, width * 2]
    write_weights(copy, header, data)
    refused(copy, r"model\.safetensors has no last layer of 4 labels")


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        ([], "not a list of 1 to|holds no sentences"),
        ({}, "not a list of 1 to|holds no sentences"),
        ([1], "entry 0 has not the keys"),
        ([{"text": 1, "input_ids": [], "probabilities": {}}], "entry 0: text"),
        ([{"text": "Ja.", "input_ids": [-1], "probabilities": {}}], "entry 0: input_ids"),
        ([{"text": "Ja.", "input_ids": [True], "probabilities": {}}], "entry 0: input_ids"),
        ([{"text": "Ja.", "input_ids": [1], "probabilities": {"threat": 0.5}}], "entry 0: probabilities"),
        ([{"text": "Ja.", "input_ids": [1], "probabilities": dict.fromkeys(KEYS, 2.0)}], "not a number from 0 to 1"),
        ([{"text": "Ja.", "input_ids": [1], "probabilities": dict.fromkeys(KEYS, "0.5")}], "not a number from 0 to 1"),
        (
            [{"text": "Ja.", "input_ids": [1], "probabilities": dict.fromkeys(KEYS, 0.5), "probabilities_int8": {}}],
            "entry 0: probabilities_int8",
        ),
    ],
)
def test_golden_sentences_of_another_form_are_refused(copy, golden, message):
    (copy / "golden.json").write_text(json.dumps(golden))
    reseal(copy)
    refused(copy, rf"golden\.json.*({message})")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"problem_type": "a", "problem_type": "b"}', "key 'problem_type' stands twice"),
        ('{"dropout": 1e999}', "larger than any number"),
        ("[" * 200_000, "recursion"),
        ('{"n": ' + "9" * 10_000 + "}", "digits"),
    ],
)
def test_json_that_readers_understand_differently_is_refused(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(BundleError, match=rf"config\.json is not valid JSON.*{message}"):
        safety.read_json(path)


# 46. Graphs


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"not a graph " * 500, bytes(range(256)) * 40])
def test_garbage_for_a_graph_is_refused(copy, content):
    (copy / ONNX).write_bytes(content)
    reseal(copy)
    refused(copy, r"model\.onnx|cannot be loaded")


def test_graph_cut_off_is_refused(copy):
    raw = (copy / ONNX).read_bytes()
    for length in (len(raw) - 1, len(raw) // 2, 100):
        (copy / ONNX).write_bytes(raw[:length])
        reseal(copy)
        refused(copy, r"model\.onnx|cannot be loaded")


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "../labels.json", "../../secret", "weights.json", "*/_ORT_MEM_ADDR_/*"]
)
def test_graph_with_weights_in_another_file_is_refused(copy, place):
    (copy / "onnx" / "weights.json").write_bytes(b"\0" * 100_000)
    graph = load_model(str(copy / ONNX))
    tensor = max(graph.graph.initializer, key=lambda item: len(item.raw_data))
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", str(size))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (copy / ONNX).write_bytes(graph.SerializeToString())
    reseal(copy)
    refused(copy, r"model\.onnx keeps weights in another file")


def test_external_data_cannot_hide_behind_longer_numbers(tmp_path):
    """Protobuf lets a tag or length take more bytes than it needs; and the word alone is no fault."""
    path = tmp_path / "model.onnx"
    for before in (b"\x0a\x08", b"\x0a\x88\x00", b"\x0a\x88\x80\x80\x00", b"\x8a\x00\x08", b"\x8a\x80\x00\x88\x80\x00"):
        path.write_bytes(b"x" * 50 + before + b"location" + b"y" * 50)
        with pytest.raises(BundleError, match="another file"):
            safety.check_onnx(path)
    path.write_bytes(b"allocation, relocation and location" * 10)
    safety.check_onnx(path)


def graph_of(nodes, constants, output=None, kind=TensorProto.INT64, name="input_ids"):
    given = [helper.make_tensor_value_info(name, kind, ["batch", "length"])]
    made = [output or helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)]
    values = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", given, made, values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def refused_graph(copy, model, message):
    (copy / ONNX).write_bytes(model.SerializeToString())
    reseal(copy)
    refused(copy, message)


def test_graph_with_foreign_operators_is_refused(copy):
    node = helper.make_node("Evil", ["input_ids"], ["logits"], domain="evil.ops")
    model = graph_of([node], {})
    model.opset_import.add(domain="evil.ops", version=1)
    refused_graph(copy, model, "evil.ops:Evil|cannot be loaded")


def test_graph_with_other_inputs_or_outputs_is_refused(copy):
    cast = helper.make_node("Cast", ["input_ids"], ["logits"], to=TensorProto.FLOAT)
    refused_graph(copy, graph_of([cast], {}), "logits of shape")
    other = helper.make_node("Cast", ["pixels"], ["logits"], to=TensorProto.FLOAT)
    refused_graph(copy, graph_of([other], {}, name="pixels"), "the graph's inputs are")
    whole = helper.make_node("Identity", ["input_ids"], ["logits"])
    info = helper.make_tensor_value_info("logits", TensorProto.INT64, None)
    refused_graph(copy, graph_of([whole], {}, info), "the graph's outputs are")
    constant = helper.make_node("Identity", ["table"], ["logits"])
    table = {"table": np.full((1, len(KEYS)), np.nan, dtype=np.float32)}
    refused_graph(copy, graph_of([constant], table), "not finite")


def test_graph_that_never_ends_is_stopped(copy, monkeypatch):
    monkeypatch.setattr(safety, "SESSION_SECONDS", 0.3)
    one = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    go = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("c", "d")]
    number = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    steps = [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Add", ["x", "x"], ["y"])]
    body = helper.make_graph(steps, "body", [number, go[0], one[0]], [go[1], one[1]])
    loop = helper.make_node("Loop", ["n", "go", "start"], ["logits"], body=body)
    constants = {"n": np.int64(2**62), "go": np.bool_(True), "start": np.zeros(1, np.float32)}
    constants = {name: np.asarray(value) for name, value in constants.items()}
    refused_graph(copy, graph_of([loop], constants), "terminate flag")


def test_negative_and_unknown_token_ids_are_refused_before_the_graph():
    safety.check_ids(np.array([[0, 5, 399]]), 399, 64)
    safety.check_ids(np.empty((0, 0), dtype=np.int64), 399, 64)
    for row, message in (([0, -1], "Token id -1"), ([0, 400], "Token id 400"), ([0] * 65, "65 tokens")):
        with pytest.raises(DataError, match=message):
            safety.check_ids(np.array([row]), 399, 64)
