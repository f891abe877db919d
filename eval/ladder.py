"""The ladder: simple systems, the encoder over several seeds and the ensemble of these, on the same test sentences.

One seed says little of a recipe: the encoder is given as the mean over seeds with standard deviation and
worst seed. The seed ensemble is the mean of the logits over seeds (deep ensembles: Lakshminarayanan,
Pritzel and Blundell 2017, there of probabilities), with a threshold of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from eval.baselines import Tfidf, static_embeddings
from eval.gather import predictions_of
from eval.ladder_rows import markdown, row, table
from eval.pages import plain
from eval.paired import Array
from eval.predictions import Predictions, write_predictions
from eval.score import score_run
from strijdtaal.classifier import sigmoid
from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION, to_vector
from strijdtaal.text import clean
from training.dataset import Corpus, load_corpus
from training.records import Record
from training.run import Run, open_run, write_json
from training.settings import RunConfig
from training.thresholds import best_shared_threshold

log = logging.getLogger(__name__)

__all__ = ["ensemble", "finished_run", "flat", "ladder", "seed_configs", "table"]

KIND = "ladder"
SPLIT = "test"
ENSEMBLE = "ensemble"


def seed_configs(config: RunConfig, seeds: Sequence[int]) -> list[RunConfig]:
    """The config of each seed, named ``<name>-seed<k>``.

    Raises:
        UsageError: fewer than two seeds, one twice, or one that a config does not take.
    """
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise UsageError(f"A ladder needs at least two different seeds, found {list(seeds)}.")
    result = []
    for seed in seeds:
        values = config.model_dump(mode="json")
        values["name"] = f"{config.name}-seed{seed}"
        values["train"]["seed"] = seed
        try:
            result.append(RunConfig.model_validate(values))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise UsageError(f"seed {seed}: {where} = {fault['input']!r}: {fault['msg']}.") from error
    return result


def finished_run(config: RunConfig, corpus: Corpus) -> Run | None:
    """The finished run of this very config and data, or None when nothing is there.

    Raises:
        UsageError: what is there is unfinished or damaged, or was trained by another config.
        DataError: it was trained on other annotations.
    """
    if not config.folder.exists():
        return None
    run = open_run(config.folder)
    mine, found = (flat(item.model_dump(mode="json")) for item in (config, run.config))
    other = [key for key in mine if key != "output" and mine[key] != found.get(key)]
    if other:
        key = other[0]
        raise UsageError(
            f"{run.folder} was trained with another config: {key} is {found.get(key)!r}, not {mine[key]!r}. "
            "Remove it, or choose another name."
        )
    for name in ("data_fingerprint", "split_fingerprint"):
        if run.data[name] != getattr(corpus, name):
            raise DataError(
                f"{run.folder} was trained on other annotations ({name} differs). Remove it, or choose another name."
            )
    return run


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A config's values by dotted key.

    >>> flat({"name": "a", "train": {"seed": 1}})
    {'name': 'a', 'train.seed': 1}
    """
    result: dict[str, Any] = {}
    for key, value in tree.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return result


def _trained(configs: Sequence[RunConfig], corpus: Corpus) -> list[Run]:
    """The runs of all seeds; what is refused is refused before anything is trained."""
    found = [finished_run(config, corpus) for config in configs]
    for number, (config, run) in enumerate(zip(configs, found, strict=True)):
        if run is None:
            from training.finetune import finetune

            log.info("Training %s (%d of %d)", config.name, number + 1, len(configs))
            found[number] = open_run(finetune(config, corpus))
        else:
            log.info("%s is there already", run.folder)
    return [run for run in found if run is not None]


def _scored(run: Run) -> dict[str, dict[str, Predictions]]:
    if not (run.folder / "predictions").exists():
        score_run(run.folder)
    try:
        return predictions_of(run)
    except DataError:  # left over from another model or version
        score_run(run.folder)
        return predictions_of(run)


def _texts_and_gold(records: Sequence[Record]) -> tuple[list[str], Array]:
    return [clean(record.text) for record in records], np.array([to_vector(record.labels) for record in records])


def _timed(model: Any, texts: Sequence[str], gold: Array) -> float:
    start = time.monotonic()
    model.fit(texts, gold)
    return time.monotonic() - start


def ensemble(seeds: Sequence[dict[str, Predictions]], threshold: float | None = None) -> dict[str, Predictions]:
    """The seed ensemble on each split that the seeds' predictions hold.

    The threshold is chosen on the ensemble's own validation predictions, unless one is given.

    Raises:
        DataError: a seed has no logits, or the seeds speak of different sentences.
    """
    logits: dict[str, Array] = {}
    for split, first in seeds[0].items():
        rows = []
        for item in (seed[split] for seed in seeds):
            if item.logits is None or item.ids != first.ids or not np.array_equal(item.gold, first.gold):
                raise DataError(f"The seeds' predictions of {split} do not belong together. Score the runs again.")
            rows.append(item.logits)
        logits[split] = np.mean(rows, axis=0)
    if threshold is None:
        threshold, _ = best_shared_threshold(sigmoid(logits["validation"]), seeds[0]["validation"].gold)
    return {
        split: replace(
            item, system=ENSEMBLE, threshold=threshold, logits=logits[split], probabilities=sigmoid(logits[split])
        )
        for split, item in seeds[0].items()
    }


def ladder(config: RunConfig, seeds: Sequence[int], out: Path) -> dict[str, Any]:
    """Train, score and ensemble ``config`` over ``seeds``; write and return the ladder.

    ``out`` becomes a folder with ``ladder.json``, ``ladder.md`` and ``ensemble-<split>.parquet``. An older
    ladder there is replaced.

    Raises:
        UsageError: the seeds are wrong, or a run of one of the names is damaged or of another config.
        DataError: the annotations are faulty, or not those of a finished run. TrainingError: a run failed.
    """
    configs = seed_configs(config, seeds)
    corpus = load_corpus(config.data)
    train = _texts_and_gold(corpus.splits["train"])
    runs = _trained(configs, corpus)
    scored = [_scored(run) for run in runs]
    encoders = [{split: systems["encoder"] for split, systems in found.items()} for found in scored]
    fixed = None if config.decision.threshold == "validation" else float(config.decision.threshold)
    added = {ENSEMBLE: ensemble(encoders, fixed)}
    took = [float(run.metrics.get("training_seconds", "nan")) for run in runs]
    unknown = float("nan")
    simple = scored[0][SPLIT]
    rows = [row(system, [simple[system]], unknown) for system in ("majority", "keywords")]
    static = static_embeddings(config.network.encoder)
    if static and "static" in simple:
        rows.append(row("static", [simple["static"]], _timed(static, *train)))
    rows.append(row("tfidf", [simple["tfidf"]], _timed(Tfidf(), *train)))
    rows.append(row("encoder", [item[SPLIT] for item in encoders], float(np.mean(took))))
    rows.append(row(ENSEMBLE, [added[ENSEMBLE][SPLIT]], float(np.sum(took))))
    return _write(out, config, runs, rows, added)


def _write(
    out: Path,
    config: RunConfig,
    runs: Sequence[Run],
    rows: list[dict[str, Any]],
    added: dict[str, dict[str, Predictions]],
) -> dict[str, Any]:
    """Write the folder; returns what ``ladder.json`` holds."""
    test = added[ENSEMBLE][SPLIT]
    result: dict[str, Any] = {
        "name": config.name,
        "codebook_version": CODEBOOK_VERSION,
        "split": SPLIT,
        "sentences": len(test.ids),
        "articles": len(set(test.articles)),
        "data_fingerprint": runs[0].data["data_fingerprint"],
        "split_fingerprint": runs[0].data["split_fingerprint"],
        "runs": [
            {"run": str(run.folder), "seed": run.config.train.seed, "model_sha256": run.model_sha256} for run in runs
        ],
        "systems": rows,
    }
    result = plain(result)
    with write_folder(out, KIND, replace=True) as work:
        write_json(work / "ladder.json", result)
        (work / "ladder.md").write_text(markdown(result), encoding="utf-8")
        for system, splits in added.items():
            for split, item in splits.items():
                write_predictions(work / f"{system}-{split}.parquet", item)
    return result
