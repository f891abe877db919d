"""Artefact folders: written aside, proved by a manifest, moved into place as a whole.

One writer and one reader for every folder that the project makes (checkpoints, runs, bundles).
``manifest.json`` is written last and lists every file with its size and sha256; a folder without it
is unfinished, and a folder that does not match it is damaged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strijdtaal.errors import StrijdtaalError

MANIFEST = "manifest.json"


class FolderError(StrijdtaalError):
    """An artefact folder is unfinished, damaged, or cannot be written."""


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _files_below(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    )


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _seal(folder: Path, kind: str, extra: dict[str, Any]) -> None:
    """Give every file the mode that the umask asks for, flush it, and write the manifest."""
    mode = 0o666 & ~_umask()
    files = {}
    for name in _files_below(folder):
        path = folder / name
        if path.is_symlink():
            raise FolderError(f"{name} is a symbolic link; a {kind} holds plain files only. Nothing was written.")
        path.chmod(mode)  # safetensors writes 0600 whatever the umask says
        _fsync(path)
        files[name] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    manifest = {"kind": kind, **extra, "files": files}
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    _fsync(folder / MANIFEST)


def _kind_of(folder: Path) -> str | None:
    """What the manifest of a folder says it is; None without a readable manifest."""
    try:
        return str(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _move(work: Path, target: Path, kind: str, replace: bool) -> None:
    """Move a sealed folder into place; an older one is set aside first, and comes back if the move fails."""
    old = work.with_name(work.name + ".old")
    if target.exists():
        _check_target(target, kind, replace)  # it may have appeared since the start
        os.rename(target, old)
    try:
        os.replace(work, target)
    except OSError:
        if old.exists():
            os.rename(old, target)
        raise
    _fsync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _check_target(target: Path, kind: str, replace: bool) -> None:
    if target.exists() and not (replace and _kind_of(target) == kind):
        raise FolderError(f"{target} exists already. Remove it, or choose another name.")


@contextlib.contextmanager
def write_folder(target: Path, kind: str, replace: bool = False, **extra: Any) -> Iterator[Path]:
    """Yield a folder beside ``target``; on success seal it and move it to ``target``.

    On any exception nothing remains and ``target`` is untouched. ``extra`` goes into the manifest. With
    ``replace`` an older folder of the same kind gives way, after the new one is whole.

    Raises:
        FolderError: ``target`` exists already (or is of another kind), or the disk refuses (full, read-only).
    """
    _check_target(target, kind, replace)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent))
    except OSError as error:
        raise FolderError(
            f"Cannot write below {target.parent}: {error.strerror}. Check that it is a folder "
            "that you may write to, with space left."
        ) from error
    try:
        work.chmod(0o777 & ~_umask())
        yield work
        _seal(work, kind, extra)
        _move(work, target, kind, replace)
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        if error.strerror is None:
            raise
        raise FolderError(f"Writing {target} failed: {error}. Nothing was left behind.") from error
    except BaseException as error:
        shutil.rmtree(work, ignore_errors=True)
        if "(os error " not in str(error):
            raise
        # libraries written in Rust (safetensors, tokenizers) have no OSError for a disk that refuses
        raise FolderError(f"Writing {target} failed: {error}. Nothing was left behind.") from error


def write_file(target: Path, text: str) -> None:
    """Write one text file aside and move it into place.

    Raises:
        FolderError: the disk refuses; an older file is untouched.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        _fsync(part)
        os.replace(part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FolderError(f"Cannot write {target}: {error.strerror}. Check the path and the space left.") from error


def verify_folder(folder: Path, kind: str, added: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check ``folder`` against its manifest and return the manifest.

    ``added`` names subfolders that later stages put beside the manifest's own files.

    Raises:
        FolderError: the manifest is missing or unreadable, of another kind, or any file is missing,
            added, changed or a symbolic link; the message names the first such file.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise FolderError(f"{folder} is not a folder. Check the path.")
    if path.is_symlink():
        raise FolderError(f"{path} is a symbolic link; a {kind} holds plain files only.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        listed = {str(name): (entry["bytes"], entry["sha256"]) for name, entry in manifest["files"].items()}
    except FileNotFoundError as error:
        raise FolderError(f"{folder} has no {MANIFEST}: it is unfinished or not a {kind}.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FolderError(f"{path} cannot be read as a manifest. Restore the {kind}.") from error
    if manifest.get("kind") != kind:
        raise FolderError(f"{folder} is a {manifest.get('kind')!r}, not a {kind}.")
    _compare(folder, listed, kind, added)
    return dict(manifest)


def _compare(folder: Path, listed: dict[str, tuple[int, str]], kind: str, added: tuple[str, ...]) -> None:
    passed_over = tuple(f".{name}-" for name in added)  # such a folder being written, or left by a killed process
    found = {
        name
        for name in _files_below(folder)
        if name.split("/")[0] not in added and not (passed_over and name.startswith(passed_over))
    } - {MANIFEST}
    for name in sorted(set(listed) - found):
        raise FolderError(f"{folder / name} is missing. Restore the {kind} from its source.")
    for name in sorted(found - set(listed)):
        raise FolderError(f"{folder / name} is not in the manifest. Remove it, or restore the {kind}.")
    for name, (size, digest) in sorted(listed.items()):
        path = folder / name
        if path.is_symlink():
            raise FolderError(f"{path} is a symbolic link; a {kind} holds plain files only.")
        if path.stat().st_size != size or sha256_of(path) != digest:
            raise FolderError(f"{path} was changed after the {kind} was made. Restore it from its source.")
