"""What the service accepts and how long it waits: one frozen object, bounded, the same for code and command line."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field, fields
from typing import Any

from strijdtaal.errors import UsageError


def _limit(default: float, low: float, high: float, about: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "about": about})


@dataclass(frozen=True)
class Limits:
    """Limits of the service; a value that is no number or out of its bounds is refused.

    Raises:
        UsageError: a value is out of bounds; the message names it and the bounds.
    """

    max_body: int = _limit(2_000_000, 1_000, 1_000_000_000, "bytes of a request's body")
    max_sentences: int = _limit(256, 1, 100_000, "sentences in one request")
    max_sentence: int = _limit(20_000, 100, 1_000_000, "characters of one sentence")
    max_article: int = _limit(100_000, 100, 1_000_000, "characters of an article")
    queue_tokens: int = _limit(32_768, 64, 100_000_000, "tokens that may wait; also the most that one request may hold")
    queue_requests: int = _limit(512, 1, 100_000, "requests taken in and not yet answered")
    batch_tokens: int = _limit(2_048, 16, 1_000_000, "tokens that the model is given at once, across requests")
    timeout: float = _limit(30.0, 0.05, 3_600, "seconds a request may take once its body is read")
    read_timeout: float = _limit(15.0, 0.1, 3_600, "seconds a client may take to send a request or to read an answer")
    stop_timeout: float = _limit(20.0, 0, 3_600, "seconds to answer what was accepted when told to stop")
    connections: int = _limit(1_024, 1, 60_000, "connections at the same time")
    workers: int = _limit(2, 1, 256, "threads that read and tokenise requests")
    inference_threads: int = _limit(1, 1, 64, "batches that the model runs at the same time")

    def __post_init__(self) -> None:
        """Check every value against its type and bounds."""
        for item in fields(self):
            value, low, high = getattr(self, item.name), item.metadata["low"], item.metadata["high"]
            whole = isinstance(item.default, int)
            kind = int if whole else (int, float)
            wanted = f"{'a whole number' if whole else 'a number'} from {low:,} to {high:,} ({item.metadata['about']})"
            if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value):
                raise UsageError(f"{item.name} is {value!r}; it must be {wanted}.")
            if not low <= value <= high:
                raise UsageError(f"{item.name} is {value:,}; it must be {wanted}.")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser one option for each limit."""
    group = parser.add_argument_group("limits")
    for item in fields(Limits):
        kind: Any = int if isinstance(item.default, int) else float
        about = f"{item.metadata['about']} (default {item.default:,})"
        name = f"--{item.name.replace('_', '-')}"
        group.add_argument(name, type=kind, default=item.default, metavar="N", help=about)


def limits_of(arguments: argparse.Namespace) -> Limits:
    """The limits that the options say.

    Raises:
        UsageError: a value is out of bounds.
    """
    return Limits(**{item.name: getattr(arguments, item.name) for item in fields(Limits)})
