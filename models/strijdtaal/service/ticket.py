"""One request between the event loop, the worker threads and the model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strijdtaal.service.tokens import Waiting

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """A request that was read and tokenised: its rows of token ids, and how its answer is written."""

    rows: list[list[int]]
    write: Callable[[Probabilities], bytes]


def _nothing(_: Probabilities) -> bytes:
    return b""


def nothing_to_do() -> Prepared:
    """The preparation of a request that nobody waits for any more."""
    return Prepared([], _nothing)


class Ticket(Waiting):
    """One request on its way through the engine."""

    def __init__(self, prepare: Callable[[], Prepared], labels: int) -> None:
        super().__init__()
        self.prepare = prepare
        self.write: Callable[[Probabilities], bytes] = _nothing
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[bytes] = self.loop.create_future()
        self.cancelled = False
        self.queued = self.started = 0.0
        self.missing = 0  # rows without probabilities
        self.probabilities: Probabilities = np.empty((0, labels))

    def hold(self, rows: list[list[int]]) -> None:
        """Keep the rows and make room for their probabilities."""
        self.fill(rows)
        self.missing = len(rows)
        self.probabilities = np.empty((len(rows), self.probabilities.shape[1]))
        self.queued = time.perf_counter()

    def settle(self, answer: bytes | Exception) -> None:
        """Hand the answer, or why there is none, to the event loop; from any thread. The first one counts."""
        try:
            self.loop.call_soon_threadsafe(self._settle, answer)
        except RuntimeError:  # the loop is closed: the process is about to end
            self.cancelled = True

    def _settle(self, answer: bytes | Exception) -> None:
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)
