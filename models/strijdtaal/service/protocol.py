"""Connections with limits that uvicorn has none for: how many, how long a request head, a rest or a reader may take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LINGER = 2.0  # seconds that a refused body is still read and thrown away, so that the client sees the answer


def _raw(status: str, message: str, extra: str = "") -> bytes:
    body = json.dumps({"error": message}).encode()
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
    )
    return f"{head}{extra}\r\n".encode() + body


class Corked:
    """A transport that sends what is written in one turn of the event loop at once: head and body in one packet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's own."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep it until the end of this turn."""
        if not data:
            return
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)

    def flush(self) -> None:
        """Send it, unless the connection is gone."""
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        """Send, then close."""
        self.flush()
        self._transport.close()


class BoundedProtocol(H11Protocol):
    """One connection. Subclasses made by ``bounded`` know the limits."""

    most: int
    read_timeout: float
    refused: Callable[[str], None]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def _arm(self, seconds: float, act: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, act)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Count the connection; one too many is told so and closed."""
        super().connection_made(Corked(transport, self.loop))
        if len(self.connections) > self.most:
            self.refused("connections")
            self._end(_raw("503 Service Unavailable", "Too many connections.", "retry-after: 1\r\n"))
            return
        self._arm(self.read_timeout, self._late)

    def data_received(self, data: bytes) -> None:
        """Once a request's head is whole, the application watches the time; until then the timer runs."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._disarm()
        elif self._timer is None:
            self._arm(self.read_timeout, self._late)

    def on_response_complete(self) -> None:
        """Bound what may follow: the rest of a body that nobody reads, or the next request's first bytes."""
        super().on_response_complete()
        if self.cycle is not None and not self.cycle.response_complete:
            return  # a pipelined request has begun
        if self.conn.their_state is h11.SEND_BODY:
            self._arm(LINGER, self._close)
        else:
            self._arm(self.timeout_keep_alive + self.read_timeout, self._late)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the form that all errors have."""
        self.refused("malformed")
        active = self.cycle is not None and not self.cycle.response_complete
        if active and self.cycle.response_started:
            self._close()
        else:
            self._end(_raw("400 Bad Request", msg))

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the timers."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """A client that does not read its answer gets as long as one that does not send its request."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.read_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def _late(self) -> None:
        self._timer = None
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self.refused("read_timeout")
            message = f"The request did not arrive within {self.read_timeout:g} seconds."
            self._end(_raw("408 Request Timeout", message))
        else:
            self._close()

    def _end(self, last: bytes) -> None:
        self.transport.write(last)
        self._close()

    def _close(self) -> None:
        """Close; what the client does not take in time is dropped."""
        self._disarm()
        self.transport.close()
        self._arm(self.read_timeout, self.transport.abort)


def bounded(most: int, read_timeout: float, refused: Callable[[str], None]) -> type[BoundedProtocol]:
    """The protocol with its limits; ``refused`` is called with a reason for each connection that is turned away."""
    return type(
        "Protocol",
        (BoundedProtocol,),
        {"most": most, "read_timeout": read_timeout, "refused": staticmethod(refused)},
    )
