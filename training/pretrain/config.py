"""Typed configuration of a pretraining run; the keys are explained in ``configs/pretrain/mini.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from training.config import ROOT, Section, load_config

MINI = ROOT / "configs" / "pretrain" / "mini.yaml"


class CorpusSection(Section):
    files: list[Path]
    weights: list[float]
    held_out: float = Field(gt=0, lt=0.5)

    @model_validator(mode="after")
    def _one_weight_a_file(self) -> CorpusSection:
        if self.weights and len(self.weights) != len(self.files):
            raise ValueError(f"{len(self.weights)} weights for {len(self.files)} files; give one each")
        if any(weight <= 0 for weight in self.weights):
            raise ValueError("weights must be above 0")
        return self


class TokenizerSection(Section):
    vocab_size: int = Field(ge=200, le=65_000)
    limit_alphabet: int = Field(ge=50)
    min_frequency: int = Field(ge=1)


class NetworkSection(Section):
    init_from: str
    num_hidden_layers: int = Field(ge=1)
    hidden_size: int = Field(ge=16)
    num_attention_heads: int = Field(ge=1)
    intermediate_size: int = Field(ge=16)
    max_position_embeddings: int = Field(ge=16)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> NetworkSection:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError("hidden_size must be a multiple of num_attention_heads")
        return self


class InitSection(Section):
    structured: bool
    position_dims: int = Field(ge=4, multiple_of=2)
    window: int = Field(ge=1)
    init_tokens: int = Field(ge=1_000)


class ObjectiveSection(Section):
    mask_fraction: float = Field(gt=0, lt=1)
    sentence_weight: float = Field(ge=0)
    sentence_skip_frequent: int = Field(ge=0)


class TrainSection(Section):
    tokens: int = Field(ge=0)
    minutes: float = Field(ge=0)
    lengths: list[int] = Field(min_length=1)
    length_shares: list[float]
    tokens_per_batch: int = Field(ge=16)
    muon_lr: float = Field(gt=0, lt=1)
    adam_lr: float = Field(gt=0, lt=1)
    weight_decay: float = Field(ge=0, lt=1)
    warmup: float = Field(ge=0, lt=1)
    constant_until: float = Field(ge=0, le=1)
    clip: float = Field(gt=0)
    precision: Literal["auto", "bf16", "fp32"]
    compile: bool
    threads: int = Field(ge=0)
    checkpoint_minutes: float = Field(gt=0)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _one_budget(self) -> TrainSection:
        if (self.tokens > 0) == (self.minutes > 0):
            raise ValueError("set exactly one budget above 0: tokens or minutes")
        if min(self.lengths) < 8 or len(set(self.lengths)) != len(self.lengths):
            raise ValueError("lengths must be different numbers of 8 or more")
        if len(self.length_shares) != len(self.lengths) or min(self.length_shares) <= 0:
            raise ValueError("length_shares needs one share above 0 for each of lengths")
        if self.tokens_per_batch < max(self.lengths):
            raise ValueError("tokens_per_batch must be at least the longest of lengths")
        return self


class PretrainConfig(Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,80}$")
    output: Path
    corpus: CorpusSection
    tokenizer: TokenizerSection
    network: NetworkSection
    init: InitSection
    objective: ObjectiveSection
    train: TrainSection

    @model_validator(mode="after")
    def _fits(self) -> PretrainConfig:
        if not self.corpus.files:
            raise ValueError("corpus.files is empty; name at least one text file")
        if max(self.train.lengths) > self.network.max_position_embeddings:
            raise ValueError("train.lengths exceeds network.max_position_embeddings")
        if self.init.position_dims * 2 > self.network.hidden_size:
            raise ValueError("init.position_dims must be at most half of network.hidden_size")
        return self


def load_pretrain_config(path: Path | str, overrides: list[str]) -> PretrainConfig:
    """Read a pretraining config; ``configs/pretrain/mini.yaml`` is the base of all."""
    return load_config(path, overrides, PretrainConfig, MINI)
