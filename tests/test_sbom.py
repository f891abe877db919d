"""The bill of materials: valid by the standard's own schema, complete, and the same each time."""

import json
import shutil
from dataclasses import replace

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from eval.gather import predictions_of
from eval.licences import BASE, closure, requirements
from eval.sbom import bundle_sbom, environment_sbom
from strijdtaal.folder import sha256_of
from strijdtaal.labels import KEYS
from training.run import open_run


@pytest.fixture(scope="module")
def run(run_folder):
    return open_run(run_folder)


@pytest.fixture(scope="module")
def scored(run):
    """As if of 18 articles: intervals need ten, and the small corpus has fewer."""
    item = predictions_of(run)["test"]["encoder"]
    return replace(item, articles=[f"article {number % 18}" for number in range(len(item.ids))])


@pytest.fixture(scope="module")
def text(run, bundle, scored):
    return bundle_sbom(run, bundle, scored)


def faults(text):
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True)
    return [str(error) for error in found or ()]


def test_it_is_valid_cyclonedx(text):
    assert faults(text) == []
    broken = json.loads(text)
    broken["metadata"]["component"]["modelCard"]["modelParameters"]["approach"]["type"] = "magic"
    assert faults(json.dumps(broken))  # the validator looks at the part that the library does not write


def test_it_is_the_same_each_time_and_another_for_other_weights(text, run, bundle, scored, tmp_path):
    assert bundle_sbom(run, bundle, scored) == text
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    (copy / "model.safetensors").write_bytes(b"other")
    other = json.loads(bundle_sbom(run, copy))
    assert other["serialNumber"] != json.loads(text)["serialNumber"]
    assert "timestamp" not in other["metadata"]


def test_model_files_data_and_encoder_are_described(text, run, bundle):
    document = json.loads(text)
    model = document["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": sha256_of(bundle / "model.safetensors")}]
    for entry in model["components"]:
        assert entry["hashes"][0]["content"] == sha256_of(bundle / entry["name"])
    assert {"model.safetensors", "onnx/model.onnx", "tokenizer.json"} <= {
        entry["name"] for entry in model["components"]
    }
    (encoder,) = model["pedigree"]["ancestors"]
    assert encoder["hashes"][0]["content"]
    parts = {entry["bom-ref"]: entry for entry in document["components"]}
    stated = {entry["name"]: entry["value"] for entry in parts["annotations"]["properties"]}
    assert stated["strijdtaal:data_fingerprint"] == run.data["data_fingerprint"]
    assert stated["strijdtaal:split_fingerprint"] == run.data["split_fingerprint"]
    assert parts["annotations"]["licenses"] == [{"license": {"id": "CC-BY-4.0"}}]
    assert "/tmp" not in text


def test_packages_are_those_that_the_runtime_needs(text):
    document = json.loads(text)
    found = {entry["name"]: entry for entry in document["components"] if entry["type"] == "library"}
    packages = closure(requirements()[BASE])
    assert set(found) == {*packages, "strijdtaal"}
    for name, item in packages.items():
        assert found[name]["version"] == item.version
        assert found[name]["purl"] == f"pkg:pypi/{name}@{item.version.replace('+', '%2B')}"
        assert found[name]["licenses"]
    needs = {entry["ref"]: set(entry.get("dependsOn", [])) for entry in document["dependencies"]}
    names = {ref.split("@")[0] for ref in needs[found["strijdtaal"]["bom-ref"]]}
    assert names == {"numpy", "onnxruntime", "tokenizers", "syntok"}
    assert needs["model"] == {"annotations", found["strijdtaal"]["bom-ref"]}


def test_model_card_states_scores_with_intervals(text):
    card = json.loads(text)["metadata"]["component"]["modelCard"]
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    assert [entry["slice"] for entry in metrics] == ["test", *[f"test, {key}" for key in KEYS]]
    for entry in metrics:
        low, high = (float(entry["confidenceInterval"][name]) for name in ("lowerBound", "upperBound"))
        assert low <= float(entry["value"]) <= high
    assert card["modelParameters"]["datasets"] == [{"ref": "annotations"}]


@pytest.mark.slow
def test_environment_of_the_project():
    text = environment_sbom()
    assert faults(text) == []
    names = {entry["name"] for entry in json.loads(text)["components"]}
    assert {"torch", "onnxruntime", "model-signing", "ray", "pytest"} <= names
