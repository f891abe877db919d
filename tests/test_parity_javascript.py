"""A bundle in transformers.js, in Node and in a headless Chromium, and what goes wrong there."""

import http.client
import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from eval.parity import browser as page
from eval.parity import javascript
from strijdtaal import Classifier
from strijdtaal.bundle import QUANTIZED
from strijdtaal.errors import StrijdtaalError
from tests.javascript import install_packages, need

ROOT = Path(__file__).resolve().parent.parent
LONG = "De colonne trok verder langs de vallei, " * 30


@pytest.fixture(scope="session")
def packages():
    return install_packages()


@pytest.fixture(scope="session")
def with_int8(bundle, tmp_path_factory):
    """A copy of the bundle that surely has an int8 model; its path has a space and letters beyond ASCII."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folder = tmp_path_factory.mktemp("java script") / "bundel één"
    shutil.copytree(bundle, folder)
    if not (folder / QUANTIZED).exists():
        quantize_dynamic(folder / "onnx" / "model.onnx", folder / QUANTIZED, weight_type=QuantType.QInt8)
    return folder


@pytest.mark.slow
def test_every_loader_runs_and_agrees(bundle, packages, tmp_path, run_module):
    need(*page.BROWSERS)
    done = run_module("eval", "parity", bundle, "--require-all", "--json", tmp_path / "parity.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "parity.json").read_text("utf-8"))
    fp32 = [row for row in found["loaders"] if row["precision"] == "fp32"]
    assert len(fp32) == 9
    assert all(row["difference"] <= 1e-5 and row["differing"] == 0 for row in fp32)
    assert {"transformers.js 4.3.1"} == {row["version"] for row in fp32 if row["loader"].startswith("transformers.js")}
    assert "Largest difference in probability, fp32: " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("where", ["node", "browser"])
def test_int8_model_runs_in_javascript(bundle, with_int8, packages, where):
    if where == "browser":
        need(*page.BROWSERS)
    classifier = Classifier.load(bundle)
    texts = [entry["text"] for entry in classifier.contract.golden]
    score = {"node": javascript.node_scores, "browser": javascript.browser_scores}[where]
    int8 = score(with_int8, texts, "int8")
    apart = np.abs(int8.probabilities - classifier.probabilities(texts)).max()
    assert 1e-6 < apart < 0.3  # another model, and nearly the same
    assert int8.ids == classifier.encode(texts)


PLAIN = """
import { env, pipeline } from "@huggingface/transformers";
import { text } from "node:stream/consumers";
const { model, texts } = JSON.parse(await text(process.stdin));
env.allowRemoteModels = false;
const classifier = await pipeline("text-classification", model, { dtype: "fp32" });
const encoded = texts.map((one) => Array.from(classifier.tokenizer(one, { truncation: true }).input_ids.data, Number));
process.stdout.write(JSON.stringify({ encoded, best: await classifier(texts) }));
"""


@pytest.mark.slow
def test_the_plain_pipeline_loses_the_closing_token_of_long_sentences(bundle, packages):
    texts = ["Het regende.", LONG.strip()]
    command = ["node", "--input-type=module", "-e", PLAIN]
    job = json.dumps({"model": str(bundle), "texts": texts})
    done = subprocess.run(command, input=job, cwd=javascript.FOLDER, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    plain = json.loads(done.stdout)
    ours = Classifier.load(bundle).encode(texts)
    assert plain["encoded"][0] == ours[0]
    assert plain["encoded"][1][:-1] == ours[1][:-1]
    assert plain["encoded"][1][-1] != ours[1][-1]  # when this fails, keepClosingToken may go
    repaired = javascript.node_scores(bundle, texts, "fp32")  # both in one batch
    assert repaired.ids == ours
    assert np.abs(repaired.probabilities - Classifier.load(bundle).probabilities(texts)).max() < 1e-5
    assert [type(item) for item in plain["best"]] == [dict, dict]  # one label each: top_k is 1 by default


@pytest.mark.slow
def test_a_bundle_without_its_model_is_named(bundle, packages, tmp_path):
    shutil.copytree(bundle, tmp_path / "bundle", ignore=shutil.ignore_patterns("*.onnx"))
    with pytest.raises(StrijdtaalError, match=r"Node ended with 1: .*model\.onnx"):
        javascript.node_scores(tmp_path / "bundle", ["Het regende."], "fp32")
    need(*page.BROWSERS)
    with pytest.raises(StrijdtaalError, match=r"The page failed: .*model\.onnx"):
        javascript.browser_scores(tmp_path / "bundle", ["Het regende."], "fp32")


@pytest.mark.slow
def test_snippets_for_javascript(bundle, packages, tmp_path):
    text = (ROOT / "models" / "LOADERS.md").read_text("utf-8")
    node, lines = re.findall(r"```js\n(.*?)```", text, re.DOTALL)
    (tmp_path / "node_modules").symlink_to(packages)
    (tmp_path / "bundle").symlink_to(bundle)
    shutil.copy(javascript.FOLDER / "strijdtaal.mjs", tmp_path)
    (tmp_path / "app.mjs").write_text(node, "utf-8")
    done = subprocess.run(["node", "app.mjs"], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    sentences = json.loads(re.search(r"predict\((\[.*?\])\)", node)[1])
    assert json.loads(done.stdout) == [item.labels for item in Classifier.load(bundle).predict(sentences)]
    script = (javascript.FOLDER / "page.mjs").read_text("utf-8")
    assert [line for line in lines.splitlines() if line not in [own.strip() for own in script.splitlines()]] == []


def pages(folder, script):
    (folder / "page.html").write_text('<!doctype html><script type="module" src="page.mjs"></script>')
    (folder / "page.mjs").write_text(script)
    need(*page.BROWSERS)
    return partial(page.in_browser, folder, folder, {})


POST = 'const post = (answer) => fetch("result", { method: "POST", body: JSON.stringify(answer) });'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "message"),
    [
        (POST + 'post({ error: "Error: kapot", refused: [] });', "The page failed: Error: kapot"),
        (
            POST
            + """
            const refused = [];
            addEventListener("securitypolicyviolation", (event) => refused.push(event.blockedURI));
            await fetch("http://127.0.0.1:9/", { mode: "no-cors" }).catch(() => {});
            await new Promise((done) => setTimeout(done, 100));
            post({ requests: [], refused });
            """,
            "asked for http://127.0.0.1:9/, which is not on this server",
        ),
        ("", "gave no answer within 3 s"),
    ],
)
def test_a_page_that_fails_strays_or_hangs(tmp_path, script, message):
    with pytest.raises(StrijdtaalError, match=re.escape(message)):
        pages(tmp_path, script)(3 if script == "" else 60)


def test_the_server_of_the_page_gives_nothing_else(bundle, tmp_path):
    import threading

    (tmp_path / "geheim.txt").write_text("geheim")
    with page._Server(tmp_path, bundle, {"texts": []}) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def ask(path, method="GET", **headers):
            connection = http.client.HTTPConnection(urlsplit(server.origin).netloc, timeout=10)
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            return answer, body

        answer, body = ask(f"{server.prefix}/bundle/labels.json")
        assert (answer.status, body) == (200, (bundle / "labels.json").read_bytes())
        assert answer.headers["Content-Security-Policy"] == page.POLICY
        assert ask(f"{server.prefix}/job.json")[1] == b'{"texts": []}'
        for path in (
            "/bundle/labels.json",
            "/",
            f"{server.prefix}/",
            f"{server.prefix}/bundle/",
            f"{server.prefix}/geheim.txt",
            f"{server.prefix}/bundle/../../geheim.txt",
            f"{server.prefix}/bundle/%2e%2e/%2e%2e/geheim.txt",
            f"{server.prefix}/bundle//etc/passwd",
        ):
            assert ask(path)[0].status == 404, path
        assert ask("/result", "POST", **{"Content-Length": "0"})[0].status == 404
        assert ask(f"{server.prefix}/result", "POST", **{"Content-Length": str(10**12)})[0].status == 404
        server.shutdown()


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    shutil.copy(javascript.FOLDER / "package.json", tmp_path)
    monkeypatch.setattr(javascript, "FOLDER", tmp_path)
    need("node")
    assert javascript.node_missing() == "npm packages are missing: run npm ci --ignore-scripts in eval/javascript"
    old = tmp_path / "node_modules" / javascript.PACKAGE
    old.mkdir(parents=True)
    (old / "package.json").write_text('{"version": "3.0.0"}')
    assert javascript.node_missing().startswith("@huggingface/transformers is 3.0.0, not 4.3.1: run npm ci")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert javascript.node_missing() == "node is not installed"
    assert javascript.browser_missing().startswith("no browser is installed (chromium, ")
    (tmp_path / "node").write_text(f"#!{sys.executable}\nprint('v18.19.0')\n")
    (tmp_path / "node").chmod(0o755)
    assert javascript.node_missing() == "node is v18.19.0; at least 20 is needed"
