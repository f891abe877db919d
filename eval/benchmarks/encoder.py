"""What pretraining is worth: the encoder of a config, the same with random weights, and TF-IDF, side by side.

    python -m eval.benchmarks.encoder configs/default.yaml --seeds 5 --also real.jsonl --out encoder.json

Every seed fine-tunes both encoders by the same recipe. Scores are macro-F1 on the validation split and on
the files given with ``--also`` (only reported, nothing is chosen on them). The difference of two systems is
the mean over seeds; its 95% interval comes from drawing articles with replacement, the same articles for
both systems and all seeds. All systems use the threshold that is best for them on validation.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.baselines import Tfidf
from strijdtaal.classifier import sigmoid
from strijdtaal.labels import to_vector
from strijdtaal.text import clean
from training.console import run_command
from training.counts import article_counts, f1_of_counts
from training.dataset import load_corpus, resolve
from training.network import classify
from training.records import Record, read_records
from training.settings import RunConfig, load_run_config
from training.thresholds import best_shared_threshold

DRAWS = 1000
Scores = dict[str, dict[str, list[NDArray[np.float64]]]]  # system -> split -> probabilities of each seed


def random_weights(encoder: Path, folder: Path, seed: int) -> Path:
    """A copy of an encoder's architecture and tokenizer with the usual random start."""
    import torch
    from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

    torch.manual_seed(seed)
    AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(encoder)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder


def _fine_tuned(config: RunConfig, encoder: Path, seed: int, splits: dict[str, list[Record]], work: Path) -> list[Any]:
    from training.finetune import finetune

    name = f"{encoder.name}-{seed}"
    changed = config.model_copy(
        update={
            "name": name,
            "output": work,
            "network": config.network.model_copy(update={"encoder": str(encoder)}),
            "train": config.train.model_copy(update={"seed": seed}),
        }
    )
    folder = finetune(changed)
    return [
        sigmoid(classify(folder / "model", [clean(r.text) for r in records], config.network.max_length))
        for records in splits.values()
    ]


def collect(
    config: RunConfig, seeds: int, also: Sequence[Path], jobs: int = 1
) -> tuple[Scores, dict[str, list[Record]]]:
    """Train everything, ``jobs`` runs at a time, and return the probabilities of each system on each split by seed."""
    corpus = load_corpus(config.data)
    splits = {"validation": corpus.splits["validation"], **{path.stem: read_records([path]) for path in also}}
    encoder = resolve(Path(config.network.encoder))
    scores: Scores = {name: {split: [] for split in splits} for name in ("pretrained", "random weights", "tfidf")}
    train = corpus.splits["train"]
    tfidf = Tfidf().fit([clean(r.text) for r in train], np.array([to_vector(r.labels) for r in train]))
    for split, records in splits.items():
        scores["tfidf"][split].append(tfidf.probabilities([clean(r.text) for r in records]))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        starts = [
            (name, source, seed)
            for seed in range(1, seeds + 1)
            for name, source in (
                ("pretrained", encoder),
                ("random weights", random_weights(encoder, work / f"random-{seed}", seed)),
            )
        ]
        if jobs > 1:
            threads = max(1, (os.cpu_count() or 1) // jobs)
            config = config.model_copy(update={"train": config.train.model_copy(update={"threads": threads})})
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            runs = [pool.submit(_fine_tuned, config, source, seed, splits, work / "runs") for _, source, seed in starts]
            for (name, _, _), run in zip(starts, runs, strict=True):
                for split, probabilities in zip(splits, run.result(), strict=True):
                    scores[name][split].append(probabilities)
    return scores, splits


def compare(scores: Scores, splits: dict[str, list[Record]]) -> dict[str, Any]:
    """Macro-F1 of each system (mean and spread over seeds), and the differences to the pretrained encoder."""
    gold = {split: np.array([to_vector(r.labels) for r in records]) for split, records in splits.items()}
    thresholds = {
        name: [best_shared_threshold(p, gold["validation"])[0] for p in found["validation"]]
        for name, found in scores.items()
    }
    result: dict[str, Any] = {}
    for split, records in splits.items():
        articles = [record.article for record in records]
        counts = {
            name: [
                article_counts(articles, gold[split], (p >= threshold).astype(int))
                for p, threshold in zip(found[split], thresholds[name], strict=True)
            ]
            for name, found in scores.items()
        }
        result[split] = _summary(counts)
    return result


def _summary(counts: dict[str, list[NDArray[np.float64]]]) -> dict[str, Any]:
    """Scores and differences of one split, from per-article counts of each system and seed."""
    number = len(counts["tfidf"][0])
    drawn = np.random.default_rng(0).multinomial(number, np.full(number, 1 / number), size=DRAWS).astype(float)
    systems, draws = {}, {}
    for name, tables in counts.items():
        macro = [_macro(each.sum(axis=0)) for each in tables]
        systems[name] = {"mean": float(np.mean(macro)), "sd": float(np.std(macro)), "seeds": len(macro)}
        draws[name] = np.mean([_macro(np.einsum("da,acl->dcl", drawn, each)) for each in tables], axis=0)
    differences = {
        name: {
            "difference": systems["pretrained"]["mean"] - entry["mean"],
            "interval": np.percentile(draws["pretrained"] - draws[name], [2.5, 97.5]).tolist(),
        }
        for name, entry in systems.items()
        if name != "pretrained"
    }
    return {"systems": systems, "pretrained minus": differences}


def _macro(counts: NDArray[np.float64]) -> Any:
    return np.nanmean(f1_of_counts(counts), axis=-1)


def table(result: dict[str, Any]) -> str:
    """One block a split: scores, then differences with intervals, all in points of macro-F1."""
    lines = []
    for split, part in result.items():
        lines.append(split)
        for name, entry in part["systems"].items():
            lines.append(f"  {name:15s} {100 * entry['mean']:5.1f}  sd {100 * entry['sd']:.1f} over {entry['seeds']}")
        for name, entry in part["pretrained minus"].items():
            low, high = (100 * value for value in entry["interval"])
            lines.append(f"  pretrained - {name:15s} {100 * entry['difference']:+5.1f}  [{low:+.1f}, {high:+.1f}]")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.encoder", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("override", nargs="*", metavar="key=value")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--also", type=Path, action="append", default=[], metavar="JSONL")
    parser.add_argument("--jobs", type=int, default=1, help="runs trained side by side, each on its share of the cores")
    parser.add_argument("--out", type=Path, metavar="JSON")
    arguments = parser.parse_args(argv)

    def run() -> None:
        config = load_run_config(arguments.config, arguments.override)
        result = compare(*collect(config, arguments.seeds, arguments.also, arguments.jobs))
        sys.stdout.write(table(result) + "\n")
        if arguments.out:
            arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    return run_command("eval.benchmarks.encoder", run)


if __name__ == "__main__":
    raise SystemExit(main())
