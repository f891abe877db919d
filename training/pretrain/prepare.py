"""What a pretraining run starts from: tokenizer, packed corpus, model, optimisers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from strijdtaal.folder import write_folder
from training.pretrain.config import PretrainConfig
from training.pretrain.corpus import PackedFile, encode_file, read_lines
from training.pretrain.initialise import initialise
from training.pretrain.objective import Objective
from training.pretrain.tokenizer import train_tokenizer

log = logging.getLogger(__name__)


def make_tokenizer(config: PretrainConfig, folder: Path) -> Any:
    """The tokenizer of ``network.init_from``, or one trained once on the first corpus file."""
    from transformers import AutoTokenizer

    path = folder / "tokenizer"
    if config.network.init_from:
        return AutoTokenizer.from_pretrained(config.network.init_from)
    if not path.exists():
        log.info("Training the tokenizer on %s", config.corpus.files[0].name)
        section = config.tokenizer
        tokenizer = train_tokenizer(
            read_lines(config.corpus.files[0]),
            section.vocab_size,
            section.limit_alphabet,
            section.min_frequency,
            config.network.max_position_embeddings,
        )
        with write_folder(path, "tokenizer") as work:
            tokenizer.save_pretrained(work)
    return AutoTokenizer.from_pretrained(path)


def pack_corpus(config: PretrainConfig, folder: Path, tokenizer: Any) -> list[PackedFile]:
    """Encode every corpus file once; a finished ``packed`` folder is used again."""
    packed = folder / "packed"
    if not packed.exists():
        with write_folder(packed, "packed corpus") as work:
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
        return AutoModelForMaskedLM.from_pretrained(network.init_from)
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
        ids = np.asarray(files[0].ids[: init.init_tokens])
        initialise(model, ids, init.position_dims, init.window, tokenizer.all_special_ids, config.train.seed)
    return model


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
