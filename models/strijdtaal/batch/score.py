"""Score files: the whole of batch scoring in one call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strijdtaal.batch.finish import KIND, write_manifest
from strijdtaal.batch.inputs import find_inputs
from strijdtaal.batch.job import Run, fix_job, score_rest
from strijdtaal.batch.job_folder import WORK, JobFolder, hold, read_json, write_json
from strijdtaal.batch.local import Pool
from strijdtaal.batch.options import OUTPUT_FORMS, Options, check_engine, check_options, shard_rows_for
from strijdtaal.batch.progress import Report
from strijdtaal.bundle import FP32, INT8, read_contract
from strijdtaal.errors import UsageError
from strijdtaal.folder import FolderError, verify_folder
from strijdtaal.session import available_cores


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


def _summary(run: Run, manifest: dict[str, Any], resumed: int, passed_over: Sequence[str]) -> Summary:
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
        shard_rows: rows of one shard; None for about 200 shards, of 1,000 to 50,000 rows (50 to 2,000 articles).
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
    workers = workers or available_cores()
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
            shard_rows_for(sum(os.path.getsize(item.path) for item in found), articles)
            if shard_rows is None
            else shard_rows,
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
    try:
        with hold(target) as folder, Pool(workers, folder.setup) as pool:
            run = Run(Path(bundle), contract, found, options, folder, pool, report)
            write_json(folder.setup, run.setup)
            if fix_job(run):
                manifest = verify_folder(target, KIND, added=(WORK,))
                return _summary(run, manifest, manifest["shards"], passed_over)
            resumed = score_rest(run, _cluster(run, workers, ray_address) if engine == "ray" else None)
            seconds = round(time.monotonic() - started, 1)
            manifest = write_manifest(folder, options, contract, read_json(folder.plan), seconds)
            return _summary(run, manifest, resumed, passed_over)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise FolderError(f"{what}. Check the paths and the space left; finished shards stay.") from error


def _cluster(run: Run, workers: int, address: str | None) -> Callable[[list[int]], Iterator[Any]]:
    from strijdtaal.batch.cluster import score_shards

    return lambda todo: score_shards(run.folder.setup.resolve(), todo, workers, address)
