"""What more annotation is worth: macro-F1 against the number of sentences trained on.

    python -m eval.benchmarks.learning_curve configs/default.yaml --also real.jsonl --out seeds/learning_curve

Trains the encoder of a config and TF-IDF on nested, growing parts of the training split (whole articles,
in a seeded order) and scores them on the test split and on the files given with ``--also``. The threshold
of each is the best on the whole validation split. Writes ``<out>.json`` and the plot ``<out>.svg``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.baselines import Tfidf
from eval.bootstrap import f1_intervals
from strijdtaal.classifier import sigmoid
from strijdtaal.folder import write_file
from strijdtaal.labels import to_vector
from strijdtaal.text import clean
from training.console import run_command
from training.dataset import Corpus, load_corpus
from training.network import classify
from training.records import Record, read_records
from training.settings import RunConfig, load_run_config
from training.thresholds import best_shared_threshold

SIZES = (500, 1000, 2000, 4000)
Probabilities = dict[str, NDArray[np.float64]]  # split -> (sentences, labels)


def growing_parts(records: Sequence[Record], sizes: Sequence[int], seed: int = 0) -> list[list[Record]]:
    """Nested parts of whole articles, each of at least ``sizes`` sentences, and all records as the last part."""
    articles: dict[str, list[Record]] = {}
    for record in records:
        articles.setdefault(record.article, []).append(record)
    order = np.random.default_rng(seed).permutation(sorted(articles))
    parts: list[list[Record]] = []
    part: list[Record] = []
    wanted = sorted(size for size in sizes if size < len(records))
    for name in order:
        part.extend(articles[name])
        while wanted and len(part) >= wanted[0]:
            parts.append(list(part))
            wanted.pop(0)
    return [*parts, part]


def _gold(records: Sequence[Record]) -> NDArray[np.float64]:
    return np.array([to_vector(record.labels) for record in records])


def _texts(records: Sequence[Record]) -> list[str]:
    return [clean(record.text) for record in records]


def _encoder(config: RunConfig, corpus: Corpus, splits: dict[str, list[Record]], work: Path) -> Probabilities:
    from training.finetune import finetune

    folder = finetune(config.model_copy(update={"name": "part", "output": work}), corpus)
    return {
        name: sigmoid(classify(folder / "model", _texts(records), config.network.max_length))
        for name, records in splits.items()
    }


def _tfidf(part: Sequence[Record], splits: dict[str, list[Record]]) -> Probabilities:
    model = Tfidf().fit(_texts(part), _gold(part))
    return {name: model.probabilities(_texts(records)) for name, records in splits.items()}


def _points(found: Probabilities, splits: dict[str, list[Record]]) -> dict[str, Any]:
    """Macro-F1 and its interval on every split but validation, at the threshold that validation gives."""
    from sklearn.metrics import f1_score

    threshold, _ = best_shared_threshold(found["validation"], _gold(splits["validation"]))
    result = {}
    for name, records in splits.items():
        if name == "validation":
            continue
        gold, decided = _gold(records), (found[name] >= threshold).astype(int)
        interval, _ = f1_intervals([record.article for record in records], gold, decided)
        score = f1_score(gold, decided, average="macro", zero_division=0.0)
        result[name] = {"macro_f1": float(score), "interval": list(interval)}
    return result


def measure(config: RunConfig, sizes: Sequence[int], also: Sequence[Path]) -> list[dict[str, Any]]:
    """One entry a size: sentences, positives, and the scores of both systems."""
    corpus = load_corpus(config.data)
    splits = {name: corpus.splits[name] for name in ("validation", "test")}
    splits |= {path.stem: read_records([path]) for path in also}
    rows = []
    for part in growing_parts(corpus.splits["train"], sizes):
        smaller = replace(corpus, splits={**corpus.splits, "train": part})
        with tempfile.TemporaryDirectory() as work:
            systems = {"encoder": _encoder(config, smaller, splits, Path(work)), "tfidf": _tfidf(part, splits)}
        rows.append(
            {
                "sentences": len(part),
                "positives": [int(count) for count in _gold(part).sum(axis=0)],
                **{name: _points(found, splits) for name, found in systems.items()},
            }
        )
        sys.stdout.write(f"{_line(rows[-1])}\n")
        sys.stdout.flush()
    return rows


def _line(row: dict[str, Any]) -> str:
    scores = [
        f"{system} on {split} {100 * entry['macro_f1']:5.1f}"
        for system in ("encoder", "tfidf")
        for split, entry in row[system].items()
    ]
    return f"{row['sentences']:6d} sentences  " + "  ".join(scores)


def plot(rows: Sequence[dict[str, Any]], target: Path) -> None:
    """Draw the curves with their 95% intervals as an SVG file."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "learning curve"  # the same rows give the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
    sizes = [row["sentences"] for row in rows]
    splits = list(rows[0]["encoder"])
    for color, system in (("#0b5394", "encoder"), ("#b45f06", "tfidf")):
        for style, split in zip(("-", "--", ":", "-."), splits, strict=False):
            values = np.array([row[system][split]["macro_f1"] for row in rows]) * 100
            low, high = np.array([row[system][split]["interval"] for row in rows]).T * 100
            axes.plot(sizes, values, style, color=color, marker="o", markersize=4, label=f"{system}, {split}")
            axes.fill_between(sizes, low, high, color=color, alpha=0.10, linewidth=0)
    axes.set(xscale="log", xlabel="sentences trained on (log scale)", ylabel="macro-F1 (points)", ylim=(0, 100))
    axes.set_xticks(sizes, labels=[f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.learning_curve", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("override", nargs="*", metavar="key=value")
    parser.add_argument("--also", type=Path, action="append", default=[], metavar="JSONL")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="without ending")
    arguments = parser.parse_args(argv)

    def run() -> None:
        config = load_run_config(arguments.config, arguments.override)
        rows = measure(config, arguments.sizes, arguments.also)
        write_file(arguments.out.with_suffix(".json"), json.dumps(rows, indent=1) + "\n")
        plot(rows, arguments.out.with_suffix(".svg"))

    return run_command("eval.benchmarks.learning_curve", run)


if __name__ == "__main__":
    raise SystemExit(main())
