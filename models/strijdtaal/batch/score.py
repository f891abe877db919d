"""A scoring job from start to end: input and bundle fixed, input read through, shards scored, manifest written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strijdtaal import __version__
from strijdtaal.batch.finish import KIND, finished_shards, write_manifest
from strijdtaal.batch.inputs import Input, find_inputs
from strijdtaal.batch.job_folder import WORK, JobFolder, hold, read_json, write_json
from strijdtaal.batch.local import Pool, cores
from strijdtaal.batch.options import OUTPUT_FORMS, SHARD_ARTICLES, SHARD_ROWS, Options, check_engine, check_options
from strijdtaal.batch.plan import check_duplicates, check_faults, check_ids, check_same, job_document, shards_of
from strijdtaal.batch.progress import Progress, Report
from strijdtaal.bundle import FP32, INT8, Contract, read_contract
from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import FolderError, verify_folder


@dataclass(frozen=True)
class Summary:
    """A finished job.

    ``read`` counts rows of the input, ``rows`` those of the output (sentences), ``labels`` the sentences with each
    label and ``none`` those without any; ``resumed`` is the number of shards that this start found finished.
    """

    out: Path
    form: str
    read: int
    rows: int
    rejected: int
    blank: int
    none: int
    labels: dict[str, int]
    shards: int
    resumed: int
    core_seconds: float
    seconds: float
    passed_over: tuple[str, ...] = ()

    @property
    def parts(self) -> list[Path]:
        """The files with the scores, in the order of the input."""
        return [JobFolder(self.out).part(number, self.form) for number in range(self.shards)]


@dataclass(frozen=True)
class _Run:
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


def _fix_job(run: _Run) -> bool:
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


def _make_plan(run: _Run) -> None:
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


def _score(run: _Run, engine: Callable[[list[int]], Iterator[Any]] | None) -> int:
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


def _verified(out: Path) -> dict[str, Any]:
    try:
        return verify_folder(out, KIND, added=(WORK,))
    except FolderError as error:
        raise FolderError(f"{error} Or score to another folder.") from error


def _summary(run: _Run, manifest: dict[str, Any], resumed: int, passed_over: Sequence[str]) -> Summary:
    names = ("read", "rows", "rejected", "blank", "none", "labels", "shards", "core_seconds", "seconds")
    counts = {name: manifest[name] for name in names}
    return Summary(run.folder.out, run.options.form, resumed=resumed, passed_over=tuple(passed_over), **counts)


def score_files(
    bundle: str | Path,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    form: str | None = None,
    text: str = "text",
    identity: str | None = None,
    keep: Sequence[str] = (),
    with_text: bool = True,
    articles: bool = False,
    shard_rows: int | None = None,
    on_error: str = "stop",
    precision: str = FP32,
    workers: int | None = None,
    engine: str = "local",
    ray_address: str | None = None,
    report: Report = lambda progress: None,
) -> Summary:
    """Score every sentence of files into a folder; a job that was stopped goes on where it stopped.

    Args:
        bundle: folder of a packaged model.
        inputs: .txt, .jsonl, .csv, .tsv (also with .gz) and .parquet files, or folders of them.
        out: the folder to write; new, empty, or that of the same job.
        form: ``jsonl``, ``csv`` or ``parquet``; None for that of the first input (JSONL for plain text).
        text: the column with the sentences.
        identity: the column with ids; None for ``id`` where there is one, else row numbers.
        keep: further columns to carry through.
        with_text: write the sentences too.
        articles: each row is an article (and each .txt file): one row of output a sentence, with offsets.
        shard_rows: rows of one shard; None for 20,000 (1,000 articles).
        on_error: ``stop`` at rows that cannot be scored, before any is; or ``skip`` and list them.
        precision: ``fp32``, or ``int8`` where the bundle holds such a model.
        workers: processes; None for one a processor.
        engine: ``local``, or ``ray`` for a cluster whose machines all see the same files.
        ray_address: of a running cluster; None starts one on this machine.
        report: called with how far the job is.

    Raises:
        UsageError: options that cannot be, a folder of another job, or one in use.
        DataError: input that cannot be scored; rows are named.
        BundleError: the bundle is damaged, or another one than the job began with.
        FolderError: the disk refuses; finished shards stay.
    """
    started = time.monotonic()
    check_engine(engine, workers, ray_address)
    workers = workers or cores()
    target = Path(out)
    found, passed_over = find_inputs([Path(path) for path in inputs], target)
    options = check_options(
        Options(
            form or OUTPUT_FORMS[found[0].form],
            text,
            identity,
            tuple(keep),
            with_text,
            articles,
            shard_rows if shard_rows is not None else SHARD_ARTICLES if articles else SHARD_ROWS,
            on_error,
            precision,
        )
    )
    if "parquet" in (options.form, *(item.form for item in found)):
        from strijdtaal.batch.parquet import need_pyarrow

        need_pyarrow()
    contract = read_contract(bundle)
    if precision == INT8 and contract.quantized is None:
        raise UsageError(f"{bundle} holds no int8 model. Use --precision fp32, or package the run again.")
    with hold(target) as folder, Pool(workers, folder.setup) as pool:
        run = _Run(Path(bundle), contract, found, options, folder, pool, report)
        write_json(folder.setup, run.setup)
        if _fix_job(run):
            manifest = _verified(target)
            return _summary(run, manifest, manifest["shards"], passed_over)
        resumed = _score(run, _cluster(run, engine, workers, ray_address))
        seconds = round(time.monotonic() - started, 1)
        manifest = write_manifest(folder, options, contract, read_json(folder.plan), seconds)
        return _summary(run, manifest, resumed, passed_over)


def _cluster(run: _Run, engine: str, workers: int, address: str | None) -> Callable[[list[int]], Iterator[Any]] | None:
    if engine == "local":
        return None
    from strijdtaal.batch.cluster import score_shards

    return lambda todo: score_shards(run.folder.setup.resolve(), todo, workers, address)
