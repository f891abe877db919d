"""A page in a headless Chromium: it loads a bundle from a server on this machine and posts its answer there."""

from __future__ import annotations

import json
import queue
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from strijdtaal.errors import StrijdtaalError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MAX_ANSWER = 500_000_000  # bytes
# The page may ask this server alone, and run its scripts and WebAssembly alone.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
FLAGS = (
    "--headless",
    "--no-sandbox",  # containers give a browser no namespaces of its own; the page is ours
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other host has an address
)
PAGE_FILES = ("page.html", "page.mjs", "strijdtaal.mjs")
PACKAGES = ("@huggingface/transformers/dist", "onnxruntime-web/dist")


def browser() -> str | None:
    """The browser to use: the first of ``BROWSERS`` that is installed."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


class _Handler(SimpleHTTPRequestHandler):
    """Serves the files that a page needs, below a secret prefix."""

    server: _Server
    extensions_map = {  # noqa: RUF012
        ".html": "text/html; charset=utf-8",
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
        ".json": "application/json",
        "": "application/octet-stream",
    }

    def translate_path(self, path: str) -> str:
        return str(self.server.file_of(PurePosixPath(unquote(urlsplit(path).path))) or Path("/nonexistent/file"))

    def list_directory(self, path: Any) -> None:
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def do_GET(self) -> None:
        if self.path != f"{self.server.prefix}/job.json":
            super().do_GET()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.job)))
        self.end_headers()
        self.wfile.write(self.server.job)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != f"{self.server.prefix}/result" or not length.isdigit() or int(length) > MAX_ANSWER:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.server.answers.put(self.rfile.read(int(length)))
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    """On loopback, at a free port."""

    daemon_threads = True

    def __init__(self, pages: Path, bundle: Path, job: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.prefix = f"/{secrets.token_urlsafe(16)}"
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.job = json.dumps(job).encode()
        self.answers: queue.Queue[bytes] = queue.Queue()
        self._roots = {PurePosixPath(self.prefix, "bundle"): bundle}
        for name in PACKAGES:
            self._roots[PurePosixPath(self.prefix, "npm", name)] = pages / "node_modules" / name
        for name in PAGE_FILES:
            self._roots[PurePosixPath(self.prefix, name)] = pages / name

    def file_of(self, path: PurePosixPath) -> Path | None:
        """The file that stands at an address, None if nothing does."""
        for prefix, root in self._roots.items():
            if path.is_relative_to(prefix) and ".." not in path.parts:
                return root / path.relative_to(prefix)
        return None


def _wait(server: _Server, process: subprocess.Popen[bytes], seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return server.answers.get(timeout=0.2)
        except queue.Empty:
            if process.poll() is not None:
                raise StrijdtaalError(f"The browser ended with {process.returncode} before it answered.") from None
    raise StrijdtaalError(f"The browser gave no answer within {seconds:.0f} s.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def in_browser(pages: Path, bundle: Path, job: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Open ``page.html`` of the folder ``pages``, which also holds node_modules, and return its answer.

    The page sees ``job`` at job.json and the bundle below bundle/; its policy and the browser's flags let it
    ask this server alone.

    Raises:
        StrijdtaalError: no answer within ``seconds``, an error in the page, or a request elsewhere.
    """
    program = browser()
    if program is None:
        raise StrijdtaalError(f"No browser is installed ({', '.join(BROWSERS)}).")
    with (
        _Server(pages, bundle, job) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [program, *FLAGS, f"--user-data-dir={profile}", f"{server.origin}{server.prefix}/page.html"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            answer: dict[str, Any] = json.loads(_wait(server, process, seconds))
        finally:
            _stop(process)
            server.shutdown()
    if "error" in answer:
        raise StrijdtaalError(f"The page failed: {answer['error']}. Refused: {answer['refused'] or 'nothing'}.")
    strangers = [url for url in answer["requests"] if not url.startswith(f"{server.origin}/")] + answer["refused"]
    if strangers:
        raise StrijdtaalError(f"The page asked for {strangers[0]}, which is not on this server.")
    return answer
