"""``strijdtaal serve BUNDLE``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from strijdtaal.bundle import FP32, INT8
from strijdtaal.errors import UsageError
from strijdtaal.service.limits import add_options, limits_of
from strijdtaal.session import available_cores

if TYPE_CHECKING:
    from fastapi import FastAPI

KEY_VARIABLE = "STRIJDTAAL_API_KEY"
LOOPBACK = ("127.", "localhost", "::1")


def add_parser(commands: argparse._SubParsersAction) -> None:  # type: ignore[type-arg]
    """Add ``serve`` to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve",
        help="answer over HTTP (needs the extra 'serve')",
        description="Answer over HTTP: plain JSON, Open Inference Protocol v2, a page at /. If the environment "
        f"variable {KEY_VARIABLE} is set, or --api-key-file given, requests need a header: Authorization: Bearer KEY.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of a packaged model")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="0 lets the system choose (default 8000)")
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help="file that holds the API key on one line")
    parser.add_argument(
        "--transformers-js",
        type=Path,
        metavar="FOLDER",
        help="node_modules folder with @huggingface/transformers, for the page's inference in the browser",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=max(1, available_cores() - 1),
        metavar="N",
        help="processor cores of the model (default: all but one, here %(default)s; 0: all)",
    )
    parser.add_argument(
        "--precision",
        choices=[FP32, INT8],
        default=FP32,
        help=f"{INT8} is faster where the bundle holds such a model; its answers differ a little (default {FP32})",
    )
    add_options(parser)


def read_key(path: Path | None) -> str | None:
    """The API key from a file, else from the environment; None when there is none.

    Raises:
        UsageError: the file cannot be read, or the key is empty or has characters that a header cannot hold.
    """
    key, source = os.environ.get(KEY_VARIABLE), f"The environment variable {KEY_VARIABLE}"
    if path is not None:
        source = f"The file {path}"
        try:
            key = path.read_text("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"Cannot read {path}: {getattr(error, 'strerror', 'it is not UTF-8')}.") from error
    if key is None:
        return None
    if not key or not all("!" <= character <= "~" for character in key):
        raise UsageError(f"{source} holds no usable key: letters, digits and signs of ASCII, without spaces.")
    return key


def run(arguments: argparse.Namespace) -> None:
    """Serve until interrupted.

    Raises:
        UsageError: a limit, the port, the key or a folder is wrong, or the extra is missing.
        BundleError: the bundle cannot be loaded.
    """
    limits, key = limits_of(arguments), read_key(arguments.api_key_file)
    if not 0 <= arguments.port <= 65_535:
        raise UsageError(f"--port is {arguments.port}; it must be from 0 to 65535.")
    if not 0 <= arguments.threads <= 1_024:
        raise UsageError(f"--threads is {arguments.threads}; it must be from 0 to 1024.")
    try:
        from strijdtaal.service.app import create_app
        from strijdtaal.service.server import allow_files, bind, serve
    except ImportError as error:
        raise UsageError(f"serve needs {error.name}. Install the extra: pip install 'strijdtaal[serve]'.") from error

    def make() -> FastAPI:
        from strijdtaal.classifier import Classifier

        classifier = Classifier.load(arguments.bundle, threads=arguments.threads, precision=arguments.precision)
        return create_app(classifier, limits, key, arguments.bundle, arguments.transformers_js)

    allow_files(limits.connections)
    listener = bind(arguments.host, arguments.port)
    host, port = listener.getsockname()[:2]
    if key is None and not host.startswith(LOOPBACK):
        sys.stderr.write(
            f"Warning: listening on {host} without an API key: whoever reaches this machine can use the service. "
            f"Set {KEY_VARIABLE}, or give --api-key-file.\n"
        )
    place = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Serving {arguments.bundle} on http://{place}:{port} (stop with Ctrl-C)\n")
    sys.stderr.flush()
    serve(make, listener, limits)
