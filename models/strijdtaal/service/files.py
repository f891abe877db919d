"""Files for the browser: the page, the bundle's files that transformers.js needs, and transformers.js itself."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from strijdtaal.bundle import Contract
from strijdtaal.errors import UsageError
from strijdtaal.folder import sha256_of
from strijdtaal.page import CONTENT_SECURITY_POLICY, Asset, assets
from strijdtaal.service.refusal import Refusal

BUNDLE_FILES = (
    "config.json",
    "golden.json",  # the browser proves itself on it
    "labels.json",
    "onnx/model.onnx",
    "onnx/model_quantized.onnx",
    "tokenizer.json",
    "tokenizer_config.json",
)
PACKAGES = ("@huggingface/transformers", "onnxruntime-web")
_MEDIA_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".onnx": "application/octet-stream",
}


def page_routes(contract: Contract) -> tuple[APIRouter, frozenset[str]]:
    """The page and what belongs to it, with the paths (they stay open when there is a key)."""
    router, pages = APIRouter(), assets(contract)
    for path, asset in pages.items():
        router.get(path, include_in_schema=False)(_show(asset))
    return router, frozenset(pages)


def _show(asset: Asset) -> Callable[[], Awaitable[Response]]:
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-cache"}

    async def show() -> Response:
        return Response(asset.content, headers=headers, media_type=asset.media_type)

    return show


def _no_such_file() -> Refusal:
    return Refusal(404, "unknown_path", "There is no such file.")


def bundle_files(bundle: Path | None) -> dict[str, str]:
    """The bundle's files that a browser needs and that are there -> their sha256."""
    if bundle is None:
        return {}
    return {name: sha256_of(bundle / name) for name in BUNDLE_FILES if (bundle / name).is_file()}


def bundle_routes(bundle: Path | None, files: dict[str, str]) -> APIRouter:
    """GET /bundle/{path}: exactly ``files``. The entity tag is a file's sha256."""
    router = APIRouter()

    @router.get("/bundle/{path:path}", include_in_schema=False)
    async def bundle_file(request: Request) -> Response:
        name = request.path_params["path"]
        if bundle is None or name not in files:
            raise _no_such_file()
        tag = f'"{files[name]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return FileResponse(bundle / name, headers=headers, media_type=_MEDIA_TYPES[Path(name).suffix])

    return router


def transformers_folders(node_modules: Path | None) -> tuple[Path, ...]:
    """The folders of transformers.js and of its runtime inside a ``node_modules`` folder.

    Raises:
        UsageError: transformers.js is not there.
    """
    if node_modules is None:
        return ()
    folders = [node_modules / package / "dist" for package in PACKAGES]
    if not folders[0].is_dir():
        raise UsageError(
            f"{folders[0]} is not a folder. Give the node_modules folder that holds {PACKAGES[0]} "
            f"(npm install {PACKAGES[0]})."
        )
    return tuple(folder.resolve() for folder in folders if folder.is_dir())


def transformers_routes(folders: tuple[Path, ...]) -> APIRouter:
    """GET /transformers/{path}: scripts and WebAssembly from the first of the folders that has the file."""
    router = APIRouter()

    @router.get("/transformers/{path:path}", include_in_schema=False)
    async def script(request: Request) -> Response:
        path = _inside(folders, request.path_params["path"])
        return FileResponse(path, headers={"Cache-Control": "no-cache"}, media_type=_MEDIA_TYPES[path.suffix])

    return router


def _inside(folders: tuple[Path, ...], name: str) -> Path:
    """The file that a path means, which must lie inside one of the folders once links are followed.

    Raises:
        Refusal: 404.
    """
    if Path(name).suffix in {".js", ".mjs", ".wasm"} and "\0" not in name and not name.startswith("/"):
        for folder in folders:
            with contextlib.suppress(OSError):  # a name that is too long for the system
                path = (folder / name).resolve()
                if path.suffix in _MEDIA_TYPES and path.is_relative_to(folder) and path.is_file():
                    return path
    raise _no_such_file()
