"""A light HTTP client for load tests: ready-made request bytes in, raw answers out, checked after the run."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Shot:
    """One request: which of the ready-made ones, when it was due, when its answer was whole, and what it was."""

    number: int
    due: float
    done: float = 0.0
    status: int = 0
    body: bytes = field(default=b"", repr=False)


class Connection(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._received = bytearray()
        self._whole = -1
        self._shot: Shot | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def send(self, request: bytes, shot: Shot) -> None:
        """Send a request; its answer goes to the pool."""
        assert self._transport is not None  # noqa: S101
        self._shot = shot
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect an answer by its Content-Length."""
        self._received += data
        if self._whole < 0:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._received, 0, end)
            self._whole = end + 4 + int(length[1] if length else 0)
        shot = self._shot
        if len(self._received) < self._whole or shot is None:
            return
        shot.done = time.perf_counter()
        shot.status = int(self._received[9:12])
        if shot.status == 200:
            shot.body = bytes(self._received[self._received.find(b"\r\n\r\n") + 4 :])
        self._received.clear()
        self._whole, self._shot = -1, None
        self._pool.answered(self, shot)

    def connection_lost(self, exc: Exception | None) -> None:
        """Without an answer, the request is lost: its status stays 0."""
        self._pool.lost(self, self._shot)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class Pool:
    """Connections to one service, and every request that was made through them."""

    def __init__(self, requests: list[bytes], connections: int) -> None:
        self.shots: list[Shot] = []
        self.open = 0  # requests without an answer
        self.again = False  # closed loop: a connection that got its answer asks the next thing at once
        self._requests = requests
        self._connections = connections
        self._idle: deque[Connection] = deque()
        self._backlog: deque[Shot] = deque()

    async def connect(self, host: str, port: int) -> None:
        """Open all connections."""
        loop = asyncio.get_running_loop()
        for _ in range(self._connections):
            _, connection = await loop.create_connection(lambda: Connection(self), host, port)
            self._idle.append(connection)

    def shoot(self, due: float) -> None:
        """Make one request that is due at a time; it waits here for a connection when all are taken."""
        shot = Shot(len(self.shots) % len(self._requests), due)
        self.shots.append(shot)
        self.open += 1
        if self._idle:
            self._idle.popleft().send(self._requests[shot.number], shot)
        else:
            self._backlog.append(shot)

    def answered(self, connection: Connection, shot: Shot) -> None:
        """Take a connection back, and give it what waits."""
        self.open -= 1
        if self._backlog:
            waiting = self._backlog.popleft()
            connection.send(self._requests[waiting.number], waiting)
            return
        self._idle.append(connection)
        if self.again:
            self.shoot(shot.done)

    def lost(self, connection: Connection, shot: Shot | None) -> None:
        """A connection broke."""
        self.open -= shot is not None
        if connection in self._idle:
            self._idle.remove(connection)

    def give_up(self) -> int:
        """Forget the requests that never got a connection; how many."""
        never = len(self._backlog)
        waiting = {id(shot) for shot in self._backlog}
        self.shots = [shot for shot in self.shots if id(shot) not in waiting]
        self.open -= never
        self._backlog.clear()
        return never

    async def settle(self, seconds: float) -> None:
        """Wait for the answers that are still missing."""
        end = time.perf_counter() + seconds
        while self.open > 0 and time.perf_counter() < end:
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Hang up on the idle connections."""
        for connection in list(self._idle):
            connection.close()


async def closed_loop(pool: Pool, at_once: int, seconds: float) -> float:
    """``at_once`` clients that each ask again as soon as they are answered; the seconds that it took."""
    start = time.perf_counter()
    pool.again = True
    for _ in range(at_once):
        pool.shoot(start)
    await asyncio.sleep(seconds)
    pool.again = False
    await pool.settle(60)
    return time.perf_counter() - start


async def open_loop(pool: Pool, rate: float, seconds: float, most: int) -> float:
    """``rate`` requests a second whatever becomes of them, at most ``most``; the seconds that it took to send them.

    A request's time counts from when it was due, so that a client that falls behind hides nothing.
    """
    start = time.perf_counter()
    total = min(most, int(rate * seconds))
    sent = 0
    while sent < total and time.perf_counter() - start < seconds + 1:
        due = min(total, int((time.perf_counter() - start) * rate) + 1)
        while sent < due:
            pool.shoot(start + sent / rate)
            sent += 1
        await asyncio.sleep(0.002)
    return time.perf_counter() - start
