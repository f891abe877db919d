"""From token ids to probabilities: worker threads tokenise, inference threads run batches across requests."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from strijdtaal.classifier import Classifier, sigmoid
from strijdtaal.errors import BundleError
from strijdtaal.service.limits import Limits
from strijdtaal.service.metrics import Metrics
from strijdtaal.service.refusal import FAILED, STOPPING, Disconnected, Refusal, place_of
from strijdtaal.service.ticket import Prepared, Probabilities, Ticket, nothing_to_do
from strijdtaal.service.tokens import TokenQueue

log = logging.getLogger(__name__)

LONGEST_RETRY = 60  # seconds in Retry-After, at most


Part = tuple[Ticket, list[int]]  # a request and the numbers of some of its rows


class Engine:
    """The threads around one classifier. Requests enter through ``run``."""

    def __init__(self, classifier: Classifier, limits: Limits, metrics: Metrics) -> None:
        self.classifier = classifier
        self.rate = 0.0  # tokens a second, smoothed
        self._limits = limits
        self._metrics = metrics
        self._open: set[Ticket] = set()
        self._stopped = False
        self._queue: TokenQueue[Ticket] = TokenQueue(limits.queue_tokens)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(limits.workers, "strijdtaal-tokens")
        self._threads = [
            threading.Thread(target=self._infer, name=f"strijdtaal-model-{number}", daemon=True)
            for number in range(limits.inference_threads)
        ]
        metrics.watch("queue_tokens", "Tokens that wait for the model.", lambda: self._queue.tokens)
        metrics.watch("queue_requests", "Requests that wait for the model.", lambda: len(self._queue))
        metrics.watch("open_requests", "Requests taken in and not yet answered.", lambda: len(self._open))

    def start(self) -> None:
        """Start the inference threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> int:
        """Answer what is still open with 503, end the threads after their batch; the number of those requests."""
        self._stopped = True
        self._queue.close()
        left = list(self._open)
        for ticket in left:
            ticket.settle(Refusal(503, "stopping", STOPPING, {"Retry-After": "1"}))
        self._pool.shutdown(wait=False, cancel_futures=True)
        return len(left)

    @property
    def alive(self) -> bool:
        """Whether every inference thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def retry_after(self) -> int:
        """Seconds until the queue will be empty, from the measured rate; at least 1."""
        return min(LONGEST_RETRY, max(1, math.ceil(self._queue.tokens / self.rate))) if self.rate else 1

    def check_room(self) -> None:
        """Refuse early, before a body is read.

        Raises:
            Refusal: 429 with Retry-After; 503 once the engine is stopped.
        """
        if self._stopped:
            raise Refusal(503, "stopping", STOPPING, {"Retry-After": "1"})
        late = self.rate > 0 and self._queue.tokens / self.rate > self._limits.timeout
        if self._queue.full or late or len(self._open) >= self._limits.queue_requests:
            raise self._no_room()

    def _no_room(self) -> Refusal:
        message = "The service is busy: its queue is full. Try again after the seconds in Retry-After."
        return Refusal(429, "queue_full", message, {"Retry-After": str(self.retry_after)})

    async def run(self, prepare: Callable[[], Prepared], receive: Callable[[], Awaitable[Any]]) -> bytes:
        """Tokenise on a worker thread, wait for the model, and return the written answer.

        Work that nobody waits for any more (too late, the client left, the task was cancelled) is dropped
        before it reaches the model.

        Raises:
            Refusal: no room (429), too slow (504), the model failed (500), or what ``prepare`` raises.
            Disconnected: ``receive`` says that the client left.
        """
        self.check_room()
        ticket = Ticket(prepare, len(self.classifier.contract.keys))
        gone = asyncio.ensure_future(_disconnected(receive))
        either: set[asyncio.Future[Any]] = {ticket.answer, gone}
        self._open.add(ticket)
        try:
            self._pool.submit(self._prepare, ticket)
            await asyncio.wait(either, timeout=self._limits.timeout, return_when=asyncio.FIRST_COMPLETED)
            if ticket.answer.done():
                return ticket.answer.result()
            if gone.done():
                raise Disconnected
            raise Refusal(504, "timeout", f"No answer within {self._limits.timeout:g} seconds. Try again later.")
        finally:
            self._open.discard(ticket)
            ticket.cancelled = True
            ticket.prepare = nothing_to_do  # it may still stand in line; let go of the body that it holds
            ticket.answer.cancel()
            gone.cancel()
            self._queue.cancel(ticket)

    def _prepare(self, ticket: Ticket) -> None:
        if self._gone(ticket):
            return
        start = time.perf_counter()
        try:
            prepared = ticket.prepare()
            ticket.write = prepared.write
            ticket.hold(prepared.rows)
            self._metrics.stages["tokenisation"].observe(ticket.queued - start)
            if not prepared.rows:
                ticket.settle(prepared.write(ticket.probabilities))
            elif not self._queue.put(ticket):
                ticket.settle(self._no_room())
            elif self._gone(ticket):  # while it was put there
                self._queue.cancel(ticket)
        except Refusal as refusal:
            ticket.settle(refusal)
        except Exception as error:
            log.error("A request could not be read or tokenised: %s", place_of(error))
            ticket.settle(Refusal(500, "failed", FAILED))

    @staticmethod
    def _gone(ticket: Ticket) -> bool:
        return ticket.cancelled

    def _infer(self) -> None:
        while (batch := self._queue.take(self._limits.batch_tokens)) is not None:
            self._run([(ticket, rows) for ticket, rows in batch.parts.items() if not ticket.cancelled])

    def _run(self, parts: list[Part]) -> None:
        start = time.perf_counter()
        for ticket, _ in parts:
            if not ticket.started:
                ticket.started = start
                self._metrics.stages["queue"].observe(start - ticket.queued)
        rows = [ticket.rows[number] for ticket, numbers in parts for number in numbers]
        if not rows:
            return
        try:
            values = self._probabilities(rows)
        except Exception as error:
            self._failed(error, parts)
            return
        self._measured(len(parts), len(rows), sum(map(len, rows)), time.perf_counter() - start)
        done = 0
        for ticket, numbers in parts:
            ticket.probabilities[numbers] = values[done : done + len(numbers)]
            done += len(numbers)
            self._finish(ticket, len(numbers))

    def _probabilities(self, rows: list[Any]) -> Probabilities:
        values = sigmoid(self.classifier.logits_of(rows))
        if not np.isfinite(values).all():
            raise BundleError("The model gave a value that is not finite.")
        return values

    def _failed(self, error: Exception, parts: list[Part]) -> None:
        """One request must not fail another: those of a failed batch are run one by one."""
        log.error("The model failed on a batch of %d requests: %s", len(parts), place_of(error))
        self._metrics.failures.inc()
        if len(parts) > 1:
            for part in parts:
                self._run([part])
            return
        ticket = parts[0][0]
        self._queue.cancel(ticket)
        ticket.settle(Refusal(500, "failed", FAILED))

    def _measured(self, requests: int, sentences: int, tokens: int, seconds: float) -> None:
        rate = len(self._threads) * tokens / max(seconds, 1e-6)
        self.rate = 0.8 * self.rate + 0.2 * rate if self.rate else rate
        self._metrics.sentences.inc(sentences)
        self._metrics.tokens.inc(tokens)
        self._metrics.batch_requests.observe(requests)
        self._metrics.batch_sentences.observe(sentences)
        self._metrics.batch_tokens.observe(tokens)

    def _finish(self, ticket: Ticket, rows: int) -> None:
        with self._lock:
            ticket.missing -= rows
            if ticket.missing or ticket.cancelled:
                return
        self._metrics.stages["inference"].observe(time.perf_counter() - ticket.started)
        try:
            ticket.settle(ticket.write(ticket.probabilities))
        except Exception as error:
            log.error("An answer could not be written: %s", place_of(error))
            ticket.settle(Refusal(500, "failed", FAILED))


async def _disconnected(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
