"""The service against its own OpenAPI document: what it says, and Schemathesis on a real process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from strijdtaal import Classifier
from strijdtaal.service import Limits, create_app
from tests.service_process import ROOT, serving

KEY = "een-sleutel-van-drieentwintig"
# 413 is a refusal too: a body that breaks a maximum of the document may have too many bytes as well.
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
"""


@pytest.fixture(scope="module")
def classifier(bundle):
    return Classifier.load(bundle, threads=1)


def test_every_status_size_and_the_key_stand_in_the_document(classifier):
    found = create_app(classifier, api_key=KEY).openapi()
    work = ("/predict", "/predict_article", *(path for path in found["paths"] if path.endswith("/infer")))
    assert len(work) == 4
    for path in work:
        statuses = set(found["paths"][path]["post"]["responses"])
        assert statuses >= {"200", "401", "408", "413", "415", "422", "429", "500", "503", "504"}
        assert ("404" in statuses) == path.startswith("/v2")
    for status in ("429", "503"):
        assert "Retry-After" in found["paths"]["/predict"]["post"]["responses"][status]["headers"]
    schemas = found["components"]["schemas"]
    assert schemas["Sentences"]["properties"]["sentences"]["maxItems"] == 256
    assert schemas["Article"]["properties"]["text"]["maxLength"] == 100_000
    assert found["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert found["security"] == [{"key": []}]
    operations = [(path, operation) for path, item in found["paths"].items() for operation in item.values()]
    free = {path for path, operation in operations if operation.get("security") == []}
    assert free == {"/health", "/ready", "/v2/health/live", "/v2/health/ready"}
    assert "2,000,000 bytes" in found["info"]["description"]


def test_limits_stand_in_the_document_and_without_a_key_none_is_asked_for(classifier):
    found = create_app(classifier, Limits(max_sentences=7, max_sentence=300)).openapi()
    assert "security" not in found
    sentences = found["components"]["schemas"]["Sentences"]["properties"]["sentences"]
    assert (sentences["maxItems"], sentences["items"]["maxLength"]) == (7, 300)


@pytest.mark.slow
def test_the_service_serves_its_document_and_schemathesis_finds_nothing(bundle, classifier, tmp_path):
    with serving(bundle, key=KEY) as service:
        document = service.get("/openapi.json", Authorization=f"Bearer {KEY}")[2]
        assert document == create_app(classifier, api_key=KEY).openapi()
        result = schemathesis(service.port, tmp_path)
        assert service.stop() == 0
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr
    assert "15 selected" in result.stdout
    assert service.errors.count("\n") == 1, service.errors


def schemathesis(port, folder):
    """Run Schemathesis with all its checks on a service."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [Path(sys.executable).parent / "schemathesis", "--config-file", config, "run"]
    options = ["--checks", "all", "--max-examples", "12", "--seed", "1", "--no-color", "--header"]
    url = f"http://127.0.0.1:{port}/openapi.json"
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.service_hooks", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, *options, f"Authorization: Bearer {KEY}", url],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
