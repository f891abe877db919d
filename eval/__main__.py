"""``python -m eval``: score a run, report on it, compare it with others, package it. Run it from the project's root."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from eval import licences, sign
from training.console import run_command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    score = commands.add_parser("score", help="predictions of a run and of the baselines -> RUN/predictions/")
    score.add_argument("run", type=Path, metavar="RUN")
    score.add_argument("--data", type=Path, metavar="JSONL", help="score the model on another annotated file")
    score.add_argument("--out", type=Path, metavar="PARQUET", help="where its predictions go (with --data)")
    report = commands.add_parser("report", help="tables and page of each run (RUN/report/) or predictions file")
    report.add_argument("targets", type=Path, nargs="+", metavar="RUN|PREDICTIONS")
    joins = "another system on the same sentences, shown beside it; may be given several times"
    report.add_argument(
        "--with", type=Path, action="append", default=[], metavar="PREDICTIONS", dest="also", help=joins
    )
    out = "where the report on one predictions file goes (default: FILE-report/ beside it)"
    report.add_argument("--out", type=Path, metavar="FOLDER", help=out)
    compare = commands.add_parser("compare", help="say which of two or more systems is better, or cannot tell")
    compare.add_argument(
        "systems", nargs="+", metavar="SYSTEM", help="RUN, RUN:tfidf or PARQUET; seeds of one system joined with commas"
    )
    compare.add_argument("--split", default="test", help="which split (default: test)")
    compare.add_argument("--out", type=Path, metavar="FOLDER", help="write comparison.json and compare.html here")
    count = commands.add_parser("count", help="corrected label counts of document sets that a run has scored")
    count.add_argument("run", type=Path, metavar="RUN")
    count.add_argument("sets", type=Path, nargs="+", metavar="PARQUET", help="from eval score RUN --data ... --out ...")
    ladder = commands.add_parser("ladder", help="train several seeds; baselines, encoder and seed ensemble in a table")
    ladder.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see configs/")
    ladder.add_argument("override", nargs="*", metavar="key=value")
    ladder.add_argument("--seeds", type=int, default=3, help="how many (default: 3)")
    ladder.add_argument("--out", type=Path, metavar="FOLDER", help="default: <output>/<name>-ladder")
    leaderboard = commands.add_parser("leaderboard", help="all scored runs below a folder, best first")
    leaderboard.add_argument("folder", type=Path, metavar="RUNS")
    leaderboard.add_argument("--split", default="test", help="which split (default: test)")
    leaderboard.add_argument("--out", type=Path, metavar="HTML", help="write a page")
    package = commands.add_parser("package", help="the folder for applications -> RUN/bundle/")
    package.add_argument("run", type=Path, metavar="RUN")
    package.add_argument("--out", type=Path, metavar="FOLDER")
    package.add_argument("--no-int8", action="store_true", help="the fp32 model alone")
    sign.add_key(package, required=False)
    sign.add_parser(commands)
    licences.add_parser(commands)
    parity = commands.add_parser("parity", help="one bundle through every loader: largest difference")
    parity.add_argument("bundle", type=Path, metavar="BUNDLE")
    more = "more sentences: JSONL, with or without labels, or a predictions file (.parquet)"
    parity.add_argument("--sentences", type=Path, metavar="FILE", help=more)
    parity.add_argument("--require-all", action="store_true", help="fail when a loader cannot run here")
    parity.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    mlflow = commands.add_parser("mlflow", help="a bundle as an MLflow model (needs the extra 'mlflow')")
    mlflow.add_argument("bundle", type=Path, metavar="BUNDLE")
    mlflow.add_argument("--out", type=Path, metavar="FOLDER", required=True, help="where the model goes")
    return parser


def _score(arguments: argparse.Namespace) -> None:
    from strijdtaal.errors import UsageError

    if (arguments.data is None) != (arguments.out is None):
        raise UsageError("--data and --out go together.")
    from eval.score import score_file, score_run

    if arguments.data is None:
        target = score_run(arguments.run)
    else:
        target = score_file(arguments.run, arguments.data, arguments.out)
    sys.stdout.write(f"Predictions: {target}\n")


def _bare_target(path: Path, out: Path | None) -> Path:
    """Where the report on a predictions file goes."""
    from strijdtaal.errors import UsageError
    from strijdtaal.folder import MANIFEST

    if out is None and (path.parent / MANIFEST).exists():
        raise UsageError(
            f"{path.parent} is sealed by its manifest. Say with --out where the report on {path.name} goes."
        )
    return out or path.with_name(f"{path.stem}-report")


def _report_one(path: Path, also: Sequence[Path], out: Path | None) -> None:
    from eval.report import table, write_bare_report, write_report
    from strijdtaal.errors import UsageError

    if path.is_file() or path.suffix == ".parquet":
        target = _bare_target(path, out)
        report = write_bare_report([path, *also], target)
    elif out is not None:
        raise UsageError("--out goes with a predictions file, not with a run: its report goes into RUN/report/.")
    else:
        target, report = write_report(path, also)
    for split in report["results"]:
        sys.stdout.write(f"{split}\n{table(report, split)}\n\n")
    sys.stdout.write(f"Report: {target / 'report.html'}\n")


def _report(arguments: argparse.Namespace) -> None:
    """One report after the other; those that fail are told at the end, with the exit code of the first."""
    from strijdtaal.errors import StrijdtaalError, UsageError

    targets = arguments.targets
    if len(targets) > 1 and arguments.out is not None:
        raise UsageError(
            f"--out is for one report, and there are {len(targets)}. Give one; other systems on its sentences "
            "stand beside it with --with FILE."
        )
    failed: list[tuple[Path, StrijdtaalError]] = []
    for path in targets:
        if len(targets) > 1:
            sys.stdout.write(f"{path}\n")
        try:
            _report_one(path, arguments.also, arguments.out)
        except StrijdtaalError as error:
            failed.append((path, error))
    if len(targets) == 1 and failed:
        raise failed[0][1]
    if failed:
        lines = [f"{len(failed)} of {len(targets)} reports failed:", *(f"{path}: {error}" for path, error in failed)]
        summary = StrijdtaalError("\n  ".join(lines))
        summary.exit_code = failed[0][1].exit_code
        raise summary


def _compare(arguments: argparse.Namespace) -> None:
    from eval.compare import compare, text, write_comparison

    result = compare(arguments.systems, arguments.split)
    sys.stdout.write(f"{text(result)}\n")
    if arguments.out:
        write_comparison(result, arguments.out)
        sys.stdout.write(f"\nPage: {arguments.out / 'compare.html'}\n")


def _count(arguments: argparse.Namespace) -> None:
    from eval.gather import predictions_of
    from eval.predictions import read_predictions
    from eval.sections import count_lines, counts
    from strijdtaal.errors import UsageError
    from training.run import open_run

    run = open_run(arguments.run)
    validation = predictions_of(run)["validation"]["encoder"]
    for path in arguments.sets:
        item = read_predictions(path)
        if item.model_sha256 != run.model_sha256:
            raise UsageError(f"{path} was not made by {run.folder}: python -m eval score {run.folder} --data ...")
        sys.stdout.write(f"{path}: {len(item.ids)} sentences\n{count_lines(counts(validation, item))}\n\n")


def _ladder(arguments: argparse.Namespace) -> None:
    from eval.ladder import ladder, table
    from training.settings import load_run_config

    config = load_run_config(arguments.config, arguments.override)
    out = arguments.out or config.output / f"{config.name}-ladder"
    result = ladder(config, range(1, arguments.seeds + 1), out)
    sys.stdout.write(f"{table(result)}\n\nLadder: {out}\n")


def _leaderboard(arguments: argparse.Namespace) -> None:
    from eval.leaderboard import leaderboard, text, write_leaderboard

    result = leaderboard(arguments.folder, arguments.split)
    sys.stdout.write(f"{text(result)}\n")
    if arguments.out:
        write_leaderboard(result, arguments.out)
        sys.stdout.write(f"\nPage: {arguments.out}\n")


def _package(arguments: argparse.Namespace) -> None:
    from eval.package import package

    sys.stdout.write(f"Bundle: {package(arguments.run, arguments.out, arguments.key, not arguments.no_int8)}\n")


def _parity(arguments: argparse.Namespace) -> None:
    import json

    from eval.parity import parity
    from strijdtaal.errors import StrijdtaalError
    from strijdtaal.folder import write_file

    found = parity(arguments.bundle, arguments.sentences)
    if arguments.json:
        write_file(arguments.json, json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{found.table()}\n")
    faults = found.faults + (found.skipped if arguments.require_all else [])
    if faults:
        lines = "\n  ".join(faults)
        raise StrijdtaalError(f"{len(faults)} of {len(found.outcomes)} ways of loading {arguments.bundle}:\n  {lines}")


def _mlflow(arguments: argparse.Namespace) -> None:
    from strijdtaal.mlflow_model import save_mlflow

    sys.stdout.write(f"MLflow model: {save_mlflow(arguments.bundle, arguments.out)}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code (0, or the one of the error)."""
    arguments = _parser().parse_args(argv)
    commands = {
        "score": _score,
        "report": _report,
        "compare": _compare,
        "count": _count,
        "ladder": _ladder,
        "leaderboard": _leaderboard,
        "package": _package,
        "parity": _parity,
        "mlflow": _mlflow,
        "sign": sign.run,
        "licences": licences.run,
    }
    command = commands[arguments.command]
    return run_command("eval", lambda: command(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
