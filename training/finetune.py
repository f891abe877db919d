"""Fine-tuning: config -> data -> transformers' Trainer -> run folder, whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, to_vector
from strijdtaal.text import clean
from training.config import dump_config
from training.cross_fit import out_of_fold
from training.dataset import Corpus, load_corpus
from training.decision import Decision, choose_decision, fixed_decision
from training.fit import fit
from training.network import classify, fold_calibration
from training.run import KIND, environment, write_json
from training.settings import RunConfig
from training.splits import counts_table
from training.thresholds import macro_f1

log = logging.getLogger(__name__)


def _decision(config: RunConfig, corpus: Corpus, logits: Any, gold: Any, work: Path) -> Decision:
    """The rule that turns logits into decisions: fixed by the config, or chosen on validation data.

    With ``decision.cross_fit`` the training data has a say too, by the logits of models that did not see it.
    """
    section = config.decision
    if section.threshold != "validation":
        return fixed_decision(float(section.threshold))
    articles = [record.article for record in corpus.splits["validation"]]
    if section.cross_fit:
        left_out = out_of_fold(config, corpus, section.cross_fit, work)
        logits = np.concatenate([logits, left_out.logits])
        gold = np.concatenate([gold, left_out.gold])
        articles += left_out.articles
    return choose_decision(logits, gold, articles, calibrate=section.calibrate, per_label=section.per_label)


def _metrics(decision: Decision, history: list[dict[str, Any]], logits: Any, gold: Any) -> dict[str, Any]:
    """What the run found out on validation data, from the logits of the weights before calibration."""
    decided = decision.decided(logits)
    silent = [key for key, ever in zip(KEYS, decided.max(axis=0), strict=True) if not ever]
    if silent:
        log.warning("On validation no sentence reaches the threshold for: %s", ", ".join(silent))
    return {
        "thresholds": dict(zip(KEYS, decision.thresholds, strict=True)),
        "decision": decision.as_dict(),
        "validation_macro_f1_at_half": macro_f1(logits >= 0, gold),
        "validation_macro_f1": macro_f1(decided, gold),
        "best_epoch": max(history, key=lambda entry: entry["eval_macro_f1"])["epoch"],
        "labels_never_predicted": silent,
        "epochs": [
            {name.removeprefix("eval_"): value for name, value in entry.items() if name != "step"} for entry in history
        ],
    }


def _epochs(log_history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry an epoch, with the training loss beside the validation figures."""
    losses = {entry["epoch"]: entry["loss"] for entry in log_history if "loss" in entry}
    return [{**entry, "train_loss": losses.get(entry["epoch"])} for entry in log_history if "eval_macro_f1" in entry]


def _write_run(work: Path, config: RunConfig, corpus: Corpus) -> None:
    model = work / "model"
    fitted = fit(config, corpus, model)
    trainer = fitted.trainer
    validation = corpus.splits["validation"]
    logits = classify(model, [clean(record.text) for record in validation], config.network.max_length)
    gold = np.array([to_vector(record.labels) for record in validation])
    decision = _decision(config, corpus, logits, gold, work)
    if decision.calibrated:  # into the weights, so that every loader gives calibrated probabilities
        fold_calibration(trainer.model, decision.slopes, decision.biases)
        trainer.model.save_pretrained(model)
    metrics = _metrics(decision, _epochs(trainer.state.log_history), logits, gold)
    write_json(work / "metrics.json", {**metrics, "training_seconds": round(fitted.seconds, 1)})
    (work / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    write_json(work / "data.json", corpus.document())
    device = {"device": str(trainer.args.device), "bf16": trainer.args.bf16, "threads": torch.get_num_threads()}
    write_json(work / "environment.json", {**environment(), **device})
    about = {"name": config.name, "codebook_version": CODEBOOK_VERSION, "seed": config.train.seed}
    write_json(work / "run.json", about)


def finetune(config: RunConfig, corpus: Corpus | None = None) -> Path:
    """Train the configured encoder on the configured data (or on a corpus already loaded); returns the run folder.

    Raises:
        UsageError, DataError, TrainingError, FolderError: nothing is left behind in any of these cases.
    """
    corpus = corpus or load_corpus(config.data)
    log.info(
        "Data %s, split %s\n%s",
        corpus.data_fingerprint[:12],
        corpus.split_fingerprint[:12],
        counts_table(corpus.splits),
    )
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    with write_folder(config.folder, KIND, codebook_version=CODEBOOK_VERSION) as work:
        _write_run(work, config, corpus)
    return config.folder
