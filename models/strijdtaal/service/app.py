"""The service as an ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from strijdtaal import __version__
from strijdtaal.classifier import Classifier
from strijdtaal.service import files, inference_v2, openapi, plain
from strijdtaal.service.desk import NAME, Desk
from strijdtaal.service.gate import OPEN_PATHS, Gate
from strijdtaal.service.limits import Limits
from strijdtaal.service.refusal import error_response
from strijdtaal.service.schemas import request_models
from strijdtaal.text import sentence_spans


def create_app(
    classifier: Classifier,
    limits: Limits | None = None,
    api_key: str | None = None,
    bundle: Path | None = None,
    transformers_js: Path | None = None,
) -> FastAPI:
    """The service as an ASGI application. Its lifespan starts and ends the threads; ``app.state.desk`` is its state.

    Args:
        classifier: what answers.
        limits: what is accepted; the defaults when left out.
        api_key: asked for on every route but health, readiness and the page.
        bundle: the folder that the classifier was loaded from, to hand its files to browsers.
        transformers_js: a ``node_modules`` folder with ``@huggingface/transformers``, for inference in the browser.

    Raises:
        UsageError: ``transformers_js`` does not hold transformers.js.
    """
    desk = Desk(classifier, limits or Limits(), api_key)
    sentence_spans("Het sneeuwt.")  # loads the splitter now, not on the first request

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.start()
        yield
        desk.stop()

    app = FastAPI(title=NAME, version=__version__, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.desk = desk
    open_paths = _add_routes(app, desk, bundle, transformers_js)
    app.add_middleware(Gate, desk=desk, open_paths=open_paths)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> Response:
        return error_response(error.status_code, f"{error.detail}.", error.headers)

    return app


def _add_routes(app: FastAPI, desk: Desk, bundle: Path | None, transformers_js: Path | None) -> frozenset[str]:
    """All routes; returns the paths of the page."""
    models = sentences, article, infer = request_models(desk.limits)
    folders = files.transformers_folders(transformers_js)
    served = files.bundle_files(bundle)
    page, pages = files.page_routes(desk.classifier.contract)
    settings = plain.settings_of(desk, served, bool(folders and served))
    for router in (
        plain.work_routes(desk, sentences, article),
        inference_v2.routes(desk, infer),
        plain.state_routes(desk, settings),
        page,
        files.bundle_routes(bundle, served),
        files.transformers_routes(folders),
    ):
        app.include_router(router)

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return Response(plain.as_json(app.openapi()), media_type="application/json")

    openapi.describe(app, models, desk.limits, desk.api_key is not None, OPEN_PATHS)  # once all routes are there
    return pages
