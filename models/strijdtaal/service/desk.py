"""What all routes share: the classifier, its engine, the limits, the counts, and whether the service is ready."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from strijdtaal import __version__
from strijdtaal.classifier import Classifier
from strijdtaal.service.body import Bodies
from strijdtaal.service.engine import Engine
from strijdtaal.service.limits import Limits
from strijdtaal.service.metrics import Metrics
from strijdtaal.service.refusal import Refusal
from strijdtaal.service.ticket import Prepared

NAME = "strijdtaal"


class Desk:
    """State of one application. ``active`` counts the requests to the model between gate and answer."""

    def __init__(self, classifier: Classifier, limits: Limits, api_key: str | None) -> None:
        self.classifier = classifier
        self.limits = limits
        self.api_key = api_key
        self.version = classifier.contract.sha256[:12]
        self.metrics = Metrics(__version__, classifier.contract.sha256)
        self.engine = Engine(classifier, limits, self.metrics)
        self.started = self.stopping = False
        self.active = 0
        self._bodies = Bodies(limits)
        self.metrics.watch("ready", "1 when requests are taken in.", lambda: float(self.ready))

    def start(self) -> None:
        """Start the engine; from now on the service is ready."""
        self.engine.start()
        self.started = True

    def stop(self) -> int:
        """Take nothing more in and refuse what still waits; the number of requests that got no answer."""
        self.stopping = True
        return self.engine.stop() if self.started else 0

    @property
    def ready(self) -> bool:
        """Whether requests are taken in."""
        return self.started and not self.stopping and self.engine.alive

    def check_ready(self) -> None:
        """Refuse when requests are not taken in.

        Raises:
            Refusal: 503.
        """
        if not self.ready:
            state = "stopping" if self.stopping else "starting" if not self.started else "broken: restart it"
            raise Refusal(503, "not_ready", f"The service is {state}.", {"Retry-After": "1"})

    async def answer(self, request: Request, prepare: Callable[[bytes], Prepared]) -> Response:
        """Read the body, let the engine answer, and send what it wrote."""
        async with self._bodies.read(request.receive) as raw:
            body = await self.engine.run(partial(prepare, raw), request.receive)
        return Response(body, media_type="application/json")
