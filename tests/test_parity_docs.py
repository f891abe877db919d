"""The Python snippets of models/LOADERS.md are run as they stand, and all give the same labels."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from eval.parity.tei_router import Router
from strijdtaal import Classifier
from strijdtaal.mlflow_model import quiet_pyfunc, save_mlflow

TEXT = (Path(__file__).resolve().parent.parent / "models" / "LOADERS.md").read_text("utf-8")
TEI = "http://127.0.0.1:8080"


def snippet(heading):
    """The last Python block below a heading."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)[-1]


def labels_of(code):
    """Run the shared lines and then a snippet; what it calls ``labels``."""
    shared = re.search(r"The snippets share this:\n\n```python\n(.*?)```", TEXT, re.DOTALL)[1]
    names = {"__name__": "snippet"}
    for part in (shared, code):
        exec(compile(part, "LOADERS.md", "exec"), names)
    return names["labels"], names["sentences"]


@pytest.fixture
def here(bundle, tmp_path, monkeypatch):
    """A folder where ``bundle`` lies, as the snippets name it."""
    (tmp_path / "bundle").symlink_to(bundle)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(here, code):
    labels, sentences = labels_of(code)
    expected = [item.labels for item in Classifier.load(here / "bundle").predict(sentences)]
    assert [sorted(row) for row in labels] == [sorted(row) for row in expected]
    assert any(expected)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "heading",
    ["strijdtaal.Classifier", "transformers.pipeline", "AutoModelForSequenceClassification", "ONNX Runtime alone"],
)
def test_snippet(here, heading):
    check(here, snippet(heading))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_snippet_for_mlflow(here):
    quiet_pyfunc()
    save_mlflow(here / "bundle", here / "mlflow-model")
    check(here, snippet("MLflow"))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_snippet_for_tei(here):
    router = Router(here / "bundle")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(router.predict(body)).encode()
            self.send_response(200 if self.path == "/predict" else 404)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = snippet("text-embeddings-inference")
        assert TEI in code
        check(here, code.replace(TEI, f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
