"""How fast batch scoring is, and how much memory it takes, by workers, engine and number of sentences.

    python -m eval.benchmarks.batch runs/default/bundle --rows 100000 --workers 1 2 --engine local ray

The annotated sentences, over and over, with ids of their own, are written as Parquet and scored by ``score_files`` in a
process of its own; the memory is that of this process and all below it, looked at ten times a second. All jobs of one
call must give the same bytes. ``--designs N`` compares, on N sentences, three ways to use the processors.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import IO, Any, cast

from strijdtaal.errors import DataError
from strijdtaal.folder import write_file
from training.config import ROOT
from training.console import run_command

PIECE = 50_000  # rows written at once
LOOK = 0.1  # seconds between two looks at the memory
_JOB = """
import json, sys, time
from strijdtaal.batch import score_files
bundle, path, out, workers, engine, precision = sys.argv[1:]
first = []
def report(progress):
    if engine == "local" and progress.phase == "score" and progress.done and not first:
        first.append((time.monotonic(), progress.done))
start = time.monotonic()
summary = score_files(bundle, [path], out, workers=int(workers), engine=engine, precision=precision, report=report)
end = time.monotonic()
rest = (summary.rows - first[0][1]) / (end - first[0][0]) if first and summary.rows > first[0][1] else None
print(json.dumps({"seconds": end - start, "core_seconds": summary.core_seconds, "steady": rest}))
"""


@dataclass(frozen=True)
class Measured:
    """One job. ``steady`` is the speed from the first block on: without starting, checking and loading.

    Ray tells of whole shards only, which is too coarse for that.
    """

    engine: str
    workers: int
    precision: str
    rows: int
    seconds: float
    core_seconds: float
    steady: float | None
    peak_mib: float
    peak_process_mib: float
    sha256: str

    @property
    def speed(self) -> float:
        """Sentences a second, everything counted."""
        return self.rows / self.seconds


def annotated() -> list[str]:
    """The project's annotated sentences."""
    files = sorted((ROOT / "seeds" / "annotations").glob("*.jsonl"))
    return [json.loads(line)["text"] for file in files for line in file.read_text("utf-8").splitlines()]


def write_input(path: Path, rows: int) -> None:
    """Write a Parquet file of ``rows`` sentences, in bounded memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    texts = cycle(annotated())
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, PIECE):
            some = list(islice(texts, min(PIECE, rows - start)))
            ids = [f"s{number:09}" for number in range(start, start + len(some))]
            writer.write_table(pa.table({"id": ids, "text": some}, schema))


def _below(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in path.read_text().split():
                yield from _below(int(child))


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def _digest(out: Path) -> str:
    files = json.loads((out / "manifest.json").read_text("utf-8"))["files"]
    return " ".join(entry["sha256"] for name, entry in sorted(files.items()) if name.startswith("part-"))


def run_job(bundle: Path, path: Path, rows: int, workers: int, engine: str, precision: str) -> Measured:
    """Score the file in a process of its own.

    Raises:
        DataError: the job failed; what it said is quoted.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        out = Path(folder) / "out"
        command = [sys.executable, "-c", _JOB, str(bundle), str(path), str(out), str(workers), engine, precision]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=said)
        together = single = 0.0
        while process.poll() is None:
            sizes = [_resident(pid) for pid in _below(process.pid)]
            together, single = max(together, sum(sizes)), max(single, *sizes)
            time.sleep(LOOK)
        told = process.communicate()[0].decode().strip().splitlines()
        if process.returncode:
            said.seek(0)
            raise DataError(f"A job ended with {process.returncode}: {said.read().decode(errors='replace')[-1500:]}")
        return Measured(
            engine=engine, workers=workers, precision=precision, rows=rows, peak_mib=together,
            peak_process_mib=single, sha256=_digest(out), **json.loads(told[-1]),
        )  # fmt: skip


_DESIGN = """
import json, queue, sys, threading, time
from strijdtaal import Classifier
bundle, path, design, precision = sys.argv[1:]
texts = json.load(open(path))
classifier = Classifier.load(bundle, threads=0 if design == "threads" else 1, precision=precision)
blocks = [texts[start : start + 4096] for start in range(0, len(texts), 4096)]
classifier.logits_of(classifier.encode(texts[:64]))
print("ready", flush=True)
sys.stdin.readline()
start, spent = time.perf_counter(), 0.0
if design == "pipeline":
    ready = queue.Queue(2)
    threading.Thread(target=lambda: [ready.put(classifier.encode(block)) for block in blocks], daemon=True).start()
    for _ in blocks:
        classifier.logits_of(ready.get())
else:
    for block in blocks:
        before = time.perf_counter()
        ids = classifier.encode(block)
        spent += time.perf_counter() - before
        classifier.logits_of(ids)
print(json.dumps([time.perf_counter() - start, spent]))
"""


def run_design(bundle: Path, texts: list[str], design: str, precision: str, cores: int) -> tuple[float, float]:
    """Sentences a second, and the share of tokenising.

    ``threads``: several within one process; ``pipeline``: one that tokenises and one that computes; ``processes``: one
    a core, all starting together.
    """
    count = cores if design == "processes" else 1
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        running: list[tuple[IO[str], IO[str]]] = []
        for number in range(count):
            path = Path(folder) / f"{number}.json"
            path.write_text(json.dumps(texts[number::count]), "utf-8")
            command = [sys.executable, "-c", _DESIGN, str(bundle), str(path), design, precision]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, **pipes))
            running.append((cast(IO[str], process.stdin), cast(IO[str], process.stdout)))
        for _, output in running:
            output.readline()
        for entry, _ in running:
            entry.write("go\n")
            entry.flush()
        told = [json.loads(output.readline()) for _, output in running]
    return len(texts) / max(seconds for seconds, _ in told), max(spent / seconds for seconds, spent in told)


def designs(bundle: Path, number: int, rounds: int, precision: str) -> dict[str, list[float]]:
    """Speeds of the three designs, in turns, so that what else the machine does falls on all of them."""
    texts = list(islice(cycle(annotated()), number))
    cores = len(os.sched_getaffinity(0))
    found: dict[str, list[float]] = {"threads": [], "processes": [], "pipeline": [], "tokenising": []}
    for _ in range(rounds):
        for design in ("threads", "processes", "pipeline"):
            speed, share = run_design(bundle, texts, design, precision, cores)
            found[design].append(round(speed, 1))
            if design == "processes":
                found["tokenising"].append(round(share, 4))
    return found


def table(found: Sequence[Measured]) -> str:
    """The figures for a terminal."""
    lines = [
        f"{'engine':<8}{'workers':>8}{'precision':>11}{'rows':>12}{'seconds':>9}{'sent./s':>9}{'steady':>9}"
        f"{'core-s':>9}{'MiB, all':>10}{'MiB, one':>10}"
    ]
    for one in found:
        steady = f"{one.steady:,.0f}" if one.steady else "-"
        lines.append(
            f"{one.engine:<8}{one.workers:>8}{one.precision:>11}{one.rows:>12,}{one.seconds:>9.1f}{one.speed:>9,.0f}"
            f"{steady:>9}{one.core_seconds:>9,.1f}{one.peak_mib:>10,.0f}{one.peak_process_mib:>10,.0f}"
        )
    return "\n".join(lines)


def compare(arguments: argparse.Namespace) -> None:
    """Measure, print the table, write the figures. Raises DataError: two jobs gave different bytes."""
    found: list[Measured] = []
    document: dict[str, Any] = {"load_at_start": os.getloadavg()[0], "cores": len(os.sched_getaffinity(0))}
    if arguments.designs:
        precision = arguments.precision[0]
        document["designs"] = designs(arguments.bundle, arguments.designs, arguments.rounds, precision)
        for name, values in document["designs"].items():
            sys.stdout.write(f"{name:<12}{' '.join(f'{value:>10,}' for value in values)}\n")
    with tempfile.TemporaryDirectory() as folder:
        for rows in arguments.rows:
            path = Path(folder) / "in.parquet"
            write_input(path, rows)
            for precision in arguments.precision:
                same = set()
                for engine in arguments.engine:
                    for workers in arguments.workers:
                        one = run_job(arguments.bundle.resolve(), path, rows, workers, engine, precision)
                        found.append(one)
                        same.add(one.sha256)
                        sys.stderr.write(f"{table([one]).splitlines()[1]}\n")
                if len(same) > 1:
                    raise DataError(f"Jobs on {rows:,} rows in {precision} gave different bytes.")
    document |= {"load_at_end": os.getloadavg()[0], "jobs": [{**asdict(one), "sha256": None} for one in found]}
    if found:
        sys.stdout.write(f"{table(found)}\nload of the machine: {document['load_at_start']:.1f} at the start, "
                         f"{document['load_at_end']:.1f} at the end\n")  # fmt: skip
    if arguments.out:
        write_file(arguments.out, json.dumps(document, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.batch", description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--engine", nargs="+", choices=("local", "ray"), default=["local"])
    parser.add_argument("--precision", nargs="+", choices=("fp32", "int8"), default=["fp32"])
    parser.add_argument("--designs", type=int, default=0, metavar="N", help="compare designs on N sentences first")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of that comparison")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    arguments = parser.parse_args(argv)
    return run_command("eval.benchmarks.batch", lambda: compare(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
