"""Who gets in and what is handed out: the key, the page, the bundle's files, transformers.js; the command line."""

import argparse
import hashlib
import json
import socket
import subprocess
from contextlib import closing
from dataclasses import fields

import pytest

from strijdtaal.errors import UsageError
from strijdtaal.page import CONTENT_SECURITY_POLICY, assets
from strijdtaal.service.app import create_app
from strijdtaal.service.command import add_parser, read_key
from strijdtaal.service.limits import Limits, limits_of
from strijdtaal.text import clean
from tests.browser import needs_browser
from tests.devtools import Chromium
from tests.page_probes import DONE, SENTENCES
from tests.service_process import command, serving

KEY = "een-sleutel-van-drieentwintig"
FILES = ("config.json", "golden.json", "labels.json", "onnx/model.onnx", "tokenizer.json", "tokenizer_config.json")
QUANTIZED = "onnx/model_quantized.onnx"  # where a bundle holds one


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory):
    """A node_modules folder of the shape that npm makes, with things in it that must not be served."""
    folder = tmp_path_factory.mktemp("npm") / "node_modules"
    for name, text in {
        "@huggingface/transformers/dist/transformers.min.js": "export {};",
        "@huggingface/transformers/dist/both.mjs": "1;",
        "@huggingface/transformers/package.json": "{}",
        "onnxruntime-web/dist/both.mjs": "2;",
        "onnxruntime-web/dist/ort.wasm": "\0asm",
        "onnxruntime-web/dist/ort.js.map": "{}",
        "elders/secret.js": "geheim",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "onnxruntime-web/dist/link.js").symlink_to(folder / "elders/secret.js")
    return folder


@pytest.fixture(scope="module")
def service(bundle, node_modules):
    with serving(bundle, "--transformers-js", str(node_modules), key=KEY) as running:
        yield running
        assert running.stop() == 0
    assert KEY not in running.errors


def bearer(key=KEY):
    return {"Authorization": f"Bearer {key}"}


def test_without_the_key_nothing_is_answered_but_health_and_the_page(service, bundle):
    paths = ("/predict", "/predict_article", "/v2/models/strijdtaal/infer")
    for path in paths:
        status, headers, answer = service.post(path, b"x" * 3_000_000)  # refused for the key, not for its size
        assert (status, list(answer)) == (401, ["error"])
        assert headers["www-authenticate"] == 'Bearer realm="strijdtaal"'
    for path in ("/settings", "/metrics", "/openapi.json", "/v2", "/v2/models/strijdtaal", "/bundle/config.json", "/x"):
        assert service.get(path)[0] == 401
        assert service.get(path, **bearer())[0] == (404 if path == "/x" else 200)
    from strijdtaal import Classifier

    contract = Classifier.load(bundle, threads=1).contract
    for path in ("/health", "/ready", "/v2/health/live", "/v2/health/ready", *assets(contract)):
        assert service.get(path)[0] == 200, path


@pytest.mark.parametrize("given", ["Bearer fout", f"Basic {KEY}", KEY, f"Bearer {KEY}x", "Bearer ", "Bearer \xe9"])
def test_a_wrong_key_is_refused(service, given):
    status, headers, _ = service.post("/predict", {"sentences": []}, Authorization=given)
    assert status == 401
    assert headers["www-authenticate"].startswith("Bearer ")


def test_the_right_key_is_let_in(service):
    status, _, answer = service.post("/predict", {"sentences": []}, **bearer())
    assert (status, answer) == (200, {"predictions": []})
    assert service.get("/settings", **bearer())[2]["key"] is True


def test_the_page_comes_as_it_is_under_its_policy(service, bundle):
    from strijdtaal import Classifier

    for path, asset in assets(Classifier.load(bundle, threads=1).contract).items():
        status, headers, content = service.get(path)
        assert (status, content, headers["content-type"]) == (200, asset.content, asset.media_type)
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-cache"


def test_the_bundles_files_for_browsers_come_with_their_sha256(service, bundle):
    files = [*FILES, QUANTIZED] if (bundle / QUANTIZED).is_file() else FILES
    for name in files:
        status, headers, content = service.get(f"/bundle/{name}", **bearer())
        raw = (bundle / name).read_bytes()
        tag = f'"{hashlib.sha256(raw).hexdigest()}"'
        assert status == 200
        assert content == (json.loads(raw) if name.endswith(".json") else raw)
        assert headers["etag"] == tag
        status, headers, content = service.get(f"/bundle/{name}", **bearer(), If_None_Match=tag)
        assert (status, headers["etag"], content) == (304, tag, b"")
    settings = service.get("/settings", **bearer())[2]
    assert settings["files"] == sorted(files)
    assert settings["quantized"] == (QUANTIZED in files)
    if QUANTIZED not in files:
        assert service.get(f"/bundle/{QUANTIZED}", **bearer())[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/bundle/", "/bundle/model.safetensors", "/bundle/run.yaml", "/bundle/manifest.json", "/bundle/onnx",
        "/bundle/../bundle/config.json", "/bundle/onnx/../config.json", "/bundle/%2e%2e/bundle/config.json",
        "/bundle//etc/passwd", "/bundle/config.json%00",
    ],
)  # fmt: skip
def test_nothing_else_of_the_bundle_is_served(service, path):
    assert service.get(path, **bearer())[0] == 404


def test_transformers_js_is_served_from_its_two_folders_without_a_key(service):
    for name, kind, content in (
        ("transformers.min.js", "text/javascript", b"export {};"),
        ("both.mjs", "text/javascript", b"1;"),
        ("ort.wasm", "application/wasm", b"\0asm"),
    ):
        status, headers, found = service.get(f"/transformers/{name}")
        assert (status, found) == (200, content)
        assert headers["content-type"].split(";")[0] == kind
    assert service.get("/settings", **bearer())[2]["in_browser"] is True


@pytest.mark.parametrize(
    "name",
    [
        "", "ort.js.map", "nergens.js", "link.js", "../package.json", "..%2f..%2f..%2felders/secret.js",
        "../../../elders/secret.js", "/etc/x.js", "%00.js", "a" * 5_000 + ".js",
    ],
)  # fmt: skip
def test_nothing_else_beside_transformers_js_is_served(service, name):
    assert service.get(f"/transformers/{name}")[0] == 404


def parsed(*options):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_parser(parser.add_subparsers())
    return parser.parse_args(["serve", "bundle", *options])


def test_options_give_limits_and_the_defaults_are_the_same():
    assert limits_of(parsed()) == Limits()
    changed = limits_of(parsed("--max-body=5000", "--timeout=2.5", "--workers=3"))
    assert changed == Limits(max_body=5_000, timeout=2.5, workers=3)
    assert {item.name for item in fields(Limits)} < set(vars(parsed()))


@pytest.mark.parametrize("item", fields(Limits), ids=lambda item: item.name)
def test_limits_out_of_bounds_are_refused_by_name(item):
    low, high = item.metadata["low"], item.metadata["high"]
    for value in (low, high):
        Limits(**{item.name: value})
    for value in (low - 1, high + 1, float("nan"), float("inf"), True, "7", None):
        with pytest.raises(UsageError, match=rf"^{item.name} is .*; it must be a .*number from"):
            Limits(**{item.name: value})


def test_keys_come_from_the_environment_or_a_file(tmp_path, monkeypatch):
    monkeypatch.delenv("STRIJDTAAL_API_KEY", raising=False)
    assert read_key(None) is None
    path = tmp_path / "sleutel"
    path.write_text(f"{KEY}\n")
    assert read_key(path) == KEY
    monkeypatch.setenv("STRIJDTAAL_API_KEY", "uit-de-omgeving")
    assert read_key(None) == "uit-de-omgeving"
    assert read_key(path) == KEY
    for content in ("", "\n", "twee woorden", "sleuteltje\u00eb", "een\ntwee"):
        path.write_text(content)
        with pytest.raises(UsageError, match=r"sleutel holds no usable key") as caught:
            read_key(path)
        assert "woorden" not in str(caught.value)
    monkeypatch.setenv("STRIJDTAAL_API_KEY", "")
    with pytest.raises(UsageError, match="STRIJDTAAL_API_KEY holds no usable key"):
        read_key(None)
    with pytest.raises(UsageError, match="Cannot read"):
        read_key(tmp_path / "nergens")


def test_a_folder_without_transformers_js_is_refused(bundle, tmp_path):
    from strijdtaal import Classifier

    with pytest.raises(UsageError, match="node_modules folder"):
        create_app(Classifier.load(bundle, threads=1), transformers_js=tmp_path)


def ended(bundle, *options):
    """Exit code and messages of a service that cannot start."""
    result = subprocess.run(command(bundle, options), capture_output=True, text=True, timeout=60)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr


@pytest.mark.slow
def test_a_port_in_use_ends_with_a_message(bundle):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, message = ended(bundle, f"--port={port}")
    assert code == 2
    assert message == f"strijdtaal: Port {port} on 127.0.0.1 is in use. Stop what uses it, or give another --port.\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        ("--port=70000", 2, "--port is 70000"),
        ("--host=nergens.invalid", 2, "is not an address"),
        ("--host=192.0.2.1", 2, "Cannot listen on 192.0.2.1"),
        ("--timeout=0", 2, "timeout is 0.0; it must be a number from 0.05"),
        ("--workers=x", 2, "invalid int value"),
        ("--threads=-1", 2, "--threads is -1"),
        ("--transformers-js=/nergens", 2, "is not a folder"),
        ("--api-key-file=/nergens", 2, "Cannot read /nergens"),
    ],
)
def test_wrong_options_end_with_a_message(bundle, option, code, message):
    found, errors = ended(bundle, option)
    assert found == code
    assert message in errors


@pytest.mark.slow
def test_a_bundle_that_cannot_be_loaded_ends_the_process(tmp_path):
    found, errors = ended(tmp_path)
    assert found == 4
    assert "manifest.json" in errors


@pytest.mark.slow
def test_listening_beyond_this_machine_without_a_key_is_warned_of(bundle):
    with serving(bundle, "--host=0.0.0.0", ready=False) as service:
        assert service.errors.startswith("Warning: listening on 0.0.0.0 without an API key")
    with serving(bundle, "--host=0.0.0.0", key=KEY, ready=False) as service:
        assert "Warning" not in service.errors


@pytest.mark.slow
@needs_browser
def test_the_page_labels_an_article_with_the_service_behind_it(bundle):
    with serving(bundle) as running, closing(Chromium()) as browser:
        page = browser.page(f"http://127.0.0.1:{running.port}/")
        page.click("#example")
        page.wait("document.querySelector('#article').value")
        page.click("#run")
        page.wait(DONE)
        found = page.run(SENTENCES)
        text = running.get("/example.txt")[2].decode()
        expected = running.post("/predict_article", {"text": text})[2]["predictions"]
        assert [item["text"] for item in found] == [clean(item["text"]) for item in expected]
        assert [len(item["tags"]) for item in found] == [len(item["labels"]) for item in expected]
        assert page.errors == []
