"""The folder of a job: where everything lies in it, and who may write to it.

- ``job.json``: what the job is (bundle, input, options); written before the first shard
- ``part-00000.jsonl``, ...: finished shards, in the order of the input
- ``rejected.jsonl``: rows that were skipped, with the reason
- ``manifest.json``: counts, and sha256 of every file; written last
- ``.job/``: what an unfinished job needs to go on
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import FolderError, write_file

JOB = "job.json"
REJECTED = "rejected.jsonl"
WORK = ".job"
TEMPORARY = ".tmp"
_LASTING = re.compile(r"lock|(?:setup|plan|stat|\d{5,})\.json|\d{5,}\.rejected\.jsonl")


class JobFolder:
    """Paths of a job's folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.work = out / WORK
        self.job = out / JOB
        self.rejected = out / REJECTED
        self.setup = self.work / "setup.json"
        self.plan = self.work / "plan.json"
        self.stat = self.work / "stat.json"

    def part(self, shard: int, form: str) -> Path:
        """A finished shard."""
        return self.out / f"part-{shard:05d}.{form}"

    def figures(self, shard: int) -> Path:
        """Counts, size and sha256 of a shard; written before the shard is moved into place."""
        return self.work / f"{shard:05d}.json"

    def rejects(self, shard: int) -> Path:
        """Rows of a shard that were skipped."""
        return self.work / f"{shard:05d}.rejected.jsonl"

    def tries(self, shard: int) -> Path:
        """As many bytes as a shard was begun."""
        return self.work / f"{shard:05d}.tries"

    def ids(self, number: int) -> Path:
        """Digests of the ids of an input file."""
        return self.work / f"ids-{number}"

    def clean(self) -> None:
        """Remove what a killed process left half-written."""
        for path in [*self.work.iterdir(), *self.out.glob(".*.part")]:
            if path.parent == self.out or not _LASTING.fullmatch(path.name):
                path.unlink(missing_ok=True)


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Write JSON aside, flush it, and move it into place. Raises FolderError: the disk refuses."""
    write_file(path, json.dumps(value, ensure_ascii=False, indent=indent) + "\n")


def read_json(path: Path) -> Any:
    """A JSON file of the job's own. Raises DataError: missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Choose another output folder.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error}). Choose another output folder.") from error


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_ours(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file. The last argument is the folder to write.")
    if out.is_dir() and not (out / JOB).exists():
        others = sorted(path.name for path in out.iterdir() if path.name not in (WORK, f".{JOB}.part"))
        if others:
            raise UsageError(f"{out} holds other files ({others[0]}). Choose an empty folder or a new one.")


@contextlib.contextmanager
def hold(out: Path) -> Iterator[JobFolder]:
    """Make the folder if need be, and hold it for this process; the hold ends with the process, however it ends.

    Raises:
        UsageError: another process holds it, or it holds files of something else.
        FolderError: it cannot be written.
    """
    _check_ours(out)
    made = not out.exists()
    folder = JobFolder(out)
    try:
        folder.work.mkdir(parents=True, exist_ok=True)
        lock = (folder.work / "lock").open("a")
    except OSError as error:
        raise FolderError(f"Cannot write {out}: {error.strerror}. Check the path and the space left.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{out} is in use by another process. Wait for it, or choose another folder.") from error
        except OSError as error:
            raise FolderError(f"{out} cannot be locked: {error.strerror}. Choose a folder on another disk.") from error
        try:
            folder.clean()
            yield folder
        finally:
            with contextlib.suppress(OSError):
                folder.clean()
            if not folder.job.exists() or (out / "manifest.json").exists():  # nothing to go on with
                shutil.rmtree(folder.work, ignore_errors=True)
                if made:
                    with contextlib.suppress(OSError):
                        out.rmdir()
