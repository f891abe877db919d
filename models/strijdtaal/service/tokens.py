"""The queue of rows that wait for the model: bounded by tokens, given out in batches across requests."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from strijdtaal.service.refusal import STOPPING, Refusal

ORDINARY = 8  # a request of at most this share of the queue that finds no room closes it until a batch is taken


class Waiting:
    """The rows of one request, and how many of them were given out. Shortest first, so that like meets like."""

    def __init__(self, rows: Sequence[Sequence[int]] = ()) -> None:
        self.fill(rows)

    def fill(self, rows: Sequence[Sequence[int]]) -> None:
        """Set the rows of token ids; before the request is queued."""
        self.rows = rows
        self.order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        self.given = 0
        self.tokens = sum(map(len, rows))  # of the rows not yet given out

    @property
    def left(self) -> bool:
        """Whether rows were not yet given out."""
        return self.given < len(self.order)

    def give(self, room: int, at_least_one: bool) -> tuple[list[int], int]:
        """Numbers of the next rows that fit into ``room`` tokens, and their tokens."""
        first, used = self.given, 0
        while self.left:
            length = len(self.rows[self.order[self.given]])
            if used + length > room and not (at_least_one and self.given == first):
                break
            used += length
            self.given += 1
        self.tokens -= used
        return self.order[first : self.given], used


Work = TypeVar("Work", bound=Waiting)


@dataclass
class Batch(Generic[Work]):
    """Rows for one run of the model: which rows of which request."""

    parts: dict[Work, list[int]] = field(default_factory=dict)
    tokens: int = 0

    def add(self, waiting: Work, room: int) -> int:
        """Take rows of ``waiting`` that fit into ``room`` (an empty batch takes one in any case); their tokens."""
        numbers, used = waiting.give(room, at_least_one=not self.tokens)
        if numbers:
            self.parts.setdefault(waiting, []).extend(numbers)
            self.tokens += used
        return used


class TokenQueue(Generic[Work]):
    """First come, first served, by tokens; safe to use from any thread.

    While others wait, one request gets at most half of what is left of a batch: a long article delays short
    requests by a batch or two instead of by its whole length, and still gets at least half of the model's time when
    it is at the front.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tokens = 0
        self._waiting: deque[Work] = deque()
        self._filled = threading.Condition()
        self._closed = False
        self._refusing = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether an ordinary request found no room since the last batch was taken."""
        return self._refusing

    def put(self, waiting: Work) -> bool:
        """Queue rows; False when there is no room.

        Raises:
            Refusal: 413, there are more tokens than the queue ever holds; 503, the queue is closed.
        """
        if waiting.tokens > self.limit:
            raise Refusal(
                413, "too_large",
                f"The text has {waiting.tokens:,} tokens; one request may have {self.limit:,}. Send it in parts.",
            )  # fmt: skip
        with self._filled:
            if self._closed:
                raise Refusal(503, "stopping", STOPPING, {"Retry-After": "1"})
            if self.tokens + waiting.tokens > self.limit:
                self._refusing = self._refusing or waiting.tokens * ORDINARY <= self.limit
                return False
            self.tokens += waiting.tokens
            self._waiting.append(waiting)
            self._filled.notify()
        return True

    def take(self, budget: int) -> Batch[Work] | None:
        """Wait for rows and take at most ``budget`` tokens of them at once; None when the queue is closed."""
        with self._filled:
            while not self._waiting and not self._closed:
                self._filled.wait()
            if not self._waiting:
                return None
            batch: Batch[Work] = Batch()
            for number, waiting in enumerate(self._waiting, 1):
                room = budget - batch.tokens
                batch.add(waiting, room // 2 if number < len(self._waiting) else room)
                if batch.tokens >= budget:
                    break
            for waiting in self._waiting:  # what the halves left over, to the first in the queue
                if not batch.add(waiting, budget - batch.tokens) and waiting.left:
                    break
            self._waiting = deque(waiting for waiting in self._waiting if waiting.left)
            self.tokens -= batch.tokens
            self._refusing = False
            return batch

    def cancel(self, waiting: Work) -> None:
        """Drop the rows that were not given out yet."""
        with self._filled:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self.tokens -= waiting.tokens
                self._refusing = False

    def close(self) -> None:
        """Take nothing more in, drop what waits, and wake the threads."""
        with self._filled:
            self._closed = True
            self._waiting.clear()
            self.tokens = 0
            self._filled.notify_all()
