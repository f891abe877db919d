"""What tests of the JavaScript side need: Node, npm packages (installed once, by one worker), a browser."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from eval.parity.javascript import FOLDER

STAMP = FOLDER / "node_modules" / ".installed-lock"


def give_up(reason: str) -> None:
    """Skip the test, or fail it where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def need(*programs: str) -> None:
    """Any one of ``programs`` must be installed."""
    if not any(shutil.which(name) for name in programs):
        give_up(f"{' or '.join(programs)} is not installed")


def install_packages() -> Path:
    """``npm ci`` where the packages are missing or the lock file has changed; returns node_modules."""
    need("node")
    need("npm")
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    guard = hashlib.sha256(str(FOLDER).encode()).hexdigest()[:16]
    with FileLock(Path(tempfile.gettempdir()) / f"strijdtaal-npm-{guard}.lock", timeout=280):
        if not STAMP.exists() or STAMP.read_text() != wanted:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=270)
            if done.returncode:
                give_up(f"npm ci failed: {done.stderr[-500:]}")
            STAMP.write_text(wanted)
    return STAMP.parent
