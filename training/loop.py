"""The parts of the training loop that are ours: callbacks, hidden tokens, loss, optimiser."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import torch
from transformers import ProgressCallback, Trainer, TrainerCallback

from strijdtaal.errors import TrainingError
from strijdtaal.labels import KEYS
from training.settings import TrainSection


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
