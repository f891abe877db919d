"""A small service for tests of the page: its assets, settings, true predictions; on demand it refuses or breaks off."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from strijdtaal import Classifier
from strijdtaal.classifier import Prediction
from strijdtaal.labels import LABELS
from strijdtaal.page import CONTENT_SECURITY_POLICY, Asset, assets

TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}


class PageService(ThreadingHTTPServer):
    """``refuse`` maps a path to (status, headers, body) or to "break" (the connection is cut); ``log`` has requests."""

    daemon_threads = True

    def __init__(self, classifier: Classifier, bundle: Path, libraries: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.classifier = classifier
        self.bundle = bundle
        self.libraries = libraries
        self.assets = assets(classifier.contract)
        self.reset()

    def reset(self) -> None:
        self.refuse: dict[str, Any] = {}
        self.change: dict[str, Any] = {}  # over the settings
        self.key = ""
        self.gate = threading.Event()  # cleared: predictions wait
        self.gate.set()
        self.log: list[tuple[str, str, bytes]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def settings(self) -> dict[str, Any]:
        contract = self.classifier.contract
        labels = [
            {"key": label.key, "dutch": label.dutch, "english": label.english, "threshold": threshold}
            for label, threshold in zip(LABELS, contract.thresholds, strict=True)
        ]
        return {
            "model": "tiny",
            "sha256": contract.sha256,
            "codebook_version": contract.codebook_version,
            "labels": labels,
            "limits": {"article_characters": 200_000},
            "in_browser": self.libraries is not None,
            "quantized": (self.bundle / "onnx" / "model_quantized.onnx").is_file(),
            **self.change,
        }

    def decided(self, item: Prediction) -> dict[str, Any]:
        """A prediction, decided by the thresholds that the settings name (tests change them)."""
        thresholds = {label["key"]: label["threshold"] for label in self.settings()["labels"]}
        labels = [key for key, value in item.probabilities.items() if value >= thresholds[key]]
        return item.as_dict() | {"labels": labels}

    def answer(self, path: str, body: bytes) -> Asset | None:
        """What stands at ``path``; None for nothing."""
        if path in self.assets:
            return self.assets[path]
        if path == "/settings":
            return Asset("application/json", json.dumps(self.settings()).encode())
        if path == "/predict_article":
            self.gate.wait(60)
            answer = {
                "predictions": [
                    self.decided(item) for item in self.classifier.predict_article(json.loads(body)["text"])
                ]
            }
            return Asset("application/json", json.dumps(answer).encode())
        name = path.rpartition("/")[2]
        folders = [self.bundle / path.removeprefix("/bundle/")] if path.startswith("/bundle/") else []
        if path.startswith("/transformers/") and self.libraries is not None:
            folders = [
                self.libraries / part / "dist" / name for part in ("@huggingface/transformers", "onnxruntime-web")
            ]
        for file in folders:
            if file.is_file():
                return Asset(TYPES.get(file.suffix, "application/octet-stream"), file.read_bytes())
        return None


class Handler(BaseHTTPRequestHandler):
    """Answers for a PageService, under the page's policy."""

    server: PageService

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Cache-Control": "no-store", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the page was closed meanwhile
            self.wfile.write(content)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.log.append((self.command, self.path, body))
        refused = self.server.refuse.get(self.path)
        if refused == "break":
            self.close_connection = True
            return
        if refused is not None:
            self.reply(*refused)
            return
        guarded = self.path in ("/settings", "/predict_article") or self.path.startswith("/bundle/")
        if guarded and self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            self.reply(401, {"WWW-Authenticate": "Bearer"}, b'{"detail": "A key is needed."}')
            return
        found = self.server.answer(self.path, body)
        if found is None:
            self.reply(404, {}, b"")
            return
        self.reply(200, {"Content-Type": found.media_type}, found.content)

    def do_POST(self) -> None:
        self.do_GET()


@contextmanager
def serving(classifier: Classifier, bundle: Path, libraries: Path | None = None) -> Iterator[PageService]:
    """A PageService that runs while the context is open."""
    service = PageService(classifier, bundle, libraries)
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        service.gate.set()
        service.shutdown()
        thread.join()
        service.server_close()
