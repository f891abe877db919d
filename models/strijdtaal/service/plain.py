"""The plain routes: /predict, /predict_article, /settings, /health, /ready, /metrics."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from strijdtaal import __version__
from strijdtaal.classifier import Classifier, Prediction
from strijdtaal.labels import LABELS
from strijdtaal.service.body import parse
from strijdtaal.service.desk import NAME, Desk
from strijdtaal.service.metrics import CONTENT_TYPE
from strijdtaal.service.openapi import WORK, body_of, errors
from strijdtaal.service.schemas import SentencePredictions, Settings, SpanPredictions, State
from strijdtaal.service.ticket import Prepared, Probabilities
from strijdtaal.text import sentence_spans

QUANTIZED = "onnx/model_quantized.onnx"


def as_json(value: Any) -> bytes:
    """JSON for an answer. NaN is refused: it is no JSON, and no answer either."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _write(predictions: list[Prediction]) -> bytes:
    return as_json({"predictions": [item.as_dict() for item in predictions]})


def prepare_sentences(classifier: Classifier, model: type[BaseModel], raw: bytes) -> Prepared:
    """The rows of {"sentences": [...]}."""
    texts: list[str] = parse(model, raw).sentences  # type: ignore[attr-defined]

    def write(values: Probabilities) -> bytes:
        return _write([classifier.decide(text, row) for text, row in zip(texts, values, strict=True)])

    return Prepared(classifier.encode(texts), write)


def prepare_article(classifier: Classifier, model: type[BaseModel], raw: bytes) -> Prepared:
    """The rows of the sentences of {"text": "..."}."""
    text: str = parse(model, raw).text  # type: ignore[attr-defined]
    spans = sentence_spans(text)

    def write(values: Probabilities) -> bytes:
        places = zip(spans, values, strict=True)
        return _write([classifier.decide(text[start:end], row, start, end) for (start, end), row in places])

    return Prepared(classifier.encode([text[start:end] for start, end in spans]), write)


def work_routes(desk: Desk, sentences: type[BaseModel], article: type[BaseModel]) -> APIRouter:
    """The two routes that label text."""
    router, classifier = APIRouter(), desk.classifier

    @router.post(
        "/predict",
        response_model=SentencePredictions,
        responses=errors(*WORK),
        openapi_extra=body_of(sentences),
        summary="Label sentences",
    )
    async def predict(request: Request) -> Response:
        return await desk.answer(request, lambda raw: prepare_sentences(classifier, sentences, raw))

    @router.post(
        "/predict_article",
        response_model=SpanPredictions,
        responses=errors(*WORK),
        openapi_extra=body_of(article),
        summary="Split an article into sentences and label them",
    )
    async def predict_article(request: Request) -> Response:
        return await desk.answer(request, lambda raw: prepare_article(classifier, article, raw))

    return router


def settings_of(desk: Desk, files: Collection[str], in_browser: bool) -> dict[str, Any]:
    """What /settings says: model, labels with names and thresholds, limits, what a browser can load."""
    contract, limits = desk.classifier.contract, desk.limits
    return {
        "model": NAME,
        "version": desk.version,
        "service": __version__,
        "sha256": contract.sha256,
        "precision": desk.classifier.precision,
        "codebook_version": contract.codebook_version,
        "max_length": contract.max_length,
        "labels": [asdict(label) | {"threshold": contract.thresholds_by_key[label.key]} for label in LABELS],
        "limits": {
            "body_bytes": limits.max_body,
            "sentences": limits.max_sentences,
            "sentence_characters": limits.max_sentence,
            "article_characters": limits.max_article,
            "request_tokens": limits.queue_tokens,
            "seconds": limits.timeout,
        },
        "files": sorted(files),
        "in_browser": in_browser,
        "quantized": QUANTIZED in files,
        "key": desk.api_key is not None,
    }


def state_routes(desk: Desk, settings: dict[str, Any]) -> APIRouter:
    """What is said of the service itself."""
    router = APIRouter()
    written = as_json(settings)

    @router.get("/health", response_model=State, summary="Whether the process lives")
    async def health() -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    @router.get("/ready", response_model=State, responses=errors(503), summary="Whether requests are taken in")
    async def ready() -> Response:
        desk.check_ready()
        return Response(b'{"status":"ready"}', media_type="application/json")

    @router.get("/settings", response_model=Settings, responses=errors(401), summary="Model, labels and limits")
    async def about() -> Response:
        return Response(written, media_type="application/json")

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **errors(401)},
        summary="Counters and histograms for Prometheus",
    )
    async def metrics() -> Response:
        return Response(desk.metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    return router
