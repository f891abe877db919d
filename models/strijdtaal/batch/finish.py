"""The end of a job: which shards are whole, the rows that were skipped, the manifest."""

from __future__ import annotations

import os
from typing import Any

from strijdtaal import __version__
from strijdtaal.batch.job_folder import TEMPORARY, JobFolder, fsync_folder, read_json, write_json
from strijdtaal.batch.options import Options
from strijdtaal.bundle import Contract
from strijdtaal.errors import DataError
from strijdtaal.folder import MANIFEST, FolderError, sha256_of

KIND = "strijdtaal scores"
SCHEMA = 1
COUNTS = ("read", "rows", "none", "rejected")


def _figures(folder: JobFolder, shard: int) -> dict[str, Any] | None:
    try:
        found = read_json(folder.figures(shard))
    except DataError:
        return None
    return found if isinstance(found, dict) else None


def finished_shards(folder: JobFolder, form: str, shards: int) -> set[int]:
    """Shards whose file is in place and has the bytes that were written; any other one is scored (again)."""
    done = set()
    for shard in range(shards):
        part, figures = folder.part(shard, form), _figures(folder, shard)
        try:
            whole = figures and part.stat().st_size == figures["bytes"] and sha256_of(part) == figures["sha256"]
            if figures and whole and (not figures["rejected"] or folder.rejects(shard).exists()):
                done.add(shard)
        except OSError:
            continue
    return done


def _write_rejected(folder: JobFolder, figures: list[dict[str, Any]]) -> None:
    work = folder.work / f"rejected{TEMPORARY}"
    with work.open("wb") as file:
        for shard, found in enumerate(figures):
            if found["rejected"]:
                file.write(folder.rejects(shard).read_bytes())
        file.flush()
        os.fsync(file.fileno())
    os.replace(work, folder.rejected)


def write_manifest(
    folder: JobFolder, options: Options, contract: Contract, plan: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Write ``rejected.jsonl`` (if rows were skipped) and ``manifest.json``, which ends the job; returns the latter.

    Raises:
        FolderError: the disk refuses.
    """
    shards = len(plan["shards"])
    figures = [read_json(folder.figures(shard)) for shard in range(shards)]
    counts = {name: sum(found[name] for found in figures) for name in COUNTS}
    names = {folder.part(shard, options.form).name: found for shard, found in enumerate(figures)}
    files = {name: {"bytes": found["bytes"], "sha256": found["sha256"]} for name, found in names.items()}
    try:
        others = [folder.job]
        if counts["rejected"]:
            _write_rejected(folder, figures)
            others.append(folder.rejected)
        files |= {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in others}
        manifest = {
            "kind": KIND,
            "schema": SCHEMA,
            "strijdtaal": __version__,
            "bundle": contract.sha256,
            "thresholds": contract.thresholds_by_key,
            **counts,
            "blank": plan["blank"],
            "labels": {key: sum(found["labels"][key] for found in figures) for key in contract.keys},
            "shards": shards,
            "core_seconds": round(sum(found["core_seconds"] for found in figures), 1),
            "seconds": seconds,
            "files": files,
        }
        write_json(folder.out / MANIFEST, manifest, indent=1)
        fsync_folder(folder.out)
    except OSError as error:
        raise FolderError(f"Cannot write {error.filename}: {error.strerror}. Check the space left.") from error
    return manifest
