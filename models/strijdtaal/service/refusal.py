"""Why a request is not answered: one exception with status, reason for the metrics and text for people.

Every error of the service has the same body, that of the Open Inference Protocol: ``{"error": "..."}``.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import Response

log = logging.getLogger(__name__)

STOPPING = "The service is stopping."
FAILED = "The model failed on this request. The service goes on; its log names the place of the fault."


class Refusal(Exception):  # noqa: N818
    """A request gets an error status. ``reason`` is the label in ``strijdtaal_rejected_requests_total``."""

    def __init__(self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer: ``{"error": message}``."""
        return error_response(self.status, self.message, self.headers)


class Disconnected(Exception):  # noqa: N818
    """The client went away; nobody is left to answer."""


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error in the one form that the service has."""
    body = json.dumps({"error": message}, ensure_ascii=False)
    return Response(body, status, dict(headers or {}), media_type="application/json")


def place_of(error: BaseException) -> str:
    """Type of an exception and where it was raised, without its message, which may hold text of the input."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}"


class WithoutValues(logging.Filter):
    """Replaces the traceback of a log record, whose last line holds an exception's message, by the place alone."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
            record.msg = f"{record.getMessage().strip()}: {place_of(record.exc_info[1])}"
            record.args, record.exc_info, record.exc_text = None, None, None
        return True
