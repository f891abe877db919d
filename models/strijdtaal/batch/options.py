"""What a scoring job is asked to do, and the messages that it ends with when it cannot."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from strijdtaal.bundle import FP32, MODELS
from strijdtaal.errors import StrijdtaalError, UsageError, nearest
from strijdtaal.labels import KEYS

FORMS = ("jsonl", "csv", "parquet")
OUTPUT_FORMS = {"txt": "jsonl", "jsonl": "jsonl", "csv": "csv", "tsv": "csv", "parquet": "parquet"}  # by input
ENGINES = ("local", "ray")
MAX_WORKERS = 1_024
ON_ERROR = ("stop", "skip")
SHARDS = 200  # that a job should have, about: enough to share out, to resume by, and to see go by
SENTENCES = (1_000, 50_000, 100)  # fewest and most in a shard, bytes of one
ARTICLES = (50, 2_000, 3_000)
MAX_SHARD_ROWS = 1_000_000
RESERVED = ("id", "text", "labels", "probabilities", *KEYS)
RESERVED_FOR_ARTICLES = ("article", "index", "start", "end")


class StoppedError(StrijdtaalError):
    """A job was stopped from outside; the same command goes on where it stopped."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


@dataclass(frozen=True)
class Options:
    """Everything that decides what is written; ``on_error`` alone may change when a job goes on.

    ``form`` is that of the output, ``text`` and ``identity`` name columns of the input (``identity`` None: a column
    'id' if there is one), ``keep`` further columns to carry through, ``shard_rows`` the rows of one shard.
    """

    form: str
    text: str = "text"
    identity: str | None = None
    keep: tuple[str, ...] = ()
    with_text: bool = True
    articles: bool = False
    shard_rows: int = SENTENCES[0]
    on_error: str = "stop"
    precision: str = FP32

    @property
    def id_column(self) -> str:
        """The column that holds ids where the input has one."""
        return self.identity or "id"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as ``from_dict`` takes them."""
        return {**dataclasses.asdict(self), "keep": list(self.keep)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Options:
        """The options that ``as_dict`` wrote."""
        return cls(**{**values, "keep": tuple(values["keep"])})


def _choice(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{what} {value!r} is unknown.{nearest(value, list(known))} Known: {', '.join(known)}.")


def check_options(options: Options) -> Options:
    """The options, if they can be.

    Raises:
        UsageError: an unknown form, precision or rule for errors, a shard size out of bounds, a column named twice,
            or a column to keep that is called as one of the output.
    """
    _choice("The output form", options.form, FORMS)
    _choice("on_error", options.on_error, ON_ERROR)
    _choice("The precision", options.precision, tuple(MODELS))
    if not 1 <= options.shard_rows <= MAX_SHARD_ROWS:
        raise UsageError(f"A shard of {options.shard_rows:,} rows: give a number from 1 to {MAX_SHARD_ROWS:,}.")
    if options.text == options.id_column:
        raise UsageError(f"Text and id are both read from the column {options.text!r}. Name two columns.")
    reserved = RESERVED + (RESERVED_FOR_ARTICLES if options.articles else ())
    for number, name in enumerate(options.keep):
        if name in reserved:
            raise UsageError(f"The output has a column {name!r} already. Rename it in the input, or do not keep it.")
        if name in options.keep[:number]:
            raise UsageError(f"The column {name!r} is to be kept twice. Name it once.")
    return options


def shard_rows_for(size: int, articles: bool) -> int:
    """Rows of a shard for an input of ``size`` bytes: the same input always gives the same shards.

    >>> shard_rows_for(10_000, False), shard_rows_for(10**9, False), shard_rows_for(10**12, False)
    (1000, 50000, 50000)
    """
    fewest, most, each = ARTICLES if articles else SENTENCES
    return min(max(size // each // SHARDS, fewest), most)


def check_engine(engine: str, workers: int | None, ray_address: str | None) -> None:
    """Raises UsageError: an unknown engine, a number of workers out of bounds, or an address for the local engine."""
    _choice("The engine", engine, ENGINES)
    if ray_address is not None and engine != "ray":
        raise UsageError("--ray-address is for the engine 'ray'. Add --engine ray.")
    if workers is not None and not 1 <= workers <= MAX_WORKERS:
        raise UsageError(f"{workers} workers: give a number from 1 to {MAX_WORKERS:,}.")
