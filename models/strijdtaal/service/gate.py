"""The gate in front of every route: key, size, room in the queue; it counts requests and catches what escapes."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from strijdtaal.service.body import check_headers
from strijdtaal.service.desk import Desk
from strijdtaal.service.refusal import FAILED, Disconnected, Refusal, place_of

log = logging.getLogger(__name__)

LEFT = 499  # in the metrics only: the client went away
OPEN_PREFIX = "/transformers/"  # scripts import each other there, which cannot carry a key
OPEN_PATHS = frozenset({"/health", "/ready", "/v2/health/live", "/v2/health/ready"})
_INFER = re.compile(r"/v2/models/[^/]+(?P<version>/versions/[^/]+)?/infer\Z")


def work_route(path: str) -> str:
    """The template of a path that the model answers; empty for any other."""
    if path in {"/predict", "/predict_article"}:
        return path
    match = _INFER.match(path)
    if not match:
        return ""
    return "/v2/models/{name}" + ("/versions/{version}" if match["version"] else "") + "/infer"


class Gate:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, desk: Desk, open_paths: frozenset[str]) -> None:
        self.app = app
        self.desk = desk
        self._open_paths = OPEN_PATHS | open_paths
        self._key = None if desk.api_key is None else desk.api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        work = work_route(scope["path"]) if scope["method"] == "POST" else ""

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-content-type-options", b"nosniff"))
            await send(message)

        self.desk.active += bool(work)
        try:
            refusal = await self._answer(scope, receive, note, work)
            if refusal is not None:
                self.desk.metrics.rejected(refusal.reason)
                if not status:
                    await refusal.response()(scope, receive, note)
        except asyncio.CancelledError:
            self.desk.metrics.rejected("cancelled")
            raise
        except Disconnected:
            self.desk.metrics.rejected("disconnected")
        finally:
            self.desk.active -= bool(work)
            route = work or getattr(scope.get("route"), "path", "other")
            self.desk.metrics.answered(route, status or LEFT)
            if work and status == 200:
                self.desk.metrics.stages["total"].observe(time.perf_counter() - start)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, work: str) -> Refusal | None:
        """Let the application answer; what it refuses, or why it failed, comes back."""
        try:
            self._check(scope, work)
            await self.app(scope, receive, send)
        except Refusal as refusal:
            return refusal
        except Disconnected:
            raise
        except Exception as error:
            log.error("A request failed: %s", place_of(error))
            return Refusal(500, "failed", FAILED)
        return None

    def _check(self, scope: Scope, work: str) -> None:
        headers = Headers(scope=scope)
        open_path = scope["path"] in self._open_paths or scope["path"].startswith(OPEN_PREFIX)
        if self._key is not None and not open_path:
            self._check_key(headers)
        if work:
            self.desk.check_ready()
            check_headers(headers, self.desk.limits)
            self.desk.engine.check_room()

    def _check_key(self, headers: Any) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        fits = hmac.compare_digest(given.strip().encode("latin-1"), self._key or b"")
        if scheme.lower() != "bearer" or not fits:
            challenge = 'Bearer realm="strijdtaal"' + (', error="invalid_token"' if given else "")
            message = "A key is needed: send the header Authorization: Bearer KEY."
            raise Refusal(401, "unauthorized", message, {"WWW-Authenticate": challenge})
