"""Fine-tuning: config -> data -> transformers' Trainer -> run folder, whole or not at all."""

from __future__ import annotations

import logging
import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorWithPadding, ProgressCallback, Trainer, TrainingArguments, set_seed

from strijdtaal.errors import UsageError
from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, to_vector
from strijdtaal.text import clean
from training.config import dump_config
from training.dataset import Corpus, load_corpus, to_dataset_dict
from training.decision import Decision, choose_decision, fixed_decision
from training.loop import (
    EpochLines,
    MaskingTrainer,
    StopWhenNotFinite,
    WeightedLoss,
    make_optimiser,
    validation_metrics,
)
from training.network import classify, fold_calibration, load_network, load_tokenizer
from training.precision import bf16_is_faster
from training.pretrain.tokenizer import save_tokenizer
from training.records import Record
from training.run import KIND, environment, write_json
from training.settings import RunConfig, TrainSection
from training.splits import counts_table
from training.thresholds import macro_f1

log = logging.getLogger(__name__)


def _arguments(section: TrainSection, folder: Path, steps_an_epoch: int) -> TrainingArguments:
    bf16 = section.precision == "bf16" or (section.precision == "auto" and bf16_is_faster())
    log.info("Precision: %s", "bf16" if bf16 else "fp32")
    devices = int(os.environ.get("WORLD_SIZE", max(1, torch.cuda.device_count())))
    share, rest = divmod(section.batch_size, devices)
    micro = min(section.micro_batch_size, max(1, share))
    if rest or share % micro:
        raise UsageError(
            f"train.batch_size {section.batch_size} cannot be shared by {devices} devices in steps of {micro}."
        )
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=section.epochs,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        per_device_eval_batch_size=64,
        learning_rate=section.lr,
        weight_decay=section.weight_decay,
        warmup_steps=math.ceil(section.warmup * section.epochs * steps_an_epoch),
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(section.schedule, section.schedule),
        train_sampling_strategy="group_by_length",
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=section.seed,
        data_seed=section.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        disable_tqdm=False,
        save_only_model=True,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="macro_f1",
        greater_is_better=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
    )


def _tokenised(corpus: Corpus, tokenizer: Any, max_length: int) -> Any:
    def encode(batch: dict[str, list[Any]]) -> Any:
        encoded = tokenizer(batch["text"], truncation=True, max_length=max_length)
        encoded["length"] = [len(ids) for ids in encoded["input_ids"]]
        return encoded

    return to_dataset_dict(corpus).map(encode, batched=True, remove_columns=["id", "article", "text"])


def _trainer(config: RunConfig, corpus: Corpus, folder: Path) -> tuple[Trainer, Any]:
    tokenizer = load_tokenizer(config.network)
    data = _tokenised(corpus, tokenizer, config.network.max_length)
    if config.train.token_mask and tokenizer.mask_token_id is None:
        raise UsageError("train.token_mask needs a tokenizer with a mask token; set it to 0 for this encoder.")
    set_seed(config.train.seed)
    model = load_network(config.network)
    steps = math.ceil(len(data["train"]) / config.train.batch_size)
    trainer = MaskingTrainer(
        config.train.token_mask,
        tokenizer.mask_token_id,
        tokenizer.all_special_ids,
        model=model,
        args=_arguments(config.train, folder, steps),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=validation_metrics,
        compute_loss_func=WeightedLoss(config.train.positive_weight),
        callbacks=[StopWhenNotFinite()],
        optimizers=(make_optimiser(model, config.train), None),
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(EpochLines())
    return trainer, tokenizer


def _decision(config: RunConfig, logits: Any, validation: list[Record], gold: Any) -> Decision:
    """The rule that turns logits into decisions: fixed by the config, or chosen on validation data."""
    section = config.decision
    if section.threshold != "validation":
        return fixed_decision(float(section.threshold))
    articles = [record.article for record in validation]
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
    checkpoints, model = work / "checkpoints", work / "model"
    start = time.monotonic()
    trainer, tokenizer = _trainer(config, corpus, checkpoints)
    trainer.train()
    seconds = time.monotonic() - start
    trainer.model.save_pretrained(model)
    save_tokenizer(tokenizer, model)
    shutil.rmtree(checkpoints)  # the Trainer's own files hold pickles; the best weights are in model/
    validation = corpus.splits["validation"]
    logits = classify(model, [clean(record.text) for record in validation], config.network.max_length)
    gold = np.array([to_vector(record.labels) for record in validation])
    decision = _decision(config, logits, validation, gold)
    if decision.calibrated:  # into the weights, so that every loader gives calibrated probabilities
        fold_calibration(trainer.model, decision.slopes, decision.biases)
        trainer.model.save_pretrained(model)
    metrics = _metrics(decision, _epochs(trainer.state.log_history), logits, gold)
    write_json(work / "metrics.json", {**metrics, "training_seconds": round(seconds, 1)})
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
