"""One start of a job: input and bundle fixed, input read through, shards scored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strijdtaal import __version__
from strijdtaal.batch.finish import finished_shards
from strijdtaal.batch.inputs import Input
from strijdtaal.batch.job_folder import JobFolder, read_json, write_json
from strijdtaal.batch.local import Pool
from strijdtaal.batch.options import Options
from strijdtaal.batch.plan import check_duplicates, check_faults, check_ids, check_same, job_document, shards_of
from strijdtaal.batch.progress import Progress, Report
from strijdtaal.bundle import Contract
from strijdtaal.errors import DataError


@dataclass(frozen=True)
class Run:
    """One start of a job."""

    bundle: Path
    contract: Contract
    inputs: list[Input]
    options: Options
    folder: JobFolder
    pool: Pool
    report: Report

    @property
    def setup(self) -> dict[str, Any]:
        """What workers need to know before they can do anything."""
        return {
            "strijdtaal": __version__,
            "bundle": str(self.bundle.resolve()),
            "sha256": self.contract.sha256,
            "inputs": [item.as_dict() for item in self.inputs],
            "options": self.options.as_dict(),
            "out": str(self.folder.out.resolve()),
        }

    def over_files(self, what: str, told: Callable[[int, int], None]) -> list[Any]:
        """The answers of one task a file, in the order of files; ``told`` as ``Pool.map`` takes it."""
        tasks = [{"do": what, "number": number} for number in range(len(self.inputs))]
        answers: dict[int, Any] = {}
        for task, answer in self.pool.map(tasks, told):
            answers[task["number"]] = answer
            if what == "fingerprint":
                self.report(Progress(what, len(answers), len(tasks)))
        return [answers[number] for number in range(len(self.inputs))]


def fix_job(run: Run) -> bool:
    """Compare the job with the one that the folder holds, if any; True if that one is finished."""
    found = run.over_files("fingerprint", lambda rows, sentences: None)
    stat = [[one["bytes"], one.pop("mtime_ns")] for one in found]
    write_json(run.folder.stat, stat)
    prints = [{"name": item.name, "form": item.form, **one} for item, one in zip(run.inputs, found, strict=True)]
    bundle = {"sha256": run.contract.sha256, "codebook_version": run.contract.codebook_version}
    document = job_document(bundle, prints, run.options)
    if run.folder.job.exists():
        check_same(read_json(run.folder.job), document, run.folder)
        return (run.folder.out / "manifest.json").exists()
    _make_plan(run)
    for item, before in zip(run.inputs, stat, strict=True):
        after = os.stat(item.path)
        if [after.st_size, after.st_mtime_ns] != before:
            raise DataError(f"{item.path} changed while it was read. Start again when it is whole.")
    write_json(run.folder.job, document, indent=1)
    return False


def _make_plan(run: Run) -> None:
    """Read the input through and write down how it is divided. Raises DataError: it has faults that are not skipped."""
    surveys = run.over_files("survey", lambda rows, _: run.report(Progress("check", rows, None)))
    check_faults(surveys, run.options)
    duplicates: dict[str, dict[str, str]] = {}
    if check_ids(run.inputs, surveys, run.options):
        from strijdtaal.batch.digests import duplicates as find_duplicates

        paths = [run.folder.ids(number) if found["has_id"] else None for number, found in enumerate(surveys)]
        found = find_duplicates(paths, run.folder.work)
        duplicates = check_duplicates(found, run.inputs, surveys, run.options)
        for path in paths:
            if path:
                path.unlink()
    plan = {
        "shards": shards_of(surveys, run.options.shard_rows),
        "duplicates": duplicates,
        "blank": sum(found["blank"] for found in surveys),
    }
    write_json(run.folder.plan, plan)


def score_rest(run: Run, engine: Callable[[list[int]], Iterator[Any]] | None) -> int:
    """Score what is not finished; the number of shards that were."""
    shards = read_json(run.folder.plan)["shards"]
    sizes = [sum(segment[-1] for segment in shard) for shard in shards]
    done = finished_shards(run.folder, run.options.form, len(shards))
    todo = [number for number in range(len(shards)) if number not in done]
    before, total = sum(sizes[number] for number in done), sum(sizes)

    def told(rows: int, sentences: int) -> None:
        run.report(Progress("score", before + rows, total, sentences))

    if engine is None:
        tasks = [{"do": "score", "number": number} for number in todo]
        for _ in run.pool.map(tasks, told):
            pass
    else:
        rows = sentences = 0
        for figures in engine(todo):
            rows, sentences = rows + figures["read"], sentences + figures["rows"]
            told(rows, sentences)
    return len(done)
