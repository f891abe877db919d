"""Fine-tuning: config -> data -> transformers' Trainer -> run folder, whole or not at all."""

from __future__ import annotations

import logging
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    DataCollatorWithPadding,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from strijdtaal.errors import TrainingError
from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS
from training.config import dump_config
from training.dataset import Corpus, load_corpus, to_dataset_dict
from training.network import load_network, load_tokenizer
from training.precision import bf16_is_faster
from training.run import KIND, environment, write_json
from training.settings import RunConfig, TrainSection
from training.splits import counts_table

log = logging.getLogger(__name__)

THRESHOLDS = np.round(np.arange(0.10, 0.901, 0.02), 2)


class EpochLines(ProgressCallback):
    """The progress bar, with one readable line an epoch in the place of printed dictionaries."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if self.training_bar is None or not logs or "eval_macro_f1" not in logs:
            return
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        labels = "  ".join(f"{key} {logs[f'eval_f1_{key}']:.2f}" for key in KEYS)
        self.training_bar.write(
            f"epoch {logs['epoch']:4.1f}  train loss {losses[-1] if losses else math.nan:.4f}  "
            f"validation loss {logs['eval_loss']:.4f}  macro-F1 {logs['eval_macro_f1']:.3f}  ({labels})",
            file=sys.stderr,
        )


class StopWhenNotFinite(TrainerCallback):
    """End the run with an error as soon as a loss or gradient norm is not finite."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        for name in ("loss", "grad_norm", "eval_loss"):
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(value):
                raise TrainingError(
                    f"Step {state.global_step}: {name} is {value}. The run was stopped and nothing was kept. "
                    "Lower train.lr, or set train.precision=fp32."
                )


def validation_metrics(prediction: Any) -> dict[str, float]:
    """Macro-F1 and F1 of each label at threshold 0.5, for choosing the best epoch."""
    from sklearn.metrics import f1_score

    decided = np.asarray(prediction.predictions) >= 0.0
    gold = np.asarray(prediction.label_ids) >= 0.5
    each = f1_score(gold, decided, average=None, zero_division=0.0)
    scores = {f"f1_{key}": float(value) for key, value in zip(KEYS, each, strict=True)}
    return {"macro_f1": float(np.mean(each)), **scores}


def best_shared_threshold(logits: Any, gold: Any) -> tuple[float, float]:
    """The one threshold for all labels with the highest macro-F1; ties go to the one nearest 0.5."""
    from sklearn.metrics import f1_score

    from strijdtaal.classifier import sigmoid

    probabilities = sigmoid(np.asarray(logits))
    scored = [
        (float(f1_score(gold, probabilities >= value, average="macro", zero_division=0.0)), float(value))
        for value in THRESHOLDS
    ]
    score, threshold = max(scored, key=lambda pair: (round(pair[0], 6), -abs(pair[1] - 0.5)))
    return threshold, score


class WeightedLoss:
    """Binary cross-entropy with a weight on positives, averaged over sentences and labels."""

    def __init__(self, positive_weight: float) -> None:
        self.weight = torch.full((len(KEYS),), positive_weight)

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """``num_items_in_batch``: sentences over all accumulated steps, given by the Trainer."""
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            outputs["logits"].float(), labels.float(), pos_weight=self.weight.to(labels.device), reduction="sum"
        )
        sentences = labels.shape[0] if num_items_in_batch is None else num_items_in_batch / labels.shape[1]
        return loss / (sentences * labels.shape[1])


def _arguments(section: TrainSection, folder: Path, steps_an_epoch: int) -> TrainingArguments:
    bf16 = section.precision == "bf16" or (section.precision == "auto" and bf16_is_faster())
    log.info("Precision: %s", "bf16" if bf16 else "fp32")
    micro = min(section.micro_batch_size, section.batch_size)
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=section.epochs,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=section.batch_size // micro,
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
        save_only_model=True,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="macro_f1",
        greater_is_better=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
    )


def make_optimiser(model: Any, section: TrainSection) -> Any:
    """AdamW with a rate of its own for the fresh head (pooler and classifier); no decay on biases and norms.

    The encoder knows something and must not be shaken; the head knows nothing and has to move first.
    """
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        fresh = not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name
        groups.setdefault((fresh, parameter.dim() > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": section.lr * (section.head_lr_factor if fresh else 1.0),
                "weight_decay": section.weight_decay if decayed else 0.0,
            }
            for (fresh, decayed), parameters in groups.items()
        ]
    )


def _tokenised(corpus: Corpus, tokenizer: Any, max_length: int) -> Any:
    def encode(batch: dict[str, list[Any]]) -> Any:
        encoded = tokenizer(batch["text"], truncation=True, max_length=max_length)
        encoded["length"] = [len(ids) for ids in encoded["input_ids"]]
        return encoded

    return to_dataset_dict(corpus).map(encode, batched=True, remove_columns=["id", "article", "text"])


def _trainer(config: RunConfig, corpus: Corpus, folder: Path) -> tuple[Trainer, Any, Any]:
    tokenizer = load_tokenizer(config.network)
    data = _tokenised(corpus, tokenizer, config.network.max_length)
    set_seed(config.train.seed)
    model = load_network(config.network)
    steps = math.ceil(len(data["train"]) / config.train.batch_size)
    trainer = Trainer(
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
    return trainer, tokenizer, data


def _metrics(config: RunConfig, trainer: Trainer, data: Any) -> dict[str, Any]:
    prediction = trainer.predict(data["validation"], metric_key_prefix="validation")
    logits, gold = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
    if not np.isfinite(logits).all():
        raise TrainingError("The best checkpoint gives values that are not finite. Lower train.lr.")
    threshold, score = best_shared_threshold(logits, gold)
    if config.decision.threshold != "validation":
        threshold = float(config.decision.threshold)
        score = float("nan")
    silent = [
        key for column, key in enumerate(KEYS) if not (logits[:, column] >= math.log(threshold / (1 - threshold))).any()
    ]
    if silent:
        log.warning("On validation no sentence reaches the threshold for: %s", ", ".join(silent))
    history = [entry for entry in trainer.state.log_history if "eval_macro_f1" in entry]
    return {
        "threshold": threshold,
        "validation_macro_f1_at_half": prediction.metrics["validation_macro_f1"],
        "validation_macro_f1_at_threshold": None if math.isnan(score) else score,
        "best_epoch": max(history, key=lambda entry: entry["eval_macro_f1"])["epoch"],
        "labels_never_predicted": silent,
        "epochs": [
            {name.removeprefix("eval_"): value for name, value in entry.items() if name != "step"} for entry in history
        ],
    }


def _write_run(work: Path, config: RunConfig, corpus: Corpus) -> None:
    checkpoints = work / "checkpoints"
    trainer, tokenizer, data = _trainer(config, corpus, checkpoints)
    trainer.train()
    write_json(work / "metrics.json", _metrics(config, trainer, data))
    trainer.model.save_pretrained(work / "model")
    tokenizer.save_pretrained(work / "model")
    shutil.rmtree(checkpoints)  # the Trainer's own files hold pickles; the best weights are in model/
    (work / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    write_json(work / "data.json", corpus.document())
    write_json(work / "environment.json", environment())
    about = {"name": config.name, "codebook_version": CODEBOOK_VERSION, "seed": config.train.seed}
    write_json(work / "run.json", about)


def finetune(config: RunConfig) -> Path:
    """Train the configured encoder on the configured data; returns the run folder.

    Raises:
        UsageError, DataError, TrainingError, FolderError: nothing is left behind in any of these cases.
    """
    corpus = load_corpus(config.data)
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
