"""Typed configuration of a fine-tuning run; every key is explained in ``configs/default.yaml``."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from training.config import ROOT, Section, load_config

DEFAULT = ROOT / "configs" / "default.yaml"

Share = Annotated[float, Field(gt=0, lt=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


class DataSection(Section):
    files: list[Path] = Field(min_length=1)
    held_out: list[Path]
    behaviour: list[Path]
    validation: Share
    test: Share
    train_before: str
    seed: int = Field(ge=0)

    @field_validator("train_before", mode="before")
    @classmethod
    def _day_or_empty(cls, value: Any) -> Any:
        if value == "":
            return value
        if isinstance(value, date) and not isinstance(value, datetime):  # YAML reads a bare date so
            return value.isoformat()
        try:
            if isinstance(value, str) and date.fromisoformat(value).isoformat() == value:
                return value
        except ValueError:
            pass
        raise ValueError("must be a date written as year-month-day, for example 2015-01-01, or empty")

    @model_validator(mode="after")
    def _train_remains(self) -> DataSection:
        if self.validation + self.test >= 0.9:
            raise ValueError("validation and test leave less than a tenth for training")
        return self


class NetworkSection(Section):
    encoder: str = Field(min_length=1)
    revision: str = Field(pattern=r"^([0-9a-f]{40})?$")
    max_length: int = Field(ge=8, le=8192)
    dropout: Dropout


class TrainSection(Section):
    epochs: float = Field(gt=0, le=1000)
    batch_size: int = Field(ge=1)
    micro_batch_size: int = Field(ge=1)
    lr: float = Field(gt=0, lt=1)
    head_lr_factor: float = Field(gt=0, le=1000)
    weight_decay: float = Field(ge=0, lt=1)
    warmup: float = Field(ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant"]
    token_mask: float = Field(ge=0, lt=1)
    positive_weight: float = Field(ge=0.1, le=100)
    precision: Literal["auto", "fp32", "bf16"]
    threads: int = Field(ge=0)
    seed: int = Field(ge=0, lt=2**32)

    @model_validator(mode="after")
    def _whole_accumulation(self) -> TrainSection:
        if self.batch_size % min(self.micro_batch_size, self.batch_size):
            raise ValueError("batch_size must be a multiple of micro_batch_size")
        return self


class DecisionSection(Section):
    threshold: float | str
    calibrate: bool
    per_label: bool
    cross_fit: int = Field(ge=0, le=20)

    @field_validator("cross_fit")
    @classmethod
    def _none_or_several(cls, value: int) -> int:
        if value == 1:
            raise ValueError("must be 0 (validation data alone) or at least 2 folds")
        return value

    @field_validator("threshold", mode="before")
    @classmethod
    def _number_or_validation(cls, value: Any) -> Any:
        if value == "validation":
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 < number < 1:
            raise ValueError("must be 'validation' or a number between 0 and 1")
        return number


class RunConfig(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")
    output: Path
    data: DataSection
    network: NetworkSection
    train: TrainSection
    decision: DecisionSection

    @property
    def folder(self) -> Path:
        """Where the run goes."""
        return self.output / self.name


def load_run_config(path: Path | str, overrides: list[str]) -> RunConfig:
    """Read a fine-tuning config; ``configs/default.yaml`` is the base of all.

    Raises:
        UsageError: with all faults in one message.
    """
    return load_config(path, overrides, RunConfig, DEFAULT)
