"""The service as a process for load tests: started on a free port of this machine, stopped in order."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from strijdtaal.errors import DataError

START = (sys.executable, "-m", "strijdtaal", "serve")
MEMORY = re.compile(r"^process_resident_memory_bytes ([\d.e+]+)$", re.MULTILINE)


@contextlib.contextmanager
def service(bundle: Path, options: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """The service as a process on a free port of this machine: its host and port.

    Raises:
        DataError: it did not start, or did not end with 0.
    """
    command = [*START, str(bundle), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None  # noqa: S101
    try:
        first = process.stderr.readline()
        place = re.search(r"http://([\d.]+):(\d+)", first)
        if place is None:
            raise DataError(f"The service did not start: {first}{process.stderr.read()}")
        host, port = place[1], int(place[2])
        _wait_until_ready(process, host, port)
        yield host, port
    finally:
        process.terminate()
        rest = process.communicate(timeout=60)[1]
    if process.returncode:
        raise DataError(f"The service ended with {process.returncode}: {rest}")


def _get(host: str, port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def _wait_until_ready(process: subprocess.Popen[str], host: str, port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError):
            _get(host, port, "/ready")
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise DataError("The service did not become ready.")


def memory(host: str, port: int) -> float:
    """Memory of the service in MiB, from its metrics."""
    found = MEMORY.search(_get(host, port, "/metrics"))
    return float(found[1]) / 2**20 if found else float("nan")
