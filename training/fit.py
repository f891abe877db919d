"""One training with transformers' Trainer: config and corpus -> the weights of the best epoch."""

from __future__ import annotations

import logging
import math
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import DataCollatorWithPadding, ProgressCallback, Trainer, TrainingArguments, set_seed

from strijdtaal.errors import UsageError
from training.dataset import Corpus, to_dataset_dict
from training.loop import (
    EpochLines,
    MaskingTrainer,
    StopWhenNotFinite,
    WeightedLoss,
    make_optimiser,
    validation_metrics,
)
from training.network import load_network, load_tokenizer
from training.precision import bf16_is_faster
from training.pretrain.tokenizer import save_tokenizer
from training.settings import RunConfig, TrainSection

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


@dataclass(frozen=True)
class Fitted:
    """A finished training: the Trainer with the best weights, which also lie in a folder, and what it took."""

    trainer: Trainer
    seconds: float


def fit(config: RunConfig, corpus: Corpus, model: Path) -> Fitted:
    """Train on ``corpus``; the weights of the epoch that is best on validation, and the tokenizer, go to ``model``.

    Raises:
        UsageError: the encoder cannot be used. TrainingError: a value is not finite.
    """
    checkpoints = model.with_name("checkpoints")
    start = time.monotonic()
    trainer, tokenizer = _trainer(config, corpus, checkpoints)
    trainer.train()
    seconds = time.monotonic() - start
    trainer.model.save_pretrained(model)
    save_tokenizer(tokenizer, model)
    shutil.rmtree(checkpoints)  # the Trainer's own files hold pickles; the best weights are in ``model``
    return Fitted(trainer, seconds)
