"""The HTTP service over one bundle (extra ``serve``): plain JSON, Open Inference Protocol v2, metrics, a page.

The path of a request: ``protocol`` (connections and slow clients) -> ``gate`` (key, size, room in the queue) ->
``body`` (bytes, strict JSON) -> ``engine`` (tokenised on worker threads, queued by tokens, run in batches across
requests) -> ``plain`` or ``inference_v2`` (the answer). ``server`` holds the process, ``command`` the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strijdtaal.service.app import create_app
    from strijdtaal.service.limits import Limits

__all__ = ["Limits", "create_app"]


def __getattr__(name: str) -> Any:
    """Load FastAPI only when the service is asked for."""
    if name == "create_app":
        from strijdtaal.service.app import create_app

        return create_app
    if name == "Limits":
        from strijdtaal.service.limits import Limits

        return Limits
    raise AttributeError(f"module 'strijdtaal.service' has no attribute {name!r}")
