"""The service as a process for tests, and a few lines of HTTP; run as a script it serves with faults.

    python tests/service_process.py '{"delay": 0.5}' BUNDLE --port 0 ...

``delay``: seconds that the model sleeps in each batch. ``fault``: a sentence on which the model raises an error that
quotes it. ``nan``: a sentence for which it gives NaN. ``load``: seconds that loading takes.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parent.parent
READY = 60  # seconds


def faulty_classifier(faults: dict[str, Any]) -> type:
    """A Classifier whose model is slow or fails, once it is loaded."""
    from strijdtaal import Classifier

    class Faulty(Classifier):
        rows: ClassVar[dict[str, list[int]]] = {}
        delay = 0.0

        @classmethod
        def load(cls, *arguments, **options):
            time.sleep(faults.get("load", 0))
            classifier = super().load(*arguments, **options)
            for name in ("fault", "nan"):
                if name in faults:
                    cls.rows[name] = classifier.encode([faults[name]])[0]
            cls.delay = faults.get("delay", 0)
            return classifier

        def logits_of(self, rows):
            time.sleep(self.delay)
            if self.rows.get("fault") in list(rows):
                raise RuntimeError(f"Cannot compute {faults['fault']!r}.")
            logits = super().logits_of(rows)
            for number, row in enumerate(rows):
                if row == self.rows.get("nan"):
                    logits[number, 0] = float("nan")
            return logits

    return Faulty


@dataclass
class Service:
    """A running service: where it is, and what it wrote to standard error (whole once it has ended)."""

    process: subprocess.Popen
    port: int
    errors: str = ""

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers (lower case) and body, parsed if it is JSON. A ``body`` that is no bytes is sent as JSON."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if raw is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, raw, sent)
            answer = connection.getresponse()
            content, found = answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        parsed = json.loads(content) if found.get("content-type") == "application/json" else content
        return answer.status, found, parsed

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
        return self.request("GET", path, **headers)

    def ready(self) -> bool:
        try:
            return self.get("/ready")[0] == 200
        except ConnectionError:
            return False

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
        return self.request("POST", path, body, **headers)

    def predict(self, *sentences: str) -> tuple[int, Any]:
        status, _, answer = self.post("/predict", {"sentences": list(sentences)})
        return status, answer

    def metric(self, name: str) -> float:
        """The value of one line of /metrics; 0 without it."""
        text = self.get("/metrics")[2].decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def wait_for(self, name: str, value: float, seconds: float = 10) -> None:
        """Wait until a metric has at least a value."""
        end = time.monotonic() + seconds
        while self.metric(name) < value:
            assert time.monotonic() < end, f"{name} is {self.metric(name)}, not {value}"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.errors += self.process.communicate(timeout=60)[1]
        return self.process.returncode


def command(bundle: Path, options: Sequence[str] = (), **faults: Any) -> list[str]:
    """The command line of the service on a free port; through this file only when it is to be faulty."""
    door = [__file__, json.dumps(faults)] if faults else ["-m", "strijdtaal", "serve"]
    return [sys.executable, "-W", "error", *door, str(bundle), "--port", "0", *options]


@contextmanager
def serving(
    bundle: Path, *options: str, key: str | None = None, ready: bool = True, **faults: Any
) -> Iterator[Service]:
    """A service that runs while the context is open."""
    environment = {name: value for name, value in os.environ.items() if name != "STRIJDTAAL_API_KEY"}
    environment |= {} if key is None else {"STRIJDTAAL_API_KEY": key}
    process = subprocess.Popen(
        command(bundle, options, **faults), stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    service = Service(process, 0)
    try:
        while (place := re.search(r"^Serving .* on http://\S+:(\d+) ", service.errors, re.MULTILINE)) is None:
            line = process.stderr.readline()
            assert line, f"the service ended: {service.errors}"
            service.errors += line
        service.port = int(place[1])
        end = time.monotonic() + READY
        while ready and not service.ready():
            assert process.poll() is None, f"the service ended: {process.stderr.read()}"
            assert time.monotonic() < end
            time.sleep(0.05)
        yield service
    finally:
        if process.returncode is None:
            service.stop()


def main() -> int:
    """Serve, as the command does."""
    import strijdtaal.classifier
    from strijdtaal.cli import main as strijdtaal_main

    strijdtaal.classifier.Classifier = faulty_classifier(json.loads(sys.argv[1]))
    return strijdtaal_main(["serve", *sys.argv[2:]])


if __name__ == "__main__":
    raise SystemExit(main())
