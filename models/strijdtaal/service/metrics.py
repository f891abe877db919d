"""What the service counts and times, for Prometheus: one registry of its own for each application."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
STAGES = ("tokenisation", "queue", "inference", "total")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_POWERS = tuple(float(2**power) for power in range(15))


class Metrics:
    """Counters, histograms and gauges; safe to use from any thread.

    Routes are labelled by their template, never by the path that a client sent, so that labels stay few.
    """

    def __init__(self, version: str, bundle: str) -> None:
        registry = self.registry = CollectorRegistry()
        about = Info("strijdtaal", "What answers here.", registry=registry)
        about.info({"version": version, "bundle": bundle})
        self._requests = Counter(
            "strijdtaal_requests", "Requests by route and status (499: the client left).", ["route", "status"],
            registry=registry,
        )  # fmt: skip
        self._rejected = Counter(
            "strijdtaal_rejected_requests", "Requests that got no answer of the model, by reason.", ["reason"],
            registry=registry,
        )  # fmt: skip
        self.sentences = Counter("strijdtaal_sentences", "Sentences that the model labelled.", registry=registry)
        self.tokens = Counter("strijdtaal_tokens", "Tokens that the model read, padding left out.", registry=registry)
        self.failures = Counter("strijdtaal_failed_batches", "Batches on which the model failed.", registry=registry)
        seconds = Histogram(
            "strijdtaal_seconds", "Seconds that a request spent in each stage.", ["stage"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.stages = {stage: seconds.labels(stage) for stage in STAGES}
        self.batch_requests = self._sizes("strijdtaal_batch_requests", "Requests in a batch.")
        self.batch_sentences = self._sizes("strijdtaal_batch_sentences", "Sentences in a batch.")
        self.batch_tokens = self._sizes("strijdtaal_batch_tokens", "Tokens in a batch.")
        ProcessCollector(registry=registry)

    def _sizes(self, name: str, about: str) -> Histogram:
        return Histogram(name, about, buckets=_POWERS, registry=self.registry)

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """A gauge that is read when somebody asks."""
        Gauge(f"strijdtaal_{name}", about, registry=self.registry).set_function(value)

    def answered(self, route: str, status: int) -> None:
        """Count one request."""
        self._requests.labels(route, str(status)).inc()

    def rejected(self, reason: str) -> None:
        """Count one request that the model did not answer."""
        self._rejected.labels(reason).inc()

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
