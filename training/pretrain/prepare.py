"""What a pretraining run starts from: tokenizer, packed corpus, model, optimisers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from strijdtaal.errors import DataError, UsageError
from strijdtaal.folder import verify_folder, write_folder
from training.pretrain.config import PretrainConfig
from training.pretrain.corpus import PackedFile, encode_file, read_lines
from training.pretrain.initialise import initialise
from training.pretrain.objective import Objective
from training.pretrain.tokenizer import SPECIAL, save_tokenizer, train_tokenizer

log = logging.getLogger(__name__)


def _check_reuse(folder: Path, kind: str, made_from: dict[str, Any]) -> None:
    """A folder from an earlier start under the same name is used again only when it is whole and fits."""
    if verify_folder(folder, kind)["made_from"] != made_from:
        raise UsageError(
            f"{folder} was made from other files or settings. Choose another name, or remove {folder.parent}."
        )


def make_tokenizer(config: PretrainConfig, folder: Path) -> Any:
    """The tokenizer of ``network.init_from``, or one trained once on the first corpus file."""
    from transformers import AutoTokenizer

    path = folder / "tokenizer"
    if config.network.init_from:
        return AutoTokenizer.from_pretrained(config.network.init_from)
    made_from = {**config.tokenizer.model_dump(), "file": config.corpus.files[0].stat().st_size}
    if path.exists():
        _check_reuse(path, "tokenizer", made_from)
    else:
        log.info("Training the tokenizer on %s", config.corpus.files[0].name)
        section = config.tokenizer
        tokenizer = train_tokenizer(
            read_lines(config.corpus.files[0]),
            section.vocab_size,
            section.limit_alphabet,
            section.min_frequency,
            config.network.max_position_embeddings,
        )
        if len(tokenizer) <= len(SPECIAL):
            raise DataError(f"Corpus file {config.corpus.files[0]} holds no text. Remove it from corpus.files.")
        with write_folder(path, "tokenizer", made_from=made_from) as work:
            save_tokenizer(tokenizer, work)
    return AutoTokenizer.from_pretrained(path)


def pack_corpus(config: PretrainConfig, folder: Path, tokenizer: Any) -> list[PackedFile]:
    """Encode every corpus file once; a finished ``packed`` folder is used again."""
    packed = folder / "packed"
    made_from = {path.name: path.stat().st_size for path in config.corpus.files}
    if packed.exists():
        _check_reuse(packed, "packed corpus", made_from)
    else:
        with write_folder(packed, "packed corpus", made_from=made_from) as work:
            for number, path in enumerate(tqdm(config.corpus.files, desc="encoding", unit="file")):
                encode_file(path, tokenizer, work / f"{number:03d}")
    lengths = sorted(config.train.lengths)
    return [
        PackedFile(packed / f"{n:03d}", lengths, tokenizer.cls_token_id, tokenizer.sep_token_id)
        for n in range(len(config.corpus.files))
    ]


def make_model(config: PretrainConfig, tokenizer: Any, files: list[PackedFile]) -> Any:
    """The masked language model to start from: loaded, or fresh with the structured initialisation."""
    from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM

    network = config.network
    torch.manual_seed(config.train.seed)
    if network.init_from:
        model = AutoModelForMaskedLM.from_pretrained(
            network.init_from, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
        _check_continued(config, model, tokenizer)
        return model
    model = BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=network.hidden_size,
            num_hidden_layers=network.num_hidden_layers,
            num_attention_heads=network.num_attention_heads,
            intermediate_size=network.intermediate_size,
            max_position_embeddings=network.max_position_embeddings,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    if config.init.structured:
        log.info("Structured initialisation from co-occurrence counts")
        init = config.init
        trained_on = int(len(files[0].ids) * (1 - config.corpus.held_out))
        ids = np.asarray(files[0].ids[: min(init.init_tokens, trained_on)])
        initialise(model, ids, init.position_dims, init.window, tokenizer.all_special_ids, config.train.seed)
    return model


def _check_continued(config: PretrainConfig, model: Any, tokenizer: Any) -> None:
    """Refuse early what the objective and the packed corpus cannot carry."""
    name = config.network.init_from
    if model.config.model_type != "bert":
        raise UsageError(
            f"network.init_from {name}: continued pretraining takes BERT models, not {model.config.model_type}."
        )
    if len(tokenizer) != model.config.vocab_size:
        raise UsageError(f"network.init_from {name}: {len(tokenizer)} pieces but {model.config.vocab_size} embeddings.")
    if len(tokenizer) > 65_536:
        raise UsageError(f"network.init_from {name}: more than 65,536 pieces do not fit the packed corpus.")
    if max(config.train.lengths) > model.config.max_position_embeddings:
        raise UsageError(f"train.lengths exceed the {model.config.max_position_embeddings} positions of {name}.")


def make_optimisers(objective: Objective, config: PretrainConfig) -> list[Any]:
    """Muon on the hidden matrices (torch's own), AdamW on embeddings, heads, biases and norms."""
    hidden: list[Any] = []
    rest: list[Any] = []
    for name, parameter in objective.named_parameters():
        matrix = parameter.dim() == 2 and ".encoder.layer." in name
        (hidden if matrix else rest).append(parameter)
    section = config.train
    muon = torch.optim.Muon(hidden, lr=section.muon_lr, momentum=0.95, nesterov=True, weight_decay=section.weight_decay)
    adam = torch.optim.AdamW(rest, lr=section.adam_lr, betas=(0.9, 0.98), weight_decay=section.weight_decay)
    for optimiser in (muon, adam):
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return [muon, adam]
