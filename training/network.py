"""Encoder name -> tokenizer and multi-label classifier with the project's label names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strijdtaal.errors import TrainingError, UsageError
from strijdtaal.labels import ID2LABEL, KEYS, LABEL2ID
from training.dataset import resolve
from training.settings import NetworkSection

# Names under which the architectures of transformers keep dropout rates of hidden states and classifier.
DROPOUT_KEYS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "cls_dropout",
    "pooler_dropout",
    "mlp_dropout",
    "embedding_dropout",
    "attention_dropout",
)

# RoBERTa's kind: position ids begin after the padding id.
OFFSET_POSITIONS = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "roberta-prelayernorm",
    "xmod",
    "data2vec-text",
}


def _source(section: NetworkSection) -> dict[str, Any]:
    """Arguments for ``from_pretrained``: a local folder, or a hub id with a pinned revision."""
    path = resolve(Path(section.encoder))
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UsageError(f"network.encoder: {path} has no config.json; it is not a model folder.")
        return {"pretrained_model_name_or_path": str(path), "local_files_only": True}
    if section.encoder.startswith((".", "/", "models/", "runs/")):
        raise UsageError(f"network.encoder: the folder {section.encoder} does not exist. Check the path.")
    if not section.revision:
        raise UsageError(
            f"network.encoder '{section.encoder}' is a hub id, or a folder that does not exist. For a hub id "
            "set network.revision to the 40 hex digits of a commit, so that the run can be repeated."
        )
    return {"pretrained_model_name_or_path": section.encoder, "revision": section.revision}


def load_tokenizer(section: NetworkSection) -> Any:
    """The encoder's own fast tokenizer.

    Raises:
        UsageError: it cannot be found, or has no fast form (the bundle needs ``tokenizer.json``).
    """
    from transformers import AutoTokenizer

    source = _source(section)
    try:
        tokenizer = AutoTokenizer.from_pretrained(**source, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"network.encoder '{section.encoder}': no tokenizer could be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise UsageError(f"network.encoder '{section.encoder}' has no fast tokenizer (tokenizer.json).")
    if tokenizer.pad_token_id is None:
        raise UsageError(f"network.encoder '{section.encoder}': the tokenizer has no padding token.")
    ids = tokenizer("a")["input_ids"]
    if len(ids) < 2 or ids[0] not in tokenizer.all_special_ids:
        raise UsageError(
            f"network.encoder '{section.encoder}': the tokenizer adds no classification token. "
            "Its post-processor is missing; a classifier would read the first word instead."
        )
    return tokenizer


def load_network(section: NetworkSection) -> Any:
    """The encoder with a fresh multi-label head: ``len(KEYS)`` logits, sigmoid, named labels.

    ``fresh_names`` of the model holds the names of the parameters that the checkpoint did not have.

    Raises:
        UsageError: the encoder cannot be loaded, or its positions are fewer than ``max_length``.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForSequenceClassification

    source = _source(section)
    try:
        config = AutoConfig.from_pretrained(
            **source,
            num_labels=len(KEYS),
            id2label=ID2LABEL,
            label2id=LABEL2ID,
            problem_type="multi_label_classification",
            trust_remote_code=False,
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"network.encoder '{section.encoder}': {error}") from error
    for key in DROPOUT_KEYS:
        if hasattr(config, key):
            setattr(config, key, section.dropout)
    positions = getattr(config, "max_position_embeddings", None) or section.max_length
    if config.model_type in OFFSET_POSITIONS:
        positions -= config.pad_token_id + 1  # the first positions are never used
    if section.max_length > positions:
        raise UsageError(f"network.max_length is {section.max_length}; {section.encoder} has {positions} positions.")
    try:
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            **source,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise UsageError(
            f"network.encoder '{section.encoder}': its weights cannot be loaded (a whole model.safetensors is "
            f"needed; pickled weights are refused): {error}"
        ) from error
    model.fresh_names = frozenset(loaded["missing_keys"])
    _start_pooler(model, loaded["missing_keys"])
    return model


def classify(folder: Path, texts: Sequence[str], max_length: int) -> NDArray[np.float64]:
    """Logits of a fine-tuned model in torch, fp32, shape (len(texts), labels); progress on standard error.

    Raises:
        TrainingError: a value is not finite.
    """
    import torch
    from tqdm import tqdm
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    result = np.empty((len(texts), len(KEYS)))
    with torch.inference_mode():
        for start in tqdm(range(0, len(order), 64), desc="scoring", unit="batch", leave=False):
            chunk = order[start : start + 64]
            inputs = tokenizer(
                [texts[number] for number in chunk],
                truncation=True,
                max_length=max_length,
                padding=True,
                return_tensors="pt",
            )
            result[chunk] = model(**inputs).logits.double().numpy()
    if not np.isfinite(result).all():
        raise TrainingError(
            f"The model in {folder} gives values that are not finite. Train again with a lower train.lr."
        )
    return result


def fold_calibration(model: Any, slopes: Sequence[float], biases: Sequence[float]) -> None:
    """Change the last linear layer so that the model's logits become ``slope * logit + bias``, label by label.

    Every loader of the model then gives calibrated probabilities without knowing of calibration.

    Raises:
        TrainingError: the model does not end in a linear layer of one row a label.
    """
    import torch

    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == len(KEYS)]
    if not layers or layers[-1].bias is None:
        raise TrainingError("This architecture has no final linear layer to calibrate. Set decision.calibrate=false.")
    with torch.no_grad():
        weight, bias = layers[-1].weight, layers[-1].bias
        factor = torch.tensor(slopes, dtype=weight.dtype, device=weight.device)
        weight.mul_(factor[:, None])
        bias.mul_(factor).add_(torch.tensor(biases, dtype=bias.dtype, device=bias.device))


def _start_pooler(model: Any, missing: Collection[str]) -> None:
    """Let a pooler that the checkpoint lacks start as the identity.

    A masked language model has none. With the usual small random start the classifier first sees next to
    nothing of [CLS], and the loss stays on a plateau for an epoch or two.
    """
    from torch.nn import init

    names = [name for name in missing if name.endswith("pooler.dense.weight")]
    for name in names:
        pooler = model.get_submodule(name.removesuffix(".weight"))
        init.eye_(pooler.weight)
        init.zeros_(pooler.bias)
