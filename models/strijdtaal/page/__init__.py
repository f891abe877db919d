"""The page at ``/`` of ``strijdtaal serve``: plain HTML, CSS and ES modules, without a build step.

The service sends each asset as it is, under ``CONTENT_SECURITY_POLICY``. That header belongs on the scripts too: the
worker of the in-browser option obeys the policy of its own response, not that of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

from strijdtaal.bundle import Contract

# Nothing inline, nothing from elsewhere, no markup made from text (Trusted Types; the one policy of that name
# lets the worker's address through). 'wasm-unsafe-eval' is for ONNX Runtime in the browser.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types strijdtaal",
    )
)

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class Asset:
    """One file of the page: its media type, as a header has it, and its bytes."""

    media_type: str
    content: bytes


def assets(contract: Contract) -> dict[str, Asset]:
    """The files of the page by their paths on the service ("/", "/page.js", "/page.css", ...).

    All are public: none holds anything of a text or a key. ``index.html`` is "/", and names the bundle that it is
    served for; "/abbreviations.txt" is the splitter's own list, for the in-browser option.
    """
    folder = resources.files(__name__)
    files = [item for item in folder.iterdir() if PurePosixPath(item.name).suffix in _MEDIA_TYPES]
    files.append(resources.files("strijdtaal").joinpath("abbreviations.txt"))
    found = {
        f"/{item.name}": Asset(_MEDIA_TYPES[PurePosixPath(item.name).suffix], item.read_bytes())
        for item in sorted(files, key=lambda item: item.name)
    }
    page = found.pop("/index.html")
    return {"/": Asset(page.media_type, page.content.replace(b"{sha256}", contract.sha256.encode()))} | found
