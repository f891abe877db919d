"""What choosing sentences saves: macro-F1 against the number of labels, for each strategy of ``training suggest``.

    python -m eval.benchmarks.active_learning configs/default.yaml --out seeds/active_learning

The training split is the pool, and its labels are shown batch by batch. All strategies start from the same
random sentences of a seed; after each batch TF-IDF with logistic regression (``eval.baselines.Tfidf``) is fitted
again. Its words and character runs come from the whole pool, whose texts are known without labels. Scores are on
the validation split, at the shared threshold that is best there (as in ``training finetune``); the test split is not
looked at. Writes ``<out>.json`` and the plot ``<out>.svg``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.baselines import Tfidf
from eval.benchmarks.active_learning_plot import plot
from strijdtaal.classifier import sigmoid
from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import write_file
from strijdtaal.labels import KEYS, to_vector
from strijdtaal.text import clean
from training.console import run_command
from training.dataset import load_corpus
from training.records import Record
from training.settings import RunConfig, load_run_config
from training.suggest.sentences import sentence_vectors
from training.suggest.strategies import DEFAULT, STRATEGIES, Candidates, choose
from training.thresholds import best_shared_threshold

SIZES = (500, 750, 1000, 1500, 2000, 3000, 4000, 6000)
BASE = "random"

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Learner(Tfidf):
    """The TF-IDF baseline with features fitted once, on texts without labels; only its regressions are fitted again."""

    def __init__(self, pool: Sequence[str], validation: Sequence[str]) -> None:
        super().__init__()
        features, self._regressions = self._pipeline
        self.pool = features.fit_transform(pool).tocsr()
        self.validation = features.transform(validation).tocsr()

    def learn(self, chosen: Numbers, gold: Array) -> Learner:
        """Fit on rows of the pool.

        Raises:
            DataError: a label has no positives among them.
        """
        missing = [key for key, count in zip(KEYS, gold.sum(axis=0), strict=True) if not count]
        if missing:
            raise DataError(
                f"{len(chosen)} sentences hold no {missing[0]}. Start from more: a larger first of --sizes."
            )
        self._regressions.fit(self.pool[chosen], gold.astype(int))
        return self

    def logits(self, matrix: Any) -> Array:
        """Log-odds, shape (rows, labels)."""
        return np.asarray(self._regressions.decision_function(matrix), dtype=np.float64)


class Score(NamedTuple):
    """On validation; average precision is the mean over labels and needs no threshold."""

    macro_f1: float
    average_precision: float
    threshold: float


@dataclass(frozen=True)
class Ground:
    """What a simulation plays on: labels of pool and validation, the learner, and the pool's vectors."""

    gold: Array
    validation: Array
    learner: Learner
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, pool: Sequence[Record], validation: Sequence[Record]) -> Ground:
        """Features and vectors of the records' texts."""
        texts, others = ([clean(record.text) for record in part] for part in (pool, validation))
        gold, held = (np.array([to_vector(record.labels) for record in part]) for part in (pool, validation))
        return cls(gold, held, Learner(texts, others), sentence_vectors(texts))

    def score(self, chosen: Numbers) -> Score:
        """Fit on the chosen rows and score on validation."""
        from sklearn.metrics import average_precision_score

        learner = self.learner.learn(chosen, self.gold[chosen])
        probabilities = sigmoid(learner.logits(learner.validation))
        threshold, macro_f1 = best_shared_threshold(probabilities, self.validation)
        return Score(macro_f1, float(average_precision_score(self.validation, probabilities)), threshold)

    def positives(self, chosen: Numbers) -> list[int]:
        """How many of the chosen rows have each label."""
        return [int(count) for count in self.gold[chosen].sum(axis=0)]


def simulate(ground: Ground, by: str, sizes: Sequence[int], seed: int) -> tuple[list[Score], list[int]]:
    """Scores at each size, and the positives of each label at the end; the first size is drawn at random."""
    everything = np.arange(len(ground.gold))
    chosen = np.random.default_rng(seed).permutation(everything)[: sizes[0]]
    scores = [ground.score(chosen)]
    for number, size in enumerate(sizes[1:], 1):
        rest = np.setdiff1d(everything, chosen)
        logits = ground.learner.logits(ground.learner.pool[rest])
        positives = ground.positives(chosen)
        thresholds = (scores[-1].threshold,) * len(positives)
        candidates = Candidates(logits, thresholds, ground.vectors[rest], ground.vectors[chosen], positives)
        choice = choose(candidates, size - len(chosen), by, seed=1000 * seed + number)
        chosen = np.concatenate([chosen, rest[choice.order]])
        scores.append(ground.score(chosen))
    return scores, ground.positives(chosen)


def labels_to_reach(sizes: Sequence[int], scores: Sequence[float], target: float) -> float:
    """Where the curve first reaches ``target``, by straight lines between sizes; NaN if it never does.

    >>> labels_to_reach([100, 200, 400], [0.2, 0.4, 0.5], 0.3)
    150.0
    """
    if scores[0] >= target:
        return float(sizes[0])
    for (left, low), (right, high) in zip(
        zip(sizes, scores, strict=True), zip(sizes[1:], scores[1:], strict=True), strict=False
    ):
        if low < target <= high:
            return left + (right - left) * (target - low) / (high - low)
    return math.nan


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean, smallest and largest over seeds; None where a curve did not get there."""
    if any(math.isnan(value) for value in values):
        return dict.fromkeys(("mean", "low", "high"))
    return {"mean": float(np.mean(values)), "low": float(min(values)), "high": float(max(values))}


def summary(sizes: Sequence[int], curves: dict[str, list[list[float]]]) -> dict[str, Any]:
    """For each strategy: scores over seeds, gain over random (paired by seed), labels to reach random's scores."""
    base = np.array(curves[BASE])
    result = {}
    for by, scores in curves.items():
        gains = np.array(scores) - base
        needed = {
            str(size): _spread([labels_to_reach(sizes, curve, float(base[:, column].mean())) for curve in scores])
            for column, size in enumerate(sizes)
            if column
        }
        result[by] = {
            "macro_f1": [_spread(list(column)) for column in zip(*scores, strict=True)],
            "gain": [_spread(column.tolist()) for column in gains.T],
            "labels_to_reach_random_at": needed,
            "curves": scores,
        }
    return result


def measure(
    config: RunConfig, sizes: Sequence[int], seeds: int, say: Callable[[str], object] = lambda text: None
) -> dict[str, Any]:
    """Simulate every strategy with every seed.

    Returns:
        ``sizes``, ``seeds``, ``pool`` (sentences), ``whole_pool`` (macro-F1 with all labels), and ``strategies``.

    Raises:
        UsageError: fewer than two sizes below that of the pool.
        DataError: the data cannot be used, or a start without a positive of some label.
    """
    from threadpoolctl import threadpool_limits

    corpus = load_corpus(config.data)
    ground = Ground.of(corpus.splits["train"], corpus.splits["validation"])
    sizes = [size for size in sorted(set(sizes)) if size < len(ground.gold)]
    if len(sizes) < 2 or sizes[0] < 1 or seeds < 1:
        raise UsageError(f"At least one seed and two --sizes from 1 to {len(ground.gold) - 1:,} are needed.")
    curves: dict[str, list[list[float]]] = {}
    more: dict[str, dict[str, Any]] = {}
    with threadpool_limits(1):  # of the libraries that are loaded by now; threads only slow liblinear down
        whole = ground.score(np.arange(len(ground.gold)))
        for by in (BASE, *(name for name in STRATEGIES if name != BASE)):
            found = [simulate(ground, by, sizes, seed) for seed in range(1, seeds + 1)]
            curves[by] = [[score.macro_f1 for score in scores] for scores, _ in found]
            precision = zip(*[[score.average_precision for score in scores] for scores, _ in found], strict=True)
            counts = np.mean([count for _, count in found], axis=0).round().astype(int).tolist()
            more[by] = {"average_precision": [_spread(column) for column in precision], "positives_at_end": counts}
            say(f"{by:<12}" + "".join(f"{100 * value:7.1f}" for value in np.mean(curves[by], axis=0)))
    about = {"data": corpus.data_fingerprint, "split": corpus.split_fingerprint, "default": DEFAULT, "sizes": sizes}
    return about | {
        "seeds": seeds,
        "pool": len(ground.gold),
        "whole_pool": whole.macro_f1,
        "strategies": {by: row | more[by] for by, row in summary(sizes, curves).items()},
    }


def _saved(result: dict[str, Any]) -> str:
    """For people: labels that each strategy needs for what random choice reaches with half and with all of them."""
    lines = []
    for size in (result["sizes"][len(result["sizes"]) // 2], result["sizes"][-1]):
        for by in (name for name in result["strategies"] if name != BASE):
            needed = result["strategies"][by]["labels_to_reach_random_at"][str(size)]
            found = "not reached by all seeds"
            if needed["mean"] is not None:
                found = f"{needed['mean']:6,.0f} labels ({needed['low']:,.0f} to {needed['high']:,.0f})"
            lines.append(f"as good as {size:,} random ones: {by:<12} {found}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulation from the command line."""
    parser = argparse.ArgumentParser(prog="python -m eval.benchmarks.active_learning", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("override", nargs="*", metavar="key=value")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="without ending")
    arguments = parser.parse_args(argv)

    def run() -> None:
        def say(text: str) -> None:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

        config = load_run_config(arguments.config, arguments.override)
        result = measure(config, arguments.sizes, arguments.seeds, say)
        say(_saved(result))
        write_file(arguments.out.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
        plot(result, arguments.out.with_suffix(".svg"))

    return run_command("eval.benchmarks.active_learning", run)


if __name__ == "__main__":
    raise SystemExit(main())
