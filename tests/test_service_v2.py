"""The Open Inference Protocol v2: shapes and datatypes of the specification, answers of the classifier."""

import json

import numpy as np
import pytest

from strijdtaal import Classifier, __version__
from strijdtaal.labels import KEYS
from tests.service_process import serving

SENTENCES = ["Ankara stuurt pantserwagens naar het regeringsleger.", "Het regende.", "Wij slaan terug, zei hij."]
MODEL = "/v2/models/strijdtaal"


@pytest.fixture(scope="module")
def classifier(bundle):
    return Classifier.load(bundle, threads=1)


@pytest.fixture(scope="module")
def service(bundle):
    with serving(bundle) as running:
        yield running


def tensor(**changes):
    return {"name": "text", "shape": [len(SENTENCES)], "datatype": "BYTES", "data": SENTENCES} | changes


def test_server_and_model_metadata(service, classifier):
    assert service.get("/v2")[::2] == (200, {"name": "strijdtaal", "version": __version__, "extensions": []})
    assert service.get("/v2/health/live")[::2] == (200, {"live": True})
    assert service.get("/v2/health/ready")[::2] == (200, {"live": True, "ready": True})
    status, _, model = service.get(MODEL)
    assert status == 200
    assert (model["name"], model["platform"]) == ("strijdtaal", "onnx_onnxv1")
    assert model["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert model["outputs"] == [
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 4]},
        {"name": "decisions", "datatype": "BOOL", "shape": [-1, 4]},
        {"name": "labels", "datatype": "BYTES", "shape": [-1]},
    ]
    assert model["parameters"]["labels"] == list(KEYS)
    assert model["parameters"]["thresholds"] == list(classifier.contract.thresholds)
    (version,) = model["versions"]
    assert service.get(f"{MODEL}/versions/{version}")[2] == model
    for path in (f"{MODEL}/ready", f"{MODEL}/versions/{version}/ready"):
        assert service.get(path)[::2] == (200, {"name": "strijdtaal", "ready": True})


def test_inference_gives_all_outputs_row_by_row(service, classifier):
    status, _, answer = service.post(f"{MODEL}/infer", {"id": "vraag-7", "inputs": [tensor()]})
    assert status == 200
    assert (answer["model_name"], answer["id"]) == ("strijdtaal", "vraag-7")
    expected = classifier.predict(SENTENCES)
    values = np.array([[item.probabilities[key] for key in KEYS] for item in expected])
    decided = [[key in item.labels for key in KEYS] for item in expected]
    probabilities, decisions, labels = answer["outputs"]
    assert (probabilities["name"], probabilities["datatype"], probabilities["shape"]) == (
        "probabilities",
        "FP64",
        [3, 4],
    )
    assert probabilities["data"] == pytest.approx(values.ravel().tolist(), abs=1e-6)
    assert decisions == {
        "name": "decisions",
        "datatype": "BOOL",
        "shape": [3, 4],
        "data": [one for row in decided for one in row],
    }
    names = [",".join(item.labels) for item in expected]
    assert labels == {"name": "labels", "datatype": "BYTES", "shape": [3], "data": names}
    assert any(names)


def test_requested_outputs_and_a_version_are_honoured(service):
    version = service.get(MODEL)[2]["versions"][0]
    wanted = [{"name": "labels", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    body = {"inputs": [tensor()], "outputs": wanted, "parameters": {"priority": 1}, "model_name": "strijdtaal"}
    status, _, answer = service.post(f"{MODEL}/versions/{version}/infer", body)
    assert status == 200
    assert [output["name"] for output in answer["outputs"]] == ["labels", "probabilities"]
    assert answer["model_version"] == version
    assert "id" not in answer


def test_columns_and_nested_data_are_read_as_a_row_of_strings(service):
    _, _, plain = service.post(f"{MODEL}/infer", {"inputs": [tensor()]})
    for change in ({"shape": [3, 1]}, {"shape": [3, 1], "data": [[text] for text in SENTENCES]}):
        status, _, answer = service.post(f"{MODEL}/infer", {"inputs": [tensor(**change)]})
        assert (status, answer) == (200, plain)


def test_no_sentences_give_empty_tensors(service):
    _, _, answer = service.post(f"{MODEL}/infer", {"inputs": [tensor(shape=[0], data=[])]})
    assert [(output["shape"], output["data"]) for output in answer["outputs"]] == [
        ([0, 4], []),
        ([0, 4], []),
        ([0], []),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "inputs: Field required"),
        ({"inputs": []}, "inputs: List should have at least 1 item"),
        ({"inputs": [tensor(), tensor()]}, "inputs: List should have at most 1 item"),
        ({"inputs": [tensor(name="tekst")]}, "inputs.0.name: Input should be 'text'"),
        ({"inputs": [tensor(datatype="FP32")]}, "inputs.0.datatype: Input should be 'BYTES'"),
        ({"inputs": [tensor(shape=[2])]}, "the shape says 2, the data has 3"),
        ({"inputs": [tensor(shape=[1, 3])]}, "the shape says 1x3"),
        ({"inputs": [tensor(shape=[-3])]}, "inputs.0.shape.0"),
        ({"inputs": [tensor(data=[SENTENCES[0], 2, 3])]}, "inputs.0.data"),
        ({"inputs": [tensor()], "outputs": [{"name": "logits"}]}, "outputs.0.name"),
        ({"inputs": [tensor()], "id": 7}, "id: Input should be a valid string"),
    ],
)
def test_wrong_requests_get_the_protocols_error_object(service, body, reason):
    status, _, answer = service.post(f"{MODEL}/infer", body)
    assert status == 422
    assert list(answer) == ["error"]
    assert reason in answer["error"]
    assert SENTENCES[0] not in json.dumps(answer)


def test_unknown_models_and_versions_get_404(service):
    for path in ("/v2/models/ander", f"{MODEL}/versions/1", f"{MODEL}/versions/1/ready", "/v2/models/ander/ready"):
        status, _, answer = service.get(path)
        assert (status, list(answer)) == (404, ["error"])
    for path in ("/v2/models/ander/infer", f"{MODEL}/versions/2/infer"):
        status, _, answer = service.post(path, {"inputs": [tensor()]})
        assert (status, list(answer)) == (404, ["error"])
