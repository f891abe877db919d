"""Bodies: read within limits of size and time, strict JSON, and errors that name field and reason but quote nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from strijdtaal.service.limits import Limits
from strijdtaal.service.refusal import Disconnected, Refusal

BODIES = 64  # bodies of the largest size that may be held in memory at once
SHOWN = 5  # faults of one body that are named
_NAME = re.compile(r"[A-Za-z_]{1,40}\Z")
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;|\Z)", re.IGNORECASE)

Model = TypeVar("Model", bound=BaseModel)


class Bodies:
    """Reads bodies; counts the bytes of all that are held, so that many large or slow ones cannot fill the memory."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @contextlib.asynccontextmanager
    async def read(self, receive: Callable[[], Awaitable[Any]]) -> AsyncIterator[bytes]:
        """The whole body; it counts as held until the context ends.

        Raises:
            Refusal: 413, more bytes than allowed (counted, so it holds for chunked transfer too); 408, the client
                took too long; 429, too many bodies are held.
            Disconnected: the client left.
        """
        body = bytearray()
        try:
            try:
                async with asyncio.timeout(self._limits.read_timeout):
                    await self._fill(body, receive)
            except TimeoutError:
                message = f"The body did not arrive within {self._limits.read_timeout:g} seconds."
                raise Refusal(408, "read_timeout", message, {"Connection": "close"}) from None
            yield bytes(body)
        finally:
            self._held -= len(body)

    async def _fill(self, body: bytearray, receive: Callable[[], Awaitable[Any]]) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
            self._held += len(message.get("body", b""))
            self._check(len(body))
            more = message.get("more_body", False)

    def _check(self, size: int) -> None:
        if size > self._limits.max_body:
            raise too_large(self._limits)
        if self._held > BODIES * self._limits.max_body:
            raise Refusal(429, "bodies", "Too many requests are being sent at once.", {"Retry-After": "1"})


def too_large(limits: Limits) -> Refusal:
    """413 for a body of more bytes than allowed."""
    return Refusal(413, "too_large", f"The body is larger than {limits.max_body:,} bytes. Send it in parts.")


def check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    """What the headers say of a body, before any of it is read.

    Raises:
        Refusal: 413, it is too large; 415, it is not JSON, compressed, or holds binary tensors.
    """
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limits.max_body:
        raise too_large(limits)
    kind = headers.get("content-type", "")
    if kind and not _JSON.match(kind):
        raise Refusal(415, "media_type", "The body must be JSON: send the header Content-Type: application/json.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "media_type", "Compressed bodies are not read. Send plain JSON.")
    if "inference-header-content-length" in headers:
        message = "Binary tensors are not read. Send the input as JSON (in tritonclient: binary_data=False)."
        raise Refusal(415, "media_type", message)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def parse(model: type[Model], raw: bytes) -> Model:
    """Strict JSON (UTF-8, no key twice, no NaN), checked against a model.

    Raises:
        Refusal: 422; the message names fields and reasons and quotes no value.
    """
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise _unfit(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise _unfit(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise _unfit("The body is nested too deeply.") from None
    except ValueError as error:
        reason = "a number has too many digits" if "integer string" in str(error) else str(error)
        raise _unfit(f"The body is not JSON that can be used: {reason}.") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        rest = f" And {len(faults) - SHOWN} more." if len(faults) > SHOWN else ""
        raise _unfit(" ".join(f"{_place(fault)}: {fault['msg']}." for fault in faults[:SHOWN]) + rest) from None


def _place(fault: Mapping[str, Any]) -> str:
    """Where a fault is. A key that nobody foresaw may hold text, so only plain names are shown."""
    parts = [str(part) if isinstance(part, int) or _NAME.match(part) else "(a key)" for part in fault["loc"]]
    return ".".join(parts) or "The body"


def _unfit(message: str) -> Refusal:
    return Refusal(422, "invalid", message)
