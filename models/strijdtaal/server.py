"""A small HTTP service over one bundle (extra ``serve``): JSON in, JSON out, no text in logs.

    POST /predict          {"sentences": ["...", ...]}   -> {"predictions": [...]}
    POST /predict_article  {"text": "..."}               -> {"predictions": [...]} with offsets
    GET  /health                                         -> {"status": "ok", ...}

Limits are checked before any text is tokenised: 413 for a body that is too large, 422 for a wrong shape.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from strijdtaal import __version__
from strijdtaal.classifier import Classifier
from strijdtaal.errors import DataError

MAX_BODY = 2_000_000  # bytes
MAX_SENTENCES = 256
MAX_SENTENCE = 20_000  # characters
MAX_ARTICLE = 200_000  # characters


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Sentences(_Body):
    """Sentences to label, one by one."""

    sentences: list[Annotated[str, Field(max_length=MAX_SENTENCE)]] = Field(max_length=MAX_SENTENCES)


class Article(_Body):
    """An article to split into sentences and label."""

    text: str = Field(max_length=MAX_ARTICLE)


def create_app(classifier: Classifier) -> FastAPI:
    """The service as an ASGI application."""
    app = FastAPI(title="strijdtaal", version=__version__, docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def limit_body(request: Request, call_next: Any) -> Any:
        length = request.headers.get("content-length", "")
        if request.method == "POST" and not length.isdigit():
            return JSONResponse({"detail": "Content-Length is required."}, 411)
        if length.isdigit() and int(length) > MAX_BODY:
            return JSONResponse({"detail": f"The body is larger than {MAX_BODY:,} bytes."}, 413)
        return await call_next(request)

    @app.exception_handler(DataError)
    async def bad_data(_: Request, error: DataError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.get("/health")
    def health() -> dict[str, Any]:
        contract = classifier.contract
        return {"status": "ok", "labels": list(contract.keys), "codebook_version": contract.codebook_version}

    @app.post("/predict")
    def predict(body: Sentences) -> dict[str, Any]:
        return {"predictions": [item.as_dict() for item in classifier.predict(body.sentences)]}

    @app.post("/predict_article")
    def predict_article(body: Article) -> dict[str, Any]:
        return {"predictions": [item.as_dict() for item in classifier.predict_article(body.text)]}

    return app


def serve(classifier: Classifier, host: str, port: int) -> None:
    """Serve until interrupted."""
    import uvicorn

    uvicorn.run(create_app(classifier), host=host, port=port, log_level="warning", access_log=False)
