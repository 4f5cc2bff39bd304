"""Metrics in Prometheus' text format. Labels are few and fixed: no user, no id, no model name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from underpass import __version__

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0)

Gauges = Callable[[], Mapping[str, tuple[str, float]]]
"""What is true at this moment: name → (help, value)."""


class Metrics:
    """One process's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "underpass_http_requests",
            "HTTP requests that have ended.",
            ["kind", "method", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "underpass_http_request_seconds",
            "Time from a request's start to its answer's end.",
            ["kind"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def observe(self, kind: str, method: str, status: int, took_s: float) -> None:
        """Count one HTTP request."""
        if method not in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            method = "other"  # a client can make up methods, and each would be a new series
        self._requests.labels(kind, method, f"{status // 100}xx").inc()
        self._seconds.labels(kind).observe(took_s)

    def add_gauges(self, read: Gauges) -> None:
        """Ask `read` at each scrape."""
        self._registry.register(_Gauges(read))

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self, read: Gauges) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        info = GaugeMetricFamily("underpass_info", "The running version.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info
        for name, (text, value) in self._read().items():
            yield GaugeMetricFamily(name, text, value=value)

    def describe(self) -> Iterable[Metric]:
        return ()
