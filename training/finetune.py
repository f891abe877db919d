"""Fine-tuning: config -> data -> transformers' Trainer -> run folder, whole or not at all."""

from __future__ import annotations

import logging
import math
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
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

from strijdtaal.classifier import sigmoid
from strijdtaal.errors import TrainingError, UsageError
from strijdtaal.folder import write_folder
from strijdtaal.labels import CODEBOOK_VERSION, KEYS, to_vector
from strijdtaal.text import clean
from training.config import dump_config
from training.dataset import Corpus, load_corpus, to_dataset_dict
from training.network import classify, load_network, load_tokenizer
from training.precision import bf16_is_faster
from training.pretrain.tokenizer import save_tokenizer
from training.run import KIND, environment, write_json
from training.settings import RunConfig, TrainSection
from training.splits import counts_table
from training.thresholds import best_shared_threshold

log = logging.getLogger(__name__)


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


def hide_tokens(ids: Any, share: float, mask_id: int, special_ids: Any) -> Any:
    """A copy of ``ids`` (any shape) with about ``share`` of the pieces replaced by [MASK]; special ones stay."""
    chosen = (torch.rand(ids.shape) < share).to(ids.device)
    return ids.masked_fill(chosen & ~torch.isin(ids, special_ids.to(ids.device)), mask_id)


class MaskingTrainer(Trainer):
    """The Trainer, hiding a share of the input pieces behind [MASK] in training steps.

    A few thousand sentences are soon learnt by heart; a sentence that looks different in every epoch is
    not. Evaluation and prediction see whole sentences.
    """

    def __init__(self, token_mask: float, mask_id: int | None, special_ids: list[int], **options: Any) -> None:
        super().__init__(**options)
        self.token_mask, self.mask_id = token_mask, mask_id
        self.special_ids = torch.tensor(special_ids)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **options: Any) -> Any:
        """One step on inputs of which some pieces are hidden."""
        if self.token_mask and self.mask_id is not None:
            hidden = hide_tokens(inputs["input_ids"], self.token_mask, self.mask_id, self.special_ids)
            inputs = {**inputs, "input_ids": hidden}
        return super().training_step(model, inputs, *args, **options)


class WeightedLoss:
    """Binary cross-entropy with a weight on positives, averaged over sentences and labels."""

    def __init__(self, positive_weight: float) -> None:
        self.weight = torch.full((len(KEYS),), positive_weight)

    def __call__(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """``num_items_in_batch``: label cells over all accumulated steps, given by the Trainer."""
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            outputs["logits"].float(), labels.float(), pos_weight=self.weight.to(labels.device), reduction="sum"
        )
        return loss / (labels.numel() if num_items_in_batch is None else num_items_in_batch)


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


def make_optimiser(model: Any, section: TrainSection) -> Any:
    """AdamW with a rate of its own for the fresh head (pooler and classifier); no decay on biases and norms.

    The encoder knows something and must not be shaken; the head knows nothing and has to move first.
    """
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        fresh = name in model.fresh_names
        groups.setdefault((fresh, parameter.dim() > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": section.lr * (section.head_lr_factor if fresh else 1.0),
                "weight_decay": section.weight_decay if decayed else 0.0,
            }
            for (fresh, decayed), parameters in groups.items()
        ],
        fused=True,
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


def _metrics(config: RunConfig, history: list[dict[str, Any]], logits: Any, gold: Any) -> dict[str, Any]:
    """What the run found out on validation data, from the fp32 logits of the weights that it keeps."""
    threshold, score = best_shared_threshold(sigmoid(logits), gold)
    if config.decision.threshold != "validation":
        threshold, score = float(config.decision.threshold), math.nan
    reached = (logits >= math.log(threshold / (1 - threshold))).any(axis=0)
    silent = [key for key, any_reached in zip(KEYS, reached, strict=True) if not any_reached]
    if silent:
        log.warning("On validation no sentence reaches the threshold for: %s", ", ".join(silent))
    at_half = validation_metrics(SimpleNamespace(predictions=logits, label_ids=gold))
    return {
        "threshold": threshold,
        "validation_macro_f1_at_half": at_half["macro_f1"],
        "validation_macro_f1_at_threshold": None if math.isnan(score) else score,
        "best_epoch": max(history, key=lambda entry: entry["eval_macro_f1"])["epoch"],
        "labels_never_predicted": silent,
        "epochs": [
            {name.removeprefix("eval_"): value for name, value in entry.items() if name != "step"} for entry in history
        ],
    }


def _write_run(work: Path, config: RunConfig, corpus: Corpus) -> None:
    checkpoints, model = work / "checkpoints", work / "model"
    trainer, tokenizer = _trainer(config, corpus, checkpoints)
    trainer.train()
    trainer.model.save_pretrained(model)
    save_tokenizer(tokenizer, model)
    shutil.rmtree(checkpoints)  # the Trainer's own files hold pickles; the best weights are in model/
    validation = corpus.splits["validation"]
    logits = classify(model, [clean(record.text) for record in validation], config.network.max_length)
    gold = np.array([to_vector(record.labels) for record in validation])
    history = [entry for entry in trainer.state.log_history if "eval_macro_f1" in entry]
    write_json(work / "metrics.json", _metrics(config, history, logits, gold))
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
