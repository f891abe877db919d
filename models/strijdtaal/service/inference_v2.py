"""The Open Inference Protocol v2 over HTTP (KServe, Triton, MLServer): one input ``text``, three outputs.

Specification: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from strijdtaal import __version__
from strijdtaal.classifier import Classifier
from strijdtaal.service.body import parse
from strijdtaal.service.desk import NAME, Desk
from strijdtaal.service.openapi import WORK, body_of, errors
from strijdtaal.service.plain import as_json
from strijdtaal.service.refusal import Refusal
from strijdtaal.service.schemas import (
    OUTPUTS,
    InferenceResponse,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
)
from strijdtaal.service.ticket import Prepared, Probabilities

SEPARATOR = ","  # between the labels of one sentence in the output ``labels``


def _json(value: Any) -> Response:
    return Response(as_json(value), media_type="application/json")


def _texts(tensor: Any) -> list[str]:
    """The strings of the input, which must be as many as its shape says.

    Raises:
        Refusal: 422.
    """
    texts = [item if isinstance(item, str) else item[0] for item in tensor.data]
    if tensor.shape not in ([len(texts)], [len(texts), 1]):
        shape = "x".join(map(str, tensor.shape))
        raise Refusal(422, "invalid", f"inputs.0: the shape says {shape}, the data has {len(texts)} strings.")
    return texts


def outputs_of(classifier: Classifier, values: Probabilities, wanted: list[str]) -> list[dict[str, Any]]:
    """The output tensors by name; row-major, probabilities and decisions (n, labels), labels (n,)."""
    keys = np.array(classifier.contract.keys)
    decided = values >= np.array(classifier.contract.thresholds)
    shape = list(values.shape)
    tensors: dict[str, dict[str, Any]] = {
        "probabilities": {"datatype": "FP64", "shape": shape, "data": values.ravel().tolist()},
        "decisions": {"datatype": "BOOL", "shape": shape, "data": decided.ravel().tolist()},
        "labels": {
            "datatype": "BYTES",
            "shape": shape[:1],
            "data": [SEPARATOR.join(keys[row].tolist()) for row in decided],
        },
    }
    return [{"name": name, **tensors[name]} for name in wanted]


def prepare_inference(classifier: Classifier, version: str, model: type[BaseModel], raw: bytes) -> Prepared:
    """The rows of an $inference_request."""
    request: Any = parse(model, raw)
    texts = _texts(request.inputs[0])
    wanted = list(dict.fromkeys(item.name for item in request.outputs or [])) or list(OUTPUTS)
    head = {"model_name": NAME, "model_version": version} | ({} if request.id is None else {"id": request.id})

    def write(values: Probabilities) -> bytes:
        return as_json(head | {"outputs": outputs_of(classifier, values, wanted)})

    return Prepared(classifier.encode(texts), write)


def _metadata(desk: Desk) -> dict[str, Any]:
    contract = desk.classifier.contract
    labels = len(contract.keys)
    return {
        "name": NAME,
        "versions": [desk.version],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, labels]},
            {"name": "decisions", "datatype": "BOOL", "shape": [-1, labels]},
            {"name": "labels", "datatype": "BYTES", "shape": [-1]},
        ],
        "parameters": {
            "labels": list(contract.keys),
            "thresholds": list(contract.thresholds),
            "max_length": contract.max_length,
            "precision": desk.classifier.precision,
            "bundle_sha256": contract.sha256,
        },
    }


def _server_routes(router: APIRouter, desk: Desk) -> None:
    @router.get("/v2", response_model=ServerMetadata, responses=errors(401), summary="Server metadata")
    async def server() -> Response:
        return _json({"name": NAME, "version": __version__, "extensions": []})

    @router.get("/v2/health/live", response_model=Live, summary="Server live")
    async def live() -> Response:
        return _json({"live": True})

    @router.get("/v2/health/ready", response_model=Ready, responses=errors(503), summary="Server ready")
    async def ready() -> Response:
        desk.check_ready()
        return _json({"live": True, "ready": True})


def _model_routes(router: APIRouter, desk: Desk, infer: type[BaseModel], version: bool) -> None:
    """The routes of the model, with or without a version in their path."""
    classifier = desk.classifier
    prefix = "/v2/models/{name}" + ("/versions/{version}" if version else "")
    known = {"name": NAME} | ({"version": desk.version} if version else {})
    parameters = {"parameters": [_in_path(name, value) for name, value in known.items()]}
    metadata = as_json(_metadata(desk))

    def check(request: Request) -> None:
        if request.path_params != known:
            raise Refusal(404, "unknown_model", f"There is one model here, {NAME!r}, version {desk.version!r}.")

    @router.get(
        prefix,
        response_model=ModelMetadata,
        responses=errors(401, 404),
        openapi_extra=parameters,
        summary="Model metadata",
    )
    async def about(request: Request) -> Response:
        check(request)
        return Response(metadata, media_type="application/json")

    @router.get(
        f"{prefix}/ready",
        response_model=ModelReady,
        responses=errors(401, 404, 503),
        openapi_extra=parameters,
        summary="Model ready",
    )
    async def ready(request: Request) -> Response:
        check(request)
        desk.check_ready()
        return _json({"name": NAME, "ready": True})

    @router.post(
        f"{prefix}/infer",
        response_model=InferenceResponse,
        responses=errors(404, *WORK),
        openapi_extra=parameters | body_of(infer),
        summary="Inference",
    )
    async def inference(request: Request) -> Response:
        check(request)
        return await desk.answer(request, lambda raw: prepare_inference(classifier, desk.version, infer, raw))


def _in_path(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": [value]}}


def routes(desk: Desk, infer: type[BaseModel]) -> APIRouter:
    """All routes of the protocol."""
    router = APIRouter()
    _server_routes(router, desk)
    _model_routes(router, desk, infer, version=False)
    _model_routes(router, desk, infer, version=True)
    return router
