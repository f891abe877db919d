"""How long import and audit take, and how much memory, as the number of sentences grows.

    python -m eval.benchmarks.intake_speed --sizes 10000 100000 1000000

Writes an invented Prodigy export (two annotators, articles of about 11 sentences, words as frequent as in
running text, a few near-copies), then runs ``python -m training import`` on it and ``python -m training audit``
on what comes out, each in a fresh process. With ``--steps audit`` records are written directly and only
the audit runs. The exponent compares with the size before: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import DataError
from strijdtaal.labels import KEYS
from training.config import ROOT
from training.console import run_command

PER_ARTICLE = (6, 17)  # sentences, the last not included
VOCABULARY = 150_000
NEAR_COPIES = 0.01
LABEL = 0.08  # share of the sentences with each label
DISAGREE = 0.003
PIECE = 10_000  # sentences drawn at once: the parent's memory counts in its children's peak, so it stays small
REMEMBERED = 2_000  # sentences that may be copied
STEPS = ("import", "audit")
_SYLLABLES = ("ba", "de", "ge", "heid", "ing", "jo", "ka", "lo", "mi", "nu", "ra", "schap", "straat", "te", "vo", "we")


@dataclass(frozen=True)
class Measured:
    """One command on one size."""

    step: str
    sentences: int
    seconds: float
    mebibytes: float


def vocabulary(number: int = VOCABULARY) -> NDArray[np.object_]:
    """Different invented words, the short ones first, as the frequent ones are."""
    words, level = list(_SYLLABLES), list(_SYLLABLES)
    while len(words) < number:
        level = [start + end for start in level for end in _SYLLABLES][:number]
        words += level
    return np.array(words[:number], dtype=object)


def sentences(number: int, seed: int = 1) -> Iterator[str]:
    """Invented sentences: lengths and frequencies of words about those of newspapers (Zipf and Mandelbrot)."""
    generator = np.random.default_rng(seed)
    words = vocabulary()
    weights = np.cumsum(1 / (np.arange(len(words)) + 2.7) ** 1.05)
    remembered: list[list[str]] = []
    for start in range(0, number, PIECE):
        lengths = np.clip(generator.lognormal(2.85, 0.45, min(PIECE, number - start)), 2, 60).astype(int)
        ends = np.cumsum(lengths)
        drawn = words[np.searchsorted(weights, generator.random(int(ends[-1])) * weights[-1])].tolist()
        for length, end in zip(lengths.tolist(), ends.tolist(), strict=True):
            chosen = drawn[end - length : end]
            if len(remembered) == REMEMBERED and generator.random() < NEAR_COPIES:
                chosen = [*remembered[int(generator.integers(REMEMBERED))][:-1], "anders"]
            elif len(remembered) < REMEMBERED:
                remembered.append(chosen)
            yield " ".join(chosen).capitalize() + "."


def invented(number: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Records with two annotators who nearly always agree."""
    generator = np.random.default_rng(seed + 1)
    article, index, left = -1, 0, 0
    for place, text in enumerate(sentences(number, seed)):
        if not left:
            article, index, left = article + 1, 0, int(generator.integers(*PER_ARTICLE))
        draws = generator.random(len(KEYS) + 1)
        labels = [key for key, draw in zip(KEYS, draws, strict=False) if draw < LABEL]
        other = [] if labels and draws[-1] < DISAGREE else labels
        yield {
            "id": f"s{place:07}",
            "article": f"a{article:06}",
            "index": index,
            "text": text,
            "labels": labels,
            "annotations": {"anna": labels, "bob": other},
            "date": f"{2010 + article % 12}-{1 + article % 11:02}-{1 + article % 28:02}",
        }
        index, left = index + 1, left - 1


def prodigy_rows(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same sentence as Prodigy writes it: one row for each annotator."""
    options = [{"id": key, "text": key} for key in KEYS]
    for name, labels in record["annotations"].items():
        yield {
            **{key: record[key] for key in ("id", "article", "index", "text", "date")},
            "options": options,
            "accept": labels,
            "answer": "accept",
            "_view_id": "choice",
            "_input_hash": int(record["id"][1:]),
            "_annotator_id": f"nieuws-{name}",
        }


def write(path: Path, number: int, prodigy: bool) -> None:
    """Write the invented data as JSONL."""
    with path.open("w", encoding="utf-8") as file:
        for record in invented(number):
            for row in prodigy_rows(record) if prodigy else [record]:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def run(step: str, arguments: Sequence[str], sentences: int) -> Measured:
    """Run one command in a fresh process.

    Raises:
        DataError: it failed; what it said is quoted.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "training", step, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            tail = said.read().decode(errors="replace")[-1000:]
            raise DataError(f"python -m training {step} ended with {process.returncode}: {tail}")
    return Measured(step, sentences, seconds, usage.ru_maxrss / 1024)


def measure(number: int, steps: Sequence[str], folder: Path) -> list[Measured]:
    """Make data of one size and run the steps on it."""
    data, out = folder / f"{number}.jsonl", folder / f"import-{number}"
    write(data, number, prodigy="import" in steps)
    found = []
    if "import" in steps:
        found.append(run("import", [str(data), "--out", str(out)], number))
    if "audit" in steps:
        found.append(run("audit", [str(out / "annotations.jsonl" if found else data)], number))
    data.unlink()
    return found


def table(found: Sequence[Measured]) -> str:
    """The figures for a terminal, with the exponent of growth from the size before."""
    lines = [f"{'step':<8}{'sentences':>12}{'seconds':>10}{'MiB':>9}{'s per 10^5':>12}{'exponent':>10}"]
    for step in dict.fromkeys(one.step for one in found):
        before: Measured | None = None
        for one in sorted((one for one in found if one.step == step), key=lambda one: one.sentences):
            growth = ""
            if before and one.sentences > before.sentences:
                growth = f"{math.log(one.seconds / before.seconds) / math.log(one.sentences / before.sentences):.2f}"
            each = one.seconds / one.sentences * 1e5
            line = f"{step:<8}{one.sentences:>12,}{one.seconds:>10.1f}{one.mebibytes:>9,.0f}{each:>12.1f}{growth:>10}"
            lines.append(line)
            before = one
    return "\n".join(lines)


def compare(sizes: Sequence[int], steps: Sequence[str]) -> None:
    """Measure all sizes and print the table."""
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in sizes:
            found += measure(number, steps, Path(folder))
    sys.stdout.write(f"{table(found)}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.intake_speed", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    arguments = parser.parse_args(argv)
    return run_command("eval.benchmarks.intake_speed", lambda: compare(arguments.sizes, arguments.steps))


if __name__ == "__main__":
    raise SystemExit(main())
