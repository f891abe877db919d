"""What ``/openapi.json`` says beyond the routes: bodies, every error status, and the API key."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from strijdtaal.service.limits import Limits
from strijdtaal.service.schemas import Error

_RETRY = {"Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
_COMPONENT = "#/components/schemas/{model}"

_ERRORS: dict[int, dict[str, Any]] = {
    401: {"description": "The service has an API key, and the request none or a wrong one.", "headers": _CHALLENGE},
    404: {"description": "No model of this name or version."},
    408: {"description": "The body did not arrive in time."},
    413: {"description": "The body has too many bytes, or the text more tokens than the queue holds."},
    415: {"description": "The body is not JSON, compressed, or holds binary tensors."},
    422: {"description": "The body has a wrong shape: fields and reasons are named."},
    429: {"description": "The queue is full.", "headers": _RETRY},
    500: {"description": "The model failed on this request."},
    503: {"description": "The service is starting or stopping.", "headers": _RETRY},
    504: {"description": "No answer within the time limit."},
}
WORK = (401, 408, 413, 415, 422, 429, 500, 503, 504)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route for these error statuses."""
    return {status: {"model": Error, **_ERRORS[status]} for status in statuses}


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """``openapi_extra`` for a route that reads this body itself."""
    content = {"application/json": {"schema": {"$ref": _COMPONENT.format(model=model.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}


def describe(
    app: FastAPI, models: tuple[type[BaseModel], ...], limits: Limits, keyed: bool, open_paths: frozenset[str]
) -> None:
    """Add the bodies and the API key to the application's document, and keep it."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    for model in models:
        schema = model.model_json_schema(ref_template=_COMPONENT)
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "Asked for when the service was given a key."}
    }
    document["info"]["description"] = (
        f"A body may have {limits.max_body:,} bytes, a request {limits.queue_tokens:,} tokens. Errors have the "
        'form `{"error": "..."}`. Connections that send no valid HTTP get 400, too many connections 503.'
    )
    if keyed:
        document["security"] = [{"key": []}]
        for path in open_paths & set(document["paths"]):
            for operation in document["paths"][path].values():
                operation["security"] = []
