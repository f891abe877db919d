"""The command ``strijdtaal score``: batch scoring from the command line."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

ENGINES = ("local", "ray")
PRECISIONS = ("fp32", "int8")
FORMS = ("jsonl", "csv", "parquet")


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "score",
        help="label the sentences of whole files, resumable",
        description="Label every sentence of files (.txt, .jsonl, .csv, .tsv, also with .gz; .parquet), or of folders "
        "of them, into a folder. A job that was stopped goes on when the same command is given again.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of a packaged model")
    parser.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help="files, or folders of files")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write: a new one, or that of the same job")
    parser.add_argument("--to", choices=FORMS, help="form of the output (default: that of the first input)")
    parser.add_argument("--text", default="text", metavar="COLUMN", help="column with the sentences (default: text)")
    parser.add_argument("--id", metavar="COLUMN", help="column with ids (default: id if there is one, else row number)")
    parser.add_argument("--keep", type=_names, default=[], metavar="A,B", help="further columns to carry through")
    parser.add_argument("--no-text", action="store_true", help="leave the sentences out of the output")
    parser.add_argument("--articles", action="store_true", help="rows (and .txt files) are articles: split them")
    parser.add_argument("--on-error", choices=("stop", "skip"), default="stop", help="what to do about unusable rows")
    parser.add_argument("--shard-rows", type=int, metavar="N", help="rows of a shard (default: for about 200)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="int8 is faster, and differs a little")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a processor)")
    parser.add_argument("--engine", choices=ENGINES, default="local", help="'ray' scores on a cluster (extra 'ray')")
    parser.add_argument("--ray-address", metavar="ADDRESS", help="a running cluster (default: start one here)")
    parser.add_argument("--quiet", action="store_true", help="no progress")


@contextlib.contextmanager
def _stop_at_signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise ``StoppedError`` once; what comes after that is ignored while all is put away."""
    from strijdtaal.batch.options import StoppedError

    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, _: FrameType | None) -> NoReturn:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise StoppedError(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shown(summary: Any) -> str:
    labels = ", ".join(f"{key} {count:,}" for key, count in summary.labels.items())
    lines = [
        f"{summary.out}: {summary.rows:,} sentences in {summary.shards:,} shards ({labels}, none {summary.none:,})."
    ]
    if summary.rejected:
        lines.append(f"{summary.rejected:,} rows could not be scored: {summary.out / 'rejected.jsonl'}.")
    if summary.blank:
        lines.append(f"{summary.blank:,} empty lines were passed over.")
    if summary.resumed:
        lines.append(f"{summary.resumed:,} shards were finished before.")
    if summary.passed_over:
        more = ", ..." if len(summary.passed_over) > 3 else ""
        names = ", ".join(summary.passed_over[:3])
        lines.append(f"{len(summary.passed_over):,} files of other kinds were passed over: {names}{more}.")
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        StoppedError: SIGINT or SIGTERM; the message says how to go on.
        StrijdtaalError: what ``score_files`` raises.
    """
    from strijdtaal.batch import StoppedError, score_files
    from strijdtaal.batch.progress import ProgressLine

    line = ProgressLine(sys.stderr)
    try:
        with _stop_at_signals():
            summary = score_files(
                arguments.bundle,
                arguments.inputs,
                arguments.out,
                form=arguments.to,
                text=arguments.text,
                identity=arguments.id,
                keep=arguments.keep,
                with_text=not arguments.no_text,
                articles=arguments.articles,
                shard_rows=arguments.shard_rows,
                on_error=arguments.on_error,
                precision=arguments.precision,
                workers=arguments.workers,
                engine=arguments.engine,
                ray_address=arguments.ray_address,
                report=(lambda progress: None) if arguments.quiet else line,
            )
    except StoppedError as error:
        finished = len(list(arguments.out.glob("part-*")))
        kept = f"{finished:,} finished shards stay in {arguments.out}" if finished else "no shard was finished"
        raise StoppedError(f"{error}; {kept}. Give the same command again to go on.") from error
    finally:
        if not arguments.quiet:
            line.close()
    sys.stdout.write(_shown(summary) + "\n")
