"""The files of a job: found, named and fingerprinted."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strijdtaal.errors import DataError, UsageError, nearest

SUFFIXES = {
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
PACKED = ".gz"


@dataclass(frozen=True)
class Input:
    """One input file. ``name`` is how messages and ids call it: its own name, or its path below a given folder."""

    path: str
    name: str
    form: str
    packed: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"path": self.path, "name": self.name, "form": self.form, "packed": self.packed}


def form_of(name: str) -> tuple[str, bool] | None:
    """Form and whether it is packed (gzip), by the ending of a file's name; None for other files.

    >>> form_of("Nieuws.CSV.gz"), form_of("job.json"), form_of("a.parquet.gz")
    (('csv', True), None, None)
    """
    path = Path(name.lower())
    packed = path.suffix == PACKED
    form = SUFFIXES.get(Path(path.stem).suffix if packed else path.suffix)
    return None if form is None or (packed and form == "parquet") else (form, packed)


def _files_below(folder: Path) -> tuple[list[Path], list[str]]:
    """Files of a known form in a folder, sorted by path, and the names of those passed over."""

    def refuse(error: OSError) -> None:
        raise DataError(f"Cannot read {error.filename}: {error.strerror}. Check its permissions.") from error

    found: list[Path] = []
    others: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(where, name) for name in names if not name.startswith(".")):
            (found if form_of(path.name) else others).append(path)
    if not found:
        raise DataError(f"{folder} holds no file that can be scored (by its ending: {', '.join(SUFFIXES)}).")
    by_parts = sorted(found, key=lambda path: path.relative_to(folder).parts)
    return by_parts, sorted(path.relative_to(folder).as_posix() for path in others)


def _check_place(path: Path, out: Path) -> None:
    if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
        raise UsageError(f"The output {out} lies within the input {path}. Choose a folder outside it.")


def _input(path: Path, name: str) -> Input:
    form = form_of(path.name)
    if form is None:
        suffix = path.suffix.lower()
        hint = nearest(suffix, list(SUFFIXES)) if suffix else ""
        raise UsageError(f"{path}: files ending in {suffix or 'nothing'} cannot be scored.{hint} Known: "
                         f"{', '.join(SUFFIXES)}, all but Parquet also with {PACKED}.")  # fmt: skip
    try:
        name.encode()
        mode = path.stat().st_mode
    except UnicodeEncodeError as error:
        raise DataError(f"The name of {name!r} is not UTF-8. Rename the file.") from error
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is no plain file. A job reads its input more than once; save it to a file first.")
    return Input(str(path.resolve()), name, *form)


def find_inputs(paths: Sequence[Path], out: Path) -> tuple[list[Input], list[str]]:
    """The input files in the order given (those of a folder by path), and names in folders that were passed over.

    Raises:
        UsageError: an unknown ending, a file given twice, two files of one name, or ``out`` within an input folder.
        DataError: a path that is missing or cannot be read, or a folder without input.
    """
    found: list[Input] = []
    others: list[str] = []
    for path in paths:
        _check_place(path, out)
        if path.is_dir():
            files, passed_over = _files_below(path)
            others += passed_over
            found += [_input(file, file.relative_to(path).as_posix()) for file in files]
        else:
            found.append(_input(path, path.name))
    seen: dict[str, str] = {}
    paths_seen: set[str] = set()
    for item in found:
        if item.path in paths_seen:
            raise UsageError(f"{item.path} is given twice. Name it once.")
        paths_seen.add(item.path)
        if item.name in seen:
            raise UsageError(f"{seen[item.name]} and {item.path} have one name. Give the folder that holds both.")
        seen[item.name] = item.path
    return found, others


def fingerprint(path: str) -> dict[str, Any]:
    """Size, time of change and sha256 of a file's bytes.

    Raises:
        DataError: it cannot be read, or changes meanwhile.
    """
    try:
        with open(path, "rb") as file:
            before = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.stat(path)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Check the path.") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DataError(f"{path} is being written to. Start when it is whole.")
    return {"bytes": after.st_size, "mtime_ns": after.st_mtime_ns, "sha256": digest}
