"""The run folder: what a fine-tuning leaves behind, and the reader that trusts it only when whole.

    config.yaml  data.json  environment.json  metrics.json  model/  run.json  manifest.json

Evaluation adds ``predictions/``, ``report/`` and ``bundle/`` beside them later.
"""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from strijdtaal.errors import UsageError
from strijdtaal.folder import FolderError, verify_folder
from strijdtaal.labels import KEYS
from training.config import ROOT
from training.decision import Decision
from training.settings import RunConfig, load_run_config

KIND = "strijdtaal run"
ADDED = ("predictions", "report", "bundle")
LIBRARIES = ("torch", "transformers", "datasets", "tokenizers", "scikit-learn", "evaluate", "accelerate", "numpy")


def commit() -> str:
    """The commit of the working tree, with ``+changes`` when it is not clean; '' outside git."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+changes" if dirty else "")


def environment() -> dict[str, Any]:
    """Versions and machine, for ``environment.json``."""
    versions: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "versions": versions,
    }


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold ``folder`` (made if need be) for this process; the hold ends with the process, however it ends.

    Raises:
        UsageError: another process holds it, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise UsageError(f"{folder} is in use by another process. Wait for it, or choose another name.") from error
    except OSError as error:
        if error.strerror is None:
            raise
        raise UsageError(f"Cannot write {folder}: {error.strerror}. Check the path and the space left.") from error


def write_json(path: Path, value: Any) -> None:
    """Readable JSON with a final line end."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Run:
    """A finished run, verified against its manifest."""

    folder: Path
    config: RunConfig
    data: dict[str, Any]
    metrics: dict[str, Any]
    environment: dict[str, Any]
    model_sha256: str

    @property
    def name(self) -> str:
        """The run's name, as its folder is called."""
        return self.folder.name

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The decision threshold of each label that the run settled on."""
        return tuple(float(self.metrics["thresholds"][key]) for key in KEYS)

    @property
    def decision(self) -> Decision:
        """How the run turns its uncalibrated logits into probabilities and decisions, and why."""
        return Decision.from_dict(self.metrics["decision"])


def open_run(folder: Path | str) -> Run:
    """Read a finished run.

    Raises:
        UsageError: the folder is not a run, is unfinished, or was changed after it was made.
    """
    folder = Path(folder)
    try:
        manifest = verify_folder(folder, KIND, added=ADDED)
    except FolderError as error:
        raise UsageError(str(error)) from error
    data, metrics, made_by = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("data", "metrics", "environment")
    )
    config = load_run_config(folder / "config.yaml", [])
    if not {"thresholds", "decision"} <= metrics.keys():
        raise UsageError(f"{folder} was made by an older version (metrics.json has no decision rule). Train it again.")
    return Run(
        folder=folder,
        config=config,
        data=data,
        metrics=metrics,
        environment=made_by,
        model_sha256=manifest["files"]["model/model.safetensors"]["sha256"],
    )
