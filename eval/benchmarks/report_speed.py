"""How long a report takes: 100,000 predictions, 1,000 draws, against a plain loop over resampled sentences.

    python -m eval.benchmarks.report_speed --sentences 100000

All figures come from the same predictions in one run. The loop gathers the sentences of the drawn
articles and calls scikit-learn's F1 on them, draw by draw; it is timed on a few draws and scaled up.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eval.bootstrap import DRAWS, article_draws, f1_intervals
from eval.intervals import drawn_metrics
from eval.predictions import Predictions, write_predictions
from strijdtaal.labels import KEYS
from training.console import run_command

PER_ARTICLE = 12
LOOP_DRAWS = 10


def invented(sentences: int, seed: int = 0) -> Predictions:
    """Predictions with about the shares and errors of a real run; the texts are numbers in words' clothing."""
    generator = np.random.default_rng(seed)
    gold = generator.random((sentences, len(KEYS))) < 0.08
    logits = np.where(gold, 1.5, -4.0) + generator.normal(0, 1.5, gold.shape)
    words = np.array(["leger", "stad", "volgens", "zei", "dreigt", "steunt", "trokken", "wapens", "overleg"])
    texts = [" ".join(row) + f" {number}." for number, row in enumerate(generator.choice(words, (sentences, 14)))]
    return Predictions(
        system="invented",
        split="test",
        threshold=0.5,
        ids=[f"s{number}" for number in range(sentences)],
        articles=[f"a{number // PER_ARTICLE}" for number in range(sentences)],
        texts=texts,
        gold=gold.astype(float),
        probabilities=1 / (1 + np.exp(-logits)),
    )


def loop_seconds(item: Predictions, draws: int = LOOP_DRAWS) -> float:
    """Seconds that ``DRAWS`` draws take sentence by sentence, from the time of a few."""
    from sklearn.metrics import f1_score

    places: dict[str, list[int]] = {}
    for number, article in enumerate(item.articles):
        places.setdefault(article, []).append(number)
    names = list(places)
    generator = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(draws):
        rows = [row for name in generator.choice(names, len(names)) for row in places[name]]
        f1_score(item.gold[rows], item.decided[rows], average=None, zero_division=np.nan)
    return (time.perf_counter() - start) / draws * DRAWS


def measure(sentences: int) -> str:
    """The figures as text."""
    from eval.report import write_bare_report

    item = invented(sentences)
    start = time.perf_counter()
    f1_intervals(item.articles, item.gold, item.decided)
    vectorised = time.perf_counter() - start
    start = time.perf_counter()
    drawn_metrics(item, article_draws(len(set(item.articles))))
    every = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "invented.parquet"
        write_predictions(path, item)
        start, busy = time.perf_counter(), time.process_time()
        write_bare_report([path], Path(folder) / "report")
        report, busy = time.perf_counter() - start, time.process_time() - busy
        size = (Path(folder) / "report" / "report.html").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    loop = loop_seconds(item)
    return (
        f"{sentences:,} sentences of {len(set(item.articles)):,} articles, {DRAWS:,} draws\n"
        f"  whole report             {report:8.1f} s ({busy:.1f} s of processor), "
        f"peak memory {peak:.2f} GiB, page {size / 1e6:.1f} MB\n"
        f"  draws of every metric    {every:8.2f} s\n"
        f"  intervals of F1          {vectorised:8.2f} s\n"
        f"  the same, plain loop     {loop:8.1f} s (from {LOOP_DRAWS} draws): {loop / vectorised:,.0f} times as long"
    )


def show(text: str) -> None:
    """Print the figures."""
    sys.stdout.write(f"{text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.report_speed", description=__doc__)
    parser.add_argument("--sentences", type=int, default=100_000)
    arguments = parser.parse_args(argv)
    return run_command("eval.benchmarks.report_speed", lambda: show(measure(arguments.sentences)))


if __name__ == "__main__":
    raise SystemExit(main())
