"""The process: a socket, a model that is loaded while the service already says that it lives, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from strijdtaal.errors import UsageError
from strijdtaal.service.desk import Desk
from strijdtaal.service.limits import Limits
from strijdtaal.service.protocol import bounded
from strijdtaal.service.refusal import WithoutValues, error_response, place_of

log = logging.getLogger(__name__)

KEEP_ALIVE = 5  # seconds that an idle connection stays open
BACKLOG = 2_048
OTHER_FILES = 128  # open files that are no connections: libraries, the model, files being sent
LAST_WORDS = 2  # seconds for answers on their way out, once the model has nothing left to do
_LIVE = {"/health": b'{"status":"ok"}', "/v2/health/live": b'{"live":true}'}


class Starting:
    """An ASGI application that answers 503, and /health, until the one that it makes in a thread is there."""

    def __init__(self, make: Callable[[], FastAPI], failed: Callable[[], None]) -> None:
        self.app: FastAPI | None = None
        self.error: BaseException | None = None
        self._make = make
        self._failed = failed

    @property
    def desk(self) -> Desk | None:
        """State of the application, once it is there."""
        return None if self.app is None else self.app.state.desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say that the model is being loaded."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            live = _LIVE.get(scope["path"]) if scope["method"] == "GET" else None
            answer = error_response(503, "The model is being loaded.", {"Retry-After": "1"})
            if live is not None:
                answer = type(answer)(live, media_type="application/json")
            await answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        asyncio.get_running_loop().set_exception_handler(_without_values)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        end = asyncio.Event()
        loading = asyncio.create_task(self._load(end))
        await receive()
        end.set()
        await loading
        await send({"type": "lifespan.shutdown.complete"})

    async def _load(self, end: asyncio.Event) -> None:
        try:
            app = await asyncio.to_thread(self._make)
            async with app.router.lifespan_context(app):
                self.app = app
                await end.wait()
        except BaseException as error:
            self.error = error
            self._failed()
            if not isinstance(error, Exception):
                raise


def _without_values(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    log.error("%s", place_of(error) if error is not None else context.get("message"))


class Server(uvicorn.Server):
    """uvicorn, but what was accepted is answered before the socket closes; until then /ready says 503."""

    def __init__(self, config: uvicorn.Config, starting: Starting, limits: Limits) -> None:
        super().__init__(config)
        self._starting = starting
        self._limits = limits

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more work in, answer what was accepted within the limit, then close."""
        desk = self._starting.desk
        if desk is not None:
            desk.stopping = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.stop_timeout):
                    while desk.active and not self.force_exit:
                        await asyncio.sleep(0.02)
            left = desk.stop()
            if left:
                log.warning("Stopped with %d requests unanswered: they got 503.", left)
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens, before anything is loaded for a port that cannot be had.

    Raises:
        UsageError: the port is taken, or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"{host} is not an address: {error.strerror}. Give --host a name or number.") from error
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"Port {port} on {host} is in use. Stop what uses it, or give another --port.") from error
        raise UsageError(f"Cannot listen on {host} port {port}: {error.strerror}. Choose another.") from error
    return listener


def allow_files(connections: int) -> None:
    """Raise the process' own limit of open files to what the connections need.

    Raises:
        UsageError: the system does not allow as many.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise UsageError(f"{connections:,} connections need {wanted:,} open files; the system allows {hard:,}. "
                         "Lower --connections, or raise the limit (ulimit -n).")  # fmt: skip
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """SIGINT and SIGTERM stop the server, and the process then ends with 0.

    Uvicorn has handlers of its own while it runs. These are for a signal before that, and for the one that uvicorn
    raises again when it has stopped, by when the process has done what it was asked.
    """

    def end(*_: Any) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(make: Callable[[], FastAPI], listener: socket.socket, limits: Limits) -> None:
    """Serve until SIGINT or SIGTERM. ``make`` loads the model and gives the application (``create_app``).

    Raises:
        StrijdtaalError: what ``make`` raised.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(WithoutValues())
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # not a line for every connection that sends no HTTP

    def failed() -> None:
        server.should_exit = True

    def refused(reason: str) -> None:
        if starting.desk is not None:
            starting.desk.metrics.rejected(reason)

    starting = Starting(make, failed)
    config = uvicorn.Config(
        starting,
        http=bounded(limits.connections, limits.read_timeout, refused),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=LAST_WORDS,
    )
    server = Server(config, starting, limits)
    with _signals_end(server):
        server.run([listener])
    if starting.error is not None:
        raise starting.error
